"""The server log shows no value, however talkative it is and whatever is wrong with a statement."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from canary import TALKATIVE, fields_showing, word

from harness import Cluster
from harness.wait import wait_until


@pytest.fixture(scope="module")
def server():
    """A server that logs all it can, with auto_explain on top."""
    extra = {"shared_preload_libraries": "databunker, auto_explain",
             "auto_explain.log_min_duration": "0", "auto_explain.log_verbose": "on",
             "auto_explain.log_nested_statements": "on"}
    with Cluster(TALKATIVE | extra) as cluster:
        yield cluster


@pytest.fixture
def vault(server):
    """A connection to a database with one user, whose login is `known`."""
    name = server.create_db(word())
    with server.connect(name) as connection:
        connection.execute("SELECT bunker_create_user('{\"login\": \"known\"}')")
        yield connection
    server.drop_db(name)


def as_numbers(value: str) -> str:
    """How a printed parse tree shows a constant: its bytes as decimal numbers."""
    return " ".join(str(byte) for byte in value.encode())


# What people do by mistake or on purpose; VALUE must not be in the log afterwards.
STATEMENTS = {
    "plain": ["SELECT bunker_lookup('login', 'VALUE')"],
    "no quotes": ["SELECT bunker_lookup('login', VALUE)"],
    "double quotes": ["SELECT bunker_lookup('login', \"VALUE\")"],
    "a quote in the value": ["SELECT bunker_create_user('{\"login\": \"o'VALUE\"}')"],
    "a value for a uuid": ["SELECT bunker_get_user('VALUE')"],
    "a value for a number": ["SELECT bunker_user_version('login', 'known', 'VALUE')"],
    "a value for a time": ["SELECT bunker_lookup('login', 'VALUE'::date::text)"],
    "no such function": ["SELECT bunker_lookup('login', 'VALUE', 1)"],
    "a comment": ["SELECT bunker_lookup('login', 'x') /* VALUE */"],
    "several statements": ["SELECT 1; SELECT bunker_lookup('login', 'VALUE'); SELECT 1 / 0"],
    "EXPLAIN": ["EXPLAIN VERBOSE SELECT bunker_lookup('login', 'VALUE')"],
    "CREATE TABLE AS": ["CREATE TABLE t AS SELECT bunker_find_token('login', 'VALUE')"],
    "DO": ["DO $$ BEGIN PERFORM bunker_create_user('{\"email\": \"VALUE\"}'); END $$"],
    "a reason": ["SET databunker.reason = 'asked by VALUE'"],
    "a reason by a function": ["SELECT set_config('databunker.reason', 'VALUE', false)"],
    "a cursor": ["BEGIN; DECLARE c CURSOR FOR SELECT bunker_lookup('login', 'VALUE')",
                 "FETCH c; COMMIT"],
    "EXECUTE": ["PREPARE p AS SELECT bunker_lookup('login', $1)", "EXECUTE p('VALUE')"],
    "EXECUTE that is refused": ["PREPARE p AS SELECT bunker_lookup('email', $1)",
                                "EXECUTE p('VALUE')"],
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_a_statement_leaves_no_value_in_the_log(server, vault, case):
    value = word()
    mark = server.log_mark()
    for statement in STATEMENTS[case]:
        try:
            vault.execute(statement.replace("VALUE", value).encode())
        except psycopg.Error:
            vault.rollback()  # many are meant to fail
    shown = [line for line in server.log(mark).splitlines()
             if value in line or as_numbers(value) in line]
    assert shown == []


def test_a_parameter_that_is_no_json_leaves_no_value_in_the_log(server, vault):
    value = word()
    with server.raises("22P02", secrets=[value]):
        vault.execute("SELECT bunker_create_user(%s::jsonb)", [f'{{"login": {value}'])


def test_a_wrapper_of_the_callers_that_fails_leaves_no_value_in_the_log(raises, conn):
    """Its statement does not mention us. (log_statement would write it: README says so.)"""
    conn.execute("CREATE FUNCTION make(profile jsonb) RETURNS uuid LANGUAGE plpgsql "
                 "AS $$ BEGIN RETURN bunker_create_user(profile); END $$")
    value = word()
    with raises("22023", secrets=[value]):
        conn.execute(f"SELECT make('{{\"email\": \"{value}\"}}')".encode())


def test_an_error_below_a_function_has_no_place_in_a_statement_that_is_not_told(conn):
    """Some drivers take an answer with the one and without the other for damaged."""
    conn.execute("""CREATE FUNCTION broken() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN PERFORM bunker_get_user('login', 'ann'), no_such_function(); END $$""")
    with pytest.raises(psycopg.errors.UndefinedFunction) as caught:
        conn.execute("SELECT broken()")
    assert caught.value.diag.internal_query is caught.value.diag.internal_position is None


def test_a_deadlock_leaves_no_value_in_the_log(server, vault):
    """PostgreSQL logs the statements of everybody in the circle."""
    value = word()
    vault.execute("SELECT bunker_create_user('{\"login\": \"other\"}')")
    mark = server.log_mark()

    def update(connection, login: str):
        patch = f'{{"name": "{value}"}}'
        connection.execute(f"SELECT bunker_update_user('login', '{login}', '{patch}')".encode())

    database = vault.info.dbname
    with server.connect(database) as second, ThreadPoolExecutor() as pool:
        for connection, login in ((vault, "known"), (second, "other")):
            connection.execute("BEGIN")
            update(connection, login)
        attempts = [pool.submit(update, vault, "other"), pool.submit(update, second, "known")]
        errors = [attempt.exception(30) for attempt in attempts if attempt.exception(30)]
        vault.execute("ROLLBACK")
    assert [type(error) for error in errors] == [psycopg.errors.DeadlockDetected]
    assert value not in server.log(mark)
    assert fields_showing(errors[0], [value]) == []


def test_a_killed_backend_leaves_no_value_in_the_log(fresh_cluster):
    """The postmaster logs what a process was running when it died."""
    server, value = fresh_cluster(), word()
    db = server.create_db("vault")
    with server.connect(db) as victim, ThreadPoolExecutor() as pool:
        pid = victim.info.backend_pid
        call = pool.submit(victim.execute,
                           f"SELECT bunker_lookup('login', '{value}'), pg_sleep(60)".encode())
        with server.connect() as other:
            wait_until(lambda: other.execute(
                "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s",
                [pid]).fetchone()[0], "the victim to sleep")
        os.kill(pid, signal.SIGKILL)
        assert isinstance(call.exception(30), psycopg.OperationalError)
    wait_until(lambda: "was terminated by signal 9" in server.log(), "the postmaster to notice")
    assert value not in server.log()


def test_a_big_read_leaves_no_value_in_a_temporary_file(server, vault):
    """A function in FROM has its rows stored up by the executor, past work_mem in a file."""
    value = word()
    profiles = [f'{{"login": "{value}{n}", "name": "{"x" * 300}"}}' for n in range(2000)]
    tokens = [row[0] for row in vault.execute(
        "SELECT token FROM bunker_create_users(%s::text[]::jsonb[])", [profiles])]
    vault.execute("SET work_mem = '64kB'; SET databunker.bulk_read_limit = 0")
    with vault.transaction(), vault.cursor() as cursor:
        cursor.execute("DECLARE big CURSOR FOR SELECT * FROM bunker_get_users(%s)".replace(
            "%s", "'{" + ",".join(map(str, tokens)) + "}'"))
        assert cursor.execute("FETCH 1 FROM big").fetchone()[1]["login"] == f"{value}0"
        assert server.files_holding(value.encode()) == []
