"""Sessions: what applications know of users for a short while."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from harness.events import events_of
from harness.identity import acting, log_in
from harness.vault import call, create, forget, rows

ANN = {"email": "ann@example.com", "phone": "+442079460001", "login": "ann", "custom": "c-1"}
DATA = {"ip": "10.0.0.1", "a": {"b": [1, 2.50]}}
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.fixture
def ann(app_conn):
    """The token of a user."""
    return create(app_conn, ANN)


def start(connection, data: dict | None = None, ttl: timedelta | str | None = None,
          kind: str = "login", value: str = "ann"):
    """Opens a session; its uuid."""
    return call(connection, "bunker_create_session", kind, str(value),
                Jsonb(DATA if data is None else data), ttl)


def get(connection, session):
    """Reads a session."""
    return call(connection, "bunker_get_session", session)


def listed(connection, *page, kind: str = "login", value: str = "ann") -> list[tuple]:
    """The rows of a list of sessions."""
    return rows(connection, "bunker_list_sessions", kind, str(value), *page)


def end(connection, session) -> bool:
    """Ends a session."""
    return call(connection, "bunker_delete_session", session)


# What they do ---------------------------------------------------------------------------------

def test_a_session_is_read_by_its_uuid(app_conn, ann):
    sessions = [start(app_conn, {"n": n}, None, kind, value)
                for n, (kind, value) in enumerate([*ANN.items(), ("token", ann)])]
    assert {session.version for session in sessions} == {4}
    assert [get(app_conn, session) for session in sessions] == [{"n": n} for n in range(5)]
    assert get(app_conn, start(app_conn, {})) == {}
    assert get(app_conn, uuid4()) is None


def test_ending_a_session(app_conn, ann):
    session = start(app_conn)
    assert end(app_conn, session) is True
    assert end(app_conn, session) is False
    assert end(app_conn, uuid4()) is False
    assert get(app_conn, session) is None
    assert listed(app_conn) == []


def test_a_list_pages_by_uuid(app_conn, ann):
    create(app_conn, {"login": "ben"})
    sessions = sorted(start(app_conn, {"n": n}) for n in range(7))
    start(app_conn, {"ben": 1}, None, "login", "ben")
    found = listed(app_conn)
    assert [row[0] for row in found] == sessions
    assert {row[3]["n"] for row in found} == set(range(7))
    assert {row[2] - row[1] for row in found} == {HOUR}
    pages, after = [], None
    while page := listed(app_conn, after, 3):
        pages.append([row[0] for row in page])
        after = page[-1][0]
    assert pages == [sessions[:3], sessions[3:6], sessions[6:]]


def test_a_list_keeps_every_column_of_long_rows(app_conn, ann):
    """More than work_mem, so that a tuplestore of PostgreSQL's own would spill."""
    app_conn.execute("SET work_mem = '64kB'")
    for n in range(5):
        start(app_conn, {"n": n, "long": str(n) * 500_000})
    found = {row[3]["n"]: row for row in listed(app_conn)}
    for n, (session, created_at, expires_at, data) in found.items():
        assert data["long"] == str(n) * 500_000
        assert get(app_conn, session) == data
        assert created_at + HOUR == expires_at
    assert len(found) == 5


def test_a_list_leaves_no_temporary_file(conn, app_conn, ann, cluster):
    for n in range(3):
        start(app_conn, {"long": str(n) * 500_000})
    conn.execute("SELECT pg_stat_reset()")
    app_conn.execute("SET work_mem = '64kB'")
    assert len(listed(app_conn)) == 3
    app_conn.close()
    time.sleep(0.3)
    files = conn.execute("SELECT temp_files FROM pg_stat_database WHERE datname = current_database()")
    assert files.fetchone() == (0,)


def test_nobody_has_no_sessions(app_conn, ann, raises):
    assert listed(app_conn, value="nobody") == []
    with raises("P0002", secrets=["10.0.0"]):
        start(app_conn, None, None, "login", "nobody")
    with raises("P0002", secrets=["10.0.0"]):
        start(app_conn, None, None, "token", uuid4())


@pytest.mark.parametrize("data", ['["secretive"]', '"secretive"', "7", "null"])
def test_only_an_object_is_stored(app_conn, ann, raises, data):
    with raises("22023", secrets=["secretive"]):
        app_conn.execute("SELECT bunker_create_session('login', 'ann', %s::jsonb)", [data])


