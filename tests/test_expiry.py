"""Expiry of users: who sets it, who decides about it, and what the trail says of it."""

import random
import struct
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from harness.events import events_of, trail, trail_text
from harness.expiry import expiration, let_time_come, maintain, start
from harness.vault import call, create, find, forget, row_counts, update

VECTORS = Path(__file__).parents[1] / "crates/bunker-core/tests/calendar_vectors.tsv"
ANN = {"login": "ann", "email": "ann@example.com", "name": "Ann"}
SECRETS = ["ann@example.com", "Ann"]


@pytest.fixture
def ann(app_conn):
    """The token of a user."""
    return create(app_conn, ANN)


# Starting -----------------------------------------------------------------------------------------

def test_an_expiration_waits_until_its_time(ann, dpo_conn, app_conn):
    token = start(dpo_conn, "ann", "10 days")
    for connection in (dpo_conn, app_conn):
        found = expiration(connection, "ANN@example.com", "email")
        assert (found["status"], found["expiration"]) == ("wait", str(token))
    left = dpo_conn.execute("SELECT %s::timestamptz - now()", [found["expires_at"]]).fetchone()[0]
    assert 9.99 < left.total_seconds() / 86_400 <= 10
    assert maintain(dpo_conn)["users_expired"] == 0
    assert find(app_conn, "login", "ann") == ann


def test_the_end_is_where_postgresql_puts_it(conn, ann):
    """Months and days by the calendar, in UTC, whatever the session's time zone."""
    conn.execute("SET databunker.max_user_retention = '100 years'")
    spans = [f"{rng.randrange(1_000)} months {rng.randrange(1_000)} days {rng.randrange(10**9)} us"
             for rng in map(random.Random, range(60))]
    for number, span in enumerate([*spans, "1 us", "P1Y2M3DT4H", "1 month -5 days", "1 day -1 hour"]):
        conn.execute("SELECT set_config('timezone', %s, false)",
                     [["UTC", "Pacific/Auckland", "America/New_York"][number % 3]])
        start(conn, "ann", span)
        conn.execute("SET timezone = 'UTC'")
        end = conn.execute("SELECT expires_at, started_at + %s::interval FROM bunker.expiration",
                           [span]).fetchone()
        assert end[0] == end[1], span


