"""A throwaway MariaDB server, or MySQL where BUNKER_MYSQLD names one, with a folder and a socket of its
own: see CONTRIBUTING.md for how to run the tests on MySQL."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from harness.paths import as_server_user, server_user
from harness.ports import free_port
from harness.wait import wait_until

START_SECONDS = 90
# All that a target needs of a user's privileges.
PRIVILEGES = "CREATE, SELECT, INSERT, DELETE"


class MySql:
    """One server: made and started on entry, gone on exit. `options` are of the server's command line."""

    def __init__(self, *options: str):
        self.root = Path(tempfile.mkdtemp(prefix="bunker-my-", dir="/tmp"))
        self.socket = self.root / "socket"
        # A server that starts clears away what it finds in its tmpdir, also if it is another one's.
        self._places = ["--no-defaults", f"--datadir={self.root}/data", f"--tmpdir={self.root}"]
        self.port = free_port()
        self.options = options
        self._process: subprocess.Popen | None = None
        shutil.chown(self.root, server_user())

    def __enter__(self) -> "MySql":
        try:
            self._install()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception) -> None:
        if self._process and self._process.poll() is None:
            self.kill9()
        shutil.rmtree(self.root, ignore_errors=True)

    def _install(self) -> None:
        if "BUNKER_MYSQLD" in os.environ:
            command = [_server(), *self._places, "--initialize-insecure"]
        else:
            command = ["mariadb-install-db", *self._places, "--skip-test-db",
                       "--auth-root-authentication-method=normal"]
        with (self.root / "log").open("ab") as log:
            subprocess.run(command, cwd=self.root, check=True, stdout=log, stderr=log, timeout=180,
                           **as_server_user())

    def start(self) -> None:
        """Starts the server, after a crash with recovery."""
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_server(), *self._places, f"--socket={self.socket}", f"--port={self.port}",
                 "--bind-address=127.0.0.1", "--max-allowed-packet=16M",
                 "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0",
                 "--skip-innodb-doublewrite", "--secure-file-priv=", "--loose-mysqlx=OFF", *self.options],
                cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **as_server_user())
        wait_until(self._is_ready, "the MySQL server to start", START_SECONDS)

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError((self.root / "log").read_text()[-3000:])
        return self.run("SELECT 1", check=False).returncode == 0

    def kill9(self) -> None:
        """SIGKILL: the nearest thing to a power cut."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def command(self, *options: str, user: str = "root") -> list[str]:
        """The client's command line, for pipes and options of the test's own."""
        return [os.environ.get("BUNKER_MYSQL", "mariadb"), "--no-defaults", f"--user={user}",
                f"--socket={self.socket}", "--default-character-set=utf8mb4",
                "--max-allowed-packet=64M", *options]

    def run(self, statements: str | bytes, *options: str, user: str = "root", check: bool = True,
            ) -> subprocess.CompletedProcess:
        """Pipes statements into the client; it gives bytes."""
        given = statements.encode() if isinstance(statements, str) else statements
        # A damaged text may hold a client's command; none of these starts anything.
        quiet = os.environ | {"EDITOR": "false", "VISUAL": "false"}
        done = subprocess.run(self.command(*options, user=user), input=given, capture_output=True,
                              timeout=120, env=quiet)
        assert not check or done.returncode == 0, done.stderr.decode(errors="replace")
        return done

    def execute(self, statements: str, database: str = "mysql") -> list[list[str]]:
        """Runs statements as root; the fields of what they give."""
        shown = self.run(statements, "-NB", database).stdout.decode()
        return [line.split("\t") for line in shown.splitlines()]

    def create_db(self, name: str) -> str:
        """An empty database, in which a user of the same name without a password may do what a target
        needs, and no more."""
        self.execute(f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name};"
                     f"CREATE USER IF NOT EXISTS {name}@localhost;"
                     f"GRANT {PRIVILEGES} ON {name}.* TO {name}@localhost")
        return name

    def rows(self, database: str) -> dict[str, list[tuple]]:
        """All rows of all tables: numbers, texts and bytes."""
        columns = self.execute(
            "SET SESSION group_concat_max_len = 100000; SELECT table_name, "
            "GROUP_CONCAT(data_type ORDER BY ordinal_position), GROUP_CONCAT("
            "'IFNULL(HEX(CAST(', column_name, ' AS BINARY)), ''-'')' ORDER BY ordinal_position) FROM "
            f"information_schema.columns WHERE table_schema = '{database}' GROUP BY table_name")
        kinds = {table: kinds.split(",") for table, kinds, _ in columns}
        found = {table: [] for table in kinds}
        for table, *row in self.execute(
                "".join(f"SELECT '{table}', {shown} FROM {table};" for table, _, shown in columns),
                database):
            found[table].append(tuple(map(_value, kinds[table], row)))
        return {table: sorted(rows, key=repr) for table, rows in found.items()}


def _value(kind: str, shown: str) -> int | str | bytes | None:
    """A value from the hex of its bytes."""
    if shown == "-":
        return None
    content = bytes.fromhex(shown)
    if kind == "bigint":
        return int(content)
    return content if kind in ("longblob", "varbinary") else content.decode()


def _server() -> str:
    # Debian keeps it where only root's PATH leads.
    return os.environ.get("BUNKER_MYSQLD") or shutil.which("mariadbd") or "/usr/sbin/mariadbd"
