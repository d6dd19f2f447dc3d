"""databunker.read_rate_limit: what a role may read in a minute, over all sessions of the server."""

import itertools
import os
import signal
import time

import psycopg
import pytest

from harness.crowd import all_at_once
from harness.vault import call, create, create_many, find, forget, people
from harness.wait import wait_until

OVER = "54000"
_names = (f"test_metered_{number}" for number in itertools.count(1))


@pytest.fixture
def metered(cluster, conn):
    """metered(limit): a new role that holds bunker_app and may read so much in a minute."""
    create_many(conn, people(1, 20))
    roles = []

    def role(limit: int) -> str:
        roles.append(next(_names))
        cluster.psql(f"CREATE ROLE {roles[-1]} LOGIN IN ROLE bunker_app;"
                     f" ALTER ROLE {roles[-1]} SET databunker.read_rate_limit = {limit}")
        return roles[-1]

    yield role
    cluster.psql("; ".join(f"DROP ROLE IF EXISTS {name}" for name in roles))


def read(connection) -> dict:
    """One record."""
    return call(connection, "bunker_lookup", "login", "p1")


def passed(connection, attempts: int) -> int:
    """How many single reads get through."""
    done = 0
    for _ in range(attempts):
        try:
            read(connection)
            done += 1
        except psycopg.errors.ProgramLimitExceeded as refused:
            assert "read_rate_limit" in refused.diag.message_hint
    return done


@pytest.mark.parametrize("limit", [1, 50, 199])
def test_of_two_hundred_at_once_exactly_as_many_pass_as_may(cluster, db, metered, limit):
    outcomes = all_at_once(cluster, db, metered(limit), [read] * 200)
    assert outcomes == {"ok": limit, OVER: 200 - limit}


def test_sets_are_taken_whole(cluster, db, conn, metered):
    role = metered(50)
    tokens = [find(conn, "login", f"p{n}") for n in range(1, 8)]
    seven = [lambda c: c.execute("SELECT * FROM bunker_get_users(%s)", [tokens])] * 20
    assert all_at_once(cluster, db, role, seven) == {"ok": 7, OVER: 13}
    with cluster.connect(db, role) as connection:
        assert passed(connection, 3) == 1


def test_each_role_has_its_own_rate_in_all_databases(cluster, db, metered):
    one, other = metered(5), metered(5)
    second = cluster.create_db("second", template="bunker_template")
    try:
        with cluster.connect(db, one) as here, cluster.connect(second, one) as there:
            create(there, people(1, 1)[0])
            assert (passed(here, 3), passed(there, 9), passed(here, 9)) == (3, 2, 0)
        with cluster.connect(db, other) as connection:
            assert passed(connection, 9) == 5
    finally:
        cluster.drop_db(second)


def test_what_was_taken_is_not_given_back(cluster, db, conn, metered):
    """Not by a rollback, not by a record that does not open, not by a new session."""
    conn.execute("UPDATE bunker.record SET sealed = set_byte(sealed, 120, 255 - get_byte(sealed, 120))"
                 " WHERE token = %s", [find(conn, "login", "p2")])
    role = metered(3)
    with cluster.connect(db, role) as connection:
        with connection.transaction(force_rollback=True):
            assert read(connection)
        with pytest.raises(psycopg.errors.DataCorrupted):
            call(connection, "bunker_lookup", "login", "p2")
    with cluster.connect(db, role) as connection:
        assert passed(connection, 5) == 1


def test_misses_tokens_and_refused_calls_take_nothing(cluster, db, metered, connect_as):
    role = metered(150)
    with cluster.connect(db, role) as connection:
        for _ in range(200):
            find(connection, "login", "p1")
            assert call(connection, "bunker_lookup", "login", "nobody") is None
        token = find(connection, "login", "p1")
        for _ in range(3):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM bunker_get_users(%s)", [[token] * 101])
        assert passed(connection, 200) == 150


def test_set_role_is_no_new_role(cluster, db, metered):
    with cluster.connect(db, metered(4)) as connection:
        assert passed(connection, 2) == 2
        connection.execute("SET ROLE bunker_app")
        assert passed(connection, 9) == 2
        connection.execute("DISCARD ALL")
        assert passed(connection, 9) == 0


