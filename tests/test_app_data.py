"""App data: what applications keep of users besides their profiles."""

import pytest
from psycopg.types.json import Jsonb

from harness.apps import all_apps, apps, get, patch, put, remove
from harness.events import events_of
from harness.identity import acting, log_in
from harness.vault import call, create, forget, rows

ANN = {"email": "ann@example.com", "phone": "+442079460001", "login": "ann", "custom": "c-1"}
KINDS = ("email", "phone", "login", "custom")
NOBODY = "00000000-0000-4000-8000-000000000000"
CART = {"cart": [1, 2], "Z": 1, "addr": {"city": "A"}}


@pytest.fixture
def ann(app_conn):
    """The token of a user."""
    return create(app_conn, ANN)


# What they do ---------------------------------------------------------------------------------

def test_what_was_set_is_found_by_each_kind(app_conn, ann):
    assert get(app_conn, "shop") is None
    assert apps(app_conn) == []
    assert put(app_conn, "shop", CART) == 1
    for kind in KINDS:
        assert get(app_conn, "shop", kind, ANN[kind]) == CART
    assert get(app_conn, "shop", "token", ann) == CART
    assert put(app_conn, "a_b", {}, "email", "ANN@example.com") == 1
    assert get(app_conn, "a_b") == {}
    assert apps(app_conn) == ["a_b", "shop"]


def test_setting_again_replaces_all(app_conn, ann):
    put(app_conn, "shop", CART)
    assert put(app_conn, "shop", {"other": True}) == 2
    assert get(app_conn, "shop") == {"other": True}


def test_numbers_and_names_come_back_as_they_went(app_conn, ann):
    text = '{"": 1.500, "ü\\n": 123456789012345678901234567890, "e": 1E+2}'
    app_conn.execute("SELECT bunker_set_app('login', 'ann', 'shop', %s::jsonb)", [text])
    same = app_conn.execute("SELECT bunker_get_app('login', 'ann', 'shop')::text = (%s::jsonb)::text",
                            [text]).fetchone()
    assert same == (True,)
    patch(app_conn, "shop", {"x": 1})
    kept = app_conn.execute("SELECT bunker_get_app('login', 'ann', 'shop') ->> 'ü\n'").fetchone()
    assert kept == ("123456789012345678901234567890",)


def test_a_patch_of_either_kind_is_applied(app_conn, ann):
    put(app_conn, "shop", {"other": True})
    assert patch(app_conn, "shop", {"other": None, "n": {"a": 1}}) == 2
    assert get(app_conn, "shop") == {"n": {"a": 1}}
    assert patch(app_conn, "shop", [{"op": "add", "path": "/n/b", "value": 2}]) == 3
    assert get(app_conn, "shop") == {"n": {"a": 1, "b": 2}}


@pytest.mark.parametrize("bad", [
    [{"op": "remove", "path": "/secretive"}],
    [{"op": "add", "path": "/x", "value": "secretive"}, {"op": "test", "path": "/a", "value": 2}],
    [{"op": "replace", "path": "", "value": ["secretive"]}],
    [{"op": "secretive"}], "secretive", None, 7,
], ids=str)
def test_a_patch_that_cannot_be_applied_changes_nothing(conn, app_conn, ann, raises, bad):
    put(app_conn, "shop", {"a": 1})
    with raises("22023", secrets=["secretive"]):
        patch(app_conn, "shop", bad)
    assert get(app_conn, "shop") == {"a": 1}
    assert patch(app_conn, "shop", {"b": 1}) == 2
    assert [e["status"] for e in events_of(conn, ann, "update_app")] == ["ok"]
    told = conn.execute("SELECT status FROM bunker.audit WHERE action = 'update_app' ORDER BY id")
    assert told.fetchall() == [("failed",), ("ok",)]


def test_what_is_not_there_cannot_be_updated(app_conn, ann, raises):
    with raises("P0002", secrets=["private"]):
        patch(app_conn, "shop", {"x": "private"})
    put(app_conn, "shop", CART)
    remove(app_conn, "shop")
    with raises("P0002"):
        patch(app_conn, "shop", {})
    assert get(app_conn, "shop") is None


def test_deleting_takes_former_versions_along(conn, app_conn, ann):
    put(app_conn, "shop", CART)
    patch(app_conn, "shop", {"x": 1})
    put(app_conn, "other", CART)
    patch(app_conn, "other", {"x": 1})
    assert remove(app_conn, "shop") is True
    assert remove(app_conn, "shop") is False
    assert remove(app_conn, "never") is False
    assert get(app_conn, "shop") is None
    assert apps(app_conn) == all_apps(app_conn) == ["other"]
    left = conn.execute("SELECT app FROM bunker.app_data_version UNION ALL"
                        " SELECT app FROM bunker.app_data WHERE sealed IS NOT NULL").fetchall()
    assert left == [("other",), ("other",)]


