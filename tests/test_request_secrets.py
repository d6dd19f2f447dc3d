"""What of requests is sealed, what shows tampering, and what forget-me leaves."""

import json

import psycopg
import pytest
from canary import word
from psycopg import sql

from harness.identity import acting, log_in
from harness.requests import approve, cancel, file, listed, of_user, show, statuses
from harness.vault import call, create, forget, rows

ANN, BEN = {"login": "ann", "city": "Leeds"}, {"login": "ben", "city": "Leeds"}
MOVE = {"city": "York"}
PROFILE = "change-profile"


@pytest.fixture
def users(conn):
    """The tokens of two users."""
    return create(conn, ANN), create(conn, BEN)


# Tampering ----------------------------------------------------------------------------------------

ALTERATIONS = [
    "token = '{ben}'", "action = 'forget-me'", "action = 'forget-me', sealed = NULL",
    "subject = 'shop'", "status = 'approved'", "status = 'cancelled'", "status = 'nonsense'",
    "created_at = created_at + interval '1 microsecond'", "updated_at = created_at - interval '1 day'",
    "requested_by = 'test_reader'", "requested_as = 'user'", "decided_by = 'test_dpo'",
    "decided_as = 'officer'", "seen = 2", "seen = NULL", "sealed = NULL", "reason = ''",
    "reason = sealed", "sealed = reason", "sealed = '\\x0101'",
    "sealed = (SELECT sealed FROM bunker.request WHERE request = '{other}')",
    "reason = (SELECT reason FROM bunker.request WHERE request = '{other}')",
]


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_request_is_neither_shown_nor_done(conn, app_conn, dpo_conn, raises, users, alteration):
    request, other = file(app_conn, "ann", PROFILE, MOVE), file(app_conn, "ann", PROFILE, {"n": 1})
    conn.execute(f"UPDATE bunker.request SET {alteration} WHERE request = '{request}'".format(
        ben=users[1], other=other))
    for attempt in (approve, show):
        with raises("XX001", secrets=["York", "Leeds"]):
            attempt(dpo_conn, request)
    assert {call(app_conn, "bunker_lookup", "login", name)["version"] for name in ("ann", "ben")} == {1}
    assert show(dpo_conn, other)["change"] == {"n": 1}
    if alteration.startswith("sealed =") and "NULL" not in alteration:
        # The row is as it was, but for what would change, which neither of these opens.
        assert len(listed(dpo_conn)) == 2 and cancel(dpo_conn, request) is True
        return
    for attempt in (cancel, lambda connection, _: listed(connection, None)):
        with raises("XX001"):
            attempt(dpo_conn, request)


def test_requests_whose_columns_are_swapped_do_not_open(conn, app_conn, dpo_conn, raises, users):
    first, second = file(app_conn, "ann", PROFILE, MOVE), file(app_conn, "ben", PROFILE, MOVE)
    conn.execute("UPDATE bunker.request SET request = gen_random_uuid() WHERE request = %s", [first])
    conn.execute("UPDATE bunker.request SET request = %s WHERE request = %s", [first, second])
    with raises("XX001"):
        approve(dpo_conn, first)
    with raises("P0002"):
        approve(dpo_conn, second)
    with raises("XX001"):
        of_user(dpo_conn, "login", "ben")


def test_a_decided_request_cannot_be_opened_again(conn, app_conn, dpo_conn, raises, users):
    request = file(app_conn, "ann", PROFILE, MOVE)
    before = conn.execute("SELECT * FROM bunker.request").fetchone()
    cancel(dpo_conn, request, "no")
    conn.execute("UPDATE bunker.request SET status = 'open', decided_by = NULL, decided_as = NULL")
    with raises("XX001"):
        approve(dpo_conn, request)
    # Even the whole old row, put back, shows: the trail has the write, and what it saw is checked.
    conn.execute("DELETE FROM bunker.request")
    places = sql.SQL(", ").join([sql.Placeholder()] * len(before))
    conn.execute(sql.SQL("INSERT INTO bunker.request VALUES ({})").format(places), before)
    direct = [row[3] for row in rows(dpo_conn, "bunker_audit", "login", "ann")]
    assert direct.count("direct_update") == direct.count("direct_insert") == 1


def test_a_damaged_request_does_not_keep_its_user_from_being_forgotten(conn, app_conn, dpo_conn, raises,
                                                                       users):
    damaged, whole = file(app_conn, "ann", PROFILE, MOVE), file(app_conn, "ann", "forget-me")
    conn.execute("UPDATE bunker.request SET requested_by = 'x' WHERE request = %s", [damaged])
    conn.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
    assert forget(conn, "login", "ann") is True
    conn.execute("COMMIT")
    with raises("XX001"):  # not sealed as if it were right
        show(dpo_conn, damaged)
    with raises("XX001"):
        approve(dpo_conn, damaged)
    assert show(dpo_conn, whole)["status"] == "cancelled"
    assert conn.execute("SELECT sealed, status FROM bunker.request WHERE request = %s",
                        [damaged]).fetchone() == (None, "cancelled")


# Forgetting -----------------------------------------------------------------------------------------

