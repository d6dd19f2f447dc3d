"""bunker_import_rows: what is kept of users besides their profiles, consent, requests and facts."""

from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest

from harness.apps import get, put, remove
from harness.events import events_of, trail
from harness.importing import bring, outcomes, user
from harness.outbox import happened
from harness.requests import approve, cancel, of_user, show
from harness.trail import verify
from harness.vault import call, create, forget, rows
from consent import agreement, agreements, withdraw

CANARY = "canary-5c2e"
ANN = {"login": "ann", "email": "ann@example.com"}
LATER = "2999-01-01T00:00:00Z"
THEN = {"created_at": "2019-01-01T00:00:00Z", "updated_at": "2020-02-02T00:00:00Z"}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
def ann(conn) -> str:
    """The token of the user Ann."""
    return str(create(conn, ANN))


def app_data(token, data: dict, app: str = "shop", **members) -> dict:
    return {"kind": "app_data", "token": str(token), "app": app, "data": data} | members


def session(token, data: dict, name=None, expires_at=LATER, **members) -> dict:
    return {"kind": "session", "token": str(token), "session": str(name or uuid4()), "data": data,
            "expires_at": expires_at} | members


def share(token, record=None, expires_at=LATER, **members) -> dict:
    return {"kind": "share", "token": str(token), "record": str(record or uuid4()),
            "expires_at": expires_at} | members


def basis(brief: str = "news", status: str | None = None, **definition) -> dict:
    return {"kind": "legal_basis", "brief": brief, "status": status, "definition": definition} | THEN


def consent(token=None, brief: str = "news", status: str = "yes", **members) -> dict:
    holder = {"token": str(token)} if token else {}
    return {"kind": "agreement", "brief": brief, "status": status} | holder | THEN | members


def request(token, action: str, status: str = "open", name=None, **members) -> dict:
    return {"kind": "request", "token": str(token), "request": str(name or uuid4()), "action": action,
            "status": status} | THEN | members


def fact(message: str, token=None, **members) -> dict:
    return {"kind": "audit", "token": token and str(token), "message": message, "source": "old",
            "at": 1_600_000_000} | members


# App data, sessions, shares ---------------------------------------------------------------------------

def test_app_data_keep_their_times(conn, admin_conn, ann):
    row = app_data(ann, {"n": 1.50}, **THEN)
    assert outcomes(admin_conn, row) == ["created"]
    assert outcomes(admin_conn, row) == ["present"]
    assert get(conn, "shop") == {"n": 1.5}
    kept = conn.execute("SELECT version, created_at, updated_at FROM bunker.app_data").fetchall()
    assert kept == [(1, moment(THEN["created_at"]), moment(THEN["updated_at"]))]
    written = [e for e in events_of(conn, UUID(ann), "import_rows") if e["message"] is None]
    assert [event["app"] for event in written] == ["shop"]
    assert call(conn, "bunker_audit_event", written[0]["id"])["after"] == {"n": 1.5}


def test_other_app_data_are_left_alone(conn, admin_conn, ann):
    put(conn, "shop", {"n": 1})
    put(conn, "club", {"n": 1})
    remove(conn, "club")
    assert outcomes(admin_conn, app_data(ann, {"n": 2}), app_data(ann, {"n": 1.0}),
                    app_data(ann, {"n": 1}, "club")) == ["23505", "present", "23505"]
    assert get(conn, "shop") == {"n": 1} and get(conn, "club") is None


@pytest.mark.parametrize(("change", "state"), [
    ({"token": str(uuid4())}, "P0002"), ({"app": f"No {CANARY}"}, "22023"), ({"app": None}, "22023"),
    ({"data": [CANARY]}, "22023"), ({"data": CANARY}, "22023"), ({"data": {"x": "y" * (1 << 20)}}, "54000"),
    ({"created_at": LATER}, "22023"), ({"profile": {}}, "22023")])
def test_bad_app_data_are_reported(admin_conn, ann, change, state):
    good = app_data(ann, {}, "club")
    verdicts = bring(admin_conn, app_data(ann, {"x": CANARY}) | change, good)
    assert [v.sqlstate or v.outcome for v in verdicts] == [state, "created"]
    assert CANARY not in str(verdicts)


