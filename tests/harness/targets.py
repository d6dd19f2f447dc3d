"""What a target of bunker-sync holds, compared with the vault's own tables."""

import sqlite3
from base64 import b64encode
from uuid import UUID

from harness import copies
from harness.mirror import TABLES, Mirror

# A request that has something sealed.
CHANGE = ("change-profile", '{"name": "x"}')


def furnish(conn, count: int = 5, first: int = 1) -> list[str]:
    """Users with a value in every sealed column; their tokens."""
    return copies.furnish(conn, count, first, CHANGE)


def _plain(value):
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode()
    return str(value) if isinstance(value, UUID) else value


class SqliteFile:
    """A SQLite file in a folder that the tool may write."""

    def __init__(self, path):
        self.path = path
        self.name = f"sqlite:{path}"

    def has_tables(self) -> bool:
        """Whether the tool has made its tables."""
        return self.path.exists() and bool(
            self.query("SELECT 1 FROM sqlite_master WHERE name = 'bunker_bundle'"))

    def query(self, statement: str) -> list[tuple]:
        """The rows of a statement, as another program sees them."""
        connection = sqlite3.connect(f"file:{self.path}?mode=rw", uri=True, timeout=10)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def rows(self, table: str) -> list[tuple]:
        """All rows of a table."""
        return self.query(f"SELECT * FROM {table}")

    def change(self, statement: str, *parameters) -> int:
        """Changes rows behind the tool's back; how many."""
        with sqlite3.connect(self.path, timeout=10) as connection:
            return connection.execute(statement, parameters).rowcount


def content(target) -> dict:
    """All rows of a target by table, its state included; nothing where it has no tables yet."""
    if not target.has_tables():
        return {}
    rows = {table: target.rows(f"bunker_{table}") for table in (*TABLES, "bundle")}
    return {table: sorted(map(repr, found)) for table, found in rows.items()}


def is_old_or_new(target, before: dict, conn) -> bool:
    """Whether a target holds all it did before, or all the vault does: a tool that is ended has failed
    for who started it, also when that was after its commit."""
    after = content(target)
    return after == before or (after["bundle"] != before["bundle"] and is_like(target, conn))


def is_like(target, conn) -> bool:
    """Compares every row of every table of a target with the vault's; says what differs."""
    mirror = Mirror()
    for table in TABLES:
        for number, row in enumerate(target.rows(f"bunker_{table}")):
            mirror.tables[table][number] = tuple(map(_plain, row))
    return mirror.is_like(conn)
