"""Databases that come and go, are copied and renamed; a server that is stopped in mid-work."""

import threading
import time
from contextlib import ExitStack

import pytest

from harness.trail import (Readers, await_partitions, await_writer, event_ids, read, reasons,
                           take_anchor, unsealed, verify, writer_of)
from harness.vault import create, create_many, people, rows
from harness.wait import wait_until

ANN = {"login": "ann", "email": "ann@example.com"}


@pytest.fixture
def vault(cluster):
    """vault(name): the name of a database of the test's own, and its only user's token."""
    made = []

    def make(name: str):
        made.append(cluster.create_db(name, template="bunker_template"))
        with cluster.connect(name) as connection:
            token = create(connection, ANN)
            await_partitions(connection)
            return name, token

    yield make
    for name in made:
        cluster.drop_db(name)


# Databases that nobody uses any more -------------------------------------------------------------

@pytest.mark.parametrize("statement", [
    "DROP DATABASE {}", "ALTER DATABASE {0} RENAME TO {0}_renamed", "CREATE DATABASE {0}_copy"
    " TEMPLATE {0}"])
def test_the_writer_is_in_nobodys_way(cluster, vault, statement):
    """All three wait five seconds for others to leave the database, and fail if they do not."""
    name, token = vault("test_left")
    with cluster.connect(name) as connection:
        read(connection, token, "last")
        await_writer(connection)
    with cluster.connect() as dba:
        dba.execute(statement.format(name))
    for other in ("test_left_renamed", "test_left_copy"):
        cluster.drop_db(other)


def test_a_database_is_dropped_by_force_under_load(cluster, vault):
    name, token = vault("test_forced")
    with cluster.connect() as dba, Readers(cluster, name, token) as readers:
        readers.await_reads(50)
        dba.execute(f"DROP DATABASE {name} WITH (FORCE)")
        readers.end()
        wait_until(lambda: writer_of(dba, name) is None, "the writer to end")


def test_dropped_databases_leave_room_for_others(cluster, vault):
    """There are 64 channels to audit writers; those of databases that are gone are used again."""
    with cluster.connect() as dba:
        for number in range(66):
            name, token = vault(f"test_many_{number}")
            with cluster.connect(name) as connection:
                assert read(connection, token, "one of many") == ANN
                dba.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_renamed_database_keeps_its_trail(cluster, vault):
    name, token = vault("test_before")
    with cluster.connect(name) as connection:
        read(connection, token, "before")
        anchor = take_anchor(connection)
    with cluster.connect() as dba:
        dba.execute("ALTER DATABASE test_before RENAME TO test_after")
    try:
        with cluster.connect("test_after") as connection:
            assert read(connection, token, "after") == ANN
            assert reasons(connection) == {"before": 1, "after": 1}
            assert verify(connection, anchor).ok
    finally:
        cluster.drop_db("test_after")


def test_a_copy_has_a_trail_of_its_own(cluster, vault):
    name, token = vault("test_original")
    with cluster.connect(name) as connection:
        read(connection, token, "common")
        anchor = take_anchor(connection)
    copy = cluster.create_db("test_copy", template=name)
    try:
        with cluster.connect(name) as one, cluster.connect(copy) as other:
            assert read(one, token, "original") == read(other, token, "copy") == ANN
            assert reasons(one) == {"common": 1, "original": 1}
            assert reasons(other) == {"common": 1, "copy": 1}
            for connection in (one, other):
                assert verify(connection, anchor).ok
            assert not verify(other, take_anchor(one)).ok
    finally:
        cluster.drop_db(copy)


def test_events_go_where_they_belong(cluster, vault):
    names = [vault(f"test_side_{number}") for number in range(3)]
    with ExitStack() as stack:
        crowds = [stack.enter_context(Readers(cluster, name, token, clients=2))
                  for name, token in names]
        connections = [stack.enter_context(cluster.connect(name)) for name, _ in names]
        for readers in crowds:
            readers.await_reads(30)
        assert len({await_writer(connection) for connection in connections}) == 3
    for (name, _), readers in zip(names, crowds):
        with cluster.connect(name) as connection:
            assert readers.failures == []
            assert reasons(connection) == dict.fromkeys(readers.acknowledged, 1)
            verdict = verify(connection)
            assert (verdict.ok, verdict.events) == (True, 1 + len(readers.acknowledged))


