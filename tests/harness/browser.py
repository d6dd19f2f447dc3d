"""A browser without a screen, and the page of a report in it."""

import contextlib
import functools
import json
import shutil
import subprocess

from playwright.sync_api import Browser, Page, sync_playwright

from harness.paths import PROJECT

# A browser for tests, first of those that are installed.
BROWSERS = ("chromium-headless-shell", "chromium")
# Nothing listens there: whatever the page should ask for fails, and is seen.
CLOSED_PROXY = "http://127.0.0.1:9"


@functools.cache
def _program() -> str:
    """The example program that makes pages; `cargo test` has built it already."""
    subprocess.run(
        ["cargo", "build", "-q", "-p", "bunker-core", "--example", "report"],
        cwd=PROJECT, check=True, timeout=800)
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version=1", "--no-deps"],
        cwd=PROJECT, check=True, capture_output=True, timeout=60)
    return f"{json.loads(metadata.stdout)['target_directory']}/debug/examples/report"


def page_of(report: dict) -> str:
    """The HTML page of a report."""
    made = subprocess.run([_program()], input=json.dumps(report).encode(), check=True,
                          capture_output=True, timeout=60)
    return made.stdout.decode()


@contextlib.contextmanager
def browser():
    """Chromium, with a proxy to nowhere for every address."""
    program = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        # Its own sandbox does not run as root; the pages are ours.
        chromium = playwright.chromium.launch(
            executable_path=program, proxy={"server": CLOSED_PROXY},
            args=["--no-sandbox", "--disable-background-networking", "--proxy-bypass-list=<-loopback>"])
        try:
            yield chromium
        finally:
            chromium.close()


class Shown:
    """A page in a tab of its own, with what it asked for and complained about."""

    def __init__(self, page: Page):
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dialog)

    def _dialog(self, dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def text(self, selector: str = "body") -> str:
        """The text as a reader sees it: nothing of what is folded or hidden."""
        return self.page.locator(selector).first.inner_text()

    def style(self, selector: str, name: str) -> str:
        """A property of the first element, as computed."""
        return self.page.locator(selector).first.evaluate(
            "(element, name) => getComputedStyle(element).getPropertyValue(name)", name)

    def width(self) -> tuple[int, int]:
        """How wide the content is, and how wide the window."""
        root = "document.documentElement"
        return tuple(self.page.evaluate(f"[{root}.scrollWidth, {root}.clientWidth]"))


@contextlib.contextmanager
def shown(chromium: Browser, html: str, width: int = 1280, height: int = 900, **options):
    """Shows a page in a window of that size, in CSS pixels; `options` as of Browser.new_page."""
    page = chromium.new_page(viewport={"width": width, "height": height}, **options)
    try:
        tab = Shown(page)
        # Reports of what the policy forbade, which is not always written to the console.
        page.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.blockedURI))")
        page.set_content(html, wait_until="load")
        yield tab
    finally:
        page.close()
