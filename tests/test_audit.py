"""The trail of writes: one event for each change, exactly when it stands, with who and why."""

import json

import psycopg
import pytest

from harness.events import trail
from harness.vault import call, create, create_many, find, forget, people, row_counts, rows, update

ANN = {"login": "ann", "email": "ann@example.com"}


def test_each_write_leaves_one_event(app_conn, dpo_conn):
    token = create(app_conn, ANN)
    update(app_conn, "email", "ann@example.com", {"n": 1})
    update(app_conn, "token", token, {"n": 2})
    forget(app_conn, "login", "ann")
    events = trail(dpo_conn)[::-1]
    assert [(e["action"], e["kind"]) for e in events] == [
        ("create_user", None), ("update_user", "email"), ("update_user", "token"),
        ("delete_user", "login")]
    assert {e["token"] for e in events} == {token}
    assert {(e["status"], e["app"], e["reason"], e["message"]) for e in events} == {
        ("ok", None, None, None)}
    assert [e["id"] for e in events] == sorted(e["id"] for e in events)
    assert {e["actor"] for e in events} == {"test_app"}
    assert "ann" not in json.dumps(events, default=str)


def test_bulk_create_leaves_an_event_for_each(app_conn, dpo_conn):
    tokens = {token for _, token in create_many(app_conn, people(1, 50))}
    events = trail(dpo_conn)
    assert {e["token"] for e in events} == tokens
    assert [e["action"] for e in events] == ["create_users"] * 50


def test_reads_and_refusals_leave_no_write_behind(conn, app_conn, raises):
    create(app_conn, ANN)
    before = row_counts(conn)
    with raises("23505", secrets=["ann@"]):
        create(app_conn, ANN)
    with raises("40001"):
        update(app_conn, "login", "ann", {}, 7)
    token = find(app_conn, "login", "ann")
    assert call(app_conn, "bunker_get_user", token) == ANN
    assert row_counts(conn) == before


def test_why_and_for_whom(app_conn, dpo_conn):
    app_conn.execute("SET databunker.reason = 'ticket 7'; SET databunker.actor = 'bob role=x'")
    create(app_conn, ANN)
    app_conn.execute("RESET databunker.reason; RESET databunker.actor")
    update(app_conn, "login", "ann", {"n": 1})
    later, first = trail(dpo_conn)
    assert (first["reason"], later["reason"]) == ("ticket 7", None)
    assert first["actor"] == 'test_app claimed="bob role=x"'
    assert later["actor"] == "test_app"


@pytest.mark.parametrize("action", ["create", "update", "forget"])
def test_set_role_shows_in_every_event(conn, action):
    """Also where our own statements run as the owner of the tables."""
    if action != "create":
        create(conn, ANN)
    conn.execute("SET ROLE test_app")
    if action == "create":
        create(conn, ANN)
    elif action == "update":
        update(conn, "login", "ann", {"n": 1})
    else:
        forget(conn, "login", "ann")
    conn.execute("RESET ROLE")
    assert trail(conn)[0]["actor"] == "postgres role=test_app"


@pytest.mark.parametrize("name", ['x" role=postgres claimed="', "a\nb\tc", "ключ", "\\", "x" * 63])
@pytest.mark.parametrize("setting", ["application_name", "databunker.actor"])
def test_a_claim_stays_in_its_quotes(app_conn, dpo_conn, setting, name):
    app_conn.execute("SELECT set_config(%s, %s, false)", [setting, name])
    create(app_conn, ANN)
    field = {"application_name": "application=", "databunker.actor": "claimed="}[setting]
    actor = trail(dpo_conn)[0]["actor"]
    assert actor.startswith(f"test_app {field}\"")
    assert "\n" not in actor
    said = json.loads(actor.removeprefix(f"test_app {field}"))
    # The server itself replaces what is not printable ASCII in an application's name.
    plain = setting == "databunker.actor" or (name.isascii() and name.isprintable())
    assert said == name if plain else len(said) >= len(name)


def test_an_odd_role_name_stays_in_its_quotes(cluster, conn, db):
    conn.execute('CREATE ROLE "test_odd role=x" LOGIN IN ROLE bunker_app')
    try:
        with cluster.connect(db, "test_odd role=x") as odd:
            create(odd, ANN)
        assert trail(conn)[0]["actor"] == '"test_odd role=x"'
    finally:
        conn.execute('DROP ROLE "test_odd role=x"')