def test_bad_arguments_are_refused(app_conn, ann, raises):
    with raises("54000", secrets=["secretive"]):
        start(app_conn, {"big": "secretive" * 120_000})
    for arguments in [(None, "ann", Jsonb({})), ("login", None, Jsonb({})), ("login", "ann", None)]:
        with raises("22023"):
            call(app_conn, "bunker_create_session", *arguments)
    for rows_wanted in (0, -1, 10_001, None):
        with raises("22023"):
            listed(app_conn, None, rows_wanted)
    with raises("22023"):
        end(app_conn, None)
    assert get(app_conn, None) is None


# How long -------------------------------------------------------------------------------------

LIVES = [(None, HOUR), (SECOND, SECOND), ("10 minutes", timedelta(minutes=10)), (HOUR, HOUR),
         ("2 hours", HOUR), ("100 years", HOUR), ("1 month", HOUR)]


@pytest.mark.parametrize(("ttl", "life"), LIVES, ids=str)
def test_a_life_is_bounded(app_conn, ann, ttl, life):
    notices = []
    app_conn.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    start(app_conn, None, ttl)
    [(_, created_at, expires_at, _)] = listed(app_conn)
    assert expires_at - created_at == life
    bounded = ttl in ("2 hours", "100 years", "1 month")
    assert notices == ["the time is bounded by databunker.max_session_retention"] * bounded


@pytest.mark.parametrize("ttl", ["0", "-5 seconds", "-1 month"])
def test_a_life_is_longer_than_nothing(app_conn, ann, raises, ttl):
    with raises("22023", secrets=["10.0.0"]):
        start(app_conn, None, ttl)


def test_the_bound_is_a_setting(app_conn, conn, db, connect_as, ann, raises):
    conn.execute(f"ALTER ROLE test_app IN DATABASE {db} SET databunker.max_session_retention = '2 s'")
    late = connect_as("app")
    start(late)
    [(_, created_at, expires_at, _)] = listed(late)
    assert expires_at - created_at == 2 * SECOND
    with raises("42501"):
        late.execute("SET databunker.max_session_retention = '1 year'")


def test_an_expired_session_is_gone_whether_or_not_it_was_purged(conn, app_conn, ann):
    lasting, short = start(app_conn), start(app_conn, {"n": 1}, timedelta(milliseconds=300))
    assert get(app_conn, short) == {"n": 1}
    assert len(listed(app_conn)) == 2
    with app_conn.transaction():
        get(app_conn, lasting)
        time.sleep(0.4)
        assert get(app_conn, short) is None
        assert [row[0] for row in listed(app_conn)] == [lasting]
    assert conn.execute("SELECT count(*) FROM bunker.session").fetchone() == (2,)
    assert end(app_conn, short) is False
    assert call(conn, "bunker_maintain")["sessions_removed"] == 1
    assert conn.execute("SELECT count(*) FROM bunker.session").fetchone() == (1,)


# Who -------------------------------------------------------------------------------------------

def test_a_user_reads_his_own_and_nobody_elses(app_conn, ann, raises):
    ben = create(app_conn, {"login": "ben"})
    own, other = start(app_conn), start(app_conn, {"ben": "private"}, None, "login", "ben")
    token = log_in(app_conn, "ann")
    with acting(app_conn, token):
        assert get(app_conn, own) == DATA
        assert [row[0] for row in listed(app_conn)] == [own]
    errors = []
    for session in (other, uuid4()):
        with raises("42501", secrets=["private"]) as caught, acting(app_conn, token):
            get(app_conn, session)
        errors.append(str(caught.error))
    assert errors[0] == errors[1]
    for kind, value in [("login", "ben"), ("token", ben), ("login", "nobody")]:
        with raises("42501", secrets=["private"]), acting(app_conn, token):
            listed(app_conn, kind=kind, value=value)
    for work in (lambda: start(app_conn), lambda: end(app_conn, own), lambda: end(app_conn, other)):
        with raises("42501"), acting(app_conn, token):
            work()
    assert get(app_conn, other) == {"ben": "private"}


# The trail -------------------------------------------------------------------------------------

def test_every_call_leaves_an_event(conn, app_conn, ann):
    session = start(app_conn)
    get(app_conn, session)
    listed(app_conn)
    listed(app_conn, value="nobody")
    end(app_conn, session)
    get(app_conn, session)
    events = events_of(conn, ann, "create_session", "get_session", "list_sessions", "delete_session")
    assert [(e["action"], e["status"], e["kind"]) for e in events] == [
        ("create_session", "ok", "login"), ("get_session", "ok", None),
        ("list_sessions", "ok", "login"), ("delete_session", "ok", None)]
    misses = conn.execute("SELECT action FROM bunker.audit WHERE token IS NULL"
                          " AND status = 'not_found' ORDER BY id").fetchall()
    assert misses == [("list_sessions",), ("get_session",)]


