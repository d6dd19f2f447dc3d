"""Refusals in the trail: what a role may not call, what the bulk guard stops, and who opened it."""

import psycopg
import pytest

from harness.events import trail
from harness.vault import create, create_many, people, rows

CALLS = ["bunker_lookup('login', 'ann')", "bunker_get_user(gen_random_uuid())",
         "bunker_create_user('{\"login\": \"bob\"}')", "bunker_unlock_bulk('because')",
         "bunker_set_user_schema('{}')"]


@pytest.mark.parametrize("statement", CALLS)
def test_a_call_without_privilege_is_an_event(conn, dpo_conn, raises, statement):
    """Our code is never reached then: PostgreSQL itself refuses."""
    create(conn, {"login": "ann"})
    dpo_conn.execute("SET databunker.reason = 'curiosity'; SET databunker.actor = 'mallory'")
    with raises("42501", secrets=["ann", "bob"]):
        dpo_conn.execute(f"SELECT {statement}")
    event = trail(dpo_conn, None, 1)[0]
    action = statement.split("(")[0].removeprefix("bunker_")
    assert (event["action"], event["status"], event["reason"]) == (action, "denied", "curiosity")
    assert event["actor"] == 'test_dpo claimed="mallory"'
    assert (event["kind"], event["token"]) == (None, None)
    assert "ann" not in event["message"] and "bob" not in event["message"]


def test_it_outlives_the_rollback_and_names_the_session(conn, dpo_conn):
    create(conn, {"login": "ann"})
    conn.execute("BEGIN; SET LOCAL ROLE test_dpo")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT bunker_lookup('login', 'ann')")
    conn.execute("ROLLBACK")
    event = trail(dpo_conn, None, 1)[0]
    assert event["status"] == "denied"
    role = conn.execute("SELECT oid FROM pg_roles WHERE rolname = 'test_dpo'").fetchone()[0]
    # In the midst of an error no catalog can be read: the role that was set is told by number.
    assert event["actor"] == f"postgres role={role}"


def test_other_peoples_functions_are_none_of_our_business(conn, dpo_conn):
    create(conn, {"login": "ann"})
    before = len(trail(dpo_conn))
    conn.execute("CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'; "
                 "REVOKE ALL ON FUNCTION other() FROM PUBLIC")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        dpo_conn.execute("SELECT other()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        dpo_conn.execute("SELECT * FROM bunker.record")
    assert len(trail(dpo_conn)) == before


def test_what_the_bulk_guard_stops_is_an_event(conn, app_conn, dpo_conn):
    tokens = [token for _, token in create_many(conn, people(1, 101))]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(app_conn, "bunker_get_users", tokens)
    event = trail(dpo_conn, None, 1)[0]
    assert (event["action"], event["status"]) == ("get_users", "denied")
    assert "as many records" in event["message"]


def test_who_opens_the_guard_is_on_record(conn, admin_conn, dpo_conn):
    create(conn, {"login": "ann"})
    admin_conn.execute("BEGIN")
    number = admin_conn.execute("SELECT bunker_unlock_bulk('ticket 7')").fetchone()[0]
    admin_conn.execute("ROLLBACK")
    event = trail(dpo_conn, None, 1)[0]
    assert (event["action"], event["status"], event["reason"]) == ("unlock_bulk", "ok", "ticket 7")
    assert event["message"] == f"unlock {number}"
    assert event["actor"] == "test_admin"
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        admin_conn.execute("SELECT bunker_unlock_bulk(' ')")
    assert trail(dpo_conn, None, 1)[0]["status"] == "failed"