def test_an_event_is_undone_with_its_change(conn, app_conn):
    create(app_conn, {"login": "first"})
    with app_conn.transaction():
        create(app_conn, ANN)
        with app_conn.transaction():
            update(app_conn, "login", "ann", {"n": 1})
            raise psycopg.Rollback
        assert row_counts(conn)["audit"] == 1
    assert [e["action"] for e in trail(conn)] == ["create_user", "create_user"]
    with app_conn.transaction():
        forget(app_conn, "login", "ann")
        raise psycopg.Rollback
    assert row_counts(conn)["audit"] == 2


def test_a_failed_call_does_not_cover_for_what_follows(conn):
    """After an error inside a call, a write past the functions is still recorded as such."""
    create(conn, ANN)
    with conn.transaction():
        with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
            create(conn, ANN)
        conn.execute("UPDATE bunker.record SET changed_by = 'me'")
        conn.execute("DELETE FROM bunker.lookup")
    direct = [(e["action"], e["message"]) for e in trail(conn)[:2]]
    assert direct == [("direct_delete", "lookup was written past the functions"),
                      ("direct_update", "record was written past the functions")]


def test_administration_leaves_events(conn, admin_conn, dpo_conn):
    call(admin_conn, "bunker_add_lookup", "tax", "/tax")
    admin_conn.execute("SELECT bunker_set_user_schema('{}')")
    call(admin_conn, "bunker_reindex_lookup", "tax")
    events = trail(dpo_conn)[::-1]
    assert [(e["action"], e["kind"], e["actor"]) for e in events] == [
        ("add_lookup", "tax", "test_admin"), ("set_user_schema", None, "test_admin"),
        ("reindex_lookup", "tax", "test_admin")]


# Reading it -----------------------------------------------------------------------------------

def test_the_trail_of_one_user_pages_back(app_conn, dpo_conn, raises):
    create(app_conn, {"login": "other"})
    token = create(app_conn, ANN)
    for n in range(24):
        update(app_conn, "login", "ann", {"n": n})
    seen, before = [], None
    while page := rows(dpo_conn, "bunker_audit", "email", "ann@example.com", before, 7):
        assert len(page) <= 7
        seen += [row[0] for row in page]
        before = page[-1][0]
    assert len(seen) == 25
    assert seen == sorted(seen, reverse=True)
    assert {row[6] for row in rows(dpo_conn, "bunker_audit", "token", str(token))} == {token}
    assert len(rows(dpo_conn, "bunker_audit_all", None, 10_000)) == 26
    for count in (0, -1, 10_001, None):
        with raises("22023"):
            rows(dpo_conn, "bunker_audit_all", None, count)
        with raises("22023"):
            rows(dpo_conn, "bunker_audit", "login", "ann", None, count)
    with raises("22P02"):
        rows(dpo_conn, "bunker_audit", "token", "x")
    assert rows(dpo_conn, "bunker_audit", "login", "nobody") == []


def test_an_event_shows_before_and_after(app_conn, dpo_conn):
    create(app_conn, ANN)
    update(app_conn, "login", "ann", {"email": None, "n": 1})
    update(app_conn, "login", "ann", {"n": 2})
    ids = [e["id"] for e in trail(dpo_conn)][::-1]
    shown = [call(dpo_conn, "bunker_audit_event", event) for event in ids]
    versions = [None, ANN, {"login": "ann", "n": 1}, {"login": "ann", "n": 2}]
    assert [(e["before"], e["after"]) for e in shown] == list(zip(versions, versions[1:]))
    assert [e["id"] for e in shown] == ids
    assert call(dpo_conn, "bunker_audit_event", ids[-1] + 1_000) is None
    assert call(dpo_conn, "bunker_audit_event", None) is None


# Where nothing can be written -----------------------------------------------------------------

WRITES = ["bunker_create_user('{\"login\": \"bob\"}')",
          "bunker_create_users(array['{\"login\": \"bob\"}'::jsonb])",
          "bunker_update_user('login', 'ann', '{}')", "bunker_delete_user('login', 'ann')",
          "bunker_add_lookup('tax', '/tax')", "bunker_set_user_schema(NULL)",
          "bunker_reindex_lookup('email')"]


@pytest.mark.parametrize("write", WRITES)
def test_a_read_only_transaction_writes_nothing(conn, raises, write):
    create(conn, ANN)
    before = row_counts(conn)
    conn.execute("SET default_transaction_read_only = on")
    with raises("25006"):
        conn.execute(f"SELECT {write}")
    assert call(conn, "bunker_lookup", "login", "ann")["profile"] == ANN
    assert row_counts(conn) == before
