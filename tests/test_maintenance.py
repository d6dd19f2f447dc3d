"""The maintenance launcher and its workers: what they do, and when they come."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from harness.clock import Clock
from harness.events import events_of
from harness.maintenance import (EVERY_SECOND, NEVER, await_all_expired, let_all_be_due, make_vault,
                                 waiting, workers_started)
from harness.partitions import await_upkeep, following, make_month, this_month
from harness.trail import verify
from harness.vault import call, create, find, update
from harness.wait import wait_until

ANN = {"login": "ann", "email": "ann@example.com"}


@pytest.fixture
def server(fresh_cluster):
    """A server of the test's own, without maintenance so far."""
    return fresh_cluster()


# What they do -------------------------------------------------------------------------------------

def test_users_expire_in_every_database_while_nobody_is_connected(server):
    for name in ("one", "two"):
        make_vault(server, name, 3)
    server.create_db("plain", extension=False)
    server.reload(EVERY_SECOND)
    # Looked at from outside: a session in the database may be what had it done.
    with server.connect() as dba:
        for name in ("one", "two"):
            wait_until(lambda: dba.execute("SELECT tup_deleted FROM pg_stat_database"
                                           " WHERE datname = %s", [name]).fetchone()[0] >= 12,
                       "rows to be deleted", 20)
    for name in ("one", "two"):
        assert waiting(server, name) == 0
        with server.connect(name) as connection:
            tokens = [row[0] for row in connection.execute("SELECT token FROM bunker.record")]
            events = [event for token in tokens
                      for event in events_of(connection, token, "expire_user", "expiry_near")]
            assert [event["action"] for event in events] == ["expire_user"] * 3
            assert {event["actor"] for event in events} == {"databunker maintenance"}
            assert {row[0] for row in connection.execute("SELECT changed_by FROM bunker.record")
                    } == {"databunker maintenance"}
            assert verify(connection).ok


def test_the_near_end_is_announced_by_the_worker(server):
    make_vault(server, "vault", 2, due=False)
    with server.connect("vault") as connection:
        for login, after in (("p1", "2 hours"), ("p2", "2 days")):
            connection.execute("SELECT bunker_start_expiration('login', %s, %s::interval)",
                               [login, after])
        server.reload(EVERY_SECOND)
        near = find(connection, "login", "p1")
        wait_until(lambda: events_of(connection, near, "expiry_near"), "the announcement")
        time.sleep(2.5)
        assert len(events_of(connection, near, "expiry_near")) == 1
        assert events_of(connection, find(connection, "login", "p2"), "expiry_near") == []


def test_a_thousand_users_expire_without_a_long_lock(server):
    # Whoever waits longer than deadlock_timeout for a lock is told of in the log.
    server.reload({"log_lock_waits": "on", "deadlock_timeout": "100ms"})
    if somebody_waits(server, "vault"):
        # A machine that others use may stop a process while it has a lock: once, not each time.
        server.reload(NEVER)
        assert not somebody_waits(server, "another")


def somebody_waits(server, name: str) -> bool:
    """Whether a lock was waited for longer than 100 ms while the users of a new database expired."""
    make_vault(server, name, 3_000)
    with server.connect(name) as connection:
        # Until it is done, the audit writer has the trail locked.
        await_upkeep(connection)
    mark = server.log_mark()
    over = threading.Event()
    touched = [0, 0]

    def touch(number: int) -> None:
        """Changes users who are about to go, as fast as it can; many are gone."""
        with server.connect(name) as connection:
            for user in itertools.cycle(range(number + 1, 3_000, 7)):
                if over.is_set():
                    return
                with suppress(psycopg.errors.NoDataFound):
                    update(connection, "login", f"p{user}", {"seen": True})
                    touched[number] += 1

    with ThreadPoolExecutor(2) as pool:
        callers = [pool.submit(touch, number) for number in range(2)]
        try:
            wait_until(lambda: all(touched), "both to change users", 60)
            touched[:] = 0, 0
            server.reload(EVERY_SECOND)
            await_all_expired(server, name, 60)
        finally:
            over.set()
    for caller in callers:
        caller.result()
    assert all(touched)
    with server.connect(name) as connection:
        assert verify(connection).ok
    return "still waiting for" in server.log(mark)


def test_old_months_of_the_trail_go_while_nobody_is_connected(server):
    make_vault(server, "vault", due=False)
    old = "SELECT to_regclass(%s) IS NOT NULL"
    with server.connect("vault") as connection:
        await_upkeep(connection)
        name = make_month(connection, following(this_month(connection), -30))
        assert connection.execute(old, [name]).fetchone() == (True,)
    time.sleep(1.5)
    server.reload(EVERY_SECOND)

    def is_gone():
        with server.connect("vault") as connection:
            return connection.execute(old, [name]).fetchone() == (False,)

    wait_until(is_gone, "the old month to be dropped", 20)
    with server.connect("vault") as connection:
        assert verify(connection).ok


