"""Ways to read plaintext and to leave no trace of it, and ways for plaintext to leave the server.

Each route is walked by an application role that owns the schema `work`. What it gets hold of, by
rows, notices, notifications or errors, is kept by an Eavesdropper.
"""

from collections.abc import Callable
from dataclasses import dataclass

from psycopg import ClientCursor
from psycopg.pq import DiagnosticField, ExecStatus

from harness import Cluster
from harness.eavesdropper import Eavesdropper
from harness.wire import Wire

# Digits, because some ways out carry numbers only. No statement below contains it.
SECRET = "73190426"
READ = "bunker_lookup('login', 'ann')"
CARD = f"({READ} -> 'profile' ->> 'card')"


@dataclass(frozen=True)
class Route:
    """Statements, or a program; and what has to be there beforehand."""

    walk: tuple[str, ...] | Callable[[Eavesdropper, Cluster, str], None]
    prepare: tuple[str, ...] = ()

    def go(self, client: Eavesdropper, cluster: Cluster, user: str) -> None:
        """Walks it to the end, whatever fails on the way."""
        if callable(self.walk):
            self.walk(client, cluster, user)
        else:
            client.run(*self.walk)
        client.run("ROLLBACK", "SELECT 1")  # notifications come with the next answer


def route(*walk, prepare: tuple[str, ...] = ()) -> Route:
    """Statements, or one program."""
    return Route(walk[0] if callable(walk[0]) else walk, prepare)


def undone(*statements: str, prepare: tuple[str, ...] = ()) -> Route:
    """Statements in a transaction that is rolled back."""
    return Route(("BEGIN", *statements, "ROLLBACK"), prepare)


def function(name: str, body: str, result: str = "text", kind: str = "VOLATILE") -> str:
    """A plpgsql function without arguments."""
    return f"CREATE FUNCTION {name}() RETURNS {result} LANGUAGE plpgsql {kind} AS $${body}$$"


INNOCENT = (function("innocent", f"BEGIN RETURN {CARD}; END"),)

TRANSACTIONS = {
    "rollback": undone(f"SELECT {READ}"),
    "rollback after an error": route("BEGIN", f"SELECT {READ}", "SELECT 1 / 0", "COMMIT"),
    "read-only transaction": route("BEGIN READ ONLY", f"SELECT {READ}", "ROLLBACK"),
    "savepoint": route("BEGIN", "SAVEPOINT s", f"SELECT {READ}", "ROLLBACK TO s", "COMMIT"),
    "cursor": undone(f"DECLARE c CURSOR FOR SELECT {READ}", "FETCH c", "CLOSE c"),
    "cursor over many rows": undone(
        f"DECLARE c CURSOR FOR SELECT {READ} FROM generate_series(1, 50)", "FETCH 1 FROM c"),
    "cursor that is held": route(
        "BEGIN", f"DECLARE c CURSOR WITH HOLD FOR SELECT {READ}", "COMMIT", "FETCH c", "CLOSE c"),
    "exception block": route(
        "SELECT swallow()",
        prepare=(function("swallow", f"""
            DECLARE card text;
            BEGIN
                BEGIN
                    card := {CARD};
                    RAISE EXCEPTION 'undo';
                EXCEPTION WHEN raise_exception THEN
                    RETURN card;
                END;
            END"""),)),
    "procedure that rolls back": route(
        "CALL vanish(NULL)",
        prepare=(f"""CREATE PROCEDURE vanish(INOUT card text) LANGUAGE plpgsql AS $$
            BEGIN
                card := {CARD};
                ROLLBACK;
            END $$""",)),
    "notice of a block that fails": route(
        f"DO $$ BEGIN RAISE NOTICE '%', {CARD}; RAISE EXCEPTION 'undo'; END $$"),
    "deferred trigger": route(
        "BEGIN", "INSERT INTO fuse VALUES (1)", "COMMIT",
        prepare=("CREATE TABLE fuse (n integer)",
                 function("spill", f"BEGIN RAISE NOTICE '%', {CARD}; RAISE EXCEPTION 'undo'; END",
                          "trigger"),
                 "CREATE CONSTRAINT TRIGGER spill AFTER INSERT ON fuse DEFERRABLE INITIALLY DEFERRED"
                 " FOR EACH ROW EXECUTE FUNCTION spill()")),
    # The log hook masks the message of a statement that names a function of the vault: these do not.
    "error message": route("SELECT ('x' || innocent())::integer", prepare=INNOCENT),
    "assertion": route("DO $$ BEGIN ASSERT false, innocent(); END $$", prepare=INNOCENT),
}

