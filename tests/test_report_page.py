"""The page of the report, as a browser shows it: what is read, at which width, in which light."""

import re

import pytest

import reports
from harness.browser import browser, page_of, shown

# The first test may have to compile the example that makes the pages.
pytestmark = pytest.mark.timeout(900)

PHONE = 360
SECTIONS = {
    "profile": ["Zoë", "Storgata 12", "59.9139", "empty text", "First line\nSecond line", "مرحبا بالعالم"],
    "history": ["Version 3", "address › street", "Parkveien 1", "The whole profile of this version"],
    "apps": ["shop", "Teapot", "It holds no data."],
    "sessions": ["0190163d-8694-739b-aea5-966c26f8ad91", "Firefox 145 on Linux", "22 Nov 2026, 10:40"],
    "shares": ["Parcel Service", "address", "All fields", "20 Dec 2026, 10:00"],
    "consents": ["Monthly newsletter", "You may withdraw this at any time", "Consent (GDPR article 6(1)(a))"],
    "activities": ["Sending of the newsletter", "our mail service in Norway"],
    "requests": ["Change of the profile", "+4787654321", "Withdrawal of a consent", "approved"],
    "expiry": ["28 Feb 2027, 00:00", "wait"],
    "accesses": ["1,906 accesses from", "22 Nov 2026, 09:59:30", "asked for by letter of 20 November",
                 "The trail holds 1,406 older accesses."],
}
REPORTS = {name: getattr(reports, name) for name in ("rich", "empty", "hostile", "huge")}


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests."""
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def pages():
    """The page of each kind of report."""
    return {name: page_of(report()) for name, report in REPORTS.items()}


@pytest.mark.parametrize("width", [PHONE, 1280])
def test_every_section_can_be_read(chromium, pages, width):
    with shown(chromium, pages["rich"], width) as tab:
        for section, parts in SECTIONS.items():
            text = tab.text(f"#{section}")
            for part in parts:
                assert part in text, section
        assert "7f3c1c5e-2b1d-4d0c-9a51-5f0f5b0b9d11" in tab.text("header")
        assert "2 of 3 consents given" in re.sub(r"\s+", " ", tab.text("nav"))


def test_a_report_without_data_says_so_in_every_section(chromium, pages):
    with shown(chromium, pages["empty"]) as tab:
        for section in SECTIONS:
            assert re.search(r"\b(no|No|empty|Nothing)\b", tab.text(f"#{section}")), section


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [320, PHONE, 390, 640, 767, 768, 1280])
def test_nothing_is_wider_than_the_window(chromium, pages, name, width):
    with shown(chromium, pages[name], width) as tab:
        tab.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        content, window = tab.width()
        assert content <= window
        # Nothing is cut off at an edge of a table's cell either.
        cut = tab.page.evaluate(
            "[...document.querySelectorAll('td, th, dd, dt, li')].filter("
            "e => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1 && !e.closest('thead')"
            ").slice(0, 3).map(e => e.outerHTML.slice(0, 200))")
        assert cut == []


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_asks_for_nothing_and_complains_of_nothing(chromium, pages, name):
    with shown(chromium, pages[name]) as tab:
        tab.page.mouse.wheel(0, 100_000)
        tab.page.wait_for_timeout(200)
        assert tab.requests == []
        assert tab.complaints == []


def test_a_request_and_a_forbidden_image_would_have_been_seen(chromium, pages):
    leaking = pages["empty"].replace("<h1>", '<img src="http://127.0.0.1:9/x"><h1>')
    with shown(chromium, leaking) as tab:
        tab.page.wait_for_timeout(200)
        assert any("127.0.0.1:9" in complaint for complaint in tab.complaints)
    without_policy = re.sub(r"<meta http-equiv[^>]*>", "", leaking)
    with shown(chromium, without_policy) as tab:
        tab.page.wait_for_timeout(200)
        assert tab.requests == ["http://127.0.0.1:9/x"]


def test_hostile_text_is_text(chromium, pages):
    with shown(chromium, pages["hostile"]) as tab:
        assert tab.page.title().startswith("Report of personal data · 7f3c1c5e")
        assert tab.page.locator("script, img, body > style").count() == 0
        for section in SECTIONS:
            text = tab.text(f"#{section}")
            assert reports.HOSTILE in text, section
            assert "abcU+202Egpj.exeU+2066U+0000U+001B[2J" in text, section
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", tab.text())


def luminance(colour: str) -> float:
    """Of a computed colour, as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The ratio of contrast of two colours, from 1 to 21."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


