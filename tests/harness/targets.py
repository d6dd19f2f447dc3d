"""What a target of bunker-sync holds, compared with the vault's own tables."""

import sqlite3
from base64 import b64encode
from pathlib import Path

from harness import copies
from harness.mirror import TABLES, Mirror

# A request that has something sealed.
CHANGE = ("change-profile", '{"name": "x"}')


def furnish(conn, count: int = 5, first: int = 1) -> list[str]:
    """Users with a value in every sealed column; their tokens."""
    return copies.furnish(conn, count, first, CHANGE)


def make_folder(server, name: str = "targets") -> Path:
    """A folder beside a server's own, in which bunker-sync may make files."""
    path = server.root / name
    path.mkdir()
    path.chmod(0o777)
    return path


class SqliteFile:
    """A SQLite file in a folder that the tool may write."""

    def __init__(self, path):
        self.path = path
        self.name = f"sqlite:{path}"

    def query(self, statement: str) -> list[tuple]:
        """The rows of a statement, as another program sees them."""
        connection = sqlite3.connect(f"file:{self.path}?mode=rw", uri=True, timeout=10)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def rows(self) -> dict[str, list[tuple]]:
        """All rows of all tables; none before the first bundle."""
        if not self.path.exists():
            return {}
        names = self.query("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name: sorted(self.query(f"SELECT * FROM {name}"), key=repr) for name, in names}

    def change(self, statement: str, *parameters) -> int:
        """Changes rows behind the tool's back; how many."""
        with sqlite3.connect(self.path, timeout=10) as connection:
            return connection.execute(statement, parameters).rowcount


def is_old_or_new(target, before: dict, conn) -> bool:
    """Whether a target holds all it did before, or all the vault does: a tool that is ended has failed
    for who started it, also when that was after its commit."""
    after = target.rows()
    return after == before or (after["bunker_bundle"] != before["bunker_bundle"]
                               and is_like(target, conn))


def is_like(target, conn) -> bool:
    """Compares every row of every table of a target with the vault's; says what differs."""
    return mirror_of(target).is_like(conn)


def mirror_of(target) -> Mirror:
    """What a target holds, as its bundles told it."""
    mirror, rows = Mirror(), target.rows()
    for table in TABLES:
        mirror.tables[table] = dict(enumerate(map(_plain, rows[f"bunker_{table}"])))
    return mirror


def _plain(row: tuple) -> tuple:
    return tuple(b64encode(value).decode() if isinstance(value, bytes) else value for value in row)