def test_version_numbers_go_on_after_a_deletion(app_conn, ann):
    put(app_conn, "shop", {"n": 1})
    remove(app_conn, "shop")
    assert put(app_conn, "shop", {"n": 3}) == 3
    assert get(app_conn, "shop") == {"n": 3}
    assert patch(app_conn, "shop", {"n": 4}) == 4


def test_nobody_has_no_app_data(app_conn, ann, raises):
    for kind, value in [("login", "nobody"), ("token", NOBODY)]:
        assert get(app_conn, "shop", kind, value) is None
        assert rows(app_conn, "bunker_list_apps", kind, value) == []
        with raises("P0002"):
            put(app_conn, "shop", CART, kind, value)
        with raises("P0002"):
            remove(app_conn, "shop", kind, value)


def test_a_vault_without_keys_has_none(app_conn, raises):
    assert get(app_conn, "shop") is None
    assert all_apps(app_conn) == []
    with raises("P0002"):
        put(app_conn, "shop", CART)


def test_names_in_use_are_told_once(conn, app_conn, ann, dpo_conn):
    create(app_conn, {"login": "ben"})
    for user, app in [("ann", "shop"), ("ben", "shop"), ("ben", "zoo"), ("ann", "app_1")]:
        put(app_conn, app, CART, "login", user)
    assert all_apps(app_conn) == all_apps(dpo_conn) == ["app_1", "shop", "zoo"]
    forget(app_conn, "login", "ben")
    assert all_apps(app_conn) == ["app_1", "shop"]
    told = conn.execute("SELECT token, status, message FROM bunker.audit WHERE action = 'app_names'"
                        " ORDER BY id").fetchall()
    assert told == [(None, "ok", f"{n} apps") for n in (3, 3, 2)]


# What they refuse -----------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["", "a", "1ab", "with-dash", "x" * 32, "üni", "Shopping", "SHOPS",
                                  "ab ", "a.b", "ann@example.com", "ab\n"])
def test_a_bad_name_is_refused_and_not_repeated(conn, app_conn, ann, raises, name):
    secrets = [name] if len(name) > 2 else []
    for function, *rest in [("bunker_set_app", Jsonb({})), ("bunker_get_app",),
                            ("bunker_update_app", Jsonb({})), ("bunker_delete_app",)]:
        with raises("22023", secrets=secrets):
            call(app_conn, function, "login", "ann", name, *rest)
    told = conn.execute("SELECT DISTINCT app, status FROM bunker.audit WHERE action LIKE '%\\_app'")
    assert told.fetchall() == [(None, "failed")]


@pytest.mark.parametrize("data", ["[1, \"secretive\"]", "\"secretive\"", "7", "null", "true"])
def test_only_an_object_is_stored(app_conn, ann, raises, data):
    with raises("22023", secrets=["secretive"]):
        app_conn.execute("SELECT bunker_set_app('login', 'ann', 'shop', %s::jsonb)", [data])


def test_null_arguments_are_refused(app_conn, ann, raises):
    for function, size in [("bunker_set_app", 4), ("bunker_update_app", 4), ("bunker_delete_app", 3)]:
        good = ["login", "ann", "shop", Jsonb({})][:size]
        for position in range(size):
            with raises("22023"):
                call(app_conn, function, *good[:position], None, *good[position + 1:])
    assert call(app_conn, "bunker_get_app", "login", None, "shop") is None


def test_limits_are_those_of_profiles(conn, app_conn, ann, raises):
    put(app_conn, "shop", {"a": 1})
    deep = '{"a":' * 129 + "1" + "}" * 129
    with raises("54000"):
        app_conn.execute("SELECT bunker_set_app('login', 'ann', 'shop', %s::jsonb)", [deep])
    big = {"big": "secretive" * 120_000}
    with raises("54000", secrets=["secretive"]):
        put(app_conn, "shop", big)
    with raises("54000", secrets=["secretive"]):
        patch(app_conn, "shop", big)
    half = {"half": "x" * 600_000}
    assert put(app_conn, "shop", half) == 2
    with raises("54000"):
        patch(app_conn, "shop", {"other": "x" * 600_000})
    with raises("54000"):
        patch(app_conn, "shop", [{"op": "add", "path": "/y", "value": 1}] * 1001)
    assert get(app_conn, "shop") == half


# Who -------------------------------------------------------------------------------------------

def test_a_user_reads_his_own_and_nobody_elses(conn, app_conn, ann, raises):
    ben = create(app_conn, {"login": "ben"})
    put(app_conn, "shop", CART)
    put(app_conn, "shop", {"ben": "private"}, "login", "ben")
    token = log_in(app_conn, "ann")
    with acting(app_conn, token):
        assert get(app_conn, "shop") == CART
        assert apps(app_conn) == ["shop"]
    for kind, value in [("login", "ben"), ("token", ben), ("login", "nobody"), ("token", NOBODY)]:
        for function, *rest in [("bunker_get_app", "shop"), ("bunker_list_apps",),
                                ("bunker_set_app", "shop", Jsonb({})),
                                ("bunker_delete_app", "shop")]:
            with raises("42501", secrets=["private"]), acting(app_conn, token):
                call(app_conn, function, kind, str(value), *rest)
    with raises("42501"), acting(app_conn, token):
        all_apps(app_conn)
    assert get(app_conn, "shop", "login", "ben") == {"ben": "private"}


