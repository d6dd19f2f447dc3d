"""Every way to read plaintext leaves an event, and without an event nothing gets out."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from routes import CARD, READ, ROUTES, SECRET

from harness.eavesdropper import Eavesdropper
from harness.processes import children
from harness.events import events_of
from harness.vault import call, create
from harness.wait import wait_until

ANN = {"login": "ann", "card": SECRET}
APP = "test_app"
# Whoever holds this lock keeps the audit writer from writing.
BLOCK = "LOCK TABLE bunker.audit IN ACCESS EXCLUSIVE MODE"
# What the log hook puts in the place of an error's message, for the client, too.
MASK = "[redacted by databunker]"


@pytest.fixture
def ann(conn):
    """The token of a user whose card is the secret."""
    return create(conn, ANN)


@pytest.fixture
def workshop(conn):
    """A schema in which the application role may do as it likes."""
    conn.execute(f"CREATE SCHEMA work AUTHORIZATION {APP}")


@pytest.fixture
def spy(connect_as, workshop):
    """spy(**options): an application's client that keeps what it sees; any number of them."""
    def start(**options) -> Eavesdropper:
        client = Eavesdropper(connect_as("app", **options))
        client.connection.execute("SET search_path = work, public")
        return client
    return start


def reads(connection, token) -> list[dict]:
    """The look-ups of a user that the trail knows of."""
    return events_of(connection, token, "lookup")


# All routes -----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ROUTES)
def test_a_route_leaves_a_trace(cluster, conn, ann, spy, name):
    client = spy()
    for statement in ROUTES[name].prepare:
        client.connection.execute(statement)
    assert reads(conn, ann) == []
    ROUTES[name].go(client, cluster, APP)
    assert SECRET in client.text or MASK in client.text
    events = reads(conn, ann)
    assert events
    assert {(e["status"], e["kind"]) for e in events} == {("ok", "login")}
    assert {e["actor"] for e in events} == {APP}


@pytest.mark.parametrize("name", ROUTES)
def test_without_a_trail_nothing_gets_out(cluster, db, conn, ann, spy, name):
    conn.execute(f"ALTER DATABASE {db} SET databunker.audit_timeout = '300ms'")
    client = spy()
    for statement in ROUTES[name].prepare:
        client.connection.execute(statement)
    mark = cluster.log_mark()
    with conn.transaction():
        conn.execute(BLOCK)
        ROUTES[name].go(client, cluster, APP)
    assert "55000" in client.sqlstates
    assert SECRET not in client.text
    assert SECRET not in cluster.log(mark)
    # The vault mends by itself, and what was tried is on record.
    assert call(client.connection, "bunker_lookup", "login", "ann")["profile"] == ANN
    assert reads(conn, ann)


GUESSES = [f"SELECT 1 / CASE WHEN {CARD} LIKE '{guess}%' THEN 0 ELSE 1 END"
           for guess in ("7319", "7320")]


def test_a_guess_leaves_a_trace(conn, ann, spy):
    """No plaintext is shown, but whether it is what the caller thinks."""
    client = spy()
    for guess in GUESSES:
        client.run("BEGIN", guess, "ROLLBACK")
    assert client.sqlstates == ["22012"]
    assert len(reads(conn, ann)) == 2


def test_without_a_trail_no_guess_is_answered(conn, db, ann, spy):
    conn.execute(f"ALTER DATABASE {db} SET databunker.audit_timeout = '300ms'")
    client = spy()
    with conn.transaction():
        conn.execute(BLOCK)
        client.run(*GUESSES)
    assert client.sqlstates == ["55000", "55000"]


def test_a_parallel_worker_reads_nothing(cluster, conn, ann, spy):
    """A wrapper that claims to be safe there does not make it so."""
    client = spy()
    client.connection.execute(
        f"CREATE FUNCTION feigned() RETURNS text LANGUAGE plpgsql PARALLEL SAFE"
        f" AS $$BEGIN RETURN {CARD}; END$$")
    forced = "force_parallel_mode" if conn.info.server_version < 160000 else "debug_parallel_query"
    client.run(f"SET {forced} = on", "BEGIN", "SELECT feigned()", "ROLLBACK")
    assert client.sqlstates == ["25000"]
    assert SECRET not in client.text
    client.run(f"SET {forced} = off", "SELECT feigned()")
    assert SECRET in client.text
    assert len(reads(conn, ann)) == 1


def test_copy_into_a_file(cluster, conn, ann):
    file = cluster.root / "copied"
    with conn.transaction(force_rollback=True):
        conn.execute(f"COPY (SELECT {CARD}) TO '{file}'")
    assert file.read_text() == f"{SECRET}\n"
    file.unlink()
    assert [e["actor"] for e in reads(conn, ann)] == ["postgres"]


# Ending the session ---------------------------------------------------------------------------

