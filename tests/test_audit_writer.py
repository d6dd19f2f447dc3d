"""The audit writer in trouble: reads wait or fail, and what was acknowledged is in the trail."""

import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from os import kill

import psycopg
import pytest
from psycopg import sql

from harness import Cluster
from harness.crowd import all_at_once
from harness.paths import as_server_user
from harness.trail import (Readers, await_partitions, await_writer, event_ids, read, reasons,
                           stopped, unsealed, verify, writer_of)
from harness.vault import call, create, create_many, people, rows, update
from harness.wait import wait_until

ANN = {"login": "ann", "email": "ann@example.com"}
SECRETS = ["ann@example.com", '"login"']


@pytest.fixture
def token(conn):
    """The only user of the vault."""
    token = create(conn, ANN)
    await_partitions(conn)
    return token


@pytest.fixture
def hasty(conn, db, token):
    """A session that waits half a second for its events, in a vault with an audit writer."""
    conn.execute(sql.SQL("ALTER DATABASE {} SET databunker.audit_timeout = '500ms'")
                 .format(sql.Identifier(db)))
    conn.execute("SET databunker.audit_timeout = '500ms'")
    await_writer(conn)
    return conn


# A writer that does not answer -------------------------------------------------------------------

def test_a_stopped_writer_fails_reads_in_time(hasty, token, raises):
    with stopped(await_writer(hasty)):
        begun = time.monotonic()
        with raises("55000", secrets=SECRETS):
            read(hasty, token, "stopped")
        assert 0.4 < time.monotonic() - begun < 4
        with raises("55000", secrets=SECRETS):
            read(hasty, token, "stopped again")
    assert read(hasty, token, "going on") == ANN
    assert reasons(hasty) == {"stopped": 1, "stopped again": 1, "going on": 1}
    assert verify(hasty).ok


@pytest.mark.parametrize("sqlstate, interrupt", [
    ("57014", None), ("57014", "pg_cancel_backend"), ("57P01", "pg_terminate_backend")])
def test_a_wait_can_be_interrupted(cluster, db, conn, token, sqlstate, interrupt):
    """By statement_timeout, by a cancel, by the session's end; long before the audit's timeout."""
    pid = await_writer(conn)
    limit = "0" if interrupt else "50ms"
    with cluster.connect(db, options=f"-c statement_timeout={limit}") as reader:
        with stopped(pid), ThreadPoolExecutor() as pool:
            begun = time.monotonic()
            waiting = pool.submit(call, reader, "bunker_get_user", token)
            if interrupt:
                time.sleep(0.1)
                call(conn, interrupt, reader.info.backend_pid)
            with pytest.raises(psycopg.Error) as caught:
                waiting.result(10)
            assert caught.value.sqlstate == sqlstate
            assert time.monotonic() - begun < 3
    assert read(conn, token, "later") == ANN
    assert verify(conn).ok


def test_a_full_ring_refuses(cluster, db, hasty, token):
    """Asynchronous reads go on as long as there is room; those that were acknowledged are kept."""
    hasty.execute(sql.SQL("ALTER DATABASE {} SET databunker.audit_reads = async")
                  .format(sql.Identifier(db)))
    readers = Readers(cluster, db, token, clients=12, tries=5_000)
    with stopped(await_writer(hasty)):
        with readers:
            wait_until(lambda: len(readers.failures) >= 12, "the ring to be full", 60)
        assert set(readers.failures) == {"55000"}
        assert len(readers.acknowledged) > 500
    rows(hasty, "bunker_audit_all")
    assert reasons(hasty) == dict.fromkeys(readers.acknowledged, 1)
    assert verify(hasty).ok


def test_two_hundred_clients(cluster, db, conn, token):
    works = [lambda connection, n=n: read(connection, token, f"client {n}") for n in range(200)]
    assert all_at_once(cluster, db, "postgres", works) == {"ok": 200}
    assert reasons(conn) == {f"client {n}": 1 for n in range(200)}
    assert verify(conn).ok


# A writer that is ended --------------------------------------------------------------------------

def terminate(_conn, pid: int) -> None:
    """SIGTERM."""
    kill(pid, signal.SIGTERM)


def pg_terminate(conn, pid: int) -> None:
    """pg_terminate_backend."""
    call(conn, "pg_terminate_backend", pid)


def pg_cancel(conn, pid: int) -> None:
    """pg_cancel_backend."""
    call(conn, "pg_cancel_backend", pid)


