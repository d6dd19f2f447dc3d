"""Targets that are brought up to date by SQL text: a bundle piped into the client of the database."""

import subprocess

from harness.mysql import MySql
from harness.targets import SqliteFile


class SqliteTarget(SqliteFile):
    """A SQLite file and the `sqlite3` shell."""

    dialect = "sqlite"

    def command(self) -> list[str]:
        """What a bundle is piped into."""
        return ["sqlite3", str(self.path)]

    def apply(self, text: bytes) -> subprocess.CompletedProcess:
        """Pipes a text into the client."""
        return subprocess.run(self.command(), input=text, capture_output=True, timeout=120)


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