OBJECTS = {
    "view": undone("SELECT card FROM window_pane",
                   prepare=(f"CREATE VIEW window_pane AS SELECT {CARD} AS card",)),
    "materialised view": undone(
        "REFRESH MATERIALIZED VIEW copied", "SELECT card FROM copied",
        prepare=(f"CREATE MATERIALIZED VIEW copied AS SELECT {CARD} AS card WITH NO DATA",)),
    "table that is never committed": undone(
        f"CREATE TABLE passing AS SELECT {CARD} AS card", "SELECT card FROM passing"),
    "temporary table": route(
        "BEGIN", f"CREATE TEMP TABLE brief ON COMMIT DROP AS SELECT {CARD} AS card",
        "SELECT card FROM brief", "COMMIT"),
    "another table": undone(
        f"DO $$ BEGIN INSERT INTO other VALUES ({CARD}); END $$", "SELECT card FROM other",
        prepare=("CREATE TABLE other (card text)",)),
    "default": undone(
        "INSERT INTO filled DEFAULT VALUES RETURNING card",
        prepare=(f"CREATE TABLE filled (card text DEFAULT {CARD})",)),
    "default of a new column": undone(
        f"ALTER TABLE grown ADD COLUMN card text DEFAULT {CARD}", "SELECT card FROM grown",
        prepare=("CREATE TABLE grown AS SELECT 1 AS n",)),
    "sequence": undone(
        f"DO $$ BEGIN PERFORM setval('counter', {CARD}::bigint); END $$", "ROLLBACK",
        "SELECT last_value FROM counter", prepare=("CREATE SEQUENCE counter",)),
    "advisory lock": undone(
        f"DO $$ BEGIN PERFORM pg_advisory_lock({CARD}::bigint); END $$", "ROLLBACK",
        "SELECT objid FROM pg_locks WHERE locktype = 'advisory'"),
    "setting": undone(
        f"DO $$ BEGIN PERFORM set_config('work.card', {CARD}, false); END $$", "SHOW work.card"),
    "large object": undone(
        f"SELECT lo_from_bytea(4711, convert_to({CARD}, 'UTF8'))",
        "SELECT encode(lo_get(4711), 'escape')"),
    "notification": route(
        "LISTEN way_out", "BEGIN", f"SELECT pg_notify('way_out', {CARD})", "COMMIT"),
    "function that returns a query": undone(
        "SELECT * FROM relay()",
        prepare=(function("relay", f"BEGIN RETURN QUERY SELECT {CARD}; END", "SETOF text"),)),
    "function in SQL": undone(
        "SELECT * FROM relay_sql()",
        prepare=(f"CREATE FUNCTION relay_sql() RETURNS SETOF text LANGUAGE sql AS $$ SELECT {CARD} $$",)),
    "prepared statement": route(
        f"PREPARE p AS SELECT {CARD}", "BEGIN", "EXECUTE p", "ROLLBACK", "DEALLOCATE p",
        "DISCARD ALL"),
    "lateral join": undone(
        "SELECT found FROM (VALUES ('ann'), ('bob')) AS v (login),"
        " LATERAL (SELECT bunker_lookup('login', v.login)) AS r (found) LIMIT 1"),
    "constant of a plan": route(
        "EXPLAIN (VERBOSE, COSTS OFF) SELECT pretended()",
        prepare=(function("pretended", f"BEGIN RETURN {CARD}; END", kind="IMMUTABLE"),)),
    "forced parallel query": undone(
        "DO $$ BEGIN PERFORM set_config(name, 'on', false) FROM pg_settings"
        " WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END $$",
        f"SELECT {READ} FROM pg_class LIMIT 1"),
    "copy": undone(f"COPY (SELECT {CARD}) TO STDOUT"),
}