OWN_DEATH = [
    ("BEGIN", f"SELECT {READ}, pg_terminate_backend(pg_backend_pid())"),
    ("BEGIN", f"SELECT pg_terminate_backend(pg_backend_pid()), {READ}"),
    ("BEGIN", f"SELECT {READ}", "SELECT pg_terminate_backend(pg_backend_pid())"),
    ("BEGIN", f"DO $$ BEGIN RAISE NOTICE '%', {CARD};"
              " PERFORM pg_terminate_backend(pg_backend_pid()); END $$"),
]


@pytest.mark.parametrize("statements", OWN_DEATH)
def test_ending_oneself(conn, ann, spy, statements):
    client = spy()
    client.run(*statements)
    assert client.connection.closed
    if SECRET in client.text:
        assert len(reads(conn, ann)) == 1
    else:
        assert statements in OWN_DEATH[:2], "the plaintext came before the end"
        assert len(reads(conn, ann)) <= 1


def test_a_dropped_connection(conn, ann, spy):
    client = spy()
    client.run("BEGIN", f"SELECT {READ}")
    assert SECRET in client.text
    os.close(client.connection.fileno())
    client.connection.pgconn.finish()
    assert len(reads(conn, ann)) == 1


@pytest.fixture
def own(fresh_cluster):
    """own(settings): a server of the test's own, and the token of Ann in its database `vault`."""
    def start(settings: dict | None = None):
        server = fresh_cluster(settings)
        server.create_db("vault")
        with server.connect("vault") as connection:
            connection.execute(f"CREATE ROLE {APP} LOGIN IN ROLE bunker_app")
            return server, create(connection, ANN)
    return start


def is_open(server) -> bool:
    """Whether the server takes connections."""
    try:
        server.connect("vault").close()
    except psycopg.OperationalError:
        return False
    return True


def test_kill_9_of_the_backend(own):
    server, token = own()
    for times in range(1, 4):
        client = Eavesdropper(server.connect("vault", APP))
        mark = server.log_mark()
        client.run("BEGIN", f"SELECT {READ}")
        os.kill(client.connection.info.backend_pid, signal.SIGKILL)
        assert SECRET in client.text
        wait_until(lambda: "reinitializing" in server.log(mark), "the server to restart", 30)
        wait_until(lambda: is_open(server), "the server to recover", 30)
        with server.connect("vault") as connection:
            assert len(reads(connection, token)) == times


def test_kill_9_of_the_whole_server(own):
    server, token = own()
    for times in range(1, 6):
        client = Eavesdropper(server.connect("vault", APP))
        client.run("BEGIN", f"SELECT {READ}")
        server.kill9()
        assert SECRET in client.text
        server.start()
        with server.connect("vault") as connection:
            assert len(reads(connection, token)) == times
            verdict = connection.execute("SELECT ok, detail FROM bunker_verify_audit()").fetchone()
            assert verdict[0], verdict[1]


# Settings of the server that open ways --------------------------------------------------------

