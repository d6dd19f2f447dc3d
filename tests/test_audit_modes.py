"""databunker.audit_reads and its modes, events of every size, and the counters of bunker.stat."""

import json

import psycopg
import pytest

from harness.events import events_of, trail
from harness.vault import call, create, create_many, find, people, row_counts, rows, update
from harness.wait import wait_until

ANN = {"login": "ann", "email": "ann@example.com"}


@pytest.fixture
def ann(conn):
    """The token of a user."""
    return create(conn, ANN)


@pytest.fixture
def mode(conn, db, connect_as):
    """mode(name): an application's connection in that mode, chosen by a superuser."""
    def start(name: str):
        conn.execute(f"ALTER DATABASE {db} SET databunker.audit_reads = '{name}'")
        return connect_as("app")
    return start


def reads(connection) -> list[str]:
    """The actions of the trail that are no writes, oldest first."""
    actions = [event["action"] for event in trail(connection)[::-1]]
    return [action for action in actions if action != "create_user"]


# Modes ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["durable", "async"])
def test_events_that_outlive_the_transaction(conn, mode, ann, name):
    client = mode(name)
    with client.transaction(force_rollback=True):
        assert call(client, "bunker_get_user", ann) == ANN
        with client.transaction(force_rollback=True):
            find(client, "login", "ann")
    with client.transaction():
        client.execute("SET TRANSACTION READ ONLY")
        assert call(client, "bunker_lookup", "login", "ann")["profile"] == ANN
    assert reads(conn) == ["get_user", "find_token", "lookup"]


def test_events_that_die_with_the_transaction(conn, mode, raises, ann):
    client = mode("transaction")
    with client.transaction(force_rollback=True):
        assert call(client, "bunker_get_user", ann) == ANN
    assert reads(conn) == []
    with client.transaction():
        call(client, "bunker_lookup", "login", "ann")
        with client.transaction(force_rollback=True):
            call(client, "bunker_get_user", ann)
        assert reads(conn) == []
        assert row_counts(conn)["audit"] == 1
    assert reads(conn) == ["lookup"]
    assert events_of(conn, ann, "lookup")[0]["status"] == "ok"
    with raises("25006"), client.transaction():
        client.execute("SET TRANSACTION READ ONLY")
        call(client, "bunker_get_user", ann)
    with client.transaction():
        with raises("22023"), client.transaction():
            find(client, "email", "no address")
    assert "failed" in {event["status"] for event in trail(conn)}


def test_a_superuser_changes_it_for_a_transaction(conn, ann):
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL databunker.audit_reads = 'transaction'")
        call(conn, "bunker_get_user", ann)
    with conn.transaction(force_rollback=True):
        find(conn, "login", "ann")
    assert reads(conn) == ["find_token"]


@pytest.mark.parametrize("value", ["off", "none", "", "sometimes", "0"])
def test_there_is_no_other_mode(conn, raises, value):
    with raises("22023"):
        conn.execute(f"SET databunker.audit_reads = '{value}'")


@pytest.mark.parametrize("value", ["0", "99ms", "-1", "601s"])
def test_the_timeout_has_bounds(conn, raises, value):
    with raises("22023"):
        conn.execute(f"SET databunker.audit_timeout = '{value}'")


# Without preload ------------------------------------------------------------------------------

@pytest.fixture
def unloaded(fresh_cluster):
    """A server that loads the library late, and a user's token in its database `vault`."""
    server = fresh_cluster(preload=False)
    server.create_db("vault")
    with server.connect("vault") as connection:
        connection.execute("CREATE ROLE test_app LOGIN IN ROLE bunker_app")
        return server, create(connection, ANN)


LINE = "shared_preload_libraries = 'databunker'"


def test_without_preload_reads_say_what_to_do(unloaded):
    server, token = unloaded
    calls = [("bunker_get_user", token), ("bunker_lookup", "login", "ann"),
             ("bunker_get_users", [token]), ("bunker_find_token", "login", "nobody"),
             ("bunker_user_version", "login", "ann", 1), ("bunker_list_users",),
             ("bunker_tombstone", token), ("bunker_user_versions", "login", "ann")]
    with server.connect("vault") as connection:
        for function, *arguments in calls:
            with server.raises("55000", secrets=["ann@"]) as caught:
                rows(connection, function, *arguments)
            assert LINE in caught.error.diag.message_hint
        connection.execute("SET databunker.audit_reads = 'async'")
        with server.raises("55000"):
            call(connection, "bunker_get_user", token)
        # Writes need no worker.
        assert update(connection, "login", "ann", {"n": 1}) == 2
        assert [e["action"] for e in trail(connection)] == ["update_user", "create_user"]


