"""App data that were altered behind the vault's back, and many who change them at once."""

import psycopg
import pytest

from harness.apps import apps, get, patch, put
from harness.crowd import all_at_once
from harness.events import events_of
from harness.vault import create

ANN = {"email": "ann@example.com", "login": "ann"}


@pytest.fixture
def ann(app_conn):
    """The token of a user."""
    return create(app_conn, ANN)


# Tampering ------------------------------------------------------------------------------------

SWAPS = {
    "another user's": "UPDATE bunker.app_data a SET sealed = b.sealed FROM bunker.app_data b"
                      " WHERE a.token = %(ann)s AND a.app = 'shop'"
                      " AND b.token = %(ben)s AND b.app = 'shop'",
    "another app's": "UPDATE bunker.app_data a SET sealed = b.sealed FROM bunker.app_data b"
                     " WHERE a.token = %(ann)s AND a.app = 'shop'"
                     " AND b.token = %(ann)s AND b.app = 'other'",
    "an older version's": "UPDATE bunker.app_data a SET sealed = v.sealed"
                          " FROM bunker.app_data_version v WHERE a.token = %(ann)s"
                          " AND a.app = 'shop' AND v.token = %(ann)s AND v.app = 'shop'",
    "a profile": "UPDATE bunker.app_data a SET sealed = r.sealed FROM bunker.record r"
                 " WHERE a.token = %(ann)s AND a.app = 'shop' AND r.token = %(ann)s",
    "another version number": "UPDATE bunker.app_data SET version = 1"
                              " WHERE token = %(ann)s AND app = 'shop'",
    "one bit": "UPDATE bunker.app_data SET sealed = set_byte(sealed, 120, 255 - get_byte(sealed, 120))"
               " WHERE token = %(ann)s AND app = 'shop'",
    "nothing": "UPDATE bunker.app_data SET sealed = '' WHERE token = %(ann)s AND app = 'shop'",
}


@pytest.mark.parametrize("swap", SWAPS)
def test_bytes_do_not_open_in_another_place(conn, app_conn, ann, raises, swap):
    ben = create(app_conn, {"login": "ben"})
    put(app_conn, "shop", {"n": "private1"})
    put(app_conn, "shop", {"n": "private2"})
    put(app_conn, "other", {"n": "private3"})
    put(app_conn, "shop", {"n": "private4"}, "login", "ben")
    put(app_conn, "shop", {"n": "private5"}, "login", "ben")
    conn.execute(SWAPS[swap], {"ann": ann, "ben": ben})
    with raises("XX001", secrets=["private"]):
        get(app_conn, "shop")
    with raises("XX001", secrets=["private"]):
        patch(app_conn, "shop", {"x": 1})
    assert get(app_conn, "other") == {"n": "private3"}
    assert events_of(conn, ann, "get_app")[0]["status"] == "failed"
    if swap == "another version number":
        with raises("XX001"):
            put(app_conn, "shop", {"n": "new"})
    else:
        assert put(app_conn, "shop", {"n": "new"}) == 3
        assert get(app_conn, "shop") == {"n": "new"}


def test_rows_that_change_hands_do_not_open(conn, app_conn, ann, raises):
    ben = create(app_conn, {"login": "ben"})
    put(app_conn, "shop", {"n": "private"})
    conn.execute("UPDATE bunker.app_data SET token = %s", [ben])
    with raises("XX001", secrets=["private"]):
        get(app_conn, "shop", "login", "ben")
    conn.execute("UPDATE bunker.app_data SET token = %s, app = 'other'", [ann])
    with raises("XX001", secrets=["private"]):
        get(app_conn, "other")


def test_an_index_entry_that_points_at_somebody_else_shows(conn, app_conn, ann, raises):
    """Also when the record was made to claim it: nothing of Ben's for who asks for Ann."""
    ben = create(app_conn, {"login": "ben"})
    put(app_conn, "shop", {"n": "private"}, "login", "ben")
    conn.execute("UPDATE bunker.lookup SET token = %s, place = NULL WHERE token = %s", [ben, ann])
    conn.execute("UPDATE bunker.record a SET digests = b.digests || a.digests FROM bunker.record b"
                 " WHERE a.token = %s AND b.token = %s", [ben, ann])
    with raises("XX001", secrets=["private"]):
        get(app_conn, "shop")
    with raises("XX001"):
        apps(app_conn)
    with raises("XX001"):
        put(app_conn, "shop", {"n": "Ann's"})
    assert get(app_conn, "shop", "token", ben) == {"n": "private"}


# At the same time -----------------------------------------------------------------------------

LEVELS = ("READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE")


@pytest.mark.parametrize("level", LEVELS)
def test_no_change_is_lost(cluster, db, app_conn, ann, level):
    """The first to store something, and all that patch it."""
    def work(number):
        def run(connection):
            with psycopg.connect(connection.info.dsn, autocommit=True) as own:
                own.isolation_level = psycopg.IsolationLevel[level]
                for step in range(5):
                    again(own, lambda step=step: patch(own, "shop", {f"{number}-{step}": 1}))
        return run

    def first(connection):
        put(connection, "shop", {})

    outcomes = all_at_once(cluster, db, "test_app", [first] * 8)
    assert outcomes == {"ok": 8}
    outcomes = all_at_once(cluster, db, "test_app", [work(number) for number in range(8)])
    assert outcomes == {"ok": 8}
    assert len(get(app_conn, "shop")) == 40
    assert put(app_conn, "shop", {}) == 8 + 40 + 1


def again(connection, work) -> None:
    """Repeats a transaction that another one was in the way of."""
    while True:
        try:
            with connection.transaction():
                return work()
        except psycopg.errors.SerializationFailure:
            pass


def test_first_stores_under_old_snapshots_lose_nothing(cluster, db, app_conn, ann):
    works = [lambda c, n=n: put(c, "shop", {"n": n}) for n in range(12)]
    outcomes = all_at_once(cluster, db, "test_app", works,
                           isolation_level=psycopg.IsolationLevel.SERIALIZABLE)
    done = outcomes.pop("ok")
    assert done >= 1 and set(outcomes) <= {"40001"}
    assert put(app_conn, "shop", {}) == done + 1


def test_a_rollback_takes_it_back(app_conn, ann):
    put(app_conn, "shop", {"n": 1})
    with app_conn.transaction():
        patch(app_conn, "shop", {"n": 2})
        assert get(app_conn, "shop") == {"n": 2}
        raise psycopg.Rollback
    assert get(app_conn, "shop") == {"n": 1}
    assert patch(app_conn, "shop", {"n": 3}) == 2


def test_a_statement_sees_what_it_has_changed(app_conn, ann):
    found = app_conn.execute(
        "SELECT bunker_set_app('login', 'ann', 'shop', '{\"n\": 1}'),"
        "       bunker_get_app('login', 'ann', 'shop')").fetchone()
    assert found == (1, {"n": 1})