def test_the_extension_can_be_made_anew(conn):
    """The new vault's trail begins anew, in a channel that the old one has used."""
    for round_ in range(3):
        token = create(conn, ANN)
        if not round_:
            await_partitions(conn)
        assert read(conn, token, f"round {round_}") == ANN
        assert reasons(conn) == {f"round {round_}": 1}
        verdict = verify(conn)
        assert verdict.ok, verdict
        assert (verdict.events, unsealed(conn)) == (2, 0)
        conn.execute("DROP EXTENSION databunker; CREATE EXTENSION databunker")
    assert verify(conn).ok


def test_a_dropped_extension_lets_the_database_go(cluster, vault):
    """Its last events are dropped with it: they are nobody's any more, and hold nobody up."""
    name, token = vault("test_bare")
    with cluster.connect(name) as connection:
        connection.execute("SET databunker.audit_reads = async")
        for number in range(20):
            read(connection, token, f"read {number}")
        connection.execute("DROP EXTENSION databunker")
    with cluster.connect() as dba:
        dba.execute(f"DROP DATABASE {name}")


# A server that is stopped ------------------------------------------------------------------------

def test_a_stop_under_load_loses_nothing(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        token = create(connection, ANN)
        await_partitions(connection)
    for mode in ("fast", "immediate", "smart"):
        with Readers(server, "vault", token) as readers:
            readers.await_reads(100)
            # A smart stop waits until the clients have gone, and serves them until then.
            leave = threading.Timer(0.5, readers.end)
            leave.start()
            before = len(readers.acknowledged)
            server.stop(mode)
            readers.end()
        assert mode != "smart" or len(readers.acknowledged) > before
        server.start()
        with server.connect("vault") as connection:
            readers.check(connection)
            verdict = verify(connection)
            assert verdict.ok, (mode, verdict)
            assert verdict.events == len(event_ids(connection))


def test_prepared_transactions_are_sealed_in_the_end(fresh_cluster):
    server = fresh_cluster({"max_prepared_transactions": "4"})
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, ANN)
        prepare(connection, "soon", 1, 5)
        prepare(connection, "never", 11, 15)
        prepare(connection, "after a restart", 21, 25)
        assert verify(connection).events == 1
        connection.execute("COMMIT PREPARED 'soon'")
        assert verify(connection)[:2] == (True, 6)
        assert unsealed(connection) == 0
        connection.execute("ROLLBACK PREPARED 'never'")
        create_many(connection, people(31, 35))
        assert verify(connection)[:2] == (True, 11)
    for mode in ("fast", "immediate"):
        server.restart(mode)
    with server.connect("vault") as connection:
        create_many(connection, people(41, 45))
        time.sleep(2.5)
        create_many(connection, people(51, 55))
        assert verify(connection)[:2] == (True, 21)
        connection.execute("COMMIT PREPARED 'after a restart'")
        assert verify(connection)[:2] == (True, 26)
        assert unsealed(connection) == 0
        assert len(rows(connection, "bunker_audit_all")) == 26


def test_an_event_of_a_prepared_transaction_does_not_come_late(fresh_cluster):
    server = fresh_cluster({"max_prepared_transactions": "1"})
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, ANN)
        assert verify(connection).ok
        prepare(connection, "soon", 1, 5)
        connection.execute("COMMIT PREPARED 'soon'")
        # Seals whose floor would pass it, if nobody had looked for it.
        for number in range(11, 71):
            create_many(connection, people(number, number))
            time.sleep(0.1)
        assert verify(connection)[:2] == (True, 66)


def prepare(connection, name: str, first: int, last: int) -> None:
    """Creates users in a transaction that is left prepared."""
    connection.execute("BEGIN")
    create_many(connection, people(first, last))
    connection.execute(f"PREPARE TRANSACTION '{name}'")
