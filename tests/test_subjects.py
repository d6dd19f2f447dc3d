"""A user who has logged in: his own data, and of everybody else's not even whether there is any."""

import json
from uuid import uuid4

import psycopg
import pytest
from harness.events import events_of
from harness.identity import acting, log_in, sqlstate
from harness.vault import call, create, rows
from test_privileges import CALLS, statement

ANN = {"login": "ann", "email": "ann@example.com", "phone": "+442079460018", "custom": "c-1",
       "badge": "A1"}
BOB = {"login": "bob", "email": "bob@example.com", "phone": "+442079460019", "custom": "c-2",
       "badge": "B1"}
NOBODY = {"login": "nix", "email": "nix@example.com", "phone": "+442079460020", "custom": "c-3",
          "badge": "N1"}

# What a subject may call about himself. `%(kind)s, %(value)s` name a user, `%(token)s` is his token.
BY_KIND = {
    "bunker_lookup": "bunker_lookup(%(kind)s, %(value)s)",
    "bunker_find_token": "bunker_find_token(%(kind)s, %(value)s)",
    "bunker_update_user": "bunker_update_user(%(kind)s, %(value)s, '{\"age\": 7}')",
    "bunker_delete_user": "bunker_delete_user(%(kind)s, %(value)s)",
    "bunker_user_versions": "* FROM bunker_user_versions(%(kind)s, %(value)s)",
    "bunker_user_version": "bunker_user_version(%(kind)s, %(value)s, 1)",
    "bunker_audit": "* FROM bunker_audit(%(kind)s, %(value)s)",
    "bunker_set_app": "bunker_set_app(%(kind)s, %(value)s, 'shop', '{}')",
    "bunker_get_app": "bunker_get_app(%(kind)s, %(value)s, 'shop')",
    "bunker_update_app": "bunker_update_app(%(kind)s, %(value)s, 'shop', '{\"n\": 1}')",
    "bunker_delete_app": "bunker_delete_app(%(kind)s, %(value)s, 'shop')",
    "bunker_list_apps": "bunker_list_apps(%(kind)s, %(value)s)",
    "bunker_list_sessions": "* FROM bunker_list_sessions(%(kind)s, %(value)s)",
    "bunker_share": "bunker_share(%(kind)s, %(value)s)",
    "bunker_accept_agreement": "bunker_accept_agreement(%(kind)s, %(value)s, 'news')",
    "bunker_withdraw_agreement": "bunker_withdraw_agreement(%(kind)s, %(value)s, 'news')",
    "bunker_get_agreement": "bunker_get_agreement(%(kind)s, %(value)s, 'news')",
    "bunker_list_agreements": "* FROM bunker_list_agreements(%(kind)s, %(value)s)",
    "bunker_expiration": "bunker_expiration(%(kind)s, %(value)s)",
    "bunker_request": "bunker_request(%(kind)s, %(value)s, 'forget-me')",
    "bunker_user_requests": "* FROM bunker_user_requests(%(kind)s, %(value)s)",
    "bunker_user_report": "bunker_user_report(%(kind)s, %(value)s)",
    "bunker_user_report_html": "bunker_user_report_html(%(kind)s, %(value)s)",
}
BY_TOKEN = {
    "bunker_get_user": "bunker_get_user(%(token)s)",
    "bunker_get_users": "* FROM bunker_get_users(ARRAY[%(token)s]::uuid[])",
}
# Which ask for no identity, or for no user.
OPEN = {"bunker_authenticate", "bunker_list_legal_bases"}
# Which take the uuid of something of his: see the tests of sessions, shares and requests.
BY_UUID = {"bunker_get_request", "bunker_cancel_request"}


@pytest.fixture
def people(conn, db):
    """Ann and Bob by name, who may change themselves; nobody is a token that was never given out."""
    conn.execute(f"ALTER DATABASE {db} SET databunker.self_service ="
                 " 'forget-me, change-profile, change-app-data:shop'")
    call(conn, "bunker_add_lookup", "badge", "/badge")
    call(conn, "bunker_set_legal_basis", "news", {"usercontrol": True})
    people = {"ann": create(conn, ANN), "bob": create(conn, BOB), "nobody": uuid4()}
    for login in ("ann", "bob"):
        call(conn, "bunker_set_app", "login", login, "shop", {})
    return people


@pytest.fixture
def subject(conn, web, people):
    """A connection of a role that has all group roles, and Ann's access token."""
    return web(), log_in(conn, "ann")


def names_of(profile: dict, token) -> list[dict]:
    """Every way to name a user."""
    return [{"kind": "token", "value": str(token), "token": token},
            {"kind": "token", "value": str(token).upper(), "token": token},
            *({"kind": kind, "value": value, "token": token} for kind, value in profile.items()),
            {"kind": "email", "value": profile["email"].upper(), "token": token}]


def test_what_is_not_for_subjects_is_refused(conn, subject, people):
    """For every function, also for those that are yet to be written."""
    client, token = subject
    allowed = set()
    for name in CALLS:
        text = statement(conn, name, "reader")
        with acting(client, token, rollback=True):
            if sqlstate(client, text) != "42501":
                allowed.add(name)
    assert allowed <= OPEN | BY_UUID | set(BY_KIND) | set(BY_TOKEN)


@pytest.mark.parametrize("function", [*BY_KIND, *BY_TOKEN])
def test_a_subject_reaches_himself_by_every_name(conn, subject, people, function):
    client, token = subject
    text = (BY_KIND | BY_TOKEN)[function]
    with acting(client, token):
        for name in names_of(ANN, people["ann"]):
            assert sqlstate(client, f"SELECT {text}", name) is None, name


