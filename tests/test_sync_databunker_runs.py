"""`bunker-sync import-databunker`: again, cut off, by two at once, and what it refuses."""

import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from canary import word
from harness.databunker import Key, Store
from harness.paths import server_user
from harness.sync import DONE, FAILED, REFUSED, SKIPPED, USAGE, kill9, start, vault
from harness.wait import wait_until
from stores import any_store, bring, counts, mysql_store, postgres_store, store  # noqa: F401


def full(store: Store) -> None:
    """Something in each table."""
    store.legal_basis("newsletter")
    store.insert("processingactivities", activity="mailing", legalbasis="newsletter", creationtime=1)
    ann = store.user({"login": "ann"})
    store.app_data(ann, "shop", {"cart": 1})
    store.session(ann, {"a": 1}, 600)
    store.share(ann, 600)
    store.agreement("newsletter", ann)
    store.request(ann, "change-profile", {"city": "York"})
    store.event("create user record", record=ann)
    store.event("view user requests")


def test_a_second_run_finds_all_of_it_present(conn, any_store, bring):
    full(any_store)
    first = bring(any_store)
    before = conn.execute("SELECT count(*) FROM bunker.record_version").fetchone()
    second = bring(any_store)
    for table, line in first.tables.items():
        present = counts(line["read"], 0, line["read"], 0, 0, 0)
        assert second.tables[table] == present, table
    assert conn.execute("SELECT count(*) FROM bunker.record_version").fetchone() == before


def test_a_dry_run_says_what_a_run_would_do_and_writes_nothing(conn, store, bring):
    full(store)
    store.user({"login": "ann"})
    dry = bring(store, "--dry-run", check=SKIPPED)
    for table in ("record", "legal_basis", "agreement", "request", "app_data"):
        assert conn.execute(f"SELECT count(*) FROM bunker.{table}").fetchone() == (0,)
    assert dry.stdout.startswith("dry run")
    assert bring(store, check=SKIPPED).tables == dry.tables


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_row_that_postgresql_cannot_read_keeps_no_other_out(store, bring, dry):
    for number in range(20):
        store.user({"login": f"u{number}", "name": "a\0b" if number in (3, 17) else "x"})
    done = bring(store, *dry, check=SKIPPED)
    assert done.tables["users"] == counts(20, 18, 0, 0, 0, 2)
    assert "users row 4 " in done.stderr and "users row 18 " in done.stderr


def test_a_wrong_key_is_refused_before_anything_is_written(conn, any_store, bring):
    full(any_store)
    bring(any_store, key=Key(), check=REFUSED)
    assert conn.execute("SELECT count(*) FROM bunker.legal_basis").fetchone() == (0,)
    bring(any_store, env={"DATABUNKER_SOURCE_KEY": "00" * 23}, check=REFUSED)


def test_a_wrong_key_is_refused_also_behind_many_who_were_forgotten(conn, any_store, bring):
    for _ in range(101):
        any_store.forgotten()
    any_store.user({"login": "ann"})
    any_store.legal_basis("newsletter")
    bring(any_store, key=Key(), check=REFUSED)
    assert conn.execute("SELECT count(*) FROM bunker.legal_basis").fetchone() == (0,)
    assert bring(any_store).tables["users"] == counts(102, 1, 0, 101, 0, 0)


def test_what_a_killed_server_has_left_half_done_is_undone(store, bring):
    store.user({"login": "ann"})
    path = store.address.removeprefix("sqlite:")
    kill_in_transaction(path)
    assert os.path.getsize(f"{path}-journal") > 0
    assert bring(store).tables["users"]["created"] == 1


def kill_in_transaction(path: str) -> None:
    """Has a program write into a SQLite file and be killed before it commits."""
    script = ("import os, sqlite3, sys; conn = sqlite3.connect(sys.argv[1], isolation_level=None); "
              "conn.executescript('PRAGMA cache_size = 5; BEGIN; CREATE TABLE junk (x)'); "
              "conn.executemany('INSERT INTO junk VALUES (?)', [('x' * 3000,)] * 2000); "
              "os.kill(os.getpid(), 9)")
    assert subprocess.run([sys.executable, "-c", script, path]).returncode == -9
    shutil.chown(f"{path}-journal", server_user())


def test_a_few_damaged_records_do_not_make_the_key_wrong(store, bring):
    for number in range(5):
        store.user({"login": f"u{number}"})
    store.execute("UPDATE users SET data = 'AAAA' WHERE rowid < 5")
    assert bring(store, check=SKIPPED).tables["users"]["created"] == 1


