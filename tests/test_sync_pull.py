"""bunker-sync pull into a SQLite file: whole, incremental, interrupted, under writers, refused."""

import json
import os
import signal
import stat
import subprocess
from uuid import UUID

import pytest

from harness import sync as tool
from harness.cuts import cut_off
from harness.mirror import export
from harness.paths import as_server_user, program
from harness.sync import FAILED, REFUSED, sync
from harness.targets import SqliteFile, furnish, is_like, is_old_or_new, make_folder
from harness.vault import call, create, create_many, forget, people, update
from harness.writers import at_work, some_changes


@pytest.fixture
def target(target_folder):
    """A SQLite file that is not there yet."""
    return SqliteFile(target_folder / "vault.db")


@pytest.fixture
def env(sync_env):
    """Where the vault of the test is, and its master key."""
    return sync_env


def pull(target, env, *options, **more):
    return sync("pull", target.name, *options, env=env, **more)


def test_a_pull_brings_every_table_row_by_row(conn, target, env):
    tokens = furnish(conn)
    forget(conn, "token", tokens[0])
    done = pull(target, env)
    assert is_like(target, conn)
    assert all(target.query(f"SELECT 1 FROM bunker_{table}") for table in ("share", "request"))
    assert "bundle 1 (whole): 5 users" in done.stdout and done.stderr == ""
    assert stat.S_IMODE(target.path.stat().st_mode) == 0o600


def test_the_next_pull_brings_what_has_changed(conn, target, env):
    tokens = furnish(conn, 20)
    pull(target, env)
    update(conn, "token", tokens[3], {"name": "Ada"})
    forget(conn, "token", tokens[4])
    create(conn, {"login": "eve"})
    done = pull(target, env)
    assert "(changes): 3 users" in done.stdout
    assert is_like(target, conn)
    assert "0 users" in pull(target, env).stdout and is_like(target, conn)
    assert "(whole): 21 users" in pull(target, env, "--full").stdout and is_like(target, conn)


def test_an_address_that_changes_hands_goes_with_its_new_owner(conn, target, env):
    """Also where the bundle has the new owner long before the old one."""
    tokens = sorted(str(token) for _, token in create_many(conn, people(1, 2_000)))
    pull(target, env)
    first, last = tokens[0], tokens[-1]
    login = call(conn, "bunker_get_user", UUID(last))["login"]
    for token in tokens[1:-1]:
        update(conn, "token", token, {"seen": True})
    update(conn, "token", last, {"login": "another"})
    update(conn, "token", first, {"login": login})
    pull(target, env)
    assert is_like(target, conn)
    sync("verify", target.name, env=env)


def test_nothing_of_a_forgotten_user_stays_in_the_file(conn, target, env):
    token = furnish(conn, 3)[1]
    pull(target, env)
    sealed, = target.query(f"SELECT sealed FROM bunker_record WHERE token = '{token}'")[0]
    digest, = target.query(f"SELECT digest FROM bunker_lookup WHERE token = '{token}'")[0]
    assert sealed in target.path.read_bytes() and digest in target.path.read_bytes()
    forget(conn, "token", token)
    pull(target, env)
    assert sealed not in target.path.read_bytes() and digest not in target.path.read_bytes()


def test_no_canary_of_a_profile_is_in_the_target(conn, target_folder, target, env):
    create(conn, {"login": "canary-login", "email": "canary@mail.example", "name": "canary name"})
    call(conn, "bunker_set_app", "login", "canary-login", "shop", '{"note": "canary app"}')
    pull(target, env)
    for path in target_folder.iterdir():
        assert b"canary" not in path.read_bytes() and b"mail.example" not in path.read_bytes()


def test_profiles_of_a_megabyte_arrive(conn, target, env):
    conn.execute("SET databunker.max_profile_size = '20MB'")
    for number in range(3):
        create(conn, {"login": f"big{number}", "text": "\"\\\n👋é" * 100_000})
    pull(target, env)
    assert is_like(target, conn)
    done = sync("lookup", "login", "big1", target.name, env=env)
    assert json.loads(done.stdout)["text"] == "\"\\\n👋é" * 100_000


