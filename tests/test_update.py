"""Changing users: both kinds of patch, versions, lookup values that move, and failures."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness.blocking import await_blocked
from harness.vault import call, create, create_text, find, row_counts, rows, update

ANN = {"login": "ann", "email": "ann@example.com", "name": "Ann", "tags": ["a", "b"],
       "address": {"city": "Bath", "zip": "BA1"}}


def patched(connection, patch, profile=None):
    """What a profile becomes."""
    token = create(connection, profile or ANN)
    assert update(connection, "token", token, patch) == 2
    return call(connection, "bunker_get_user", token)


# RFC 7396, and its table of examples in appendix A as far as the result is an object.
MERGED = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}), ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}), ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}), ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}), ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}), ({"a": 1}, {}, {"a": 1}),
    ({"a": 1}, {"a": {"b": {"c": 2}}}, {"a": {"b": {"c": 2}}})]


@pytest.mark.parametrize(("before", "patch", "after"), MERGED)
def test_merge_patch(app_conn, before, patch, after):
    login = {"login": "ann"}
    assert patched(app_conn, patch, before | login) == after | login


OPERATED = [
    ([{"op": "add", "path": "/tags/-", "value": "c"}], {"tags": ["a", "b", "c"]}),
    ([{"op": "add", "path": "/tags/0", "value": "c"}], {"tags": ["c", "a", "b"]}),
    ([{"op": "remove", "path": "/tags/0"}], {"tags": ["b"]}),
    ([{"op": "replace", "path": "/name", "value": None}], {"name": None}),
    ([{"op": "move", "from": "/name", "path": "/address/name"}, {"op": "add", "path": "/name",
      "value": 1}], {"name": 1, "address": {"city": "Bath", "zip": "BA1", "name": "Ann"}}),
    ([{"op": "copy", "from": "/address/city", "path": "/tags/1"}], {"tags": ["a", "Bath", "b"]}),
    ([{"op": "test", "path": "/address/city", "value": "Bath"},
      {"op": "add", "path": "/a~1b~0", "value": {}}], {"a/b~": {}}),
    ([{"op": "replace", "path": "", "value": {"login": "new"}},
      {"op": "add", "path": "/x", "value": 1}], None),
    ([], {})]


@pytest.mark.parametrize(("patch", "changed"), OPERATED)
def test_json_patch(app_conn, patch, changed):
    expected = {"login": "new", "x": 1} if changed is None else ANN | changed
    assert patched(app_conn, patch) == expected


FAILING = [
    ("22023", [{"op": "test", "path": "/name", "value": "secret-1"}]),
    ("22023", [{"op": "add", "path": "/secret-1/x", "value": 1}]),
    ("22023", [{"op": "remove", "path": "/secret-1"}]),
    ("22023", [{"op": "add", "path": "/tags/9", "value": 1}]),
    ("22023", [{"op": "add", "path": "/tags/01", "value": 1}]),
    ("22023", [{"op": "secret-1", "path": "/name"}]),
    ("22023", [{"op": "add", "path": "secret-1", "value": 1}]),
    ("22023", [{"op": "add", "path": "/name"}]),
    ("22023", [{"op": "move", "from": "/address", "path": "/address/city"}]),
    ("22023", [{"op": "remove", "path": ""}]),
    ("22023", [{"op": "replace", "path": "", "value": ["secret-1"]}]),
    ("22023", ["secret-1"]),
    ("22023", {"login": None, "email": None}),
    ("22023", {"email": "secret-1"}),
    ("22023", {"login": ["secret-1"]}),
    ("23505", {"email": "secret-1@example.com"})]


@pytest.mark.parametrize(("sqlstate", "patch"), FAILING)
def test_a_failed_patch_leaves_everything_as_it_was(conn, app_conn, raises, sqlstate, patch):
    token = create(app_conn, ANN)
    create(app_conn, {"email": "secret-1@example.com"})
    before, counts = call(app_conn, "bunker_lookup", "login", "ann"), row_counts(conn)
    if isinstance(patch, list):
        patch = [{"op": "add", "path": "/first", "value": "secret-1"}, *patch]
    with raises(sqlstate, secrets=["secret-1", "Bath", "ann@"]):
        update(app_conn, "token", token, patch)
    assert call(app_conn, "bunker_lookup", "email", "ann@example.com") == before
    assert row_counts(conn) == counts


@pytest.mark.parametrize("patch", ["null", "1", '"text"', "true"])
def test_a_patch_is_an_object_or_an_array(app_conn, raises, patch):
    create(app_conn, ANN)
    with raises("22023"):
        app_conn.execute("SELECT bunker_update_user('login', 'ann', %s::jsonb)", [patch])


def test_numbers_survive_patches_digit_for_digit(app_conn):
    create_text(app_conn, '{"login": "ann", "n": 12345678901234567890.123, "m": 1e400}')
    for patch in ('{"new": 98765432109876543210.00}',
                  '[{"op": "copy", "from": "/n", "path": "/copy"},'
                  ' {"op": "test", "path": "/n", "value": 12345678901234567890.1230}]'):
        app_conn.execute("SELECT bunker_update_user('login', 'ann', %s::jsonb)", [patch])
    same = app_conn.execute(
        "SELECT (bunker_lookup('login', 'ann') -> 'profile')::text = '{\"login\": \"ann\","
        " \"n\": 12345678901234567890.123, \"m\": 1e400, \"new\": 98765432109876543210.00,"
        " \"copy\": 12345678901234567890.123}'::jsonb::text").fetchone()
    assert same == (True,)


def test_a_test_tells_neighbouring_numbers_apart(app_conn, raises):
    """Two numbers that are one as floating point."""
    create_text(app_conn, '{"login": "ann", "n": 9007199254740993}')
    with raises("22023", secrets=["900719925474099"]):
        update(app_conn, "login", "ann",
               [{"op": "test", "path": "/n", "value": 9007199254740992}])


# Versions -------------------------------------------------------------------------------------

def test_an_update_needs_the_version_it_expects(app_conn, raises):
    create(app_conn, ANN)
    assert update(app_conn, "login", "ann", {"n": 1}, 1) == 2
    for stale in (1, 3, 0, -1, 2**31 - 1):
        with raises("40001"):
            update(app_conn, "login", "ann", {"n": 2}, stale)
    assert update(app_conn, "login", "ann", {"n": 3}, 2) == 3
    assert update(app_conn, "login", "ann", {"n": 4}) == 4


def test_an_update_of_nobody(app_conn, raises):
    for profile in (ANN, {"login": "other"}):
        for kind, value in (("login", "bob"), ("token", "00000000-0000-4000-8000-000000000000")):
            with raises("P0002", secrets=["bob"]):
                update(app_conn, kind, value, {"n": 1})
            with raises("P0002"):
                update(app_conn, kind, value, {"n": 1}, 1)
        create(app_conn, profile)


def test_times_of_an_update(app_conn):
    create(app_conn, ANN)
    first = call(app_conn, "bunker_lookup", "login", "ann")
    update(app_conn, "login", "ann", {"n": 1})
    second = call(app_conn, "bunker_lookup", "login", "ann")
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] > first["updated_at"]
    assert second["version"] == 2


# Lookup values that move ----------------------------------------------------------------------

def test_a_changed_value_is_free_at_once(app_conn):
    """In the statement after, in the same transaction, and for good."""
    ann = create(app_conn, ANN)
    with app_conn.transaction():
        update(app_conn, "email", "ann@example.com", {"email": "new@example.com"})
        assert find(app_conn, "email", "ann@example.com") is None
        bob = create(app_conn, {"email": "ann@example.com"})
    assert find(app_conn, "email", "new@example.com") == ann
    assert find(app_conn, "email", "ann@example.com") == bob


def test_a_removed_value_is_free(conn, app_conn):
    ann = create(app_conn, ANN)
    update(app_conn, "login", "ann", {"email": None})
    assert find(app_conn, "email", "ann@example.com") is None
    assert row_counts(conn)["lookup"] == 1
    create(app_conn, {"email": "ann@example.com"})
    update(app_conn, "login", "ann", {"login": "  ", "custom": 7})
    assert find(app_conn, "custom", "7") == ann
    assert row_counts(conn)["lookup"] == 2


def test_another_spelling_is_no_change(conn, app_conn):
    token = create(app_conn, ANN)
    before = conn.execute("SELECT * FROM bunker.lookup ORDER BY digest").fetchall()
    update(app_conn, "login", "ann", {"email": " ANN@Example.com", "login": "Ann"})
    assert conn.execute("SELECT * FROM bunker.lookup ORDER BY digest").fetchall() == before
    assert call(app_conn, "bunker_get_user", token)["email"] == " ANN@Example.com"


def test_two_users_swap_their_emails(app_conn, raises):
    ann = create(app_conn, {"login": "ann", "email": "ann@example.com"})
    bob = create(app_conn, {"login": "bob", "email": "bob@example.com"})
    with raises("23505", secrets=["bob@"]):
        update(app_conn, "login", "ann", {"email": "bob@example.com"})
    with app_conn.transaction():
        update(app_conn, "login", "ann", {"email": None})
        update(app_conn, "login", "bob", {"email": "ann@example.com"})
        update(app_conn, "login", "ann", {"email": "bob@example.com"})
    assert find(app_conn, "email", "ann@example.com") == bob
    assert find(app_conn, "email", "bob@example.com") == ann


def test_a_value_moves_within_a_profile(app_conn):
    token = create(app_conn, {"login": "one", "custom": "two"})
    update(app_conn, "login", "one", [{"op": "move", "from": "/custom", "path": "/login"}])
    assert find(app_conn, "login", "two") == token
    assert find(app_conn, "login", "one") is find(app_conn, "custom", "two") is None


def test_an_old_value_no_longer_names_the_user(app_conn, raises):
    create(app_conn, ANN)
    update(app_conn, "login", "ann", {"login": "anna"})
    with raises("P0002"):
        update(app_conn, "login", "ann", {"n": 1})
    with raises("P0002"):
        call(app_conn, "bunker_delete_user", "login", "ann")
    assert rows(app_conn, "bunker_user_versions", "login", "ann") == []
    assert call(app_conn, "bunker_user_version", "login", "anna", 1)["login"] == "ann"


def test_a_value_given_up_meanwhile_names_nobody(conn, connect_as, app_conn):
    """An update that waited for the user's lock must not change who he was for who he is."""
    create(app_conn, {"login": "ann", "n": 0})
    other = connect_as("app", autocommit=False)
    update(other, "login", "ann", {"login": "anna"})
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(update, app_conn, "login", "ann", {"n": 1})
        await_blocked(conn, app_conn)
        other.commit()
        with pytest.raises(psycopg.errors.NoDataFound):
            waiting.result(20)
    assert call(app_conn, "bunker_lookup", "login", "anna")["profile"] == {"login": "anna", "n": 0}
