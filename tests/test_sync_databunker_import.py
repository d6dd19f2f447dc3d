"""`bunker-sync import-databunker`: what a store of the Databunker server becomes in the vault."""

import json
import re
import stat
import time
import uuid
from datetime import datetime, timezone

from canary import word
from consent import agreement
from harness.databunker import APP_TABLE
from harness.sync import SKIPPED
from harness.vault import call, find, forget, rows
from stores import any_store, bring, counts, mysql_store, postgres_store, store  # noqa: F401

ODD = {"login": "o'brien\\", "name": "a\"b\n\t\u2028 \U0001f600 \x7f", "big": "x" * 1_000_000,
       "nested": {"list": [1, None, True, {"ü": "ß"}]}}


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def profile(conn, token: str):
    return call(conn, "bunker_get_user", uuid.UUID(token))


# All of it -------------------------------------------------------------------------------------------

def test_users_and_app_data_arrive_under_their_tokens(conn, any_store, bring):
    ann = any_store.user({"email": " Ann+x@Example.org ", "phone": "020 7946 0000", "login": "Ann",
                          "custom": 42, "first": "Ann"})
    odd = any_store.user(ODD)
    exact = any_store.user('{"custom": "n", "n": 12345678901234567890.123, "n": 0.10}')
    any_store.app_data(ann, "shop", {"cart": [1, 2]})
    any_store.create_table("app_crm", APP_TABLE)
    any_store.app_data(odd, "crm", {"since": 2020, "text": "it's"}, own_table=True)

    done = bring(any_store)

    assert done.tables["users"] == counts(3, 3, 0, 0, 0, 0)
    assert done.tables["userapps"]["created"] == done.tables["app_crm"]["created"] == 1
    assert profile(conn, ann)["first"] == "Ann" and profile(conn, odd) == ODD
    text = conn.execute("SELECT bunker_get_user(%s)::text", [exact]).fetchone()[0]
    assert json.loads(text, parse_float=str) == {"custom": "n", "n": "0.10"}
    for kind, value in (("email", "ann+x@example.org"), ("phone", "+442079460000"),
                        ("login", "ann"), ("custom", "42")):
        assert str(find(conn, kind, value)) == ann
    assert call(conn, "bunker_get_app", "token", ann, "shop") == {"cart": [1, 2]}
    assert call(conn, "bunker_get_app", "token", odd, "crm") == {"since": 2020, "text": "it's"}


def test_consent_arrives_with_its_times(conn, any_store, bring):
    any_store.legal_basis("newsletter", fulldesc="We write.\nOften.", usercontrol=True)
    any_store.legal_basis("terms", status="disabled", basistype="contract", usercontrol=False,
                          requiredflag=True, requiredmsg="needed")
    any_store.insert("processingactivities", activity="mailing", title="Mailing",
                     legalbasis="newsletter,terms", creationtime=1_600_000_000)
    ann = any_store.user({"login": "ann"})
    any_store.agreement("newsletter", ann, referencecode="ref-7", lastmodifiedby="Zoë",
                        endtime=2_000_000_000, starttime=1_600_000_150)
    any_store.agreement("terms", ann, status="no")
    # The server takes the plus sign of an address for a space.
    any_store.agreement("newsletter", mode="email", who="plus tag@x.org", agreementmethod="web")

    assert bring(any_store).tables["agreements"]["created"] == 3

    bases = {row[0]["brief"]: row[0] for row in rows(conn, "bunker_list_legal_bases")}
    assert bases["newsletter"]["fulldesc"] == "We write.\nOften."
    assert bases["newsletter"]["usercontrol"] is True and bases["newsletter"]["status"] == "active"
    assert bases["terms"]["status"] == "disabled" and bases["terms"]["requiredflag"] is True
    assert when(bases["terms"]["created_at"]) == moment(1_600_000_000)
    [[activity]] = rows(conn, "bunker_list_activities")
    assert activity["title"] == "Mailing" and activity["legal_bases"] == ["newsletter", "terms"]
    found = agreement(conn, "token", ann)
    assert (found["status"], found["referencecode"], found["lastmodifiedby"]) == ("yes", "ref-7", "Zoë")
    assert when(found["created_at"]) == moment(1_600_000_100)
    assert when(found["updated_at"]) == moment(1_600_000_200)
    assert when(found["expiration"]) == moment(2_000_000_000)
    assert agreement(conn, "token", ann, "terms")["status"] == "no"
    plus = call(conn, "bunker_create_user", {"email": "Plus+Tag@x.org"})
    assert agreement(conn, "token", plus)["agreementmethod"] == "web"