def test_belongings_of_a_forgotten_user_do_not_come_back(conn, admin_conn, ann):
    forget(conn, "login", "ann")
    assert outcomes(admin_conn, app_data(ann, {}), session(ann, {}), share(ann),
                    request(ann, "forget-me")) == ["P0002"] * 4


def test_a_session_lives_on_under_its_name(conn, admin_conn, ann):
    name, soon = uuid4(), datetime.now(timezone.utc) + timedelta(minutes=10)
    row = session(ann, {"n": 1}, name, soon.isoformat(), created_at=THEN["created_at"])
    assert outcomes(admin_conn, row, row) == ["created", "present"]
    assert call(conn, "bunker_get_session", name) == {"n": 1}
    shown = rows(conn, "bunker_list_sessions", "login", "ann")
    assert [row[:3] for row in shown] == [(name, moment(THEN["created_at"]), soon)]


def test_a_session_lives_no_longer_than_the_vault_allows(conn, admin_conn, ann):
    row = session(ann, {})
    assert outcomes(admin_conn, row) == ["created"]
    ends = rows(conn, "bunker_list_sessions", "login", "ann")[0][2]
    assert timedelta(minutes=50) < ends - datetime.now(timezone.utc) <= timedelta(hours=1)
    assert outcomes(admin_conn, row) == ["present"]


def test_what_has_ended_is_skipped(conn, admin_conn, ann):
    verdicts = bring(admin_conn, session(ann, {}, expires_at=1_600_000_000),
                     share(ann, expires_at="2020-01-01T00:00:00Z"))
    assert [(v.outcome, v.sqlstate, v.message) for v in verdicts] == [("skipped", None, "has ended")] * 2
    assert rows(conn, "bunker_list_sessions", "login", "ann") == []


def test_the_name_of_somebody_elses_session_or_share_is_refused(conn, admin_conn, ann):
    bob = create(conn, {"login": "bob"})
    taken, shared = call(conn, "bunker_create_session", "login", "bob", {}), uuid4()
    assert outcomes(admin_conn, share(bob, shared)) == ["created"]
    assert outcomes(admin_conn, session(ann, {}, taken), session(bob, {"n": 1}, taken),
                    session(bob, {}, taken), share(ann, shared), share(bob, shared, partner="x"),
                    share(bob, shared)) == ["23505", "23505", "present", "23505", "23505", "present"]


def test_a_share_shows_what_it_did(conn, admin_conn, ann):
    record, of_app, of_session, living = uuid4(), uuid4(), uuid4(), uuid4()
    brought = [app_data(ann, {"a": 1, "b": 2}), session(ann, {"s": 1}, living),
               share(ann, record, fields=["login"], partner="Ltd", created_at=THEN["created_at"]),
               share(ann, of_app, app="shop", fields=None), share(ann, of_session, session=str(living))]
    assert outcomes(admin_conn, *brought) == ["created"] * 5
    assert outcomes(admin_conn, *brought) == ["present"] * 5
    assert call(conn, "bunker_get_shared", record) == {"login": "ann"}
    assert call(conn, "bunker_get_shared", of_app) == {"a": 1, "b": 2}
    assert call(conn, "bunker_get_shared", of_session) == {"s": 1}


@pytest.mark.parametrize(("members", "state"), [
    ({"app": "nothing"}, "P0002"), ({"session": str(uuid4())}, "P0002"), ({"fields": []}, "22023"),
    ({"fields": CANARY}, "22023"), ({"fields": [1]}, "22023"), ({"app": CANARY}, "22023"),
    ({"partner": "x" * 1001}, "54000"), ({"expires_at": None}, "22023"), ({"record": None}, "22023")])
def test_a_share_of_nothing_is_reported(admin_conn, ann, members, state):
    verdict = bring(admin_conn, share(ann) | members)[0]
    assert verdict.sqlstate == state and CANARY not in verdict.message


# Consent -------------------------------------------------------------------------------------------------

