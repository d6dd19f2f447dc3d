"""Reports of a data subject for the page that is made of them: a usual one, and extreme ones."""

import copy
import datetime
import json
import random

from harness.paths import PROJECT

SAMPLE = PROJECT / "crates/bunker-core/tests/report_common/report.json"
# Markup, a style's end, an address, entities: each would do something where it is not escaped.
HOSTILE = (
    '"><script>document.title="owned"</script></style></title><img src=//evil.test/x onerror=alert(1)>'
    "javascript:alert(1) &lt;&#x3c;&amp; ]]> <!-- ' ` {{7*7}}"
)
# Turns the text after it around, and an end of text for a reader in C.
UNSEEN = "abc\u202egpj.exe\u2066\u0000\u001b[2J"


def rich() -> dict:
    """A person with something of everything, and two years of accesses."""
    report = json.loads(SAMPLE.read_text())
    report["accesses"] += accesses(1_900, datetime.timedelta(days=730))
    return report


def empty() -> dict:
    """A person of whom nothing is held but his token."""
    return {"generated_at": "2026-11-22T10:00:00Z", "user": {"token": "t"}, "accesses": []}


def hostile() -> dict:
    """The usual report with hostile text at the end of every string and of every name of data."""
    return poisoned(json.loads(SAMPLE.read_text()))


def poisoned(value):
    """A value with hostile text in every string, and as a further member of what is not ours."""
    if isinstance(value, str):
        return value + HOSTILE + UNSEEN
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    if isinstance(value, dict):
        return {name: poisoned(item) for name, item in value.items()} | {HOSTILE + UNSEEN: HOSTILE}
    return value


def huge() -> dict:
    """Long words, a large text, deep nesting, a long list, and 50,000 accesses in ten years."""
    report = copy.deepcopy(rich())
    deep = "the bottom"
    for level in range(127, 0, -1):
        deep = [deep] if level % 5 == 0 else {f"level_{level}": deep, "side": level}
    report["profile"] |= {
        "unbroken": "x" * 1_500,
        "text": "All work and no play. " * 50_000,
        "digits": 10 ** 400,
        "list": [f"item {number}" for number in range(10_000)],
        "deep": deep,
        "n" * 300: "a long name",
    }
    report["accesses"] = accesses(50_000, datetime.timedelta(days=3_650))
    return report


def accesses(count: int, span: datetime.timedelta) -> list[dict]:
    """So many accesses within `span` before the report, the latest first, alike at every run."""
    dice = random.Random(count)
    latest = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.UTC)
    times = sorted((latest - span * dice.betavariate(1, 2.5) for _ in range(count)), reverse=True)
    return [access(count - number, at, dice) for number, at in enumerate(times)]


def access(number: int, at: datetime.datetime, dice: random.Random) -> dict:
    action = dice.choices(["get_user", "lookup", "update_user", "create_session"], [6, 3, 1, 1])[0]
    status = dice.choices(["ok", "not_found", "denied", "failed"], [96, 2, 1, 1])[0]
    actor = dice.choice(["web_shop role=bunker_app", "call_centre role=bunker_app", "bob role=bunker_dpo"])
    return {"id": number, "at": at.isoformat(), "actor": actor, "action": action, "status": status,
            "kind": dice.choice(["token", "email"]), "app": None,
            "reason": dice.choice([None, "order 4711"]), "message": None}
