"""Calls that end or remove what is not there: whoever guesses names leaves an event a guess."""

from uuid import uuid4

import pytest
from harness.events import trail
from harness.vault import call, create, forget


def last(connection) -> tuple:
    """The newest event, by what it says."""
    event = trail(connection)[0]
    return event["action"], event["status"], event["token"], event["app"]


@pytest.mark.parametrize("function", ["bunker_delete_session", "bunker_revoke_share"])
def test_a_guessed_uuid_leaves_an_event(conn, app_conn, function):
    create(conn, {"login": "ann"})
    assert call(app_conn, function, uuid4()) is False
    assert last(conn) == (function.removeprefix("bunker_"), "not_found", None, None)


def test_a_guessed_access_token_leaves_an_event(conn, admin_conn):
    ann = create(conn, {"login": "ann"})
    assert call(admin_conn, "bunker_revoke_access_token", "shop") is False
    assert last(conn) == ("revoke_access_token", "not_found", None, None)
    assert call(admin_conn, "bunker_revoke_access_token", str(ann)) is False
    assert last(conn) == ("revoke_access_token", "not_found", ann, None)


def test_an_app_that_keeps_nothing_leaves_an_event(conn, app_conn):
    ann = create(conn, {"login": "ann"})
    assert call(app_conn, "bunker_delete_app", "login", "ann", "shop") is False
    assert last(conn) == ("delete_app", "not_found", ann, "shop")


def test_forgetting_a_forgotten_user_leaves_an_event(conn, app_conn):
    ann = create(conn, {"login": "ann"})
    assert forget(app_conn, "token", ann) is True
    assert last(conn) == ("delete_user", "ok", ann, None)
    assert forget(app_conn, "token", ann) is False
    assert last(conn) == ("delete_user", "not_found", ann, None)
