"""bunker_import_bundle: the transaction around a bundle, and others at the same time."""

import threading
import time
from contextlib import suppress

import psycopg
import pytest

from harness.blocking import await_blocked
from harness.bundles import give, import_bundle
from harness.copies import furnish, nothing_is_here, same
from harness.mirror import export
from harness.trail import verify
from harness.vault import call, create, create_many, find, forget, people, update
from harness.wait import wait_until
from harness.writers import at_work


# The transaction ----------------------------------------------------------------------------------

def test_an_incomplete_bundle_cannot_be_committed(conn, copy, raises):
    furnish(conn, 2)
    lines = export(conn)
    for count in range(1, len(lines)):
        copy.execute("BEGIN")
        give(copy, lines[:count])
        with raises("22023"):
            copy.execute("COMMIT")
        with raises("22023"):
            give(copy, lines[:count])
    assert nothing_is_here(copy)
    import_bundle(copy, lines)


def test_an_incomplete_bundle_cannot_be_prepared(conn, fresh_cluster):
    server = fresh_cluster({"max_prepared_transactions": 2})
    conn = server.connect(server.create_db("vault"))
    copy = server.connect(server.create_db("copy"))
    furnish(conn, 2)
    lines = export(conn)
    copy.execute("BEGIN")
    give(copy, lines[:-1])
    with server.raises("22023"):
        copy.execute("PREPARE TRANSACTION 'one'")
    assert nothing_is_here(copy)
    copy.execute("BEGIN")
    give(copy, lines)
    copy.execute("PREPARE TRANSACTION 'one'")
    copy.execute("COMMIT PREPARED 'one'")
    assert same(conn, copy)


def test_a_bundle_goes_with_the_savepoint_in_which_it_was_begun(conn, copy):
    furnish(conn, 2)
    lines = export(conn)
    with copy.transaction():
        copy.execute("SAVEPOINT one")
        give(copy, lines[:4])
        copy.execute("ROLLBACK TO one")
        assert give(copy, [])["lines"] == 0
        copy.execute("SAVEPOINT two")
        give(copy, lines[:4])
        copy.execute("RELEASE two")
        copy.execute("ROLLBACK TO one")
        assert give(copy, lines)["complete"]
    assert same(conn, copy)


def test_a_bundle_whose_lines_were_rolled_back_cannot_go_on(conn, copy, raises):
    furnish(conn, 2)
    lines = export(conn)
    for complete in (False, True):
        copy.execute("BEGIN")
        give(copy, lines[:3])
        copy.execute("SAVEPOINT one")
        give(copy, lines[3:] if complete else lines[3:5])
        copy.execute("ROLLBACK TO one; SAVEPOINT two")
        with raises("22023"):
            give(copy, lines[5:])
        copy.execute("ROLLBACK TO two")
        with raises("22023"):
            copy.execute("COMMIT")
        assert nothing_is_here(copy)


def test_an_error_that_was_caught_does_not_let_half_a_bundle_through(conn, copy, raises):
    furnish(conn, 2)
    lines = export(conn)
    copy.execute("BEGIN")
    give(copy, lines[:-1])
    forged = lines[-1][:-3] + ("1" if lines[-1][-3] == "0" else "0") + '"}'
    copy.execute("CREATE TEMP TABLE line AS SELECT %s AS text", [forged])
    copy.execute("DO $$ BEGIN PERFORM bunker_import_bundle(ARRAY(SELECT text FROM line));"
                 " EXCEPTION WHEN OTHERS THEN NULL; END $$")
    with raises("22023"):
        copy.execute("COMMIT")
    assert nothing_is_here(copy)


def test_two_bundles_in_one_transaction(conn, copy, raises):
    furnish(conn, 2)
    first = export(conn)
    update(conn, "login", "p1", {"name": "later"})
    second = export(conn)
    with copy.transaction():
        give(copy, first)
        give(copy, second)
    assert same(conn, copy)
    copy.execute("BEGIN")
    give(copy, first)
    give(copy, second[:3])
    with raises("22023"):
        copy.execute("COMMIT")
    with raises("22023"):
        give(copy, first + second)


def test_a_transaction_with_one_snapshot_is_refused(conn, copy, raises):
    furnish(conn, 1)
    copy.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    with raises("25001"):
        give(copy, export(conn))
    copy.execute("ROLLBACK; BEGIN READ ONLY")
    with raises("25006"):
        give(copy, export(conn))
    copy.execute("ROLLBACK")


# Others at the same time --------------------------------------------------------------------------