def test_legal_bases_and_activities_come_with_their_links(conn, admin_conn):
    news = basis("news", "disabled", basistype="consent", shortdesc="News", usercontrol=True)
    brought = [news, basis("contract"), basis("old", "deleted"),
               {"kind": "activity", "activity": "mailing", "definition": {"title": "Mail"},
                "legal_bases": ["news", "contract"], "created_at": THEN["created_at"]}]
    assert outcomes(admin_conn, *brought) == ["created"] * 4
    assert outcomes(admin_conn, *brought) == ["present"] * 4
    shown = {row[0]["brief"]: row[0] for row in rows(conn, "bunker_list_legal_bases")}
    assert set(shown) == {"news", "contract"}
    assert shown["news"]["status"] == "disabled" and shown["news"]["shortdesc"] == "News"
    assert moment(shown["news"]["created_at"]) == moment(THEN["created_at"])
    assert moment(shown["news"]["updated_at"]) == moment(THEN["updated_at"])
    mailing = rows(conn, "bunker_list_activities")[0][0]
    assert (mailing["title"], mailing["legal_bases"]) == ("Mail", ["contract", "news"])
    told = [(e["app"], e["message"]) for e in trail(conn) if e["app"] == "mailing" and e["message"]]
    assert sorted(told) == [("mailing", "legal basis contract"), ("mailing", "legal basis news"),
                            ("mailing", "new")]


@pytest.mark.parametrize(("row", "state"), [
    (basis("News"), "22023"), (basis("news", "gone"), "22023"), (basis("news", color="red"), "22023"),
    (basis("news", shortdesc="x" * 1001), "54000"), (basis("there", shortdesc=CANARY), "23505"),
    (basis("there", "disabled"), "23505"),
    ({"kind": "activity", "activity": "mailing", "legal_bases": ["nothing"]}, "P0002"),
    ({"kind": "activity", "activity": "mailing", "legal_bases": "there"}, "22023"),
    ({"kind": "activity", "activity": "there", "definition": {"title": CANARY}}, "23505"),
    ({"kind": "activity", "activity": "there", "legal_bases": ["there"]}, "23505"),
    ({"kind": "activity", "activity": "mailing", "definition": []}, "22023")])
def test_a_register_that_says_something_else_stays(conn, admin_conn, row, state):
    call(conn, "bunker_set_legal_basis", "there")
    call(conn, "bunker_set_activity", "there")
    before = [rows(conn, "bunker_list_legal_bases"), rows(conn, "bunker_list_activities")]
    verdict = bring(admin_conn, row)[0]
    assert verdict.sqlstate == state and CANARY not in verdict.message
    assert [rows(conn, "bunker_list_legal_bases"), rows(conn, "bunker_list_activities")] == before


def test_an_agreement_is_evidence_and_keeps_its_times(conn, admin_conn, ann):
    row = consent(ann, agreementmethod="web form", referencecode="R1", lastmodifiedby="ann",
                  starts_at="2019-01-02T00:00:00Z", expires_at=LATER)
    assert outcomes(admin_conn, basis("news", "disabled"), row) == ["created", "created"]
    assert outcomes(admin_conn, row) == ["present"]
    shown = agreement(conn, "login", "ann", "news")
    assert {name: shown[name] for name in ("status", "agreementmethod", "referencecode",
                                           "lastmodifiedby")} == {
        "status": "yes", "agreementmethod": "web form", "referencecode": "R1", "lastmodifiedby": "ann"}
    times = ("created_at", "updated_at", "starttime", "expiration")
    assert [moment(shown[name]) for name in times] == [moment(text) for text in (
        THEN["created_at"], THEN["updated_at"], "2019-01-02T00:00:00Z", LATER)]
    assert [e["message"] for e in events_of(conn, UUID(ann), "import_rows") if e["app"]] == ["yes"]
    assert ("consent_changed", UUID(ann)) in happened(conn)
    assert verify(conn).ok


@pytest.mark.parametrize("status", ["no", "expired", "revoked"])
def test_an_agreement_that_is_over_is_over(conn, admin_conn, ann, status):
    row = consent(ann, status=status)
    assert outcomes(admin_conn, basis(), row, row) == ["created", "created", "present"]
    assert agreements(conn, "login", "ann") == {"news": status}


def test_an_agreement_whose_time_is_over_has_expired(conn, admin_conn, ann):
    row = consent(ann, expires_at=1_600_000_000)
    assert outcomes(admin_conn, basis(), row) == ["created", "created"]
    call(conn, "bunker_maintain")
    assert outcomes(admin_conn, row) == ["present"]
    assert agreements(conn, "login", "ann") == {"news": "expired"}


