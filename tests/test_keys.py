"""The master key is shown to nobody, and set by nobody but the configuration file."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness import Cluster

KEY = secrets.token_hex(32)
SOURCES = ["master_key", "master_key_file", "master_key_command"]
WATCHERS = {"postgres": None, "monitor": "pg_monitor", "settings": "pg_read_all_settings"}
LOOKS = [
    "SHOW databunker.master_key",
    "SELECT current_setting('databunker.master_key')",
    "SHOW ALL",
    "SELECT * FROM pg_settings",
    "SELECT * FROM pg_show_all_settings()",
    "SELECT * FROM pg_settings WHERE name LIKE '%master_key%'",
    "SELECT * FROM pg_file_settings",
    "SELECT * FROM pg_show_all_file_settings()",
    "SELECT * FROM pg_db_role_setting",
    "SELECT * FROM pg_stat_activity",
    "SELECT bunker_status()",
    "EXPLAIN (SETTINGS, VERBOSE, ANALYZE) SELECT bunker_status()",
]
CHANGES = [
    "SET databunker.{source} = '{key}'",
    "SET LOCAL databunker.{source} = '{key}'",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; SET databunker.{source} TO '{key}'",
    "SELECT set_config('databunker.{source}', '{key}', false)",
    "ALTER SYSTEM SET databunker.{source} = '{key}'",
    "ALTER DATABASE vault SET databunker.{source} = '{key}'",
    "ALTER ROLE postgres SET databunker.{source} = '{key}'",
    "ALTER ROLE ALL IN DATABASE vault SET databunker.{source} = '{key}'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET databunker.{source} = '{key}' AS 'SELECT 1'",
    "UPDATE pg_settings SET setting = '{key}' WHERE name = 'databunker.{source}'",
]


def create(connection, login: str) -> str:
    """Creates a user."""
    return connection.execute("SELECT bunker_create_user(jsonb_build_object('login', %s::text))",
                              [login]).fetchone()[0]


def found(connection, login: str) -> bool:
    """Whether a user is found."""
    return connection.execute("SELECT bunker_lookup('login', %s)", [login]).fetchone()[0] is not None


@pytest.fixture(scope="module")
def server():
    """A server whose key stands in the configuration file, and roles that may see settings."""
    with Cluster({"databunker.master_key": KEY}, master_key=False) as cluster:
        cluster.create_db("vault")
        for role, group in WATCHERS.items():
            if group:
                cluster.psql(f"CREATE ROLE {role} LOGIN IN ROLE {group}, bunker_reader")
        cluster.psql("GRANT SELECT ON pg_file_settings TO PUBLIC; "
                     "GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO PUBLIC")
        yield cluster


def test_a_key_in_the_configuration_file_opens_the_vault(server):
    with server.connect("vault") as connection:
        create(connection, "first")
        assert found(connection, "first")


@pytest.mark.parametrize("role", WATCHERS)
@pytest.mark.parametrize("look", LOOKS)
def test_nothing_shows_the_key(server, role, look):
    mark = server.log_mark()
    with server.connect("vault", role) as connection:
        connection.execute("SELECT bunker_status()")
        try:
            seen = str(connection.execute(look).fetchall())
        except psycopg.errors.InsufficientPrivilege as refused:
            seen = str(refused)
    assert KEY not in seen
    assert KEY not in server.log(mark)


def test_the_file_settings_are_open_where_the_key_is_elsewhere(cluster):
    """The guard of pg_file_settings must not take it from those who keep the key in a file."""
    with cluster.connect() as connection:
        names = connection.execute("SELECT name FROM pg_file_settings").fetchall()
    assert ("databunker.master_key_file",) in names


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("change", CHANGES)
def test_no_statement_sets_the_key(server, change, source):
    other = secrets.token_hex(32)
    with server.connect("vault") as connection:
        create(connection, f"{source}{CHANGES.index(change)}")
        if "UPDATE" in change:  # pg_settings does not list it, so nothing is updated
            mark = server.log_mark()
            assert connection.execute(change.format(source=source, key=other)).rowcount in (0, -1)
            assert other not in server.log(mark)
        else:
            with server.raises("55P02", secrets=[other]):
                connection.execute(change.format(source=source, key=other))
    with server.connect("vault") as connection:
        assert found(connection, f"{source}{CHANGES.index(change)}")


@pytest.mark.parametrize("reset", ["RESET databunker.master_key", "RESET ALL", "DISCARD ALL"])
def test_a_reset_leaves_the_key(server, reset):
    with server.connect("vault") as connection:
        create(connection, reset.replace(" ", "_"))
        try:
            connection.execute(reset)
        except psycopg.errors.CantChangeRuntimeParam:
            pass
        assert found(connection, reset.replace(" ", "_"))


def test_connection_options_do_not_set_the_key(server):
    with server.raises("55P02"):
        try:
            server.connect("vault", options="-c databunker.master_key_file=/tmp/other")
        except psycopg.OperationalError as refused:  # at connect psycopg knows no SQLSTATE
            assert "cannot be changed now" in str(refused)
            raise psycopg.errors.CantChangeRuntimeParam(str(refused)) from refused


def test_a_misspelt_setting_is_refused(server):
    with server.connect("vault") as connection, server.raises("42602"):
        connection.execute("SET databunker.maste_key = 'x'")


# Without shared_preload_libraries --------------------------------------------------------------


def test_loaded_late_a_key_in_a_setting_is_refused(fresh_cluster):
    """Before the library is loaded any role can SHOW the setting: that key is known."""
    server = fresh_cluster({"databunker.master_key": KEY}, preload=False, master_key=False)
    db = server.create_db("vault")
    with server.connect(db) as connection:
        with server.raises("55000", secrets=[KEY]) as refusal:
            create(connection, "x")
        status = connection.execute("SELECT bunker_status()").fetchone()[0]
        shown = connection.execute("SHOW databunker.master_key").fetchone()[0]
    assert "rotate" in refusal.error.diag.message_hint
    assert status["sealed"] is True
    assert status["preloaded"] is False
    assert KEY not in shown


def test_loaded_late_a_key_file_opens_the_vault(fresh_cluster):
    server = fresh_cluster(preload=False)
    db = server.create_db("vault")
    with server.connect(db) as connection:
        create(connection, "late")
    with server.connect(db) as connection:
        connection.execute("SET databunker.audit_reads = 'transaction'")
        assert found(connection, "late")


@pytest.mark.parametrize("source", SOURCES)
def test_loaded_late_a_key_that_a_user_has_set_does_not_count(fresh_cluster, source):
    """Before the library is loaded its settings are anybody's to SET."""
    server = fresh_cluster(preload=False)
    db = server.create_db("vault")
    planted = server.write_key_file("planted")
    value = {"master_key": KEY, "master_key_file": str(planted),
             "master_key_command": f"cat {planted}"}[source]
    server.psql("CREATE ROLE intruder LOGIN IN ROLE bunker_app")
    with server.connect(db) as owner:
        create(owner, "before")
        allow_late_reads(owner, db)
    with server.connect(db, "intruder") as connection:
        connection.execute(f"SET databunker.{source} = '{value}'")
        found_or_sealed(connection, "before")
    with server.connect(db, "intruder", options=f"-c databunker.{source}={KEY}") as connection:
        found_or_sealed(connection, "before")


