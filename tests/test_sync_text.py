"""bunker_export_bundle('sqlite') and ('mysql'): text that a client of the database applies by itself."""

import itertools
import subprocess
import threading

import pytest

from harness.copies import furnish
from harness.mirror import Mirror, export
from harness.mysql import MySql
from harness.paths import program
from harness.targets import is_like, mirror_of
from harness.textual import MysqlTarget, SqliteTarget
from harness.vault import create, create_many, forget, people, update
from harness.wait import wait_until
from harness.writers import at_work

MODES = ("ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT,IGNORE_SPACE",
         "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION")
_names = (f"target_{number}" for number in itertools.count(1))


@pytest.fixture
def sqlite_target(tmp_path):
    return SqliteTarget(tmp_path / "vault.db")


@pytest.fixture
def mysql_target(mysql):
    return MysqlTarget(mysql, next(_names))


@pytest.fixture(params=["sqlite", "mysql"])
def target(request):
    return request.getfixturevalue(f"{request.param}_target")


def text(conn, target, since: str | None = None) -> bytes:
    """A bundle as its lines come."""
    return "".join(f"{line}\n" for line in export(conn, since, target.dialect)).encode()


def cursor(target) -> str:
    """Where the next bundle begins."""
    (*_, since, _summary, _signature), = target.rows()["bunker_bundle"]
    return since


def pull(conn, target, whole: bool = False) -> None:
    """Brings a target up to date."""
    done = target.apply(text(conn, target, None if whole else cursor(target)))
    assert done.returncode == 0, done.stderr


def test_every_row_arrives_and_the_changes_follow(conn, target):
    tokens = furnish(conn)
    pull(conn, target, whole=True)
    assert is_like(target, conn)
    assert all(mirror_of(target).tables.values()), "a table was not tried"
    update(conn, "token", tokens[0], {"name": "Ada"})
    forget(conn, "token", tokens[1])
    create(conn, {"login": "eve"})
    pull(conn, target)
    assert is_like(target, conn)
    users = {row[0]: row for row in target.rows()["bunker_record"]}
    assert users[tokens[1]][3] and users[tokens[1]][7] is None, "no tombstone"


def test_an_address_changes_hands_between_users_far_apart(conn, target):
    """The new holder comes first in the bundle, when the target still has the former one's entry."""
    tokens = sorted(str(token) for _, token in create_many(conn, people(1, 450)))
    pull(conn, target, whole=True)
    first, *others, last = tokens
    login = conn.execute("SELECT bunker_get_user(%s) ->> 'login'", [last]).fetchone()[0]
    update(conn, "token", last, {"login": "another"})
    update(conn, "token", first, {"login": login})
    for token in others:
        update(conn, "token", token, {"seen": True})
    pull(conn, target)
    assert is_like(target, conn)


def test_the_pipe_of_the_readme_brings_a_vault_into_a_target(cluster, db, conn, target):
    furnish(conn)
    psql = [program("psql"), "-AtqX", "-h", str(cluster.root), "-p", str(cluster.port), "-U",
            "postgres", "-d", db, "-c", f"SELECT bunker_export_bundle('{target.dialect}')"]
    with subprocess.Popen(psql, stdout=subprocess.PIPE) as exporting:
        done = subprocess.run(target.command(), stdin=exporting.stdout, capture_output=True,
                              timeout=60)
    assert exporting.returncode == 0 and done.returncode == 0, done.stderr
    assert done.stdout == b"" and is_like(target, conn)


def test_copy_to_standard_output_gives_the_same_lines(conn, target):
    furnish(conn)
    with conn.cursor().copy(
            f"COPY (SELECT bunker_export_bundle('{target.dialect}')) TO STDOUT") as copy:
        assert target.apply(b"".join(copy)).returncode == 0
    assert is_like(target, conn)


@pytest.mark.parametrize("modes", MODES)
def test_quoting_modes_of_the_server_do_not_matter(conn, mysql, mysql_target, modes):
    furnish(conn)
    before, = mysql.execute("SELECT @@GLOBAL.sql_mode")[0]
    mysql.execute(f"SET GLOBAL sql_mode = '{modes}'")
    try:
        pull(conn, mysql_target, whole=True)
        pull(conn, mysql_target)
    finally:
        mysql.execute(f"SET GLOBAL sql_mode = '{before}'")
    assert is_like(mysql_target, conn)


