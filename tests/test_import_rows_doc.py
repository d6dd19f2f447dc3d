"""docs/IMPORT.md: its example is brought, and its table is what the function says."""

import json
import re

from harness.importing import bring, outcomes
from harness.paths import PROJECT

TEXT = (PROJECT / "docs/IMPORT.md").read_text()
EXAMPLE = json.loads(re.search(r"<!-- import: example -->\n```json\n(.*?)```", TEXT, re.DOTALL)[1])
TABLE = re.search(r"<!-- import: members -->\n(.*?)\n\n", TEXT, re.DOTALL)[1].splitlines()[2:]


def words(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def members() -> dict[str, set[str]]:
    """By kind of row, the members that it has or may have."""
    cells = [line.strip("| ").split(" | ") for line in TABLE]
    return {kind.strip("`"): words(has) | words(may_have) for kind, has, may_have in cells}


def test_the_example_is_brought(admin_conn):
    assert outcomes(admin_conn, *EXAMPLE) == ["created"] * len(EXAMPLE)
    assert outcomes(admin_conn, *EXAMPLE[:4]) == ["present"] * 4


def test_the_example_has_every_member(admin_conn):
    shown = {kind: set() for kind in members()}
    for row in EXAMPLE:
        shown[row["kind"]] |= row.keys() - {"kind"}
    assert shown == members()


def test_the_table_is_what_the_function_says(admin_conn):
    unknown, = bring(admin_conn, {"kind": "nonsense"})
    kinds = re.split(", | or ", unknown.message.rpartition("A row is a ")[2].rstrip("."))
    assert sorted(kinds) == sorted(members())
    for row in EXAMPLE:
        refused, = bring(admin_conn, row | {"nonsense": 1})
        assert (refused.outcome, refused.sqlstate) == ("failed", "22023")
        hint = set(re.findall(r"\w+", refused.message.partition(". ")[2]))
        assert members()[row["kind"]] <= hint