def test_without_the_key_it_says_that_the_signature_is_not_checked(cluster, db, conn, target):
    furnish(conn, 1)
    done = pull(target, tool.vault(cluster, db))
    assert done.stderr.count("signature is not checked") == 1 and is_like(target, conn)


def test_an_administrator_can_pull_and_nobody_else(cluster, db, conn, target, env):
    furnish(conn, 1)
    done = pull(target, env | {"PGUSER": "test_app"}, check=tool.FAILED)
    assert "42501" in done.stderr and target.rows() == {}
    pull(target, env | {"PGUSER": "test_admin"})
    assert is_like(target, conn)


def test_a_wrong_master_key_is_refused_and_changes_nothing(conn, target_folder, target, env):
    furnish(conn, 1)
    wrong = env | {"DATABUNKER_MASTER_KEY": "00" * 32}
    del wrong["DATABUNKER_MASTER_KEY_FILE"]
    done = pull(target, wrong, check=REFUSED)
    assert "master key" in done.stderr and target.rows() == {}
    pull(target, env)
    before = target.rows()
    pull(target, wrong, check=REFUSED)
    assert target.rows() == before


def test_a_schema_of_the_roles_name_cannot_take_a_functions_place(cluster, db, conn, target,
                                                                  target_folder, env):
    """$user goes before all other schemas, and whoever owns the database can make one for anybody."""
    furnish(conn, 1)
    conn.execute("""
        CREATE SCHEMA test_admin; GRANT USAGE ON SCHEMA test_admin TO PUBLIC;
        CREATE FUNCTION test_admin.bunker_export_bundle(text, text DEFAULT NULL) RETURNS SETOF text
            LANGUAGE sql AS $$ SELECT 'mine' $$;
        CREATE FUNCTION test_admin.bunker_import_bundle(text[]) RETURNS jsonb
            LANGUAGE sql AS $$ SELECT '{"complete": true, "mine": true}'::jsonb $$""")
    admin = env | tool.vault(cluster, db, "test_admin")
    pull(target, admin)
    assert is_like(target, conn)
    bundle = target_folder / "bundle"
    bundle.write_text("".join(f"{line}\n" for line in export(conn)))
    bundle.chmod(0o644)
    assert "mine" not in sync("apply", bundle, "vault", env=admin).stdout


def test_another_vault_is_refused(conn, copy, target, env):
    furnish(conn, 1)
    pull(target, env)
    before = target.rows()
    create(copy, {"login": "ann"})
    other = env | {"PGDATABASE": copy.info.dbname}
    done = pull(target, other, check=REFUSED)
    assert "22023" in done.stderr and "--full" in done.stderr
    done = pull(target, other, "--full", check=REFUSED)
    assert "another vault" in done.stderr
    assert target.rows() == before


def test_a_cursor_that_the_vault_no_longer_knows_takes_a_full_pull(conn, target, env):
    furnish(conn, 2)
    pull(target, env)
    conn.execute("DELETE FROM bunker.audit WHERE action = 'export_bundle'")
    create(conn, {"login": "eve"})
    done = pull(target, env, check=REFUSED)
    assert "22023" in done.stderr and "--full" in done.stderr
    assert "(whole)" in pull(target, env, "--full-if-needed").stdout
    assert is_like(target, conn)


def test_a_target_whose_state_was_altered_is_refused(conn, target, env):
    furnish(conn, 1)
    pull(target, env)
    target.change("UPDATE bunker_bundle SET number = number + 1")
    assert "contradicts" in pull(target, env, check=REFUSED).stderr


def test_what_is_no_database_is_left_alone(conn, target_folder, env):
    furnish(conn, 1)
    file = SqliteFile(target_folder / "letter.txt")
    file.path.write_text("Dear Ada, this is no database. " * 100)
    file.path.chmod(0o666)
    pull(file, env, check=tool.FAILED)
    assert file.path.read_text() == "Dear Ada, this is no database. " * 100


def test_tables_of_others_in_the_file_are_left_alone(conn, target_folder, env):
    furnish(conn, 2)
    file = SqliteFile(target_folder / "shop.db")
    file.change("CREATE TABLE orders (id INTEGER, token TEXT)")
    file.change("INSERT INTO orders VALUES (1, 'x')")
    file.path.chmod(0o666)
    pull(file, env)
    pull(file, env, "--full")
    assert file.query("SELECT * FROM orders") == [(1, "x")] and is_like(file, conn)


