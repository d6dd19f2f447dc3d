"""The report of a data subject: that it holds everything of him, nothing of anybody else, and who gets it."""

import pytest
from psycopg.types.json import Jsonb

from harness.browser import browser, shown
from harness.events import events_of
from harness.identity import access_token, acting, log_in
from harness.vault import call, create, forget, update
from test_report_page import PHONE

HOSTILE = "\"><script>document.title='owned'</script></style><img src=//evil.test/x onerror=alert(1)>"


@pytest.fixture
def ann(conn, app_conn, dpo_conn):
    """A user of whom everything is held that can be; her token, and what was made of her."""
    connection = app_conn
    token = create(connection, {"login": "ann", "email": "ann@example.com", "name": "Ann Lee"})
    update(connection, "login", "ann", {"name": "Ann Hill", "note": HOSTILE})
    call(connection, "bunker_set_app", "login", "ann", "shop", {"cart": ["teapot"]})
    session = call(connection, "bunker_create_session", "login", "ann", {"agent": "Firefox"})
    share = connection.execute(
        "SELECT bunker_share('login', 'ann', fields => '{name}', partner => 'Parcel Ltd')").fetchone()[0]
    call(dpo_conn, "bunker_set_legal_basis", "news", {"basistype": "consent", "fulldesc": "Once a month."})
    call(dpo_conn, "bunker_set_activity", "mailing", {"title": "Mailing"})
    call(dpo_conn, "bunker_set_activity", "billing", {"title": "Billing"})
    call(dpo_conn, "bunker_link_activity", "mailing", "news")
    call(connection, "bunker_accept_agreement", "login", "ann", "news", {"referencecode": "form 7"})
    request = connection.execute(
        "SELECT bunker_request('login', 'ann', 'change-profile', %s)", [Jsonb({"name": "A"})]).fetchone()[0]
    call(dpo_conn, "bunker_start_expiration", "login", "ann", "7 days")
    create(connection, {"login": "bob", "secret": "of bob"})
    call(connection, "bunker_set_app", "login", "bob", "shop", {"secret": "of bob"})
    return {"token": token, "session": session, "share": share, "request": request}


def report(connection, value: str = "ann") -> dict:
    return call(connection, "bunker_user_report", "login", value)


def page(connection, value: str = "ann") -> str:
    return call(connection, "bunker_user_report_html", "login", value)


def test_the_report_holds_all_that_is_held(dpo_conn, ann):
    made = report(dpo_conn)
    assert made["user"]["token"] == str(ann["token"]) and made["user"]["version"] == 2
    assert made["profile"] == {"login": "ann", "email": "ann@example.com", "name": "Ann Hill",
                               "note": HOSTILE}
    assert [(v["version"], v["operation"], v["profile"]["name"]) for v in made["versions"]] == [
        (1, "create", "Ann Lee"), (2, "update", "Ann Hill")]
    assert [(a["app"], a["data"]) for a in made["apps"]] == [("shop", {"cart": ["teapot"]})]
    assert [(s["session"], s["data"]) for s in made["sessions"]] == [
        (str(ann["session"]), {"agent": "Firefox"})]
    assert [(s["record"], s["partner"], s["fields"]) for s in made["shares"]] == [
        (str(ann["share"]), "Parcel Ltd", ["name"])]
    agreement, = made["agreements"]
    assert (agreement["brief"], agreement["status"], agreement["referencecode"]) == (
        "news", "yes", "form 7")
    assert agreement["legal_basis"]["fulldesc"] == "Once a month."
    assert [(a["activity"], a["legal_bases"]) for a in made["activities"]] == [("mailing", ["news"])]
    assert [(r["request"], r["status"], r["change"]) for r in made["requests"]] == [
        (str(ann["request"]), "open", {"name": "A"})]
    assert made["expiration"]["status"] == "wait" and "expiration" not in made["expiration"]
    actions = {event["action"] for event in made["accesses"]}
    assert {"create_user", "update_user", "set_app", "create_session", "share", "accept_agreement",
            "request", "start_expiration"} <= actions
    assert made["generated_by"].startswith("test_dpo")
    assert "of bob" not in str(made)