def test_the_calendars_vectors_are_postgresqls(conn):
    """Those with which bunker-core's own tests check the same sums over many dates."""
    conn.execute("SET timezone = 'UTC'")
    lines = [line for line in VECTORS.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 400
    wrong = conn.execute("""
        SELECT line FROM unnest(%s::text[]) AS line, string_to_array(line, E'\t') AS c,
               LATERAL (SELECT timestamptz '2000-01-01' + (c[1] || ' us')::interval AS at,
                               timestamptz '2000-01-01' + (c[5] || ' us')::interval AS sum,
                               format('%%s months %%s days %%s us', c[2], c[3], c[4])::interval AS span
                       ) AS v
         WHERE v.at + v.span <> v.sum""", [lines]).fetchall()
    assert wrong == []


@pytest.mark.parametrize(("after", "told"), [
    (None, 0), ("1 month", 0), ("1 month 1 second", 1), ("40 days", 1), ("100000 years", 1),
    ("178000000 years", 1)])
def test_the_retention_bounds_it_and_says_so(conn, dpo_conn, ann, after, told):
    notices = []
    dpo_conn.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    start(dpo_conn, "ann", after)
    assert conn.execute("SELECT expires_at = started_at + interval '1 month'"
                        "  FROM bunker.expiration").fetchone() == (True,)
    assert len(notices) == told
    assert all("databunker.max_user_retention" in notice for notice in notices)


def test_a_bound_beyond_all_time_is_the_end_of_it(conn, ann):
    conn.execute("SET databunker.max_user_retention = '1000000 years'")
    start(conn, "ann")
    assert conn.execute("SELECT isfinite(expires_at), extract(year FROM expires_at)::int"
                        "  FROM bunker.expiration").fetchone() == (True, 294247)
    # Bundles count from 1970, in 64 bits as well.
    assert expiration(conn, "ann")["expires_at"].startswith("294247-01-10T")


@pytest.mark.parametrize("after", ["0", "-1 day", "1 month -30 days", "1 month -31 days",
                                   "-178000000 years"])
def test_a_span_that_is_none_is_refused(raises, dpo_conn, ann, after):
    with raises("22023", secrets=SECRETS):
        start(dpo_conn, "ann", after)
    assert expiration(dpo_conn, "ann")["status"] == "none"


@pytest.mark.parametrize("sign", ["", "-"])
def test_infinity_is_refused(raises, dpo_conn, conn, ann, sign):
    """From PostgreSQL 17 on there is such an interval; before that, what stands for it is as bad."""
    microseconds, days, months = {"": (2**63 - 1, 2**31 - 1, 2**31 - 1),
                                  "-": (-2**63, -2**31, -2**31)}[sign]
    # The binary protocol carries it on every version.
    binary = struct.pack("!qii", microseconds, days, months)
    with raises("22023", secrets=SECRETS):
        result = dpo_conn.pgconn.exec_params(
            b"SELECT bunker_start_expiration('login', 'ann', $1)", [binary],
            [psycopg.adapters.types["interval"].oid], [psycopg.pq.Format.BINARY])
        assert result.status == psycopg.pq.ExecStatus.FATAL_ERROR
        raise psycopg.errors.error_from_result(result)


@pytest.mark.parametrize(("group", "statement"), [
    ("dpo", "SELECT bunker_start_expiration(NULL, 'ann')"),
    ("dpo", "SELECT bunker_start_expiration('login', NULL)"),
    ("dpo", "SELECT bunker_start_expiration('nokind', 'ann')"),
    ("dpo", "SELECT bunker_cancel_expiration('login', NULL)"),
    ("app", "SELECT bunker_retain_user(NULL)"),
    ("app", "SELECT bunker_delete_expired(NULL)")])
def test_a_missing_argument_is_refused(raises, connect_as, ann, group, statement):
    with raises("22023"):
        connect_as(group).execute(statement)


def test_starting_again_takes_another_token(dpo_conn, app_conn, ann, raises):
    first, second = start(dpo_conn, "ann", "1 day"), start(dpo_conn, "ann", "2 days")
    assert first != second
    assert expiration(dpo_conn, "ann")["expiration"] == str(second)
    for function in ("bunker_retain_user", "bunker_delete_expired"):
        with raises("P0002"):
            call(app_conn, function, first)
    assert call(app_conn, "bunker_retain_user", second)


def test_nobody_cannot_expire(dpo_conn, app_conn, ann, raises):
    forgotten = create(app_conn, {"login": "gone"})
    forget(app_conn, "login", "gone")
    for kind, value in (("login", "nobody"), ("token", str(uuid4())), ("token", str(forgotten))):
        with raises("P0002"):
            start(dpo_conn, value, "1 day", kind)
        with raises("P0002"):
            call(dpo_conn, "bunker_cancel_expiration", kind, value)
        assert expiration(dpo_conn, value, kind) is None
    assert expiration(dpo_conn, ann, "token") == {
        "status": "none", "expires_at": None, "expiration": None}


# Deciding -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("group", ["app", "dpo", "admin"])
def test_a_user_who_wants_to_stay_stays(conn, connect_as, ann, raises, group):
    connection = connect_as(group)
    token = start(conn, "ann", "1 day")
    assert call(connection, "bunker_retain_user", token) is True
    assert expiration(conn, "ann") == {"status": "retain", "expires_at": None, "expiration": None}
    for function in ("bunker_retain_user", "bunker_delete_expired"):
        with raises("P0002"):
            call(connection, function, token)
    let_time_come(conn)
    assert maintain(conn)["users_expired"] == 0
    assert find(conn, "login", "ann") == ann


@pytest.mark.parametrize("group", ["app", "dpo", "admin"])
def test_a_user_who_wants_to_go_is_forgotten(conn, connect_as, ann, raises, group):
    connection = connect_as(group)
    update(conn, "login", "ann", {"name": "Anna"})
    token = start(conn, "ann", "1 day")
    assert call(connection, "bunker_delete_expired", token) is True
    assert_forgotten(conn, ann)
    for function in ("bunker_retain_user", "bunker_delete_expired"):
        with raises("P0002"):
            call(connection, function, token)
    event = events_of(conn, ann, "delete_expired")
    assert [(e["status"], e["actor"].split()[0]) for e in event] == [("ok", f"test_{group}")]


def assert_forgotten(conn, token) -> None:
    """Nothing of the only user can be opened; that he has expired can be read."""
    counts = row_counts(conn)
    assert (counts["lookup"], counts["record_version"]) == (0, 0)
    assert call(conn, "bunker_get_user", token) is None
    assert call(conn, "bunker_tombstone", token)["token"] == str(token)
    found = expiration(conn, token, "token")
    assert (found["status"], found["expiration"]) == ("expired", None)
    assert found["expires_at"] is not None


def test_an_expiration_can_be_taken_back(conn, dpo_conn, app_conn, ann, raises):
    assert call(dpo_conn, "bunker_cancel_expiration", "login", "ann") is False
    token = start(dpo_conn, "ann", "1 day")
    assert call(dpo_conn, "bunker_cancel_expiration", "email", "ann@example.com") is True
    assert call(dpo_conn, "bunker_cancel_expiration", "login", "ann") is False
    assert expiration(dpo_conn, "ann") == {
        "status": "cancelled", "expires_at": None, "expiration": None}
    with raises("P0002"):
        call(app_conn, "bunker_delete_expired", token)
    let_time_come(conn)
    assert maintain(conn)["users_expired"] == 0
    events = events_of(conn, ann, "cancel_expiration")
    assert [event["status"] for event in events] == ["ok"] * 3


def test_unknown_expirations_look_like_used_ones(app_conn, conn, ann, raises):
    used = start(conn, "ann", "1 day")
    call(app_conn, "bunker_retain_user", used)
    seen = set()
    for token in (used, uuid4()):
        for function in ("bunker_retain_user", "bunker_delete_expired"):
            with raises("P0002", secrets=[str(token)]) as caught:
                call(app_conn, function, token)
            seen.add((caught.error.diag.message_primary, caught.error.diag.message_hint))
    assert len(seen) == 1


def test_forget_me_takes_the_expiration_along(conn, dpo_conn, app_conn, ann, raises):
    token = start(dpo_conn, "ann", "1 day")
    assert forget(app_conn, "login", "ann")
    assert conn.execute("SELECT count(*) FROM bunker.expiration").fetchone() == (0,)
    assert expiration(dpo_conn, ann, "token") is None
    with raises("P0002"):
        call(app_conn, "bunker_retain_user", token)


def test_preserved_values_survive_expiry(conn, admin_conn, ann):
    admin_conn.execute(
        """SELECT bunker_set_user_schema('{"properties": {"name": {"preserve": true}}}')""")
    token = start(conn, "ann", "1 day")
    call(conn, "bunker_delete_expired", token)
    assert call(conn, "bunker_tombstone", ann)["preserved"] == {"name": "Ann"}


# The trail ----------------------------------------------------------------------------------------

def test_every_call_is_in_the_trail(conn, dpo_conn, app_conn, ann):
    first = start(dpo_conn, "ann", "1 day")
    expiration(app_conn, "ann")
    call(app_conn, "bunker_retain_user", first)
    call(app_conn, "bunker_delete_expired", start(dpo_conn, "ann", "1 day"))
    actions = ("start_expiration", "expiration", "retain_user", "delete_expired")
    events = events_of(conn, ann, *actions)
    assert [(event["action"], event["actor"].split()[0], event["kind"]) for event in events] == [
        ("start_expiration", "test_dpo", "login"), ("expiration", "test_app", "login"),
        ("retain_user", "test_app", None), ("start_expiration", "test_dpo", "login"),
        ("delete_expired", "test_app", None)]
    assert not any(secret in trail_text(conn) for secret in SECRETS)


def test_no_role_passes_for_the_maintenance_worker(cluster, db, conn, ann):
    conn.execute("""CREATE ROLE "databunker maintenance" LOGIN IN ROLE bunker_dpo""")
    try:
        with cluster.connect(db, "databunker maintenance") as forger:
            start(forger, "ann", "1 day")
        [event] = events_of(conn, ann, "start_expiration")
        assert event["actor"].startswith('"databunker maintenance"')
    finally:
        conn.execute('DROP ROLE "databunker maintenance"')


def test_a_change_past_the_functions_is_in_the_trail(conn, ann):
    start(conn, "ann", "1 day")
    conn.execute("SET session_replication_role = replica")
    conn.execute("UPDATE bunker.expiration SET status = 'retain'")
    conn.execute("DELETE FROM bunker.expiration")
    conn.execute("TRUNCATE bunker.expiration")
    direct = [event["action"] for event in events_of(conn, ann, "direct_update", "direct_delete")]
    assert direct == ["direct_update", "direct_delete"]
    assert trail(conn)[0]["action"] == "direct_truncate"


def test_expirations_are_dumped(cluster, conn, db, ann):
    token = start(conn, "ann", "1 day")
    target = cluster.create_db(f"{db}_restored", extension=False)
    cluster.psql(cluster.run("pg_dump", dbname=db).stdout, dbname=target)
    try:
        with cluster.connect(target) as restored:
            assert expiration(restored, "ann") == expiration(conn, "ann")
            assert call(restored, "bunker_retain_user", token)
    finally:
        cluster.drop_db(target)


# Settings -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("setting", ["max_user_retention", "max_session_retention",
                                     "max_share_retention"])
def test_a_retention_is_a_superusers_to_set(conn, app_conn, raises, setting):
    name = f"databunker.{setting}"
    conn.execute("SELECT set_config(%s, '2 years', false)", [name])
    for value in ("0", "-1 day", "for ever", ""):
        with raises("22023"):
            conn.execute("SELECT set_config(%s, %s, false)", [name, value])
    with raises("42501"):
        app_conn.execute(f"SET {name} = '1 day'")
    assert conn.execute(f"SHOW {name}").fetchone() == ("2 years",)


def test_the_interval_of_maintenance_is_the_configurations(conn, raises):
    with raises("55P02"):
        conn.execute("SET databunker.maintenance_interval = 5")