def test_what_lives_arrives_and_what_has_ended_does_not(cluster, conn, any_store, bring):
    ann = any_store.user({"login": "ann", "city": "Bath"})
    any_store.app_data(ann, "shop", {"cart": 1})
    session = any_store.session(ann, {"ip": "::1"}, 600)
    ended = any_store.session(ann, {"ip": "::2"}, -1)
    share = any_store.share(ann, 600, fields="city,login", partner="P & Co")
    of_app = any_store.share(ann, 600, app="shop")
    of_session = any_store.share(ann, 600, session=session, fields="ip")
    any_store.share(ann, -5)

    done = bring(any_store)

    assert done.tables["sessions"] == counts(2, 1, 0, 1, 0, 0)
    assert done.tables["sharedrecords"] == counts(4, 3, 0, 1, 0, 0)
    assert call(conn, "bunker_get_session", uuid.UUID(session)) == {"ip": "::1"}
    assert call(conn, "bunker_get_session", uuid.UUID(ended)) is None
    shared = [call(conn, "bunker_get_shared", uuid.UUID(it)) for it in (share, of_app, of_session)]
    assert shared == [{"city": "Bath", "login": "ann"}, {"cart": 1}, {"ip": "::1"}]


def test_requests_arrive_open_and_decided(conn, any_store, bring):
    any_store.legal_basis("newsletter")
    ann = any_store.user({"login": "ann", "city": "Bath"})
    any_store.agreement("newsletter", ann)
    change = any_store.request(ann, "change-profile", {"city": "York"})
    any_store.request(ann, "agreement-withdraw", brief="newsletter", status="canceled",
                      reason="not yet", when=1_600_000_900)
    any_store.request(ann, "forget-me", status="approved")

    assert bring(any_store).tables["requests"]["created"] == 3

    found = {row[2]: row for row in rows(conn, "bunker_user_requests", "token", ann)}
    assert str(found["change-profile"][0]) == change and found["change-profile"][4] == "open"
    withdrawal = found["agreement-withdraw"]
    assert withdrawal[3:5] == ("newsletter", "cancelled") and withdrawal[6] == "not yet"
    assert withdrawal[5] == moment(1_600_000_300)
    assert found["forget-me"][4] == "approved"
    call(conn, "bunker_approve_request", uuid.UUID(change))
    assert profile(conn, ann)["city"] == "York"


def test_the_trail_says_what_happened_and_to_whom_and_nothing_else(conn, any_store, bring):
    secret = word()
    any_store.legal_basis("newsletter")
    ann = any_store.user({"login": "ann"})
    seen = any_store.event("get user record by email", record=ann, who=f"{secret}@x.org", mode="email",
                           before="x", after="y", identity=secret, msg=secret, debug=secret)
    any_store.event("accept agreement for newsletter", record=f"{secret}@x.org", mode="email")
    any_store.event(f"get user record by {secret}", record=secret, mode=secret, status="error",
                    app=secret + "!")
    any_store.event(f"accept agreement for {secret}", record=ann)
    any_store.event(secret, mode="token", app="shop")

    assert bring(any_store).tables["audit"]["created"] == 5

    told = [(row[6], row[7], row[9]) for row in rows(conn, "bunker_audit_all", None, 1000)
            if row[3] == "import_rows" and (row[9] or "").startswith("databunker ")]
    assert len(told) == 5 and secret not in str(told)
    message = f"get user record by email, mode email, ok, event {seen}"
    assert [token for token, _, text in told if message in text] == [uuid.UUID(ann)]
    assert "2020-09-13T12:33:20" in str(told)
    assert any("accept agreement for newsletter" in text for _, _, text in told)
    assert any("an event of another title, mode token" in text and app == "shop"
               for _, app, text in told)


# What cannot be brought --------------------------------------------------------------------------------

