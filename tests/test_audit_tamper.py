"""Somebody with every right alters the trail: a verification shows it, and where."""

import shutil
import subprocess
from types import SimpleNamespace

import psycopg
import pytest

from harness.trail import await_partitions, event_ids, read, take_anchor, unsealed, verify
from harness.vault import call, create, forget, update
from harness.wait import wait_until

ANN = {"login": "ann", "email": "ann@example.com"}
COLUMNS = ("id, at, token, version, action, status, actor, kind, app, reason, message, mac")
BODY = COLUMNS.removeprefix("id, ")


@pytest.fixture
def token(conn):
    """The vault's only user."""
    token = create(conn, ANN)
    await_partitions(conn)
    return token


@pytest.fixture
def dba(cluster, db, token):
    """A superuser who has silenced the triggers; `conn` stays the vault's honest user."""
    with cluster.connect(db) as connection:
        silence(connection)
        yield connection


def silence(connection) -> None:
    """Disables the triggers of all tables of the trail."""
    connection.execute(
        "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relname ~ '^audit'"
        " AND relkind IN ('r', 'p') AND relnamespace = 'bunker'::regnamespace LOOP"
        " EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', t); END LOOP; END $$")


@pytest.fixture
def trail(conn, dba, token):
    """Events under three seals at least: their numbers, and an anchor after each batch."""
    anchors = []
    for batch in range(3):
        for number in range(3):
            read(conn, token, f"read {batch}.{number}")
        anchors.append(take_anchor(conn))
    assert unsealed(conn) == 0
    assert dba.execute("SELECT count(*) FROM bunker.audit_seal").fetchone()[0] >= 3
    assert verify(conn).ok
    return SimpleNamespace(ids=event_ids(conn), anchors=anchors, token=token)


def insert_copy(target: int, source: int, **other) -> str:
    """A statement that copies an event, under another number and with other values."""
    values = ", ".join(str(other.get(name, name)) for name in BODY.split(", "))
    return (f"INSERT INTO bunker.audit ({COLUMNS}) SELECT {target}, {values}"
            f" FROM bunker.audit WHERE id = {source}")


# Events that are sealed --------------------------------------------------------------------------

FIELDS = {
    "at": "at + interval '1 microsecond'", "token": "gen_random_uuid()", "version": "7",
    "action": "'find_token'", "status": "'denied'", "actor": "'nobody'", "kind": "'email'",
    "app": "'x'", "reason": "'another'", "message": "'x'", "mac": "substr(mac, 1, 15) || '\\x00'",
}


def test_every_field_of_an_event_counts(conn, dba, trail):
    victim = trail.ids[4]
    dba.execute("CREATE TABLE kept AS SELECT * FROM bunker.audit WHERE id = %s", [victim])
    for field, value in (FIELDS | {"token ": "NULL", "reason ": "''"}).items():
        dba.execute(f"UPDATE bunker.audit SET {field} = {value} WHERE id = {victim}")
        verdict = verify(conn)
        assert (verdict.ok, verdict.first_bad) == (False, victim), (field, verdict)
        dba.execute("DELETE FROM bunker.audit WHERE id = %s", [victim])
        dba.execute("INSERT INTO bunker.audit SELECT * FROM kept")
        assert verify(conn).ok


def swap(columns: str, one: int, other: int) -> str:
    """A statement that exchanges columns of two events."""
    return (f"UPDATE bunker.audit AS a SET ({columns}) = (SELECT {columns} FROM bunker.audit AS b"
            f" WHERE b.id IN ({one}, {other}) AND b.id <> a.id) WHERE a.id IN ({one}, {other})")


