"""A kind that is none may be a value in the wrong place: the trail, which is in the clear, repeats none."""

import pytest
from harness.events import trail
from harness.identity import access_token, acting, log_in, sqlstate
from harness.vault import create

SECRET = "ann@example.com"
# Calls that are refused, or fail, before anybody looks the kind up.
EARLY = [
    "bunker_create_session(%(kind)s, 'x', '{}')",
    "bunker_login_code(%(kind)s, 'x')",
    "bunker_cancel_expiration(%(kind)s, 'x')",
    "bunker_add_lookup(%(kind)s, '/x')",
]
BAD = [
    "bunker_create_session(%(kind)s, 'x', '[]')",
    "bunker_request(%(kind)s, 'x', 'change-profile', '7')",
    "bunker_accept_agreement(%(kind)s, 'x', 'newsletter', '7')",
    "bunker_user_report(%(kind)s, 'x')",
    "bunker_lookup(%(kind)s, 'x')",
]


def kinds(connection, since: int) -> set:
    """The kinds in events after one."""
    return {event["kind"] for event in trail(connection) if event["id"] > since}


@pytest.mark.parametrize(("named", "told"), [(SECRET, None), ("ann", None), ("email", "email")])
def test_the_trail_tells_no_kind_of_a_refused_call_but_our_own(conn, web, named, told):
    create(conn, {"login": "ann"})
    client = web()
    for token in (log_in(conn, "ann"), access_token(conn, "reader")):
        for call in EARLY:
            last = trail(conn)[0]["id"]
            with acting(client, token):
                assert sqlstate(client, f"SELECT {call}", {"kind": named}) == "42501"
            assert kinds(conn, last) - {None} == {told} - {None}, call


@pytest.mark.parametrize("call", BAD)
def test_the_trail_tells_no_kind_of_a_call_that_fails_early(conn, app_conn, call):
    create(conn, {"login": "ann"})
    last = trail(conn)[0]["id"]
    assert sqlstate(app_conn, f"SELECT {call}", {"kind": SECRET})
    assert kinds(conn, last) == {None}


def test_the_trail_tells_an_added_kind_once_it_is_known(conn, app_conn):
    conn.execute("SELECT bunker_add_lookup('tax', '/tax')")
    last = trail(conn)[0]["id"]
    assert sqlstate(app_conn, "SELECT bunker_login_code('tax', 'T1')") == "P0002"
    assert kinds(conn, last) == {"tax"}
