"""The server is killed while users are created and changed: what was acknowledged is there."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg

from harness import Cluster
from harness.vault import call, create, create_many, find, people, row_counts, rows, update
from harness.wait import wait_until

WRITERS = 4
ROUNDS = 4


class Writer:
    """Creates and changes users until the server dies; remembers what was acknowledged."""

    def __init__(self, number: int):
        self.number = number
        self.created = {}
        self.versions = {}

    def run(self, server: Cluster, until: threading.Event) -> None:
        """Works until told to stop, or cut off."""
        try:
            with server.connect("vault") as connection:
                while not until.is_set():
                    self._one_more(connection)
        except psycopg.Error:
            pass  # the server was killed, as planned

    def _one_more(self, connection) -> None:
        name = f"w{self.number}_{len(self.created)}_{os.urandom(4).hex()}"
        token = create(connection, {"login": name, "email": f"{name}@example.com", "custom": name})
        self.created[name] = token
        self.versions[name] = 1
        self.versions[name] = update(connection, "login", name, {"n": 1})


def test_acknowledged_users_outlive_kills(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, {"login": "first"})
    writers = [Writer(number) for number in range(WRITERS)]
    for _ in range(ROUNDS):
        work_and_kill(server, writers)
        server.start()
        with server.connect("vault") as connection:
            check(connection, writers)
    assert sum(len(writer.created) for writer in writers) > 100


def work_and_kill(server: Cluster, writers: list[Writer]) -> None:
    """Lets the writers create some dozens of users more, then kills the server under them."""
    before = sum(len(writer.created) for writer in writers)
    stop = threading.Event()
    with ThreadPoolExecutor(len(writers)) as pool:
        for writer in writers:
            pool.submit(writer.run, server, stop)
        try:
            wait_until(lambda: sum(len(w.created) for w in writers) > before + 80, "some work")
            server.kill9()
        finally:
            stop.set()


def check(connection, writers: list[Writer]) -> None:
    """Every acknowledged user is whole, and none is half written."""
    for writer in writers:
        for name, token in writer.created.items():
            assert find(connection, "email", f"{name}@example.com") == token
            assert find(connection, "custom", name) == token
            found = call(connection, "bunker_lookup", "login", name)
            assert found["version"] >= writer.versions[name]
    whole = connection.execute(
        "SELECT r.token FROM bunker.record AS r"
        " WHERE r.version <> (SELECT count(*) FROM bunker.audit AS a"
        "                      WHERE a.token = r.token AND a.version IS NOT NULL)"
        "    OR r.version <> 1 + (SELECT count(*) FROM bunker.record_version AS v"
        "                          WHERE v.token = r.token)"
        "    OR length(r.digests) <> 18 * (SELECT count(*) FROM bunker.lookup AS l"
        "                                   WHERE l.token = r.token)").fetchall()
    assert whole == []
    strangers = connection.execute("SELECT token FROM bunker.lookup UNION SELECT token FROM"
                                   " bunker.audit WHERE token IS NOT NULL EXCEPT"
                                   " SELECT token FROM bunker.record")
    assert strangers.fetchall() == []
    connection.execute("SET databunker.bulk_read_limit = 0")
    assert len(rows(connection, "bunker_list_users", None, 10_000)) == (
        row_counts(connection)["record"])


def test_a_backend_killed_in_a_bulk_call_leaves_nothing(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, {"login": "first"})
        before = row_counts(connection)
    doomed = server.connect("vault", autocommit=False)
    create_many(doomed, people(1, 2000))
    with ThreadPoolExecutor() as pool:
        running = pool.submit(create_many, doomed, people(2001, 60_000))
        wait_until(lambda: is_active(server, doomed), "the call to begin")
        mark = server.log_mark()
        os.kill(doomed.info.backend_pid, signal.SIGKILL)
        assert isinstance(running.exception(30), psycopg.OperationalError)
    # Before the postmaster notices the dead backend it still takes connections, and then ends them.
    wait_until(lambda: "reinitializing" in server.log(mark), "the server to restart", 30)
    wait_until(lambda: is_open(server), "the server to recover", 30)
    with server.connect("vault") as connection:
        assert row_counts(connection) == before
        assert len(create_many(connection, people(1, 2000))) == 2000


def is_active(server: Cluster, connection) -> bool:
    """Whether the backend of `connection` is at work."""
    with server.connect() as other:
        return other.execute("SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s",
                             [connection.info.backend_pid]).fetchone()[0]


def is_open(server: Cluster) -> bool:
    """Whether the server takes connections again."""
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True
