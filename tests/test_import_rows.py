"""bunker_import_rows: users of another system, and what is true of every row."""

import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from uuid import UUID, uuid4

import psycopg
import pytest

from harness import Cluster
from harness.blocking import await_blocked
from harness.crowd import all_at_once
from harness.events import events_of, trail
from harness.importing import bring, outcomes, user
from harness.outbox import happened
from harness.trail import verify
from harness.vault import call, create, find, forget, people, row_counts, update

CANARY = "canary-7b1f"


def test_a_user_keeps_token_and_times(admin_conn, conn):
    token = uuid4()
    row = user({"email": "Ann@Example.com", "n": 1.50, "name": "Ann \\ \"'é🙂\n"}, token,
               created_at="2019-02-28T23:00:00.25+01:00", updated_at=1_600_000_000)
    assert bring(admin_conn, row)[0] == (1, token, "created", None, None)
    found = call(conn, "bunker_lookup", "email", "ann@example.com")
    assert found["profile"] == row["profile"]
    assert (found["token"], found["version"]) == (str(token), 1)
    assert (found["created_at"], found["updated_at"]) == ("2019-02-28T22:00:00.25+00:00",
                                                          "2020-09-13T12:26:40+00:00")


def test_a_profile_keeps_every_digit(admin_conn, conn):
    text = '{"login": "ann", "n": 1.2300000000000000000000001, "big": 1e30, "z": 0.10, "a": [1, {}]}'
    token = admin_conn.execute(
        "SELECT token FROM bunker_import_rows(ARRAY[jsonb_build_object('kind', 'user', 'profile',"
        " %s::jsonb)])", [text]).fetchone()[0]
    same = conn.execute("SELECT bunker_get_user(%s)::text = %s::jsonb::text", [token, text])
    assert same.fetchone() == (True,)


def test_without_token_and_times_it_is_a_new_user_of_now(admin_conn, conn):
    before = datetime.now(timezone.utc)
    verdict = bring(admin_conn, user({"login": "ann"}))[0]
    assert verdict.outcome == "created" and verdict.token.version == 4
    found = call(conn, "bunker_lookup", "token", str(verdict.token))
    assert before <= datetime.fromisoformat(found["created_at"]) <= datetime.now(timezone.utc)
    assert found["created_at"] == found["updated_at"]


def test_the_shape_of_a_foreign_uuid_does_not_matter(admin_conn):
    tokens = ["00000000-0000-0000-0000-000000000001", "AAAAAAAA-bbbb-cccc-dddd-eeeeeeeeeeee"]
    rows = [user({"custom": token}, token) for token in tokens]
    assert [verdict.token for verdict in bring(admin_conn, *rows)] == [UUID(t) for t in tokens]


def test_brought_again_everybody_is_present(admin_conn, conn):
    rows = [user(profile, uuid4()) for profile in people(1, 1200)]
    assert set(outcomes(admin_conn, *rows)) == {"created"}
    counts = row_counts(conn)
    assert counts["record"] == counts["audit"] == 1200
    again = bring(admin_conn, *reversed(rows))
    assert {verdict.outcome for verdict in again} == {"present"}
    assert [str(verdict.token) for verdict in again] == [row["token"] for row in reversed(rows)]
    assert row_counts(conn) | {"audit": 0} == counts | {"audit": 0}
    assert verify(conn).ok


def test_equal_means_equal_json(admin_conn):
    token = uuid4()
    assert outcomes(admin_conn, user({"login": "ann", "n": 1, "m": [1.0, 2]}, token)) == ["created"]
    assert outcomes(admin_conn, user({"m": [1, 2.00], "n": 1.0, "login": "ann"}, token),
                    user({"login": "ann", "n": 1, "m": [2, 1]}, token)) == ["present", "23505"]


