"""A keyring that was altered or exchanged, and writes that go past the functions."""

import pytest
from psycopg import sql
from test_tamper import REFUSED, Vault, harm

from harness import Cluster

WRITES = {
    "bunker.record": "(token, created_at, updated_at, version, changed_by, digests) "
                     "VALUES (gen_random_uuid(), now(), now(), 1, 'x', '')",
    "bunker.record_version": "VALUES (gen_random_uuid(), 1, now(), 'x', '', '')",
    "bunker.lookup": "(token, kind, digest) VALUES (gen_random_uuid(), 1, '\\x01')",
    "bunker.lookup_kind": "VALUES (99, 'x', '/x', 'exact', 1)",
    "bunker.user_schema": "VALUES (99, '{}', now(), 'x')",
    "bunker.keyring": "VALUES (99, 'data', 99, '\\x00', now())",
    "bunker.audit": "(id, at, action, status, actor) VALUES (1, now(), 'lookup', 'ok', 'nobody')",
}


@pytest.fixture
def vault(cluster, db):
    """A vault of its own."""
    made = Vault(cluster, db)
    yield made
    made.close()


def keyring(vault) -> list[tuple]:
    """The keyring's rows."""
    return vault.root.execute(
        "SELECT id, purpose, version, sealed FROM bunker.keyring ORDER BY id").fetchall()


def test_an_altered_key_is_refused(vault):
    for number, _, _, kept in keyring(vault):
        for damaged in harm(kept).values():
            vault.write("UPDATE bunker.keyring SET sealed = %s WHERE id = %s", damaged, number)
            with vault.cluster.connect(vault.db) as fresh, vault.cluster.raises(REFUSED):
                vault.ask("bunker_get_user(%s)", vault.tokens[0], connection=fresh)
            vault.write("UPDATE bunker.keyring SET sealed = %s WHERE id = %s", kept, number)
    assert vault.outcomes(fresh=True) == vault.reads()


@pytest.mark.parametrize("change", [
    "UPDATE bunker.keyring SET version = 2 WHERE purpose = 'data'",
    "UPDATE bunker.keyring SET id = 77 WHERE purpose = 'data'",
    "UPDATE bunker.keyring SET purpose = 'nonsense' WHERE purpose = 'data'",
    "UPDATE bunker.keyring SET version = -1 WHERE purpose = 'data'",
    "UPDATE bunker.keyring a SET sealed = b.sealed FROM bunker.keyring b "
    "WHERE a.purpose = 'data' AND b.purpose = 'index'",
    "DELETE FROM bunker.keyring WHERE purpose = 'data'",
    "DELETE FROM bunker.keyring WHERE purpose = 'index'",
    "DELETE FROM bunker.keyring",
    "TRUNCATE bunker.keyring",
])
def test_a_keyring_with_keys_exchanged_or_removed_is_refused(vault, change):
    vault.write(change)
    outcomes = vault.outcomes(fresh=True)
    assert set(outcomes.values()) == {REFUSED}
    for call in ("bunker_create_user('{\"email\": \"ann@example.com\"}')",
                 "bunker_update_user('login', 'ann', '{}')"):
        with vault.cluster.connect(vault.db) as fresh, vault.cluster.raises(REFUSED):
            fresh.execute(f"SELECT {call}")


def test_a_session_that_has_the_keys_learns_of_a_change(vault):
    """In an open session, too: cached keys are not used once the table says otherwise."""
    assert vault.outcomes() == vault.reads()
    vault.write("UPDATE bunker.keyring SET sealed = '\\x00' WHERE id = 1")
    assert set(vault.outcomes().values()) == {REFUSED}


def test_the_keyring_of_another_vault_is_a_wrong_key(vault):
    with Cluster() as other:
        elsewhere = Vault(other, other.create_db("elsewhere"))
        rows = keyring(elsewhere)
        elsewhere.close()
    for number, _, _, sealed in rows:
        vault.write("UPDATE bunker.keyring SET sealed = %s WHERE id = %s", sealed, number)
    for way, outcome in vault.outcomes(fresh=True).items():
        # An event is told without its profile.
        assert outcome == (None if "event" in way[0] else "55000"), way


def test_the_keyring_of_another_database_opens_nothing(vault):
    """The same master key, other keys: it opens, and finds nobody and opens no record."""
    other = Vault(vault.cluster, vault.cluster.create_db("neighbour"))
    rows = keyring(other)
    other.close()
    vault.cluster.drop_db("neighbour")
    for number, _, _, sealed in rows:
        vault.write("UPDATE bunker.keyring SET sealed = %s WHERE id = %s", sealed, number)
    outcomes = vault.outcomes(fresh=True)
    assert set(outcomes.values()) <= {REFUSED, None}
    assert outcomes["bunker_get_user(%s)", vault.tokens[0]] == REFUSED


# Direct writes -----------------------------------------------------------------------------------


def events(connection, table: str) -> list[str]:
    """What the trail says of writes past the functions to a table."""
    return [row[0] for row in connection.execute(
        "SELECT action FROM bunker.audit WHERE message = %s ORDER BY id",
        [f"{table.split('.')[1]} was written past the functions"])]


@pytest.mark.parametrize("table", WRITES)
def test_every_direct_write_leaves_an_event(vault, table):
    connection, name = vault.root, sql.Identifier(*table.split("."))
    statements = {
        "direct_insert": sql.SQL("INSERT INTO {table} " + WRITES[table].replace("{", "{{").replace("}", "}}")),
        "direct_update": sql.SQL("UPDATE {table} SET {column} = {column}"),
        "direct_delete": sql.SQL("DELETE FROM {table}"),
        "direct_truncate": sql.SQL("TRUNCATE {table}"),
    }
    column = {"bunker.lookup": "kind", "bunker.lookup_kind": "path"}.get(table, "version")
    for action, statement in statements.items():
        connection.execute(statement.format(table=name, column=sql.Identifier(column)))
        assert events(connection, table)[-1] == action


def test_a_copy_leaves_events(vault):
    with vault.root.cursor().copy("COPY bunker.lookup (token, kind, digest) FROM STDIN") as copy:
        copy.write_row((vault.tokens[0], 9, b"\x01"))
    assert events(vault.root, "bunker.lookup") == ["direct_insert"]


def test_a_direct_write_names_who_did_it_and_to_whom(vault):
    vault.write("UPDATE bunker.record SET changed_by = 'me' WHERE token = %s", vault.tokens[0])
    row = vault.root.execute(
        "SELECT action, actor, token, status FROM bunker_audit_all() LIMIT 1").fetchone()
    assert row == ("direct_update", "postgres", vault.tokens[0], "ok")