def test_without_preload_a_superuser_may_choose(unloaded):
    server, token = unloaded
    with server.connect("vault") as connection:
        connection.execute("SET databunker.audit_reads = 'transaction'")
        assert call(connection, "bunker_get_user", token) == ANN
        with connection.transaction(force_rollback=True):
            call(connection, "bunker_lookup", "login", "ann")
        assert reads(connection) == ["get_user"]
        connection.execute("ALTER DATABASE vault SET databunker.audit_reads = 'transaction'")
    with server.connect("vault", "test_app") as client:
        assert call(client, "bunker_lookup", "login", "ann")["profile"] == ANN
    with server.connect("vault") as connection:
        assert [(e["action"], e["actor"]) for e in trail(connection)][0] == ("lookup", "test_app")
        assert connection.execute("SELECT count(*) FROM bunker.stat").fetchone() == (0,)
    server.restart(settings={"databunker.audit_reads": "transaction"})
    with server.connect("vault", "test_app") as client:
        assert call(client, "bunker_get_user", token) == ANN


BEFOREHAND = ["SET databunker.audit_reads = 'transaction'",
              "SELECT set_config('databunker.audit_reads', 'transaction', false)"]


@pytest.mark.parametrize("statement", BEFOREHAND)
def test_without_preload_nobody_else_may_choose(unloaded, statement):
    """Before the library is loaded, anybody may set any `databunker.…`: it must not count."""
    server, token = unloaded
    with server.connect("vault", "test_app") as client:
        client.execute(statement)
        with server.raises("55000"):
            call(client, "bunker_get_user", token)
    with server.connect("vault", "test_app",
                        options="-c databunker.audit_reads=transaction") as client:
        with server.raises("55000"):
            call(client, "bunker_get_user", token)
    with server.connect("vault", "test_app") as client:
        with server.raises("42501"):
            client.execute("ALTER ROLE test_app SET databunker.audit_reads = 'transaction'")


# Big events and many --------------------------------------------------------------------------