def test_each_row_that_is_left_out_is_told_and_counted(cluster, conn, store, bring, tmp_path):
    secret = word()
    store.legal_basis("newsletter")
    ann = store.user({"email": "ann@x.org", "name": secret})
    store.user({"email": "ANN@X.org", "name": secret}, token=(twin := str(uuid.uuid4())))
    store.user({"email": f"not an address {secret}"})
    store.user({"login": f"{secret}\0"})
    store.user(f"[{secret}")
    store.user({"login": secret}, token=f"no-uuid-{secret}")
    damaged = store.user({"login": "damaged", "name": secret})
    store.execute("UPDATE users SET data = 'AAAA' WHERE token = ?", damaged)
    gone = store.forgotten()
    store.agreement("newsletter", gone)
    store.agreement("newsletter", str(uuid.uuid4()))
    store.agreement("missing", ann)
    store.agreement("newsletter", mode="email", who="lost@x.org")
    store.execute("UPDATE agreements SET who = 'admin' WHERE mode = 'email'")
    store.app_data(twin, "shop", {"name": secret})
    store.session(ann, {"name": secret}, 600)
    store.execute("UPDATE sessions SET session = 'x'")
    store.insert("sessions", token="", session=str(uuid.uuid4()), endtime=int(time.time()) + 600)
    store.request(ann, "plugin-delete")
    report = cluster.root / f"{store.key.hex[:8]}.jsonl"

    done = bring(store, "--report", report, check=SKIPPED)

    assert done.tables == {
        "legalbasis": counts(1, 1, 0, 0, 0, 0),
        "processingactivities": counts(0, 0, 0, 0, 0, 0),
        "users": counts(8, 1, 0, 1, 3, 3),
        "userapps": counts(1, 0, 0, 0, 0, 1),
        "sessions": counts(2, 0, 0, 0, 2, 0),
        "sharedrecords": counts(0, 0, 0, 0, 0, 0),
        "agreements": counts(4, 0, 0, 0, 3, 1),
        "requests": counts(1, 0, 0, 0, 0, 1),
        "audit": counts(0, 0, 0, 0, 0, 0),
    }
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    told = [line for line in done.stderr.splitlines() if re.match("skipped:|failed:", line)]
    assert len(lines) == 15 and len(told) == 14
    assert {line["outcome"] for line in lines} == {"skipped", "failed", "ended"}
    assert [line["sqlstate"] for line in lines if line["name"] == twin] == ["23505"]
    assert any(twin in line and "23505" in line for line in told)
    assert "14 rows were skipped" in done.stderr
    for text in (done.stdout, done.stderr, report.read_text(), str(rows(conn, "bunker_audit_all"))):
        assert secret not in text
    assert profile(conn, ann)["name"] == secret
    report.unlink()


def test_what_goes_missing_of_a_row_is_told(store, bring):
    store.insert("processingactivities", activity="mailing", legalbasis="gone", creationtime=1)
    store.user({"login": "ann"}, expstatus="wait", exptoken=str(uuid.uuid4()),
               endtime=int(time.time()) + 86_400)

    done = bring(store, check=SKIPPED)

    assert done.tables["processingactivities"]["created"] == done.tables["users"]["created"] == 1
    assert "bunker_start_expiration" in done.stderr and "legal bases" in done.stderr


def test_what_is_preserved_of_the_forgotten_makes_no_user(conn, any_store, bring):
    any_store.user({"login": "ann", "email": "ann@x.org"})
    any_store.user({"email": "gone@x.org", "custom": "C-1"}, emailidx=None, customidx=None)
    assert bring(any_store).tables["users"] == counts(2, 1, 0, 1, 0, 0)
    assert find(conn, "email", "gone@x.org") is None


def test_a_fact_about_a_session_is_not_told_of_a_user(conn, store, bring):
    ann, session = store.user({"login": "ann"}), str(uuid.uuid4())
    for title, mode, record in [("delete session", "session", session), ("get session", "session", ann),
                                ("get user record by token", "token", ann)]:
        store.event(title, record, mode=mode, when=0)
    for outcome in ("created", "present"):
        assert bring(store).tables["audit"][outcome] == 3
    told = conn.execute("SELECT message, token FROM bunker_audit_all() WHERE message LIKE '%session%'"
                        " AND action = 'import_rows' ORDER BY message").fetchall()
    assert [(("delete" in message), token and str(token)) for message, token in told] == [
        (True, None), (False, ann)]


def test_a_user_who_was_forgotten_here_does_not_come_back(conn, store, bring):
    ann = store.user({"login": "ann"})
    bring(store)
    forget(conn, "login", "ann")
    done = bring(store, check=SKIPPED)
    assert done.tables["users"]["failed"] == 1 and profile(conn, ann) is None


def test_text_that_is_not_utf8_is_left_out(store, bring):
    store.insert("processingactivities", activity="mailing", title=b"\xff", creationtime=1)
    assert bring(store, check=SKIPPED).tables["processingactivities"]["skipped"] == 1
