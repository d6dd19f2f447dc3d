"""No false alarm: whatever happens in an honest vault, its trail verifies."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness.trail import (Readers, await_partitions, await_writer, event_ids, read, take_anchor,
                           unsealed, verify)
from harness.vault import call, create, create_many, people, rows, update
from harness.wait import wait_until

ANN = {"login": "ann", "email": "ann@example.com"}


def check(connection, events: int | None = None) -> None:
    """The trail verifies, and every event counts."""
    verdict = verify(connection)
    assert verdict.ok, verdict
    await_partitions(connection)
    assert verdict.events == (len(event_ids(connection)) if events is None else events)


def test_an_unused_vault(conn):
    check(conn, 0)
    assert verify(conn, take_anchor(conn)).ok


def test_while_others_read_and_write(cluster, db, conn):
    token = create(conn, ANN)
    ended = threading.Event()
    anchor = take_anchor(conn)

    def write() -> None:
        with cluster.connect(db) as writer:
            while not ended.is_set():
                update(writer, "token", token, {"n": 1})
                ended.wait(0.01)

    with ThreadPoolExecutor() as pool, Readers(cluster, db, token, pause=0.01) as readers:
        writing = pool.submit(write)
        try:
            for _ in range(20):
                readers.await_reads(20)
                for verdict in (verify(conn), verify(conn, anchor)):
                    assert verdict.ok, verdict
                anchor = take_anchor(conn)
        finally:
            ended.set()
        writing.result()
    assert readers.failures == []
    check(conn)


def test_inside_transactions(cluster, db, conn, raises):
    """Whatever the snapshot of the caller's is, the trail is looked at as it is, or not at all."""
    token = create(conn, ANN)
    with cluster.connect(db) as other:
        for level in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
            conn.execute(f"BEGIN ISOLATION LEVEL {level}")
            assert verify(conn).ok
            read(other, token, "meanwhile")
            assert verify(conn).ok
            if level == "READ COMMITTED":
                update(conn, "token", token, {"n": level})
                read(other, token, "meanwhile")
                assert verify(conn).ok
            assert verify(other).ok
            conn.execute("COMMIT")
            check(conn)
        for question in ("bunker_verify_audit()", "bunker_audit_anchor()"):
            conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            update(conn, "token", token, {"n": question})
            with raises("25001"):
                conn.execute(f"SELECT {question}")
            conn.execute("ROLLBACK")
        conn.execute("BEGIN READ ONLY")
        assert verify(conn).ok
        conn.execute("COMMIT")


def test_the_first_use_inside_a_transaction(cluster, db, conn):
    """The keys are not committed yet when the first events are, which so have no MAC."""
    for end in ("ROLLBACK", "COMMIT"):
        conn.execute("BEGIN")
        token = create(conn, ANN)
        assert read(conn, token, "before the keys") == ANN
        with cluster.connect(db) as other:
            assert call(other, "bunker_lookup", "login", "nobody") is None
            assert verify(other).ok
            call(conn, "pg_terminate_backend", await_writer(other))
            call(other, "bunker_lookup", "login", "nobody")
        conn.execute(end)
        assert verify(conn).ok
    check(conn)
    assert unsealed(conn) == 0


def test_transactions_that_commit_late(cluster, db, conn):
    """Their events have low numbers, and turn up when higher ones have long been sealed."""
    token = create(conn, ANN)
    with cluster.connect(db) as slow:
        slow.execute("BEGIN")
        create_many(slow, people(1, 20))
        for number in range(8):
            read(conn, token, f"ahead {number}")
            take_anchor(conn)
            wait_until(lambda: unsealed(conn) == 0, "a seal")
            threading.Event().wait(0.4)
        check(conn, 9)
        slow.execute("COMMIT")
        check(conn, 29)
    assert unsealed(conn) == 0


def test_rolled_back_writes(conn):
    """They leave gaps in the numbers, and nothing in the trail."""
    create(conn, ANN)
    conn.execute("BEGIN")
    for number in range(5):
        conn.execute("SAVEPOINT s")
        create_many(conn, people(10 * number, 10 * number + 5))
        conn.execute("SAVEPOINT t")
        update(conn, "login", "ann", {"n": number})
        conn.execute("RELEASE t")
        conn.execute("ROLLBACK TO s" if number % 2 else "RELEASE s")
    conn.execute("COMMIT")
    check(conn, 1 + 3 * 7)
    with conn.transaction(force_rollback=True):
        create_many(conn, people(100, 1_500))
    with conn.transaction():
        update(conn, "login", "ann", {"n": 9})
        with conn.transaction():
            create_many(conn, people(100, 1_500))
            raise psycopg.Rollback
    check(conn, 1 + 3 * 7 + 1)
    assert unsealed(conn) == 0