@pytest.mark.parametrize("end", [terminate, pg_terminate, pg_cancel])
def test_another_writer_takes_over(cluster, db, conn, token, end):
    with Readers(cluster, db, token) as readers:
        for _ in range(3):
            readers.await_reads(50)
            end(conn, await_writer(conn))
        readers.await_reads(50)
    assert readers.failures == []
    assert sum(reasons(conn).values()) == len(readers.acknowledged)
    readers.check(conn)
    assert verify(conn).ok


def test_an_ended_writer_is_replaced_by_another_process(conn, token):
    pid = await_writer(conn)
    terminate(conn, pid)
    wait_until(lambda: writer_of(conn, conn.info.dbname) != pid, "the writer to end")
    assert read(conn, token, "first") == ANN
    assert await_writer(conn) != pid


def test_a_writer_that_nobody_needs_ends(cluster, db, conn, token):
    read(conn, token, "last")
    assert await_writer(conn)
    conn.close()
    with cluster.connect() as observer:
        wait_until(lambda: writer_of(observer, db) is None, "the writer to end", 5)
    with cluster.connect(db) as again:
        assert unsealed(again) == 0
        assert verify(again).ok


def test_no_room_for_a_writer(fresh_cluster):
    """The one worker that is allowed is PostgreSQL's own launcher of logical replication."""
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        token = create(connection, ANN)
    server.restart(settings={"max_worker_processes": "1"})
    with server.connect("vault") as connection:
        with server.raises("55000", secrets=SECRETS) as caught:
            read(connection, token, "refused")
        assert "max_worker_processes" in caught.error.diag.message_hint
        # A write brings its event with it; only the seal has to wait.
        create(connection, {"login": "bob"})
    server.restart(settings={"max_worker_processes": "8"})
    with server.connect("vault") as connection:
        assert read(connection, token, "allowed") == ANN
        assert verify(connection).ok
        assert unsealed(connection) == 0


# A table that cannot be written ------------------------------------------------------------------

def partition_of_today(conn) -> str:
    """The partition that events go to now."""
    call(conn, "bunker_audit_all", None, 1)
    return conn.execute("SELECT max(tableoid)::regclass::text FROM bunker.audit").fetchone()[0]


@pytest.mark.parametrize("whose", ["reader's own", "another session's"])
@pytest.mark.parametrize("table", [lambda _: "bunker.audit", partition_of_today],
                         ids=["parent", "partition"])
def test_a_lock_on_the_trail_delays_it(cluster, db, hasty, token, raises, table, whose):
    name = table(hasty)
    with cluster.connect(db, autocommit=False) as holder:
        reader = holder if whose == "reader's own" else hasty
        holder.execute("SET LOCAL databunker.audit_timeout = '500ms'")
        holder.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        with raises("55000", secrets=SECRETS):
            read(reader, token, "locked out")
        holder.rollback()
    hasty.execute("SET databunker.audit_timeout = '5s'")
    assert read(hasty, token, "let in") == ANN
    assert reasons(hasty) == {"locked out": 1, "let in": 1}
    assert verify(hasty).ok


class SmallSegments(Cluster):
    """A server whose WAL segments are files of 1 MB."""

    def init(self) -> None:
        self.run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1", as_server=True)


def test_a_full_disk_refuses_reads_until_there_is_room():
    """No file of the writer's may grow beyond 1 MB, which the trail has reached: EFBIG.

    WAL segments stay within that; a full disk under WAL is PostgreSQL's own affair (it stops).
    """
    with SmallSegments({"databunker.audit_timeout": "1s"}) as server:
        server.create_db("vault")
        with server.connect("vault") as connection:
            token = create_many(connection, people(1, 10_000))[0][1]
            await_partitions(connection)
            created = len(event_ids(connection))
            pid = await_writer(connection)
            assert connection.execute("SELECT pg_relation_size(%s::regclass)",
                                      [partition_of_today(connection)]).fetchone()[0] > 1 << 20
            limit_files(pid, str(1 << 20))
            refused = read_until_refused(server, connection, token)
            limit_files(pid, "unlimited")
            wait_until(lambda: is_read(connection, token), "the writer to go on", 20)
            assert await_writer(connection) == pid
            found = reasons(connection)
            assert all(found[f"read {number}"] == 1 for number in range(refused))
            assert max(found.values()) == 1
            assert len(event_ids(connection)) == created + sum(found.values())
            assert verify(connection).ok


def limit_files(pid: int, size: str) -> None:
    """Sets the soft limit of a process on the size of files, as its own user: RLIMIT_FSIZE."""
    subprocess.run(["prlimit", f"--pid={pid}", f"--fsize={size}:"], check=True, **as_server_user())