def test_a_user_changes_what_self_service_names(cluster, db, app_conn, connect_as, ann, conn):
    put(app_conn, "shop", CART)
    token = log_in(app_conn, "ann")
    conn.execute("ALTER ROLE test_app IN DATABASE " + db
                 + " SET databunker.self_service = 'change-app-data:shop'")
    web = connect_as("app")
    with acting(web, token):
        assert patch(web, "shop", {"n": 1}) == 2
        assert put(web, "shop", {"n": 2}) == 3
        assert remove(web, "shop") is True


# The trail -------------------------------------------------------------------------------------

def test_every_call_leaves_an_event(conn, app_conn, ann):
    put(app_conn, "shop", CART, "email", "ann@example.com")
    patch(app_conn, "shop", {"x": 1})
    get(app_conn, "shop")
    get(app_conn, "none")
    apps(app_conn)
    remove(app_conn, "shop")
    events = events_of(conn, ann, "set_app", "update_app", "get_app", "list_apps", "delete_app")
    assert [(e["action"], e["app"], e["status"], e["kind"]) for e in events] == [
        ("set_app", "shop", "ok", "email"), ("update_app", "shop", "ok", "login"),
        ("get_app", "shop", "ok", "login"), ("get_app", "none", "not_found", "login"),
        ("list_apps", None, "ok", "login"), ("delete_app", "shop", "ok", "login")]


def test_an_event_tells_before_and_after(conn, app_conn, ann, dpo_conn):
    put(app_conn, "shop", {"n": 1})
    put(app_conn, "shop", {"n": 2})
    patch(app_conn, "shop", {"n": 3})
    put(app_conn, "other", {"o": 1})
    call(app_conn, "bunker_update_user", "login", "ann", Jsonb({"name": "Ann"}))
    changes = events_of(conn, ann, "set_app", "update_app", "update_user")
    shown = [call(dpo_conn, "bunker_audit_event", event["id"]) for event in changes]
    assert [(e["app"], e["before"], e["after"]) for e in shown] == [
        ("shop", None, {"n": 1}), ("shop", {"n": 1}, {"n": 2}), ("shop", {"n": 2}, {"n": 3}),
        ("other", None, {"o": 1}), (None, ANN, ANN | {"name": "Ann"})]


def test_after_a_deletion_old_events_show_nothing(conn, app_conn, ann, dpo_conn):
    put(app_conn, "shop", {"n": 1})
    put(app_conn, "shop", {"n": 2})
    remove(app_conn, "shop")
    put(app_conn, "shop", {"n": 4})
    shown = [call(dpo_conn, "bunker_audit_event", event["id"])
             for event in events_of(conn, ann, "set_app", "delete_app")]
    assert [(e["action"], e["before"], e["after"]) for e in shown] == [
        ("set_app", None, None), ("set_app", None, None), ("delete_app", None, None),
        ("set_app", None, {"n": 4})]


def test_a_write_past_the_functions_is_told_as_such(conn, app_conn, ann, dpo_conn):
    put(app_conn, "shop", {"n": 1})
    conn.execute("UPDATE bunker.app_data SET changed_by = 'nobody'")
    conn.execute("DELETE FROM bunker.app_data")
    found = events_of(conn, ann, "direct_update", "direct_delete")
    assert [(e["app"], e["message"]) for e in found] == [
        ("shop", "app_data was written past the functions")] * 2
    shown = call(dpo_conn, "bunker_audit_event", found[0]["id"])
    assert (shown["before"], shown["after"]) == (None, None)


def test_a_refused_write_is_an_event(conn, app_conn, ann, raises):
    with raises("P0002"):
        patch(app_conn, "shop", {})
    failed = conn.execute("SELECT status FROM bunker.audit WHERE action = 'update_app'").fetchall()
    assert failed == [("not_found",)]


def test_reads_count_for_the_bulk_guard(app_conn, ann, raises):
    put(app_conn, "shop", CART)
    read = "SELECT count(bunker_get_app('login', 'ann', 'shop')) FROM generate_series(1, %s)"
    with app_conn.transaction():
        assert app_conn.execute(read, [100]).fetchone() == (100,)
        with raises("42501", secrets=["cart"]), app_conn.transaction():
            get(app_conn, "shop")
        with raises("42501"), app_conn.transaction():
            patch(app_conn, "shop", [{"op": "test", "path": "/Z", "value": 1}])
        assert apps(app_conn) == ["shop"]
        assert patch(app_conn, "shop", {"Z": 2}) == 2