def test_twenty_thousand_events(conn):
    create_many(conn, people(1, 20_000))
    check(conn, 20_000)
    assert unsealed(conn) == 0


# Restarts ----------------------------------------------------------------------------------------

def test_restarts(fresh_cluster):
    """With nothing to seal, with events that are not sealed yet, and several in a row."""
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        token = create(connection, ANN)
        anchor = take_anchor(connection)
    for number in range(2):
        for stop in ("fast", "immediate", None):
            with server.connect("vault") as connection:
                read(connection, token, f"{number} {stop}")
                update(connection, "login", "ann", {"n": number})
            server.stop(stop) if stop else server.kill9()
            server.start()
            if number:
                continue
            with server.connect("vault") as connection:
                check(connection)
                assert verify(connection, anchor).ok
                anchor = take_anchor(connection)
    with server.connect("vault") as connection:
        check(connection, 13)
        assert verify(connection, anchor).ok


@pytest.mark.parametrize("stop", ["fast", "immediate"])
def test_a_time_without_the_key(fresh_cluster, stop):
    """Refused calls are events too, which nobody can authenticate before the key is back."""
    server = fresh_cluster()
    key_file = server.settings["databunker.master_key_file"]
    server.create_db("vault")
    with server.connect("vault") as connection:
        token = create(connection, ANN)
        read(connection, token, "before")
    for _ in range(2):
        server.restart(stop, {"databunker.master_key_file": None})
        with server.connect("vault") as connection:
            for number in range(3):
                with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                    read(connection, token, f"refused {number}")
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                verify(connection)
            connection.execute("UPDATE bunker.lookup_kind SET path = path")
            call(connection, "pg_terminate_backend", await_writer(connection))
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                read(connection, token, "refused again")
        server.restart(stop, {"databunker.master_key_file": key_file})
        with server.connect("vault") as connection:
            read(connection, token, "after")
            check(connection)
            assert unsealed(connection) == 0
    with server.connect("vault") as connection:
        check(connection, 2 + 2 * 6)


def test_the_key_goes_and_comes_back_while_the_server_runs(fresh_cluster):
    """By a reload, with the writer replaced in between."""
    server = fresh_cluster()
    key_file = server.settings["databunker.master_key_file"]
    server.create_db("vault")
    with server.connect("vault") as connection:
        token = create(connection, ANN)
        take_anchor(connection)
        for number in range(2):
            server.reload({"databunker.master_key_file": None})
            wait_until(lambda: call(connection, "bunker_status")["sealed"], "the sealed state")
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                read(connection, token, "refused")
            call(connection, "pg_terminate_backend", await_writer(connection))
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                read(connection, token, "refused again")
            server.reload({"databunker.master_key_file": key_file})
            wait_until(lambda: not call(connection, "bunker_status")["sealed"], "the key")
            read(connection, token, "allowed")
            check(connection, 4 + 3 * number)
        assert unsealed(connection) == 0


# Another server ----------------------------------------------------------------------------------

@pytest.mark.parametrize("anchored", [True, False])
def test_a_restored_trail(cluster, db, conn, fresh_cluster, anchored):
    """In a new server with the same master key; the restore itself leaves events, which follow."""
    tokens = [token for _, token in create_many(conn, people(1, 30))]
    for token in tokens[:5]:
        read(conn, token, "before the dump")
    anchor = take_anchor(conn) if anchored else None
    dump = cluster.run("pg_dump", dbname=db).stdout
    target = fresh_cluster({"databunker.master_key_file":
                            cluster.settings["databunker.master_key_file"]}, master_key=False)
    target.create_db("restored", extension=False)
    target.psql(dump, dbname="restored")
    with target.connect("restored") as restored:
        assert verify(restored, anchor).ok
        for token in tokens:
            assert read(restored, token, "after the dump")
        check(restored)
        assert verify(restored, anchor).ok
        assert unsealed(restored) == 0
        assert len(rows(restored, "bunker_audit_all", None, 10_000)) > 65
    target.restart()
    with target.connect("restored") as restored:
        check(restored)
        assert verify(restored, anchor).ok