@pytest.mark.parametrize("settings", ["sql_safe_updates = 1", "max_join_size = 1"])
def test_bounds_against_typing_errors_do_not_matter(conn, mysql_target, settings):
    tokens = furnish(conn)
    option = f"--init-command=SET SESSION {settings}"
    assert mysql_target.apply(text(conn, mysql_target), option).returncode == 0
    forget(conn, "token", tokens[0])
    assert mysql_target.apply(text(conn, mysql_target, cursor(mysql_target)), option).returncode == 0
    assert is_like(mysql_target, conn)


def test_a_refusal_counts_where_constraints_are_not_checked(conn, copy, mysql_target):
    """MariaDB can be told so; MySQL takes the setting for a comment."""
    create(conn, {"login": "one"})
    create(copy, {"login": "two"})
    old = text(conn, mysql_target)
    pull(conn, mysql_target, whole=True)
    before = mysql_target.rows()
    unchecked = "--init-command=SET /*M! check_constraint_checks = 0, */ autocommit = 0"
    for bad in (old, text(copy, mysql_target)):
        mysql_target.apply(bad, unchecked)
        assert mysql_target.rows() == before


def test_both_targets_and_json_lines_hold_the_same(conn, sqlite_target, mysql_target):
    furnish(conn)
    for target in (sqlite_target, mysql_target):
        pull(conn, target, whole=True)
    mirror = Mirror()
    mirror.pull(conn)
    targets = [mirror_of(target) for target in (sqlite_target, mysql_target)]
    for table, rows in mirror.tables.items():
        assert rows, f"{table} was not tried"
        for held in targets:
            assert set(held.tables[table].values()) == set(rows.values())


def test_a_profile_of_a_megabyte_arrives(conn, target):
    conn.execute("SET databunker.max_profile_size = '4MB'")
    token = create(conn, {"login": "big", "text": "x'\\" * 340_000})
    pull(conn, target, whole=True)
    update(conn, "token", str(token), {"more": "👋" * 10})
    pull(conn, target)
    assert is_like(target, conn)


def test_applied_twice_it_changes_nothing(conn, target):
    furnish(conn)
    for since in (None, "the cursor"):
        bundle = text(conn, target, since and cursor(target))
        assert target.apply(bundle).returncode == 0
        once = target.rows()
        assert target.apply(bundle).returncode == 0
        assert target.rows() == once


def test_out_of_order_it_is_refused_with_the_reason(conn, target):
    create(conn, {"login": "one"})
    whole = text(conn, target)
    assert target.apply(whole).returncode == 0
    first = text(conn, target, cursor(target))
    assert target.apply(first).returncode == 0
    second = text(conn, target, cursor(target))
    assert target.apply(second).returncode == 0
    before = target.rows()
    for old in (whole, first):
        assert_refused(target, old, b"out_of_order" if target.dialect == "mysql" else b"out of order")
    assert target.rows() == before


def test_a_bundle_of_another_vault_is_refused(conn, copy, target):
    create(conn, {"login": "one"})
    pull(conn, target, whole=True)
    before = target.rows()
    create(copy, {"login": "two"})
    why = b"of_another_vault" if target.dialect == "mysql" else b"of another vault"
    assert_refused(target, text(copy, target), why)
    assert target.rows() == before


def assert_refused(target, bundle: bytes, why: bytes) -> None:
    """The client ends with an error that says why, and shows nothing of the bundle."""
    done = target.apply(bundle)
    assert done.returncode != 0 and why in done.stderr, done.stderr
    assert b"X'" not in done.stderr and len(done.stderr) < 500


def test_a_client_that_goes_on_after_errors_is_refused_all_the_same(conn, mysql_target):
    create(conn, {"login": "one"})
    whole = text(conn, mysql_target)
    for _ in range(2):
        pull(conn, mysql_target, whole=not mysql_target.rows())
    before = mysql_target.rows()
    done = mysql_target.apply(whole, "--force")
    assert b"out_of_order" in done.stderr
    assert mysql_target.rows() == before