def allow_late_reads(connection, db: str) -> None:
    """Lets users be looked up without an audit writer, which only a preloaded library has."""
    connection.execute(f"ALTER DATABASE {db} SET databunker.audit_reads = 'transaction'")


def found_or_sealed(connection, login: str) -> None:
    """The configured key opens the vault, or none does; another one would not find the user."""
    try:
        assert found(connection, login)
    except psycopg.errors.ObjectNotInPrerequisiteState as sealed:
        assert "no master key is configured" in sealed.diag.message_primary


def test_loaded_late_a_key_of_a_database_does_not_count(fresh_cluster):
    """The owner of a database may store any setting for it while the library is not loaded."""
    server = fresh_cluster(preload=False)
    db = server.create_db("vault")
    planted = server.write_key_file("planted")
    with server.connect(db) as owner:
        create(owner, "before")
        owner.execute("CREATE ROLE chosen LOGIN IN ROLE bunker_app")
        allow_late_reads(owner, db)
    with server.connect() as elsewhere:
        elsewhere.execute(f"ALTER DATABASE {db} SET databunker.master_key_file = '{planted}'")
    with server.connect(db, "chosen") as connection:
        found_or_sealed(connection, "before")


# The keyring -----------------------------------------------------------------------------------


def keyring_rows(connection) -> int:
    """How many keys there are; the superuser looks past the functions."""
    return connection.execute("SELECT count(*) FROM bunker.keyring").fetchone()[0]


def test_twenty_first_users_make_one_keyring(cluster, db, conn):
    assert keyring_rows(conn) == 0

    def first(number: int) -> str:
        with cluster.connect(db, "test_app") as connection:
            create(connection, f"user{number}")
        return f"user{number}"

    with ThreadPoolExecutor(20) as pool:
        logins = list(pool.map(first, range(20)))
    assert keyring_rows(conn) == 5
    assert all(found(conn, login) for login in logins)


@pytest.mark.parametrize("undo", [
    ["BEGIN", "ROLLBACK"],
    ["BEGIN; SAVEPOINT s", "ROLLBACK TO s; COMMIT"],
    ["BEGIN; SAVEPOINT s", "ROLLBACK TO s; SELECT bunker_lookup('login', 'x'); COMMIT"],
    ["BEGIN; SAVEPOINT s; SAVEPOINT t", "RELEASE t; ROLLBACK TO s; COMMIT"],
])
def test_a_first_use_undone_leaves_nothing(cluster, db, conn, undo):
    begin, end = undo
    with cluster.connect(db, "test_app") as connection:
        connection.execute(begin)
        create(connection, "gone")
        connection.execute(end)
        assert keyring_rows(conn) == 0
        assert not found(connection, "gone")
        # Another backend makes the keyring; the first one must not go on with its own.
        create(conn, "made_elsewhere")
        assert found(connection, "made_elsewhere")
        create(connection, "made_here")
    assert found(conn, "made_here")
    assert keyring_rows(conn) == 5


def test_a_first_use_undone_by_an_exception_leaves_nothing(cluster, db, conn):
    conn.execute("""DO $$ BEGIN
        PERFORM bunker_create_user('{"login": "gone"}'); RAISE 'no';
        EXCEPTION WHEN raise_exception THEN PERFORM bunker_create_user('{"login": "kept"}');
    END $$""")
    with cluster.connect(db) as other:
        assert found(other, "kept")
        assert not found(other, "gone")
    assert found(conn, "kept")


def test_reading_makes_no_keyring(conn, reader_conn):
    assert not found(reader_conn, "nobody")
    assert keyring_rows(conn) == 0


def test_generated_keys_differ_and_open_a_vault(admin_conn, fresh_cluster):
    keys = [admin_conn.execute("SELECT bunker_generate_key()").fetchone()[0] for _ in range(20)]
    assert len(set(keys)) == 20
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)
    server = fresh_cluster({"databunker.master_key": keys[0]}, master_key=False)
    with server.connect(server.create_db("vault")) as connection:
        create(connection, "x")
        assert found(connection, "x")
