"""bunker-sync with a MariaDB server as its target: the same as with SQLite files, and what is only here:
the connection, its modes, a server that dies."""

import json
import random

import pytest

from harness import sync as tool
from harness.copies import HARD
from harness.cuts import cut_off
from harness.mariadb import PASSWORD, MariaDb
from harness.mirror import export
from harness.sync import FAILED, NOT_FOUND, REFUSED, USAGE, sync
from harness.targets import furnish, is_like, is_old_or_new
from harness.vault import call, create, create_many, forget, people, update

_numbers = iter(range(1, 10_000))


@pytest.fixture(scope="module")
def server():
    """A MariaDB server."""
    with MariaDb() as server:
        yield server


@pytest.fixture
def target(server):
    """A database without tables."""
    return server.create_db(f"target-{next(_numbers)}")


@pytest.fixture
def env(sync_env, target):
    """Where the vault of the test is, its master key, and the password of the target's user."""
    return sync_env | target.env


def pull(target, env, *options, **more):
    return sync("pull", target.name, *options, env=env, **more)


def test_pulls_bring_every_table_row_by_row(conn, target, env):
    tokens = furnish(conn, 8)
    forget(conn, "token", tokens[0])
    done = pull(target, env)
    assert "(whole): 8 users" in done.stdout and done.stderr == ""
    assert is_like(target, conn)
    update(conn, "token", tokens[3], {"name": "Ada"})
    forget(conn, "token", tokens[4])
    create(conn, {"login": "eve"})
    assert "(changes): 3 users" in pull(target, env).stdout
    assert is_like(target, conn)
    pull(target, env, "--full")
    assert is_like(target, conn)
    assert "nothing found" in sync("verify", target.name, env=env).stdout


def test_an_address_that_changes_hands_goes_with_its_new_owner(conn, target, env):
    tokens = sorted(str(token) for _, token in create_many(conn, people(1, 600)))
    pull(target, env)
    login = conn.execute("SELECT bunker_get_user(%s)->>'login'", [tokens[-1]]).fetchone()[0]
    for token in tokens[1:-1]:
        update(conn, "token", token, {"seen": True})
    update(conn, "token", tokens[-1], {"login": "another"})
    update(conn, "token", tokens[0], {"login": login})
    pull(target, env)
    assert is_like(target, conn)


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT",
                                  "NO_ZERO_IN_DATE,TRADITIONAL"])
def test_the_servers_mode_makes_no_difference(server, conn, target, env, mode):
    furnish(conn, 2)
    (old, ), = server.execute("SELECT @@global.sql_mode")
    server.execute(f"SET GLOBAL sql_mode = '{mode}'")
    try:
        pull(target, env)
        assert is_like(target, conn)
        sync("verify", target.name, env=env)
    finally:
        server.execute(f"SET GLOBAL sql_mode = '{old}'")


def test_limits_of_the_server_leave_no_row_out(server, conn, target, env):
    create_many(conn, people(1, 30))
    server.execute("SET GLOBAL sql_select_limit = 5, GLOBAL sql_safe_updates = 1, GLOBAL max_join_size = 10")
    try:
        pull(target, env)
        done = sync("verify", target.name, env=env)
    finally:
        server.execute("SET GLOBAL sql_select_limit = DEFAULT, GLOBAL sql_safe_updates = DEFAULT, "
                       "GLOBAL max_join_size = DEFAULT")
    rows = sum(map(len, target.rows().values())) - 1
    assert f": {rows} rows checked, nothing found" in done.stdout


def test_profiles_of_megabytes_arrive(conn, target, env):
    conn.execute("SET databunker.max_profile_size = '20MB'")
    text = "\"\\\n👋é" * 400_000
    for number in range(3):
        create(conn, {"login": f"big{number}", "text": text})
    pull(target, env)
    assert is_like(target, conn)
    assert json.loads(sync("lookup", "login", "big1", target.name, env=env).stdout)["text"] == text


def test_a_row_that_the_server_does_not_take_is_refused_whole(conn, target, env):
    furnish(conn, 2)
    pull(target, env)
    before = target.rows()
    conn.execute("SET databunker.max_profile_size = '20MB'")
    create(conn, {"login": "big", "text": "x" * 18_000_000})
    done = pull(target, env, check=tool.FAILED)
    assert "max_allowed_packet" in done.stderr and target.rows() == before


def test_status_and_lookup_read_the_same_as_from_a_file(conn, target, env):
    tokens = furnish(conn, 3)
    sync("status", target.name, env=env, check=NOT_FOUND)
    pull(target, env)
    status = json.loads(sync("status", target.name, "--json", env=env).stdout)
    assert status["number"] == 1 and status["rows"]["record"] == 3
    for kind, value in [("email", "P2@example.com"), ("phone", "+442079460002"),
                        ("token", tokens[1])]:
        profile = json.loads(sync("lookup", kind, value, target.name, env=env).stdout)
        assert profile["name"] == HARD and profile["login"] == "p2"
    sync("lookup", "login", "nobody", target.name, env=env, check=NOT_FOUND)


