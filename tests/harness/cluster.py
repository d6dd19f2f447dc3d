"""A throwaway PostgreSQL server with a folder, a socket and a log of its own."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from harness import errors, processes
from harness.paths import as_server_user, program, server_user
from harness.ports import free_port
from harness.search import files_holding
from harness.wait import wait_until

SUPERUSER = "postgres"
START_SECONDS = 60
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

# A killed process loses nothing that it handed to the kernel, so crash tests need no fsync; only a
# power cut would tell the difference. Benchmarks ask for the server's own default instead.
# Maintenance would start a worker in each of a thousand databases; its own tests switch it on.
TEST_SETTINGS = {"fsync": "off", "max_connections": "250", "log_statement": "none",
                 "databunker.maintenance_interval": "0"}


class ClusterError(Exception):
    """The server did not start or stop; carries the end of its log."""


class Cluster:
    """One server: made by `init`, run by `start`, gone after `destroy`. Also a context manager.

    `settings` are configuration lines beyond the defaults. `preload` loads databunker at server
    start; `master_key` writes a key file (mode 0600) and points databunker at it.
    """

    def __init__(self, settings: dict | None = None, *, preload: bool = True,
                 master_key: bool = True, base_settings: dict | None = None):
        self.root = Path(tempfile.mkdtemp(prefix="bunker-", dir="/tmp"))
        self.data = self.root / "data"
        self.log_file = self.root / "log"
        self.port = free_port()
        self._process: subprocess.Popen | None = None
        shutil.chown(self.root, server_user())
        self.settings = dict(TEST_SETTINGS if base_settings is None else base_settings)
        self.settings |= self._own_settings(preload, master_key) | (settings or {})

    def _own_settings(self, preload: bool, master_key: bool) -> dict:
        own = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.root),
            "port": str(self.port),
            "logging_collector": "off",
        }
        if preload:
            own["shared_preload_libraries"] = "databunker"
        if master_key:
            own["databunker.master_key_file"] = str(self.write_key_file())
        return own

    def __enter__(self) -> "Cluster":
        try:
            self.init()
            self.start()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *_exception) -> None:
        self.destroy()

    # Life and death ---------------------------------------------------------------------------

    def init(self) -> None:
        """Creates the data directory."""
        self.run("initdb", "-D", str(self.data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync", as_server=True)

    def start(self, wait: bool = True, environment: dict | None = None) -> None:
        """Starts the server, after a crash with recovery; ClusterError if it does not come up.

        `environment` is added to that of the tests.
        """
        self.write_settings()
        command = [program("postgres"), "-D", str(self.data)]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.root, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log,
                                             env=os.environ | (environment or {}),
                                             **as_server_user())
        if wait:
            self._await_ready()

    def _await_ready(self) -> None:
        try:
            wait_until(lambda: self._is_ready() or not self.is_running(), "the server to start",
                       START_SECONDS)
        except TimeoutError as late:
            raise ClusterError(f"{late}\n{self.log_tail()}") from late
        if not self.is_running():
            raise ClusterError(f"the server gave up at start\n{self.log_tail()}")

    def _is_ready(self) -> bool:
        """Whether postmaster.pid is this process's and says `ready`, as pg_ctl reads it."""
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(self.pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def stop(self, mode: str = "fast", seconds: float = 30) -> None:
        """Stops the server: `smart`, `fast`, or `immediate` (the next start has to recover)."""
        self._signal(STOP_SIGNALS[mode])
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise ClusterError(f"no {mode} stop in {seconds} s\n{self.log_tail()}") from late
        self._process = None

    def restart(self, mode: str = "fast", settings: dict | None = None) -> None:
        """Stops and starts, with `settings` changed (None takes a setting out)."""
        self.stop(mode)
        self.configure(settings or {})
        self.start()

    def reload(self, settings: dict | None = None) -> None:
        """Writes `settings` and has the running server read its configuration again."""
        self.configure(settings or {})
        self._signal(signal.SIGHUP)

    def kill9(self) -> None:
        """SIGKILL to the postmaster and everything it started: the nearest thing to a power cut."""
        processes.kill_tree(self.pid)
        self._process.wait(10)
        self._process = None

    def is_running(self) -> bool:
        """Whether the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._process is None:
            raise ClusterError("the server is not running")
        return self._process.pid

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def destroy(self) -> None:
        """Ends the server, however it is, and removes its folder."""
        if self.is_running():
            try:
                self.stop("fast")
            except ClusterError:
                self.kill9()
        shutil.rmtree(self.root, ignore_errors=True)

    # Configuration ----------------------------------------------------------------------------

    def configure(self, settings: dict) -> None:
        """Changes settings on disk; None takes one out. `reload` or `restart` makes them count."""
        for name, value in settings.items():
            self.settings[name] = value
            if value is None:
                del self.settings[name]
        self.write_settings()

    def write_settings(self) -> None:
        """Writes conf.d/test.conf anew from `settings`."""
        quoted = {name: str(value).replace("'", "''") for name, value in self.settings.items()}
        lines = [f"{name} = '{value}'\n" for name, value in quoted.items()]
        main = self.data / "postgresql.conf"
        include = "include_if_exists = 'test.conf'\n"
        if include not in main.read_text():
            with main.open("a") as file:
                file.write(include)
        self._own(self.data / "test.conf", "".join(lines), 0o600)

    def write_key_file(self, name: str = "master.key", key: str | None = None, mode: int = 0o600,
                       owner: str | None = None) -> Path:
        """Writes a master key (default: a random one, 64 hex digits) beside the data directory."""
        text = secrets.token_hex(32) if key is None else key
        return self._own(self.root / name, text + "\n", mode, owner)

    def _own(self, path: Path, text: str, mode: int, owner: str | None = None) -> Path:
        path.touch(mode=0o600)
        path.write_text(text)
        shutil.chown(path, owner or server_user())
        path.chmod(mode)
        return path

    # Clients ----------------------------------------------------------------------------------

    def connect(self, dbname: str = "postgres", user: str = SUPERUSER,
                **options) -> psycopg.Connection:
        """A psycopg connection, in autocommit unless told otherwise."""
        options.setdefault("autocommit", True)
        return psycopg.connect(host=str(self.root), port=self.port, dbname=dbname, user=user,
                               connect_timeout=10, **options)

    def environment(self, dbname: str = "postgres", user: str = SUPERUSER) -> dict:
        """Environment variables by which any libpq or Node client finds the server."""
        return os.environ | {"PGHOST": str(self.root), "PGPORT": str(self.port),
                             "PGDATABASE": dbname, "PGUSER": user}

    def sqlalchemy_url(self, dbname: str = "postgres", user: str = SUPERUSER) -> str:
        """The URL of SQLAlchemy's create_engine."""
        return f"postgresql+psycopg://{user}@/{dbname}?host={self.root}&port={self.port}"

    def run(self, name: str, *arguments: str, as_server: bool = False, dbname: str = "postgres",
            user: str = SUPERUSER, stdin: str | None = None, check: bool = True,
            seconds: float = 120) -> subprocess.CompletedProcess:
        """Runs one of the server's programs (initdb, pg_dump, pgbench …) against this server."""
        account = as_server_user() if as_server else {}
        done = subprocess.run([program(name), *arguments], cwd=self.root, text=True, input=stdin,
                              capture_output=True, timeout=seconds,
                              env=self.environment(dbname, user), **account)
        if check and done.returncode != 0:
            raise ClusterError(f"{name} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def psql(self, statements: str, dbname: str = "postgres", user: str = SUPERUSER,
             check: bool = True) -> str:
        """Runs SQL through psql and returns its unaligned, tuples-only output."""
        done = self.run("psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-f", "-", dbname=dbname,
                        user=user, stdin=statements, check=check)
        return done.stdout + ("" if check else done.stderr)

    def create_db(self, name: str, template: str | None = None, extension: bool = True) -> str:
        """Creates a database, with the extension unless told otherwise or given a template."""
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            create += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with self.connect() as connection:
            connection.execute(create)
        if extension and not template:
            with self.connect(name) as connection:
                connection.execute("CREATE EXTENSION databunker")
        return name

    def drop_db(self, name: str) -> None:
        """Drops a database and ends the sessions and workers that use it."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    # Traces -----------------------------------------------------------------------------------

    def log_mark(self) -> int:
        """The log's length in bytes: hand it to `log` to read only what comes after."""
        return self.log_file.stat().st_size

    def log(self, since: int = 0) -> str:
        """The server log, from a mark."""
        with self.log_file.open("rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of the log."""
        return "\n".join(self.log().splitlines()[-lines:]) if self.log_file.exists() else "(no log)"

    def files_holding(self, needle: bytes) -> list[str]:
        """The files with these bytes in them: data, WAL, temporary files, log; after a checkpoint.

        What PostgreSQL compresses (over 2 kB in a row) can hide: use short random canaries.
        """
        if self.is_running():
            with self.connect() as connection:
                connection.execute("CHECKPOINT")
        return files_holding(self.root, needle)

    @contextmanager
    def raises(self, sqlstate: str, secrets: list[str] = ()):
        """`errors.raises` against this server's log."""
        with errors.raises(self, sqlstate, secrets) as caught:
            yield caught
