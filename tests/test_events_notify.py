"""NOTIFY databunker: that something happened, without holding up whoever did it."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.outbox import LOOK, happened, heard, listen, numbered
from harness.standby import Standby
from harness.trail import await_partitions, await_writer, stopped, verify
from harness.vault import call, create, create_many, forget, people, update
from harness.wait import wait_until


@pytest.fixture
def listener(cluster, db):
    """A session of a role that holds nothing but the right to connect, listening."""
    cluster.psql("DO $$ BEGIN CREATE ROLE test_listener LOGIN; "
                 "EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    with cluster.connect(db, "test_listener") as connection:
        yield listen(connection)


def test_a_listener_hears_what_happened(app_conn, listener):
    begun = time.monotonic()
    ann = create(app_conn, {"login": "ann"})
    assert heard(listener, 1) == [("user_created", ann)]
    assert time.monotonic() - begun < 2
    update(app_conn, "login", "ann", {"name": "Ann"})
    forget(app_conn, "login", "ann")
    assert heard(listener, 2) == [("user_changed", ann), ("user_forgotten", ann)]
    assert heard(listener, 1, 0.5) == []


def test_the_payload_is_two_words(app_conn, listener):
    token = create(app_conn, {"login": "ann", "email": "ann@example.com"})
    [told] = listener.notifies(timeout=10, stop_after=1)
    assert told.channel == "databunker"
    assert told.payload == f'{{"event":"user_created","token":"{token}"}}'


def test_nobody_hears_of_what_was_rolled_back(app_conn, listener):
    with app_conn.transaction(force_rollback=True):
        create(app_conn, {"login": "undone"})
    with app_conn.transaction():
        with app_conn.transaction(force_rollback=True):
            create(app_conn, {"login": "savepoint"})
        with app_conn.transaction():
            with app_conn.transaction(force_rollback=True):
                create(app_conn, {"login": "deeper"})
            kept = create(app_conn, {"login": "kept"})
    assert heard(listener, 2, 1) == [("user_created", kept)]


def test_a_listener_is_told_after_the_commit(app_conn, listener):
    with app_conn.transaction():
        token = create(app_conn, {"login": "ann"})
        assert heard(listener, 1, 0.3) == []
    assert heard(listener, 1) == [("user_created", token)]
    assert happened(app_conn) == [("user_created", token)]


def test_a_thousand_are_told_one_by_one_and_ten_thousand_in_one_word(app_conn, listener):
    tokens = {token for _, token in create_many(app_conn, people(1, 1_000))}
    assert {token for _, token in heard(listener, 1_000)} == tokens
    create_many(app_conn, people(1_001, 11_000))
    assert set(heard(listener, 10_000, 2)) == {LOOK}
    assert len(happened(app_conn)) == 10_000


def test_a_writer_that_stands_still_costs_hints_and_no_events(conn, app_conn, listener):
    """The ring to him runs full: the list has everything, and listeners are told to look."""
    create(app_conn, {"login": "first"})
    heard(listener, 1)
    await_partitions(conn)  # the writer must not stand still with their locks
    with stopped(await_writer(conn)):
        for first in range(1, 8_001, 500):
            create_many(app_conn, people(first, first + 499))
        waiting = conn.execute("SELECT waiting FROM bunker.stat").fetchone()[0]
        assert waiting > 1_000
    assert LOOK in heard(listener, 8_000, 2)
    assert len(happened(app_conn)) == 8_001


def test_the_writer_ends_after_he_has_told(conn, app_conn, listener):
    create(app_conn, {"login": "first"})
    heard(listener, 1)
    await_partitions(conn)
    writer = await_writer(conn)
    with stopped(writer):
        token = create(app_conn, {"login": "ann"})
        os.kill(writer, signal.SIGTERM)
    assert heard(listener, 1) == [("user_created", token)]


# Servers of their own -------------------------------------------------------------------------

def test_without_preloading_the_transaction_notifies(fresh_cluster):
    settings = {"databunker.audit_reads": "transaction", "max_prepared_transactions": "2"}
    server = fresh_cluster(settings, preload=False)
    server.create_db("vault")
    with server.connect("vault") as connection, server.connect("vault") as listener:
        listen(listener)
        with connection.transaction():
            with connection.transaction(force_rollback=True):
                create(connection, {"login": "lost"})
            ann = create(connection, {"login": "ann"})
        assert heard(listener, 2, 1) == [("user_created", ann)]
        create_many(connection, people(1, 1_001))
        assert heard(listener, 2, 1) == [LOOK]
        # PostgreSQL refuses to prepare a transaction that has notified.
        connection.execute("BEGIN")
        bob = create(connection, {"login": "bob"})
        connection.execute("PREPARE TRANSACTION 'bob'")
        last = max(numbered(connection))
        connection.execute("COMMIT PREPARED 'bob'")
        assert happened(connection, last) == [("user_created", bob)]


def test_a_prepared_transaction_is_in_the_list_once_it_is_committed(fresh_cluster):
    server = fresh_cluster({"max_prepared_transactions": "2"})
    server.create_db("vault")
    with server.connect("vault") as connection, server.connect("vault") as listener:
        listen(listener)
        tokens = {"first": create(connection, {"login": "first"})}
        heard(listener, 1)
        for name in ("kept", "lost"):
            connection.execute("BEGIN")
            tokens[name] = create(connection, {"login": name})
            connection.execute(f"PREPARE TRANSACTION '{name}'")
        assert happened(connection) == [("user_created", tokens["first"])]
        assert heard(listener, 1, 0.3) == []
    server.restart("immediate")
    with server.connect("vault") as connection, server.connect("vault") as listener:
        listen(listener)
        assert verify(connection).ok
        connection.execute("COMMIT PREPARED 'kept'")
        connection.execute("ROLLBACK PREPARED 'lost'")
        assert happened(connection)[1:] == [("user_created", tokens["kept"])]
        assert verify(connection).ok  # has the writer look for events that nobody told him of
        assert LOOK in heard(listener, 1)


def test_a_crash_loses_no_event_and_gives_no_number_twice(fresh_cluster):
    """Also where commits wait for no disk, nor reads for their events: what was shown is on it."""
    server = fresh_cluster({"synchronous_commit": "off", "wal_writer_delay": "10s",
                            "databunker.audit_reads": "transaction"})
    server.create_db("vault")
    shown = {}
    for crash in range(4):
        connection = server.connect("vault")
        shown |= numbered(connection, max(shown, default=0))
        for n in range(3):
            create(connection, {"login": f"u{crash}x{n}"})
        if crash % 2:
            connection.execute("BEGIN")
        shown |= numbered(connection, max(shown, default=0))
        server.kill9()
        connection.close()
        server.start()
    with server.connect("vault") as connection:
        again = numbered(connection, max(shown))
        assert not set(again) & set(shown)
        living = {row[0] for row in connection.execute("SELECT token FROM bunker.record")}
        assert {event.token for event in shown.values()} == living
        assert len(living) == 12


def test_a_notifying_commit_that_takes_long_holds_nobody_up(fresh_cluster):
    """PostgreSQL commits transactions that notify one after the other. Ours do not stand in line."""
    primary = fresh_cluster({"wal_level": "replica", "max_wal_senders": "4"})
    primary.create_db("vault")
    with (Standby(primary, {}) as standby, primary.connect("vault") as connection,
          primary.connect("vault") as slow, primary.connect("vault") as listener,
          standby.connect("vault") as follower, ThreadPoolExecutor(1) as pool):
        listen(listener)
        first = create(connection, {"login": "first"})
        assert heard(listener, 1) == [("user_created", first)]
        connection.execute("CREATE TABLE written (n integer)")
        primary.reload({"synchronous_standby_names": "*"})
        wait_until(lambda: connection.execute("SELECT sync_state FROM pg_stat_replication")
                   .fetchone() == ("sync",), "the standby to be waited for")
        follower.execute("SELECT pg_wal_replay_pause()")
        slow.execute("SET synchronous_commit = remote_apply")
        hanging = pool.submit(
            slow.execute, "BEGIN; INSERT INTO written VALUES (1); NOTIFY another; COMMIT")
        wait_until(lambda: connection.execute(
            "SELECT wait_event FROM pg_stat_activity WHERE pid = %s",
            [slow.info.backend_pid]).fetchone() == ("SyncRep",), "a commit that hangs")
        begun = time.monotonic()
        tokens = [create(connection, {"login": f"u{n}"}) for n in range(20)]
        for _ in range(20):
            assert call(connection, "bunker_get_user", first)
        assert time.monotonic() - begun < 3
        assert heard(listener, 1, 0.5) == []
        follower.execute("SELECT pg_wal_replay_resume()")
        hanging.result(10)
        assert heard(listener, 20) == [("user_created", token) for token in tokens]


def test_a_standby_shows_what_is_numbered(fresh_cluster):
    primary = fresh_cluster({"wal_level": "replica", "max_wal_senders": "4"})
    primary.create_db("vault")
    with primary.connect("vault") as connection:
        ann = create(connection, {"login": "ann"})
        [number] = numbered(connection)
        with (Standby(primary, {"databunker.standby_reads": "log"}) as standby,
              standby.connect("vault") as reader):
            assert numbered(reader) == {number: ("user_created", ann)}
            bob = create(connection, {"login": "bob"})
            assert happened(reader, number) == []
            numbered(connection)
            wait_until(lambda: happened(reader, number) == [("user_created", bob)],
                       "the standby to follow")


def test_cursors_stay_good_in_a_restored_vault(cluster, db, conn):
    ann = create(conn, {"login": "ann"})
    [cursor] = numbered(conn)
    bob = create(conn, {"login": "bob"})
    target = cluster.create_db(f"{db}_restored", extension=False)
    cluster.psql(cluster.run("pg_dump", dbname=db).stdout, dbname=target)
    with cluster.connect(target) as restored:
        assert happened(restored) == [("user_created", ann), ("user_created", bob)]
        assert happened(restored, cursor) == [("user_created", bob)]
        carl = create(restored, {"login": "carl"})
        assert happened(restored, max(numbered(restored)) - 1) == [("user_created", carl)]
    cluster.drop_db(target)