def test_an_agreement_by_address_joins_whoever_gets_it(conn, admin_conn):
    row = consent(by="email", value="Ann@Example.com")
    assert outcomes(admin_conn, basis(), row) == ["created", "created"]
    assert outcomes(admin_conn, row) == ["present"]
    verdicts = bring(admin_conn, user(ANN), row)
    assert [verdict.outcome for verdict in verdicts] == ["created", "present"]
    assert verdicts[1].token == verdicts[0].token
    assert agreements(conn, "login", "ann") == {"news": "yes"}


def test_what_somebody_has_said_here_is_not_overwritten(conn, admin_conn, ann):
    outcomes(admin_conn, basis(), consent(ann))
    withdraw(conn, "login", "ann", "news")
    assert outcomes(admin_conn, consent(ann)) == ["23505"]
    assert agreements(conn, "login", "ann") == {"news": "no"}


@pytest.mark.parametrize(("members", "state"), [
    ({"brief": "unknown"}, "P0002"), ({"brief": "Bad!"}, "22023"), ({"status": "maybe"}, "22023"),
    ({"brief": "old"}, "P0002"), ({"by": "email", "value": CANARY}, "22023"),
    ({"token": None}, "22023"), ({"token": None, "by": "custom", "value": "x"}, "22023"),
    ({"token": None, "by": "login", "value": CANARY}, "P0002"),
    ({"token": None, "by": "email", "value": CANARY}, "22023"), ({"token": str(uuid4())}, "P0002"),
    ({"referencecode": "x" * 1001}, "54000"), ({"updated_at": LATER}, "22023"),
    ({"lastmodifiedby": 7}, "22023")])
def test_a_bad_agreement_is_reported(admin_conn, ann, members, state):
    verdicts = bring(admin_conn, basis(), basis("old", "deleted"), consent(ann) | members)
    assert verdicts[2].sqlstate == state, verdicts
    assert CANARY not in str(verdicts)


# Requests ------------------------------------------------------------------------------------------------

def test_an_open_request_can_be_decided(conn, admin_conn, dpo_conn, ann):
    name = uuid4()
    row = request(ann, "change-profile", name=name, change={"n": 1}, requested_by="Ann")
    assert outcomes(admin_conn, row, row) == ["created", "present"]
    shown = show(conn, name)
    assert (shown["status"], shown["change"], shown["original"]) == ("open", {"n": 1}, ANN)
    assert moment(shown["created_at"]) == moment(THEN["created_at"])
    assert ("request_opened", UUID(ann)) in happened(conn)
    assert approve(dpo_conn, name)
    assert call(conn, "bunker_get_user", UUID(ann)) == ANN | {"n": 1}
    assert outcomes(admin_conn, row) == ["present"]


def test_whoever_brings_a_request_cannot_approve_it(conn, web, ann, raises):
    """Else the four eyes would be two that write another name into a row."""
    client, name = web(), uuid4()
    row = request(ann, "forget-me", name=name, requested_by="somebody else")
    assert outcomes(client, row) == ["created"]
    with raises("42501"):
        approve(client, name)
    assert show(conn, name)["requested_by"] == client.info.user


def test_a_decided_request_is_history(conn, admin_conn, dpo_conn, ann, raises):
    done, dropped = uuid4(), uuid4()
    assert outcomes(
        admin_conn,
        request(ann, "change-profile", "approved", done, change={"n": 1}, reason="fine", requested_by="Ann"),
        request(ann, "change-app-data", "cancelled", dropped, change={"x": 1}, subject="shop")) == [
            "created", "created"]
    shown = show(conn, done)
    assert (shown["status"], shown["reason"], shown["requested_by"]) == ("approved", "fine", "Ann")
    assert shown["change"] == {"n": 1} and moment(shown["decided_at"]) == moment(THEN["updated_at"])
    assert not approve(dpo_conn, done) and not cancel(dpo_conn, dropped)
    assert call(conn, "bunker_get_user", UUID(ann)) == ANN
    assert {row["status"] for row in of_user(conn, "login", "ann")} == {"approved", "cancelled"}
    assert call(dpo_conn, "bunker_user_report", "login", "ann")


