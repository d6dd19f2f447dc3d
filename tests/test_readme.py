"""What README.md shows and says, held against a server."""

import re

import pytest

from harness import readme

QUICKSTART = "\n".join(re.findall(r"```sql\n(.*?)```", readme.section("quickstart"), re.DOTALL))

# What is another one at every run, and what stands for it in a comparison.
RANDOM = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lambda match: "UUID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", lambda match: "TIME"),
    (r"(?<=\b010100000001)[0-9a-f]{36}\b|\b[0-9a-f]{32}\b", lambda match: f"HEX{len(match[0])}"),
]


def shape(row: str) -> str:
    """A row with everything random replaced by its kind."""
    for pattern, kind in RANDOM:
        row = re.sub(pattern, kind, row)
    return row


def rows_of(connection, sql: str) -> list[str]:
    """The rows of a statement as psql prints them, unaligned, columns separated by ` | `."""
    result = connection.execute(sql).pgresult
    cells = [[result.get_value(row, column) for column in range(result.nfields)]
             for row in range(result.ntuples)]
    return [" | ".join((cell or b"").decode() for cell in row) for row in cells]


def run_as_shown(connection, sql: str) -> None:
    """Runs each statement and compares its rows with those in the comments after it."""
    for statement in readme.statements(sql):
        returned = [shape(row).rstrip() for row in rows_of(connection, statement.sql)]
        shown = [shape(row).rstrip() for row in statement.rows]
        assert returned == shown, statement.sql


@pytest.fixture
def bare_db(cluster):
    """The name of a database without the extension."""
    name = cluster.create_db("readme", extension=False)
    yield name
    cluster.drop_db(name)


def test_quickstart_returns_what_it_shows(cluster, bare_db):
    assert len(readme.statements(QUICKSTART)) > 15
    with cluster.connect(bare_db) as connection:
        run_as_shown(connection, QUICKSTART)


def test_the_privacy_officers_chapter_returns_what_it_shows(fresh_cluster):
    server = fresh_cluster()
    server.create_db("privacy")
    blocks = readme.blocks("dpo")
    assert len(blocks) > 7 and {role for role, _ in blocks} == {"postgres", "shop", "anna"}
    for role, statements in blocks:
        with server.connect("privacy", role) as connection:
            run_as_shown(connection, statements)


def test_shape_tells_rows_apart():
    """The comparison above must not pass whatever comes back."""
    token = "2f6c1a9e-5b0d-4c3e-9a51-0d6a7b1f2c34"
    assert shape(f"1 | {token}") == "1 | UUID"
    assert shape("0101000000012b5c0e6f8d1a90b7c4d3e2f1a0b9c8d7e6f5") == "010100000001HEX36"
    assert shape("Ann Lee | 3") == "Ann Lee | 3"


def configuration() -> dict:
    """The lines that README adds to postgresql.conf."""
    return dict(re.findall(r"^(\S+) = '(.*)'$", readme.block("configuration"), re.MULTILINE))


def test_three_lines_of_configuration_open_the_vault(fresh_cluster):
    settings = configuration()
    assert len(settings) == 3
    server = fresh_cluster(preload=False, master_key=False)
    key_file = server.write_key_file()
    server.restart(settings=settings | {"databunker.master_key_file": str(key_file)})
    with server.connect() as connection:
        connection.execute("CREATE ROLE shop LOGIN")
        run_as_shown(connection, readme.block("install"))
    with server.connect(user="shop") as connection:
        connection.execute("""SELECT bunker_create_user('{"login": "ann"}')""")
        assert connection.execute("SELECT bunker_find_token('login', 'Ann')").fetchone()[0]


# Tables ---------------------------------------------------------------------------------------

FUNCTIONS = """
    SELECT p.proname,
           pg_get_function_arguments(p.oid),
           pg_get_function_result(p.oid),
           (SELECT string_agg(acl.grantee::regrole::text, ', ' ORDER BY acl.grantee::regrole::text)
              FROM aclexplode(p.proacl) AS acl
             WHERE acl.grantee <> p.proowner),
           obj_description(p.oid, 'pg_proc')
      FROM pg_proc AS p
      JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
      JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
     WHERE e.extname = 'databunker' AND p.proname ^@ 'bunker_'
     ORDER BY p.oid
"""


def function_table(connection) -> str:
    """README's table of functions, as the database has them."""
    lines = ["| function | returns | granted to | |", "|---|---|---|---|"]
    for name, arguments, result, grantees, comment in connection.execute(FUNCTIONS):
        short = re.sub(r"::[a-z]+(\[\])?", "", f"`{name}({arguments})` | `{result}`")
        short = short.replace("timestamp with time zone", "timestamptz")
        lines.append(f"| {short} | {grantees} | {comment} |")
    return "\n".join(lines) + "\n"


