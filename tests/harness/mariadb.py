"""A throwaway MariaDB server with certificates, a user with a password, and targets of bunker-sync."""

from urllib.parse import quote

from harness import certificates
from harness.mysql import MySql

PASSWORD = "s'e\\c\"ret word"


class MariaDb(MySql):
    """One server with a user `sync` who may do in its databases what bunker-sync needs, no more. What it
    has committed survives a crash."""

    def __init__(self, names: str = "DNS:localhost,IP:127.0.0.1"):
        super().__init__("--innodb-flush-log-at-trx-commit=1")
        self.root.chmod(0o755)
        certificates.make(self.root, names)
        self.options += (f"--ssl-ca={self.root}/ca.pem", f"--ssl-cert={self.root}/server.pem",
                         f"--ssl-key={self.root}/server.key")

    def __enter__(self) -> "MariaDb":
        super().__enter__()
        for host in ("127.0.0.1", "localhost"):
            self.execute(f"CREATE USER sync@'{host}' IDENTIFIED BY {literal(PASSWORD)}")
        return self

    def create_db(self, name: str) -> "MySqlDatabase":
        """Creates a database in which the user `sync` may work."""
        self.execute(f"CREATE DATABASE `{name}`; GRANT CREATE, SELECT, INSERT, UPDATE, DELETE "
                     f"ON `{name}`.* TO sync@'127.0.0.1', sync@localhost")
        return MySqlDatabase(self, name)


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


class MySqlDatabase:
    """A target of bunker-sync."""

    def __init__(self, server: MariaDb, database: str):
        self.server, self.database = server, database
        self.name = f"mysql://sync@127.0.0.1:{server.port}/{database}"
        self.by_socket = f"mysql://sync@localhost/{database}?socket={quote(str(server.socket))}"
        self.env = {"MYSQL_PWD": PASSWORD}

    def change(self, statements: str) -> list[list[str]]:
        """Runs statements behind the tool's back."""
        return self.server.execute(statements, self.database)

    def rows(self) -> dict[str, list[tuple]]:
        """All rows of all tables; none before the first bundle."""
        return self.server.rows(self.database)
