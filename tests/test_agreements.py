"""Agreements: what they say, and how that changes."""

from datetime import datetime, timedelta, timezone

import pytest
from canary import word
from consent import ANN, NEWS, accept, agreement, agreements, status, withdraw
from psycopg.types.json import Jsonb

from harness.events import events_of, trail, trail_text
from harness.vault import call, create, forget, rows
from harness.wait import wait_until

SECRET = word()


@pytest.fixture(autouse=True)
def bases(dpo_conn):
    """Three legal bases, one of them disabled."""
    call(dpo_conn, "bunker_set_legal_basis", NEWS, {"usercontrol": True})
    call(dpo_conn, "bunker_set_legal_basis", "contract", {})
    call(dpo_conn, "bunker_set_legal_basis", "disabled", {"status": "disabled"})


@pytest.fixture
def ann(app_conn):
    """The token of a user."""
    return create(app_conn, ANN)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_an_agreement_says_all_that_it_was_given(app_conn, ann):
    before = datetime.now(timezone.utc)
    assert accept(app_conn, "login", "ann", agreementmethod="web", referencecode="ref-1",
                  lastmodifiedby="Zoë", starttime="2020-01-31T00:00:00Z",
                  expiration="2090-01-31T01:00:00+01:00") is True
    found = agreement(app_conn, "email", "ANN@example.com")
    assert before < at(found.pop("created_at")) == at(found.pop("updated_at"))
    assert found == {"brief": NEWS, "status": "yes", "agreementmethod": "web",
                     "referencecode": "ref-1", "lastmodifiedby": "Zoë",
                     "starttime": "2020-01-31T00:00:00+00:00",
                     "expiration": "2090-01-31T00:00:00+00:00"}


def test_without_options_it_is_a_yes(app_conn, ann):
    assert app_conn.execute("SELECT bunker_accept_agreement('login', 'ann', 'newsletter')"
                            ).fetchone() == (True,)
    found = agreement(app_conn, "token", ann)
    assert (found["status"], found["agreementmethod"]) == ("yes", "api")
    assert [found[name] for name in ("referencecode", "lastmodifiedby", "starttime", "expiration")
            ] == [None] * 4
    assert call(app_conn, "bunker_accept_agreement", "login", "ann", NEWS, None) is False


def test_accepting_again_keeps_what_is_not_given(app_conn, ann):
    accept(app_conn, "login", "ann", referencecode="ref-1", expiration="30 days")
    first = agreement(app_conn, "login", "ann")
    assert accept(app_conn, "email", "ann@example.com", lastmodifiedby="me") is False
    second = agreement(app_conn, "login", "ann")
    assert second.pop("updated_at") > first.pop("updated_at")
    assert second == first | {"lastmodifiedby": "me"}
    assert accept(app_conn, "login", "ann", referencecode=None, expiration=None) is False
    third = agreement(app_conn, "login", "ann")
    assert (third["referencecode"], third["expiration"]) == (None, None)
    assert third["created_at"] == first["created_at"]


@pytest.mark.parametrize(("given", "becomes"), [("yes", "yes"), ("no", "no"), (True, "yes"),
                                                (False, "no")])
def test_a_status_is_yes_or_no(app_conn, ann, given, becomes):
    assert accept(app_conn, "login", "ann", status=given) is True
    assert status(app_conn, "login", "ann") == becomes
    assert accept(app_conn, "login", "ann", status=given) is False


def test_a_refusal_becomes_a_yes_and_a_yes_a_refusal(app_conn, ann):
    assert [accept(app_conn, "login", "ann", status=s) for s in ("no", "yes", "yes", "no")] == [
        True, True, False, True]


@pytest.mark.parametrize("text", ["10d", "10 days", "P10D", "240:00:00", "1 week 3 days", " 10 days "])
def test_an_interval_counts_from_now(app_conn, ann, text):
    accept(app_conn, "login", "ann", expiration=text)
    ends = at(agreement(app_conn, "login", "ann")["expiration"])
    assert abs(ends - datetime.now(timezone.utc) - timedelta(days=10)) < timedelta(minutes=1)


