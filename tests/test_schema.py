"""The user schema: in force for everybody at once, its violations, locked and preserved values."""

import time

import psycopg
import pytest
from psycopg.types.json import Jsonb

from harness.vault import call, create, find, forget, row_counts, update

ADULT = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 18}},
         "required": ["age"]}


def set_schema(connection, schema) -> int:
    """Puts a schema into force; its version."""
    return call(connection, "bunker_set_user_schema", None if schema is None else Jsonb(schema))


def test_a_schema_is_set_read_and_cleared(app_conn, admin_conn):
    assert call(app_conn, "bunker_user_schema") is None
    assert set_schema(admin_conn, None) == 1
    assert set_schema(admin_conn, ADULT) == 2
    assert call(app_conn, "bunker_user_schema") == ADULT
    assert set_schema(admin_conn, {}) == 3
    assert call(app_conn, "bunker_user_schema") == {}
    assert set_schema(admin_conn, None) == 4
    assert call(app_conn, "bunker_user_schema") is None
    create(app_conn, {"login": "anybody"})


VIOLATIONS = [
    ("/properties/age/minimum", {"age": 17, "x": "secret-1"}), ("/required", {"x": "secret-1"}),
    ("/properties/age/type", {"age": "secret-1"}), ("/properties/age/type", {"age": ["secret-1"]})]


@pytest.mark.parametrize(("location", "fields"), VIOLATIONS)
def test_a_violation_names_the_place_in_the_schema(conn, app_conn, admin_conn, raises, location,
                                                  fields):
    set_schema(admin_conn, ADULT)
    create(app_conn, {"login": "good", "age": 18})
    before = row_counts(conn)
    with raises("23514", secrets=["secret-1"]) as caught:
        create(app_conn, {"login": "ann"} | fields)
    assert location in caught.error.diag.message_hint
    with raises("23514", secrets=["secret-1"]) as caught:
        update(app_conn, "login", "good", {"age": None} | fields)
    assert location in caught.error.diag.message_hint
    with raises("23514", secrets=["secret-1"]) as caught:
        app_conn.execute("SELECT bunker_create_users(%s)", [
            [Jsonb({"login": "one", "age": 20}), Jsonb({"login": "ann"} | fields)]])
    assert location in caught.error.diag.message_hint
    assert "Element 2 of the array" in caught.error.diag.message_hint
    assert row_counts(conn) == before


def test_names_of_members_stay_out_of_a_violation(app_conn, admin_conn, raises):
    set_schema(admin_conn, {"additionalProperties": {"type": "string"},
                            "propertyNames": {"maxLength": 10}})
    for profile in ({"secret-1": 1}, {"secret-1-and-long": "x"}):
        with raises("23514", secrets=["secret-1"]):
            create(app_conn, {"login": "ann"} | profile)


def test_who_was_there_must_comply_when_changed(app_conn, admin_conn, raises):
    token = create(app_conn, {"login": "ann", "age": 5})
    set_schema(admin_conn, ADULT)
    assert call(app_conn, "bunker_get_user", token)["age"] == 5
    with raises("23514"):
        update(app_conn, "login", "ann", {"name": "Ann"})
    assert update(app_conn, "login", "ann", {"age": 18}) == 2


def test_numbers_are_checked_digit_for_digit(app_conn, admin_conn, raises):
    admin_conn.execute("SELECT bunker_set_user_schema('{\"properties\": {\"n\":"
                       " {\"maximum\": 12345678901234567890}}}')")
    with raises("23514", secrets=["1234567890"]):
        app_conn.execute("SELECT bunker_create_user('{\"login\": \"a\","
                         " \"n\": 12345678901234567891}')")
    app_conn.execute("SELECT bunker_create_user('{\"login\": \"a\", \"n\": 12345678901234567890}')")


# Who sees it, and when ------------------------------------------------------------------------

def test_other_sessions_obey_a_schema_at_once(connect_as, app_conn, admin_conn, raises):
    warm = connect_as("app")
    create(warm, {"login": "one"})
    set_schema(admin_conn, ADULT)
    with raises("23514"):
        create(warm, {"login": "two"})
    with warm.transaction():
        create(warm, {"login": "two", "age": 20})
        set_schema(admin_conn, None)
        create(warm, {"login": "three"})


