"""What users who have logged in do themselves, and what of it becomes a request."""

from uuid import UUID

import pytest

from harness.events import events_of
from harness.identity import access_token, acting, log_in
from harness.requests import approve, file, of_user, show, statuses
from harness.vault import call, create, forget, update

ANN = {"login": "ann", "city": "Leeds"}
MOVE = {"city": "York"}
PROFILE = "change-profile"


@pytest.fixture
def ann(conn):
    """The token of a user."""
    return create(conn, ANN)


@pytest.fixture
def client(web):
    """A connection of an application's role; what it is told in notices is kept in `.told`."""
    connection = web()
    connection.told = []
    connection.add_notice_handler(lambda notice: connection.told.append(notice.message_primary))
    return connection


@pytest.fixture
def allow(conn, web):
    """allow("forget-me"): what users may do themselves from now on."""
    def allow(what: str) -> None:
        conn.execute(f"ALTER DATABASE {conn.info.dbname} SET databunker.self_service = '{what}'")

    return allow


@pytest.fixture
def subject(conn, ann):
    """An access token of the user's."""
    return log_in(conn, "ann")


def requests_of(connection, token) -> list[tuple]:
    return [(row["action"], row["status"]) for row in of_user(connection, "token", token)]


def test_a_change_of_his_own_waits_for_approval(conn, client, dpo_conn, ann, subject):
    with acting(client, subject):
        assert update(client, "login", "ann", MOVE) is None
        assert call(client, "bunker_get_user", ann) == ANN
    (told,) = client.told
    request = UUID(told.removeprefix("this waits for approval as request "))
    shown = show(dpo_conn, request)
    assert (shown["action"], shown["change"], shown["requested_as"]) == (PROFILE, MOVE, "user")
    assert approve(dpo_conn, request) is True
    assert call(client, "bunker_get_user", ann) == ANN | MOVE
    assert [(e["action"], e["app"]) for e in events_of(conn, ann, "request", "update_user")] == [
        ("request", PROFILE), ("update_user", None)]


def test_to_be_forgotten_waits_for_approval(client, dpo_conn, ann, subject):
    with acting(client, subject):
        assert forget(client, "login", "ann") is None
        assert forget(client, "token", ann) is None
        assert call(client, "bunker_get_user", ann) == ANN
    assert requests_of(dpo_conn, ann) == [("forget-me", "open")]
    assert len(set(client.told)) == 1 and len(client.told) == 2
    assert approve(dpo_conn, of_user(dpo_conn, "login", "ann")[0]["request"]) is True
    assert call(client, "bunker_get_user", ann) is None


def test_it_is_the_request_that_he_could_have_filed(client, app_conn, ann, subject):
    with acting(client, subject):
        request = file(client, "ann", PROFILE, MOVE)
        assert update(client, "login", "ann", MOVE) is None
    assert str(request) in client.told[0]
    assert statuses(app_conn, "login", "ann") == ["open"]


def test_what_self_service_names_is_done_at_once(web, conn, dpo_conn, allow, ann, subject):
    allow("change-profile, forget-me")
    client = web()
    with acting(client, subject):
        assert update(client, "login", "ann", MOVE) == 2
        assert forget(client, "login", "ann") is True
    assert requests_of(dpo_conn, ann) == []
    assert {e["actor"].split(" ")[1] for e in events_of(conn, ann, "update_user", "delete_user")} == {
        f"user={ann}"}


@pytest.mark.parametrize(("allowed", "updated", "forgotten"), [
    ("", None, None), ("forget-me", None, True), ("change-profile", 2, None),
    ("change-app-data:shop", None, None)])
def test_each_permission_is_for_itself(web, allow, ann, subject, allowed, updated, forgotten):
    allow(allowed)
    client = web()
    with acting(client, subject):
        assert update(client, "login", "ann", MOVE) == updated
        assert forget(client, "login", "ann") == forgotten


def test_nobody_takes_the_permission_himself(client, raises, subject, ann):
    with raises("42501"):
        client.execute("SET databunker.self_service = 'forget-me'")
    assert requests_of(client, ann) == []


def test_what_the_schema_reserves_waits_in_spite_of_self_service(conn, web, dpo_conn, allow, ann, subject):
    conn.execute("SELECT bunker_set_user_schema('{\"properties\": {\"limit\": {\"admin\": true}}}')")
    allow("change-profile")
    client = web()
    with acting(client, subject):
        assert update(client, "login", "ann", MOVE) == 2
        assert update(client, "login", "ann", {"limit": 7}) is None
        assert update(client, "login", "ann", MOVE | {"limit": 9}) is None
        assert update(client, "login", "ann", {"n": 1}) == 3
    assert call(client, "bunker_get_user", ann) == ANN | MOVE | {"n": 1}
    with acting(client, subject):
        assert update(client, "login", "ann", {"limit": 9}) is None
    last = of_user(dpo_conn, "login", "ann")[-1]
    assert approve(dpo_conn, last["request"]) is True
    assert call(client, "bunker_get_user", ann)["limit"] == 9


@pytest.mark.parametrize(("patch", "expected", "sqlstate"), [
    (MOVE, 7, "40001"), ({"fixed": 2}, None, "23514"), ({"age": "old"}, None, "23514"),
    ("York", None, "22023"), ([{"op": "remove", "path": "/x"}], None, "22023"),
    ({"login": None}, None, "22023")])
@pytest.mark.parametrize("allowed", ["", "change-profile"])
def test_what_could_not_be_done_becomes_no_request(conn, web, dpo_conn, allow, raises, patch, expected,
                                                   sqlstate, allowed):
    conn.execute("""SELECT bunker_set_user_schema('{"properties":
                 {"fixed": {"locked": true}, "age": {"type": "integer"}}}')""")
    token = create(conn, ANN | {"fixed": 1})
    subject = log_in(conn, "ann")
    allow(allowed)
    client = web()
    with raises(sqlstate, secrets=["York", "Leeds"]), acting(client, subject):
        update(client, "login", "ann", patch, expected)
    assert requests_of(dpo_conn, token) == []


def test_the_version_that_he_expects_counts_at_filing(client, dpo_conn, raises, ann, subject):
    update(client, "login", "ann", {"n": 1})
    with raises("40001"), acting(client, subject):
        update(client, "login", "ann", MOVE, 1)
    with acting(client, subject):
        assert update(client, "login", "ann", MOVE, 2) is None
    assert requests_of(dpo_conn, ann) == [(PROFILE, "open")]


def test_applications_need_no_approval(conn, client, ann):
    with acting(client, access_token(conn, "app")):
        assert update(client, "login", "ann", MOVE) == 2
        assert forget(client, "login", "ann") is True
    assert client.told == []


def test_he_changes_nobody_else(conn, client, raises, ann, subject):
    ben = create(conn, {"login": "ben"})
    for other in ("ben", "nobody"):
        for attempt in (lambda who: update(client, "login", who, MOVE),
                        lambda who: forget(client, "login", who),
                        lambda who: file(client, who, "forget-me")):
            with raises("42501"), acting(client, subject):
                attempt(other)
    assert client.told == []
    assert requests_of(conn, ben) == []
    assert call(conn, "bunker_get_user", ben) == {"login": "ben"}


def test_a_savepoint_takes_the_request_back_with_it(client, dpo_conn, ann, subject):
    with acting(client, subject, rollback=True):
        assert update(client, "login", "ann", MOVE) is None
    assert requests_of(dpo_conn, ann) == []