def test_open_requests_of_every_action(conn, admin_conn, dpo_conn, ann):
    names = [uuid4() for _ in range(3)]
    brought = [basis(), consent(ann), app_data(ann, {"n": 1}),
               request(ann, "change-app-data", name=names[0], subject="shop", change={"n": 2}),
               request(ann, "agreement-withdraw", name=names[1], subject="news"),
               request(ann, "forget-me", name=names[2])]
    assert outcomes(admin_conn, *brought) == ["created"] * 6
    assert [approve(dpo_conn, name) for name in names[:2]] == [True, True]
    assert get(conn, "shop") == {"n": 2} and agreements(conn, "login", "ann") == {"news": "no"}
    assert approve(dpo_conn, names[2])
    assert call(conn, "bunker_get_user", UUID(ann)) is None


@pytest.mark.parametrize(("members", "state"), [
    ({"action": "dance"}, "22023"), ({"status": "new"}, "22023"), ({"change": None}, "22023"),
    ({"change": CANARY}, "22023"), ({"change": {"email": CANARY}}, "22023"),
    ({"subject": "shop"}, "22023"), ({"reason": "x" * 1001}, "22023"),
    ({"requested_by": "a\nb"}, "22023"), ({"token": str(uuid4())}, "P0002"),
    ({"action": "change-app-data", "subject": "shop"}, "P0002"), ({"request": None}, "22023"),
    ({"action": "agreement-withdraw", "subject": "news", "change": None}, "P0002")])
def test_a_bad_request_is_reported(admin_conn, ann, members, state):
    verdict = bring(admin_conn, request(ann, "change-profile", change={"n": CANARY}) | members)[0]
    assert verdict.sqlstate == state and CANARY not in verdict.message


def test_the_same_request_is_not_opened_twice(conn, admin_conn, ann):
    name = uuid4()
    assert outcomes(admin_conn, request(ann, "forget-me", name=name), request(ann, "forget-me"),
                    request(ann, "change-profile", name=name, change={"n": 1})) == [
                        "created", "23505", "23505"]


# Facts ---------------------------------------------------------------------------------------------------

def test_a_fact_becomes_an_event_of_now(conn, admin_conn, ann):
    gone = uuid4()
    brought = [fact("user get", ann, app="shop"), fact("user delete", gone), fact("basis set")]
    assert outcomes(admin_conn, *brought, brought[0]) == ["created"] * 4
    assert outcomes(admin_conn, *brought) == ["present"] * 3
    told = "old 2020-09-13T12:26:40+00:00: "
    events = [e for e in events_of(conn, UUID(ann), "import_rows") if e["message"].startswith("old")]
    assert [(e["message"], e["app"], e["status"]) for e in events] == [(told + "user get", "shop", "ok")] * 2
    assert datetime.now(timezone.utc) - events[0]["at"] < timedelta(minutes=5)
    assert [e["message"] for e in events_of(conn, gone, "import_rows")][0] == told + "user delete"
    assert told + "basis set" in [e["message"] for e in trail(conn) if e["token"] is None]
    assert verify(conn).ok


@pytest.mark.parametrize("members", [
    {"message": "a\nb"}, {"message": ""}, {"message": "x" * 1001}, {"source": None}, {"source": "a\tb"},
    {"source": "x" * 64}, {"app": "No App"}, {"at": LATER}, {"message": {"a": 1}}, {"who": CANARY}])
def test_a_bad_fact_is_reported(admin_conn, members):
    assert outcomes(admin_conn, fact("user get") | members, fact("user get")) == ["22023", "created"]


# All of it -----------------------------------------------------------------------------------------------

def test_a_whole_store_comes_in_one_call_and_again(conn, admin_conn):
    everything, tokens = [basis("news"), basis("terms")], [uuid4() for _ in range(150)]
    for n, token in enumerate(tokens):
        everything += [user({"login": f"u{n}", "email": f"u{n}@example.com"}, token, **THEN),
                       app_data(token, {"n": n}), session(token, {"n": n}), share(token),
                       consent(token), consent(token, "terms", "no"), request(token, "forget-me"),
                       fact(f"get {n}", token)]
        if n % 10 == 0:
            everything += [{"kind": "unknown"}, app_data(uuid4(), {}), consent(token, "nothing")]
    first = outcomes(admin_conn, *everything)
    assert first.count("created") == len(everything) - 45
    assert (first.count("22023"), first.count("P0002")) == (15, 30)
    again = outcomes(admin_conn, *everything)
    assert again == [outcome.replace("created", "present") for outcome in first]
    report = call(conn, "bunker_user_report", "login", "u7")
    assert report["profile"]["login"] == "u7"
    assert verify(conn).ok
