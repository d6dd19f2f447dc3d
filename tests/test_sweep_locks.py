"""A hundred thousand sessions expire while others work with the vault: nobody waits for long."""

import threading
import time

import psycopg
import pytest

from harness.maintenance import EVERY_SECOND
from harness.trail import await_partitions
from harness.vault import call, create_many, forget, people, update
from harness.wait import wait_until

SESSIONS, USERS = 100_000, 2_000
PATIENCE = {"log_lock_waits": "on", "deadlock_timeout": "100ms"}


@pytest.fixture
def server(fresh_cluster):
    """A server with users p1, p2 … whose sessions have ended; whoever waits for a lock longer than
    100 ms is told of in its log."""
    server = fresh_cluster(PATIENCE)
    server.create_db("vault")
    with server.connect("vault") as connection:
        create_many(connection, people(1, USERS))
        # Until they are made, the audit writer has the trail locked.
        await_partitions(connection)
        end_sessions(connection)
    return server


def end_sessions(connection) -> None:
    """Gives the users sessions that have ended."""
    connection.execute(
        "SELECT count(bunker_create_session('token', token::text, '{}', '1 ms'))"
        "  FROM bunker.record, generate_series(1, %s)"
        " WHERE forgotten_at IS NULL", [SESSIONS // USERS])
    connection.execute("VACUUM ANALYZE bunker.session")


class Crowd:
    """Callers who create, end, change and perhaps forget, each in a session of his own."""

    def __init__(self, server, ended: list, forgets: bool):
        self.over = threading.Event()
        works = {
            "create": lambda c, n: c.execute(
                "SELECT bunker_create_session('login', %s, '{}', '1 ms')", [f"p{1 + n % 1_000}"]),
            "end": lambda c, n: call(c, "bunker_delete_session", ended[n]),
            "update": lambda c, n: update(c, "login", f"p{1 + n % 1_000}", {"n": n}),
        }
        if forgets:
            works["forget"] = lambda c, n: forget(c, "login", f"p{1_001 + n}")
        self.done = dict.fromkeys(works, 0)
        self.threads = [threading.Thread(target=self._work, args=(server, *work))
                        for work in works.items()]

    def _work(self, server, name: str, work) -> None:
        with server.connect("vault") as connection:
            while not self.over.is_set() and self.done[name] < 990:
                work(connection, self.done[name])
                self.done[name] += 1
                time.sleep(0.004)

    def __enter__(self) -> "Crowd":
        for thread in self.threads:
            thread.start()
        time.sleep(0.2)
        return self

    def __exit__(self, *_exception) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


def ended_sessions(connection) -> int:
    """How many of them are still there."""
    return connection.execute("SELECT count(*) FROM bunker.session").fetchone()[0]


def by_worker(server, connection) -> None:
    server.reload(EVERY_SECOND)
    wait_until(lambda: ended_sessions(connection) < 100, "the sessions to be removed", 60)


def by_function(server, connection) -> None:
    """Whoever forgets a user has to wait until it has committed what it removes of him."""
    assert call(connection, "bunker_maintain")["sessions_removed"] >= SESSIONS


@pytest.mark.parametrize(("maintain", "forgets"), [(by_worker, True), (by_function, False)])
def test_a_hundred_thousand_sessions_expire_without_a_long_lock(server, maintain, forgets):
    if somebody_waits(server, maintain, forgets):
        # A machine that others use may stop a process while it has a lock: once, not each time.
        server.reload({"databunker.maintenance_interval": "0"})
        with server.connect("vault") as connection:
            create_many(connection, [{"login": f"q{n}"} for n in range(USERS)])
            end_sessions(connection)
        assert not somebody_waits(server, maintain, False)


def somebody_waits(server, maintain, forgets: bool) -> bool:
    """Whether a lock was waited for longer than 100 ms while all ended sessions were removed."""
    with server.connect("vault") as connection:
        ended = [row[0] for row in connection.execute(
            "SELECT session FROM bunker.session ORDER BY random() LIMIT 1000").fetchall()]
        mark = server.log_mark()
        with Crowd(server, ended, forgets) as crowd:
            maintain(server, connection)
        assert ended_sessions(connection) < 1_000
    assert all(crowd.done.values()), crowd.done
    return "still waiting for" in server.log(mark)


def test_maintenance_writes_nothing_where_nothing_may_be_written(server):
    with server.connect("vault") as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), connection.transaction():
            connection.execute("SET TRANSACTION READ ONLY")
            call(connection, "bunker_maintain")
        assert ended_sessions(connection) == SESSIONS
