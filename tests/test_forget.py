"""Forget-me: what goes, what stays, and who is quicker."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness.blocking import await_blocked
from harness.vault import call, create, find, forget, row_counts, rows, update

ANN = {"login": "ann", "email": "ann@example.com", "phone": "+442079460001", "custom": "c-1"}


def test_everything_that_can_be_opened_goes(conn, app_conn):
    token = create(app_conn, ANN)
    update(app_conn, "login", "ann", {"name": "Ann"})
    kept = create(app_conn, {"login": "bob"})
    update(app_conn, "login", "bob", {"name": "Bob"})
    assert forget(app_conn, "email", "ANN@example.com") is True
    left = {table: conn.execute(f"SELECT count(*) FROM bunker.{table} WHERE token = %s",
                                [token]).fetchone()[0]
            for table in ("lookup", "record_version", "record")}
    assert left == {"lookup": 0, "record_version": 0, "record": 1}
    tombstone = conn.execute("SELECT sealed, digests, version, forgotten_at IS NOT NULL"
                             "  FROM bunker.record WHERE token = %s", [token]).fetchone()
    assert tombstone == (None, b"", 3, True)
    for kind, value in ANN.items():
        assert find(app_conn, kind, value) is None
        assert call(app_conn, "bunker_lookup", kind, value) is None
    assert call(app_conn, "bunker_lookup", "token", str(token)) is None
    assert call(app_conn, "bunker_get_user", token) is None
    assert rows(app_conn, "bunker_get_users", [token, kept])[0][0] == kept
    assert rows(app_conn, "bunker_user_versions", "token", str(token)) == []
    assert call(app_conn, "bunker_user_version", "token", str(token), 1) is None
    assert [row[0] for row in rows(app_conn, "bunker_list_users")] == [kept]
    assert len(rows(app_conn, "bunker_user_versions", "login", "bob")) == 2


def test_the_second_time_by_token_and_by_value(app_conn, raises):
    token = create(app_conn, ANN)
    assert forget(app_conn, "token", token) is True
    assert forget(app_conn, "token", token) is False
    with raises("P0002", secrets=["ann@"]):
        forget(app_conn, "email", "ann@example.com")
    with raises("P0002"):
        update(app_conn, "token", token, {"login": "ann"})
    with raises("P0002"):
        forget(app_conn, "token", "00000000-0000-4000-8000-000000000000")


def test_his_values_are_free_at_once(app_conn):
    old = create(app_conn, ANN)
    with app_conn.transaction():
        forget(app_conn, "login", "ann")
        new = create(app_conn, ANN)
        assert find(app_conn, "email", "ann@example.com") == new != old
    assert call(app_conn, "bunker_get_user", new) == ANN
    assert forget(app_conn, "token", old) is False
    assert find(app_conn, "login", "ann") == new


def test_the_trail_stays_but_shows_nothing(app_conn, dpo_conn):
    token = create(app_conn, ANN)
    update(app_conn, "login", "ann", {"name": "Ann"})
    events = rows(dpo_conn, "bunker_audit", "login", "ann")
    shown = call(dpo_conn, "bunker_audit_event", events[0][0])
    assert (shown["before"], shown["after"]) == (ANN, ANN | {"name": "Ann"})
    forget(app_conn, "login", "ann")
    trail = rows(dpo_conn, "bunker_audit", "token", str(token))
    assert [row[3] for row in trail] == [
        "delete_user", "audit_event", "update_user", "create_user"]
    assert trail[2:] == events
    for row in trail:
        shown = call(dpo_conn, "bunker_audit_event", row[0])
        assert shown["token"] == str(token)
        assert shown["before"] is shown["after"] is None
    assert rows(dpo_conn, "bunker_audit", "login", "ann") == []


def test_a_rollback_remembers_him(conn, app_conn):
    token = create(app_conn, ANN)
    before = row_counts(conn)
    with app_conn.transaction():
        forget(app_conn, "login", "ann")
        raise psycopg.Rollback
    assert row_counts(conn) == before
    assert call(app_conn, "bunker_lookup", "email", "ann@example.com")["token"] == str(token)


def test_a_version_number_goes_on_in_the_tombstone(app_conn, dpo_conn):
    token = create(app_conn, ANN)
    forget(app_conn, "login", "ann")
    kept = call(dpo_conn, "bunker_tombstone", token)
    assert kept["forgotten_at"] > kept["created_at"]
    assert kept["preserved"] is None


# At the same time -----------------------------------------------------------------------------

@pytest.fixture
def race(conn, connect_as, app_conn):
    """race(first, second): runs `first` in an open transaction, `second` until it waits, commits."""
    def run(first, second):
        create(app_conn, ANN)
        ahead = connect_as("app", autocommit=False)
        first(ahead)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(second, app_conn)
            await_blocked(conn, app_conn)
            ahead.commit()
            return waiting.result(20)

    return run


def test_two_forget_at_once(race):
    assert race(lambda first: forget(first, "login", "ann"),
                lambda second: forget(second, "login", "ann")) is False


def test_an_update_loses_to_a_forget(race, app_conn, conn):
    with pytest.raises(psycopg.errors.NoDataFound):
        race(lambda first: forget(first, "login", "ann"),
             lambda second: update(second, "login", "ann", {"email": "new@example.com"}))
    assert find(app_conn, "email", "new@example.com") is None
    assert row_counts(conn)["lookup"] == 0


def test_a_forget_takes_what_an_update_brought(race, app_conn, conn):
    assert race(lambda first: update(first, "login", "ann", {"email": "new@example.com"}),
                lambda second: forget(second, "login", "ann")) is True
    assert find(app_conn, "email", "new@example.com") is None
    assert (row_counts(conn)["lookup"], row_counts(conn)["record_version"]) == (0, 0)


def test_a_create_waits_for_a_forget(race, app_conn):
    token = race(lambda first: forget(first, "login", "ann"),
                 lambda second: create(second, ANN))
    assert find(app_conn, "email", "ann@example.com") == token


def test_look_ups_during_forget_and_create_are_whole(connect_as, app_conn):
    """Whoever looks sees one whole user or none, never an error or half of one."""
    reader = connect_as("reader")
    create(app_conn, ANN)

    def churn():
        for round_number in range(150):
            forget(app_conn, "login", "ann")
            create(app_conn, ANN)
            update(app_conn, "login", "ann", {"email": f"r{round_number % 2}@example.com"})

    with ThreadPoolExecutor() as pool:
        churning = pool.submit(churn)
        seen = set()
        while not churning.done():
            found = call(reader, "bunker_lookup", "login", "ann")
            seen.add(found and found["profile"]["phone"])
            by_email = call(reader, "bunker_lookup", "email", "r1@example.com")
            assert by_email is None or by_email["profile"]["email"] == "r1@example.com"
        churning.result()
    assert "+442079460001" in seen
