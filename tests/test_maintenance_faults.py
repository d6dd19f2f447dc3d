"""What the maintenance launcher and its workers survive, and that they are in nobody's way."""

import os
import signal
import time

import pytest

from harness import Cluster
from harness.maintenance import (EVERY_SECOND, WORKER, await_all_expired, launcher_of, let_all_be_due,
                                 make_vault, waiting)
from harness.processes import is_alive
from harness.trail import await_partitions, verify
from harness.vault import create
from harness.wait import wait_until

ANN = {"login": "ann", "email": "ann@example.com"}


@pytest.fixture
def server(fresh_cluster):
    """A server of the test's own, without maintenance so far."""
    return fresh_cluster()


@pytest.mark.parametrize("statement", ["DROP DATABASE vault", "CREATE DATABASE copy TEMPLATE vault",
                                       "ALTER DATABASE vault RENAME TO copy"])
def test_a_worker_with_much_to_do_is_in_nobodys_way(server, statement):
    make_vault(server, "vault", 6_000)
    server.reload(EVERY_SECOND)
    with server.connect() as dba:
        wait_until(lambda: dba.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = %s"
                                       "   AND datname = 'vault'", [WORKER]).fetchone()[0],
                   "a worker in the vault", 20)
        assert_much_is_left(server)
        dba.execute(statement)


def assert_much_is_left(server: Cluster) -> None:
    """The test that calls it means nothing on a machine that is through already."""
    assert waiting(server, "vault") > 1_000


def test_what_is_left_is_done_by_the_next_worker_soon(server):
    make_vault(server, "vault", 6_000)
    server.reload({"databunker.maintenance_interval": "1h"})
    await_all_expired(server, "vault", 90)
    with server.connect("vault") as connection:
        assert connection.execute("SELECT count(*) FROM bunker.lookup").fetchone() == (0,)
        assert verify(connection).ok


def test_a_worker_that_is_killed_takes_nothing_along(server):
    """SIGKILL of one of its processes has PostgreSQL start the whole server anew."""
    make_vault(server, "vault", 4_000)
    server.reload(EVERY_SECOND)

    def worker():
        with server.connect() as dba:
            row = dba.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = %s"
                              "   AND datname = 'vault'", [WORKER]).fetchone()
            return row and row[0]

    mark = server.log_mark()
    os.kill(wait_until(worker, "a worker in the vault", 20), signal.SIGKILL)
    wait_until(lambda: "database system is ready to accept connections" in server.log(mark),
               "the server to come back", 30)
    await_all_expired(server, "vault", 90)
    with server.connect("vault") as connection:
        verdict = verify(connection)
        assert verdict.ok, verdict
        assert connection.execute("SELECT count(*) FROM bunker.record WHERE forgotten_at IS NULL"
                                  ).fetchone() == (0,)


def test_a_worker_leaves_when_asked_to(server):
    """A transaction that is under way ends; then the process does, and what is left comes later."""
    make_vault(server, "vault", 4_000)
    server.reload({"databunker.maintenance_interval": "3s"})
    with server.connect() as dba:
        ended = wait_until(lambda: dba.execute(
            "SELECT pid, pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE backend_type = %s AND datname = 'vault'", [WORKER]).fetchone(), "a worker", 20)
    assert ended[1]
    assert not is_alive(ended[0])
    await_all_expired(server, "vault", 90)


def test_the_launcher_comes_back_when_it_is_ended(server):
    make_vault(server, "vault")
    first = launcher_of(server)
    with server.connect() as dba:
        assert dba.execute("SELECT pg_terminate_backend(%s, 5000)", [first]).fetchone() == (True,)
    assert launcher_of(server) != first
    server.reload(EVERY_SECOND)
    await_all_expired(server, "vault")


def test_databases_that_come_and_go_do_not_stop_it(server):
    make_vault(server, "vault", due=False)
    server.reload(EVERY_SECOND)
    launcher = launcher_of(server)
    with server.connect() as dba:
        for number in range(30):
            dba.execute(f"CREATE DATABASE fleeting_{number}")
            dba.execute(f"DROP DATABASE fleeting_{number}")
        dba.execute("CREATE DATABASE closed ALLOW_CONNECTIONS false")
        # How DROP DATABASE leaves a database when it is interrupted.
        dba.execute("CREATE DATABASE invalid")
        dba.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'invalid'")
    with server.connect("vault") as connection:
        let_all_be_due(connection)
    await_all_expired(server, "vault")
    assert launcher_of(server) == launcher


def test_no_place_for_a_worker(server):
    """The two that are allowed are the launcher and PostgreSQL's own of logical replication."""
    make_vault(server, "vault")
    mark = server.log_mark()
    server.restart(settings={"max_worker_processes": "2"} | EVERY_SECOND)
    launcher = launcher_of(server)
    time.sleep(4)
    assert server.log(mark).count("no place for a maintenance worker") == 1
    assert launcher_of(server) == launcher
    assert waiting(server, "vault") == 1
    server.restart(settings={"max_worker_processes": "8"})
    await_all_expired(server, "vault")


def test_an_extension_that_is_dropped_or_older_does_not_stop_it(server):
    for name in ("dropped", "older", "vault"):
        make_vault(server, name)
    with server.connect("dropped") as connection:
        connection.execute("DROP EXTENSION databunker")
    with server.connect("older") as connection:
        connection.execute("ALTER EXTENSION databunker DROP TABLE bunker.expiration;"
                           "DROP TABLE bunker.expiration")
    mark = server.log_mark()
    server.reload(EVERY_SECOND)
    await_all_expired(server, "vault")
    wait_until(lambda: "maintenance failed while" in server.log(mark), "a line in the log")
    # It can be made anew, too.
    with server.connect("dropped") as connection:
        connection.execute("CREATE EXTENSION databunker")
        create(connection, ANN)
        let_all_be_due(connection)
    await_all_expired(server, "dropped")


def test_a_lock_on_the_tables_ends_in_the_log(server):
    """The worker gives up after a second, goes on with other databases, and comes again."""
    for name in ("locked", "vault"):
        make_vault(server, name)
    with server.connect("locked") as holder:
        holder.execute("BEGIN; LOCK TABLE bunker.lookup IN ACCESS EXCLUSIVE MODE")
        mark = server.log_mark()
        server.reload(EVERY_SECOND)
        await_all_expired(server, "vault")
        wait_until(lambda: "canceling statement due to lock timeout" in server.log(mark),
                   "the worker to give up")
        holder.execute("COMMIT")
    await_all_expired(server, "locked")


def test_a_dead_standby_keeps_no_user_from_expiring(server):
    make_vault(server, "vault")
    # Until they are made, the audit writer has the trail locked.
    with server.connect("vault") as connection:
        await_partitions(connection)
    server.reload({"synchronous_standby_names": "nobody"} | EVERY_SECOND)
    wait_until(lambda: "nobody" in standby_names(server), "the new settings")
    await_all_expired(server, "vault")


def standby_names(server: Cluster) -> str:
    with server.connect() as connection:
        return connection.execute("SHOW synchronous_standby_names").fetchone()[0]
