"""Agreements: who may touch them, what tampering shows, and where nothing of them is left."""

import json

import psycopg
import pytest
from canary import fields_showing, word
from consent import (
    ANN,
    NEWS,
    accept,
    agreement,
    agreements,
    sqlstate_of,
    status,
    withdraw,
)
from psycopg import sql

from harness.events import trail, trail_text
from harness.identity import authenticate, log_in
from harness.vault import call, create, rows

BOB = {"login": "bob", "email": "bob@example.com"}


@pytest.fixture(autouse=True)
def bases(dpo_conn):
    """One basis leaves its withdrawal to the user, the other does not."""
    call(dpo_conn, "bunker_set_legal_basis", NEWS, {"usercontrol": True, "requiredflag": True})
    call(dpo_conn, "bunker_set_legal_basis", "contract", {})


@pytest.fixture
def people(app_conn):
    """The tokens of two users who have agreed to both."""
    tokens = [create(app_conn, profile) for profile in (ANN, BOB)]
    for token in tokens:
        for brief in (NEWS, "contract"):
            accept(app_conn, "token", token, brief, referencecode=f"ref-{brief}")
    return tokens


# A user who has logged in ---------------------------------------------------------------------

@pytest.fixture
def ann(app_conn, people):
    """Ann's access token."""
    return log_in(app_conn, "ann")


def test_a_user_sees_his_own_and_the_legal_bases(app_conn, people, ann):
    with app_conn.transaction():
        authenticate(app_conn, ann)
        assert agreements(app_conn, "login", "ann") == {NEWS: "yes", "contract": "yes"}
        assert agreement(app_conn, "token", people[0])["referencecode"] == "ref-newsletter"
        assert len(rows(app_conn, "bunker_list_legal_bases")) == 2


@pytest.mark.parametrize(("kind", "value"), [
    ("login", "bob"), ("email", "bob@example.com"), ("login", "nobody"),
    ("email", "nobody@example.com"), ("phone", "+442079460002"),
    ("token", "00000000-0000-4000-8000-000000000000")])
def test_what_is_somebody_elses_or_nobodys_he_is_told_nothing_about(
        app_conn, conn, people, ann, raises, kind, value):
    before = conn.execute("SELECT * FROM bunker.agreement ORDER BY owner, brief").fetchall()
    for function in (accept, withdraw, agreement, agreements):
        with raises("42501", secrets=[value]) as caught, app_conn.transaction():
            authenticate(app_conn, ann)
            function(app_conn, kind, value)
        assert caught.error.diag.message_primary == "the access token does not allow this"
    assert conn.execute("SELECT * FROM bunker.agreement ORDER BY owner, brief").fetchall() == before


def test_he_gives_and_withdraws_what_is_left_to_him(app_conn, ann):
    with app_conn.transaction():
        authenticate(app_conn, ann)
        assert withdraw(app_conn, "email", "ann@example.com") is True
        assert status(app_conn, "login", "ann") == "no"
        assert accept(app_conn, "login", "ann", expiration="1 day") is True
        assert accept(app_conn, "login", "ann", status="no") is True


@pytest.mark.parametrize("options", [
    {"status": "no"}, {"status": False}, {"expiration": "1 second"}, {"starttime": "90 years"},
    {"expiration": None}])
def test_what_is_not_left_to_him_he_does_not_end_by_any_way(app_conn, ann, raises, options):
    with raises("42501"), app_conn.transaction():
        authenticate(app_conn, ann)
        accept(app_conn, "login", "ann", "contract", **options)
    assert status(app_conn, "login", "ann", "contract") == "yes"
    with app_conn.transaction():
        authenticate(app_conn, ann)
        assert accept(app_conn, "login", "ann", "contract", referencecode="mine") is False


@pytest.mark.parametrize("call_", [
    ("bunker_set_legal_basis", NEWS, {"usercontrol": True}), ("bunker_delete_legal_basis", NEWS),
    ("bunker_revoke_agreements", NEWS), ("bunker_set_activity", "mailing", {}),
    ("bunker_delete_activity", "mailing"), ("bunker_link_activity", "mailing", NEWS),
    ("bunker_unlink_activity", "mailing", NEWS)])
def test_the_registries_are_not_his_and_no_applications_either(conn, app_conn, ann, admin_conn, raises,
                                                              call_):
    shop = call(admin_conn, "bunker_create_access_token", "shop", "bunker_app")
    # A database role that may do everything, narrowed by whom it acts as.
    for token in (ann, shop):
        with raises("42501"), conn.transaction():
            authenticate(conn, token)
            call(conn, *call_)


