"""README.md in pieces that tests can run and compare.

Pieces are found by HTML comments, which readers do not see: `<!-- name:begin -->` … `<!-- name:end -->`
around a section, `<!-- name -->` right before a fenced block, `<!-- name: word -->` before each of several.
"""

import re
from dataclasses import dataclass

from harness.paths import PROJECT

TEXT = (PROJECT / "README.md").read_text()


@dataclass(frozen=True)
class Statement:
    """An SQL statement and the rows that the README shows for it, columns separated by ` | `."""

    sql: str
    rows: list[str]


def section(name: str) -> str:
    """What stands between a section's two marks."""
    return _only(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", f"section {name}")


def block(name: str) -> str:
    """The fenced block right after a mark."""
    return _only(rf"<!-- {name} -->\n```\w+\n(.*?)```", f"block {name}")


def blocks(name: str) -> list[tuple[str, str]]:
    """The fenced blocks after marks `<!-- name: word -->`, in order, each with its word."""
    return re.findall(rf"<!-- {name}: (\S+) -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)


def _only(pattern: str, what: str) -> str:
    found = re.findall(pattern, TEXT, re.DOTALL)
    assert len(found) == 1, f"README.md has {len(found)} times: {what}"
    return found[0]


def table(name: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def statements(sql: str) -> list[Statement]:
    """Splits SQL at lines that end with `;`; the comment lines after a statement are its rows."""
    found, pending = [], []
    for line in sql.splitlines():
        if line.startswith("-- "):
            found[-1].rows.append(line.removeprefix("-- "))
        elif line.strip() or pending:
            pending.append(line)
            if line.rstrip().endswith(";"):
                found.append(Statement("\n".join(pending), []))
                pending = []
    assert not pending, f"README.md has an unfinished statement: {pending}"
    return found