def damaged(bundle: bytes, places: int):
    """The bundle with one byte changed, here and there; bytes that mean something included."""
    meaning = b";#'\"-\n\0.*/ ()[`\\,=<>+|"
    for number, place in enumerate(range(5, len(bundle), len(bundle) // places)):
        byte = meaning[number % len(meaning)] if number % 2 else bundle[place] ^ 1 << number % 8
        yield bundle[:place] + bytes([byte]) + bundle[place + 1:]


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["stops", "goes on"])
def test_a_changed_byte_or_a_cut_does_no_harm_in_mysql(conn, mysql, mysql_target, force):
    tokens = furnish(conn, 2)
    whole = text(conn, mysql_target)
    assert mysql_target.apply(whole).returncode == 0
    before = mysql_target.rows()
    forget(conn, "token", tokens[0])
    bundle = text(conn, mysql_target, cursor(mysql_target))
    cuts = (bundle[:place] for place in range(9, len(bundle), len(bundle) // 20))
    refused = 0
    for changed in itertools.chain(damaged(bundle, 80), cuts, [bundle]):
        mysql_target.apply(changed, *force)
        if mysql_target.rows() == before:
            refused += 1
            continue
        assert is_like(mysql_target, conn), "neither as before nor as it should be"
        mysql_target = MysqlTarget(mysql, next(_names))
        assert mysql_target.apply(whole).returncode == 0
    assert refused > 50


def test_a_text_that_ends_after_a_line_changes_nothing(conn, target):
    """To the client there is no more to do, so it may end well: README says so."""
    tokens = furnish(conn, 2)
    pull(conn, target, whole=True)
    before = target.rows()
    forget(conn, "token", tokens[0])
    lines = text(conn, target, cursor(target)).splitlines(keepends=True)
    commit = max(number for number, line in enumerate(lines) if b"COMMIT" in line)
    for cut in {0, 1, *range(8, commit, 6), *range(commit - 5, commit + 1)}:
        target.apply(b"".join(lines[:cut]))
        assert target.rows() == before, cut
    target.apply(b"".join(lines[:commit + 1]))
    assert is_like(target, conn)


def test_a_server_killed_half_way_has_nothing_of_it_and_takes_it_later(conn):
    create_many(conn, people(1, 2000))
    with MySql() as server:
        target = MysqlTarget(server, "crash")
        bundle = text(conn, target)
        with subprocess.Popen(target.command(), stdin=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as client:
            # The pipe is shorter than what is written: most of it is in the server by then.
            client.stdin.write(bundle[:len(bundle) * 2 // 3])
            client.stdin.flush()
            server.kill9()
            client.stdin.close()
            client.wait(30)
        assert client.returncode != 0
        server.start()
        assert not any(target.rows().values())
        assert target.apply(bundle).returncode == 0
        assert is_like(target, conn)


def test_two_clients_at_once_take_turns(conn, mysql_target):
    create_many(conn, people(1, 300))
    bundle, ended = text(conn, mysql_target), []
    clients = [threading.Thread(target=lambda: ended.append(mysql_target.apply(bundle)))
               for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(120)
    assert len(ended) == 4
    # InnoDB may choose one of those who wait as a victim; he has an error, and the target is right.
    assert any(done.returncode == 0 for done in ended), [done.stderr for done in ended]
    assert is_like(mysql_target, conn)


def test_a_writer_at_work_during_the_exports_loses_nothing(cluster, db, conn, target):
    furnish(conn)
    pull(conn, target, whole=True)
    made = []

    def write(connection, _dice) -> None:
        made.append(create(connection, {"login": f"writer{len(made)}"}))
        update(connection, "token", str(made[len(made) // 2]), {"n": len(made)})

    with at_work(cluster, db, write, count=1):
        for number in range(20):
            wait_until(lambda: len(made) > number + 1, "the writer")
            pull(conn, target)
    pull(conn, target)
    assert len(made) > 20 and is_like(target, conn)
