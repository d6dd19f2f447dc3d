"""What a DBA, an odd client or a damaged neighbour can do to the vault without breaking it."""

import socket
import struct
from uuid import uuid4

import pytest

from harness.vault import call, create, find, forget, rows, update

ANN = {"email": "ann@example.com", "login": "ann", "tax": "T1"}


def test_a_patch_cannot_name_what_could_not_be_read_back(conn, raises):
    create(conn, ANN)
    patch = [{"op": "add", "path": "/$serde_json::private::Number", "value": 1}]
    with raises("22023", secrets=["serde_json::private::Number"]):
        update(conn, "login", "ann", patch)
    assert update(conn, "login", "ann", {"z": 1}) == 2


def test_columns_that_come_and_go_do_not_stop_creates(conn):
    create(conn, ANN)
    for table in ("record", "lookup", "audit"):
        conn.execute(f"ALTER TABLE bunker.{table} ADD COLUMN note text")
    token = create(conn, {"login": "bob"})
    for table in ("record", "lookup", "audit"):
        conn.execute(f"ALTER TABLE bunker.{table} DROP COLUMN note")
    create(conn, {"login": "cleo"})
    assert find(conn, "login", "bob") == token


@pytest.mark.parametrize("obstacle", [
    "CREATE RULE keep AS ON UPDATE TO bunker.record DO INSTEAD NOTHING",
    "CREATE RULE keep AS ON DELETE TO bunker.lookup DO INSTEAD NOTHING",
], ids=["record", "lookup"])
def test_a_change_that_does_not_take_place_is_an_error(conn, obstacle):
    """Or else a value that was given up would go on leading to its user."""
    token = create(conn, ANN)
    conn.execute(obstacle)
    with pytest.raises(Exception) as refusal:
        update(conn, "login", "ann", {"login": "anna"})
    assert refusal.value.sqlstate in ("XX000", "XX001")
    assert find(conn, "login", "ann") == token
    assert find(conn, "login", "anna") is None


def test_a_damaged_schema_does_not_cost_preserved_values(conn, raises):
    call(conn, "bunker_set_user_schema", {"properties": {"tax": {"preserve": True}}})
    token = create(conn, ANN)
    conn.execute("UPDATE bunker.user_schema SET schema = '{\"type\": 5}'")
    with raises("XX001", secrets=["T1"]):
        forget(conn, "login", "ann")
    conn.execute("UPDATE bunker.user_schema SET schema = "
                 "'{\"properties\": {\"tax\": {\"preserve\": true}}}'")
    assert forget(conn, "login", "ann")
    assert call(conn, "bunker_tombstone", token)["preserved"] == {"tax": "T1"}


def test_the_actor_follows_a_renamed_role(conn, cluster, db):
    old, new = f"r_{uuid4().hex[:12]}", f"r_{uuid4().hex[:12]}"
    conn.execute(f"CREATE ROLE {old} LOGIN IN ROLE bunker_app")
    with cluster.connect(db, old) as session:
        create(session, {"login": "one"})
        conn.execute(f"ALTER ROLE {old} RENAME TO {new}")
        create(session, {"login": "two"})
    actors = [row[2].split()[0] for row in rows(conn, "bunker_audit_all")]
    assert actors == [new, old]


def test_reason_and_actor_are_bounded(conn, raises):
    for setting in ("reason", "actor"):
        conn.execute("SELECT set_config(%s, repeat('r', 1000), false)", [f"databunker.{setting}"])
        with raises("22023"):
            conn.execute("SELECT set_config(%s, repeat('r', 1001), false)",
                         [f"databunker.{setting}"])


def test_the_trail_of_a_token_is_readable_in_a_sealed_vault(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        token = create(connection, ANN)
    server.restart(settings={"databunker.master_key_file": "/nonexistent"})
    with server.connect("vault") as connection:
        with server.raises("55000"):
            find(connection, "login", "ann")
        events = rows(connection, "bunker_audit", "token", str(token))
    assert [event[3] for event in events] == ["create_user"]


def test_there_is_a_last_lookup_kind(conn, raises):
    create(conn, ANN)
    for number in range(60):
        call(conn, "bunker_add_lookup", f"kind_{number}", f"/field_{number}")
    with raises("54000"):
        call(conn, "bunker_add_lookup", "one_more", "/field")
    every = {f"field_{number}": f"value {number}" for number in range(60)}
    token = create(conn, {"login": "bob", "email": "b@example.com", **every})
    assert find(conn, "kind_59", "value 59") == token


def test_errors_carry_no_backtrace(conn, raises):
    conn.execute("SET default_transaction_read_only = on")
    with raises("25006") as refusal:
        create(conn, ANN)
    assert refusal.error.diag.message_detail is None


def test_the_fast_path_protocol_leaves_nothing_in_the_log(cluster, conn, db):
    """It calls a function by its oid, outside of any statement."""
    mark = cluster.log_mark()
    oid = conn.execute("SELECT 'bunker_get_user'::regproc::oid").fetchone()[0]
    answer = call_by_oid(cluster, db, oid, b"canary-no-uuid")
    assert b"22P02" in answer
    assert "22P02" in cluster.log(mark) or "uuid" in cluster.log(mark)
    assert "canary" not in cluster.log(mark)


def call_by_oid(cluster, db: str, oid: int, argument: bytes) -> bytes:
    """FunctionCall of protocol 3.0 with one argument as text; what the server answers."""
    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    startup = struct.pack("!i", 196608) + b"user\0postgres\0database\0" + db.encode() + b"\0\0"
    body = struct.pack("!ihhhi", oid, 1, 0, 1, len(argument)) + argument + struct.pack("!h", 0)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(cluster.root / f".s.PGSQL.{cluster.port}"))
        client.sendall(message(b"", startup))
        while not client.recv(65536).endswith(b"Z\0\0\0\5I"):
            pass
        client.sendall(message(b"F", body))
        return client.recv(65536)