def test_an_unlock_does_not_lift_the_rate(cluster, db, metered):
    role = metered(110)
    cluster.psql(f"GRANT bunker_admin TO {role}")
    with cluster.connect(db, role) as connection:
        call(connection, "bunker_unlock_bulk", "ticket 7")
        token = find(connection, "login", "p1")
        everyone = "SELECT count(*) FROM bunker_get_users(%s)"
        assert connection.execute(everyone, [[token] * 105]).fetchone() == (105,)
        assert passed(connection, 9) == 5


def test_a_role_that_is_made_again_is_another(cluster, db, metered):
    """It has another oid; a session of the dropped one stays where it was."""
    role = metered(2)
    with cluster.connect(db, role) as connection:
        assert passed(connection, 5) == 2
    cluster.psql(f"DROP ROLE {role}; CREATE ROLE {role} LOGIN IN ROLE bunker_app;"
                 f" ALTER ROLE {role} SET databunker.read_rate_limit = 2")
    with cluster.connect(db, role) as connection:
        assert passed(connection, 5) == 2


def test_after_a_minute(cluster, db, conn, metered):
    """The rate recovers, and an unlock ends, also in the transaction in which it was made."""
    role = metered(10)
    cluster.psql(f"GRANT bunker_admin TO {role}")
    token = find(conn, "login", "p1")
    three = "SELECT count(*) FROM bunker_get_users(%s)"
    with cluster.connect(db, role) as connection:
        cluster.psql(f"ALTER ROLE {role} SET databunker.bulk_read_limit = 2")
        with cluster.connect(db, role) as guarded, guarded.transaction():
            began = time.monotonic()
            call(guarded, "bunker_unlock_bulk", "ticket 7")
            assert guarded.execute(three, [[token] * 3]).fetchone() == (3,)
            assert passed(connection, 20) == 7
            time.sleep(58 - (time.monotonic() - began))
            assert passed(connection, 20) == 0
            time.sleep(66 - (time.monotonic() - began))
            assert passed(connection, 20) == 10
            with pytest.raises(psycopg.errors.InsufficientPrivilege), guarded.transaction():
                guarded.execute(three, [[token]])


# Servers of their own -------------------------------------------------------------------------

def test_without_preloading_a_rate_is_refused(fresh_cluster):
    server = fresh_cluster({"databunker.read_rate_limit": "5"}, preload=False)
    with server.connect() as connection:
        connection.execute("CREATE EXTENSION databunker")
        create(connection, people(1, 1)[0])
        connection.execute("SET databunker.audit_reads = 'transaction'")
        with server.raises("55000") as caught:
            read(connection)
        hint = caught.error.diag.message_hint
        assert "shared_preload_libraries = 'databunker'" in hint
        assert find(connection, "login", "p1")
        connection.execute("SET databunker.read_rate_limit = 0")
        assert read(connection)


def test_without_preloading_a_reader_cannot_set_limits_beforehand(fresh_cluster):
    """Until the library is loaded its settings are placeholders, which anybody may set."""
    server = fresh_cluster(preload=False)
    with server.connect() as connection:
        connection.execute("CREATE EXTENSION databunker; CREATE ROLE shop LOGIN IN ROLE bunker_app")
        token = create(connection, people(1, 1)[0])
    with server.connect(user="shop", options="-c databunker.bulk_read_limit=7000") as connection:
        connection.execute("SET databunker.bulk_read_limit = 8000")
        with server.raises("42501"):
            connection.execute("SELECT * FROM bunker_get_users(%s)", [[token] * 101])
        assert connection.execute("SHOW databunker.bulk_read_limit").fetchone() == ("100",)


def test_a_crash_of_a_session_leaves_a_working_rate(fresh_cluster):
    server = fresh_cluster({"databunker.read_rate_limit": "3"})
    server.create_db("vault")
    connection = server.connect("vault")
    create(connection, people(1, 1)[0])
    assert passed(connection, 9) == 3
    mark = server.log_mark()
    os.kill(connection.info.backend_pid, signal.SIGKILL)
    wait_until(lambda: "ready to accept connections" in server.log(mark), "the server to restart", 30)
    with server.connect("vault") as after:
        assert passed(after, 9) == 3
        forget(after, "login", "p1")
