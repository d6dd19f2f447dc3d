"""The audit trail's partitions: where events go, how they are read, dumped, dropped, and kept for
how long."""

import threading
from datetime import date

import pytest
from conftest import prepare

from harness import Cluster
from harness.blocking import await_blocked
from harness.partitions import (EVENTS, attach_month, following, make_month, partition_name, places,
                                this_month)
from harness.vault import create, find, rows, update

REST = "bunker.audit_rest"
INSERT = ("INSERT INTO bunker.{} (id, at, action, status, actor, token)"
          " SELECT n, %s, 'made_up', 'ok', 'nobody', gen_random_uuid()"
          " FROM generate_series(%s::int, %s::int) AS n")


# Without preloading there is no audit writer, who would make partitions while we do.
ALONE = {"databunker.audit_reads": "transaction"}


@pytest.fixture(scope="module")
def cluster():
    """A server of this file's own."""
    with Cluster(ALONE, preload=False) as server:
        prepare(server)
        yield server


@pytest.fixture
def month(conn):
    """The first day of this month, in UTC."""
    return this_month(conn)


# Where events go --------------------------------------------------------------------------------

def clear(conn):
    """Empties the default partition without a trace, so that a month can be attached."""
    conn.execute(f"ALTER TABLE {REST} DISABLE TRIGGER audit_statement")
    conn.execute(f"DELETE FROM {REST}")
    conn.execute(f"ALTER TABLE {REST} ENABLE ALWAYS TRIGGER audit_statement")


def test_events_go_to_the_partition_of_their_month(conn, app_conn, month):
    create(app_conn, {"login": "before"})
    assert places(conn) == [REST]
    clear(conn)
    here = make_month(conn, month)
    make_month(conn, following(month))
    make_month(conn, following(month, -1))
    create(app_conn, {"login": "after"})
    assert places(conn)[-1] == here
    assert {row[0] for row in rows(conn, "bunker_audit_all")} == {
        row[0] for row in conn.execute("SELECT id FROM bunker.audit")}


def test_a_table_that_is_no_partition_gets_nothing(conn, app_conn, month):
    """Neither one that was never attached, nor one that is detached under a backend at work."""
    make_month(conn, month, attach=False)
    create(app_conn, {"login": "a"})
    assert places(conn) == [REST]
    clear(conn)
    attach_month(conn, month)
    create(app_conn, {"login": "b"})
    conn.execute(f"ALTER TABLE bunker.audit DETACH PARTITION bunker.{partition_name(month)}")
    create(app_conn, {"login": "c"})
    assert set(places(conn)) == {REST}
    actions = conn.execute(f"SELECT action FROM bunker.{partition_name(month)}").fetchall()
    assert actions == [("create_user",)]


def test_a_dropped_partition_is_not_missed(conn, app_conn, month):
    here = make_month(conn, month)
    create(app_conn, {"login": "a"})
    conn.execute(f"DROP TABLE {here}")
    create(app_conn, {"login": "b"})
    assert places(conn) == [REST]
    assert find(app_conn, "login", "a")


def test_an_event_that_waits_for_an_attach_goes_to_the_new_partition(conn, app_conn, month):
    """Its partition was the default one when it began to wait, and is not any more."""
    conn.autocommit = False
    here = make_month(conn, month)
    writer = threading.Thread(target=create, args=(app_conn, {"login": "a"}))
    writer.start()
    await_blocked(conn, app_conn)
    conn.commit()
    writer.join(10)
    conn.autocommit = True
    assert places(conn) == [here]


def test_a_partition_need_not_be_a_month(conn, app_conn, month):
    conn.execute("CREATE TABLE bunker.audit_old (LIKE bunker.audit)")
    conn.execute("ALTER TABLE bunker.audit ATTACH PARTITION bunker.audit_old"
                 " FOR VALUES FROM (MINVALUE) TO (MAXVALUE)")
    create(app_conn, {"login": "a"})
    assert places(conn) == ["bunker.audit_old"]


@pytest.mark.parametrize("columns", [
    # What ATTACH takes, and a writer that counts columns must not.
    "mac bytea, message text, reason text, app text, kind text, actor text NOT NULL, status text"
    " NOT NULL, action text NOT NULL, version int, token uuid, at timestamptz NOT NULL, id bigint"
    " NOT NULL",
    "LIKE bunker.audit) PARTITION BY RANGE (id"])
def test_a_partition_of_another_make_is_refused(conn, app_conn, raises, month, columns):
    conn.execute(f"CREATE TABLE bunker.{partition_name(month)} ({columns})")
    attach_month(conn, month)
    with raises("XX000"):
        create(app_conn, {"login": "a"})
    assert places(conn) == []
    conn.execute(f"DROP TABLE bunker.{partition_name(month)}")
    assert create(app_conn, {"login": "a"})


# Reading ----------------------------------------------------------------------------------------

@pytest.fixture
def months(conn, month):
    """A connection to a vault whose trail lies in three partitions, out of order."""
    for back in (1, 0):
        make_month(conn, following(month, -back))
    conn.execute(INSERT.format("audit"), [month, 1, 2000])
    conn.execute(INSERT.format("audit"), [following(month, -1), 1001, 3000])
    conn.execute(INSERT.format("audit"), [date(2001, 2, 3), 3001, 3500])
    conn.execute("ANALYZE bunker.audit")
    return conn