def test_writers_of_users_wait_for_the_bundle(cluster, conn, copy, raises):
    furnish(conn, 2)
    lines = export(conn)
    import_bundle(copy, lines)
    create(conn, {"login": "eve"})
    lines = export(conn)
    with cluster.connect(copy.info.dbname) as other:
        copy.execute("BEGIN")
        give(copy, lines[:-1])
        failures = []

        def late():
            try:
                create(other, {"login": "eve"})
            except psycopg.Error as error:
                failures.append(error.sqlstate)

        thread = threading.Thread(target=late)
        thread.start()
        await_blocked(conn, other)
        assert find(conn, "login", "eve") is not None
        give(copy, lines[-1:])
        copy.execute("COMMIT")
        thread.join()
    assert failures == ["23505"]
    assert same(conn, copy)


def test_who_is_just_being_created_first_is_met(cluster, conn, copy, raises):
    furnish(conn, 1)
    import_bundle(copy, export(conn))
    create(conn, {"login": "eve"})
    lines = export(conn)
    with cluster.connect(copy.info.dbname) as other:
        other.execute("BEGIN")
        create(other, {"login": "eve"})
        failures = []

        def late():
            try:
                import_bundle(copy, lines)
            except psycopg.Error as error:
                failures.append(error.sqlstate)

        thread = threading.Thread(target=late)
        thread.start()
        await_blocked(conn, copy)
        other.execute("COMMIT")
        thread.join()
    assert failures == ["23505"]


def test_bundles_amid_writers_leave_a_vault_that_is_whole(cluster, conn, copy):
    tokens = furnish(conn, 8)
    import_bundle(copy, export(conn))

    def write(mine, dice) -> None:
        token = dice.choice(tokens)
        if dice.random() < 0.4:
            update(mine, "token", token, {"name": str(dice.random())})
        elif dice.random() < 0.5:
            call(mine, "bunker_set_app", "token", token, "shop", '{"a": 1}')
        elif dice.random() < 0.9:
            call(mine, "bunker_accept_agreement", "token", token, "news")
        else:
            forget(mine, "token", token)

    with at_work(cluster, copy.info.dbname, write):
        for number in range(12):
            update(conn, "token", tokens[0], {"name": f"n{number}"})
            if number == 6:
                forget(conn, "token", tokens[1])
            with suppress(psycopg.errors.DeadlockDetected):
                import_bundle(copy, export(conn), 2)
    import_bundle(copy, export(conn))
    for token, in copy.execute("SELECT token FROM bunker.record WHERE forgotten_at IS NULL"):
        assert call(copy, "bunker_lookup", "token", str(token))["profile"]
    assert copy.execute("SELECT count(*) FROM bunker.app_data a JOIN bunker.record r USING (token)"
                        " WHERE r.forgotten_at IS NOT NULL").fetchone() == (0,)
    assert find(copy, "login", "p2") is None
    assert verify(copy).ok


def test_a_cancelled_import_leaves_nothing(cluster, conn, copy):
    create_many(conn, people(1, 20_000))
    lines = export(conn)
    failures = []

    def run():
        try:
            give(copy, lines)
        except psycopg.errors.QueryCanceled as error:
            failures.append(error.sqlstate)

    thread = threading.Thread(target=run)
    with cluster.connect(copy.info.dbname) as observer:
        thread.start()
        wait_until(lambda: observer.execute("SELECT pg_relation_size('bunker.record')").fetchone()[0],
                   "the first users")
        while thread.is_alive():
            observer.execute("SELECT pg_cancel_backend(%s)", [copy.info.backend_pid])
            time.sleep(0.05)
    thread.join()
    assert failures == ["57014"]
    assert nothing_is_here(copy)


def test_a_killed_server_has_all_of_a_bundle_or_nothing(fresh_cluster):
    server = fresh_cluster()
    source, target = server.create_db("vault"), server.create_db("copy")
    with server.connect(source) as conn:
        create_many(conn, people(1, 5_000))
        lines = export(conn)
    for delay in (0.05, 0.15, 0.3):
        def run():
            with pytest.raises(psycopg.Error):
                with server.connect(target) as connection:
                    for _ in range(100):
                        import_bundle(connection, lines, 20)
                        connection.execute("DELETE FROM bunker.record; DELETE FROM bunker.lookup")

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(delay)
        server.kill9()
        thread.join()
        server.start()
        with server.connect(target) as connection:
            count, = connection.execute("SELECT count(*) FROM bunker.record").fetchone()
            assert count in (0, 5_000)
    with server.connect(source) as conn, server.connect(target) as connection:
        import_bundle(connection, lines)
        assert same(conn, connection)


def test_no_canary_reaches_the_target_in_the_clear(cluster, conn, copy):
    create(conn, {"login": "canary5714login", "name": "canary5714name"})
    import_bundle(copy, export(conn))
    assert find(copy, "login", "canary5714login") is not None
    assert cluster.files_holding(b"canary5714name") == []