def test_a_rollback_leaves_the_old_schema_in_force(conn, connect_as, raises):
    other = connect_as("app")
    create(other, {"login": "first"})  # the vault's first use would keep the other one waiting
    set_schema(conn, ADULT)
    with raises("23514"):
        create(conn, {"login": "ann"})
    with conn.transaction():
        set_schema(conn, None)
        create(conn, {"login": "ann"})
        with raises("23514"):
            create(other, {"login": "bob"})
        raise psycopg.Rollback
    for connection in (conn, other):
        with raises("23514"):
            create(connection, {"login": "ann"})
    assert call(conn, "bunker_user_schema") == ADULT


def test_a_savepoint_brings_the_old_schema_back(conn, raises):
    set_schema(conn, ADULT)
    with conn.transaction():
        with conn.transaction():
            set_schema(conn, None)
            create(conn, {"login": "ann"})
            raise psycopg.Rollback
        with raises("23514"), conn.transaction():
            create(conn, {"login": "ann"})
        create(conn, {"login": "ann", "age": 18})
    assert find(conn, "login", "ann")


def test_a_schema_counts_within_its_statement(conn, raises):
    with raises("23514"):
        conn.execute("SELECT bunker_set_user_schema('{\"required\": [\"age\"]}'),"
                     " bunker_create_user('{\"login\": \"ann\"}')")
    assert call(conn, "bunker_user_schema") is None


def test_two_at_once_count_on(connect_as):
    first, second = connect_as("admin"), connect_as("admin")
    assert [set_schema(connection, ADULT) for connection in (first, second, first)] == [1, 2, 3]


# Unusable schemas -----------------------------------------------------------------------------

UNUSABLE = [
    [], True, "x", 1, {"type": "nothing"}, {"properties": []}, {"required": "age"},
    {"pattern": "("}, {"pattern": "(?=a)"}, {"pattern": r"(a)\1"}, {"format": "no-such-format"},
    {"$ref": "#/$defs/missing"}, {"$ref": "#"}, {"minLength": -1}, {"multipleOf": 0},
    {"$schema": "http://json-schema.org/draft-07/schema#"}, {"locked": "yes"},
    {"properties": {"a": {"preserve": 1}}}, {"not": {"properties": {"a": {"locked": True}}}}]


@pytest.mark.parametrize("schema", UNUSABLE)
def test_an_unusable_schema_is_refused(conn, app_conn, admin_conn, raises, schema):
    set_schema(admin_conn, ADULT)
    before = row_counts(conn)
    with raises("22023"):
        set_schema(admin_conn, schema)
    assert row_counts(conn) == before
    with raises("23514"):
        create(app_conn, {"login": "ann"})


@pytest.mark.parametrize("reference", ["http://127.0.0.1:1/x", "https://example.com/s.json",
                                       "file:///etc/passwd", "other.json", "urn:example:x"])
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_a_schema_refers_to_nothing_outside(admin_conn, raises, keyword, reference):
    with raises("22023"):
        set_schema(admin_conn, {"properties": {"a": {keyword: reference}}})


def test_a_big_or_deep_schema_is_refused(admin_conn, raises):
    deep = {}
    for _ in range(65):
        deep = {"not": deep}
    for schema in (deep, {"description": "x" * 300_000}):
        with raises("54000"):
            set_schema(admin_conn, schema)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", r"(.*a){20}",
                                     "([a-zA-Z]+)*x$"])
def test_no_pattern_takes_long(app_conn, admin_conn, pattern):
    """Patterns that take a backtracking matcher longer than the universe has lasted."""
    schema = {"properties": {"name": {"pattern": pattern}}}
    try:
        set_schema(admin_conn, schema)
    except psycopg.errors.InvalidParameterValue:
        return  # refused is bounded, too
    start = time.monotonic()
    try:
        create(app_conn, {"login": "ann", "name": "a" * 100_000 + "!"})
    except psycopg.errors.CheckViolation:
        pass
    assert time.monotonic() - start < 5