EVENTS = {
    "removed": lambda e: (f"DELETE FROM bunker.audit WHERE id = {e[4]}", e[4]),
    "first one removed": lambda e: (f"DELETE FROM bunker.audit WHERE id = {e[0]}", e[0]),
    "last one removed": lambda e: (f"DELETE FROM bunker.audit WHERE id = {e[-1]}", e[-1]),
    "all but the first removed": lambda e: (f"DELETE FROM bunker.audit WHERE id > {e[0]}", e[1]),
    "repeated": lambda e: (insert_copy(e[4], e[4]), e[4]),
    "copied behind": lambda e: (insert_copy(e[-1] + 9, e[4]), e[-1] + 9),
    "copied before": lambda e: (insert_copy(e[0] - 9, e[4]), e[0] - 9),
    "forged": lambda e: (insert_copy(e[-1] + 9, e[4], mac="substr(sha256('x'), 1, 16)"), e[-1] + 9),
    "forged without a MAC": lambda e: (insert_copy(e[-1] + 9, e[4], mac="NULL"), e[-1] + 9),
    "forged before, without a MAC": lambda e: (insert_copy(e[0] - 9, e[4], mac="NULL"), e[0] - 9),
    "contents swapped": lambda e: (swap(BODY, e[3], e[5]), e[3]),
    "contents swapped without MACs": lambda e: (swap(BODY.replace(", mac", ""), e[3], e[5]), e[3]),
    "numbers swapped": lambda e: (f"UPDATE bunker.audit SET id = {e[3] + e[5]} - id"
                                  f" WHERE id IN ({e[3]}, {e[5]})", e[3]),
    "renumbered": lambda e: (f"UPDATE bunker.audit SET id = {e[-1] + 9} WHERE id = {e[4]}", e[4]),
    "moved to another month": lambda e: (
        f"UPDATE bunker.audit SET at = at + interval '1 month' WHERE id = {e[4]}", e[4]),
    "altered, MAC taken off": lambda e: (
        f"UPDATE bunker.audit SET actor = 'nobody', mac = NULL WHERE id = {e[4]}", e[4]),
    "emptied": lambda e: ("TRUNCATE bunker.audit", e[0]),
}


@pytest.mark.parametrize("tampering", EVENTS)
def test_tampering_with_sealed_events_shows(conn, dba, trail, tampering):
    statement, first_bad = EVENTS[tampering](trail.ids)
    assert dba.execute(statement).rowcount
    for _ in range(2):
        verdict = verify(conn)
        assert (verdict.ok, verdict.first_bad) == (False, first_bad), verdict
    # Nor does it go away with more events, and another writer.
    read(conn, trail.token, "later")
    dba.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE backend_type = 'databunker audit writer' AND datname = current_database()")
    assert (verdict := verify(conn))[::2] == (False, first_bad), verdict


def partition_of(dba) -> str:
    return dba.execute("SELECT max(tableoid)::regclass::text FROM bunker.audit").fetchone()[0]


@pytest.mark.parametrize("statement", [
    "ALTER TABLE bunker.audit DETACH PARTITION {0}", "DROP TABLE {0}", "TRUNCATE {0}",
    "ALTER TABLE bunker.audit DETACH PARTITION {0}; CREATE TABLE bunker.other (LIKE bunker.audit);"
    " INSERT INTO bunker.other SELECT * FROM {0} OFFSET 2;"
    " ALTER TABLE bunker.audit DETACH PARTITION bunker.audit_rest;"
    " ALTER TABLE bunker.audit ATTACH PARTITION bunker.other DEFAULT"])
def test_tampering_with_a_partition_shows(conn, dba, trail, statement):
    dba.execute(statement.format(partition_of(dba)))
    verdict = verify(conn)
    assert (verdict.ok, verdict.first_bad) == (False, trail.ids[0]), verdict


# Events that are not sealed yet ------------------------------------------------------------------

def refused_write(conn, token) -> None:
    """An update that meets another version."""
    with pytest.raises(psycopg.errors.SerializationFailure):
        update(conn, "token", token, {"n": 1}, 77)


AT_ONCE = {
    "removed": "DELETE FROM bunker.audit WHERE id = {0}",
    "altered": "UPDATE bunker.audit SET actor = 'nobody' WHERE id = {0}",
    "altered, MAC taken off": "UPDATE bunker.audit SET actor = 'x', mac = NULL WHERE id = {0}",
    "renumbered": "UPDATE bunker.audit SET id = id + 1000 WHERE id = {0}",
    "emptied": "DELETE FROM bunker.audit",
}
CALLS = {
    "a read": lambda conn, token: read(conn, token, "one more"),
    "a miss": lambda conn, token: call(conn, "bunker_lookup", "login", "nobody"),
    "a write": lambda conn, token: update(conn, "token", token, {"n": 1}),
    "a forgetting": lambda conn, token: forget(conn, "token", token),
    "a refusal": refused_write,
}