def test_bunker_maintain_hands_old_months_to_the_writer(conn):
    create(conn, ANN)
    await_upkeep(conn)
    name = make_month(conn, following(this_month(conn), -30))
    assert call(conn, "bunker_maintain")["audit_months"] == 1
    wait_until(lambda: conn.execute("SELECT to_regclass(%s) IS NULL", [name]).fetchone()[0],
               "the old month to be dropped", 20)
    assert call(conn, "bunker_maintain")["audit_months"] == 0
    assert verify(conn).ok


def test_bunker_maintain_needs_no_preload(fresh_cluster):
    server = fresh_cluster({"databunker.audit_reads": "transaction"}, preload=False)
    make_vault(server, "vault", 2)
    with server.connect("vault") as connection:
        assert call(connection, "bunker_maintain")["users_expired"] == 2
        assert connection.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type"
                                  " LIKE 'databunker%'").fetchone() == (0,)


def test_a_sealed_vault_is_left_alone(server):
    make_vault(server, "vault")
    key_file = server.settings["databunker.master_key_file"]
    server.restart(settings={"databunker.master_key_file": None} | EVERY_SECOND)
    time.sleep(3)
    assert waiting(server, "vault") == 1
    with server.connect("vault") as connection:
        assert connection.execute("SELECT count(*) FROM bunker.audit WHERE action = 'expire_user'"
                                  ).fetchone() == (0,)
    server.reload({"databunker.master_key_file": key_file})
    await_all_expired(server, "vault")


# When they come -----------------------------------------------------------------------------------

def test_the_interval_takes_effect_at_once(server):
    make_vault(server, "vault")
    time.sleep(2)
    assert waiting(server, "vault") == 1
    server.reload({"databunker.maintenance_interval": "1h"})
    await_all_expired(server, "vault", 5)
    with server.connect("vault") as connection:
        let_one_more_be_due(connection, "second")
    time.sleep(2)
    assert waiting(server, "vault") == 1
    server.reload(EVERY_SECOND)
    await_all_expired(server, "vault", 5)
    server.reload(NEVER)
    time.sleep(2)
    with server.connect("vault") as connection:
        let_one_more_be_due(connection, "third")
    time.sleep(2)
    assert waiting(server, "vault") == 1


def let_one_more_be_due(connection, login: str) -> None:
    """A new user whose time has come."""
    create(connection, {"login": login})
    connection.execute("SELECT bunker_start_expiration('login', %s, '1 second')", [login])
    let_all_be_due(connection)


@pytest.fixture
def clock(server):
    """The clock of `server`, which maintains every second now."""
    clock = Clock(server)
    server.stop()
    server.configure(EVERY_SECOND | {"log_min_messages": "debug1"})
    server.start(environment=clock.environment)
    return clock


def test_setting_the_clock_neither_stops_nor_hurries_it(server, clock):
    make_vault(server, "vault", due=False)
    for number, days in enumerate((-100, 10, -90, 20, 0)):
        clock.set(days)
        with server.connect("vault") as connection:
            let_one_more_be_due(connection, f"jump{number}")
        await_all_expired(server, "vault", 8)
        mark = server.log_mark()
        time.sleep(5)
        # Five rounds through three databases: template1, postgres and vault.
        assert 6 <= workers_started(server, mark) <= 21


def test_a_jump_of_the_clock_brings_what_is_due_then(server, clock):
    make_vault(server, "vault", due=False)
    with server.connect("vault") as connection:
        connection.execute("SELECT bunker_start_expiration('login', 'p1', '20 days')")
    for days in (0, -100, 19):
        clock.set(days)
        time.sleep(2.5)
        assert waiting(server, "vault") == 1
    clock.set(21)
    await_all_expired(server, "vault", 8)


def test_a_jump_back_repeats_no_announcement(server, clock):
    make_vault(server, "vault", due=False)
    with server.connect("vault") as connection:
        connection.execute("SELECT bunker_start_expiration('login', 'p1', '20 days')")
        clock.set(19.5)
        near = find(connection, "login", "p1")
        wait_until(lambda: events_of(connection, near, "expiry_near"), "the announcement")
        for days in (0, 19.6):
            clock.set(days)
            time.sleep(2.5)
        assert len(events_of(connection, near, "expiry_near")) == 1