@pytest.mark.parametrize(("text", "is_in_utc"), [
    ("2090-06-01T12:00:00Z", "2090-06-01T12:00:00+00:00"),
    ("2090-06-01T12:00:00.25+02:00", "2090-06-01T10:00:00.25+00:00"),
    ("2090-06-01 12:00:00+00", "2090-06-01T12:00:00+00:00"),
    ("2090-06-01 12:00:00 Europe/Berlin", "2090-06-01T10:00:00+00:00"),
])
def test_a_time_is_any_that_a_timestamptz_takes(app_conn, ann, text, is_in_utc):
    accept(app_conn, "login", "ann", starttime=text, expiration="2095-01-01T00:00:00Z")
    found = agreement(app_conn, "login", "ann")
    assert at(found["starttime"]) == at(is_in_utc)
    assert found["status"] == "yes"


def test_a_time_of_the_database_is_understood_as_it_prints_it(app_conn, ann):
    for cast in ("now() + interval '1 day'", "(now() + interval '1 day')::text"):
        app_conn.execute("SELECT bunker_accept_agreement('login', 'ann', 'newsletter',"
                         f" jsonb_build_object('expiration', {cast}))")
        assert agreement(app_conn, "login", "ann")["expiration"] > "20"


BAD_OPTIONS = [
    {"status": word_} for word_ in ("y", "Y", "Yes", "YES", "accept", "on", "1", "true", "cancel",
                                    "revoked", "expired", "", SECRET, 1, 0, None, [], {})
] + [
    {name: value} for name in ("starttime", "expiration")
    for value in (100, 1.5, True, [], {}, "", " ", SECRET, "100", "-100", "1e3", "10.5", "infinity",
                  "-infinity", "tomorrow at five", "2090-13-01T00:00:00Z", "2090-02-30",
                  "99999999 years", "2147483647 mons 2147483647 days", "999999-01-01", "10 dayz",
                  "2090-06-01T25:00:00Z", "\u0001", "1 day" + " " * 300 + "x", "x" * 5000)
] + [
    {name: value} for name in ("agreementmethod", "referencecode", "lastmodifiedby")
    for value in (1, True, [SECRET], {SECRET: 1})
] + [
    {SECRET: 1}, {"Status": "yes"}, {"starttime": "1 day", "expiration": "1 hour"},
    {"expiration": "-1 day"}, {"expiration": "2020-01-01T00:00:00Z"}, {"expiration": "0 days"},
    {"starttime": "2090-01-01T00:00:00Z", "expiration": "2090-01-01T00:00:00Z"},
    [], [SECRET], SECRET, 1, True, None,
]


def test_bad_options_change_nothing_and_are_not_repeated(app_conn, ann, raises):
    accept(app_conn, "login", "ann", referencecode="ref-1", expiration="30 days")
    before = agreement(app_conn, "login", "ann")
    for options in BAD_OPTIONS:
        with raises("22023", secrets=[SECRET, "x" * 100]):
            call(app_conn, "bunker_accept_agreement", "login", "ann", NEWS, Jsonb(options))
    assert agreement(app_conn, "login", "ann") == before
    # Not even for somebody who has none yet, and in the name of an address.
    with raises("22023", secrets=[SECRET]):
        accept(app_conn, "email", f"{SECRET}@example.com", status=SECRET)


def test_texts_are_bounded_in_bytes(app_conn, ann, raises):
    for name in ("agreementmethod", "referencecode", "lastmodifiedby"):
        accept(app_conn, "login", "ann", **{name: "é" * 500})
        with raises("54000", secrets=[SECRET]):
            accept(app_conn, "login", "ann", **{name: SECRET + "x" * 1000})
    odd = "Ω ç\u202e \U0001f36a \"quoted\" ' \\ \t \u0001"
    accept(app_conn, "login", "ann", lastmodifiedby=odd)
    assert agreement(app_conn, "login", "ann")["lastmodifiedby"] == odd


def test_a_start_alone_must_not_lie_after_the_end(app_conn, ann, raises):
    accept(app_conn, "login", "ann", expiration="10 days")
    with raises("22023"):
        accept(app_conn, "login", "ann", starttime="11 days")
    assert accept(app_conn, "login", "ann", starttime="9 days") is False