@pytest.mark.parametrize("tampering", AT_ONCE)
@pytest.mark.parametrize("act", CALLS)
def test_tampering_right_after_the_call_shows(conn, dba, token, act, tampering):
    """Between the call and its seal there is no time in which an event is unguarded."""
    before = event_ids(dba)
    CALLS[act](conn, token)
    victim = event_ids(dba)[-1]
    assert victim > before[-1]
    dba.execute(AT_ONCE[tampering].format(victim))
    first_bad = before[0] if tampering == "emptied" else victim
    verdict = verify(conn)
    assert (verdict.ok, verdict.first_bad) == (False, first_bad), verdict


def test_an_event_removed_by_its_own_transaction_shows(dba):
    last = event_ids(dba)[-1]
    with dba.transaction():
        update(dba, "login", "ann", {"n": 1})
        dba.execute("DELETE FROM bunker.audit WHERE id > %s", [last])
    verdict = verify(dba)
    assert not verdict.ok, verdict
    assert verdict.first_bad > last


# Seals -------------------------------------------------------------------------------------------

# But first_seal, a hint of where the writer has to begin after a start: what follows from a wrong
# one is that he seals events twice, which shows, too.
SEAL_FIELDS = {
    "number": ["number + 100"], "sealed_at": ["sealed_at + interval '1 microsecond'"],
    "key_id": ["key_id + 1"], "kind": ["1"], "month": ["month + 1"], "count": ["count + 1"],
    "floor": ["floor + 1"], "ids": ["ids || '\\x01'", "'\\x'", "NULL"],
    "digest": ["sha256('x')", "NULL"], "previous": ["sha256('x')", "'\\x00'"],
    "mac": ["sha256('x')", "'\\x'"],
}


@pytest.mark.parametrize("place", [0, 1, -1], ids=["first", "middle", "last"])
def test_every_field_of_a_seal_counts(dba, trail, place):
    numbers = dba.execute("SELECT number FROM bunker.audit_seal ORDER BY 1").fetchall()
    for field, values in SEAL_FIELDS.items():
        for value in values:
            with dba.transaction(force_rollback=True):
                dba.execute(f"UPDATE bunker.audit_seal SET {field} = {value} WHERE number = %s",
                            numbers[place])
                assert not verify(dba).ok, (field, value)
    assert verify(dba).ok


SEALS = {
    "first removed": "DELETE FROM bunker.audit_seal WHERE number = 1",
    "first removed, with its events": "DELETE FROM bunker.audit_seal WHERE number = 1;"
                                      " DELETE FROM bunker.audit WHERE id <= {0[3]}",
    "middle removed": "DELETE FROM bunker.audit_seal WHERE number = 2",
    "middle removed, with its events": "DELETE FROM bunker.audit_seal WHERE number = 2;"
                                       " DELETE FROM bunker.audit"
                                       " WHERE id BETWEEN {0[4]} AND {0[6]}",
    "middle removed, others renumbered": "DELETE FROM bunker.audit_seal WHERE number = 2;"
                                         " UPDATE bunker.audit_seal SET number = number - 1"
                                         " WHERE number > 2",
    "last removed": "DELETE FROM bunker.audit_seal WHERE number = (SELECT max(number) FROM"
                    " bunker.audit_seal)",
    "last removed, with its events": "DELETE FROM bunker.audit_seal WHERE number = (SELECT"
                                     " max(number) FROM bunker.audit_seal);"
                                     " DELETE FROM bunker.audit WHERE id > {0[6]}",
    "two swapped": "UPDATE bunker.audit_seal SET number = number + 100 WHERE number < 3;"
                   " UPDATE bunker.audit_seal SET number = 103 - number WHERE number > 100",
    "repeated": "INSERT INTO bunker.audit_seal SELECT 1 + max(number) OVER (), sealed_at, key_id,"
                " kind, month, count, floor, first_seal, ids, digest, previous, mac"
                " FROM bunker.audit_seal ORDER BY number DESC LIMIT 1",
    "made a retention": "DELETE FROM bunker.audit_seal WHERE number < 3; UPDATE bunker.audit_seal"
                        " SET kind = 1, first_seal = number",
    "all removed": "TRUNCATE bunker.audit_seal",
    "all emptied": "TRUNCATE bunker.audit_seal, bunker.audit",
    "all emptied, keys too": "TRUNCATE bunker.audit_seal, bunker.audit, bunker.keyring,"
                             " bunker.record, bunker.lookup, bunker.lookup_kind",
}