# Tampering ------------------------------------------------------------------------------------

ALTERED = {
    "status": "'no'", "version": "version + 1", "created_at": "created_at - interval '1 day'",
    "updated_at": "updated_at + interval '1 us'", "starts_at": "now()",
    "expires_at": "'2090-01-01'", "brief": "'contract'", "kind": "1",
    "sealed": "set_byte(sealed, 120, get_byte(sealed, 120) # 1)",
}


@pytest.mark.parametrize("column", ALTERED)
def test_an_altered_row_is_refused(conn, app_conn, raises, column):
    token = create(app_conn, ANN)
    accept(app_conn, "login", "ann", status="yes", referencecode="r")
    conn.execute(sql.SQL("UPDATE bunker.agreement SET {} = {}").format(
        sql.Identifier(column), sql.SQL(ALTERED[column])))
    brief = "contract" if column == "brief" else NEWS
    if column == "kind":  # it is under some address now: hers, to make it the worst case
        conn.execute("UPDATE bunker.agreement SET owner = (SELECT encode(l.digest, 'hex')::uuid"
                     " FROM bunker.lookup AS l WHERE l.kind = 1)")
    for read in (agreement, agreements, accept, withdraw):
        arguments = () if read is agreements else (brief,)
        with raises("XX001"):
            read(app_conn, "token", token, *arguments)
    assert trail(conn)[0]["status"] == "failed"


def test_a_revoked_agreement_does_not_come_back_to_life(conn, app_conn, dpo_conn, people, raises):
    conn.execute("CREATE TABLE old AS SELECT * FROM bunker.agreement WHERE token = %s", [people[0]])
    call(dpo_conn, "bunker_revoke_agreements", NEWS)
    conn.execute("UPDATE bunker.agreement AS a SET sealed = old.sealed, status = old.status"
                 "  FROM old WHERE (a.owner, a.kind, a.brief) = (old.owner, old.kind, old.brief)"
                 "   AND a.brief = 'newsletter'")
    with raises("XX001"):
        status(app_conn, "login", "ann")


@pytest.mark.parametrize(("what", "where"), [
    ("of another user", "b.brief = a.brief AND b.owner <> a.owner"),
    ("to another basis", "b.brief <> a.brief AND b.owner = a.owner")])
def test_sealed_bytes_of_another_row_are_refused(conn, app_conn, people, raises, what, where):
    conn.execute("UPDATE bunker.agreement AS a SET sealed = b.sealed, created_at = b.created_at,"
                 f" updated_at = b.updated_at FROM bunker.agreement AS b WHERE {where}")
    with raises("XX001"):
        status(app_conn, "login", "ann")


def test_revoking_and_ending_are_not_stopped_by_a_damaged_row(conn, app_conn, dpo_conn, people, raises):
    conn.execute("UPDATE bunker.agreement SET sealed = '\\x00' WHERE token = %s", [people[0]])
    assert call(dpo_conn, "bunker_revoke_agreements", NEWS) == 2
    assert status(app_conn, "login", "bob") == "revoked"
    with raises("XX001"):
        status(app_conn, "login", "ann")


def test_a_change_past_the_functions_shows_with_user_and_brief(conn, people):
    conn.execute("SET session_replication_role = replica")
    conn.execute("UPDATE bunker.agreement SET status = 'no' WHERE token = %s AND brief = 'newsletter'",
                 [people[0]])
    event = trail(conn)[0]
    assert (event["action"], event["token"], event["app"]) == ("direct_update", people[0], NEWS)
    conn.execute("TRUNCATE bunker.agreement")
    assert trail(conn)[0]["action"] == "direct_truncate"


# Where nothing of it is -----------------------------------------------------------------------

