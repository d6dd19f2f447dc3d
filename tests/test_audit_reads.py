"""What each read, miss, refusal and failed write leaves in the trail, and what it never holds."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest

from harness.blocking import await_blocked
from harness.events import trail, trail_text
from harness.vault import call, create, create_many, find, forget, people, rows, update

ANN = {"login": "ann", "email": "ann@example.com", "age": 40}
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def ann(conn):
    """The token of a user; the event of his creation is the first of the trail."""
    return create(conn, ANN)


def last(connection) -> dict:
    """The newest event."""
    return trail(connection, None, 1)[0]


def told(connection) -> list[tuple]:
    """What happened since the first event, oldest first: action, status, kind, token, message."""
    return [(e["action"], e["status"], e["kind"], e["token"], e["message"])
            for e in trail(connection)[-2::-1]]


# One event for each thing that was asked -----------------------------------------------------

READS = {
    "by e-mail": (("bunker_lookup", "email", "ANN@example.com"), ("lookup", "email")),
    "by login": (("bunker_lookup", "login", "ann"), ("lookup", "login")),
    "the profile": (("bunker_get_user", "ANN"), ("get_user", None)),
    "by token": (("bunker_lookup", "token", "ANN"), ("lookup", "token")),
    "the token": (("bunker_find_token", "email", "ann@example.com"), ("find_token", "email")),
    "the token by token": (("bunker_find_token", "token", "ANN"), ("find_token", "token")),
    "the versions": (("bunker_user_versions", "login", "ann"), ("user_versions", "login")),
    "a version": (("bunker_user_version", "login", "ann", 1), ("user_version", "login")),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_is_an_event(app_conn, dpo_conn, ann, name):
    (function, *arguments), (action, kind) = READS[name]
    arguments = [str(ann) if argument == "ANN" else argument for argument in arguments]
    assert rows(app_conn, function, *arguments)[0][0] is not None
    assert told(dpo_conn) == [(action, "ok", kind, ann, None)]
    assert last(dpo_conn)["actor"] == "test_app"


MISSES = {
    "by e-mail": (("bunker_lookup", "email", "bob@example.com"), ("lookup", "email", None)),
    "by token": (("bunker_lookup", "token", NOBODY), ("lookup", "token", NOBODY)),
    "the profile": (("bunker_get_user", NOBODY), ("get_user", None, NOBODY)),
    "the token": (("bunker_find_token", "login", "bob"), ("find_token", "login", None)),
    "the token by token": (("bunker_find_token", "token", NOBODY), ("find_token", "token", NOBODY)),
    "versions": (("bunker_user_versions", "login", "bob"), ("user_versions", "login", None)),
    "a version": (("bunker_user_version", "login", "bob", 1), ("user_version", "login", None)),
    "a version by token": (("bunker_user_version", "token", NOBODY, 1),
                           ("user_version", "token", NOBODY)),
    "a tombstone": (("bunker_tombstone", NOBODY), ("tombstone", None, NOBODY)),
}


@pytest.mark.parametrize("name", MISSES)
def test_a_miss_is_an_event(conn, ann, name):
    (function, *arguments), (action, kind, token) = MISSES[name]
    found = rows(conn, function, *arguments)
    assert found in ([], [(None,)])
    [(done, status, by, whose, message)] = told(conn)
    assert (done, status, by, message) == (action, "not_found", kind, None)
    assert (whose and str(whose)) == token


def test_in_an_empty_vault_too(conn):
    assert call(conn, "bunker_lookup", "login", "ann") is None
    assert call(conn, "bunker_get_user", NOBODY) is None
    assert [(e["action"], e["status"]) for e in trail(conn)] == [
        ("get_user", "not_found"), ("lookup", "not_found")]


def test_a_version_that_is_not_there(conn, ann):
    for version in (0, 2, -1):
        assert call(conn, "bunker_user_version", "login", "ann", version) is None
    assert told(conn) == 3 * [("user_version", "not_found", "login", ann, None)]


def test_many_users_are_as_many_events(conn, app_conn, ann):
    bob = create(conn, {"login": "bob"})
    asked = [ann, uuid4(), bob, None, ann]
    assert [row[0] for row in rows(app_conn, "bunker_get_users", asked)] == [ann, bob, ann]
    assert told(conn)[1:] == [
        ("get_users", "ok", None, ann, None), ("get_users", "not_found", None, asked[1], None),
        ("get_users", "ok", None, bob, None), ("get_users", "ok", None, ann, None)]
    assert rows(app_conn, "bunker_get_users", [None]) == []
    assert len(trail(conn)) == 6


def test_a_list_is_one_event(conn, app_conn, ann):
    create_many(conn, people(1, 5))
    assert len(rows(app_conn, "bunker_list_users", None, 4)) == 4
    assert rows(app_conn, "bunker_list_users", "ffffffff-ffff-4fff-bfff-ffffffffffff") == []
    assert told(conn)[5:] == [("list_users", "ok", None, None, "4 users"),
                              ("list_users", "ok", None, None, "0 users")]


def test_tombstones(conn, admin_conn, ann):
    assert call(admin_conn, "bunker_tombstone", ann) is None
    forget(conn, "login", "ann")
    assert call(admin_conn, "bunker_tombstone", ann)["token"] == str(ann)
    assert told(conn) == [("tombstone", "not_found", None, ann, None),
                          ("delete_user", "ok", "login", ann, None),
                          ("tombstone", "ok", None, ann, None)]


def test_an_event_that_shows_profiles_is_a_read(conn, dpo_conn, ann):
    """Looking at the trail is none, as long as no profile is opened."""
    created = last(dpo_conn)["id"]
    assert call(dpo_conn, "bunker_audit_event", created)["after"] == ANN
    shown = last(dpo_conn)
    assert (shown["action"], shown["status"], shown["token"], shown["actor"]) == (
        "audit_event", "ok", ann, "test_dpo")
    assert call(dpo_conn, "bunker_audit_event", shown["id"])["after"] is None
    assert call(dpo_conn, "bunker_audit_event", 1) is None
    rows(dpo_conn, "bunker_audit", "login", "ann")
    rows(dpo_conn, "bunker_verify_audit")
    call(dpo_conn, "bunker_user_schema")
    assert len(trail(conn)) == 2


def test_no_argument_is_no_event(conn, ann):
    for function in ("bunker_lookup", "bunker_find_token", "bunker_user_versions"):
        for arguments in (("login", None), (None, "ann")):
            assert rows(conn, function, *arguments) in ([], [(None,)])
    assert call(conn, "bunker_get_user", None) is None
    assert told(conn) == []


def test_why_and_for_whom(app_conn, dpo_conn, ann):
    app_conn.execute("SET databunker.reason = 'ticket 7'; SET databunker.actor = 'bob'")
    find(app_conn, "login", "ann")
    find(app_conn, "login", "bob")
    with pytest.raises(psycopg.Error):
        find(app_conn, "email", "no address")
    app_conn.execute("RESET databunker.reason; SET application_name = 'billing'")
    find(app_conn, "login", "ann")
    *_, newest = events = trail(dpo_conn)[-2::-1]
    assert [e["reason"] for e in events] == ["ticket 7"] * 3 + [None]
    assert {e["actor"] for e in events[:3]} == {'test_app claimed="bob"'}
    assert newest["actor"] == 'test_app application="billing" claimed="bob"'


def test_whose_rights_were_used(conn, ann):
    with conn.transaction():
        conn.execute("SET LOCAL ROLE test_app")
        find(conn, "login", "ann")
    assert last(conn)["actor"] == "postgres role=test_app"


# Refused and failed --------------------------------------------------------------------------

FAILED_READS = {
    "a malformed token": ("bunker_lookup('token', 'x')", "22P02", ("lookup", "token")),
    "a malformed address": ("bunker_find_token('email', 'x')", "22023", ("find_token", "email")),
    "a malformed number": ("bunker_lookup('phone', 'x')", "22023", ("lookup", "phone")),
    "a blank login": ("bunker_lookup('login', ' ')", "22023", ("lookup", "login")),
    "an unknown kind": ("bunker_lookup('x', 'ann')", "22023", ("lookup", None)),
    "versions of a malformed token": (
        "bunker_user_versions('token', 'x')", "22P02", ("user_versions", "token")),
    "a version of an unknown kind": (
        "bunker_user_version('x', 'ann', 1)", "22023", ("user_version", None)),
    "an empty page": ("bunker_list_users(NULL, 0)", "22023", ("list_users", None)),
}


@pytest.mark.parametrize("name", FAILED_READS)
def test_a_failed_read_is_an_event(app_conn, dpo_conn, raises, ann, name):
    statement, sqlstate, (action, kind) = FAILED_READS[name]
    with raises(sqlstate) as caught, app_conn.transaction():
        app_conn.execute(f"SELECT {statement}")
    assert told(dpo_conn) == [(action, "failed", kind, None, caught.error.diag.message_primary)]


FAILED_WRITES = {
    "a taken address": ("bunker_create_user('{\"login\": \"ann\"}')", "23505",
                        ("create_user", "failed", None)),
    "one of many": ("bunker_create_users(array['{\"login\": \"b\"}', '{}']::jsonb[])", "22023",
                    ("create_users", "failed", None)),
    "no lookup field": ("bunker_create_user('{}')", "22023", ("create_user", "failed", None)),
    "nobody to change": ("bunker_update_user('login', 'bob', '{}')", "P0002",
                         ("update_user", "not_found", "login")),
    "nobody to forget": ("bunker_delete_user('email', 'bob@example.com')", "P0002",
                         ("delete_user", "not_found", "email")),
    "another version": ("bunker_update_user('login', 'ann', '{}', 7)", "40001",
                        ("update_user", "failed", "login")),
    "no patch": ("bunker_update_user('login', 'ann', '3')", "22023",
                 ("update_user", "failed", "login")),
    "an unknown kind": ("bunker_update_user('x', 'ann', '{}')", "22023",
                        ("update_user", "failed", None)),
    "a kind without a name": ("bunker_add_lookup('', '/x')", "22023", ("add_lookup", "failed", None)),
    "a kind without a path": ("bunker_add_lookup('x', 'x')", "22023", ("add_lookup", "failed", None)),
    "no schema": ("bunker_set_user_schema('3')", "22023", ("set_user_schema", "failed", None)),
    "an unknown kind to index": ("bunker_reindex_lookup('x')", "22023",
                                 ("reindex_lookup", "failed", None)),
}


@pytest.mark.parametrize("name", FAILED_WRITES)
@pytest.mark.parametrize("caught", [False, True])
def test_a_failed_write_is_an_event(conn, raises, ann, name, caught):
    statement, sqlstate, event = FAILED_WRITES[name]
    if caught:
        conn.execute(f"DO $$ BEGIN PERFORM {statement};"
                     " EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'swallowed'; END $$")
    else:
        with raises(sqlstate):
            conn.execute(f"SELECT {statement}")
    [(action, status, kind, token, message)] = told(conn)
    assert (action, status, kind, token) == (*event, None)
    assert message


def test_a_write_that_breaks_the_schema(conn, raises, ann):
    conn.execute("SELECT bunker_set_user_schema('{\"properties\": {\"age\": {\"maximum\": 50}}}')")
    with raises("23514"):
        update(conn, "login", "ann", {"age": 51})
    assert told(conn)[1:] == [("update_user", "failed", "login", None,
                               "the profile breaks the user schema")]


def test_a_write_that_waits_too_long(conn, app_conn, ann):
    app_conn.execute("SET lock_timeout = 100")
    with conn.transaction():
        conn.execute("LOCK TABLE bunker.lookup")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            update(app_conn, "login", "ann", {})
    assert told(conn) == [("update_user", "failed", None, None, "ended by the server")]


def test_a_write_that_is_cancelled(cluster, db, conn, app_conn, ann):
    with ThreadPoolExecutor() as pool, cluster.connect(db) as observer, conn.transaction():
        conn.execute("LOCK TABLE bunker.lookup")
        running = pool.submit(forget, app_conn, "login", "ann")
        await_blocked(observer, app_conn)
        app_conn.cancel_safe()
        assert isinstance(running.exception(10), psycopg.errors.QueryCanceled)
    assert told(conn) == [("delete_user", "failed", None, None, "ended by the server")]


def test_a_write_in_a_read_only_transaction(conn, app_conn, raises, ann):
    with raises("25006"), app_conn.transaction():
        app_conn.execute("SET TRANSACTION READ ONLY")
        create(app_conn, {"login": "bob"})
    assert told(conn) == [("create_user", "failed", None, None, "ended by the server")]


def test_damaged_data_are_reported_with_whose_they_are(conn, raises, ann):
    conn.execute("UPDATE bunker.record"
                 "   SET sealed = set_byte(sealed, 60, 255 - get_byte(sealed, 60))")
    with raises("XX001"):
        call(conn, "bunker_get_user", ann)
    with raises("XX001"):
        call(conn, "bunker_lookup", "login", "ann")
    assert told(conn)[1:] == [
        ("get_user", "failed", None, ann, "a stored record fails authentication"),
        ("lookup", "failed", "login", ann, "a stored record fails authentication")]


def test_a_sealed_vault_says_who_tried(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, ANN)
    server.restart(settings={"databunker.master_key_file": None})
    with server.connect("vault") as connection:
        with server.raises("55000"):
            call(connection, "bunker_lookup", "login", "ann")
        with server.raises("55000"):
            create(connection, {"login": "bob"})
        assert [(a, s, k) for a, s, k, *_ in told(connection)] == [
            ("lookup", "failed", "login"), ("create_user", "failed", None)]


# Never a value -------------------------------------------------------------------------------

CANARY = "zq7canary"
MISPLACED = [
    "bunker_lookup('zq7canary', 'ann')", "bunker_lookup('email', 'zq7canary')",
    "bunker_lookup('token', 'zq7canary')", "bunker_lookup('phone', 'zq7canary')",
    "bunker_lookup('login', 'zq7canary')", "bunker_find_token('zq7canary', 'zq7canary')",
    "bunker_find_token('custom', 'zq7canary')", "bunker_user_versions('zq7canary', 'x')",
    "bunker_user_version('zq7canary', 'x', 1)", "bunker_user_version('zq7canary', 'x', -1)",
    "bunker_create_user('\"zq7canary\"')", "bunker_create_user('{\"zq7canary\": 1}')",
    "bunker_create_user('{\"email\": \"zq7canary\"}')",
    "bunker_create_user('{\"login\": {\"zq7canary\": \"zq7canary\"}}')",
    "bunker_create_user('{\"login\": \"ann\", \"x\": \"zq7canary\"}')",
    "bunker_update_user('zq7canary', 'ann', '{}')",
    "bunker_update_user('zq7canary', 'ann', '3', -1)",
    "bunker_update_user('email', 'zq7canary', '{}')",
    "bunker_update_user('login', 'ann', '{\"email\": \"zq7canary\"}')",
    "bunker_update_user('login', 'ann', '[{\"op\": \"zq7canary\"}]')",
    "bunker_update_user('login', 'ann', '[{\"op\": \"remove\", \"path\": \"/zq7canary\"}]')",
    "bunker_update_user('login', 'ann',"
    " '[{\"op\": \"test\", \"path\": \"/login\", \"value\": \"zq7canary\"}]')",
    "bunker_delete_user('zq7canary', 'x')", "bunker_delete_user('email', 'zq7canary')",
    "bunker_add_lookup('zq7canary!', '/x')", "bunker_add_lookup('x', 'zq7canary')",
    "bunker_add_lookup('x', '/x', 'zq7canary')", "bunker_reindex_lookup('zq7canary')",
    "bunker_set_user_schema('{\"type\": \"zq7canary\"}')",
    "bunker_set_user_schema('{\"pattern\": \"zq7canary(\"}')",
    "bunker_set_user_schema('\"zq7canary\"')",
    "bunker_audit('zq7canary', 'x')", "bunker_audit('email', 'zq7canary')",
]


@pytest.fixture
def sealed(fresh_cluster):
    """A connection to a vault in use whose key is gone."""
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, ANN)
    server.restart(settings={"databunker.master_key_file": None})
    with server.connect("vault") as connection:
        yield connection


def misplace(connection, begin: str) -> str:
    """Makes all of these calls; what the trail says afterwards."""
    for misplaced in MISPLACED:
        try:
            connection.execute(f"{begin} SELECT {misplaced}")
        except psycopg.Error:
            pass
        connection.execute("ROLLBACK")
    return trail_text(connection)


BEGINNINGS = ["", "BEGIN READ ONLY;", "BEGIN ISOLATION LEVEL SERIALIZABLE;"]


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_a_value_in_the_wrong_place_is_not_recorded(conn, ann, begin):
    text = misplace(conn, begin)
    assert text.count("failed") >= len(MISPLACED) - 5
    assert CANARY not in text


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_nor_while_the_vault_is_sealed(sealed, begin):
    text = misplace(sealed, begin)
    assert text.count("failed") >= len(MISPLACED) - 5
    assert CANARY not in text


def test_nothing_of_a_profile_is_recorded(conn, ann):
    profile = {"login": f"{CANARY}1", "email": f"{CANARY}2@example.com", "custom": f"{CANARY}3",
               "name": f"{CANARY}4"}
    token = create(conn, profile)
    for kind in ("login", "email", "custom"):
        call(conn, "bunker_lookup", kind, profile[kind])
    call(conn, "bunker_user_version", "login", profile["login"], 1)
    rows(conn, "bunker_get_users", [token])
    with pytest.raises(psycopg.errors.UniqueViolation):
        create(conn, profile)
    update(conn, "token", token, {"name": f"{CANARY}5"})
    forget(conn, "email", profile["email"])
    call(conn, "bunker_tombstone", token)
    assert len(trail(conn)) == 11
    assert CANARY not in trail_text(conn)
