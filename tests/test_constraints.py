"""The vault's functions in a table's definition: computed behind people's backs, so refused.

PostgreSQL would accept them in CHECK constraints and in statistics, so we refuse; in an index, a
generated column or a partition key it refuses them itself, because they are volatile.
"""

import pytest

CALL = "bunker_find_token('login', x) IS NOT NULL"

# What we refuse; `t` (x text) exists, and a domain `d`.
COMPUTED = {
    "CREATE TABLE": f"CREATE TABLE n (x text CHECK ({CALL}))",
    "a constraint of the table": f"CREATE TABLE n (x text, CHECK (x <> '' AND {CALL}))",
    "a temporary table": f"CREATE TEMP TABLE n (x text CHECK ({CALL}))",
    "ADD CONSTRAINT": f"ALTER TABLE t ADD CONSTRAINT c CHECK ({CALL})",
    "NOT VALID": f"ALTER TABLE t ADD CONSTRAINT c CHECK ({CALL}) NOT VALID",
    "ADD COLUMN": f"ALTER TABLE t ADD COLUMN y text CHECK ({CALL.replace('x', 'y')})",
    "a domain": f"CREATE DOMAIN n AS text CHECK ({CALL.replace('x', 'VALUE')})",
    "ALTER DOMAIN": f"ALTER DOMAIN d ADD CHECK ({CALL.replace('x', 'VALUE')})",
    "deep inside": f"CREATE TABLE n (x text CHECK (CASE WHEN x IN ('a') THEN (ARRAY[{CALL}])[1] END))",
    "plaintext": "CREATE TABLE n (x uuid CHECK (bunker_get_user(x) ->> 'name' = 'Ann'))",
    "an inline foreign table": f"CREATE FOREIGN TABLE n (x text CHECK ({CALL})) SERVER s",
    "a partition": f"CREATE TABLE n PARTITION OF parts (CHECK ({CALL})) DEFAULT",
    "statistics": "CREATE STATISTICS s ON (bunker_find_token('login', x)::text), x FROM t",
    "statistics of one expression": "CREATE STATISTICS s ON (bunker_lookup('login', x)) FROM t",
    "CREATE SCHEMA": f"CREATE SCHEMA n CREATE TABLE n (x text CHECK ({CALL}))",
}

# What PostgreSQL itself refuses.
STORED = {
    "an index": "CREATE INDEX ON t ((bunker_find_token('login', x)))",
    "an index's predicate": f"CREATE INDEX ON t (x) WHERE {CALL}",
    "a unique index": "CREATE UNIQUE INDEX ON t ((bunker_find_token('login', x)))",
    "an exclusion": "ALTER TABLE t ADD EXCLUDE ((bunker_find_token('login', x)::text) WITH =)",
    "a generated column":
        "CREATE TABLE n (x text, y uuid GENERATED ALWAYS AS (bunker_find_token('login', x)) STORED)",
    "a partition key": "CREATE TABLE n (x text) PARTITION BY HASH (bunker_find_token('login', x))",
}


@pytest.fixture
def schema(conn):
    """A connection to a database with a few things to build on."""
    conn.execute("CREATE TABLE t (x text)")
    conn.execute("CREATE DOMAIN d AS text")
    conn.execute("CREATE TABLE parts (x text) PARTITION BY LIST (x)")
    conn.execute("CREATE FOREIGN DATA WRAPPER w")
    conn.execute("CREATE SERVER s FOREIGN DATA WRAPPER w")
    return conn


@pytest.mark.parametrize("case", COMPUTED)
def test_a_definition_that_calls_the_vault_is_refused(raises, schema, case):
    before = definitions(schema)
    with raises("42P17") as refusal:
        schema.execute(COMPUTED[case])
    assert "trigger" in refusal.error.diag.message_hint
    assert definitions(schema) == before


def definitions(connection) -> tuple:
    """How many constraints and statistics there are."""
    return connection.execute("SELECT (SELECT count(*) FROM pg_constraint), "
                              "(SELECT count(*) FROM pg_statistic_ext)").fetchone()


@pytest.mark.parametrize("case", STORED)
def test_a_result_that_would_be_stored_is_refused(raises, schema, case):
    with raises("42P17"):
        schema.execute(STORED[case])


def test_the_function_may_have_been_found_by_any_name(raises, schema):
    schema.execute("ALTER FUNCTION bunker_find_token(text, text) RENAME TO harmless")
    with raises("42P17"):
        schema.execute("CREATE TABLE n (x text CHECK (harmless('login', x) IS NOT NULL))")


def test_a_session_that_has_not_called_the_vault_is_refused_too(cluster, db, raises):
    with cluster.connect(db) as fresh, raises("42P17"):
        fresh.execute(f"CREATE TABLE n (x text CHECK ({CALL}))")


def test_other_constraints_are_left_alone(schema):
    schema.execute("CREATE FUNCTION mine(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'")
    schema.execute("CREATE TABLE n (x text PRIMARY KEY CHECK (mine(x) AND length(x) > 1), y d "
                   "REFERENCES n CHECK (y <> 'bunker_find_token'), UNIQUE (x, y))")
    schema.execute("ALTER DOMAIN d ADD CHECK (mine(VALUE))")
    schema.execute("CREATE TABLE copy (LIKE n INCLUDING ALL)")
    schema.execute("CREATE TABLE child () INHERITS (n)")
    schema.execute("CREATE STATISTICS s ON (lower(x)), (mine(x)) FROM n")
    schema.execute("CREATE STATISTICS plain ON x, y FROM n")
    schema.execute("INSERT INTO n VALUES ('ab')")


def test_what_the_callers_own_statement_does_is_left_alone(schema):
    schema.execute("""SELECT bunker_create_user('{"login": "ann"}')""")
    schema.execute("CREATE TABLE n (x text, y uuid DEFAULT bunker_find_token('login', 'ann'))")
    schema.execute(f"CREATE POLICY p ON n USING ({CALL})")
    schema.execute("CREATE VIEW v AS SELECT bunker_find_token('login', x) FROM n")
    schema.execute("INSERT INTO n VALUES ('ann')")
    assert schema.execute("SELECT y = bunker_find_token('login', x) FROM n").fetchone() == (True,)


def test_a_database_without_the_extension_is_left_alone(cluster):
    name = cluster.create_db("unguarded", extension=False)
    with cluster.connect(name) as connection:
        connection.execute("CREATE FUNCTION bunker_find_token(text, text) RETURNS uuid "
                           "LANGUAGE sql AS 'SELECT gen_random_uuid()'")
        connection.execute(f"CREATE TABLE n (x text CHECK ({CALL}))")
    cluster.drop_db(name)
