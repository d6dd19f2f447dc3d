"""Many sessions at once, prepared transactions, and loops that are hard on the server."""

import random

import psycopg
import pytest

from harness.crowd import all_at_once
from harness.vault import call, create, create_many, find, forget, people, row_counts, update

LEVELS = {"READ_COMMITTED": {"23505"}, "REPEATABLE_READ": {"23505", "40001"},
          "SERIALIZABLE": {"23505", "40001"}}


@pytest.mark.parametrize("level", LEVELS)
def test_two_hundred_creates_of_one_email_leave_one_user(cluster, db, conn, app_conn, level):
    create(app_conn, {"login": "first"})
    works = [lambda c, n=n: create(c, {"email": "Same@example.com", "custom": f"c{n}"})
             for n in range(200)]
    outcomes = all_at_once(cluster, db, "test_app", works,
                           isolation_level=psycopg.IsolationLevel[level])
    assert outcomes.pop("ok") == 1
    assert set(outcomes) <= LEVELS[level]
    assert sum(outcomes.values()) == 199
    assert_no_orphans(conn, users=2, lookups=3)


def assert_no_orphans(connection, users: int, lookups: int) -> None:
    """Every row belongs to a user, and every user has one `create` in the trail."""
    counts = row_counts(connection)
    assert (counts["record"], counts["lookup"], counts["audit"]) == (users, lookups, users)
    strangers = connection.execute(
        "SELECT token FROM bunker.lookup UNION"
        " SELECT token FROM bunker.audit WHERE token IS NOT NULL"
        " EXCEPT SELECT token FROM bunker.record").fetchall()
    assert strangers == []


def test_two_hundred_first_uses_make_one_keyring(cluster, db, conn):
    works = [lambda c, n=n: create(c, {"custom": f"c{n}"}) for n in range(100)]
    assert all_at_once(cluster, db, "test_app", works) == {"ok": 100}
    duplicates = conn.execute("SELECT purpose FROM bunker.keyring GROUP BY 1 HAVING count(*) > 1")
    assert duplicates.fetchall() == []
    assert find(conn, "custom", "c99")


def test_crossing_values_do_not_wait_in_a_circle(cluster, db, conn, app_conn):
    """The same pairs of values, in every combination and order."""
    create(app_conn, {"login": "first"})
    for round_number in range(10):
        values = [{"email": f"e{round_number}-{n % 2}@example.com",
                   "phone": f"+4420794{round_number:02}00{(n // 2) % 2}"} for n in range(16)]
        works = [lambda c, v=value: create(c, dict(reversed(v.items()))) for value in values]
        assert set(all_at_once(cluster, db, "test_app", works)) <= {"ok", "23505"}
    strangers = conn.execute("SELECT token FROM bunker.lookup EXCEPT SELECT token FROM"
                             " bunker.record").fetchall()
    assert strangers == []


def test_overlapping_bulk_creates_do_not_wait_in_a_circle(cluster, db, app_conn):
    create(app_conn, {"login": "first"})
    crowd = people(1, 400)
    works = [lambda c, seed=seed: create_many(c, random.Random(seed).sample(crowd, 400))
             for seed in range(6)]
    outcomes = all_at_once(cluster, db, "test_app", works)
    assert outcomes == {"ok": 1, "23505": 5}


@pytest.mark.parametrize("level", LEVELS)
def test_no_update_is_lost(cluster, db, app_conn, level):
    create(app_conn, {"login": "ann", "n": 0})
    works = [count_up for _ in range(8)]
    assert all_at_once(cluster, db, "test_app", [outside(work, level) for work in works]) == {
        "ok": 8}
    found = call(app_conn, "bunker_lookup", "login", "ann")
    assert (found["profile"]["n"], found["version"]) == (80, 81)


def outside(work, level):
    """`work` on a second connection, which may retry transactions of its own."""
    def run(connection):
        with psycopg.connect(connection.info.dsn, autocommit=True) as own:
            own.isolation_level = psycopg.IsolationLevel[level]
            work(own)
    return run


def count_up(connection) -> None:
    """Adds one, ten times, as an application does: read, expect the version, try again."""
    done = 0
    while done < 10:
        try:
            with connection.transaction():
                seen = call(connection, "bunker_lookup", "login", "ann")
                update(connection, "login", "ann", {"n": seen["profile"]["n"] + 1},
                       seen["version"])
            done += 1
        except psycopg.errors.SerializationFailure:
            pass


# Prepared transactions ------------------------------------------------------------------------

def test_prepared_transactions(fresh_cluster):
    server = fresh_cluster({"max_prepared_transactions": "5"})
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, {"login": "first"})
        for outcome in ("COMMIT", "ROLLBACK"):
            connection.execute("BEGIN")
            create(connection, {"login": outcome.lower()})
            update(connection, "login", "first", {outcome: 1})
            connection.execute(f"PREPARE TRANSACTION '{outcome}'")
            assert find(connection, "login", outcome.lower()) is None
            if outcome == "COMMIT":
                server.restart("immediate")
            with server.connect("vault") as after:
                after.execute(f"{outcome} PREPARED '{outcome}'")
            connection = server.connect("vault")
        assert find(connection, "login", "commit")
        assert find(connection, "login", "rollback") is None
        assert call(connection, "bunker_lookup", "login", "first")["profile"] == {
            "login": "first", "COMMIT": 1}
        assert row_counts(connection)["audit"] == 3
        connection.close()


# Endurance ------------------------------------------------------------------------------------

def test_many_subtransactions(conn, app_conn):
    create(app_conn, {"login": "taken"})
    app_conn.execute("""DO $$ BEGIN
        FOR i IN 1..2000 LOOP
            BEGIN
                PERFORM bunker_create_user(jsonb_build_object('login', 'u' || i));
                PERFORM bunker_update_user('login', 'u' || i, '{"n": 1}');
                IF i % 2 = 0 THEN
                    PERFORM bunker_create_user('{"login": "taken"}');
                END IF;
            EXCEPTION WHEN unique_violation THEN NULL;
            END;
        END LOOP;
    END $$""")
    counts = row_counts(conn)
    assert (counts["record"], counts["lookup"]) == (1001, 1001)
    assert (counts["record_version"], counts["audit"]) == (1000, 2001)
    assert find(app_conn, "login", "u1999")
    assert find(app_conn, "login", "u2000") is None


def test_one_user_changed_often_under_an_old_snapshot(app_conn, connect_as):
    """Nothing can be vacuumed, and every look-up passes a chain of dead rows."""
    create(app_conn, {"login": "ann", "email": "e0@example.com"})
    old = connect_as("app")
    old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with old.transaction():
        assert find(old, "email", "e0@example.com")
        for n in range(1, 1001):
            update(app_conn, "login", "ann", {"email": f"e{n % 5}@example.com"})
        assert call(old, "bunker_lookup", "login", "ann")["version"] == 1
    assert call(app_conn, "bunker_lookup", "email", "e0@example.com")["version"] == 1001


def test_create_and_forget_of_one_value_over_and_over(conn, app_conn):
    for _ in range(500):
        create(app_conn, {"email": "same@example.com"})
        assert forget(app_conn, "email", "same@example.com")
    assert row_counts(conn)["lookup"] == 0
    for command in ("VACUUM FULL bunker.lookup", "VACUUM FULL bunker.record",
                    "REINDEX TABLE bunker.lookup"):
        conn.execute(command)
    token = create(app_conn, {"email": "same@example.com"})
    assert find(app_conn, "email", "same@example.com") == token
