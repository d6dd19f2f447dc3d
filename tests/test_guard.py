"""The bulk guard: what a transaction may read, and what does not help against it."""

import psycopg
import pytest

from harness.vault import call, create, create_many, people, update

CLOSED = "42501"
FEW = "(SELECT token, login FROM members ORDER BY login LIMIT {}) AS few"
READ = "SELECT count(bunker_get_user(token)) FROM " + FEW
ROLE = "test_trusted"


@pytest.fixture(autouse=True)
def crowd(conn):
    """A hundred and twenty users, and the application's own table of them."""
    create_many(conn, people(1, 120))
    conn.execute("CREATE TABLE members AS SELECT token, 'p' || n AS login"
                 "  FROM generate_series(1, 120) n, bunker_find_token('login', 'p' || n) token;"
                 " GRANT SELECT ON members TO PUBLIC; ALTER TABLE members SET (parallel_workers = 2)")


@pytest.fixture
def trusted(cluster, db):
    """trusted(): a session of a role that may read and may unlock."""
    cluster.psql(f"CREATE ROLE {ROLE} LOGIN IN ROLE bunker_app, bunker_admin")
    opened = []

    def connect():
        opened.append(cluster.connect(db, ROLE))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()
    cluster.psql(f"DROP ROLE {ROLE}")


def read(connection, records: int) -> None:
    """Reads so many in one statement."""
    assert connection.execute(READ.format(records)).fetchone() == (records,)


def is_closed(connection) -> bool:
    """Whether a single read is refused; inside a transaction that goes on."""
    try:
        with connection.transaction():
            read(connection, 1)
    except psycopg.errors.InsufficientPrivilege as refused:
        assert "bunker_unlock_bulk" in refused.diag.message_hint
        return True
    return False


# What counts ----------------------------------------------------------------------------------

COUNTED = {
    "get_user": READ,
    "lookup": "SELECT count(bunker_lookup('login', login)) FROM " + FEW,
    "user_version": "SELECT count(bunker_user_version('token', token::text, 1)) FROM " + FEW,
    "get_users": "SELECT count(*) FROM bunker_get_users(ARRAY(SELECT token FROM " + FEW + "))",
    "the same user": "SELECT count(bunker_lookup('login', 'p1')) FROM " + FEW,
    "list_users": "SELECT count(*) FROM bunker_list_users(NULL, {})",
    "audit_event": "SELECT count(bunker_audit_event(id)) FROM"
                   " (SELECT id FROM bunker_audit_all(NULL, 10000) WHERE action LIKE 'create%'"
                   " LIMIT {}) AS few",
}


@pytest.mark.parametrize("how", COUNTED)
def test_a_hundred_in_a_transaction_and_not_one_more(conn, raises, how):
    """A superuser is not exempt."""
    statement = COUNTED[how]
    conn.execute("BEGIN")
    for records in (60, 40):
        assert conn.execute(statement.format(records)).fetchone() == (records,)
    with raises(CLOSED, secrets=["p1@", "p101", "+44"]) as caught:
        conn.execute(statement.format(1))
    assert "bunker_unlock_bulk" in caught.error.diag.message_hint
    conn.rollback()
    assert conn.execute(statement.format(100)).fetchone() == (100,)


def test_all_reads_share_the_count(conn):
    with conn.transaction():
        for statement in COUNTED.values():
            conn.execute(statement.format(14))
        read(conn, 2)
        assert is_closed(conn)