@pytest.mark.parametrize("outcome", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("crash", [False, True])
def test_two_phases(own, outcome, crash):
    server, token = own({"max_prepared_transactions": "5"})
    with Eavesdropper(server.connect("vault", APP)) as client:
        client.run("BEGIN", f"SELECT {READ}", "SELECT bunker_create_user('{\"login\": \"bob\"}')",
                   "PREPARE TRANSACTION 'p'")
        assert (client.sqlstates, SECRET in client.text) == ([], True)
    if crash:
        server.kill9()
        server.start()
    with server.connect("vault") as connection:
        assert len(reads(connection, token)) == 1
        connection.execute(f"{outcome} PREPARED 'p'")
        assert len(reads(connection, token)) == 1
        bob = "SELECT count(*) FROM bunker_audit_all() WHERE action = 'create_user'"
        assert connection.execute(bob).fetchone()[0] == (2 if outcome == "COMMIT" else 1)
        verdict = connection.execute("SELECT ok, detail FROM bunker_verify_audit()").fetchone()
        assert verdict[0], verdict[1]


def test_logical_decoding_shows_the_event_and_no_plaintext(own):
    server, token = own({"wal_level": "logical"})
    with server.connect("vault") as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('s', 'test_decoding')")
        with Eavesdropper(server.connect("vault", APP)) as client:
            client.run("BEGIN", f"SELECT {READ}", "ROLLBACK")
            assert SECRET in client.text
        assert len(reads(connection, token)) == 1
        changes = connection.execute(
            "SELECT data FROM pg_logical_slot_get_changes('s', NULL, NULL)").fetchall()
        text = "\n".join(row[0] for row in changes)
        inserts = [line for line in text.splitlines()
                   if line.startswith("table bunker.audit") and "'lookup'" in line]
        assert len(inserts) == 1
        assert str(token) in inserts[0]
        assert SECRET not in text
        # The slot must go, or the server waits for it when the folder is removed.
        connection.execute("SELECT pg_drop_replication_slot('s')")


# While the event is not written yet -----------------------------------------------------------

IMPATIENT = {
    "alone": (f"SELECT {READ}",),
    "in a cursor": ("BEGIN", f"DECLARE c CURSOR FOR SELECT {READ}", "FETCH c"),
    "caught": (f"""DO $$
        DECLARE card text;
        BEGIN
            BEGIN
                card := {CARD};
            EXCEPTION WHEN query_canceled THEN
                RAISE NOTICE 'caught';
            END;
            RAISE NOTICE '%', card;
        END $$""",),
}


@pytest.mark.parametrize("name", IMPATIENT)
def test_statement_timeout_while_waiting(cluster, conn, ann, spy, name):
    client = spy(options="-c statement_timeout=500ms")
    mark = cluster.log_mark()
    with conn.transaction():
        conn.execute(BLOCK)
        client.run(*IMPATIENT[name])
    assert client.sqlstates == ["57014"] or "caught" in client.text
    assert SECRET not in client.text + cluster.log(mark)
    client.run("ROLLBACK", f"SELECT {READ}")
    assert SECRET in client.text
    assert reads(conn, ann)


@pytest.mark.parametrize("name", IMPATIENT)
@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
def test_being_stopped_while_waiting(cluster, conn, ann, spy, end, name):
    client = spy()
    pid = client.connection.info.backend_pid
    waits = "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = %s"
    mark = cluster.log_mark()
    with ThreadPoolExecutor() as pool, conn.transaction():
        conn.execute(BLOCK)
        running = pool.submit(client.run, *IMPATIENT[name])
        wait_until(lambda: cluster_says(cluster, waits, pid), "the client to wait for its event")
        assert cluster_says(cluster, f"SELECT {end}(%s)", pid)
        running.result(4)
    assert client.connection.closed == (end == "pg_terminate_backend")
    assert SECRET not in client.text + cluster.log(mark)
    assert reads(conn, ann)


def cluster_says(cluster, question: str, *arguments) -> object:
    """One value, asked in a session of its own."""
    with cluster.connect() as connection:
        return connection.execute(question, arguments).fetchone()[0]


# Turning the trail off ------------------------------------------------------------------------

SETTINGS = ["databunker.audit_reads = 'async'", "databunker.audit_reads = 'transaction'",
            "databunker.audit_timeout = '10min'", "databunker.standby_reads = 'log'"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_an_application_has_no_say_in_the_trail(cluster, db, conn, app_conn, raises, setting):
    name, value = setting.replace("'", "").split(" = ")
    conn.execute(f"ALTER DATABASE {db} OWNER TO {APP}")
    conn.execute(f"CREATE SCHEMA work AUTHORIZATION {APP}")
    conn.execute("ALTER ROLE test_app CREATEROLE")
    try:
        for statement in (
                f"SET {setting}", f"SET SESSION {setting}", f"SET LOCAL {setting}",
                f"SELECT set_config('{name}', '{value}', false)",
                f"SELECT set_config('{name}', '{value}', true)",
                f"UPDATE pg_settings SET setting = '{value}' WHERE name = '{name}'",
                f"ALTER ROLE {APP} SET {setting}", f"ALTER ROLE test_reader SET {setting}",
                f"ALTER DATABASE {db} SET {setting}",
                f"ALTER ROLE {APP} IN DATABASE {db} SET {setting}",
                f"ALTER SYSTEM SET {setting}",
                f"CREATE FUNCTION work.f() RETURNS int LANGUAGE sql SET {setting} AS 'SELECT 1'"):
            with raises("42501"):
                app_conn.execute(statement)
    finally:
        conn.execute("ALTER ROLE test_app NOCREATEROLE")
    with pytest.raises(psycopg.OperationalError, match="permission denied to set parameter"):
        cluster.connect(db, APP, options=f"-c {name}={value}")
    with cluster.connect(db, APP) as again:
        shown = "SELECT source FROM pg_settings WHERE name = %s"
        assert again.execute(shown, [name]).fetchone() == ("default",)


def test_an_application_cannot_stop_the_writer(cluster, db, conn, app_conn, ann, raises):
    call(app_conn, "bunker_lookup", "login", "ann")
    writer = conn.execute("SELECT writer_pid FROM bunker.stat").fetchone()[0]
    assert writer in children(cluster.pid)
    for function in ("pg_terminate_backend", "pg_cancel_backend"):
        with raises("42501"):
            app_conn.execute(f"SELECT {function}({writer})")
    for mode in ("ACCESS SHARE", "ACCESS EXCLUSIVE"):
        with raises("42501"), app_conn.transaction():
            app_conn.execute(f"LOCK TABLE bunker.audit IN {mode} MODE")
    assert len(reads(conn, ann)) == 1
