"""Targets that are brought up to date by SQL text: a bundle piped into the client of the database."""

import sqlite3
import subprocess
from base64 import b64encode
from pathlib import Path

from harness.mirror import TABLES, Mirror
from harness.mysql import MySql


class SqliteTarget:
    """A SQLite file and the `sqlite3` shell."""

    dialect = "sqlite"

    def __init__(self, folder: Path):
        self.file = folder / "vault.db"

    def command(self) -> list[str]:
        """What a bundle is piped into."""
        return ["sqlite3", str(self.file)]

    def apply(self, text: bytes) -> subprocess.CompletedProcess:
        """Pipes a text into the client."""
        return subprocess.run(self.command(), input=text, capture_output=True, timeout=120)

    def rows(self) -> dict[str, list[tuple]]:
        """All rows of all tables; none before the first bundle."""
        connection = sqlite3.connect(self.file)
        try:
            names = [name for name, in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr)
                    for name in names}
        finally:
            connection.close()


class MysqlTarget:
    """A database of a MySQL server and its client, as a user who may do no more than he must."""

    dialect = "mysql"

    def __init__(self, server: MySql, name: str):
        self.server, self.name = server, server.create_db(name)

    def command(self) -> list[str]:
        """What a bundle is piped into."""
        return self.server.command(self.name, user=self.name)

    def apply(self, text: bytes, *options: str) -> subprocess.CompletedProcess:
        """Pipes a text into the client."""
        return self.server.run(text, *options, self.name, user=self.name, check=False)

    def rows(self) -> dict[str, list[tuple]]:
        """All rows of all tables; none before the first bundle."""
        return self.server.rows(self.name)


def mirror_of(target: SqliteTarget | MysqlTarget) -> Mirror:
    """What the target holds, for a comparison with the vault."""
    mirror, rows = Mirror(), target.rows()
    for table in TABLES:
        mirror.tables[table] = dict(enumerate(map(_plain, rows[f"bunker_{table}"])))
    return mirror


def _plain(row: tuple) -> tuple:
    return tuple(b64encode(value).decode() if isinstance(value, bytes) else value for value in row)
