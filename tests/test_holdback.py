"""Rows that wait for their audit events: every statement gives what it would give without the vault.

Each statement is run twice, over the vault and over a plain table with the same profiles; rows,
counts and errors must be the same. The users are more, and some larger, than are held back at once.
"""

import psycopg
import pytest
from conftest import TEMPLATE
from harness.node import run_node
from harness.vault import create_many

MANY = 1_500
LARGE = 12
LARGE_TEXT = "x" * 120_000


def _profile(n: int) -> dict:
    text = LARGE_TEXT if n <= LARGE else f"t{n}"
    return {"email": f"p{n}@example.com", "n": n, "text": text}


@pytest.fixture(scope="module")
def crowd(cluster):
    """The name of a database with many users, and a table `people (n, token, profile)` of them."""
    name = cluster.create_db("holdback", template=TEMPLATE)
    with cluster.connect(name) as connection:
        made = create_many(connection, [_profile(n) for n in range(1, MANY + 1)])
        connection.execute("CREATE TABLE people (n int PRIMARY KEY, token uuid, profile jsonb)")
        with connection.cursor().copy("COPY people (n, token) FROM STDIN") as copy:
            for row in made:
                copy.write_row(row)
        _unguard(connection)
        connection.execute("UPDATE people SET profile = bunker_get_user(token)")
        connection.execute("VACUUM ANALYZE people")
    yield name
    cluster.drop_db(name)


@pytest.fixture
def session(cluster, crowd):
    """A superuser's connection to `crowd`, with the bulk guard off."""
    with cluster.connect(crowd) as connection:
        _unguard(connection)
        yield connection


def _unguard(connection):
    connection.execute("SELECT set_config(name, '0', false) FROM pg_settings"
                       " WHERE name = 'databunker.bulk_read_limit'")


def vault(statement: str) -> str:
    """A statement's text with `@` for a profile that is read from the vault."""
    return statement.replace("@", "bunker_get_user(token)")


def plain(statement: str) -> str:
    """The same over the plain table."""
    return statement.replace("@", "profile")


def both(connection, statement: str) -> tuple[list, list]:
    """The rows of a statement, over the vault and over the plain table."""
    return (connection.execute(vault(statement)).fetchall(),
            connection.execute(plain(statement)).fetchall())