# What is not there ----------------------------------------------------------------------------

def test_whom_and_what_nobody_knows(app_conn, ann, raises):
    nobody = "00000000-0000-4000-8000-000000000000"
    for write in (accept, withdraw):
        for kind, value in (("login", "nobody"), ("custom", "nobody"), ("token", nobody)):
            with raises("P0002", secrets=["nobody"]):
                write(app_conn, kind, value)
        with raises("P0002"):
            write(app_conn, "login", "ann", "never-there")
        with raises("22023"):
            write(app_conn, "badge", SECRET)
        with raises("22023", secrets=[SECRET]):
            write(app_conn, "email", SECRET)
        with raises("22P02", secrets=[SECRET]):
            write(app_conn, "token", SECRET)
    for kind, value in (("login", "nobody"), ("token", nobody), ("email", "nobody@example.com"),
                        ("login", "ann")):
        assert agreement(app_conn, kind, value) is None
        assert agreements(app_conn, kind, value) == {}
    assert agreement(app_conn, "login", "ann", "never-there") is None


def test_nulls(app_conn, ann, raises):
    assert call(app_conn, "bunker_get_agreement", "login", None, NEWS) is None
    assert rows(app_conn, "bunker_list_agreements", None, "ann") == []
    for arguments in ((None, "ann", NEWS), ("login", None, NEWS), ("login", "ann", None)):
        for function in ("bunker_accept_agreement", "bunker_withdraw_agreement"):
            with raises("22023"):
                call(app_conn, function, *arguments)


def test_nobody_agrees_to_what_is_disabled_but_may_withdraw(app_conn, dpo_conn, ann, raises):
    with raises("22023"):
        accept(app_conn, "login", "ann", "disabled")
    accept(app_conn, "login", "ann")
    call(dpo_conn, "bunker_set_legal_basis", NEWS, {"status": "disabled"})
    assert status(app_conn, "login", "ann") == "yes"
    assert withdraw(app_conn, "login", "ann") is True


# Withdrawing and ending -----------------------------------------------------------------------

def test_what_is_withdrawn_is_a_no(app_conn, dpo_conn, ann):
    accept(app_conn, "login", "ann", referencecode="ref-1")
    accept(app_conn, "login", "ann", "contract")
    before = agreement(app_conn, "login", "ann")
    assert withdraw(app_conn, "email", "ann@example.com") is True
    after = agreement(app_conn, "login", "ann")
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before | {"status": "no"}
    assert withdraw(app_conn, "login", "ann") is False
    assert agreements(app_conn, "login", "ann") == {"contract": "yes", NEWS: "no"}
    # Without the user's own control, those who are in charge withdraw all the same.
    assert withdraw(dpo_conn, "login", "ann", "contract") is True
    assert accept(app_conn, "login", "ann") is True


def test_what_was_never_given_is_not_withdrawn(app_conn, ann):
    assert withdraw(app_conn, "login", "ann") is False
    assert agreement(app_conn, "login", "ann") is None
    accept(app_conn, "login", "ann", status="no")
    assert withdraw(app_conn, "login", "ann") is False


def test_what_is_over_reads_as_expired_at_once(app_conn, ann, conn):
    accept(app_conn, "login", "ann", expiration="1 second", referencecode="old")
    assert status(app_conn, "login", "ann") == "yes"
    wait_until(lambda: status(app_conn, "login", "ann") == "expired", "the agreement to end")
    assert agreements(app_conn, "login", "ann") == {NEWS: "expired"}
    assert conn.execute("SELECT status FROM bunker.agreement").fetchone() == ("yes",)
    assert withdraw(app_conn, "login", "ann") is False
    # Given again, it does not end in the past.
    assert accept(app_conn, "login", "ann") is True
    found = agreement(app_conn, "login", "ann")
    assert (found["status"], found["expiration"], found["referencecode"]) == ("yes", None, "old")


