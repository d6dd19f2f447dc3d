"""The audit trail as the tests look at it: past the functions, with a superuser's eyes."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection

from harness.cluster import Cluster
from harness.vault import call, rows
from harness.wait import wait_until

WRITER = "databunker audit writer"


class Verdict(NamedTuple):
    """What a verification returns."""

    ok: bool
    events: int
    first_bad: int | None
    detail: str


def verify(connection: Connection, anchor: str | None = None) -> Verdict:
    """The verdict on the whole trail, or on the trail and an earlier anchor."""
    if anchor is None:
        return Verdict(*rows(connection, "bunker_verify_audit")[0])
    return Verdict(*rows(connection, "bunker_verify_audit_anchor", anchor)[0])


def take_anchor(connection: Connection) -> str:
    """The end of the chain, after everything that is committed was sealed."""
    return call(connection, "bunker_audit_anchor")


def read(connection: Connection, token: UUID, reason: str) -> dict:
    """Reads a user's profile for a reason, by which the event can be found."""
    connection.execute("SELECT set_config('databunker.reason', %s, false)", [reason])
    return call(connection, "bunker_get_user", token)


def reasons(connection: Connection) -> Counter:
    """How many reads stand in the trail for each reason."""
    counted = connection.execute("SELECT reason, count(*) FROM bunker.audit"
                                 " WHERE action = 'get_user' AND reason IS NOT NULL GROUP BY 1")
    return Counter(dict(counted.fetchall()))


def event_ids(connection: Connection) -> list[int]:
    """The numbers of all events, rising."""
    return [row[0] for row in connection.execute("SELECT id FROM bunker.audit ORDER BY id")]


def unsealed(connection: Connection) -> int:
    """How many more events there are than the seals count."""
    return connection.execute(
        "SELECT (SELECT count(*) FROM bunker.audit)"
        "     - (SELECT coalesce(sum(count), 0) FROM bunker.audit_seal WHERE kind = 0)"
    ).fetchone()[0]


def writer_of(connection: Connection, database: str) -> int | None:
    """The process id of a database's audit writer."""
    found = connection.execute("SELECT pid FROM pg_stat_activity"
                               " WHERE backend_type = %s AND datname = %s", [WRITER, database])
    row = found.fetchone()
    return row and row[0]


def await_writer(connection: Connection, other_than: int | None = None) -> int:
    """The process id of this database's audit writer, once there is one."""
    database = connection.info.dbname
    return wait_until(lambda: (pid := writer_of(connection, database)) != other_than and pid,
                      "an audit writer")


def await_partitions(connection: Connection) -> None:
    """Returns once a new vault's writer has made the partitions of two months.

    Until then its first events lie in the default partition. Whoever looks in the moment in which
    they are moved may miss them, because PostgreSQL had planned his query before.
    """
    wait_until(lambda: connection.execute(
        "SELECT count(*) >= 3 FROM pg_inherits WHERE inhparent = 'bunker.audit'::regclass"
    ).fetchone()[0], "the partitions of two months")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that hangs while the block runs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Readers:
    """Clients that read one user as fast as they can, each time for a reason of its own.

    A context manager: they work while the block runs, each with a pause (in seconds) after a read,
    and so many tries at most. Whoever loses his connection comes back.
    """

    _runs = count()

    def __init__(self, server: Cluster, database: str, token: UUID, clients: int = 4,
                 tries: int | None = None,
                 pause: float = 0):
        self.server, self.database, self.token = server, database, token
        self.clients, self.tries, self.pause = clients, tries, pause
        self.acknowledged: list[str] = []
        self.failures: list[str | None] = []
        self._ended = threading.Event()
        self._run = next(self._runs)
        self._pool = ThreadPoolExecutor(clients)

    def __enter__(self) -> "Readers":
        self._futures = [self._pool.submit(self._work, number) for number in range(self.clients)]
        return self

    def __exit__(self, *_exception) -> None:
        self.end()
        self.join()

    def end(self) -> None:
        """Lets nobody begin another read."""
        self._ended.set()

    def join(self) -> None:
        """Returns when all have finished; raises what was no database error."""
        self._pool.shutdown()
        for future in self._futures:
            future.result()

    def await_reads(self, more: int) -> None:
        """Returns after so many more reads."""
        goal = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= goal, f"{more} more reads", 60)

    def check(self, connection: Connection) -> None:
        """Every acknowledged read has its event, and no read has two."""
        found = reasons(connection)
        assert [reason for reason in self.acknowledged if found[reason] != 1] == []
        assert [reason for reason, times in found.items() if times > 1] == []

    def _work(self, number: int) -> None:
        attempts = count()
        while not self._ended.is_set():
            try:
                with self.server.connect(self.database) as connection:
                    self._session(connection, number, attempts)
                return
            except psycopg.Error as error:
                self.failures.append(error.sqlstate)
                self._ended.wait(0.02)

    def _session(self, connection: Connection, number: int, attempts: Iterator[int]) -> None:
        """Reads until asked to end, or out of tries. An error that ends the session is raised."""
        while not self._ended.is_set():
            attempt = next(attempts)
            if self.tries is not None and attempt >= self.tries:
                return
            reason = f"run {self._run} client {number} read {attempt}"
            try:
                read(connection, self.token, reason)
            except psycopg.Error as error:
                if connection.broken:
                    raise
                self.failures.append(error.sqlstate)
            else:
                self.acknowledged.append(reason)
            if self.pause:
                self._ended.wait(self.pause)
