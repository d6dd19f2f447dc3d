"""Requests about app data and agreements, and what users do with both themselves."""

import pytest
from psycopg.types.json import Jsonb

from harness.events import events_of
from harness.identity import access_token, acting, log_in
from harness.requests import approve, cancel, file, of_user, show, statuses
from harness.vault import call, create, forget

SHOP = {"size": "M", "address": "Leeds"}
APP, WITHDRAW = "change-app-data", "agreement-withdraw"


@pytest.fixture
def ann(conn):
    """The token of a user with app data and two agreements, one of them not his to end."""
    token = create(conn, {"login": "ann", "email": "ann@example.com"})
    call(conn, "bunker_set_app", "login", "ann", "shop", SHOP)
    call(conn, "bunker_set_legal_basis", "news", {"usercontrol": True})
    call(conn, "bunker_set_legal_basis", "contract", {"usercontrol": False})
    for brief in ("news", "contract"):
        call(conn, "bunker_accept_agreement", "login", "ann", brief)
    return token


def data(connection, app="shop"):
    return call(connection, "bunker_get_app", "login", "ann", app)


def status(connection, brief):
    return call(connection, "bunker_get_agreement", "login", "ann", brief)["status"]


# App data -------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("change", "left"), [
    ({"size": "L"}, SHOP | {"size": "L"}),
    ([{"op": "remove", "path": "/address"}], {"size": "M"}),
    ([{"op": "add", "path": "", "value": {"new": 1}}], {"new": 1}),
    ([{"op": "remove", "path": ""}], None),
])
def test_an_approved_change_of_app_data_is_done(conn, app_conn, dpo_conn, ann, change, left):
    request = file(app_conn, "ann", APP, change, "shop")
    assert data(app_conn) == SHOP
    shown = show(dpo_conn, request)
    assert (shown["subject"], shown["original"], shown["change"]) == ("shop", SHOP, change)
    assert approve(dpo_conn, request) is True
    assert data(app_conn) == left
    changed = events_of(conn, ann, "set_app", "update_app", "delete_app")[-1]
    assert changed["app"] == "shop"
    shown = call(dpo_conn, "bunker_audit_event", changed["id"])
    if left is not None:  # deleting takes the former versions along
        assert show(dpo_conn, request)["original"] == SHOP
        assert (shown["before"], shown["after"]) == (SHOP, left)


def test_app_data_that_are_not_there_can_only_be_set(app_conn, dpo_conn, raises, ann):
    for change in ({"size": "L"}, [{"op": "remove", "path": ""}], [{"op": "replace", "path": "", "value": {}}]):
        with raises("P0002"):
            file(app_conn, "ann", APP, change, "bank")
    request = file(app_conn, "ann", APP, [{"op": "add", "path": "", "value": {"iban": "x"}}], "bank")
    assert show(dpo_conn, request)["original"] is None
    assert approve(dpo_conn, request) is True
    assert data(app_conn, "bank") == {"iban": "x"}


@pytest.mark.parametrize(("change", "sqlstate"), [
    ([{"op": "remove", "path": "/none"}], "22023"), (["York"], "22023"), ("York", "22023"),
    ([{"op": "add", "path": "", "value": "York"}], "22023"), ({"x": "York" * 300_000}, "54000")])
def test_a_change_of_app_data_that_could_not_be_done_is_refused(app_conn, raises, ann, change, sqlstate):
    with raises(sqlstate, secrets=["York", "Leeds"]):
        file(app_conn, "ann", APP, change, "shop")
    assert of_user(app_conn, "login", "ann") == []


def test_app_data_that_were_changed_meanwhile(app_conn, dpo_conn, raises, ann):
    request = file(app_conn, "ann", APP, {"size": "L"}, "shop")
    other = file(app_conn, "ann", APP, {"size": "L"}, "shop")
    assert other == request
    call(app_conn, "bunker_update_app", "login", "ann", "shop", {"n": 1})
    with raises("40001", secrets=["Leeds"]):
        approve(dpo_conn, request)
    assert data(app_conn) == SHOP | {"n": 1}
    call(app_conn, "bunker_delete_app", "login", "ann", "shop")
    call(app_conn, "bunker_set_app", "login", "ann", "shop", SHOP)
    with raises("40001"):  # the same data, but not the same version
        approve(dpo_conn, request)
    assert cancel(dpo_conn, request) is True


# Agreements -----------------------------------------------------------------------------------------

def test_an_approved_withdrawal_is_done(conn, app_conn, dpo_conn, ann):
    request = file(app_conn, "ann", WITHDRAW, subject="contract")
    assert status(app_conn, "contract") == "yes"
    original = show(dpo_conn, request)["original"]
    assert (original["brief"], original["status"]) == ("contract", "yes")
    assert approve(dpo_conn, request, "contract ended") is True
    assert status(app_conn, "contract") == "no"
    assert show(dpo_conn, request)["original"] == original
    assert [(e["action"], e["app"]) for e in events_of(conn, ann, "withdraw_agreement")] == [
        ("withdraw_agreement", "contract")]


def test_only_what_is_in_force_can_be_withdrawn(app_conn, raises, ann):
    call(app_conn, "bunker_withdraw_agreement", "login", "ann", "news")
    for brief in ("news", "unknown"):
        with raises("P0002"):
            file(app_conn, "ann", WITHDRAW, subject=brief)