def test_nothing_of_a_forgotten_user_can_be_opened(conn, app_conn, dpo_conn, users):
    requests = {name: file(app_conn, "ann", PROFILE, {"n": name}) for name in "abc"}
    requests["d"] = file(app_conn, "ann", "forget-me")
    approve(dpo_conn, requests["a"], "Ann from York")
    cancel(dpo_conn, requests["b"], "not from York")
    cancel(dpo_conn, requests["d"], "she stays in York")
    kept = file(app_conn, "ben", PROFILE, MOVE)
    forget(app_conn, "login", "ann")
    shown = {name: show(dpo_conn, request) for name, request in requests.items()}
    assert {name: (one["status"], one["reason"]) for name, one in shown.items()} == {
        "a": ("approved", None), "b": ("cancelled", None), "c": ("cancelled", "user forgotten"),
        "d": ("cancelled", None)}
    assert {(one["change"], one["original"]) for one in shown.values()} == {(None, None)}
    assert statuses(app_conn, "token", users[0]) == ["approved", "cancelled", "cancelled", "cancelled"]
    assert of_user(app_conn, "login", "ann") == []
    sealed = conn.execute("SELECT token, sealed IS NULL FROM bunker.request").fetchall()
    assert {token for token, is_gone in sealed if not is_gone} == {users[1]}
    assert show(dpo_conn, kept)["change"] == MOVE


@pytest.mark.parametrize("level", ["REPEATABLE_READ", "SERIALIZABLE"])
def test_no_request_escapes_a_forget_that_sees_the_past(conn, app_conn, connect_as, raises, users, level):
    past = connect_as("app")
    past.isolation_level = psycopg.IsolationLevel[level]
    with raises("40001"), past.transaction():
        assert call(past, "bunker_get_user", users[0]) == ANN
        file(app_conn, "ann", PROFILE, MOVE)
        forget(past, "login", "ann")
    with past.transaction():
        assert forget(past, "login", "ann") is True
    assert conn.execute("SELECT count(*) FROM bunker.request WHERE sealed IS NOT NULL").fetchone() == (0,)


# Nothing in the clear -------------------------------------------------------------------------------

def test_no_value_of_a_request_is_on_disk(cluster, conn, app_conn, dpo_conn, raises, users):
    values = {name: word() for name in ("change", "kept", "approved", "cancelled", "refused", "patch")}
    request = file(app_conn, "ann", PROFILE, {"city": values["change"], values["kept"]: 1})
    approve(dpo_conn, request, f"because of {values['approved']}")
    request = file(app_conn, "ben", PROFILE, {"city": values["change"]})
    cancel(dpo_conn, request, f"because of {values['cancelled']}")
    with raises("22023", secrets=[values["refused"]]):
        file(app_conn, "ann", values["refused"])
    with raises("22023", secrets=[values["patch"]]):
        file(app_conn, "ann", PROFILE, [{"op": "remove", "path": f"/{values['patch']}"}])
    with raises("22023", secrets=[values["refused"]]):
        listed(dpo_conn, values["refused"])
    with raises("22023", secrets=[values["refused"]]):
        approve(dpo_conn, request, values["refused"] * 100)
    assert len(listed(dpo_conn, None)) == 2 and show(dpo_conn, request)["reason"]
    dpo_conn.execute("SELECT count(*) FROM bunker_audit_all()")
    conn.execute("CHECKPOINT")
    found = {name: cluster.files_holding(value.encode()) for name, value in values.items()}
    assert {name: files for name, files in found.items() if files} == {}


def test_reasons_never_spill_into_a_temporary_file(conn, app_conn, dpo_conn, users):
    """A set of rows that the executor collects itself goes to disk beyond work_mem."""
    for n in range(90):
        cancel(dpo_conn, file(app_conn, "ann", PROFILE, {"n": n}), "x" * 1_000)
    conn.execute("SET work_mem = '64kB'")
    before = conn.execute("SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()")
    before = before.fetchone()[0]
    found = conn.execute("SELECT count(reason) FROM bunker_list_requests('cancelled', NULL, 90)")
    assert found.fetchone() == (90,)
    plan = conn.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT json)"
                        " SELECT * FROM bunker_list_requests('cancelled', NULL, 90)").fetchone()[0]
    assert "Temp Written Blocks" in json.dumps(plan)
    assert plan[0]["Plan"]["Temp Written Blocks"] == 0
    conn.execute("SELECT pg_stat_force_next_flush()")
    after = conn.execute("SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()")
    assert after.fetchone()[0] == before


def test_a_user_who_has_logged_in_learns_nothing_of_others(conn, web, app_conn, raises, users):
    own, others = file(app_conn, "ann", "forget-me"), file(app_conn, "ben", PROFILE, MOVE)
    client, subject = web(), log_in(conn, "ann")
    refusals = []
    for statement, argument in (
            ("SELECT bunker_get_request(%s)", others), ("SELECT bunker_cancel_request(%s)", others),
            ("SELECT bunker_get_request(%s)", users[0]), ("SELECT bunker_cancel_request(%s)", users[0]),
            ("SELECT bunker_user_requests('token', %s::text)", users[1]),
            ("SELECT bunker_user_requests('token', %s::text)", others),
            ("SELECT bunker_request('token', %s::text, 'forget-me')", users[1]),
            ("SELECT bunker_request('token', %s::text, 'forget-me')", others),
            ("SELECT bunker_list_requests(NULL, %s)", None), ("SELECT bunker_approve_request(%s)", own)):
        with raises("42501", secrets=["York", str(users[1])]) as refused, acting(client, subject):
            client.execute(statement, [argument])
        refusals.append((refused.error.diag.message_primary, refused.error.diag.message_hint))
    assert len(set(refusals)) == 1
    with acting(client, subject):
        assert show(client, own)["original"] == ANN
        assert [row["request"] for row in of_user(client, "login", "ann")] == [own]
        assert cancel(client, own) is True
    assert show(app_conn, own)["decided_as"] == "user"
    assert statuses(app_conn, "login", "ben") == ["open"]
