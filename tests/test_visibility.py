"""When a change is seen: by the statement that makes it, its transaction, and everybody else."""

import psycopg
import pytest

from harness.vault import call, create, find, update

ANN = {"login": "ann", "email": "ann@example.com"}


def test_a_user_is_there_within_the_statement_that_creates_him(app_conn):
    found = app_conn.execute(
        "SELECT c.token = bunker_find_token('login', 'ann'),"
        "       bunker_lookup('login', 'ann') -> 'profile' ->> 'login',"
        "       bunker_update_user('login', 'ann', '{\"name\": \"Ann\"}'),"
        "       bunker_get_user(c.token) ->> 'name',"
        "       bunker_delete_user('login', 'ann'),"
        "       bunker_find_token('login', 'ann')"
        "  FROM (SELECT bunker_create_user('{\"login\": \"ann\"}') AS token OFFSET 0) AS c"
    ).fetchone()
    assert found == (True, "ann", 2, "Ann", True, None)


def test_a_user_is_there_within_plpgsql(app_conn):
    app_conn.execute("""DO $$
        DECLARE made uuid := bunker_create_user('{"login": "ann"}');
        BEGIN
            ASSERT bunker_find_token('login', 'ann') = made;
            BEGIN
                PERFORM bunker_create_user('{"login": "bob"}');
                PERFORM bunker_create_user('{"login": "ann"}');
            EXCEPTION WHEN unique_violation THEN
                ASSERT bunker_find_token('login', 'bob') IS NULL;
            END;
            ASSERT bunker_update_user('login', 'ann', '{"n": 1}', 1) = 2;
            ASSERT bunker_get_user(made) -> 'n' = '1';
        END $$""")
    assert find(app_conn, "login", "ann")
    assert find(app_conn, "login", "bob") is None


def test_savepoints_undo_what_came_after_them(cluster, db, app_conn):
    with cluster.connect(db) as other, app_conn.transaction():
        ann = create(app_conn, {"login": "ann"})
        with app_conn.transaction():
            assert update(app_conn, "login", "ann", {"login": "anna"}) == 2
            assert find(app_conn, "login", "ann") is None
            bob = create(app_conn, {"login": "bob"})
            assert find(app_conn, "login", "bob") == bob
            raise psycopg.Rollback
        assert find(app_conn, "login", "ann") == ann
        assert find(app_conn, "login", "anna") is find(app_conn, "login", "bob") is None
        create(app_conn, {"login": "bob"})
        assert find(other, "login", "ann") is None
    assert find(app_conn, "login", "ann") == ann


def test_a_snapshot_does_not_see_later_changes(app_conn, connect_as):
    old = create(app_conn, {"login": "ann", "n": 1})
    other = connect_as("app")
    app_conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with app_conn.transaction():
        assert find(app_conn, "login", "ann") == old
        update(other, "login", "ann", {"login": "anna", "n": 2})
        create(other, {"login": "ann", "n": 3})
        found = call(app_conn, "bunker_lookup", "login", "ann")
        assert (found["token"], found["profile"]["n"]) == (str(old), 1)
        assert find(app_conn, "login", "anna") is None
        assert call(app_conn, "bunker_get_user", old) == {"login": "ann", "n": 1}
    assert call(app_conn, "bunker_lookup", "login", "ann")["profile"]["n"] == 3


def test_the_caller_stays_himself_after_an_error_inside(connect_as, app_conn):
    """An error in a statement that runs as the owner must leave neither his role nor his path."""
    create(app_conn, ANN)
    other = connect_as("app", autocommit=False)
    update(other, "login", "ann", {"n": 1})
    app_conn.execute("SET search_path = public, pg_temp; SET lock_timeout = 100")
    who = "SELECT current_user, session_user, current_setting('search_path')"
    before = app_conn.execute(who).fetchone()
    with app_conn.transaction():
        with pytest.raises(psycopg.errors.LockNotAvailable), app_conn.transaction():
            update(app_conn, "login", "ann", {"n": 2})
        assert app_conn.execute(who).fetchone() == before
        with pytest.raises(psycopg.errors.InsufficientPrivilege), app_conn.transaction():
            app_conn.execute("SELECT 1 FROM bunker.record")
    assert before[0] == "test_app"
    other.rollback()