def test_pages_go_back_through_all_partitions(months):
    stored = [row[0] for row in months.execute("SELECT id FROM bunker.audit ORDER BY id DESC")]
    seen, before = [], None
    # Numbers that were given out twice by hand fall on one page.
    while page := rows(months, "bunker_audit_all", before, 500):
        seen += [row[0] for row in page]
        before = seen[-1]
    assert sorted(set(seen), reverse=True) == sorted(set(stored), reverse=True)
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("condition", ["a.id < 9000000000000000000", "a.id > 5",
                                       "a.token = '6f1c2d3e-4b5a-4978-8695-a4b3c2d1e0ff' AND a.id < 90000"])
def test_a_page_is_read_without_sorting_the_trail(months, condition):
    direction = "ASC" if ">" in condition else "DESC"
    # The partitions hold little more than nothing here; what counts is that it can be done.
    months.execute("SET enable_sort = off; SET enable_bitmapscan = off; SET enable_seqscan = off")
    plan = "\n".join(row[0] for row in months.execute(
        f"EXPLAIN SELECT * FROM bunker.audit AS a WHERE {condition} ORDER BY a.id {direction} LIMIT 9"))
    assert "Merge Append" in plan
    assert "->  Sort" not in plan


# Writes past the functions ----------------------------------------------------------------------

@pytest.mark.parametrize("table", ["audit", "audit_rest", "audit_seal", "month"])
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_a_write_to_the_trail_is_recorded(conn, month, table, role):
    make_month(conn, month)
    create(conn, {"login": "a"})
    conn.execute(f"SET session_replication_role = {role}")
    table = partition_name(month) if table == "month" else table
    conn.execute(f"DELETE FROM bunker.{table}")
    newest = conn.execute("SELECT action, message FROM bunker_audit_all() LIMIT 1").fetchone()
    assert newest == ("direct_delete", f"{table} was written past the functions")


# Coming and going with the extension ------------------------------------------------------------

def test_partitions_go_with_the_extension(conn, month):
    for _ in range(2):
        here = make_month(conn, month)
        create(conn, {"login": "a"})
        assert places(conn) == [here]
        conn.execute("DROP EXTENSION databunker")
        assert conn.execute("SELECT to_regclass(%s)", [here]).fetchone() == (None,)
        conn.execute("CREATE EXTENSION databunker")


def by_script(source, db: str, target) -> None:
    """pg_dump | psql, in one transaction."""
    script = source.run("pg_dump", dbname=db).stdout
    target.psql(f"BEGIN;\n{script}\nCOMMIT;")


def by_archive(source, db: str, target) -> None:
    """pg_dump --format=custom, pg_restore with two jobs."""
    archive = str(target.root / "trail.dump")
    source.run("pg_dump", "--format=custom", f"--file={archive}", dbname=db)
    target.run("pg_restore", "-j2", "--exit-on-error", "--dbname=postgres", archive)


# All that makes a table a partition of the trail, and none of it a matter of chance.
SHAPE = """
    SELECT c.relname, coalesce(c.relacl, acldefault('r', c.relowner))::text,
           pg_get_userbyid(c.relowner), pg_get_expr(c.relpartbound, c.oid),
           (SELECT array_agg(pg_get_indexdef(i.indexrelid) ORDER BY i.indexrelid::regclass::text)
              FROM pg_index AS i WHERE i.indrelid = c.oid),
           (SELECT array_agg((t.tgname, t.tgenabled, t.tgtype)::text ORDER BY t.tgname)
              FROM pg_trigger AS t WHERE t.tgrelid = c.oid),
           (SELECT array_agg((a.attname, a.atttypid, a.attstorage, a.attnotnull)::text
                             ORDER BY a.attnum)
              FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0)
      FROM pg_class AS c
     WHERE c.relnamespace = 'bunker'::regnamespace AND c.relname ~ '^audit' AND c.relkind IN ('r', 'p')
     ORDER BY c.relname"""


@pytest.mark.parametrize("move", [by_script, by_archive])
def test_a_dump_brings_the_trail_to_another_server(cluster, db, months, month, fresh_cluster, move):
    token = create(months, {"login": "a"})
    # MACs are no text: each byte value once.
    months.execute("UPDATE bunker.audit SET mac = decode(lpad(to_hex(id % 256), 32, '0'), 'hex')")
    months.execute("INSERT INTO bunker.audit_seal SELECT n, now(), 1, 0, n, 1, n, NULL, '\\x01',"
                   " sha256('1'), sha256('2'), sha256('3') FROM generate_series(1, 50) AS n")
    old, seals = months.execute(EVENTS).fetchall(), "SELECT * FROM bunker.audit_seal ORDER BY number"
    assert {row[0] for row in old} == {REST} | {
        f"bunker.{partition_name(following(month, -back))}" for back in (0, 1)}
    target = fresh_cluster(ALONE, preload=False)
    move(cluster, db, target)
    with target.connect() as restored:
        assert restored.execute(EVENTS).fetchall()[:len(old)] == old
        assert restored.execute(seals).fetchall() == months.execute(seals).fetchall()
        assert restored.execute(SHAPE).fetchall() == months.execute(SHAPE).fetchall()
        last = restored.execute("SELECT max(id) FROM bunker.audit").fetchone()[0]
        restored.execute("DELETE FROM bunker.audit_rest")
        place, number, action = restored.execute(
            "SELECT tableoid::regclass::text, id, action FROM bunker.audit ORDER BY id DESC LIMIT 1"
        ).fetchone()
        assert (place, action) == (f"bunker.{partition_name(month)}", "direct_delete")
        assert number > last
        assert rows(restored, "bunker_audit", "token", str(token))