def test_a_read_of_an_expired_session_is_one_of_its_user(conn, app_conn, ann):
    session = start(app_conn, None, timedelta(milliseconds=1))
    time.sleep(0.01)
    assert get(app_conn, session) is None
    assert events_of(conn, ann, "get_session")[0]["status"] == "not_found"


def test_sessions_count_for_the_bulk_guard(app_conn, ann, raises):
    sessions = [start(app_conn, {"n": "private"}) for _ in range(60)]
    with app_conn.transaction():
        assert len(listed(app_conn)) == 60
        for session in sessions[:40]:
            get(app_conn, session)
        for work in (lambda: get(app_conn, sessions[0]), lambda: listed(app_conn, None, 1)):
            with raises("42501", secrets=["private"]), app_conn.transaction():
                work()
    with app_conn.transaction():
        get(app_conn, sessions[0])
        assert len(listed(app_conn, None, 50)) == 50
        with raises("42501"), app_conn.transaction():
            listed(app_conn, None, 50)
        assert len(listed(app_conn, None, 49)) == 49, "what was refused does not count"


# Tampering ------------------------------------------------------------------------------------

SWAPS = {
    "another session's": "UPDATE bunker.session a SET sealed = b.sealed FROM bunker.session b"
                         " WHERE a.session = %(one)s AND b.session = %(two)s",
    "a longer life": "UPDATE bunker.session SET expires_at = expires_at + '1 hour'"
                     " WHERE session = %(one)s",
    "an earlier beginning": "UPDATE bunker.session SET created_at = created_at - '1 hour'::interval"
                            " WHERE session = %(one)s",
    "another user": "UPDATE bunker.session SET token = %(ben)s WHERE session = %(one)s",
    "one bit": "UPDATE bunker.session SET sealed = set_byte(sealed, 120, 255 - get_byte(sealed, 120))"
               " WHERE session = %(one)s",
    "app data": "UPDATE bunker.session s SET sealed = a.sealed FROM bunker.app_data a"
                " WHERE s.session = %(one)s",
    "nothing": "UPDATE bunker.session SET sealed = '' WHERE session = %(one)s",
}


@pytest.mark.parametrize("swap", SWAPS)
def test_bytes_do_not_open_in_another_place(conn, app_conn, ann, raises, swap):
    ben = create(app_conn, {"login": "ben"})
    one, two = start(app_conn, {"n": "private1"}), start(app_conn, {"n": "private2"})
    call(app_conn, "bunker_set_app", "login", "ann", "shop", Jsonb({"n": "private3"}))
    conn.execute(SWAPS[swap], {"one": one, "two": two, "ben": ben})
    with raises("XX001", secrets=["private"]):
        get(app_conn, one)
    with raises("XX001", secrets=["private"]):
        listed(app_conn, value="ben" if swap == "another user" else "ann")
    assert get(app_conn, two) == {"n": "private2"}
    assert end(app_conn, one) is True
    assert [row[0] for row in listed(app_conn)] == [two]


def test_a_row_under_another_uuid_does_not_open(conn, app_conn, ann, raises):
    session, other = start(app_conn, {"n": "private"}), uuid4()
    conn.execute("UPDATE bunker.session SET session = %s WHERE session = %s", [other, session])
    assert get(app_conn, session) is None
    with raises("XX001", secrets=["private"]):
        get(app_conn, other)


def test_what_a_superuser_puts_back_of_a_forgotten_user_is_not_shown(conn, app_conn, ann):
    session = start(app_conn)
    conn.execute("CREATE TABLE kept AS SELECT * FROM bunker.session")
    forget(app_conn, "login", "ann")
    conn.execute("INSERT INTO bunker.session SELECT * FROM kept")
    assert get(app_conn, session) is None
    assert listed(app_conn, kind="token", value=ann) == []


# Many -------------------------------------------------------------------------------------------

def test_the_expired_are_found_by_an_index(conn):
    """What a purge of 100,000 sessions goes by."""
    plan = conn.execute("EXPLAIN (COSTS off) SELECT session FROM bunker.session"
                        " WHERE expires_at <= now() ORDER BY expires_at LIMIT 1000"
                        " FOR UPDATE SKIP LOCKED").fetchall()
    assert any("session_expires_at" in line for line, in plan), plan
