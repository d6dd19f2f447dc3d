"""Rows of another system, on their way into the vault."""

from typing import NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.types.json import Jsonb


class Verdict(NamedTuple):
    """What came of a row."""

    row: int
    token: UUID | None
    outcome: str
    sqlstate: str | None
    message: str | None


def bring(connection: Connection, *items: dict | None) -> list[Verdict]:
    """What `bunker_import_rows` says of each row; there is one for each, in order."""
    array = [None if item is None else Jsonb(item) for item in items]
    found = connection.execute("SELECT * FROM bunker_import_rows(%s::jsonb[])", [array]).fetchall()
    verdicts = [Verdict(*row) for row in found]
    assert [verdict.row for verdict in verdicts] == list(range(1, len(items) + 1))
    return verdicts


def outcomes(connection: Connection, *items: dict | None) -> list[str]:
    """In a word: the outcome of each row, of a failure its SQLSTATE."""
    return [verdict.sqlstate or verdict.outcome for verdict in bring(connection, *items)]


def user(profile: dict, token=None, **members) -> dict:
    """A row of a user."""
    token = {} if token is None else {"token": str(token)}
    return {"kind": "user", "profile": profile} | token | members