def test_bad_rows_stand_between_good_ones(cluster, admin_conn, conn):
    call(conn, "bunker_set_user_schema", {"properties": {"age": {"type": "integer"}}})
    create(conn, {"email": "taken@example.com"})
    good = [user({"login": f"u{n}", "email": f"u{n}@example.com"}, uuid4()) for n in range(8)]
    deep = {"login": CANARY}
    for _ in range(129):
        deep = {"a": deep}
    bad = {
        "23505": [user({"email": "TAKEN@example.com", "login": CANARY}, uuid4()),
                  user({"login": "U0"}, uuid4()), user({"login": CANARY}, good[0]["token"])],
        "23514": [user({"login": CANARY, "age": CANARY})],
        "22023": [None, user({"name": CANARY}), user({"email": CANARY}), user({"login": True}),
                  user({"login": CANARY}, UUID(int=0)), user({"login": CANARY}, UUID(int=2**128 - 1)),
                  user({"login": CANARY}, CANARY), user({"login": CANARY}, other=CANARY),
                  {"kind": CANARY}, {"kind": 1}, {"kind": "user"}, {}, {"kind": "user", "profile": CANARY},
                  {"kind": "user", "profile": [CANARY]}, {"kind": "user", "profile": None},
                  user({"login": CANARY, "$serde_json::private::Number": CANARY})],
        "54000": [user({"login": CANARY, "text": "x" * (1 << 20)}), user({"login": CANARY} | deep)],
    }
    rows, expected = [good[0]], ["created"]
    for state, several in bad.items():
        for row in several:
            rows += [row, *good[len(rows) // 2 % 8:][:1]]
            expected += [state, None]
    mark = cluster.log_mark()
    verdicts = bring(admin_conn, *rows)
    for verdict, state in zip(verdicts, expected):
        if state not in (None, "created"):
            assert (verdict.outcome, verdict.sqlstate) == ("failed", state), verdict
            assert verdict.message and CANARY not in verdict.message
        else:
            assert verdict.outcome in ("created", "present"), verdict
    assert CANARY not in cluster.log(mark)
    assert find(conn, "login", CANARY) is None
    assert find(conn, "login", "u0") == UUID(good[0]["token"])
    assert CANARY not in str(trail(conn))


def test_rows_that_are_no_objects_are_refused_one_by_one(admin_conn):
    found = admin_conn.execute(
        "SELECT outcome, sqlstate FROM bunker_import_rows(ARRAY['1', '\"user\"', '[]', 'null', '{}']"
        "::jsonb[])").fetchall()
    assert found == [("failed", "22023")] * 5


@pytest.mark.parametrize("times", [
    {"created_at": "2999-01-01T00:00:00Z"}, {"updated_at": "2999-01-01T00:00:00Z"},
    {"created_at": 4e9}, {"created_at": "2020-01-01"}, {"created_at": "2020-01-01T00:00:00"},
    {"created_at": "now"}, {"created_at": "yesterday"}, {"created_at": "-infinity"},
    {"created_at": "epoch"}, {"created_at": ""}, {"created_at": True}, {"created_at": [1]},
    {"created_at": 1e300}, {"created_at": -1e300}, {"created_at": -1e15},
    {"created_at": "2020-13-01T00:00:00Z"}, {"created_at": "2020-01-01T00:00:00+1:00"},
    {"created_at": "2020-01-01T00:00:00é"}, {"created_at": "２０２０-01-01T00:00:00Z"},
    {"created_at": "2020-01-01T00:00:00.Z"}, {"created_at": "1/2/2020 00:00:00Z"},
    {"created_at": 1_600_000_000, "updated_at": 1_500_000_000}])
def test_a_time_that_cannot_be_is_refused(admin_conn, times):
    assert outcomes(admin_conn, user({"login": "ann"}, **times)) == ["22023"]


@pytest.mark.parametrize(("given", "shown"), [
    ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59+00:00"), (0, "1970-01-01T00:00:00+00:00"),
    (-1.5, "1969-12-31T23:59:58.5+00:00"), (1577836800.000001, "2020-01-01T00:00:00.000001+00:00"),
    ("0900-01-01T00:00:00Z", "0900-01-01T00:00:00+00:00"),
    ("2020-01-01 05:30:00+05:30", "2020-01-01T00:00:00+00:00")])
def test_times_are_rfc_3339_or_unix_seconds_whatever_the_session_says(admin_conn, conn, given, shown):
    admin_conn.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'")
    token = bring(admin_conn, user({"login": "ann"}, created_at=given))[0].token
    assert call(conn, "bunker_lookup", "token", str(token))["created_at"] == shown


def test_rows_of_one_call_meet_each_other(admin_conn, conn):
    token, other = uuid4(), uuid4()
    rows = [user({"login": "ann"}, token), user({"login": "ANN"}, other),
            user({"login": "ann"}, token), user({"login": "bob"}, token),
            user({"login": "bob", "email": "b@example.com"}), user({"email": "B@example.com"}, other),
            user({"custom": "c"}, other)]
    assert outcomes(admin_conn, *rows) == ["created", "23505", "present", "23505", "created", "23505",
                                           "created"]
    assert row_counts(conn)["record"] == 3


def test_a_user_who_has_changed_since_is_reported(admin_conn, conn):
    token = uuid4()
    row = user({"login": "ann", "n": 1}, token)
    assert outcomes(admin_conn, row) == ["created"]
    update(conn, "login", "ann", {"n": 2})
    verdict = bring(admin_conn, row)[0]
    assert (verdict.token, verdict.outcome, verdict.sqlstate) == (token, "failed", "23505")
    assert call(conn, "bunker_get_user", token) == {"login": "ann", "n": 2}


def test_a_tombstone_keeps_its_token(admin_conn, conn):
    token = uuid4()
    row = user({"login": "ann"}, token)
    bring(admin_conn, row)
    forget(conn, "login", "ann")
    verdict = bring(admin_conn, row)[0]
    assert (verdict.outcome, verdict.sqlstate) == ("failed", "23505")
    assert "forgotten" in verdict.message
    assert outcomes(admin_conn, user({"login": "ann"}, uuid4())) == ["created"]


def test_a_damaged_user_is_reported_and_the_others_come(admin_conn, conn):
    token = uuid4()
    row = user({"login": "ann", "name": CANARY}, token)
    bring(admin_conn, row)
    conn.execute("UPDATE bunker.record SET sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1)")
    verdicts = bring(admin_conn, row, user({"login": "bob"}))
    assert [v.sqlstate or v.outcome for v in verdicts] == ["XX001", "created"]
    assert CANARY not in str(verdicts)


# The trail, and other systems -----------------------------------------------------------------------

def test_every_row_leaves_an_event(admin_conn, conn):
    token, other = uuid4(), uuid4()
    rows = [user({"login": "ann"}, token), user({"login": "ann"}, token), user({"login": "ann"}, other)]
    admin_conn.execute("SET databunker.reason = 'move'")
    bring(admin_conn, *rows)
    told = [(e["token"], e["status"], e["reason"], e["message"]) for e in trail(conn)
            if e["action"] == "import_rows"]
    assert sorted(told, key=str) == sorted([
        (token, "ok", "move", None), (token, "ok", "move", "it is there already"),
        (other, "failed", "move", "another user already has one of these lookup values")], key=str)
    assert happened(conn) == [("user_created", token)]


def test_what_was_found_out_outlives_a_rollback(admin_conn, conn):
    """Otherwise the call could be asked, without a trace, who is here and what his profile says."""
    token, known = uuid4(), create(conn, {"login": "ann", "n": 7})
    with admin_conn.transaction(force_rollback=True):
        guesses = [user({"login": "ann", "n": n}, known) for n in range(6, 9)]
        assert outcomes(admin_conn, *guesses, user({"login": "ann"}, token), user({"login": "new"})) == [
            "23505", "present", "23505", "23505", "created"]
    told = [(e["token"], e["status"]) for e in trail(conn) if e["action"] == "import_rows"]
    assert sorted(told, key=str) == sorted([(known, "failed"), (known, "ok"), (known, "failed"),
                                            (token, "failed")], key=str)
    assert happened(conn) == [("user_created", known)]


def test_ten_thousand_failures_exhaust_nothing(admin_conn, conn):
    """Neither memory nor the lock table, and each leaves its event."""
    create(conn, {"login": "ann"})
    pid = admin_conn.info.backend_pid
    rows = [user({"login": "ann", "n": n}) for n in range(10_000)]
    rows[1::2] = [{"kind": "app_data", "token": str(uuid4()), "app": "shop", "data": {"n": n}}
                  for n in range(5_000)]
    bring(admin_conn, *rows[:100])
    before = resident(pid)
    found = outcomes(admin_conn, *rows)
    assert found == ["23505", "P0002"] * 5_000
    assert resident(pid) - before < 100_000
    events = conn.execute("SELECT count(*) FROM bunker.audit WHERE action = 'import_rows'")
    assert events.fetchone()[0] == 10_100


def resident(pid: int) -> int:
    """The memory of a process, without what it shares, in kB."""
    lines = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    return int(lines["RssAnon"].split()[0])


@pytest.mark.parametrize("rows", [[None] * 10_001, None])
def test_too_many_rows_or_none_are_refused(admin_conn, raises, rows):
    with raises("54000" if rows else "22023"):
        admin_conn.execute("SELECT * FROM bunker_import_rows(%s::jsonb[])", [rows])
    assert bring(admin_conn) == []


def test_large_profiles_come_whole(admin_conn, conn):
    profiles = [{"login": f"u{n}", "text": secrets.token_hex(490_000)} for n in range(40)]
    assert set(outcomes(admin_conn, *[user(profile) for profile in profiles])) == {"created"}
    assert call(conn, "bunker_lookup", "login", "u39")["profile"] == profiles[39]


# Other sessions, and what ends the whole call --------------------------------------------------------

def test_a_create_of_the_same_email_at_the_same_time_wins_or_loses_whole(cluster, db, conn):
    create(conn, {"login": "first"})
    for round_number in range(5):
        names = [f"r{round_number}u{n}" for n in range(40)]
        rows = [user({"login": name}, uuid4()) for name in names]
        works = [lambda c: outcomes(c, *rows), lambda c: outcomes(c, *reversed(rows))]
        works += [lambda c, n=name: create(c, {"login": n}) for name in names[::4]]
        assert set(all_at_once(cluster, db, "postgres", works)) <= {"ok", "23505", "40P01"}
    strangers = conn.execute("SELECT token FROM bunker.lookup EXCEPT SELECT token FROM bunker.record")
    assert strangers.fetchall() == []
    doubles = conn.execute("SELECT count(*) - count(DISTINCT digest) FROM bunker.lookup")
    assert doubles.fetchone() == (0,)


@pytest.mark.parametrize("commits", [True, False])
def test_who_waits_for_another_call_finds_what_it_has_brought(cluster, db, conn, connect_as, commits):
    """Both bring the same; the second learns that the first was quicker, or is quicker himself."""
    first, second = connect_as("admin"), connect_as("admin")
    same = [user({"login": f"u{n}", "n": n}, uuid4()) for n in range(20)]
    taken = user({"login": "u5"}, uuid4())
    create(conn, {"login": "first"})
    first.execute("BEGIN")
    bring(first, *same)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(outcomes, second, *same, taken, user({"login": "bob"}))
        await_blocked(conn, second)
        first.execute("COMMIT" if commits else "ROLLBACK")
        found = waiting.result(60)
    assert found == (["present"] if commits else ["created"]) * 20 + ["23505", "created"]


def test_a_cancel_leaves_nothing_of_the_call(cluster, conn, admin_conn, connect_as):
    blocker = connect_as("admin")
    create(conn, {"login": "first"})
    blocker.execute("BEGIN")
    bring(blocker, user({"login": "u900"}))
    rows = [user({"login": f"u{n}"}) for n in range(1000)]
    caught = []

    def run():
        try:
            bring(admin_conn, *rows)
        except psycopg.Error as error:
            caught.append(error.sqlstate)

    thread = threading.Thread(target=run)
    thread.start()
    await_blocked(conn, admin_conn)
    admin_conn.cancel()
    thread.join(60)
    blocker.execute("ROLLBACK")
    assert caught == ["57014"]
    assert row_counts(conn)["record"] == 1
    assert outcomes(admin_conn, *rows) == ["created"] * 1000


def test_a_savepoint_takes_the_call_back(admin_conn, conn):
    with admin_conn.transaction():
        bring(admin_conn, user({"login": "ann"}))
        with admin_conn.transaction(force_rollback=True):
            assert outcomes(admin_conn, user({"login": "bob"}), user({"login": "ann"})) == ["created", "23505"]
        assert outcomes(admin_conn, user({"login": "bob"})) == ["created"]
    assert find(conn, "login", "bob") and find(conn, "login", "ann")
    assert row_counts(conn)["record"] == 2


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_one_snapshot_sees_what_it_brings(admin_conn, level):
    token = uuid4()
    rows = [user({"login": "ann"}, token),
            {"kind": "app_data", "token": str(token), "app": "shop", "data": {"n": 1}},
            user({"login": "ANN"})]
    admin_conn.execute(f"BEGIN ISOLATION LEVEL {level}")
    admin_conn.execute("SELECT 1")
    assert outcomes(admin_conn, *rows) == ["created", "created", "23505"]
    assert outcomes(admin_conn, *rows) == ["present", "present", "23505"]
    admin_conn.execute("COMMIT")


def test_a_sealed_vault_takes_nothing(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, {"login": "ann"})
    server.write_key_file()
    server.restart()
    with server.connect("vault") as connection:
        with server.raises("55000", secrets=[CANARY]):
            bring(connection, user({"login": CANARY}))
        assert row_counts(connection)["record"] == 1


def test_an_empty_vault_gets_its_keys_although_all_rows_fail(admin_conn, conn):
    assert outcomes(admin_conn, user({"name": "nobody"})) == ["22023"]
    assert outcomes(admin_conn, user({"login": "ann"})) == ["created"]
    assert find(conn, "login", "ann")


def test_who_cannot_be_told_of_in_the_trail_is_not_told_of(fresh_cluster):
    """Without the writer it would be a look into the vault of which nothing is known."""
    server: Cluster = fresh_cluster(preload=False)
    server.create_db("vault")
    with server.connect("vault") as connection:
        token = create(connection, {"login": "ann"})
        with server.raises("55000"):
            bring(connection, user({"login": "ann"}, token))
        assert outcomes(connection, user({"login": "bob"})) == ["created"]
        connection.execute("SET databunker.audit_reads = 'transaction'")
        assert outcomes(connection, user({"login": "ann"}, token)) == ["present"]
        assert len(events_of(connection, token, "import_rows")) == 1


def test_no_canary_reaches_the_disk(fresh_cluster):
    server = fresh_cluster({"log_statement": "all", "log_min_error_statement": "debug5"})
    server.create_db("vault")
    canary = secrets.token_hex(8)
    token = str(uuid4())
    with server.connect("vault") as connection:
        rows = [user({"login": canary}, token), user({"login": canary}), user({"email": canary}),
                {"kind": "app_data", "token": token, "app": "shop", "data": {"x": canary}},
                {"kind": "session", "token": token, "session": str(uuid4()), "data": {"x": canary},
                 "expires_at": "2999-01-01T00:00:00Z"}, {"kind": canary}]
        text = "ARRAY[" + ", ".join(f"'{json.dumps(row)}'::jsonb" for row in rows) + "]"
        connection.execute(f"SELECT * FROM bunker_import_rows({text})")
    assert server.files_holding(canary.encode()) == []