# Every element that has text of its own, its colour, and the first ground below it that is not clear.
COLOURS = """() => [...document.querySelectorAll('body *')]
  .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
  .filter(e => !['title', 'desc'].includes(e.tagName))
  .map(e => {
    let ground = e;
    const clear = 'rgba(0, 0, 0, 0)';
    while (ground && getComputedStyle(ground).backgroundColor === clear) ground = ground.parentElement;
    const style = getComputedStyle(e);
    const colour = e.tagName === 'text' ? style.fill : style.color;
    return [e.tagName + '.' + e.getAttribute('class'), colour, getComputedStyle(ground).backgroundColor];
  })"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("media", ["screen", "print"])
def test_all_text_has_the_contrast_of_wcag_aa(chromium, pages, scheme, media):
    for name in ("rich", "hostile"):
        with shown(chromium, pages[name], color_scheme=scheme) as tab:
            tab.page.emulate_media(media=media, color_scheme=scheme)
            colours = {tuple(each) for each in tab.page.evaluate(COLOURS)}
            assert len(colours) > 20
            poor = [(*each, contrast(each[1], each[2])) for each in colours
                    if contrast(each[1], each[2]) < 4.5]
            assert poor == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_stand_out_from_their_ground(chromium, pages, scheme):
    with shown(chromium, pages["rich"], color_scheme=scheme) as tab:
        ground = tab.style(".card", "background-color")
        for kind in ("reads", "changes", "refusals"):
            assert contrast(tab.style(f"rect.{kind}", "fill"), ground) >= 3, kind


def test_dark_mode_has_another_ground_and_another_text(chromium, pages):
    colours = {}
    for scheme in ("light", "dark"):
        with shown(chromium, pages["rich"], color_scheme=scheme) as tab:
            colours[scheme] = tab.style("body", "background-color"), tab.style("body", "color")
    (light_ground, light_text), (dark_ground, dark_text) = colours["light"], colours["dark"]
    assert luminance(light_ground) > 0.8 > 0.1 > luminance(dark_ground)
    assert luminance(light_text) < 0.1 < 0.5 < luminance(dark_text)


def test_print_shows_what_is_folded(chromium, pages):
    with shown(chromium, pages["huge"]) as tab:
        folded = "item 9999"
        assert folded not in tab.text("#profile")
        tab.page.emulate_media(media="print")
        assert folded in tab.text("#profile")
        assert "All work and no play." in tab.text("#profile")
        heights = tab.page.evaluate(
            "[...document.querySelectorAll('details > :not(summary)')].map(e => e.getBoundingClientRect().height)")
        assert len(heights) >= 3
        assert min(heights) > 0


def test_a_printed_report_has_its_pages_on_a4(chromium, pages):
    with shown(chromium, pages["rich"], color_scheme="dark") as tab:
        pdf = tab.page.pdf(prefer_css_page_size=True, print_background=True)
        assert pdf.startswith(b"%PDF-")
        boxes = {tuple(map(float, box)) for box in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)}
        assert [(round(width), round(height)) for width, height in boxes] == [(595, 842)]
        tab.page.emulate_media(media="print", color_scheme="dark")
        assert tab.style("body", "background-color") == "rgb(255, 255, 255)"


def test_the_picture_keeps_its_words_readable_and_inside(chromium, pages):
    for name in ("rich", "huge"):
        for width in (PHONE, 1280):
            with shown(chromium, pages[name], width) as tab:
                boxes = tab.page.evaluate(
                    "[...document.querySelectorAll('svg text')].filter(e => getComputedStyle(e).display !== 'none')"
                    ".map(e => { const b = e.getBoundingClientRect(); return [b.left, b.right, b.height] })")
                assert len(boxes) >= 5
                for left, right, height in boxes:
                    assert 0 <= left < right <= width
                    assert height >= 12
                labels = sorted(tab.page.evaluate(
                    "[...document.querySelectorAll('.tick text')].filter(e => getComputedStyle(e).display !== 'none')"
                    ".map(e => { const b = e.getBoundingClientRect(); return [b.left, b.right] })"))
                assert all(one[1] < next_one[0] for one, next_one in zip(labels, labels[1:]))


def test_headings_and_landmarks_lead_through_the_page(chromium, pages):
    with shown(chromium, pages["rich"]) as tab:
        levels = [int(tag[1]) for tag in tab.page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,h4')].map(e => e.tagName)")]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))
        for selector in ("header", "nav", "main", "footer"):
            assert tab.page.locator(f"body > {selector}").count() == 1
        broken = tab.page.evaluate(
            "[...document.querySelectorAll('[aria-labelledby]')].flatMap(e => e.getAttribute('aria-labelledby')"
            ".split(' ')).concat([...document.querySelectorAll('a')].map(a => a.getAttribute('href').slice(1)))"
            ".filter(id => document.querySelectorAll('#' + id).length !== 1)")
        assert broken == []
        assert tab.page.evaluate("document.querySelectorAll('table:not(:has(caption)), th:not([scope])').length") == 0