def test_an_agreement_that_was_given_anew_meanwhile(app_conn, dpo_conn, raises, ann):
    request = file(app_conn, "ann", WITHDRAW, subject="news")
    call(app_conn, "bunker_accept_agreement", "login", "ann", "news", {"referencecode": "7"})
    with raises("40001"):
        approve(dpo_conn, request)
    assert status(app_conn, "news") == "yes"
    assert file(app_conn, "ann", WITHDRAW, subject="news") == request
    assert approve(dpo_conn, request) is True
    assert status(app_conn, "news") == "no"


def test_an_agreement_that_was_ended_meanwhile(app_conn, dpo_conn, raises, ann):
    request = file(app_conn, "ann", WITHDRAW, subject="news")
    call(dpo_conn, "bunker_revoke_agreements", "news")
    with raises("40001"):
        approve(dpo_conn, request)
    assert status(app_conn, "news") == "revoked"


def test_an_agreement_that_joined_its_user_meanwhile(conn, app_conn, dpo_conn, ann):
    """What was agreed by an address before there was a user is his, and stays what was seen."""
    call(app_conn, "bunker_accept_agreement", "email", "ben@example.com", "news")
    ben = create(app_conn, {"login": "ben", "email": "ben@example.com"})
    request = file(app_conn, "ben", WITHDRAW, subject="news")
    assert approve(dpo_conn, request) is True
    assert call(app_conn, "bunker_get_agreement", "token", str(ben), "news")["status"] == "no"


def test_nothing_is_left_of_requests_about_belongings(conn, app_conn, dpo_conn, ann):
    requests = [file(app_conn, "ann", APP, {"size": "L"}, "shop"),
                file(app_conn, "ann", WITHDRAW, subject="contract")]
    forget(app_conn, "login", "ann")
    shown = [show(dpo_conn, request) for request in requests]
    assert [(one["subject"], one["original"], one["change"]) for one in shown] == [
        ("shop", None, None), ("contract", None, None)]
    assert conn.execute("SELECT count(*) FROM bunker.request WHERE sealed IS NOT NULL").fetchone() == (0,)


# By himself -----------------------------------------------------------------------------------------

@pytest.fixture
def client(web):
    """A connection of an application's role."""
    return web()


@pytest.fixture
def subject(conn, ann):
    """An access token of the user's."""
    return log_in(conn, "ann")


@pytest.mark.parametrize(("function", "argument", "left"), [
    ("bunker_set_app", {"new": 1}, {"new": 1}), ("bunker_update_app", {"size": "L"}, SHOP | {"size": "L"}),
    ("bunker_delete_app", None, None)])
def test_changes_of_his_app_data_wait_for_approval(client, dpo_conn, ann, subject, function, argument, left):
    arguments = ["login", "ann", "shop"] + ([] if argument is None else [argument])
    with acting(client, subject):
        assert call(client, function, *arguments) is None
        assert data(client) == SHOP
    (request,) = of_user(dpo_conn, "login", "ann")
    assert (request["action"], request["subject"]) == (APP, "shop")
    assert approve(dpo_conn, request["request"]) is True
    assert data(client) == left


def test_an_app_of_self_service_is_his(conn, web, dpo_conn, ann, subject):
    conn.execute(f"ALTER DATABASE {conn.info.dbname} SET databunker.self_service = 'change-app-data:shop'")
    client = web()
    with acting(client, subject):
        assert call(client, "bunker_update_app", "login", "ann", "shop", {"size": "L"}) == 2
        assert call(client, "bunker_set_app", "login", "ann", "bank", {"iban": "x"}) is None
    assert [row["subject"] for row in of_user(dpo_conn, "login", "ann")] == ["bank"]
    assert data(client, "bank") is None


def test_a_withdrawal_waits_where_the_basis_does_not_leave_it_to_him(client, dpo_conn, ann, subject):
    with acting(client, subject):
        assert call(client, "bunker_withdraw_agreement", "login", "ann", "news") is True
        assert call(client, "bunker_withdraw_agreement", "login", "ann", "contract") is None
    assert (status(client, "news"), status(client, "contract")) == ("no", "yes")
    (request,) = of_user(dpo_conn, "login", "ann")
    assert (request["action"], request["subject"]) == (WITHDRAW, "contract")
    assert approve(dpo_conn, request["request"]) is True
    assert status(client, "contract") == "no"


def test_nothing_of_others_is_asked_for(conn, client, raises, ann, subject):
    create(conn, {"login": "ben"})
    call(conn, "bunker_set_app", "login", "ben", "shop", SHOP)
    call(conn, "bunker_accept_agreement", "login", "ben", "contract")
    for function, *arguments in (
            ("bunker_set_app", "shop", {"new": 1}), ("bunker_update_app", "shop", {"new": 1}),
            ("bunker_delete_app", "shop"), ("bunker_withdraw_agreement", "contract"),
            ("bunker_withdraw_agreement", "news")):
        with raises("42501", secrets=["Leeds"]), acting(client, subject):
            call(client, function, "login", "ben", *arguments)
    assert statuses(conn, "login", "ben") == []


def test_applications_need_no_approval_for_belongings(conn, client, ann):
    with acting(client, access_token(conn, "app")):
        assert call(client, "bunker_update_app", "login", "ann", "shop", Jsonb({"size": "L"})) == 2
        assert call(client, "bunker_withdraw_agreement", "login", "ann", "contract") is True
    assert of_user(conn, "login", "ann") == []
