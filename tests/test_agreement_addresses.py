"""Agreements by e-mail or telephone before there is a user, and how they join him."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from consent import (
    ANN,
    NEWS,
    accept,
    agreement,
    agreements,
    sqlstate_of,
    status,
    stored,
    withdraw,
)

from harness.blocking import await_blocked
from harness.crowd import all_at_once
from harness.events import events_of
from harness.outbox import happened
from harness.vault import call, create, find, forget, update

ADDRESS = "ann@example.com"


@pytest.fixture(autouse=True)
def bases(dpo_conn):
    for brief in (NEWS, "contract"):
        call(dpo_conn, "bunker_set_legal_basis", brief, {"usercontrol": True})


def test_an_address_of_nobody_is_kept_under_its_digest(app_conn, conn, cluster):
    assert accept(app_conn, "email", " Ann@EXAMPLE.com ", referencecode="ref-1") is True
    assert accept(app_conn, "email", ADDRESS) is False
    assert accept(app_conn, "phone", "+44 20 7946 0001", "contract") is True
    assert agreement(app_conn, "email", ADDRESS)["referencecode"] == "ref-1"
    assert agreements(app_conn, "phone", "020 7946 0001") == {"contract": "yes"}
    assert stored(conn) == [(None, "contract", "yes"), (None, NEWS, "yes")]
    assert cluster.files_holding(b"ref-1") == []
    assert find(app_conn, "email", ADDRESS) is None


def test_an_address_of_nobody_can_be_withdrawn(app_conn, raises):
    accept(app_conn, "email", ADDRESS)
    assert withdraw(app_conn, "email", ADDRESS) is True
    assert withdraw(app_conn, "email", ADDRESS) is False
    create(app_conn, ANN)
    assert status(app_conn, "login", "ann") == "no"
    with raises("P0002", secrets=["nobody@"]):
        withdraw(app_conn, "email", "nobody@example.com")


def test_it_joins_the_user_when_he_is_created(app_conn):
    accept(app_conn, "email", ADDRESS, referencecode="ref-1")
    accept(app_conn, "phone", ANN["phone"], "contract")
    token = create(app_conn, ANN)
    for kind, value in [*ANN.items(), ("token", token)]:
        assert agreements(app_conn, kind, value) == {NEWS: "yes", "contract": "yes"}
    assert agreement(app_conn, "login", "ann")["referencecode"] == "ref-1"


def test_it_joins_a_user_who_takes_the_address_later(app_conn):
    accept(app_conn, "email", ADDRESS)
    create(app_conn, {"login": "bob"})
    assert agreements(app_conn, "login", "bob") == {}
    update(app_conn, "login", "bob", {"email": ADDRESS})
    assert agreements(app_conn, "login", "bob") == {NEWS: "yes"}


def test_of_email_and_phone_and_his_own_the_newest_counts(app_conn, conn):
    accept(app_conn, "email", ADDRESS, status="yes")
    accept(app_conn, "phone", ANN["phone"], status="no")
    token = create(app_conn, ANN)
    assert status(app_conn, "login", "ann") == "no"
    assert accept(app_conn, "login", "ann", referencecode="mine") is True
    assert stored(conn) == [(token, NEWS, "yes")]
    assert agreement(app_conn, "login", "ann")["referencecode"] == "mine"


def test_a_change_takes_the_whole_of_it_along(app_conn, conn):
    accept(app_conn, "email", ADDRESS, referencecode="ref-1", expiration="30 days")
    before = agreement(app_conn, "email", ADDRESS)
    token = create(app_conn, ANN)
    assert withdraw(app_conn, "login", "ann") is True
    after = agreement(app_conn, "login", "ann")
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before | {"status": "no"}
    assert stored(conn) == [(token, NEWS, "no")]


def test_what_was_given_up_stays_with_who_had_it(app_conn, conn):
    accept(app_conn, "email", ADDRESS, referencecode="ref-1")
    accept(app_conn, "email", ADDRESS, "contract")
    token = create(app_conn, ANN)
    update(app_conn, "login", "ann", {"email": "ann@example.org"})
    assert stored(conn) == [(token, "contract", "yes"), (token, NEWS, "yes")]
    assert agreement(app_conn, "login", "ann")["referencecode"] == "ref-1"
    assert agreements(app_conn, "email", ADDRESS) == {}
    create(app_conn, {"login": "bob", "email": ADDRESS})
    assert agreements(app_conn, "login", "bob") == {}
    accept(app_conn, "login", "bob", status="no")
    assert (status(app_conn, "login", "ann"), status(app_conn, "login", "bob")) == ("yes", "no")


def test_giving_up_an_address_does_not_bring_an_older_status_back(app_conn, conn):
    accept(app_conn, "phone", ANN["phone"])
    token = create(app_conn, ANN)
    conn.execute("CREATE TABLE pending AS SELECT * FROM bunker.agreement")
    withdraw(app_conn, "login", "ann")
    # As if it had come from a transaction that nobody saw then.
    conn.execute("INSERT INTO bunker.agreement (owner, kind, brief, version, status, created_at,"
                 " updated_at, starts_at, expires_at, sealed) SELECT owner, kind, brief, version,"
                 " status, created_at, updated_at, starts_at, expires_at, sealed FROM pending")
    assert status(app_conn, "login", "ann") == "no"
    update(app_conn, "login", "ann", {"phone": None})
    assert stored(conn) == [(token, NEWS, "no")]
    assert status(app_conn, "login", "ann") == "no"


def test_digests_made_anew_leave_him_what_stood_under_the_old_ones(conn, app_conn):
    """As after a change of the normaliser: the same text is another number now."""
    accept(app_conn, "phone", "+44 1632 960001", referencecode="ref-1")
    token = create(app_conn, {"login": "ann", "phone": "01632 960001"})
    assert status(app_conn, "login", "ann") == "yes"
    conn.execute("SET databunker.default_region = 'DE'")
    assert call(conn, "bunker_reindex_lookup", "phone") == 1
    assert find(app_conn, "phone", "+49 1632 960001") == token
    assert stored(conn) == [(token, NEWS, "yes")]
    assert agreement(app_conn, "login", "ann")["referencecode"] == "ref-1"


def test_the_join_is_an_event_of_the_user(app_conn, conn):
    accept(app_conn, "email", ADDRESS)
    token = create(app_conn, ANN)
    update(app_conn, "login", "ann", {"email": "ann@example.org"})
    joined = events_of(conn, token, "join_agreement")
    assert [(event["app"], event["message"]) for event in joined] == [
        (NEWS, "joined one by address: yes")]
    withdraw(app_conn, "login", "ann")
    assert len(events_of(conn, token, "join_agreement")) == 1
    assert len(events_of(conn, token, "update_user")) == 1


@pytest.mark.parametrize("end", ["bunker_revoke_agreements", "bunker_delete_legal_basis"])
def test_the_end_of_one_that_has_not_joined_yet_is_told_of_its_user(app_conn, dpo_conn, conn, end):
    accept(app_conn, "email", ADDRESS)
    accept(app_conn, "email", "nobody@example.com")
    token = create(app_conn, ANN)
    before = happened(dpo_conn)
    assert call(dpo_conn, end, NEWS) in (2, True)
    assert status(app_conn, "login", "ann") == "revoked"
    assert happened(dpo_conn)[len(before):] == [("consent_changed", token)]
    (event,) = events_of(conn, token, "revoke_agreements")
    assert (event["app"], event["message"]) == (NEWS, "revoked")
    others = conn.execute("SELECT count(*) FROM bunker.audit"
                          " WHERE action = 'revoke_agreements' AND token IS NULL").fetchone()
    assert others == (1,)


def test_the_expiry_of_one_that_has_not_joined_yet_is_told_of_its_user(app_conn, dpo_conn, conn):
    accept(app_conn, "email", ADDRESS, expiration="300 milliseconds")
    token = create(app_conn, ANN)
    conn.execute("SELECT pg_sleep(0.4)")
    call(dpo_conn, "bunker_maintain")
    assert ("consent_changed", token) in happened(dpo_conn)
    (event,) = events_of(conn, token, "expire_agreement")
    assert (event["app"], event["message"]) == (NEWS, "expired")


def test_an_address_that_brings_agreements_changes_consent(app_conn, dpo_conn):
    token = create(app_conn, {"login": "ann"})
    accept(app_conn, "email", ADDRESS)
    before = happened(dpo_conn)
    update(app_conn, "login", "ann", {"email": ADDRESS})
    update(app_conn, "login", "ann", {"phone": ANN["phone"]})
    assert sorted(happened(dpo_conn)[len(before):]) == [
        ("consent_changed", token), ("user_changed", token), ("user_changed", token)]


def test_forgetting_takes_what_stands_under_his_addresses(app_conn, conn):
    accept(app_conn, "email", ADDRESS)
    accept(app_conn, "phone", ANN["phone"], "contract")
    token = create(app_conn, ANN)
    forget(app_conn, "login", "ann")
    assert stored(conn) == []
    kept = {event["app"] for event in events_of(conn, token, "delete_user")}
    assert kept == {None, NEWS, "contract"}
    create(app_conn, ANN)
    assert agreements(app_conn, "login", "ann") == {}


def test_a_damaged_user_is_forgotten_with_them(app_conn, conn):
    accept(app_conn, "email", ADDRESS)
    create(app_conn, ANN)
    accept(app_conn, "login", "ann", "contract")
    conn.execute("UPDATE bunker.record SET sealed = sealed || '\\x00'")
    assert forget(app_conn, "login", "ann") is True
    assert stored(conn) == []


def test_a_damaged_one_keeps_nobody_from_changing_his_address(app_conn, conn, raises):
    accept(app_conn, "email", ADDRESS)
    accept(app_conn, "email", ADDRESS, "contract")
    create(app_conn, ANN)
    conn.execute("UPDATE bunker.agreement SET status = 'no' WHERE brief = 'newsletter'")
    assert update(app_conn, "login", "ann", {"email": "ann@example.org"}) == 2
    assert status(app_conn, "login", "ann", "contract") == "yes"
    with raises("XX001"):
        status(app_conn, "login", "ann")


# At the same time -----------------------------------------------------------------------------

def test_agreeing_while_he_is_created_is_neither_lost_nor_doubled(cluster, db, app_conn, conn):
    for round_ in range(10):
        address = f"p{round_}@example.com"
        works = [lambda session: accept(session, "email", address)] * 12
        works += [lambda session, n=n: accept(session, "email", address, "contract", status="no")
                  for n in range(3)]
        works.append(lambda session: create(session, {"email": address}))
        assert all_at_once(cluster, db, "test_app", works) == {"ok": 16}
        token = find(app_conn, "email", address)
        assert agreements(app_conn, "token", token) == {NEWS: "yes", "contract": "no"}
        for brief in (NEWS, "contract"):
            withdraw(app_conn, "token", token, brief)
        assert agreements(app_conn, "token", token) == {NEWS: "no", "contract": "no"}
    # What was pending has joined: withdrawing left one row for each.
    assert len(stored(conn)) == 20
    assert all(token for token, *_ in stored(conn))


def test_of_sixteen_who_agree_at_once_one_is_told_that_it_is_new(cluster, db, app_conn):
    create(app_conn, ANN)
    for kind, value in (("login", "ann"), ("email", "nobody@example.com")):
        told = []
        outcomes = all_at_once(cluster, db, "test_app",
                               [lambda session: told.append(accept(session, kind, value))] * 16)
        assert outcomes == {"ok": 16}
        assert sorted(told) == [False] * 15 + [True]


def test_no_change_of_two_at_once_is_lost(cluster, db, app_conn):
    """Each sets a member of its own: all are there in the end."""
    create(app_conn, ANN)
    names = ("agreementmethod", "referencecode", "lastmodifiedby")
    for _ in range(10):
        works = [lambda session, name=name: accept(session, "login", "ann", **{name: "x"})
                 for name in names]
        assert all_at_once(cluster, db, "test_app", works) == {"ok": 3}
        found = agreement(app_conn, "login", "ann")
        assert [found[name] for name in names] == ["x"] * 3
        accept(app_conn, "login", "ann", **dict.fromkeys(names))


def test_agreeing_waits_for_who_forgets_him(conn, connect_as, app_conn):
    token = create(app_conn, ANN)
    forgetting = connect_as("app", autocommit=False)
    forget(forgetting, "login", "ann")
    with ThreadPoolExecutor() as pool:
        agreeing = pool.submit(sqlstate_of, accept, app_conn, "token", token)
        await_blocked(conn, app_conn)
        forgetting.commit()
        assert agreeing.result(20) == "P0002"
    assert stored(conn) == []


def test_forgetting_waits_for_who_agrees(conn, connect_as, app_conn):
    create(app_conn, ANN)
    agreeing = connect_as("app", autocommit=False)
    accept(agreeing, "login", "ann")
    with ThreadPoolExecutor() as pool:
        forgetting = pool.submit(forget, app_conn, "login", "ann")
        await_blocked(conn, app_conn)
        agreeing.commit()
        assert forgetting.result(20) is True
    assert stored(conn) == []


def test_who_forgets_in_the_past_leaves_nothing_of_the_present(connect_as, app_conn, conn):
    create(app_conn, ANN)
    forgetting = connect_as("app", autocommit=False)
    forgetting.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    find(forgetting, "login", "ann")
    accept(app_conn, "login", "ann")
    assert sqlstate_of(forget, forgetting, "login", "ann") == "40001"
    forgetting.rollback()
    assert forget(forgetting, "login", "ann") is True
    forgetting.commit()
    assert stored(conn) == []


@pytest.mark.parametrize("function", ["bunker_revoke_agreements", "bunker_delete_legal_basis"])
def test_nobody_revokes_in_the_past(connect_as, app_conn, dpo_conn, function):
    create(app_conn, ANN)
    revoking = connect_as("dpo", autocommit=False)
    revoking.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    call(revoking, "bunker_list_legal_bases")
    accept(app_conn, "login", "ann")
    assert sqlstate_of(call, revoking, function, NEWS) == "25001"
    assert status(app_conn, "login", "ann") == "yes"


def test_everything_at_once_ends_in_a_state_that_makes_sense(cluster, db, conn, app_conn):
    """Creating, agreeing, moving away, forgetting and revoking: no deadlock that is not resolved, no
    row of a user who is none."""
    start = Barrier(4)

    def busy(seed: int) -> set[str]:
        seen = set()
        with cluster.connect(db, "postgres") as session:
            start.wait(30)
            for n in range(25):
                address = f"q{(n + seed) % 3}@example.com"
                for work in ((create, {"email": address}),
                             (accept, "email", address),
                             (accept, "email", address, "contract"),
                             (update, "email", address, {"email": f"m{seed}-{n}@example.com"}),
                             (accept, "email", f"m{seed}-{n}@example.com"),
                             (call, "bunker_revoke_agreements", NEWS),
                             (forget, "email", f"m{seed}-{n}@example.com")):
                    seen.add(sqlstate_of(work[0], session, *work[1:]))
        return seen

    with ThreadPoolExecutor(4) as pool:
        seen = set().union(*pool.map(busy, range(4)))
    assert seen <= {None, "23505", "P0002", "40P01"}, seen
    ownerless = conn.execute(
        "SELECT count(*) FROM bunker.agreement AS a LEFT JOIN bunker.record AS r USING (token)"
        " WHERE a.kind = 0 AND (r.token IS NULL OR r.forgotten_at IS NOT NULL)").fetchone()
    assert ownerless == (0,)
    for n in range(3):
        assert set(agreements(app_conn, "email", f"q{n}@example.com").values()) <= {"yes", "revoked"}
