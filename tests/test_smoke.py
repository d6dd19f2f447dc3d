"""The extension loads, and the harness sees what it claims to see."""

import secrets

import pytest
from psycopg.types.json import Jsonb

from harness import Cluster, ClusterError, pgbench
from harness.node import run_node
from harness.search import files_holding

PREPARED_ROLES = ["bunker_admin", "bunker_app", "bunker_dpo", "bunker_reader"]


def test_extension_is_installed(conn):
    version = conn.execute(
        "SELECT extversion FROM pg_extension WHERE extname = 'databunker'").fetchone()
    assert version == ("0.1.0",)


def test_group_roles_cannot_log_in(conn):
    roles = conn.execute(
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname = ANY(%s) ORDER BY 1",
        [PREPARED_ROLES]).fetchall()
    assert roles == [(name, False) for name in PREPARED_ROLES]


def test_vault_is_open_and_preloaded(admin_conn):
    status = admin_conn.execute("SELECT bunker_status()").fetchone()[0]
    assert status["sealed"] is False
    assert status["preloaded"] is True
    assert status["version"] == "0.1.0"


def test_a_created_user_is_found(app_conn):
    profile = {"email": "ann@example.com", "name": "Ann"}
    token = app_conn.execute(
        "SELECT bunker_create_user(%s)", [Jsonb(profile)]).fetchone()[0]
    found = app_conn.execute("SELECT bunker_lookup('email', ' ANN@example.com ')").fetchone()[0]
    assert found["token"] == str(token)
    assert found["profile"] == profile


def test_raises_sees_a_leak_and_a_wrong_code(cluster, conn):
    secret = secrets.token_hex(8)
    leak = f"DO $$ BEGIN RAISE EXCEPTION SQLSTATE '22023' USING DETAIL = '{secret}'; END $$"
    with cluster.raises("22023"):
        conn.execute(leak)
    with pytest.raises(AssertionError, match="message_detail shows"):
        with cluster.raises("22023", secrets=[secret]):
            conn.execute(leak)
    with pytest.raises(AssertionError, match="expected 55000"):
        with cluster.raises("55000"):
            conn.execute(leak)
    with pytest.raises(AssertionError, match="nothing failed"):
        with cluster.raises("55000"):
            conn.execute("SELECT 1")


def test_raises_reads_the_server_log(cluster, conn):
    secret = secrets.token_hex(8)
    with pytest.raises(AssertionError, match="the server log shows"):
        with cluster.raises("22012", secrets=[secret]):
            conn.execute(f"DO $$ BEGIN RAISE LOG '{secret}'; PERFORM 1 / 0; END $$")


def test_bytes_on_disk_are_found(cluster, conn):
    canary = secrets.token_hex(16)
    assert cluster.files_holding(canary.encode()) == []
    conn.execute("CREATE TABLE plain AS SELECT %s AS value", [canary])
    holders = cluster.files_holding(canary.encode())
    assert any(path.startswith("data/base/") for path in holders)
    assert any(path.startswith("data/pg_wal/") for path in holders)


def test_a_value_around_a_page_header_of_the_wal_is_found(tmp_path):
    """A record goes on after the header of the next page: seen as a miss once in 250 searches."""
    canary = secrets.token_hex(16).encode()
    header = bytes(24)
    segment = tmp_path / "pg_wal" / ("0" * 23 + "1")
    segment.parent.mkdir()
    for split in (1, 16, 31):
        before = bytes(8192 - split) + canary[:split]
        segment.write_bytes(before + header + canary[split:] + bytes(4000))
        assert files_holding(tmp_path, canary) == [f"pg_wal/{segment.name}"]


def test_committed_rows_outlive_a_kill(fresh_cluster):
    server = fresh_cluster()
    server.psql("CREATE TABLE kept AS SELECT 7 AS value")
    server.kill9()
    assert not server.is_running()
    server.start()
    assert "automatic recovery" in server.log()
    assert server.psql("SELECT value FROM kept").strip() == "7"


def test_settings_are_changed_by_reload_and_restart(fresh_cluster):
    server = fresh_cluster({"work_mem": "5MB"})
    assert server.psql("SHOW work_mem").strip() == "5MB"
    server.restart(settings={"work_mem": "6MB", "max_connections": "20"})
    assert server.psql("SHOW work_mem; SHOW max_connections").split() == ["6MB", "20"]
    with server.connect() as connection:
        server.reload({"work_mem": None})
        assert connection.execute("SELECT pg_sleep(0.2)") is not None
        assert connection.execute("SHOW work_mem").fetchone() == ("4MB",)


def test_a_server_that_cannot_start_shows_its_log():
    with pytest.raises(ClusterError, match="no_such_setting"):
        with Cluster({"no_such_setting": "1"}):
            pass


def test_pgbench_counts_and_refuses_errors(cluster, db):
    result = pgbench(cluster, "SELECT 1 / :divisor;", dbname=db, clients=2, transactions=10,
                     variables={"divisor": 1})
    assert (result.transactions, result.failed) == (20, 0)
    assert result.tps > 0
    with pytest.raises(ClusterError, match="division by zero"):
        pgbench(cluster, "SELECT 1 / :divisor;", dbname=db, variables={"divisor": 0})


def test_node_reaches_the_server(cluster, db):
    program = """
        import pg from 'pg';
        const client = new pg.Client();
        await client.connect();
        const { rows } = await client.query('SELECT current_database() AS name');
        console.log(rows[0].name);
        await client.end();
    """
    assert run_node(cluster, program, db).strip() == db
