"""Legal bases: the registry, and what its changes do to agreements."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from canary import word
from consent import ANN, NEWS, accept, agreements, sqlstate_of, status
from psycopg.types.json import Jsonb

from harness.blocking import await_blocked
from harness.crowd import all_at_once
from harness.events import trail, trail_text
from harness.vault import call, create, forget, rows

GROUNDS = ("consent", "contract", "legal-requirement", "vital-interest", "public-interest",
           "legitimate-interest")


def bases(connection) -> dict[str, dict]:
    """What is listed, by brief, in its order."""
    return {basis["brief"]: basis for basis, in rows(connection, "bunker_list_legal_bases")}


def set_basis(connection, brief: str = NEWS, **definition) -> bool:
    return call(connection, "bunker_set_legal_basis", brief, definition)


def delete(connection, brief: str = NEWS) -> bool:
    return call(connection, "bunker_delete_legal_basis", brief)


def test_a_basis_says_what_it_was_given_and_defaults_for_the_rest(dpo_conn, app_conn):
    assert set_basis(dpo_conn, shortdesc="News", basistype="consent", usercontrol=True) is True
    assert set_basis(dpo_conn, "contract-x") is True
    listed = bases(app_conn)
    assert list(listed) == ["contract-x", NEWS]
    basis = listed[NEWS]
    assert basis.pop("created_at") == basis.pop("updated_at") > "2020"
    assert basis == {"brief": NEWS, "module": "", "shortdesc": "News", "fulldesc": "",
                     "basistype": "consent", "requiredmsg": "", "usercontrol": True,
                     "requiredflag": False, "status": "active"}
    assert (listed["contract-x"]["usercontrol"], listed["contract-x"]["basistype"]) == (False, "")


def test_setting_it_again_changes_what_is_given_and_nothing_else(dpo_conn):
    set_basis(dpo_conn, shortdesc="News", fulldesc="All the news", usercontrol=True)
    before = bases(dpo_conn)[NEWS]
    assert set_basis(dpo_conn, shortdesc="Tidings", status="disabled") is False
    after = bases(dpo_conn)[NEWS]
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before | {"shortdesc": "Tidings", "status": "disabled"}
    assert set_basis(dpo_conn, fulldesc=None, usercontrol=None, status=None) is False
    taken_out = bases(dpo_conn)[NEWS]
    assert (taken_out["fulldesc"], taken_out["usercontrol"], taken_out["status"]) == (
        "", False, "active")


def test_a_definition_may_be_left_out(dpo_conn):
    assert dpo_conn.execute("SELECT bunker_set_legal_basis('news')").fetchone() == (True,)
    assert dpo_conn.execute("SELECT bunker_set_legal_basis('news', NULL)").fetchone() == (False,)


@pytest.mark.parametrize("ground", GROUNDS)
def test_every_ground_of_article_6_is_a_basistype(dpo_conn, ground):
    set_basis(dpo_conn, basistype=ground)
    assert bases(dpo_conn)[NEWS]["basistype"] == ground


SECRET = word()


@pytest.mark.parametrize("definition", [
    {"module": 1}, {"shortdesc": [SECRET]}, {"fulldesc": {SECRET: 1}}, {"requiredmsg": True},
    {"usercontrol": "true"}, {"usercontrol": 1}, {"requiredflag": SECRET}, {"basistype": SECRET},
    {"basistype": "Consent"}, {"status": SECRET}, {"status": "deleted"}, {"status": True},
    {SECRET: "x"}, {"brief": "other"}, {"created_at": "2020-01-01"}, {"Module": "x"},
    [], [SECRET], SECRET, 1, None, True, {"shortdesc": "good", SECRET: SECRET},
])
def test_a_definition_of_another_shape_changes_nothing(dpo_conn, raises, definition):
    set_basis(dpo_conn, shortdesc="News")
    before = bases(dpo_conn)
    for brief in (NEWS, "another"):
        with raises("22023", secrets=[SECRET]):
            call(dpo_conn, "bunker_set_legal_basis", brief, Jsonb(definition))
    assert bases(dpo_conn) == before


@pytest.mark.parametrize("brief", ["", "a", "A", "Newsletter", "1abc", "under_score", "news letter",
                                   "-news", "n" * 65, "né", "news\n", "news'--", SECRET.upper()])
def test_a_bad_brief_is_refused_everywhere(dpo_conn, raises, brief):
    calls = [("bunker_set_legal_basis", brief), ("bunker_delete_legal_basis", brief),
             ("bunker_revoke_agreements", brief), ("bunker_link_activity", "mailing", brief),
             ("bunker_accept_agreement", "email", "a@example.com", brief),
             ("bunker_withdraw_agreement", "email", "a@example.com", brief),
             ("bunker_get_agreement", "email", "a@example.com", brief)]
    for function, *arguments in calls:
        with raises("22023", secrets=[SECRET.upper()]):
            call(dpo_conn, function, *arguments)


def test_null_is_no_brief(dpo_conn, raises):
    for function in ("bunker_set_legal_basis", "bunker_delete_legal_basis", "bunker_revoke_agreements"):
        with raises("22023"):
            call(dpo_conn, function, None)


def test_texts_are_bounded_in_bytes(dpo_conn, raises):
    assert set_basis(dpo_conn, shortdesc="é" * 500, fulldesc="é" * 50_000) is True
    assert len(bases(dpo_conn)[NEWS]["fulldesc"]) == 50_000
    for name, text in [("shortdesc", "é" * 500 + "x"), ("module", "x" * 1001),
                       ("requiredmsg", "x" * 1001), ("fulldesc", "x" * 100_001),
                       ("fulldesc", SECRET * 100_000)]:
        with raises("54000", secrets=[SECRET]):
            set_basis(dpo_conn, **{name: text})
    deep = "[" * 200 + "]" * 200
    with raises("54000"):
        dpo_conn.execute("SELECT bunker_set_legal_basis('newsletter', %s::jsonb)",
                         [f'{{"module": {deep}}}'])


def test_any_text_comes_back_as_it_was(dpo_conn):
    odd = "Ω ≈ ç\u202e \U0001f36a \"quoted\" </script> \\ \t \u0001"
    set_basis(dpo_conn, fulldesc=odd)
    assert bases(dpo_conn)[NEWS]["fulldesc"] == odd


# Deleting -------------------------------------------------------------------------------------

def test_an_unused_basis_is_removed(dpo_conn):
    set_basis(dpo_conn)
    assert delete(dpo_conn) is True
    assert bases(dpo_conn) == {}
    assert delete(dpo_conn) is False
    assert delete(dpo_conn, "never-there") is False


def test_a_basis_in_use_is_kept_as_deleted_and_its_agreements_are_revoked(dpo_conn, app_conn, raises):
    set_basis(dpo_conn, shortdesc="News")
    create(app_conn, ANN)
    accept(app_conn, "login", "ann")
    accept(app_conn, "email", "nobody@example.com")
    assert delete(dpo_conn) is True
    assert bases(app_conn)[NEWS]["status"] == "deleted"
    assert bases(app_conn)[NEWS]["shortdesc"] == "News"
    assert status(app_conn, "login", "ann") == "revoked"
    assert status(app_conn, "email", "nobody@example.com") == "revoked"
    with raises("P0002"):
        accept(app_conn, "login", "ann")
    assert delete(dpo_conn) is False
    assert call(app_conn, "bunker_withdraw_agreement", "login", "ann", NEWS) is False
    assert status(app_conn, "login", "ann") == "revoked"


def test_a_deleted_basis_that_is_set_again_begins_anew(dpo_conn, app_conn):
    set_basis(dpo_conn, shortdesc="News", fulldesc="All")
    create(app_conn, ANN)
    accept(app_conn, "login", "ann")
    delete(dpo_conn)
    assert set_basis(dpo_conn, shortdesc="Tidings") is True
    basis = bases(dpo_conn)[NEWS]
    assert (basis["status"], basis["shortdesc"], basis["fulldesc"]) == ("active", "Tidings", "")
    assert status(app_conn, "login", "ann") == "revoked"
    assert accept(app_conn, "login", "ann") is True


def test_a_deleted_basis_goes_with_the_last_who_agreed(dpo_conn, app_conn):
    set_basis(dpo_conn)
    create(app_conn, ANN)
    accept(app_conn, "login", "ann")
    delete(dpo_conn)
    forget(app_conn, "login", "ann")
    assert bases(dpo_conn) == {}
    assert delete(dpo_conn) is False
    assert set_basis(dpo_conn) is True


def test_no_activity_rests_on_a_deleted_basis(dpo_conn):
    set_basis(dpo_conn)
    set_basis(dpo_conn, "contract")
    call(dpo_conn, "bunker_set_activity", "mailing")
    for brief in (NEWS, "contract"):
        call(dpo_conn, "bunker_link_activity", "mailing", brief)
    delete(dpo_conn)
    assert rows(dpo_conn, "bunker_list_activities")[0][0]["legal_bases"] == ["contract"]


def test_revoking_ends_what_is_in_force_and_says_how_many(dpo_conn, app_conn, raises):
    for brief in (NEWS, "contract"):
        set_basis(dpo_conn, brief)
    for name in ("ann", "bob", "cleo", "dan"):
        create(app_conn, {"login": name})
        accept(app_conn, "login", name, "contract")
    accept(app_conn, "login", "ann")
    accept(app_conn, "login", "bob", starttime="10 days")
    accept(app_conn, "login", "cleo", status="no")
    accept(app_conn, "email", "nobody@example.com")
    assert call(dpo_conn, "bunker_revoke_agreements", NEWS) == 3
    assert call(dpo_conn, "bunker_revoke_agreements", NEWS) == 0
    assert agreements(app_conn, "login", "ann") == {NEWS: "revoked", "contract": "yes"}
    assert status(app_conn, "login", "bob") == "revoked"
    assert status(app_conn, "login", "cleo") == "no"
    assert status(app_conn, "email", "nobody@example.com") == "revoked"
    assert bases(dpo_conn)[NEWS]["status"] == "active"
    assert accept(app_conn, "login", "ann") is True
    with raises("P0002"):
        call(dpo_conn, "bunker_revoke_agreements", "never-there")


def test_many_are_revoked_in_one_call(dpo_conn, app_conn, conn):
    set_basis(dpo_conn)
    app_conn.execute("SELECT bunker_accept_agreement('email', n || '@example.com', 'newsletter')"
                     "  FROM generate_series(1, 2500) n")
    assert call(dpo_conn, "bunker_revoke_agreements", NEWS) == 2500
    assert conn.execute("SELECT status, version, count(*) FROM bunker.agreement"
                        " GROUP BY 1, 2").fetchall() == [("revoked", 2, 2500)]
    assert status(app_conn, "email", "1700@example.com") == "revoked"


# The trail ------------------------------------------------------------------------------------

def test_every_change_is_an_event_that_says_what_changed_and_no_text(dpo_conn, app_conn, conn):
    text = word()
    set_basis(dpo_conn, shortdesc=text)
    set_basis(dpo_conn, shortdesc=text + "2", usercontrol=True)
    set_basis(dpo_conn, usercontrol=True)
    create(app_conn, ANN)
    accept(app_conn, "login", "ann")
    delete(dpo_conn)
    delete(dpo_conn)
    bases(app_conn)
    shown = [(event["action"], event["status"], event["app"], event["message"])
             for event in trail(dpo_conn)[::-1] if "bas" in event["action"]]
    assert shown == [
        ("set_legal_basis", "ok", NEWS, "new, active"),
        ("set_legal_basis", "ok", NEWS, "changed shortdesc, usercontrol"),
        ("set_legal_basis", "ok", NEWS, "nothing changed"),
        ("delete_legal_basis", "ok", NEWS, "deleted, 1 agreements revoked, 0 activities"),
        ("delete_legal_basis", "ok", NEWS, "nothing changed"),
        ("list_legal_bases", "ok", None, "1 legal bases"),
    ]
    revoked = [event for event in trail(dpo_conn) if event["action"] == "revoke_agreements"]
    assert [(event["app"], event["message"], event["token"] is not None) for event in revoked] == [
        (NEWS, "revoked", True)]
    assert text not in trail_text(conn)


@pytest.mark.parametrize(("statement", "action"), [
    ("UPDATE bunker.legal_basis SET definition = '{\"usercontrol\": true}'", "direct_update"),
    ("DELETE FROM bunker.legal_basis", "direct_delete"),
    ("TRUNCATE bunker.legal_basis", "direct_truncate"),
    ("INSERT INTO bunker.legal_basis VALUES ('x', 'active', '{}', now(), now())", "direct_insert"),
])
def test_a_change_past_the_functions_shows(conn, dpo_conn, statement, action):
    set_basis(dpo_conn)
    conn.execute("SET session_replication_role = replica")
    conn.execute(statement)
    assert trail(dpo_conn)[0]["action"] == action


# At the same time -----------------------------------------------------------------------------

def test_of_sixteen_who_add_it_one_is_told_that_it_is_new(cluster, db, conn):
    told = []
    outcomes = all_at_once(cluster, db, "test_dpo",
                           [lambda session: told.append(set_basis(session))] * 16)
    assert outcomes == {"ok": 16}
    assert sorted(told) == [False] * 15 + [True]


def test_deleting_waits_for_who_is_agreeing_and_revokes_that_too(conn, connect_as, dpo_conn, app_conn):
    set_basis(dpo_conn)
    create(app_conn, ANN)
    agreeing = connect_as("app", autocommit=False)
    accept(agreeing, "login", "ann")
    with ThreadPoolExecutor() as pool:
        deleting = pool.submit(delete, dpo_conn)
        await_blocked(conn, dpo_conn)
        agreeing.commit()
        assert deleting.result(20) is True
    assert status(app_conn, "login", "ann") == "revoked"


def test_who_agrees_holds_the_basis_more_than_by_its_key(conn, connect_as, dpo_conn, app_conn):
    """As who adds something to a user: FOR KEY SHARE would not notice a FOR UPDATE of the same moment."""
    set_basis(dpo_conn)
    create(app_conn, ANN)
    agreeing = connect_as("app", autocommit=False)
    accept(agreeing, "login", "ann")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        conn.execute("SELECT FROM bunker.legal_basis FOR NO KEY UPDATE NOWAIT")
    agreeing.commit()
    conn.execute("SELECT FROM bunker.legal_basis FOR NO KEY UPDATE NOWAIT")


def test_agreeing_waits_for_who_is_deleting_and_finds_it_gone(conn, connect_as, dpo_conn, app_conn):
    set_basis(dpo_conn)
    create(app_conn, ANN)
    deleting = connect_as("dpo", autocommit=False)
    assert delete(deleting) is True
    with ThreadPoolExecutor() as pool:
        agreeing = pool.submit(sqlstate_of, accept, app_conn, "login", "ann")
        await_blocked(conn, app_conn)
        deleting.commit()
        assert agreeing.result(20) == "P0002"
    assert agreements(app_conn, "login", "ann") == {}


def test_nothing_in_force_outlives_a_revocation_that_came_after_it(cluster, db, dpo_conn, conn):
    """Accepting and deleting at once, many times: no agreement to a deleted basis reads yes."""
    names = [f"{n}@example.com" for n in range(14)]
    for name in names[:7]:
        call(conn, "bunker_create_user", {"email": name})
    for _ in range(5):
        set_basis(dpo_conn)
        works = [lambda session, name=name: accept(session, "email", name) for name in names]
        works += [delete, lambda session: call(session, "bunker_revoke_agreements", NEWS)]
        outcomes = all_at_once(cluster, db, "postgres", works)
        assert set(outcomes) <= {"ok", "P0002"}, outcomes
        in_force = conn.execute("SELECT count(*) FROM bunker.agreement WHERE status = 'yes'").fetchone()
        assert in_force == (0,)
