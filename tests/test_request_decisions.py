"""Approving and cancelling: four eyes, what must be as it was, and who is quicker."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest

from harness.blocking import await_blocked
from harness.crowd import all_at_once
from harness.events import events_of
from harness.identity import access_token, acting, authenticate, log_in
from harness.requests import approve, cancel, file, of_user, show, statuses
from harness.vault import call, create, find, forget, update

ANN = {"login": "ann", "email": "ann@example.com", "city": "Leeds"}
MOVE = {"city": "York"}
PROFILE = "change-profile"


@pytest.fixture
def ann(conn):
    """The token of a user."""
    return create(conn, ANN)


# What approval does -------------------------------------------------------------------------------

def test_an_approved_change_is_done(app_conn, dpo_conn, ann):
    request = file(app_conn, "ann", PROFILE, MOVE | {"email": "new@example.com"})
    assert approve(dpo_conn, request, "she called") is True
    assert call(app_conn, "bunker_get_user", ann) == ANN | MOVE | {"email": "new@example.com"}
    assert find(app_conn, "email", "new@example.com") == ann
    assert find(app_conn, "email", "ann@example.com") is None
    shown = show(dpo_conn, request)
    assert shown["decided_at"] > shown["created_at"]
    assert {name: shown[name] for name in ("status", "decided_by", "reason", "original")} == {
        "status": "approved", "decided_by": "test_dpo", "reason": "she called", "original": ANN}
    update(app_conn, "login", "ann", {"n": 1})
    assert show(dpo_conn, request)["original"] == ANN


def test_an_approved_forget_me_forgets(conn, app_conn, dpo_conn, ann):
    other = file(app_conn, "ann", PROFILE, MOVE)
    request = file(app_conn, "ann", "forget-me")
    assert approve(dpo_conn, request, "she left") is True
    assert call(app_conn, "bunker_get_user", ann) is None
    assert call(dpo_conn, "bunker_tombstone", ann)["token"] == str(ann)
    assert [(row["request"], row["status"], row["reason"]) for row in of_user(app_conn, "token", ann)] == [
        (other, "cancelled", "user forgotten"), (request, "approved", "she left")]
    assert [e["action"] for e in events_of(conn, ann, "approve_request", "delete_user",
                                           "cancel_request")] == [
        "cancel_request", "delete_user", "approve_request"]


def test_cancelling_does_nothing_else(app_conn, dpo_conn, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    assert cancel(app_conn, request, "a mistake") is True
    assert call(app_conn, "bunker_get_user", ann) == ANN
    shown = show(dpo_conn, request)
    assert (shown["status"], shown["decided_by"], shown["reason"]) == (
        "cancelled", "test_app", "a mistake")
    assert (shown["original"], shown["change"]) == (ANN, MOVE)


def test_what_was_decided_stays_decided(app_conn, dpo_conn, ann):
    approved, cancelled = file(app_conn, "ann", PROFILE, MOVE), file(app_conn, "ann", "forget-me")
    approve(dpo_conn, approved)
    cancel(dpo_conn, cancelled)
    before = [show(dpo_conn, request) for request in (approved, cancelled)]
    for request in (approved, cancelled):
        assert approve(dpo_conn, request, "again") is False
        assert cancel(dpo_conn, request, "again") is False
    assert [show(dpo_conn, request) for request in (approved, cancelled)] == before
    assert call(app_conn, "bunker_lookup", "login", "ann")["version"] == 2


def test_unknown_requests(app_conn, dpo_conn, raises, ann):
    for decide in (approve, cancel):
        with raises("P0002"):
            decide(dpo_conn, uuid4())
        with raises("22023"):
            decide(dpo_conn, None)
        with raises("22023", secrets=["xyzzy"]):
            decide(dpo_conn, file(app_conn, "ann", "forget-me"), "xyzzy" * 201)


# Four eyes ----------------------------------------------------------------------------------------

def test_nobody_approves_what_he_has_filed(dpo_conn, raises, ann):
    request = file(dpo_conn, "ann", PROFILE, MOVE)
    with raises("42501", secrets=["York"]):
        approve(dpo_conn, request)
    assert show(dpo_conn, request)["status"] == "open"
    assert cancel(dpo_conn, request) is True


def test_set_role_does_not_make_somebody_else(conn, web, raises, ann):
    client = web()
    request = file(client, "ann", PROFILE, MOVE)
    client.execute("SET ROLE bunker_dpo; SET databunker.actor = 'somebody else'")
    with raises("42501"):
        approve(client, request)


def test_access_tokens_tell_people_apart_who_share_a_role(conn, web, raises, ann):
    filer, officer = access_token(conn, "app", "shop"), access_token(conn, "dpo", "officer")
    one, other = web(), web()
    with acting(one, filer):
        request = file(one, "ann", PROFILE, MOVE)
    with raises("42501"):  # the same role, and no token says who it is
        approve(other, request)
    with acting(other, officer):
        assert approve(other, request) is True
        shown = show(other, request)
    assert (shown["requested_by"], shown["requested_as"]) == (web.role, "shop")
    assert (shown["decided_by"], shown["decided_as"]) == (web.role, "officer")


def test_one_access_token_is_one_person_whatever_the_role(conn, web, dpo_conn, raises, ann):
    officer = access_token(conn, "dpo", "officer")
    client = web()
    with acting(client, officer):
        request = file(client, "ann", PROFILE, MOVE)
    with raises("42501"), acting(dpo_conn, officer):
        approve(dpo_conn, request)
    assert approve(dpo_conn, request) is True


def test_a_token_on_one_side_alone_does_not_help(conn, web, raises, ann):
    officer = access_token(conn, "dpo", "officer")
    client = web()
    request = file(client, "ann", PROFILE, MOVE)
    with raises("42501"), acting(client, officer):
        approve(client, request)


def test_a_user_never_approves(conn, web, raises, ann):
    client = web()
    subject = log_in(conn, "ann")
    of_others = file(conn, "ann", PROFILE, MOVE)
    with acting(client, subject):
        own = file(client, "ann", "forget-me")
    for request in (of_others, own, uuid4()):
        with raises("42501"), acting(client, subject):
            approve(client, request)
    with acting(client, access_token(conn, "dpo")):
        assert approve(client, own) is True


# What it would change has changed -------------------------------------------------------------------

def test_a_change_in_between_makes_it_outdated(app_conn, dpo_conn, raises, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    update(app_conn, "login", "ann", {"city": "Bath"})
    with raises("40001", secrets=["York", "Bath", "Leeds"]):
        approve(dpo_conn, request)
    assert call(app_conn, "bunker_get_user", ann) == ANN | {"city": "Bath"}
    assert show(dpo_conn, request)["original"] == ANN | {"city": "Bath"}
    assert cancel(dpo_conn, request) is True
    assert approve(dpo_conn, file(app_conn, "ann", PROFILE, MOVE)) is True


def test_of_two_changes_the_second_is_outdated(app_conn, dpo_conn, raises, ann):
    first, second = (file(app_conn, "ann", PROFILE, {"n": n}) for n in (1, 2))
    assert approve(dpo_conn, second)
    with raises("40001"):
        approve(dpo_conn, first)
    assert statuses(app_conn, "login", "ann") == ["open", "approved"]


def test_forget_me_holds_whatever_was_changed(app_conn, dpo_conn, ann):
    request = file(app_conn, "ann", "forget-me")
    update(app_conn, "login", "ann", MOVE)
    assert approve(dpo_conn, request) is True


def test_a_schema_that_came_later_is_kept(conn, app_conn, dpo_conn, raises, ann):
    request = file(app_conn, "ann", PROFILE, {"city": 7})
    conn.execute("""SELECT bunker_set_user_schema('{"properties": {"city": {"type": "string"}}}')""")
    with raises("23514"):
        approve(dpo_conn, request)
    assert statuses(app_conn, "login", "ann") == ["open"]


def test_a_refused_approval_leaves_the_callers_transaction_alone(app_conn, dpo_conn, raises, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    update(app_conn, "login", "ann", {"n": 1})
    with dpo_conn.transaction():
        with raises("40001"), dpo_conn.transaction():
            approve(dpo_conn, request)
        assert cancel(dpo_conn, request)
    assert statuses(app_conn, "login", "ann") == ["cancelled"]


def test_the_user_has_gone(app_conn, dpo_conn, raises, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    forget(app_conn, "login", "ann")
    with raises("P0002"):
        approve(dpo_conn, request)
    assert cancel(dpo_conn, request) is False
    with raises("P0002"):
        file(app_conn, "ann", PROFILE, MOVE)
    with raises("P0002"):
        call(app_conn, "bunker_request", "token", str(ann), "forget-me")
    assert statuses(app_conn, "token", ann) == ["cancelled"]


def test_a_rollback_takes_the_decision_back(app_conn, dpo_conn, ann):
    request = file(app_conn, "ann", "forget-me")
    with dpo_conn.transaction(force_rollback=True):
        assert approve(dpo_conn, request)
    assert call(app_conn, "bunker_get_user", ann) == ANN
    assert approve(dpo_conn, request) is True


# At the same time -----------------------------------------------------------------------------------

@pytest.fixture
def race(conn, connect_as, app_conn):
    """race(first, second): runs `first` in an open transaction, `second` until it waits, commits; what
    `second` gave, or its SQLSTATE. Each is a role and a function of a connection."""
    def run(first, second):
        ahead, behind = connect_as(first[0], autocommit=False), connect_as(second[0])
        first[1](ahead)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(second[1], behind)
            await_blocked(conn, behind)
            ahead.commit()
            try:
                return waiting.result(20)
            except psycopg.Error as error:
                return error.sqlstate

    return run


STEPS = {
    "approve": lambda request: ("dpo", lambda c: approve(c, request)),
    "cancel": lambda request: ("dpo", lambda c: cancel(c, request)),
    "update": lambda request: ("app", lambda c: update(c, "login", "ann", {"n": 1})),
    "forget": lambda request: ("app", lambda c: forget(c, "login", "ann")),
    "file": lambda request: ("app", lambda c: file(c, "ann", PROFILE, MOVE)),
}


@pytest.mark.parametrize(("first", "second", "outcome", "status", "city"), [
    ("approve", "approve", False, "approved", "York"),
    ("approve", "cancel", False, "approved", "York"),
    ("cancel", "approve", False, "cancelled", "Leeds"),
    ("cancel", "cancel", False, "cancelled", "Leeds"),
    ("approve", "update", 3, "approved", "York"),
    ("update", "approve", "40001", "open", "Leeds"),
    ("update", "cancel", True, "cancelled", "Leeds"),
    ("approve", "forget", True, "approved", None),
    ("forget", "approve", "P0002", "cancelled", None),
    ("forget", "cancel", False, "cancelled", None),
    ("cancel", "forget", True, "cancelled", None),
    ("file", "forget", True, "cancelled", None),
    ("forget", "file", "P0002", "cancelled", None),
    ("file", "approve", True, "approved", "York"),
])
def test_who_comes_second_finds_what_the_first_has_left(app_conn, race, ann, first, second, outcome,
                                                        status, city):
    request = file(app_conn, "ann", PROFILE, MOVE)
    assert race(STEPS[first](request), STEPS[second](request)) == outcome
    assert statuses(app_conn, "token", ann) == [status]
    assert (call(app_conn, "bunker_get_user", ann) or {}).get("city") == city


def test_of_sixteen_approvals_at_once_one_is_done(cluster, db, conn, app_conn, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    results = []
    works = [lambda c: results.append(approve(c, request))] * 16
    assert all_at_once(cluster, db, "test_dpo", works) == {"ok": 16}
    assert sorted(results) == [False] * 15 + [True]
    assert call(app_conn, "bunker_lookup", "login", "ann")["version"] == 2
    events = events_of(conn, ann, "approve_request", "update_user")
    assert sorted((e["action"], e["message"] or "") for e in events) == [
        ("approve_request", ""), *[("approve_request", "it was decided before")] * 15,
        ("update_user", "")]


def test_a_crowd_of_everything_never_waits_in_a_circle(cluster, db, conn, app_conn, ann):
    """Requests of one user filed, approved, cancelled, and he changed, all at once; then forgotten."""
    requests = [file(app_conn, "ann", PROFILE, {"n": n}) for n in range(12)]
    works = [lambda c, r=request: approve(c, r) for request in requests[:6]]
    works += [lambda c, r=request: cancel(c, r) for request in requests[3:9]]
    works += [lambda c, n=n: file(c, "ann", PROFILE, {"m": n}) for n in range(4)]
    works += [lambda c, n=n: update(c, "token", ann, {"k": n}) for n in range(4)]
    works += [lambda c: forget(c, "token", ann)]
    conn.execute("CREATE ROLE everything LOGIN IN ROLE bunker_app, bunker_dpo")
    try:
        outcomes = all_at_once(cluster, db, "everything", works)
    finally:
        conn.execute("DROP ROLE everything")
    assert set(outcomes) <= {"ok", "40001", "P0002"}, outcomes
    assert call(app_conn, "bunker_get_user", ann) is None
    assert "open" not in statuses(app_conn, "token", ann)
    assert conn.execute("SELECT count(*) FROM bunker.request WHERE sealed IS NOT NULL").fetchone() == (0,)


def test_one_transaction_decides_many_in_any_order(conn, app_conn, dpo_conn, connect_as, ann):
    """A decision and a forget of the same user take their locks in one order."""
    requests = [file(app_conn, "ann", PROFILE, {"n": n}) for n in range(2)]

    def decide_then_change(client):
        with client.transaction():
            cancel(client, requests[1])
            update(client, "login", "ann", {"n": 7})
        return "done"

    with ThreadPoolExecutor() as pool:
        ahead = connect_as("app", autocommit=False)
        cancel(ahead, requests[0])
        waiting = pool.submit(decide_then_change, app_conn)
        await_blocked(conn, app_conn)
        assert forget(ahead, "login", "ann") is True
        ahead.commit()
        with pytest.raises(psycopg.errors.NoDataFound):
            waiting.result(20)


def test_an_officer_whose_token_was_refused_approves_nothing(app_conn, dpo_conn, raises, ann):
    request = file(app_conn, "ann", PROFILE, MOVE)
    with dpo_conn.transaction():
        with raises("42501"), dpo_conn.transaction():
            authenticate(dpo_conn, "nonsense")
        with raises("42501"), dpo_conn.transaction():
            approve(dpo_conn, request)
    assert show(dpo_conn, request)["status"] == "open"