def test_no_text_of_an_agreement_is_on_disk_in_the_trail_or_in_an_error(cluster, conn, connect_as):
    texts = {name: word() for name in ("agreementmethod", "referencecode", "lastmodifiedby")}
    address = f"{word()}@example.com"
    app = connect_as("app", cursor_factory=psycopg.Cursor)
    bad = word()
    accept(app, "email", address, **texts)
    create(app, {"email": address})
    accept(app, "email", address, lastmodifiedby=texts["lastmodifiedby"])
    for options in ({"status": bad}, {bad: bad}, {"expiration": bad}, {"referencecode": bad * 70}):
        with pytest.raises(psycopg.Error) as caught:
            accept(app, "email", address, **options)
        assert fields_showing(caught.value, [bad]) == []
    withdraw(app, "email", address)
    app.execute("SET work_mem = '64kB'")
    listed = app.execute("SELECT x FROM generate_series(1, 3000),"
                         " LATERAL bunker_list_agreements('email', %s) AS x LIMIT 90",
                         [address]).fetchall()
    assert listed[0][0]["referencecode"] == texts["referencecode"]
    shown = trail_text(conn)
    for needle in [*texts.values(), bad, address.split("@")[0]]:
        assert needle not in shown
        assert cluster.files_holding(needle.encode()) == []


def test_a_long_list_does_not_spill(cluster, conn, app_conn, dpo_conn):
    """More than work_mem, in FROM, where the executor would collect it in a temporary file."""
    create(app_conn, ANN)
    text = "x" * 1000
    for n in range(90):
        call(dpo_conn, "bunker_set_legal_basis", f"basis-{n}", {})
        accept(app_conn, "login", "ann", f"basis-{n}", referencecode=text, lastmodifiedby=text)
    app_conn.execute("SET work_mem = '64kB'")
    found = rows(app_conn, "bunker_list_agreements", "login", "ann")
    assert len(found) == 90
    conn.execute("SELECT pg_stat_force_next_flush()")
    assert conn.execute("SELECT temp_files FROM pg_stat_database WHERE datname ="
                        " current_database()").fetchone() == (0,)
    in_select = app_conn.execute("SELECT bunker_list_agreements('login', 'ann') ->> 'brief'").fetchall()
    assert len(in_select) == 90


def test_the_bulk_guard_counts_agreements(cluster, db, conn, app_conn):
    conn.execute(sql.SQL("ALTER DATABASE {} SET databunker.bulk_read_limit = 5").format(
        sql.Identifier(db)))
    with cluster.connect(db, "test_app") as session:
        for n in range(4):
            accept(session, "email", f"p{n}@example.com")
        accept(session, "email", "p0@example.com", "contract")
        read = "SELECT bunker_get_agreement('email', 'p' || n || '@example.com', 'newsletter')" \
               " FROM generate_series(0, %s) n"
        assert len(session.execute(read, [3]).fetchall()) == 4
        assert sqlstate_of(session.execute, "SELECT bunker_list_agreements('email',"
                           " 'p0@example.com') FROM generate_series(1, 3)") == "42501"


def test_a_sealed_vault_lists_legal_bases_and_opens_no_agreement(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as session:
        call(session, "bunker_set_legal_basis", NEWS, {"shortdesc": "News"})
        create(session, ANN)
        accept(session, "login", "ann")
    server.restart(settings={"databunker.master_key_file": None})
    with server.connect("vault") as session:
        for function, *arguments in ((agreement, "login", "ann"), (accept, "login", "ann"),
                                     (withdraw, "login", "ann"), (agreements, "email", "a@b.example"),
                                     (call, "bunker_revoke_agreements", NEWS)):
            assert sqlstate_of(function, session, *arguments) == "55000"
        listed = rows(session, "bunker_list_legal_bases")
        assert [basis["shortdesc"] for basis, in listed] == ["News"]


def test_a_dump_brings_it_all_to_another_database(cluster, db, conn, app_conn, dpo_conn, people):
    call(dpo_conn, "bunker_set_activity", "mailing", {"title": "Mail"})
    call(dpo_conn, "bunker_link_activity", "mailing", NEWS)
    accept(app_conn, "email", "nobody@example.com")
    before = [json.dumps(rows(dpo_conn, function), default=str)
              for function in ("bunker_list_legal_bases", "bunker_list_activities")]
    mine = agreement(app_conn, "login", "ann")
    dump = cluster.run("pg_dump", dbname=db).stdout
    copy = cluster.create_db("consent_copy", extension=False)
    try:
        cluster.psql(dump, copy)
        with cluster.connect(copy) as restored:
            assert before == [json.dumps(rows(restored, function), default=str)
                              for function in ("bunker_list_legal_bases", "bunker_list_activities")]
            assert agreement(restored, "login", "ann") == mine
            assert status(restored, "email", "nobody@example.com") == "yes"
    finally:
        cluster.drop_db(copy)