def test_revoking_leaves_what_has_expired(app_conn, dpo_conn, ann):
    accept(app_conn, "login", "ann", expiration="1 second")
    wait_until(lambda: status(app_conn, "login", "ann") == "expired", "the agreement to end")
    assert call(dpo_conn, "bunker_revoke_agreements", NEWS) == 0
    assert status(app_conn, "login", "ann") == "expired"


def test_maintenance_writes_down_what_is_over(app_conn, admin_conn, conn, ann):
    accept(app_conn, "login", "ann", expiration="1 second", referencecode="old")
    accept(app_conn, "login", "ann", "contract", expiration="1 day")
    app_conn.execute("SELECT bunker_accept_agreement('email', n || '@example.com', 'newsletter',"
                     " '{\"expiration\": \"1 second\"}') FROM generate_series(1, 50) n")
    wait_until(lambda: status(app_conn, "email", "50@example.com") == "expired", "them to end")
    # One that was tampered with neither stops the others nor comes back to life.
    conn.execute("UPDATE bunker.agreement SET updated_at = updated_at + interval '1 hour'"
                 " WHERE owner = (SELECT min(owner::text)::uuid FROM bunker.agreement WHERE kind <> 0)")
    call(admin_conn, "bunker_maintain")
    assert conn.execute("SELECT brief, status, count(*) FROM bunker.agreement GROUP BY 1, 2"
                        " ORDER BY 1").fetchall() == [("contract", "yes", 1), (NEWS, "expired", 51)]
    found = agreement(app_conn, "login", "ann")
    assert (found["status"], found["referencecode"]) == ("expired", "old")
    event = events_of(conn, ann, "expire_agreement")[0]
    assert (event["app"], event["message"]) == (NEWS, "expired")


# The trail ------------------------------------------------------------------------------------

def test_every_call_is_an_event_with_brief_and_status_and_no_text(app_conn, dpo_conn, conn, ann):
    text = word()
    accept(app_conn, "login", "ann", referencecode=text, lastmodifiedby=text, agreementmethod=text)
    accept(app_conn, "email", "ann@example.com", status="no")
    withdraw(app_conn, "login", "ann")
    agreement(app_conn, "login", "ann")
    agreements(dpo_conn, "token", ann)
    shown = [(event["action"], event["status"], event["kind"], event["app"], event["message"])
             for event in events_of(conn, ann, "accept_agreement", "withdraw_agreement",
                                    "get_agreement", "list_agreements")]
    assert shown == [
        ("accept_agreement", "ok", "login", NEWS, "yes"),
        ("accept_agreement", "ok", "email", NEWS, "no"),
        ("withdraw_agreement", "ok", "login", NEWS, "nothing changed"),
        ("get_agreement", "ok", "login", NEWS, None),
        ("list_agreements", "ok", "token", None, None),
    ]
    assert text not in trail_text(conn)


def test_a_miss_and_a_refusal_are_events(app_conn, conn, ann, raises):
    agreement(app_conn, "login", "ann")
    with raises("P0002"):
        accept(app_conn, "login", "nobody")
    newest = [(event["action"], event["status"], event["token"]) for event in trail(conn)[:2]]
    assert newest == [("accept_agreement", "not_found", None), ("get_agreement", "not_found", ann)]


def test_forgetting_removes_agreements_and_the_trail_keeps_that_they_were(app_conn, conn, ann):
    accept(app_conn, "login", "ann")
    accept(app_conn, "login", "ann", "contract", status="no")
    create(app_conn, {"login": "bob"})
    accept(app_conn, "login", "bob")
    since = agreement(app_conn, "login", "ann")["updated_at"]
    forget(app_conn, "login", "ann")
    assert conn.execute("SELECT count(*) FROM bunker.agreement").fetchone() == (1,)
    assert agreement(app_conn, "token", ann) is None
    assert agreements(app_conn, "token", ann) == {}
    with pytest.raises(Exception, match="no such user"):
        accept(app_conn, "token", ann)
    kept = {event["app"]: event["message"] for event in events_of(conn, ann, "delete_user")}
    assert kept[NEWS] == f"removed an agreement: yes since {since}"
    assert kept["contract"].startswith("removed an agreement: no since ")
    assert [event["message"] for event in events_of(conn, ann, "accept_agreement")] == ["yes", "no"]