def read_until_refused(server: Cluster, connection, token) -> int:
    """How many reads there was room for in the last page."""
    for number in range(1_000):
        try:
            read(connection, token, f"read {number}")
        except psycopg.Error as error:
            assert error.sqlstate == "55000"
            assert "File too large" in server.log()
            return number
    raise AssertionError("the disk was never full")


def is_read(connection, token) -> bool:
    """Whether reads are answered."""
    try:
        return read(connection, token, f"attempt at {time.monotonic()}") is not None
    except psycopg.Error:
        return False


# A table that somebody has changed ---------------------------------------------------------------

OBSTACLES = {
    "trigger": "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql"
               " AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER swallow BEFORE INSERT ON {}"
               " FOR EACH ROW EXECUTE FUNCTION public.swallow()",
    "failing trigger": "CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql"
                       " AS 'BEGIN RAISE EXCEPTION $$no$$; END'; CREATE TRIGGER fail BEFORE INSERT"
                       " ON {} FOR EACH STATEMENT EXECUTE FUNCTION public.fail()",
    "rule": "CREATE RULE nothing AS ON INSERT TO {} DO INSTEAD NOTHING",
    "row security": "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY;"
                    " ALTER TABLE {0} FORCE ROW LEVEL SECURITY",
    "check": "ALTER TABLE {} ADD CONSTRAINT none CHECK (false) NOT VALID",
}


@pytest.mark.parametrize("place", [lambda _: "bunker.audit", partition_of_today],
                         ids=["parent", "partition"])
@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_somebody_puts_on_the_table_keeps_no_event_out(hasty, token, obstacle, place):
    hasty.execute(OBSTACLES[obstacle].format(place(hasty)))
    for number in range(2):
        assert read(hasty, token, f"read {number}") == ANN
    assert reasons(hasty) == {"read 0": 1, "read 1": 1}
    assert verify(hasty).ok


SETTINGS = {
    "default_transaction_read_only": "on", "synchronous_commit": "off", "statement_timeout": "1ms",
    "lock_timeout": "1ms", "idle_in_transaction_session_timeout": "1ms",
    "default_transaction_isolation": "serializable", "default_transaction_deferrable": "on",
    "session_replication_role": "replica", "search_path": "public", "row_security": "off",
    "role": "test_reader", "default_table_access_method": "heap", "work_mem": "64kB",
    "databunker.audit_reads": "transaction", "databunker.audit_timeout": "100ms",
    "max_parallel_workers_per_gather": "4", "log_min_messages": "panic",
    "IntervalStyle": "iso_8601", "DateStyle": "SQL, DMY", "TimeZone": "Asia/Kolkata",
    "bytea_output": "escape",
    "standard_conforming_strings": "off", "enable_indexscan": "off", "enable_seqscan": "off",
}


def test_settings_of_the_database_do_not_reach_the_writer(cluster, db, conn, token):
    kill(await_writer(conn), signal.SIGTERM)
    for name, value in SETTINGS.items():
        conn.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(
            sql.Identifier(db), sql.SQL(name), sql.Literal(value) if "," not in value
            else sql.SQL(value)))
    calm = ("-c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off"
            " -c idle_in_transaction_session_timeout=0 -c role=none"
            " -c databunker.audit_reads=durable -c databunker.audit_timeout=5s")
    with cluster.connect(db, options=calm) as reader:
        for number in range(20):
            assert read(reader, token, f"read {number}") == ANN
        update(reader, "login", "ann", {"n": 1})
        assert sum(reasons(reader).values()) == 20
        assert verify(reader).ok
        assert unsealed(reader) == 0


# Large transactions ------------------------------------------------------------------------------

def test_asynchronous_events_outlive_a_rollback(conn, token):
    conn.execute("SET databunker.audit_reads = async; SET databunker.bulk_read_limit = 0")
    with conn.transaction():
        conn.execute("SELECT count(bunker_get_user(%s)) FROM generate_series(1, 5000)", [token])
        raise psycopg.Rollback
    assert len(rows(conn, "bunker_audit_all", None, 10_000)) == 5_001
    assert verify(conn).ok


def test_a_transaction_of_thousands_of_writes_is_sealed(conn):
    with conn.transaction():
        create_many(conn, people(1, 700))
        create_many(conn, people(701, 3_000))
        update(conn, "login", "p1", {"n": 1})
    wait_until(lambda: unsealed(conn) == 0, "all events to be sealed")
    verdict = verify(conn)
    assert (verdict.ok, verdict.events) == (True, 3_001)
