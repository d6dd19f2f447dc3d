"""With pgaudit, auto_explain and pg_stat_statements beside us, all of them as talkative as can be, the
server log shows no value; and what has nothing to do with the vault, it shows in full."""

import psycopg
import pytest
from canary import TALKATIVE, word

from harness import Cluster

NEIGHBOURS = "pgaudit, auto_explain, pg_stat_statements"
ORDERS = {"loaded before": f"{NEIGHBOURS}, databunker", "loaded after": f"databunker, {NEIGHBOURS}"}
SETTINGS = TALKATIVE | {
    "pgaudit.log": "all", "pgaudit.log_parameter": "on", "pgaudit.log_relation": "on",
    "pgaudit.log_catalog": "on", "pgaudit.log_rows": "on",
    "auto_explain.log_min_duration": "0", "auto_explain.log_nested_statements": "on",
    "auto_explain.log_analyze": "on", "auto_explain.log_verbose": "on",
    "auto_explain.log_settings": "on", "auto_explain.log_buffers": "on",
    "auto_explain.log_triggers": "on", "pg_stat_statements.track": "all",
}


@pytest.fixture(scope="module", params=ORDERS)
def server(request):
    """A server with all neighbours, in both orders of loading."""
    with Cluster(SETTINGS | {"shared_preload_libraries": ORDERS[request.param]}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def database(server):
    """A database with one user, and things of the caller's that call the vault."""
    name = server.create_db("neighbours")
    with server.connect(name) as connection:
        connection.execute("CREATE EXTENSION pgaudit")
        connection.execute("SELECT bunker_create_user('{\"login\": \"known\"}')")
        connection.execute("CREATE TABLE inbox (value text)")
        for statement in HELPERS:
            connection.execute(statement)
    return name


@pytest.fixture
def vault(server, database):
    """A superuser's connection to it."""
    with server.connect(database) as connection:
        yield connection


# The caller's own functions and views; `value` comes from a table, so no statement has to show it.
HELPERS = [
    """CREATE FUNCTION seek(value text) RETURNS jsonb LANGUAGE plpgsql AS $$
       BEGIN RETURN bunker_lookup('login', value); END $$""",
    """CREATE FUNCTION seek_inbox() RETURNS jsonb LANGUAGE plpgsql AS $$
       DECLARE given text := (SELECT value FROM inbox); answer jsonb;
       BEGIN
           PERFORM bunker_create_user(jsonb_build_object('login', given, 'name', given));
           EXECUTE format('SELECT bunker_lookup(''login'', %L)', given) INTO answer;
           EXECUTE 'SELECT bunker_lookup($1, $2)' INTO answer USING 'login', given;
           SELECT bunker_get_user(bunker_find_token('login', given)) INTO answer;
           RETURN answer || jsonb_build_object('sum', length(given));
       END $$""",
    """CREATE FUNCTION seek_sql(value text) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
       SELECT bunker_lookup('login', value) $$""",
    "CREATE VIEW sought AS SELECT value, bunker_lookup('login', value) AS found FROM inbox",
    """CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
           PERFORM bunker_update_user('login', 'known', jsonb_build_object('name', i.value))
              FROM inbox AS i;
           RETURN NULL;
       END $$""",
    "CREATE TABLE bell (at timestamptz)",
    "CREATE TRIGGER noticed AFTER INSERT ON bell FOR EACH ROW EXECUTE FUNCTION noticed()",
]


def lines_showing(log: str, value: str) -> list[str]:
    """Log lines with the value, or with its bytes as a printed parse tree has them."""
    numbers = " ".join(str(byte) for byte in value.encode())
    return [line for line in log.splitlines() if value in line or numbers in line]


def attempt(connection, statement: str, parameters: list | None = None, **options) -> None:
    """Runs a statement that may fail."""
    try:
        connection.execute(statement.encode(), parameters, **options)
    except psycopg.Error:
        connection.rollback()


# Every function ---------------------------------------------------------------------------------

# What a value looks like as an argument of each type; VALUE stands for a canary.
ARGUMENTS = {
    "text": "VALUE", "jsonb": '{"login": "VALUE", "name": "VALUE"}', "text[]": "{VALUE}",
    "jsonb[]": r'{"{\"login\": \"VALUE\"}"}', "uuid": "VALUE", "uuid[]": "{VALUE}",
    "interval": "VALUE", "timestamp with time zone": "VALUE", "integer": "VALUE",
    "bigint": "VALUE", "boolean": "VALUE",
}
FUNCTIONS = """
    SELECT p.oid::regproc::text, array_agg(format_type(type, NULL) ORDER BY place)
      FROM pg_proc AS p
      JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
      JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
      CROSS JOIN unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (type, place)
     WHERE e.extname = 'databunker' AND p.proname ^@ 'bunker_'
     GROUP BY p.oid ORDER BY 1
"""


def literals(arguments: list[str]) -> str:
    """The arguments as SQL strings."""
    return ", ".join("'" + argument.replace("'", "''") + "'" for argument in arguments)


def by_literals(connection, function: str, arguments: list[str], types: list[str]):
    attempt(connection, f"SELECT * FROM {function}({literals(arguments)})")


def by_parameters(connection, function: str, arguments: list[str], types: list[str]):
    places = ", ".join("%s" for _ in arguments)
    for prepared in (False, True):
        attempt(connection, f"SELECT * FROM {function}({places})", arguments, prepare=prepared)


def by_texts(connection, function: str, arguments: list[str], types: list[str]):
    """Parameters that are cast inside, so that they arrive whatever they are."""
    places = ", ".join(f"%s::text::{name}" for name in types)
    attempt(connection, f"SELECT * FROM {function}({places})", arguments)


def by_execute(connection, function: str, arguments: list[str], types: list[str]):
    places = ", ".join(f"${place + 1}::text::{name}" for place, name in enumerate(types))
    attempt(connection, f"PREPARE p AS SELECT * FROM {function}({places})")
    attempt(connection, f"EXECUTE p({literals(arguments)})")
    attempt(connection, f"EXPLAIN ANALYZE EXECUTE p({literals(arguments)})")
    attempt(connection, "DEALLOCATE p")


def by_do(connection, function: str, arguments: list[str], types: list[str]):
    attempt(connection, f"DO $do$ BEGIN PERFORM * FROM {function}({literals(arguments)}); END $do$")


def by_copy(connection, function: str, arguments: list[str], types: list[str]):
    query = f"COPY (SELECT * FROM {function}({literals(arguments)})) TO STDOUT"
    try:
        with connection.cursor().copy(query.encode()) as copy:
            list(copy)
    except psycopg.Error:
        connection.rollback()


def by_cursor(connection, function: str, arguments: list[str], types: list[str]):
    attempt(connection, "BEGIN")
    attempt(connection, f"DECLARE c SCROLL CURSOR FOR SELECT * FROM {function}({literals(arguments)})")
    attempt(connection, "FETCH ALL FROM c")
    attempt(connection, "CLOSE c")
    attempt(connection, "COMMIT")


def by_plpgsql(connection, function: str, arguments: list[str], types: list[str]):
    """With a text whose value no other statement shows."""
    given = ", ".join(f"arguments[{place + 1}]::{name}" for place, name in enumerate(types))
    attempt(connection, f"""CREATE OR REPLACE FUNCTION pg_temp.bunker_call(arguments text[])
        RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM * FROM {function}({given}); END $$""")
    attempt(connection, "SELECT pg_temp.bunker_call(%s)", [arguments])


ROUTES = [by_literals, by_parameters, by_texts, by_execute, by_do, by_copy, by_cursor, by_plpgsql]


@pytest.mark.parametrize("route", ROUTES)
def test_no_argument_of_any_function_is_in_the_log(server, vault, route):
    functions = vault.execute(FUNCTIONS).fetchall()
    assert len(functions) > 15
    leaks = {}
    for name, types in functions:
        value, mark = word(), server.log_mark()
        # An unknown type is a KeyError: say above how a value of it looks.
        route(vault, name, [ARGUMENTS[kind].replace("VALUE", value) for kind in types], types)
        if shown := lines_showing(server.log(mark), value):
            leaks[name] = shown
    assert leaks == {}


# Calls from within --------------------------------------------------------------------------------

WITHIN = {
    "a function": ["SELECT seek_inbox()"],
    "a function twice in a transaction": ["BEGIN", "SELECT seek_inbox() FROM inbox", "ROLLBACK"],
    "an argument from a table": ["SELECT seek(value) FROM inbox"],
    "an inlined function": ["SELECT seek_sql(value) FROM inbox"],
    "a view": ["SELECT * FROM sought", "SELECT found FROM sought WHERE value <> ''"],
    "a materialised view": ["CREATE MATERIALIZED VIEW kept AS SELECT * FROM sought",
                            "REFRESH MATERIALIZED VIEW kept", "DROP MATERIALIZED VIEW kept"],
    "a trigger": ["INSERT INTO bell VALUES (now())"],
    "a join": ["SELECT bunker_find_token('login', value) FROM inbox"],
    "an error in between": ["SELECT seek(value), 1 / (length(value) - length(value)) FROM inbox"],
    "an error about a value": ["SELECT seek(value), value::integer FROM inbox"],
    "an error inside": ["DO $$ BEGIN PERFORM bunker_lookup('email', value) FROM inbox; END $$"],
    "an error about what was read": [
        "SELECT bunker_create_user(jsonb_build_object('login', value, 'name', value)) FROM inbox",
        "SELECT (seek(value) #>> '{profile,name}')::integer FROM inbox"],
    "a cursor": ["BEGIN", "DECLARE c CURSOR FOR SELECT seek(value) FROM inbox", "FETCH c", "COMMIT"],
}


@pytest.mark.parametrize("case", WITHIN)
def test_a_value_that_no_statement_shows_is_not_in_the_log(server, vault, case):
    value = word()
    vault.execute("TRUNCATE inbox")
    vault.execute("INSERT INTO inbox VALUES (%s)", [value])
    mark = server.log_mark()
    for statement in WITHIN[case]:
        attempt(vault, statement)
    assert lines_showing(server.log(mark), value) == []


# What is written after the call: by then it is known that the caller's function called the vault.
LATE = {"log_statement": "none", "pgaudit.log": "none", "debug_print_parse": "off",
        "debug_print_rewritten": "off", "debug_print_plan": "off", "log_parser_stats": "off",
        "log_planner_stats": "off", "log_min_messages": "warning"}


@pytest.mark.parametrize("parameters", [False, True])
@pytest.mark.parametrize("statement", ["SELECT seek({})", "SELECT seek({}), 1 / (pg_backend_pid() - pg_backend_pid())",
                                       "SELECT seek({}) FROM inbox WHERE pg_sleep(0) IS NOT NULL"])
def test_a_callers_function_is_masked_in_what_follows_the_call(server, vault, statement, parameters):
    """Durations, plans, and the statements of errors; for parameters, from their execution on."""
    for name, setting in LATE.items():
        vault.execute("SELECT set_config(%s, %s, false)", [name, setting])
    if parameters:
        vault.execute("SET log_min_duration_statement = 20")  # leaves parsing and binding out
        statement = statement.replace("SELECT", "SELECT pg_sleep(0.05),")
    value, mark = word(), server.log_mark()
    attempt(vault, statement.format("%s" if parameters else f"'{value}'"),
            [value] if parameters else None)
    log = server.log(mark)
    assert "[redacted by databunker]" in log or "ERROR:  22012: division by zero" in log
    assert "seek(" not in log
    assert lines_showing(log, value) == []


# Other people's statements ------------------------------------------------------------------------

def test_other_statements_are_logged_in_full(server, vault):
    """By everybody who logs, also right after a call of the vault."""
    vault.execute("SELECT bunker_lookup('login', 'known')")
    value, parameter, mark = word(), word(), server.log_mark()
    vault.execute(f"SELECT '{value}', relname FROM pg_class WHERE relname = %s".encode(),
                  [parameter])
    attempt(vault, f"SELECT '{value}' / 0")
    log = server.log(mark)
    for written in ("LOG:  00000: execute <unnamed>: SELECT '{}'", "AUDIT: SESSION,",
                    "Query Text: SELECT '{}'", "STATEMENT:  SELECT '{}'"):
        assert [line for line in log.splitlines() if written.format(value) in line], written
    assert [line for line in log.splitlines() if "AUDIT" in line and value in line]
    assert f"parameters: $1 = '{parameter}'" in log
    assert "[redacted by databunker]" not in log


def test_an_audited_call_keeps_its_kind(server, vault):
    """pgaudit's line still tells that something was read, though not by what."""
    mark = server.log_mark()
    vault.execute("SELECT bunker_lookup('login', 'known')")
    assert ",READ,SELECT,[redacted by databunker]" in server.log(mark)


def test_statistics_of_statements_show_no_value(server, vault):
    """pg_stat_statements normalises what can be normalised; README names the rest."""
    vault.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    value = word()
    attempt(vault, f"SELECT bunker_lookup('login', '{value}')")
    attempt(vault, "SELECT bunker_lookup('login', %s)", [value])
    texts = vault.execute(
        "SELECT query FROM pg_stat_statements WHERE query ~ 'bunker_lookup'").fetchall()
    assert texts
    assert [text for text, in texts if value in text] == []