@pytest.mark.parametrize("letter", ["x", "\"", "\\", "\u0001", "\n", "é", "𝄞"])
def test_an_event_of_the_greatest_size(cluster, conn, db, ann, letter):
    """All that a caller can say of himself is kept, to the last byte."""
    longest = letter * (1_000 // len(letter.encode()))
    name = '"' * 63
    conn.execute(f'CREATE ROLE "{name.replace(chr(34), chr(34) * 2)}" LOGIN IN ROLE bunker_app')
    try:
        with cluster.connect(db, name, application_name="a" * 63) as client:
            for setting in ("databunker.reason", "databunker.actor"):
                client.execute("SELECT set_config(%s, %s, false)", [setting, longest])
            for action in ("get_user", "lookup", "get_users"):
                client.execute("SELECT pg_catalog.set_config('role', 'none', false)")
                rows(client, f"bunker_{action}", *{"get_user": [ann], "get_users": [[ann] * 3],
                                                   "lookup": ["login", "ann"]}[action])
    finally:
        conn.execute(f'DROP ROLE "{name.replace(chr(34), chr(34) * 2)}"')
    events = events_of(conn, ann, "get_user", "lookup", "get_users")
    assert len(events) == 5
    for event in events:
        assert event["reason"] == longest
        assert event["actor"].startswith(json.dumps(name) + f' application="{"a" * 63}" claimed="')
        assert json.loads(event["actor"].partition(" claimed=")[2]) == longest
    assert rows(conn, "bunker_verify_audit")[0][0] is True


@pytest.mark.parametrize("setting", ["reason", "actor"])
def test_what_is_longer_is_refused(app_conn, raises, setting):
    with raises("22023"):
        app_conn.execute(f"SET databunker.{setting} = '{'x' * 1_001}'")


def test_ten_thousand_events_in_one_call(conn, ann):
    tokens = [token for _, token in create_many(conn, people(1, 10_000))]
    guarded = "SELECT count(*) FROM pg_settings WHERE name = 'databunker.bulk_read_limit'"
    if conn.execute(guarded).fetchone()[0]:
        conn.execute("SET databunker.bulk_read_limit = 0")
    with conn.transaction(force_rollback=True):
        assert len(rows(conn, "bunker_get_users", tokens)) == 10_000
    kept = conn.execute("SELECT count(*), count(DISTINCT id), count(DISTINCT token)"
                        " FROM bunker.audit WHERE action = 'get_users' AND status = 'ok'")
    assert kept.fetchone() == (10_000, 10_000, 10_000)
    newest = trail(conn, None, 10_000)
    assert {event["action"] for event in newest} == {"get_users"}
    assert {event["token"] for event in newest} == set(tokens)
    ok, events, first_bad, detail = rows(conn, "bunker_verify_audit")[0]
    assert (ok, events, first_bad) == (True, 20_001, None), detail


# Counters -------------------------------------------------------------------------------------

def stat(connection) -> dict[str, int]:
    """The row of `bunker.stat`."""
    cursor = connection.execute("SELECT * FROM bunker.stat")
    return dict(zip([column.name for column in cursor.description], cursor.fetchone()))


def difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """By how much each counter has risen; none ever falls."""
    risen = {name: after[name] - value for name, value in before.items()
             if name not in ("waiting", "writer_pid", "batch_size")}
    assert min(risen.values()) >= 0
    return risen


def test_counters_count(conn, dpo_conn, ann):
    call(conn, "bunker_get_user", ann)
    before = stat(dpo_conn)
    for _ in range(5):
        call(conn, "bunker_get_user", ann)
    rows(conn, "bunker_get_users", [ann] * 7)
    find(conn, "login", "nobody")
    create_many(conn, people(1, 3))
    update(conn, "login", "ann", {"n": 1})
    with conn.transaction(force_rollback=True):
        create(conn, {"login": "undone"})
    for _ in range(2):
        with pytest.raises(psycopg.errors.UniqueViolation):
            create(conn, ANN)
    risen = difference(before, stat(dpo_conn))
    assert {name: risen[name] for name in ("reads", "writes", "refusals", "timeouts")} == {
        "reads": 13, "writes": 4, "refusals": 2, "timeouts": 0}
    assert risen["flushed_events"] == 15
    assert 1 <= risen["flushes"] <= 15
    assert risen["waits"] >= 9
    assert risen["wait_microseconds"] > 0
    assert risen["failed_flushes"] == 0


def test_the_writer_shows(conn, dpo_conn, ann):
    rows(conn, "bunker_get_users", [ann] * 50)
    seen = stat(dpo_conn)
    assert seen["waiting"] == 0
    assert seen["largest_flush"] >= 1
    assert seen["ring_high_water"] > 50 * 16
    assert seen["flushed_events"] >= 50
    kind = "SELECT backend_type, datname FROM pg_stat_activity WHERE pid = %s"
    assert conn.execute(kind, [seen["writer_pid"]]).fetchone() == (
        "databunker audit writer", conn.info.dbname)
    rows(conn, "bunker_verify_audit")
    assert stat(dpo_conn)["seals"] >= 1


def test_waiting_and_timeouts(conn, dpo_conn, app_conn, db, connect_as, raises, ann):
    conn.execute(f"ALTER DATABASE {db} SET databunker.audit_timeout = '200ms'")
    hasty = connect_as("app")
    # The writer has only just been started; what it has not taken in yet would be counted too.
    wait_until(lambda: stat(dpo_conn)["waiting"] == 0, "the writer to begin", 10)
    before = stat(dpo_conn)
    with conn.transaction():
        conn.execute("LOCK TABLE bunker.audit IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):
            with raises("55000"):
                call(hasty, "bunker_get_user", ann)
        held = stat(dpo_conn)
        assert held["waiting"] == 3
        assert difference(before, held)["timeouts"] == 3
    call(app_conn, "bunker_get_user", ann)
    assert stat(dpo_conn)["waiting"] == 0
    assert difference(before, stat(dpo_conn))["flushed_events"] == 4


def test_who_may_see_the_counters(cluster, db, conn, connect_as, raises):
    conn.execute("CREATE ROLE test_monitor LOGIN IN ROLE pg_monitor")
    conn.execute("CREATE ROLE test_nobody LOGIN")
    try:
        for user in ("test_dpo", "test_admin", "test_monitor"):
            with cluster.connect(db, user) as client:
                assert client.execute("SELECT count(reads) FROM bunker.stat").fetchone() == (1,)
        for user in ("test_reader", "test_app", "test_nobody"):
            with cluster.connect(db, user) as client:
                for statement in ("SELECT * FROM bunker.stat", "SELECT * FROM bunker.counters()"):
                    with raises("42501"):
                        client.execute(statement)
    finally:
        conn.execute("DROP ROLE test_monitor, test_nobody")