# Locked ---------------------------------------------------------------------------------------

LOCKED = {"properties": {
    "birth": {"locked": True},
    "login": {"locked": True},
    "papers": {"properties": {"passport": {"type": "string", "locked": True}}},
    "list": {"items": {"properties": {"id": {"locked": True}}}}}}
ANN = {"login": "ann", "birth": 1990, "papers": {"passport": "secret-1"},
       "list": [{"id": 1}, {"id": 2}]}
BREAKING = [
    {"birth": 1991}, {"birth": None}, {"birth": "1990"}, {"papers": None}, {"papers": "none"},
    {"papers": {"passport": "secret-2"}}, {"papers": []}, {"list": []},
    {"list": [{"id": 2}, {"id": 1}]}, {"login": "anna"}, {"login": "Ann"},
    [{"op": "remove", "path": "/papers/passport"}],
    [{"op": "move", "from": "/birth", "path": "/born"}],
    [{"op": "replace", "path": "", "value": {"login": "ann"}}]]


@pytest.mark.parametrize("patch", BREAKING)
def test_a_locked_value_stays(app_conn, admin_conn, raises, patch):
    set_schema(admin_conn, LOCKED)
    token = create(app_conn, ANN)
    with raises("23514", secrets=["secret-", "1990", "1991"]) as caught:
        update(app_conn, "login", "ann", patch)
    assert "/properties/" in caught.error.diag.message_hint
    assert call(app_conn, "bunker_get_user", token) == ANN


def test_a_locked_value_may_be_set_once(app_conn, admin_conn, raises):
    set_schema(admin_conn, LOCKED)
    create(app_conn, {"custom": 1, "birth": None})
    assert update(app_conn, "custom", "1", {"name": "Ann"}) == 2
    assert update(app_conn, "custom", "1", {"birth": 1990, "papers": {"passport": "P"}}) == 3
    assert update(app_conn, "custom", "1", [
        {"op": "remove", "path": "/birth"}, {"op": "add", "path": "/birth", "value": 1990}]) == 4
    with raises("23514"):
        update(app_conn, "custom", "1", {"birth": 1991})
    set_schema(admin_conn, None)
    assert update(app_conn, "custom", "1", {"birth": 1991}) == 5


# Preserved ------------------------------------------------------------------------------------

KEPT = {"properties": {
    "invoice": {"preserve": True}, "papers": {"properties": {"tax": {"preserve": True}}},
    "orders": {"items": {"properties": {"id": {"preserve": True}}}}}}


def test_preserved_values_survive_the_user(app_conn, dpo_conn, admin_conn):
    set_schema(admin_conn, KEPT)
    token = create(app_conn, {
        "login": "ann", "name": "Ann", "invoice": {"n": [1, "x"]}, "papers": {"tax": "T", "id": 1},
        "orders": [{"id": 7, "what": "book"}, {"what": "pen"}]})
    assert call(dpo_conn, "bunker_tombstone", token) is None
    assert forget(app_conn, "login", "ann")
    kept = call(dpo_conn, "bunker_tombstone", token)
    assert set(kept) == {"token", "created_at", "forgotten_at", "preserved"}
    assert kept["token"] == str(token)
    assert kept["preserved"] == {
        "invoice": {"n": [1, "x"]}, "papers": {"tax": "T"}, "orders": [{"id": 7}]}
    assert call(app_conn, "bunker_get_user", token) is None


def test_a_tombstone_without_preserved_values(conn, app_conn, admin_conn):
    plain = create(app_conn, {"login": "ann"})
    forget(app_conn, "login", "ann")
    set_schema(admin_conn, KEPT)
    none = create(app_conn, {"login": "ann", "name": "Ann", "papers": {"tax": None}})
    forget(app_conn, "login", "ann")
    for token in (plain, none):
        assert call(admin_conn, "bunker_tombstone", token)["preserved"] is None
    assert conn.execute("SELECT count(sealed) FROM bunker.record").fetchone() == (0,)