QUERIES = [
    "SELECT n, @ FROM people ORDER BY n",
    "SELECT n, @ FROM people ORDER BY n DESC LIMIT 7 OFFSET 3",
    "SELECT @ ->> 'email', @ ->> 'text' FROM people ORDER BY n",
    "SELECT count(*) FROM people WHERE @ ->> 'text' LIKE 't%5'",
    "SELECT count(*), sum((@ ->> 'n')::int), max(@ ->> 'email') FROM people",
    "SELECT n % 3, jsonb_agg(@ -> 'n' ORDER BY n) FROM people GROUP BY n % 3 ORDER BY 1",
    "SELECT n, row_number() OVER (ORDER BY @ ->> 'email') FROM people ORDER BY n",
    "SELECT DISTINCT length(@ ->> 'text') FROM people ORDER BY 1",
    "SELECT n, @ FROM people WHERE false",
    "SELECT n FROM people WHERE @ IS NULL",
    "SELECT a.n, b.v FROM people a JOIN (SELECT n, @ AS v FROM people OFFSET 0) b"
    " ON b.n = a.n + 1 ORDER BY a.n",
    "WITH r AS MATERIALIZED (SELECT n, @ AS v FROM people) SELECT v FROM r WHERE n > 1400 ORDER BY n",
    "SELECT (SELECT jsonb_agg(@ -> 'n' ORDER BY n) FROM people) AS a, 1 AS b",
    "SELECT n, @ -> 'n' FROM people WHERE n < 1100 UNION ALL SELECT -n, @ -> 'text' FROM people"
    " WHERE n > 1400 ORDER BY 1",
    "SELECT n, x.key, x.value FROM people, LATERAL jsonb_each_text(@) x ORDER BY n, x.key",
    "SELECT n, @ FROM people ORDER BY random() > 2, n",
    "SELECT p.n, @ FROM generate_series(1, 20) s JOIN people p ON p.n = s ORDER BY n FOR UPDATE OF p",
    "TABLE people ORDER BY @ ->> 'email' LIMIT 3",
    "SELECT people, @ FROM people ORDER BY n LIMIT 3",
    "SELECT to_jsonb(people) - 'profile', @ FROM people ORDER BY n LIMIT 3",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_returns_the_same_rows(session, query):
    read, expected = both(session, query)
    assert read == expected


def test_a_set_of_users_returns_the_same_rows(session):
    read = session.execute("SELECT u.profile, bunker_lookup('token', u.token::text) -> 'profile'"
                           "  FROM bunker_get_users(ARRAY(SELECT token FROM people)) u"
                           " ORDER BY (u.profile ->> 'n')::int").fetchall()
    assert read == session.execute("SELECT profile, profile FROM people ORDER BY n").fetchall()


def test_command_tags_count_the_same_rows(session):
    for query in QUERIES:
        tags = [session.execute(text(query)).statusmessage for text in (vault, plain)]
        assert tags[0] == tags[1], query


def test_a_prepared_statement_is_the_same_each_time(session):
    for text, name in ((vault, "v"), (plain, "p")):
        session.execute(f"PREPARE {name} (int) AS "
                        + text("SELECT n, @ FROM people WHERE n > $1 ORDER BY n"))
    for after in range(1400, 1410):
        runs = [session.execute(f"EXECUTE {name} ({after})").fetchall() for name in "vp"]
        assert runs[0] == runs[1]
        assert len(runs[0]) == MANY - after


def test_cursors_move_both_ways(session):
    moves = ["NEXT", "5", "BACKWARD 2", "ABSOLUTE 1200", "FORWARD 3", "PRIOR", "LAST", "BACKWARD 4",
             "FIRST", "FORWARD ALL", "BACKWARD ALL", "NEXT", "RELATIVE 0"]
    with session.transaction():
        for text, name in ((vault, "v"), (plain, "p")):
            session.execute(f"DECLARE {name} SCROLL CURSOR FOR "
                            + text("SELECT n, @ FROM people ORDER BY n"))
        for move in moves:
            read, expected = (session.execute(f"FETCH {move} FROM {name}") for name in "vp")
            assert read.statusmessage == expected.statusmessage, move
            assert read.fetchall() == expected.fetchall(), move


def test_cursors_that_are_held_outlive_the_transaction(session):
    with session.transaction():
        session.execute(vault("DECLARE v CURSOR WITH HOLD FOR SELECT n, @ FROM people ORDER BY n"))
        first = session.execute("FETCH 10 FROM v").fetchall()
    rest = session.execute("FETCH ALL FROM v").fetchall()
    session.execute("CLOSE v")
    assert first + rest == session.execute("SELECT n, profile FROM people ORDER BY n").fetchall()


def test_two_cursors_take_turns(session):
    with session.transaction():
        for name, order in (("up", "ASC"), ("down", "DESC")):
            session.execute(vault(f"DECLARE {name} CURSOR FOR SELECT @ FROM people ORDER BY n {order}"))
        turns = [session.execute(f"FETCH 3 FROM {name}").fetchall() for name in ("up", "down") * 3]
    flat = [row[0]["n"] for turn in turns for row in turn]
    assert flat == [1, 2, 3, 1500, 1499, 1498, 4, 5, 6, 1497, 1496, 1495, 7, 8, 9, 1494, 1493, 1492]


def test_thousands_of_fetches_leave_no_memory_behind(session):
    held = ("SELECT count(*) FILTER (WHERE name LIKE 'databunker held%'), sum(total_bytes)::bigint"
            "  FROM pg_backend_memory_contexts")
    with session.transaction():
        session.execute(vault("DECLARE v SCROLL CURSOR FOR SELECT n, @ FROM people WHERE n > 12"))
        sizes = []
        for _ in range(3):
            for _ in range(400):
                session.execute("FETCH ABSOLUTE 5 FROM v; FETCH 3 FROM v")
            sizes.append(session.execute(held).fetchone())
    assert [count for count, _ in sizes] == [0, 0, 0]
    assert sizes[2][1] - sizes[1][1] < 100_000


def test_portals_return_rows_a_few_at_a_time(cluster, crowd):
    program = """
        import pg from "pg";
        const client = new pg.Client();
        await client.connect();
        await client.query(`SELECT set_config(name, '0', false) FROM pg_settings
                             WHERE name = 'databunker.bulk_read_limit'`);
        const run = (profile) => client.query({
            text: `SELECT n, ${profile} AS v FROM people WHERE n > $1 ORDER BY n`,
            values: [100], rows: 7});
        const [read, expected] = [await run("bunker_get_user(token)"), await run("profile")];
        console.log(read.rows.length, JSON.stringify(read.rows) === JSON.stringify(expected.rows));
        await client.end();
    """
    assert run_node(cluster, program, crowd).split() == [str(MANY - 100), "true"]


@pytest.mark.parametrize("options", ["", "(FORMAT csv, HEADER)", "(FORMAT binary)"])
def test_copy_out_writes_the_same_bytes(session, options):
    def copied(query: str) -> bytes:
        with session.cursor().copy(f"COPY ({query}) TO STDOUT {options}") as copy:
            return b"".join(bytes(part) for part in copy)

    query = "SELECT n, @ AS v FROM people ORDER BY n"
    assert copied(vault(query)) == copied(plain(query))


@pytest.mark.parametrize("statement", [
    "CREATE TABLE made AS SELECT n, @ AS v FROM people",
    "SELECT n, @ AS v INTO made FROM people",
    "CREATE MATERIALIZED VIEW made AS SELECT n, @ AS v FROM people",
    "CREATE MATERIALIZED VIEW made AS SELECT n, @ AS v FROM people WITH NO DATA;"
    "REFRESH MATERIALIZED VIEW made",
    "CREATE VIEW made AS SELECT n, @ AS v FROM people",
    "CREATE TABLE made (n int, v jsonb); INSERT INTO made SELECT n, @ FROM people",
    "PREPARE filling AS SELECT n, @ AS v FROM people; CREATE TABLE made AS EXECUTE filling;"
    "DEALLOCATE filling",
])
def test_what_is_filled_from_the_vault_holds_the_same(session, statement):
    with session.transaction(force_rollback=True):
        session.execute(vault(statement))
        filled = session.execute("SELECT n, v FROM made ORDER BY n").fetchall()
        assert filled == session.execute("SELECT n, profile FROM people ORDER BY n").fetchall()


@pytest.mark.parametrize("statement", [
    "INSERT INTO people SELECT n + 10000, token, profile FROM people WHERE n < 1200"
    " RETURNING n, @ -> 'n'",
    "UPDATE people SET n = -n RETURNING n, @ -> 'n'",
    "DELETE FROM people WHERE @ ->> 'email' > 'p5' RETURNING @ -> 'n'",
    "WITH gone AS (DELETE FROM people RETURNING n, token, profile) SELECT n, @ -> 'n' FROM gone",
])
def test_returning_reads_the_same(session, statement):
    def returned(text: str) -> list:
        with session.transaction(force_rollback=True):
            return sorted(session.execute(text).fetchall())

    assert returned(vault(statement)) == returned(plain(statement))


@pytest.mark.parametrize("body", [
    "LANGUAGE sql AS $$ SELECT @ FROM people WHERE n = $1 $$",
    "LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT @ FROM people WHERE n = $1); END $$",
    "LANGUAGE plpgsql AS $$ DECLARE t uuid; p jsonb; BEGIN"
    " SELECT people.token, people.profile INTO t, p FROM people WHERE n = $1;"
    " RETURN (SELECT @ FROM (SELECT t AS token, p AS profile) x); END $$",
])
def test_functions_of_users_read_the_same(session, body):
    with session.transaction(force_rollback=True):
        for text, name in ((vault, "v"), (plain, "p")):
            session.execute(f"CREATE FUNCTION {name}(int) RETURNS jsonb {text(body)}")
        calls = [session.execute(f"SELECT n, {name}(n) FROM people ORDER BY n").fetchall()
                 for name in "vp"]
        assert calls[0] == calls[1]


def test_explain_analyze_counts_the_rows(session):
    plan = session.execute("EXPLAIN (ANALYZE, FORMAT json, TIMING off) "
                           + vault("SELECT n, @ FROM people")).fetchone()[0]
    assert plan[0]["Plan"]["Actual Rows"] == MANY


# Errors ---------------------------------------------------------------------------------------

FIELDS = ("sqlstate", "severity", "message_primary", "message_detail", "message_hint", "context",
          "internal_query", "internal_position", "schema_name", "table_name", "column_name",
          "datatype_name", "constraint_name")


def failure(connection, statement: str) -> dict:
    """What the server says of a statement that must fail."""
    with pytest.raises(psycopg.Error) as caught, connection.transaction():
        connection.execute(statement).fetchall()
    return {field: getattr(caught.value.diag, field) for field in FIELDS}


@pytest.mark.parametrize("statement", [
    "SELECT n, @, 1 / (n - 1200) FROM people",
    "SELECT sum(1 / ((@ ->> 'n')::int - 1200)) FROM people",
    "SELECT n, @ FROM people WHERE length(@ ->> 'text') / (n - 1200) > -1",
    "INSERT INTO people SELECT n + 10000, token, @ FROM people WHERE 1 / (n - 1200) < 2",
    "CREATE TABLE made AS SELECT 1 / (n - 1200), @ FROM people",
])
def test_errors_in_mid_statement_are_the_same(session, statement):
    assert failure(session, vault(statement)) == failure(session, plain(statement))
    read, expected = both(session, QUERIES[0])
    assert read == expected


def test_an_error_ends_a_savepoint_and_no_more(session):
    with session.transaction():
        for _ in range(50):
            failure(session, vault("SELECT @, 1 / (n - 20) FROM people ORDER BY n"))
        read, expected = both(session, QUERIES[0])
    assert read == expected


def test_errors_of_other_statements_keep_all_they_say(session):
    session.execute("CREATE OR REPLACE FUNCTION fails(int) RETURNS int LANGUAGE plpgsql AS"
                    " $$ BEGIN EXECUTE 'SELECT 1 / $1, ''a''::int' USING $1; RETURN 1; END $$")
    unique = failure(session, "INSERT INTO people VALUES (1)")
    assert (unique["schema_name"], unique["table_name"], unique["constraint_name"]) == (
        "public", "people", "people_pkey")
    assert "(n)=(1)" in unique["message_detail"]
    nested = failure(session, "SELECT fails(1)")
    assert nested["internal_query"] == "SELECT 1 / $1, 'a'::int"
    assert nested["internal_position"] == "16"
    assert "PL/pgSQL function fails(integer) line 1 at EXECUTE" in nested["context"]
    with pytest.raises(psycopg.Error) as caught:
        session.execute("DO $$ BEGIN PERFORM 1 / 0; END $$; SELECT 1")
    assert "PERFORM" in caught.value.diag.context


def test_an_exception_block_catches_in_mid_read(session):
    session.execute(vault("""DO $$
        DECLARE seen int := 0; row record;
        BEGIN
            FOR round IN 1 .. 20 LOOP
                BEGIN
                    FOR row IN SELECT @ AS v, 1 / (n - 10) FROM people ORDER BY n LOOP
                        seen := seen + (row.v ->> 'n')::int;
                    END LOOP;
                EXCEPTION WHEN division_by_zero THEN
                    seen := seen + 1000;
                END;
            END LOOP;
            -- In each round nine rows arrive, and the tenth fails.
            ASSERT seen = 20 * (45 + 1000), seen;
        END $$"""))
    read, expected = both(session, QUERIES[0])
    assert read == expected


# Code of users never runs while reads wait for their events --------------------------------------

# Looks at the table itself: the functions that show the trail wait until it is up to date.
WATCH = """
CREATE SCHEMA watch;
CREATE FUNCTION watch.events() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT count(*) FROM bunker.audit WHERE action = 'get_user' $$;
CREATE TABLE watch.seen (reads bigint);
CREATE FUNCTION watch.look() RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO watch.seen VALUES (watch.events()); RETURN true; END $$;
CREATE DOMAIN watch.checked AS text CHECK (watch.look());
CREATE TYPE watch.mood AS ENUM ('good');
CREATE FUNCTION watch.to_json(watch.mood) RETURNS json LANGUAGE plpgsql AS
    $$ BEGIN PERFORM watch.look(); RETURN 'null'; END $$;
CREATE CAST (watch.mood AS json) WITH FUNCTION watch.to_json(watch.mood);
"""


@pytest.mark.parametrize("leak", [
    "watch.look()",
    "(@ ->> 'email')::watch.checked",
    "to_json(CASE WHEN @ IS NOT NULL THEN 'good'::watch.mood END)",
    "domain_in(textout(@ ->> 'email'), 'watch.checked'::regtype::oid, -1) IS NULL",
    "(SELECT r.a FROM jsonb_to_record(@) AS r (email watch.checked, a int))",
])
def test_code_of_users_sees_every_earlier_read_on_record(session, leak):
    with session.transaction(force_rollback=True):
        session.execute(WATCH)
        before = session.execute("SELECT watch.events()").fetchone()[0]
        session.execute(vault(f"SELECT n, @ IS NULL, {leak} FROM people WHERE n BETWEEN 21 AND 30"))
        seen = [reads - before for (reads,) in session.execute("SELECT reads FROM watch.seen")]
    assert len(seen) == 10
    assert all(reads >= row for row, reads in enumerate(sorted(seen), 1))


# Who waits for each read ------------------------------------------------------------------------

WAITING = 40
# Functions that only compute, and functions that say, lock or run more than their result shows.
HARMLESS = ["@ ->> 'email'", "to_char(now(), 'YYYY') || (@ ->> 'text')",
            "format('%s', @ -> 'n')", "(@ ->> 'n')::int * 2", "lower(@ ->> 'email')"]
HARMFUL = ["to_regtype('\"' || (@ ->> 'email') || repeat('.', 64) || '\"')",
           "to_regclass(@ ->> 'email')", "pg_get_viewdef(('v' || (@ ->> 'n'))::regclass)",
           "plainto_tsquery(@ ->> 'email')::text || random()::text || nextval('s')",
           "query_to_xml('SELECT ' || (@ ->> 'n'), true, true, '')::text",
           "set_config('a.b', @ ->> 'n', true)", "pg_advisory_lock((@ ->> 'n')::int)::text",
           "txid_current() + (@ ->> 'n')::int", "table_to_xml('people', true, true, @ ->> 'n')::text"]


def waits(session, expression: str) -> int:
    """How many waits a statement costs that reads so many users, whether it succeeds or not."""
    before = session.execute("SELECT waits FROM bunker.stat").fetchone()[0]
    try:
        session.execute(vault(f"SELECT {expression} FROM people WHERE n BETWEEN 100 AND 139"))
    except psycopg.Error:
        return WAITING  # it did not come that far; the first read has waited
    return session.execute("SELECT waits FROM bunker.stat").fetchone()[0] - before


@pytest.mark.parametrize("expression", HARMLESS)
def test_reads_that_can_only_become_rows_share_a_wait(session, expression):
    assert waits(session, expression) <= 4


@pytest.mark.parametrize("expression", HARMFUL)
def test_reads_that_could_get_out_otherwise_wait_one_by_one(session, expression):
    session.execute("CREATE SEQUENCE IF NOT EXISTS s")
    assert waits(session, expression) >= WAITING


def test_no_notice_tells_what_is_held_back(session):
    """to_tsvector is immutable with a configuration; its notice must not tell one bit."""
    heard = []
    session.add_notice_handler(lambda notice: heard.append(notice.message_primary))
    session.execute("SET client_min_messages = debug5")
    session.execute(vault("SELECT to_tsvector('simple', @ ->> 'text') FROM people"
                          " WHERE n BETWEEN 1 AND 5"))
    session.execute("RESET client_min_messages")
    assert [text for text in heard if "xxxx" in text] == []