def test_accesses_are_complete_and_the_newest_come_first(dpo_conn, app_conn, ann):
    for _ in range(1_100):  # more than a page of them
        call(app_conn, "bunker_find_token", "token", str(ann["token"]))
    accesses = report(dpo_conn)["accesses"]
    assert [event["id"] for event in accesses] == sorted((e["id"] for e in accesses), reverse=True)
    assert len([event for event in accesses if event["action"] == "find_token"]) == 1_100
    assert accesses[-1]["action"] == "create_user"


def test_many_sessions_and_shares_are_all_in_it(dpo_conn, app_conn, ann):
    app_conn.execute("SELECT bunker_create_session('login', 'ann', '{}') FROM generate_series(1, 1200)")
    app_conn.execute("SELECT bunker_share('login', 'ann') FROM generate_series(1, 1200)")
    made = report(dpo_conn)
    assert (len(made["sessions"]), len(made["shares"])) == (1_201, 1_201)
    assert len({session["session"] for session in made["sessions"]}) == 1_201


def test_each_report_is_an_event_of_its_own(conn, dpo_conn, ann):
    report(dpo_conn)
    page(dpo_conn)
    assert call(dpo_conn, "bunker_user_report", "login", "nobody") is None
    made = events_of(conn, ann["token"], "user_report", "user_report_html")
    assert [(event["action"], event["status"], event["kind"]) for event in made] == [
        ("user_report", "ok", "login"), ("user_report_html", "ok", "login")]


def test_applications_get_it_for_the_user_himself_only(connect_as, raises, ann):
    app = connect_as("app")
    with raises("42501", secrets=["Ann Hill"]):
        report(app)
    token = log_in(app, "ann")
    with acting(app, token):
        assert report(app)["profile"]["name"] == "Ann Hill"
        assert "Ann Hill" in page(app)
        for other in ("bob", "nobody"):
            with raises("42501", secrets=["of bob"]), app.transaction():
                report(app, other)


@pytest.mark.parametrize("group", ["reader", "admin", "stranger"])
def test_nobody_else_gets_it(request, raises, ann, group):
    if group == "stranger":
        request.getfixturevalue("cluster").psql(
            "DO $$ BEGIN CREATE ROLE test_stranger LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        connection = request.getfixturevalue("cluster").connect(
            request.getfixturevalue("db"), "test_stranger")
    else:
        connection = request.getfixturevalue(f"{group}_conn")
    for call_of in (report, page):
        with raises("42501", secrets=["Ann Hill"]):
            call_of(connection)


def test_an_access_token_of_the_application_gets_none(conn, web, raises, ann):
    shared = web()
    with acting(shared, access_token(conn, "app")), raises("42501"), shared.transaction():
        report(shared)
    with acting(shared, access_token(conn, "dpo")):
        assert report(shared)["profile"]["name"] == "Ann Hill"


def test_a_forgotten_user_has_no_report(dpo_conn, app_conn, ann):
    forget(app_conn, "login", "ann")
    assert report(dpo_conn) is None
    assert call(dpo_conn, "bunker_user_report", "token", str(ann["token"])) is None


def test_an_altered_part_is_told_not_left_out(conn, dpo_conn, raises, ann):
    conn.execute("UPDATE bunker.app_data SET version = version + 1 WHERE token = %s", [ann["token"]])
    with raises("XX001", secrets=["teapot", "Ann Hill"]):
        report(dpo_conn)


@pytest.mark.timeout(300)
def test_the_page_is_readable_and_inert(dpo_conn, ann):
    made = page(dpo_conn)
    assert made.startswith("<!DOCTYPE html>") and HOSTILE not in made
    with browser() as chromium, shown(chromium, made, PHONE) as tab:
        text = tab.text()
        for part in ("Ann Hill", "teapot", "Firefox", "Parcel Ltd", "Once a month.", "Mailing", HOSTILE):
            assert part in text
        scroll, window = tab.width()
        assert scroll <= window
        assert (tab.requests, tab.complaints) == ([], [])
        assert tab.page.title() != "owned"