# Protocols ------------------------------------------------------------------------------------

def _simple(client: Eavesdropper, _cluster: Cluster, _user: str) -> None:
    """One string of statements, the last of which undoes the others."""
    connection = client.connection.pgconn
    connection.send_query(f"SELECT {READ}; SELECT 1 / 0".encode())
    while result := connection.get_result():
        _keep(client, result)


def _single_row(client: Eavesdropper, _cluster: Cluster, _user: str) -> None:
    """A row at a time, the rest not waited for."""
    connection = client.connection.pgconn
    connection.send_query(f"SELECT {READ} FROM generate_series(1, 3)".encode())
    connection.set_single_row_mode()
    while result := connection.get_result():
        _keep(client, result)


def _keep(client: Eavesdropper, result) -> None:
    if result.status == ExecStatus.FATAL_ERROR:
        client.keep(result.error_message.decode())
        client.sqlstates.append(result.error_field(DiagnosticField.SQLSTATE).decode())
    for row in range(result.ntuples):
        client.keep(result.get_value(row, 0).decode())


def _extended(client: Eavesdropper, _cluster: Cluster, _user: str) -> None:
    with client.catching(), client.connection.transaction(force_rollback=True):
        cursor = client.connection.execute("SELECT bunker_lookup(%s, %s)", ["login", "ann"],
                                           prepare=True, binary=True)
        client.keep(cursor.fetchall())


def _client_side(client: Eavesdropper, _cluster: Cluster, _user: str) -> None:
    with client.catching(), ClientCursor(client.connection) as cursor:
        cursor.execute(f"BEGIN; SELECT {READ}")
        cursor.nextset()
        client.keep(cursor.fetchall())


def _pipeline(client: Eavesdropper, _cluster: Cluster, _user: str) -> None:
    """Statements sent together, in one transaction that the last one ends."""
    connection = client.connection.pgconn
    connection.enter_pipeline_mode()
    for statement in (f"SELECT {READ}", "SELECT 1 / 0"):
        connection.send_query_params(statement.encode(), None)
    connection.pipeline_sync()
    while (result := connection.get_result()) is None or result.status != ExecStatus.PIPELINE_SYNC:
        if result:
            _keep(client, result)
    connection.exit_pipeline_mode()


def _fast_path(client: Eavesdropper, cluster: Cluster, user: str) -> None:
    found = "SELECT 'bunker_lookup(text, text)'::regprocedure::oid"
    oid = client.connection.execute(found).fetchone()[0]
    with Wire(cluster, client.connection.info.dbname, user) as wire:
        wire.query("BEGIN")
        _keep_messages(client, wire.call_function(oid, "login", "ann"))
        wire.query("ROLLBACK")


def _hang_up(client: Eavesdropper, cluster: Cluster, user: str) -> None:
    """Takes the first row of many, and is gone."""
    with Wire(cluster, client.connection.info.dbname, user) as wire:
        statement = f"SELECT {READ} FROM generate_series(1, 50)"
        _keep_messages(client, wire.fetch_and_stay(statement, max_rows=1))


def _keep_messages(client: Eavesdropper, messages: list[tuple[bytes, bytes]]) -> None:
    for kind, body in messages:
        client.keep(body.decode(errors="replace"))
        if kind == b"E":
            fields = body.decode().split("\0")
            client.sqlstates += [field[1:] for field in fields if field.startswith("C")]


PROTOCOLS = {
    "simple protocol": route(_simple), "single rows": route(_single_row),
    "extended protocol": route(_extended), "client-side binding": route(_client_side),
    "pipeline": route(_pipeline), "fast path": route(_fast_path), "hanging up": route(_hang_up),
}

ROUTES = TRANSACTIONS | OBJECTS | PROTOCOLS
