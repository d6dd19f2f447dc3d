"""A PgBouncer in front of a server, with one server connection that its clients take turns at."""

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg

from harness.cluster import Cluster
from harness.paths import as_server_user, server_user
from harness.wait import wait_until

# Debian keeps it where only root's PATH leads.
PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


class Pooler:
    """A pooler: `mode` is session, transaction or statement. A context manager."""

    def __init__(self, server: Cluster, role: str, mode: str):
        self.server, self.role, self.mode = server, role, mode
        self.root = Path(tempfile.mkdtemp(prefix="bunker-pool-", dir="/tmp"))
        self.log_file = self.root / "log"
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Pooler":
        users = self.root / "users"
        users.write_text(f'"{self.role}" ""\n')
        configuration = self.root / "pgbouncer.ini"
        configuration.write_text(self._configuration(users))
        for path in (self.root, users, configuration):
            shutil.chown(path, server_user())
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, str(configuration)], cwd=self.root,
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             **as_server_user())
        try:
            wait_until(self._is_ready, "the pooler to start")
        except TimeoutError as late:
            text = self.log_file.read_text()
            self.__exit__()
            raise TimeoutError(f"{late}\n{text}") from late
        return self

    def __exit__(self, *_exception) -> None:
        self._process.kill()
        self._process.wait(10)
        shutil.rmtree(self.root, ignore_errors=True)

    def _configuration(self, users: Path) -> str:
        server = f"host={self.server.root} port={self.server.port} user={self.role}"
        return f"""
            [databases]
            * = {server}
            [pgbouncer]
            unix_socket_dir = {self.root}
            listen_port = {self.server.port}
            auth_type = trust
            auth_file = {users}
            pool_mode = {self.mode}
            default_pool_size = 1
            min_pool_size = 0
            server_round_robin = 0
            """

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"the pooler gave up\n{self.log_file.read_text()}")
        # The socket is there before anybody listens.
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.root / f".s.PGSQL.{self.server.port}")) == 0

    def connect(self, dbname: str, **options) -> psycopg.Connection:
        """A client's connection, in autocommit, without prepared statements of the protocol."""
        options = {"autocommit": True, "prepare_threshold": None} | options
        return psycopg.connect(host=str(self.root), port=self.server.port, dbname=dbname,
                               user=self.role, connect_timeout=10, **options)