def test_tombstones_count_where_something_is_kept(conn):
    call(conn, "bunker_set_user_schema", {"properties": {"custom": {"preserve": True}}})
    conn.execute("SELECT bunker_delete_user('token', token::text) FROM members")
    with conn.transaction():
        opened = conn.execute(
            "SELECT count(bunker_tombstone(token) -> 'preserved') FROM " + FEW.format(100))
        assert opened.fetchone() == (100,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            conn.execute("SELECT bunker_tombstone(token) FROM members LIMIT 1")


def test_an_event_counts_each_profile_that_it_shows(conn):
    conn.execute("SELECT bunker_update_user('token', token::text, '{\"n\": 1}') FROM members")
    event = conn.execute("SELECT id FROM bunker_audit_all(max_rows => 1)").fetchone()[0]
    with conn.transaction():
        read(conn, 97)
        shown = call(conn, "bunker_audit_event", event)
        assert shown["before"] and shown["after"]
        with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            call(conn, "bunker_audit_event", event)
        read(conn, 1)
        assert is_closed(conn)


def test_misses_and_tokens_count_nothing(conn):
    with conn.transaction():
        read(conn, 99)
        conn.execute("SELECT bunker_find_token('login', login) FROM members")
        conn.execute("SELECT bunker_get_user(gen_random_uuid()),"
                     " bunker_lookup('login', 'x' || login), bunker_audit_event(1),"
                     " bunker_tombstone(token), bunker_user_version('login', login, 9) FROM members")
        conn.execute("SELECT * FROM bunker_get_users(ARRAY(SELECT gen_random_uuid() FROM members))")
        read(conn, 1)
        assert is_closed(conn)


@pytest.mark.parametrize("how", COUNTED)
def test_a_refused_call_counts_nothing(conn, how):
    """A call for two where one is left; of two calls for one each the first was let through."""
    left = 1 if how in ("get_users", "list_users") else 0
    with conn.transaction():
        read(conn, 99)
        for _ in range(3):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute(COUNTED[how].format(2))
        read(conn, left)
        assert is_closed(conn)


# What does not help ---------------------------------------------------------------------------

@pytest.mark.parametrize("statement", [
    "SELECT bunker_get_user(a.token) FROM members a JOIN members b USING (token)",
    "SELECT * FROM members, LATERAL bunker_get_user(token)",
    "WITH r AS MATERIALIZED (SELECT bunker_get_user(token) FROM members) SELECT 1 FROM r LIMIT 101",
    "SELECT 1 FROM members WHERE bunker_lookup('login', login) IS NULL",
    "SELECT token FROM members ORDER BY bunker_get_user(token) ->> 'email'",
    "SELECT jsonb_agg(bunker_get_user(token)) FROM members",
    "SELECT (SELECT bunker_get_user(m.token)) FROM members m",
    "SELECT bunker_get_user(token) FROM members UNION SELECT '{}'",
    "COPY (SELECT bunker_get_user(token) FROM members) TO STDOUT",
    "CREATE TEMP TABLE loot AS SELECT bunker_get_user(token) FROM members",
    "EXPLAIN ANALYZE SELECT bunker_get_user(token) FROM members",
    "SELECT * FROM bunker_get_users(ARRAY(SELECT token FROM members LIMIT 101))",
    "SELECT * FROM bunker_get_users(array_fill(bunker_find_token('login', 'p1'), ARRAY[101]))",
    f"{READ.format(60)}; {READ.format(60)}",
    f"BEGIN; {READ.format(60)}; SAVEPOINT s; {READ.format(30)}; ROLLBACK TO s; {READ.format(60)}",
    "DO $$ BEGIN FOR n IN 1 .. 101 LOOP PERFORM bunker_lookup('login', 'p1'); END LOOP; END $$",
    "DECLARE c CURSOR WITH HOLD FOR SELECT bunker_get_user(token) FROM members",
])
def test_one_statement_is_one_transaction(app_conn, raises, statement):
    with raises(CLOSED, secrets=["p1@example", "+4420"]):
        with app_conn.cursor() as cursor:
            if statement.startswith("COPY"):
                with cursor.copy(statement) as copy:
                    list(copy)
            cursor.execute(statement)


@pytest.mark.parametrize("statement", [
    "SAVEPOINT s; SELECT bunker_lookup('login', 'p1'); ROLLBACK TO s", "RESET ALL",
    "SET ROLE bunker_reader", "SET LOCAL ROLE bunker_app", "RESET ROLE", "DISCARD PLANS",
    "RESET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION DEFAULT", "DISCARD TEMP",
    "DISCARD SEQUENCES", "DEALLOCATE ALL", "CLOSE ALL", "SELECT pg_sleep(0.01)", "DISCARD ALL",
    "SET databunker.reason = 'x'", "SELECT bunker_create_user('{\"login\": \"new\"}')",
])
def test_nothing_in_the_transaction_starts_the_count_again(app_conn, statement):
    with app_conn.transaction():
        read(app_conn, 100)
        for part in statement.split("; "):
            try:
                if part in ("SAVEPOINT s", "ROLLBACK TO s"):
                    app_conn.execute(part)
                    continue
                with app_conn.transaction():
                    app_conn.execute(part)
            except (psycopg.errors.ActiveSqlTransaction, psycopg.errors.InsufficientPrivilege):
                # DISCARD ALL is refused here, and the read of the first attack is.
                assert part == "DISCARD ALL" or "bunker_lookup" in part
        assert is_closed(app_conn)


def test_savepoints_give_nothing_back(app_conn):
    with app_conn.transaction():
        for _ in range(10):
            with app_conn.transaction(force_rollback=True):
                read(app_conn, 10)
        assert is_closed(app_conn)


def test_exception_blocks_give_nothing_back(app_conn):
    app_conn.execute("""DO $$ DECLARE passed int := 0; refused int := 0; BEGIN
        FOR n IN 1 .. 500 LOOP
            BEGIN
                PERFORM bunker_lookup('login', 'p1');
                passed := passed + 1;
                RAISE division_by_zero;
            EXCEPTION WHEN division_by_zero THEN NULL;
                      WHEN insufficient_privilege THEN refused := refused + 1;
            END;
        END LOOP;
        PERFORM set_config('test.outcome', passed || ' ' || refused, false);
    END $$""")
    assert app_conn.execute("SHOW test.outcome").fetchone() == ("100 400",)


def test_cursors_and_prepared_statements_share_the_count(app_conn):
    with app_conn.transaction():
        app_conn.execute("DECLARE c CURSOR FOR SELECT bunker_get_user(token) FROM members")
        assert len(app_conn.execute("FETCH 60 FROM c").fetchall()) == 60
        app_conn.execute("PREPARE p AS SELECT bunker_lookup('login', 'p7')")
        for _ in range(40):
            assert app_conn.execute("EXECUTE p").fetchone()[0]
        for statement in ("EXECUTE p", "FETCH 1 FROM c"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), app_conn.transaction():
                app_conn.execute(statement)


def test_a_pipeline_is_one_transaction_too(app_conn, raises):
    with raises(CLOSED), app_conn.pipeline():
        for _ in range(101):
            app_conn.execute("SELECT bunker_lookup('login', 'p1')")


def test_a_commit_starts_a_new_count(app_conn):
    """Which is why there is a rate, too."""
    for _ in range(3):
        read(app_conn, 100)
    app_conn.execute("DO $$ BEGIN FOR n IN 1 .. 250 LOOP PERFORM bunker_lookup('login', 'p1');"
                     " IF n % 100 = 0 THEN COMMIT; END IF; END LOOP; END $$")


# Parallel queries -----------------------------------------------------------------------------

@pytest.fixture
def parallel(conn, app_conn):
    """A session in which everything that may runs in parallel, and a wrapper that says it may."""
    conn.execute("CREATE FUNCTION peek(uuid) RETURNS jsonb LANGUAGE plpgsql PARALLEL SAFE AS"
                 " 'BEGIN RETURN bunker_get_user($1); END'")
    forced = "force_parallel_mode" if conn.info.server_version < 160000 else "debug_parallel_query"
    app_conn.execute(f"SET {forced} = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
                     " SET min_parallel_table_scan_size = 0")
    return app_conn


@pytest.mark.parametrize("leader", ["on", "off"])
@pytest.mark.parametrize("statement", [
    "SELECT peek(bunker_find_token('login', 'p1'))", "SELECT count(peek(token)) FROM members",
    "SELECT peek(token) FROM members WHERE login = 'p1'",
])
def test_a_parallel_query_reads_nothing(parallel, raises, statement, leader):
    parallel.execute(f"SET parallel_leader_participation = {leader}")
    if "find_token" in statement:  # unsafe itself, so nothing is parallel and everything allowed
        assert parallel.execute(statement).fetchone()[0]["login"] == "p1"
        return
    assert "Workers" in str(parallel.execute("EXPLAIN " + statement).fetchall())
    with raises("25000", secrets=["p1@example", "+4420"]) as caught:
        parallel.execute(statement)
    assert "PARALLEL SAFE" in caught.error.diag.message_hint


def test_functions_of_ours_never_run_in_parallel(parallel):
    read(parallel, 100)
    assert "Workers" not in str(parallel.execute("EXPLAIN " + READ.format(100)).fetchall())


# The setting ----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["bulk_read_limit", "read_rate_limit"])
def test_the_reader_does_not_set_the_limit(cluster, db, app_conn, name):
    setting = f"databunker.{name}"
    body = f"LANGUAGE sql SET {setting} = 7 AS 'SELECT count(*) FROM members'"
    for attempt in (f"SET {setting} = 7", f"SET LOCAL {setting} = 7", f"SET SESSION {setting} TO 7",
                    f"SELECT set_config('{setting}', '7', true)",
                    f"UPDATE pg_settings SET setting = 7 WHERE name = '{setting}'",
                    f"ALTER ROLE test_app SET {setting} = 7", f"ALTER ROLE ALL SET {setting} = 7",
                    f"ALTER DATABASE {db} SET {setting} = 7", f"ALTER SYSTEM SET {setting} = 7",
                    f"CREATE FUNCTION pg_temp.f() RETURNS bigint {body}; SELECT pg_temp.f()"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app_conn.execute(attempt)
    with pytest.raises(psycopg.OperationalError, match="permission denied to set parameter"):
        cluster.connect(db, "test_app", options=f"-c {setting}=7")
    assert app_conn.execute(f"SHOW {setting}").fetchone()[0] in ("100", "0")


def test_the_limit_may_change_in_mid_transaction(conn):
    with conn.transaction():
        read(conn, 100)
        conn.execute("SET LOCAL databunker.bulk_read_limit = 105")
        read(conn, 5)
        assert is_closed(conn)
        conn.execute("SET LOCAL databunker.bulk_read_limit = 10")
        assert is_closed(conn)
        conn.execute("SET LOCAL databunker.bulk_read_limit = 0")
        read(conn, 120)
        conn.execute("SET LOCAL databunker.bulk_read_limit = 224")
        assert is_closed(conn)
    read(conn, 100)


# The unlock -----------------------------------------------------------------------------------

def unlock(connection, reason: str = "ticket 7"):
    return call(connection, "bunker_unlock_bulk", reason)


def test_an_unlock_opens_this_session_only(trusted):
    one, other = trusted(), trusted()
    with one.transaction():
        read(one, 100)
        assert is_closed(one)
        assert unlock(one).version == 4
        read(one, 120)
    read(one, 120)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        read(other, 101)
    assert len({unlock(one) for _ in range(50)}) == 50


def test_a_rollback_does_not_close_it(trusted):
    connection = trusted()
    with connection.transaction(force_rollback=True):
        with connection.transaction(force_rollback=True):
            unlock(connection)
        read(connection, 120)
    read(connection, 120)


def test_an_unlock_is_for_who_opened_the_session(conn, trusted):
    trusted()
    conn.execute(f"SET SESSION AUTHORIZATION {ROLE}")
    unlock(conn)
    read(conn, 101)
    for statement in ("SET SESSION AUTHORIZATION test_app", "DISCARD ALL"):
        conn.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            read(conn, 101)


def test_an_unlock_under_set_role_counts_for_the_session(trusted):
    connection = trusted()
    connection.execute("SET ROLE bunker_admin")
    unlock(connection)
    connection.execute("SET ROLE bunker_reader")
    read(connection, 120)


@pytest.mark.parametrize("reason", ["", "  ", "\n", "x" * 1001, "ä" * 501, None])
def test_an_unlock_needs_a_reason(raises, trusted, reason):
    connection = trusted()
    with raises("22023", secrets=["xxxx", "ää"]):
        unlock(connection, reason)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        read(connection, 101)
    assert unlock(connection, "ä" * 500)


def test_guessing_a_value_by_json_patch_counts_as_reading(app_conn):
    """The `test` operation tells whether a guess is right; a merge patch tells nothing."""
    create(app_conn, {"login": "ann", "pin": "7"})
    with app_conn.transaction():
        for _ in range(150):
            update(app_conn, "login", "ann", {"n": 1})
    guess = [{"op": "test", "path": "/pin", "value": "7"}]
    with app_conn.transaction():
        for _ in range(100):
            update(app_conn, "login", "ann", guess)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), app_conn.transaction():
            update(app_conn, "login", "ann", guess)