def test_what_is_no_store_is_refused(cluster, store, mysql_store, bring):
    store.execute("DROP TABLE xtokens")
    bring(store, check=REFUSED)
    store.address = "sqlite:/nonexistent/x.db"
    bring(store, check=FAILED)
    secret = word()
    store.address = f"mysql://u:{secret}@localhost/x"
    assert secret not in bring(store, check=USAGE).stderr
    store.address = f"postgresql://u:{secret}@localhost/x"
    assert secret not in bring(store, check=USAGE).stderr
    bring(mysql_store, env={"SOURCE_PASSWORD": "wrong"}, check=FAILED)


def test_key_and_password_may_come_from_files(cluster, mysql_store, bring):
    mysql_store.user({"login": "ann"})
    key = cluster.write_key_file("store.key", mysql_store.key.hex.upper())
    password = cluster.write_key_file("store.password", mysql_store.password)
    done = bring(mysql_store, "--source-key-file", key, "--source-password-file", password,
                 env={"DATABUNKER_SOURCE_KEY": "", "SOURCE_PASSWORD": ""})
    assert done.tables["users"]["created"] == 1


def test_only_an_admin_may_bring_rows(cluster, db, store, bring):
    full(store)
    done = bring(store, env=vault(cluster, db, "test_app"), check=FAILED)
    assert "42501" in done.stderr


def test_a_schema_of_the_roles_name_is_given_no_profile(conn, store, bring):
    """$user goes before all other schemas, and whoever owns the database can make one for anybody."""
    full(store)
    conn.execute("""
        CREATE SCHEMA test_admin; GRANT USAGE ON SCHEMA test_admin TO PUBLIC;
        CREATE TABLE test_admin.seen (profile jsonb); GRANT INSERT ON test_admin.seen TO PUBLIC;
        CREATE FUNCTION test_admin.bunker_import_rows(jsonb[]) RETURNS
            TABLE ("row" integer, token uuid, outcome text, sqlstate text, message text)
            LANGUAGE sql AS $$ INSERT INTO test_admin.seen SELECT unnest($1);
                               SELECT * FROM public.bunker_import_rows($1) $$""")
    assert bring(store).tables["users"]["created"] == 1
    assert conn.execute("SELECT count(*) FROM test_admin.seen").fetchone() == (0,)


def test_the_vaults_password_is_not_given_to_the_stores_server(cluster, db, postgres_store, bring):
    """A server that asks for passwords, and one that gives whatever comes to whoever listens."""
    postgres_store.user({"login": "ann"})
    with fake_server() as (port, given):
        postgres_store.address = f"postgresql://u@127.0.0.1:{port}/x?sslmode=disable"
        bring(postgres_store, env={"PGPASSWORD": (secret := word()), "SOURCE_PASSWORD": ""},
              check=FAILED)
    assert given and not any(secret.encode() in message for message in given)


@contextmanager
def fake_server():
    """A PostgreSQL server that asks for a password in the clear; what it is told."""
    given = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            connection, _ = listener.accept()
            with connection:
                given.append(connection.recv(1 << 16))
                connection.sendall(b"R" + struct.pack("!ii", 8, 3))
                given.append(connection.recv(1 << 16))
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], given
        thread.join(10)


def test_a_run_that_is_killed_goes_on_where_it_was(cluster, db, conn, store, bring):
    tokens = [store.user({"login": f"user{number}", "n": number}) for number in range(3000)]
    given = vault(cluster, db, "test_admin") | {"DATABUNKER_SOURCE_KEY": store.key.hex}
    for number in (0, 500, 1000):
        process = start("import-databunker", store.address, "--batch", "50", env=given)
        wait_until(lambda: users_of(conn) > number, "users to be there", 60)
        kill9(process)
        assert process.returncode == -9, "it was quicker than the test"
    done = bring(store)
    users = done.tables["users"]
    assert users["created"] + users["present"] == 3000
    found = conn.execute("SELECT token FROM bunker.record").fetchall()
    assert {str(token) for [token] in found} == set(tokens)


def users_of(conn) -> int:
    return conn.execute("SELECT count(*) FROM bunker.record").fetchone()[0]


def test_two_runs_at_once_bring_each_row_once(cluster, db, conn, store, bring):
    for number in range(1000):
        store.user({"login": f"user{number}"})
    given = vault(cluster, db, "test_admin") | {"DATABUNKER_SOURCE_KEY": store.key.hex}
    other = start("import-databunker", store.address, "--batch", "20", env=given)
    done = bring(store, "--batch", "20")
    out, told = other.communicate(timeout=120)
    assert other.returncode == DONE, told
    created = int(next(line.split()[2] for line in out.splitlines() if line.startswith("users")))
    assert created + done.tables["users"]["created"] == 1000
    assert conn.execute("SELECT count(*) FROM bunker.record").fetchone() == (1000,)
