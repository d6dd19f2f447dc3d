"""Filing requests and reading them."""

import json
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from harness.crowd import all_at_once
from harness.events import events_of, trail
from harness.requests import approve, cancel, file, listed, of_user, show, statuses
from harness.vault import call, create, update

ANN = {"login": "ann", "email": "ann@example.com", "city": "Leeds"}
MOVE = {"city": "York"}
PROFILE = "change-profile"


@pytest.fixture
def ann(conn):
    """The token of a user."""
    return create(conn, ANN)


def count(conn) -> int:
    return conn.execute("SELECT count(*) FROM bunker.request").fetchone()[0]


def test_a_filed_request_changes_nothing_yet(conn, app_conn, dpo_conn, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    assert call(app_conn, "bunker_get_user", ann) == ANN
    shown = show(dpo_conn, request)
    times = {name: shown.pop(name) for name in ("created_at", "decided_at")}
    assert shown == {
        "request": str(request), "token": str(ann), "action": PROFILE, "subject": None,
        "status": "open", "requested_by": "test_app", "requested_as": None, "decided_by": None,
        "decided_as": None, "reason": None, "original": ANN, "change": MOVE}
    assert times["created_at"] and times["decided_at"] is None
    (row,) = of_user(app_conn, "email", "ANN@example.com")
    assert row == listed(dpo_conn)[0]
    assert row.pop("created_at")
    assert row == {"request": request, "token": ann, "action": PROFILE, "subject": None,
                   "status": "open", "reason": None}


def test_requests_to_be_forgotten_show_what_would_go(app_conn, dpo_conn, ann):
    shown = show(dpo_conn, file(app_conn, "ann", "forget-me"))
    assert (shown["original"], shown["change"]) == (ANN, None)


@pytest.mark.parametrize(("action", "change", "subject"), [
    ("forget", None, None), ("", None, None), ("FORGET-ME", None, None), ("update_user", MOVE, None),
    ("forget-me", MOVE, None), ("forget-me", None, "shop"), (PROFILE, None, None),
    (PROFILE, MOVE, "shop"), ("change-app-data", MOVE, None), ("change-app-data", None, "shop"),
    ("change-app-data", MOVE, "Shop!"), ("agreement-withdraw", None, None),
    ("agreement-withdraw", MOVE, "news"), ("agreement-withdraw", None, "NEWS"),
])
def test_a_request_that_is_not_whole_is_refused(conn, app_conn, raises, ann, action, change, subject):
    with raises("22023", secrets=["York", "Leeds"]):
        file(app_conn, "ann", action, change, subject)
    assert count(conn) == 0


@pytest.mark.parametrize(("change", "sqlstate"), [
    ("a text", "22023"), (7, "22023"), ([{"op": "remove", "path": "/nothing"}], "22023"),
    ([{"op": "test", "path": "/city", "value": "York"}], "22023"), ({"email": "not one"}, "22023"),
    ({"login": None, "email": None}, "22023"), ({"age": "York"}, "23514"), ({"fixed": "York"}, "23514"),
    ({"big": "York" * 300_000}, "54000"),
])
def test_a_change_that_could_not_be_done_is_refused_at_once(conn, app_conn, raises, change, sqlstate):
    conn.execute("""SELECT bunker_set_user_schema('{"properties":
                 {"age": {"type": "integer"}, "fixed": {"locked": true}}}')""")
    create(conn, ANN | {"fixed": "Leeds"})
    with raises(sqlstate, secrets=["York", "Leeds"]):
        file(app_conn, "ann", PROFILE, change)
    assert count(conn) == 0


def test_whether_somebody_else_has_an_address_is_not_told_at_filing(conn, app_conn, dpo_conn, raises, ann):
    create(conn, {"email": "bob@example.com"})
    request = file(app_conn, "ann", PROFILE, {"email": "bob@example.com"})
    with raises("23505", secrets=["bob@"]):
        approve(dpo_conn, request)
    assert statuses(dpo_conn, "login", "ann") == ["open"]


def test_nobody_files_for_a_user_who_is_not_there(app_conn, raises, ann):
    with raises("P0002"):
        file(app_conn, "bob", "forget-me")
    with raises("P0002"):
        call(app_conn, "bunker_request", "token", str(uuid4()), "forget-me")
    with raises("22P02"):
        call(app_conn, "bunker_request", "token", "ann", "forget-me")
    with raises("22023"):
        call(app_conn, "bunker_request", "nickname", "ann", "forget-me")
    for arguments in ((None, "ann", "forget-me"), ("login", None, "forget-me"), ("login", "ann", None)):
        with raises("22023"):
            call(app_conn, "bunker_request", *arguments)


# The same again ---------------------------------------------------------------------------------

def test_the_same_open_request_is_filed_once(conn, app_conn, dpo_conn, ann):
    change = {"n": 1, "list": [1, {"x": None}]}
    first = file(app_conn, "ann", PROFILE, change)
    assert file(app_conn, "ann", PROFILE, dict(reversed(change.items()))) == first
    again = app_conn.execute("SELECT bunker_request('token', %s, 'change-profile',"
                             " '{\"n\": 1.0, \"list\": [1, {\"x\": null}]}')", [str(ann)])
    assert again.fetchone()[0] == first
    assert file(dpo_conn, "ann", PROFILE, change) == first
    others = {file(app_conn, "ann", PROFILE, {"n": 2}), file(app_conn, "ann", "forget-me")}
    create(conn, {"login": "bob"})
    others.add(file(app_conn, "bob", PROFILE, change))
    assert len(others | {first}) == 4 == count(conn)
    assert file(app_conn, "ann", "forget-me") in others


def test_a_decided_request_can_be_filed_again(app_conn, dpo_conn, ann):
    first = file(app_conn, "ann", PROFILE, MOVE)
    assert cancel(dpo_conn, first)
    second = file(app_conn, "ann", PROFILE, MOVE)
    assert approve(dpo_conn, second)
    third = file(app_conn, "ann", PROFILE, MOVE)
    assert len({first, second, third}) == 3
    assert statuses(app_conn, "login", "ann") == ["cancelled", "approved", "open"]


def test_filing_again_takes_in_what_has_changed_since(app_conn, dpo_conn, raises, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    update(app_conn, "login", "ann", {"n": 1})
    assert file(dpo_conn, "ann", PROFILE, MOVE) == request
    with raises("40001"):  # somebody else's filing does not speak for who has filed it
        approve(dpo_conn, request)
    assert file(app_conn, "ann", PROFILE, MOVE) == request
    assert approve(dpo_conn, request)
    assert call(app_conn, "bunker_get_user", ann) == ANN | MOVE | {"n": 1}


def test_a_patch_that_would_do_something_else_by_now_is_another_request(conn, app_conn, dpo_conn, raises):
    """An officer has read that the limit becomes 5; whoever filed must not make it a million under him."""
    call(conn, "bunker_set_user_schema", {"properties": {"limit": {"admin": True}}})
    token = create(app_conn, {"login": "eve", "wish": 5})
    copy = [{"op": "copy", "from": "/wish", "path": "/limit"}]
    read = file(app_conn, "eve", PROFILE, copy)
    assert file(app_conn, "eve", PROFILE, copy) == read
    update(app_conn, "login", "eve", {"wish": 1_000_000})
    assert file(dpo_conn, "eve", PROFILE, copy) == read
    with raises("40001"):
        approve(dpo_conn, read)
    anew = file(app_conn, "eve", PROFILE, copy)
    assert anew != read
    assert approve(dpo_conn, read) is False
    assert "limit" not in call(app_conn, "bunker_get_user", token)
    assert show(dpo_conn, read)["reason"] == "filed anew"
    assert statuses(app_conn, "login", "eve") == ["cancelled", "open"]
    assert show(dpo_conn, anew)["original"]["wish"] == 1_000_000
    assert approve(dpo_conn, anew) is True
    assert [event["action"] for event in events_of(conn, token, "request", "cancel_request")] == [
        "request", "request", "request", "cancel_request", "request"]


def test_filing_anew_needs_no_room_for_another_request(app_conn, raises, ann):
    patches = [[{"op": "add", "path": "/n", "value": n}] for n in range(100)]
    first = [file(app_conn, "ann", PROFILE, patch) for patch in patches][0]
    update(app_conn, "login", "ann", {"x": 1})
    assert file(app_conn, "ann", PROFILE, patches[0]) != first
    with raises("54000"):
        file(app_conn, "ann", "forget-me")


@pytest.mark.parametrize("level", ["READ_COMMITTED", "SERIALIZABLE"])
def test_the_same_request_at_once_is_filed_once(cluster, db, conn, ann, level):
    works = [lambda c: file(c, "ann", PROFILE, MOVE)] * 16
    outcomes = all_at_once(cluster, db, "test_app", works,
                           isolation_level=psycopg.IsolationLevel[level])
    assert set(outcomes) <= {"ok", "40001"} and outcomes["ok"] >= 1
    assert count(conn) == 1


def test_a_user_has_a_hundred_open_requests_at_most(conn, app_conn, dpo_conn, raises, ann):
    requests = [file(app_conn, "ann", PROFILE, {"n": n}) for n in range(100)]
    with raises("54000"):
        file(app_conn, "ann", PROFILE, {"n": 100})
    assert file(app_conn, "ann", PROFILE, {"n": 7}) == requests[7]
    create(conn, {"login": "bob"})
    assert file(app_conn, "bob", "forget-me")
    cancel(dpo_conn, requests[0])
    assert file(app_conn, "ann", PROFILE, {"n": 100})


# Lists --------------------------------------------------------------------------------------------

@pytest.fixture
def crowd(conn, app_conn, dpo_conn):
    """Requests of three users, in the order of filing: two open, one cancelled, one approved."""
    for login in ("ann", "bob", "cleo"):
        create(conn, {"login": login})
    filed = [file(app_conn, "ann", PROFILE, MOVE), file(app_conn, "bob", "forget-me"),
             file(app_conn, "cleo", PROFILE, MOVE), file(app_conn, "cleo", "forget-me")]
    cancel(dpo_conn, filed[1], "he called")
    approve(dpo_conn, filed[2])
    return filed


def test_lists_by_status_in_the_order_of_filing(dpo_conn, crowd):
    assert [row["request"] for row in listed(dpo_conn)] == [crowd[0], crowd[3]]
    assert [row["request"] for row in listed(dpo_conn, None)] == crowd == sorted(crowd)
    (cancelled,) = listed(dpo_conn, "cancelled")
    assert (cancelled["request"], cancelled["reason"]) == (crowd[1], "he called")
    assert [row["request"] for row in listed(dpo_conn, "approved")] == [crowd[2]]
    assert {request.version for request in crowd} == {7}


def test_lists_page_by_key(dpo_conn, crowd):
    seen, after = [], None
    while page := listed(dpo_conn, None, after, 3):
        seen += [row["request"] for row in page]
        after = seen[-1]
    assert seen == crowd
    assert [row["request"] for row in listed(dpo_conn, "open", crowd[0], 10)] == [crowd[3]]


@pytest.mark.parametrize("arguments", [("done",), ("",), ("open", None, 0), ("open", None, -1),
                                       ("open", None, 10_001), ("open", None, None)])
def test_a_list_that_makes_no_sense_is_refused(dpo_conn, raises, arguments):
    with raises("22023"):
        listed(dpo_conn, *arguments)


def test_lists_count_for_the_bulk_guard(conn, app_conn, dpo_conn, raises):
    for n in range(101):
        create(conn, {"login": f"u{n}"})
        file(app_conn, f"u{n}", "forget-me")
    assert len(listed(dpo_conn)) == 100
    with raises("42501"):
        listed(dpo_conn, "open", None, 101)
    with raises("42501"), dpo_conn.transaction():
        listed(dpo_conn, "open", None, 60)
        listed(dpo_conn, "open", None, 60)


def test_reading_a_request_is_reading_a_record(conn, app_conn, raises, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL databunker.bulk_read_limit = 2")
        show(conn, request)
        of_user(conn, "login", "ann")
        with raises("42501"):
            show(conn, request)


def test_what_is_not_there_is_nothing(app_conn, dpo_conn, ann):
    assert show(dpo_conn, uuid4()) is None
    assert of_user(app_conn, "login", "ann") == of_user(app_conn, "login", "bob") == []
    assert listed(dpo_conn) == []
    assert call(dpo_conn, "bunker_get_request", None) is None


# Events -------------------------------------------------------------------------------------------

def test_each_step_is_an_event_of_the_user(conn, app_conn, dpo_conn, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    show(dpo_conn, request)
    of_user(app_conn, "email", "ann@example.com")
    approve(dpo_conn, request, "she called from York")
    cancel(dpo_conn, file(app_conn, "ann", "forget-me"))
    actions = ("request", "get_request", "user_requests", "approve_request", "update_user",
               "cancel_request")
    events = events_of(conn, ann, *actions)
    assert [(e["action"], e["app"], e["kind"], e["status"]) for e in events] == [
        ("request", PROFILE, "login", "ok"), ("get_request", PROFILE, None, "ok"),
        ("user_requests", None, "email", "ok"), ("update_user", None, None, "ok"),
        ("approve_request", PROFILE, None, "ok"), ("request", "forget-me", "login", "ok"),
        ("cancel_request", "forget-me", None, "ok")]
    changed = call(dpo_conn, "bunker_audit_event", events[3]["id"])
    assert (changed["before"], changed["after"]) == (ANN, ANN | MOVE)
    assert "York" not in json.dumps(trail(dpo_conn), default=str)


def test_calls_that_change_nothing_are_events(conn, app_conn, dpo_conn, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    file(app_conn, "ann", PROFILE, MOVE)
    cancel(app_conn, request)
    approve(dpo_conn, request)
    cancel(app_conn, request)
    events = events_of(conn, ann, "request", "approve_request", "cancel_request")
    assert [(e["action"], e["status"], e["app"], e["message"]) for e in events] == [
        ("request", "ok", PROFILE, None), ("request", "ok", PROFILE, "it is open already"),
        ("cancel_request", "ok", PROFILE, None),
        ("approve_request", "ok", PROFILE, "it was decided before"),
        ("cancel_request", "ok", PROFILE, "it was decided before")]


def test_failures_and_lists_are_events(conn, app_conn, dpo_conn, raises, ann):
    listed(dpo_conn)
    with raises("22023"):
        file(app_conn, "ann", PROFILE, [{"op": "remove", "path": "/nothing"}])
    with raises("P0002"):
        approve(dpo_conn, uuid4())
    request = file(dpo_conn, "ann", "forget-me")
    with raises("42501"):
        approve(dpo_conn, request)
    found = {(e["action"], e["status"], e["token"], e["message"]) for e in trail(dpo_conn)}
    assert {("list_requests", "ok", None, "0 requests"),
            ("request", "failed", None, "patch operation 0 cannot be applied"),
            ("approve_request", "not_found", None, "no such request"),
            ("approve_request", "denied", ann, "who has filed a request cannot approve it"),
            } - found == set()


def test_what_a_superuser_writes_himself_is_told(conn, dpo_conn, app_conn, ann):
    request = file(app_conn, "ann", "forget-me")
    conn.execute("UPDATE bunker.request SET status = 'approved' WHERE request = %s", [request])
    conn.execute("TRUNCATE bunker.request")
    events = [(e["action"], e["token"], e["app"]) for e in trail(dpo_conn)[:2]]
    assert events == [("direct_truncate", None, None), ("direct_update", ann, "forget-me")]


def test_jsonb_goes_in_and_out_unharmed(app_conn, dpo_conn, ann):
    text = '{"n": 12345678901234567890.10, "ä": "\\u2028", "deep": [[[{"x": 1e400}]]], "none": null}'
    request = app_conn.execute("SELECT bunker_request('login', 'ann', 'change-profile', %s::jsonb)",
                               [text]).fetchone()[0]
    same = dpo_conn.execute("SELECT bunker_get_request(%s) -> 'change' = %s::jsonb", [request, text])
    assert same.fetchone()[0]
    assert file(app_conn, "ann", PROFILE, Jsonb(json.loads('{"ä": 1}')).obj)