def test_passwords_and_unknown_targets_are_wrong_usage(target_folder, env):
    for arguments in (["mysql://u:secret@h/d"], ["oracle://h/d"], [""],
                      [f"{target_folder}/a.db", "--vault", "host=h password=secret"],
                      [f"{target_folder}/a.db", "--vault", "postgresql://u:secret@h/d"],
                      [f"{target_folder}/a.db", "--vault", "sslmode=perhaps"]):
        done = sync("pull", *arguments, env=env, check=tool.USAGE)
        assert "secret" not in done.stderr
    assert list(target_folder.iterdir()) == []


# Two at once, cut off, under writers ----------------------------------------------------------

def test_pulls_at_the_same_time_do_not_mix(conn, target, env):
    furnish(conn, 10)
    running = [tool.start("pull", target.name, "--full", env=env) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    for process in running:
        process.communicate()
    assert is_like(target, conn)
    sync("verify", target.name, env=env)


def test_twenty_pulls_under_writers_miss_nothing(cluster, db, conn, target, env):
    tokens = furnish(conn, 30)
    with at_work(cluster, db, some_changes(tokens)):
        for _ in range(20):
            pull(target, env)
            sync("verify", target.name, env=env)
    assert "(changes)" in pull(target, env).stdout
    assert is_like(target, conn)
    sync("verify", target.name, env=env)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_pull_that_is_cut_off_leaves_the_target_as_it_was_or_up_to_date(conn, target, env, number):
    create_many(conn, people(1, 3_000))
    pull(target, env)
    create_many(conn, people(3_001, 6_000))
    other = SqliteFile(target.path.with_name("other.db"))
    for before, status in cut_off(target, other, env, lambda process: process.send_signal(number),
                                  times=12, seed=7):
        assert status == 0 or is_old_or_new(target, before, conn)
    pull(target, env)
    assert is_like(target, conn)
    sync("verify", target.name, env=env)


def test_a_vault_that_dies_leaves_the_target_as_it_was(fresh_cluster):
    server = fresh_cluster()
    name = server.create_db("vault")
    env = tool.vault(server, name) | tool.master_key(server)
    folder = make_folder(server)
    target = SqliteFile(folder / "vault.db")
    with server.connect(name) as conn:
        create_many(conn, people(1, 5_000))
    pull(target, env)
    with server.connect(name) as conn:
        create_many(conn, people(5_001, 10_000))
    for before, status in cut_off(target, SqliteFile(folder / "other.db"), env,
                                  lambda _: server.kill9(), times=8, seed=11):
        if status != 0:
            assert status == tool.FAILED
            assert target.rows() == before
        server.start()
    pull(target, env)
    with server.connect(name) as conn:
        assert is_like(target, conn)


@pytest.mark.parametrize("name", [":memory:", "file:odd.db", "file:odd.db?mode=memory"])
def test_a_name_that_sqlite_would_read_otherwise_is_a_file(conn, target_folder, env, name):
    furnish(conn, 1)
    subprocess.run([program("bunker-sync"), "pull", name], cwd=target_folder, check=True,
                   capture_output=True, env=env, **as_server_user())
    target = SqliteFile(target_folder / "plain.db")
    (target_folder / name).rename(target.path)
    assert is_like(target, conn)


def test_watching_ends_when_nobody_reads_what_it_says(conn, target, env):
    furnish(conn, 1)
    process = tool.start("pull", target.name, "--watch", "1", env=env)
    process.stdout.close()
    process.stdout = None
    assert process.wait(30) == FAILED
    assert "pipe" in process.communicate()[1]


def test_watching_goes_on_until_it_is_ended(conn, target, env):
    furnish(conn, 1)
    process = tool.start("pull", target.name, "--watch", "1", env=env)
    try:
        assert "(whole)" in process.stdout.readline()
        create(conn, {"login": "eve"})
        assert "(changes)" in process.stdout.readline()
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.communicate()
    assert process.returncode == -signal.SIGTERM