@pytest.mark.parametrize("change", [
    "UPDATE bunker_record SET version = version + 1",
    "UPDATE bunker_record SET sealed = CONCAT(LEFT(sealed, LENGTH(sealed) - 2), 'xy')",
    "UPDATE bunker_session SET expires_at = expires_at + 1",
    "DELETE FROM bunker_lookup WHERE kind = 1",
    "UPDATE bunker_lookup SET token = (SELECT MAX(token) FROM bunker_record)",
    "DELETE FROM bunker_record",
    "UPDATE bunker_bundle SET number = 9",
    "UPDATE bunker_bundle SET signature = REPEAT('0', 64)",
])
def test_what_was_altered_is_found(conn, target, env, change):
    furnish(conn, 2)
    pull(target, env)
    target.change(change)
    sync("verify", target.name, env=env, check=REFUSED)


def test_bundles_from_files_keep_their_order(conn, target, target_folder, env):
    token, = furnish(conn, 1)
    first = export(conn)
    update(conn, "token", token, {"name": "Ada"})
    second = export(conn, json.loads(first[-1])["end"]["cursor"])

    def apply(lines, check=0):
        return sync("apply", "-", target.name, env=env, stdin="\n".join(lines), check=check)

    apply(second, REFUSED)
    assert target.rows()["bunker_record"] == [], "tables were made, nothing else"
    apply(first)
    apply(first, REFUSED)
    before = target.rows()
    for bad in (second[:-1], second[:3] + second[2:], [*second[:2], *second[3:]]):
        apply(bad, REFUSED)
        assert target.rows() == before
    apply(second)
    assert is_like(target, conn)


def test_errors_show_no_value_of_a_row(conn, target, env):
    furnish(conn, 2)
    lines = export(conn)
    place = next(number for number, line in enumerate(lines) if line.startswith('{"record"'))
    twice = [*lines[:place], lines[place], *lines[place:]]
    done = sync("apply", "-", target.name, env=env, stdin="\n".join(twice), check=REFUSED)
    for row in json.loads(lines[place])["record"]:
        assert row[0] not in done.stderr


# The connection ------------------------------------------------------------------------------

def test_a_socket_and_a_password_file_do_as_well(conn, target, target_folder, sync_env):
    furnish(conn, 1)
    file = target_folder / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o644)
    sync("pull", target.by_socket, "--target-password-file", file, env=sync_env)
    assert is_like(target, conn)


def test_a_wrong_password_fails_and_is_not_shown(conn, target, env):
    furnish(conn, 1)
    done = pull(target, env | {"MYSQL_PWD": "canary"}, check=FAILED)
    assert "1045" in done.stderr and "canary" not in done.stderr


def test_certificates_are_verified(conn, server, target, env):
    furnish(conn, 1)
    name = f"{target.name}?ssl-mode=verify-identity"
    done = sync("pull", name, env=env, check=FAILED)
    assert "certificate" in done.stderr and "--target-ca" in done.stderr
    sync("pull", name, "--target-ca", server.root / "ca.pem", env=env)
    assert is_like(target, conn)
    sync("pull", f"{target.name}?ssl-mode=preferred", env=env, check=USAGE)


def test_a_certificate_for_another_name_needs_verify_ca(conn, env):
    furnish(conn, 1)
    with MariaDb("DNS:elsewhere.example") as other:
        target = other.create_db("target")
        ca = ["--target-ca", other.root / "ca.pem"]
        sync("pull", f"{target.name}?ssl-mode=verify-identity", *ca, env=env, check=FAILED)
        sync("pull", f"{target.name}?ssl-mode=verify-ca", *ca, env=env)
        assert is_like(target, conn)


# Two at once, cut off -------------------------------------------------------------------------

def test_pulls_at_the_same_time_do_not_mix(conn, target, env):
    furnish(conn, 10)
    running = [tool.start("pull", target.name, "--full", env=env) for _ in range(4)]
    ends = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 4, ends
    assert is_like(target, conn)


def test_a_pull_that_is_killed_leaves_the_target_as_it_was_or_up_to_date(server, conn, target,
                                                                               env):
    create_many(conn, people(1, 2_000))
    pull(target, env)
    create_many(conn, people(2_001, 4_000))
    other = server.create_db(f"target-{next(_numbers)}")
    for before, status in cut_off(target, other, env, tool.kill9, times=8, seed=3):
        assert status == 0 or is_old_or_new(target, before, conn)
    pull(target, env)
    assert is_like(target, conn)
    sync("verify", target.name, env=env)


def test_a_server_that_dies_keeps_what_it_had_or_what_was_committed(conn, sync_env):
    create_many(conn, people(1, 2_000))
    with MariaDb() as server:
        target = server.create_db("target")
        env = sync_env | target.env
        pull(target, env)
        create_many(conn, people(2_001, 4_000))
        for before, status in cut_off(target, server.create_db("other"), env,
                                      lambda _: server.kill9(), times=6, seed=4):
            server.start()
            if status != 0:
                assert status == FAILED and is_old_or_new(target, before, conn)
        pull(target, env)
        assert is_like(target, conn)


def test_twenty_pulls_under_a_writer_miss_nothing(cluster, db, conn, target, env):
    tokens, dice = furnish(conn, 20), random.Random(9)
    for number in range(20):
        for token in dice.sample(tokens, 5):
            call(conn, "bunker_set_app", "token", token, "shop", json.dumps({"at": number}))
        writer = cluster.connect(db)
        with writer.transaction():
            update(writer, "token", tokens[number], {"name": f"{number}"})
            pull(target, env)
        writer.close()
    pull(target, env)
    assert is_like(target, conn)
    sync("verify", target.name, env=env)