def test_function_table_is_the_databases(conn):
    """To update README, put the expected text between its functions marks."""
    assert readme.section("functions") == function_table(conn)


# pg_settings.context in the words of README.
SET_BY = {"superuser": "superuser", "user": "user", "sighup": "configuration file"}


def test_settings_table_is_the_servers(fresh_cluster):
    shown = {name.strip("`"): rest for name, *rest in readme.table("settings")}
    server = fresh_cluster()
    # What the tests set otherwise for their servers.
    server.restart(settings={"databunker.maintenance_interval": None})
    with server.connect() as conn:
        for name, set_by, default, meaning in conn.execute(
                """SELECT name, context, current_setting(name), short_desc FROM pg_settings
                    WHERE name LIKE 'databunker.%'""").fetchall():
            expected = [SET_BY[set_by], f"`{default}`" if default else "", meaning]
            assert shown.pop(name) == expected, name
        # The rest is what no view lists: the key settings.
        assert len(shown) == 3
        for name, (set_by, *_) in shown.items():
            assert set_by == "configuration file", name
            assert conn.execute(f"SHOW {name}").fetchone() == ("********",)


# Errors ---------------------------------------------------------------------------------------

# For each SQLSTATE of README: who says what to get it, in a vault with the user <ann@example.com>.
PROVOCATIONS = {
    "22023": ("app", "SELECT bunker_lookup('email', 'no address')"),
    "22P02": ("app", "SELECT bunker_lookup('token', 'no uuid')"),
    "23505": ("app", """SELECT bunker_create_user('{"email": "ann@EXAMPLE.com"}')"""),
    "23514": ("app", """SELECT bunker_create_user('{"login": "ann", "age": "young"}')"""),
    "24000": ("admin", """BEGIN; DECLARE c CURSOR FOR SELECT bunker_export_bundle('jsonl');
                          SAVEPOINT s; FETCH 1 FROM c; ROLLBACK TO s; FETCH ALL FROM c"""),
    "25000": ("app", """CREATE FUNCTION pg_temp.peek() RETURNS jsonb LANGUAGE plpgsql PARALLEL SAFE
                            AS $$ BEGIN RETURN bunker_lookup('email', 'ann@example.com'); END $$;
                        SELECT set_config(name, 'on', true) FROM pg_settings
                         WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
                        SELECT pg_temp.peek()"""),
    "25001": ("admin", "BEGIN ISOLATION LEVEL SERIALIZABLE; "
                       "SELECT bunker_add_lookup('tax', '/tax')"),
    "40001": ("app", "SELECT bunker_update_user('email', 'ann@example.com', '{}', 7)"),
    "42501": ("app", "SELECT bunker_audit_all()"),
    "42P17": ("app", "CREATE TEMP TABLE t (x text CHECK (bunker_find_token('login', x) IS NULL))"),
    "54000": ("app", """SELECT bunker_create_user(jsonb_build_object(
                            'login', 'ann', 'essay', repeat('x', 2000000)))"""),
    "P0002": ("app", "SELECT bunker_delete_user('email', 'bob@example.com')"),
    "XX001": ("app", "SELECT bunker_lookup('email', 'damaged@example.com')"),
}
# Needs a server of its own, below.
SEALED = "55000"


@pytest.fixture
def vault(conn):
    """A vault with two users and a schema; one of the users was altered past the functions."""
    conn.execute("""SELECT bunker_create_user('{"email": "ann@example.com"}')""")
    damaged = conn.execute(
        """SELECT bunker_create_user('{"email": "damaged@example.com"}')""").fetchone()
    conn.execute("""UPDATE bunker.record SET sealed = set_byte(sealed, 120, 255 - get_byte(sealed, 120))
                     WHERE token = %s""", damaged)
    conn.execute("""SELECT bunker_set_user_schema('{"properties": {"age": {"type": "number"}}}')""")


def test_every_sqlstate_of_the_table_is_provoked():
    assert [row[0] for row in readme.table("errors")] == sorted([*PROVOCATIONS, SEALED])


@pytest.mark.parametrize("sqlstate", PROVOCATIONS)
def test_sqlstate_is_the_one_in_the_table(vault, connect_as, raises, sqlstate):
    group, statement = PROVOCATIONS[sqlstate]
    secrets = re.findall(r"[\w.]+@[\w.]+|no address|no uuid|young|xxx", statement)
    with raises(sqlstate, secrets=secrets):
        connect_as(group).execute(statement)


def test_sealed_vault_says_so(fresh_cluster):
    server = fresh_cluster(master_key=False)
    with server.connect() as connection:
        connection.execute("CREATE EXTENSION databunker")
        with server.raises(SEALED) as caught:
            connection.execute("""SELECT bunker_create_user('{"login": "ann"}')""")
        assert "databunker.master_key_file" in caught.error.diag.message_hint
        assert connection.execute("SELECT 1").fetchone() == (1,)