@pytest.mark.parametrize("function", [*BY_KIND, *BY_TOKEN])
def test_a_subject_reaches_neither_others_nor_nobody(conn, subject, people, raises, function):
    """And cannot tell the two apart."""
    client, token = subject
    text = (BY_KIND | BY_TOKEN)[function]
    told = set()
    with acting(client, token):
        for whose, profile in (("bob", BOB), ("nobody", NOBODY)):
            for name in names_of(profile, people[whose]):
                with raises("42501", secrets=[name["value"]]) as caught, client.transaction():
                    client.execute(f"SELECT {text}", name)
                told.add((caught.error.diag.message_primary, caught.error.diag.message_hint,
                          caught.error.diag.message_detail, caught.error.diag.context))
    assert len(told) == 1
    action = function.removeprefix("bunker_")
    denied = [event for event in events_of(conn, people["bob"], action)
              if event["actor"].startswith(client.info.user)]
    assert {event["status"] for event in denied} == {"denied"}
    assert {event["actor"] for event in denied} == {f"{client.info.user} user={people['ann']}"}
    assert conn.execute("SELECT count(*) FROM bunker.record WHERE version = 1").fetchone() == (2,)


def test_what_a_subject_reads_is_his_own(conn, subject, people):
    client, token = subject
    ann = people["ann"]
    call(conn, "bunker_get_user", people["bob"])
    with acting(client, token):
        assert call(client, "bunker_get_user", ann) == ANN
        assert call(client, "bunker_lookup", "badge", "A1")["profile"] == ANN
        assert call(client, "bunker_find_token", "email", "ann@EXAMPLE.com") == ann
        assert rows(client, "bunker_get_users", [ann, ann]) == [(ann, ANN), (ann, ANN)]
        assert call(client, "bunker_user_version", "login", "ann", 1) == ANN
        assert len(rows(client, "bunker_user_versions", "login", "ann")) == 1
        events = rows(client, "bunker_audit", "login", "ann", None, 1000)
    assert {event[6] for event in events} == {ann}
    assert {event[3] for event in events} >= {"create_user", "login_code", "login", "get_user"}


@pytest.mark.parametrize("others", [["bob"], ["ann", "bob"], ["bob", "ann"], ["ann", "nobody"],
                                    ["ann"] * 50 + ["bob"]])
def test_an_array_with_somebody_else_in_it_gives_nothing(subject, people, raises, others):
    client, token = subject
    with acting(client, token):
        with raises("42501", secrets=["bob@", "ann@"]), client.transaction():
            rows(client, "bunker_get_users", [people[name] for name in others])
        assert rows(client, "bunker_get_users", []) == []


def test_somebody_elses_values_are_refused_before_they_are_judged(subject, people, raises):
    """The version, the patch and the page size tell nothing about him."""
    client, token = subject
    with acting(client, token):
        for text in ("bunker_update_user('login', 'bob', '[{\"op\": \"test\", \"path\": \"/login\","
                     " \"value\": \"bob\"}]')",
                     "bunker_update_user('login', 'bob', '{}', 99)",
                     "bunker_user_version('login', 'bob', 99)"):
            assert sqlstate(client, f"SELECT {text}") == "42501", text


def test_an_address_that_changes_hands_does_not_lead_the_old_owner_there(conn, subject, people):
    client, token = subject
    call(conn, "bunker_update_user", "login", "ann", {"email": "new@example.com"}, None)
    call(conn, "bunker_update_user", "login", "bob", {"email": ANN["email"]}, None)
    with acting(client, token):
        assert sqlstate(client, "SELECT bunker_lookup('email', %s)", [ANN["email"]]) == "42501"
        assert call(client, "bunker_lookup", "email", "new@example.com")["token"] == str(people["ann"])


def test_a_subject_is_no_way_around_the_grants(conn, connect_as, people, raises):
    """He may read his trail, but only through a database role that may read trails."""
    token = log_in(conn, "ann")
    client = connect_as("reader")
    with acting(client, token):
        assert call(client, "bunker_get_user", people["ann"]) == ANN
        for text in ("* FROM bunker_audit('login', 'ann')", "bunker_update_user('login', 'ann', '{}')"):
            assert sqlstate(client, f"SELECT {text}") == "42501"


def test_a_subject_cannot_become_more(conn, subject, people):
    client, token = subject
    with acting(client, token):
        for text in ("bunker_create_access_token('x', 'bunker_admin')", "bunker_login_code('login', 'bob')",
                     "bunker_login_code('login', 'ann')", "bunker_login('login', 'bob', '1')",
                     "bunker_unlock_bulk('why')", "bunker_revoke_access_token('shop')"):
            assert sqlstate(client, f"SELECT {text}") == "42501"


def test_a_user_is_named_in_the_trail(conn, subject, people):
    client, token = subject
    with acting(client, token) as who:
        assert who == str(people["ann"])
        client.execute("SELECT set_config('databunker.actor', %s, true)", [f"user={people['bob']}"])
        call(client, "bunker_get_user", people["ann"])
    line = events_of(conn, people["ann"], "get_user")[-1]["actor"]
    claimed = json.dumps(f"user={people['bob']}")
    assert line == f"{client.info.user} user={people['ann']} claimed={claimed}"


def test_a_subject_without_a_user_is_nobody(conn, web, people):
    """The row of his access token was left over, say by a restored backup."""
    token = log_in(conn, "ann")
    kept = conn.execute("SELECT * FROM bunker.access_token").fetchone()
    call(conn, "bunker_delete_user", "login", "ann")
    conn.execute("INSERT INTO bunker.access_token VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", kept)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(web(), token):
        pytest.fail("he acts as somebody who was forgotten")