@pytest.mark.parametrize("tampering", SEALS)
def test_tampering_with_seals_shows(conn, dba, trail, tampering):
    dba.execute(SEALS[tampering].format(trail.ids))
    assert not verify(conn).ok
    assert not verify(conn, trail.anchors[-1]).ok
    if "keys" not in tampering:
        read(conn, trail.token, "later")
        assert not verify(conn).ok


def test_another_key_in_the_keyring_shows(cluster, db, conn, dba, trail):
    """Of another vault under the same master key, in which one could seal a trail of one's own."""
    other = cluster.create_db(f"{db}_other", template="bunker_template")
    try:
        with cluster.connect(other) as stranger:
            create(stranger, ANN)
            foreign = stranger.execute("SELECT sealed FROM bunker.keyring WHERE purpose = 'audit'")
            dba.execute("UPDATE bunker.keyring SET sealed = %s WHERE purpose = 'audit'",
                        [foreign.fetchone()[0]])
        for connection in (conn, dba):
            assert not verify(connection).ok
    finally:
        cluster.drop_db(other)


def test_an_event_that_is_slipped_in_late_shows(cluster, db, conn, dba, trail):
    """From a copy of the vault, which has the same keys: the event is authentic, but below numbers
    of which the chain says that nothing is to come any more."""
    conn.close()
    dba.close()
    copy = cluster.create_db(f"{db}_copy", template=db)
    try:
        with cluster.connect(db) as vault, cluster.connect(copy) as other:
            # A gap, as rolled back transactions leave them; the copy's next event fits into it.
            vault.execute("SELECT nextval('bunker.audit_id') FROM generate_series(1, 100)")
            read(other, trail.token, "foreign")
            row = other.execute("SELECT * FROM bunker.audit WHERE reason = 'foreign'").fetchone()
            wait_until(lambda: is_passed(vault, trail.token, row[0]), "the number to be passed")
            places = ", ".join(["%s"] * len(row))
            vault.execute(f"INSERT INTO bunker.audit VALUES ({places})", row)
            verdict = verify(vault)
            assert (verdict.ok, verdict.first_bad) == (False, row[0]), verdict
    finally:
        cluster.drop_db(copy)


def is_passed(connection, token, number: int) -> bool:
    """Reads once more; whether the newest seal says that no event below the number is to come."""
    read(connection, token, "one more")
    take_anchor(connection)
    newest = connection.execute("SELECT max(floor) FROM bunker.audit_seal").fetchone()[0]
    return newest > number


# What an anchor is for ---------------------------------------------------------------------------

def test_a_cut_end_shows_after_a_restart_with_an_anchor(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as conn:
        token = create(conn, ANN)
        await_partitions(conn)
        old = take_anchor(conn)
        last = event_ids(conn)[-1]
        read(conn, token, "to be cut off")
        anchor = take_anchor(conn)
        silence(conn)
        number = int(old.split(":")[2])
        conn.execute("DELETE FROM bunker.audit WHERE id > %s", [last])
        conn.execute("DELETE FROM bunker.audit_seal WHERE number > %s", [number])
        assert not verify(conn).ok
    server.restart()
    with server.connect("vault") as conn:
        assert verify(conn, old).ok
        assert verify(conn, anchor)[::2] == (False, None)
        # Nor does it help that the chain has grown past the anchor's number since.
        for n in range(3):
            read(conn, token, f"later {n}")
            take_anchor(conn)
        assert verify(conn).ok
        assert not verify(conn, anchor).ok


def test_an_older_copy_of_the_server_shows_with_an_anchor(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as conn:
        token = create(conn, ANN)
        await_partitions(conn)
        old = take_anchor(conn)
    server.stop()
    copy = server.root / "copy"
    subprocess.run(["cp", "-a", str(server.data), str(copy)], check=True)
    server.start()
    with server.connect("vault") as conn:
        read(conn, token, "to be forgotten")
        new = take_anchor(conn)
        assert verify(conn, old).ok and verify(conn, new).ok
    server.stop()
    shutil.rmtree(server.data)
    copy.rename(server.data)
    server.start()
    with server.connect("vault") as conn:
        assert verify(conn, old).ok
        verdict = verify(conn, new)
        assert not verdict.ok and "anchor" in verdict.detail
