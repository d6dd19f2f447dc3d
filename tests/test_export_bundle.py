"""bunker_export_bundle: whole and incremental. That bundles can be applied elsewhere is tested there;
here, that they hold what the vault holds, and that a chain of them misses nothing."""

import json
import random
import time

import psycopg
import pytest

from harness.clock import Clock
from harness.copies import furnish
from harness.mirror import TABLES, Mirror, export
from harness.vault import call, create, find, forget, update
from harness.writers import at_work, some_changes


def test_a_whole_bundle_holds_every_table_row_by_row(conn):
    tokens = furnish(conn)
    forget(conn, "token", tokens[0])
    mirror = Mirror()
    summary = mirror.pull(conn)
    assert mirror.is_like(conn)
    assert all(mirror.tables.values()), "a table was not tried"
    assert summary["bundle"]["previous"] is None and summary["bundle"]["number"] == 1


def test_an_incremental_bundle_brings_only_what_has_changed(conn):
    tokens = furnish(conn, 20)
    mirror = Mirror()
    mirror.pull(conn)
    update(conn, "token", tokens[3], {"name": "Ada"})
    forget(conn, "token", tokens[4])
    new = create(conn, {"login": "eve"})
    summary = mirror.pull(conn)
    assert mirror.is_like(conn)
    assert summary["users"] == 3
    assert summary["rows"]["record"] == 3
    tombstone = mirror.tables["record"][tokens[4],]
    assert tombstone[3] is not None and tombstone[7] is None and tombstone[6] == ""
    assert (str(new),) in mirror.tables["record"]


def test_no_time_is_too_late_for_a_bundle(conn, raises):
    furnish(conn, 1)
    accept = "SELECT bunker_accept_agreement('login', 'p1', 'news', jsonb_build_object('expiration', %s::text))"
    with raises("22023"):
        conn.execute(accept, ["294260-01-01T00:00:00Z"])
    conn.execute(accept, ["294247-01-10T04:00:00Z"])
    mirror = Mirror()
    mirror.pull(conn)
    assert mirror.is_like(conn)


def test_a_transaction_exports_once(conn, raises):
    furnish(conn, 1)
    for _ in range(3):
        conn.execute("BEGIN")
        export(conn)
        with raises("25001"):
            export(conn)
        conn.execute("ROLLBACK")


def test_nothing_new_is_a_bundle_without_users(conn):
    furnish(conn, 3)
    mirror = Mirror()
    mirror.pull(conn)
    for _ in range(2):
        assert mirror.pull(conn)["users"] == 0
        assert mirror.is_like(conn)


def test_reads_are_no_changes(conn):
    furnish(conn, 3)
    mirror = Mirror()
    mirror.pull(conn)
    for number in range(1, 4):
        find(conn, "login", f"p{number}")
    assert mirror.pull(conn)["users"] == 0


CHANGES = {
    "app": "SELECT bunker_set_app('token', %s, 'shop', '{\"size\": 1}')",
    "app gone": "SELECT bunker_delete_app('token', %s, 'shop')",
    "session": "SELECT bunker_create_session('token', %s, '{}')",
    "session gone": "SELECT bunker_delete_session(session) FROM bunker.session WHERE token = %s",
    "share gone": "SELECT bunker_revoke_share(record) FROM bunker.share WHERE token = %s",
    "agreement": "SELECT bunker_withdraw_agreement('token', %s, 'news')",
    "agreement revoked": "SELECT bunker_revoke_agreements('news') FROM (VALUES (%s)) AS t",
    "basis gone": "SELECT bunker_delete_legal_basis('news') FROM (VALUES (%s)) AS t",
    "request": "SELECT bunker_request('token', %s, 'change-profile', '{\"name\": \"x\"}')",
    "request decided": "SELECT bunker_cancel_request(request) FROM bunker.request WHERE token = %s",
    "expiration": "SELECT bunker_cancel_expiration('token', %s)",
    "expired": "SELECT bunker_delete_expired(expiration) FROM bunker.expiration WHERE token = %s",
    "past the functions": "UPDATE bunker.record SET changed_by = 'x' WHERE token = %s",
    "removed": "DELETE FROM bunker.record WHERE token = %s",
    "a belonging removed": "DELETE FROM bunker.share WHERE token = %s",
    "a session moved": "UPDATE bunker.session SET token = (SELECT max(r.token::text)::uuid"
                       " FROM bunker.record r WHERE r.token <> t.token)"
                       " FROM (VALUES (%s::uuid)) AS t (token) WHERE session.token = t.token",
    "a token changed": "UPDATE bunker.expiration SET token = gen_random_uuid() WHERE token = %s",
    "all sessions removed": "TRUNCATE bunker.session; SELECT %s",
    "a kind added": "SELECT bunker_add_lookup('nick', '/name') FROM (VALUES (%s)) AS t",
    "a kind indexed anew": "SELECT bunker_reindex_lookup('login') FROM (VALUES (%s)) AS t",
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_change_gets_into_the_next_bundle(conn, change):
    token = furnish(conn, 3)[1]
    if change == "a kind added":
        # Names are the same for all so far.
        for number, other in enumerate(conn.execute("SELECT token FROM bunker.record").fetchall()):
            update(conn, "token", str(other[0]), {"name": f"name {number}"})
    mirror = Mirror()
    mirror.pull(conn)
    with psycopg.ClientCursor(conn) as cursor:
        cursor.execute(CHANGES[change], [token])
    mirror.pull(conn)
    if change == "removed":
        # What belonged to him has no owner any more, and is not the bundle's to bring back.
        conn.execute("DELETE FROM bunker.lookup WHERE token = %s", [token])
    assert mirror.is_like(conn)


def test_ended_sessions_are_left_behind(conn):
    furnish(conn, 2)
    conn.execute("UPDATE bunker.session SET expires_at = now()")
    mirror = Mirror()
    assert "session" not in mirror.pull(conn)["rows"]


def test_sessions_end_in_the_mirror_as_well_without_an_event_of_their_own(fresh_cluster):
    server = fresh_cluster()
    clock = Clock(server)
    server.stop()
    server.start(environment=clock.environment)
    conn = server.connect(server.create_db("vault"))
    ann = str(create(conn, {"login": "ann"}))
    conn.execute("SELECT bunker_create_session('token', %s, '{}', '1 minute')", [ann])
    call(conn, "bunker_share", "token", ann)
    mirror = Mirror()
    mirror.pull(conn)
    assert len(mirror.tables["session"]) == 1
    clock.advance(61)
    call(conn, "bunker_maintain")
    assert mirror.pull(conn)["users"] == 0
    assert mirror.is_like(conn) and len(mirror.tables["share"]) == 1


def test_changes_of_open_transactions_get_into_the_bundle_after_their_end(cluster, db, conn):
    furnish(conn, 3)
    mirror = Mirror()
    with cluster.connect(db) as early, cluster.connect(db) as late:
        with early.transaction():
            create(early, {"login": "early"})
            with late.transaction():
                create(late, {"login": "late"})
            create(conn, {"login": "meanwhile"})
            mirror.pull(conn)
            assert mirror.is_like(conn)
        mirror.pull(conn)
        assert mirror.is_like(conn)
        with early.transaction(), late.transaction():
            update(early, "login", "late", {"name": "changed"})
            update(late, "login", "meanwhile", {"name": "changed"})
            for _ in range(3):
                mirror.pull(conn)
                assert mirror.is_like(conn)
    mirror.pull(conn)
    assert mirror.is_like(conn)


def test_prepared_transactions_get_into_the_bundle_after_their_commit(fresh_cluster):
    server = fresh_cluster({"max_prepared_transactions": 2})
    conn = server.connect(server.create_db("vault"))
    create(conn, {"login": "first"})
    conn.execute("BEGIN")
    create(conn, {"login": "prepared"})
    conn.execute("PREPARE TRANSACTION 'one'")
    mirror = Mirror()
    for _ in range(3):
        mirror.pull(conn)
        create(conn, {"login": f"user{random.random()}"})
    conn.execute("COMMIT PREPARED 'one'")
    mirror.pull(conn)
    assert mirror.is_like(conn)


def test_twenty_bundles_under_writers_miss_nothing(cluster, db, conn):
    tokens = furnish(conn, 40)
    mirror = Mirror()
    with at_work(cluster, db, some_changes(tokens)):
        for _ in range(20):
            mirror.pull(conn)
            time.sleep(0.05)
    assert mirror.pull(conn)["bundle"]["previous"]
    assert mirror.is_like(conn)


# What is refused ------------------------------------------------------------------------------

def test_what_is_no_cursor_of_this_vault_is_refused(conn, copy, raises):
    furnish(conn, 1)
    mirror = Mirror()
    mirror.pull(conn)
    cursor = mirror.cursor
    altered = cursor[:20] + ("y" if cursor[20] == "x" else "x") + cursor[21:]
    for bad in ("", "x", "dbbc_", cursor[:-1], cursor + "A", altered, cursor.swapcase()):
        with raises("22023", secrets=[cursor]):
            export(conn, bad)
    create(copy, {"login": "ann"})
    with raises("22023", secrets=[cursor]):
        export(copy, cursor)


def test_a_cursor_of_before_the_vault_was_set_back_is_refused(conn, raises):
    """As after a restore: the trail does not know the export."""
    furnish(conn, 1)
    mirror = Mirror()
    with conn.transaction():
        conn.execute("SET LOCAL databunker.audit_reads = 'transaction'")
        mirror.pull(conn)
        raise psycopg.Rollback
    with raises("22023"):
        mirror.pull(conn)


def test_arguments_that_make_no_sense_are_refused(conn, raises):
    furnish(conn, 1)
    for target in ("", "oracle", "SQLITE"):
        with raises("22023"):
            export(conn, None, target)
    with raises("22023"):
        export(conn, None, None)


def test_a_transaction_that_has_written_cannot_export(conn, raises):
    create(conn, {"login": "ann"})
    with conn.transaction():
        create(conn, {"login": "bob"})
        with raises("25001"):
            export(conn)
        raise psycopg.Rollback


def test_a_vault_that_was_never_used_has_nothing_to_export(conn, raises):
    with raises("22023"):
        export(conn)


def test_a_repeatable_read_transaction_exports_the_present(cluster, db, conn):
    create(conn, {"login": "ann"})
    with cluster.connect(db) as old:
        with old.transaction():
            old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            old.execute("SELECT 1")
            create(conn, {"login": "bob"})
            mirror = Mirror()
            mirror.pull(old)
        assert mirror.is_like(conn)


def test_an_export_can_be_left_in_the_middle(conn, admin_conn):
    furnish(conn, 5)
    line, = admin_conn.execute("SELECT bunker_export_bundle('jsonl') LIMIT 1").fetchone()
    assert json.loads(line)["bundle"]["format"] == 1
    assert admin_conn.execute("SELECT count(*) FROM bunker.progress").fetchone() == (0,)
    with admin_conn.transaction():
        cursor = admin_conn.cursor("part")
        cursor.execute("SELECT bunker_export_bundle('jsonl')")
        cursor.fetchmany(3)
        assert admin_conn.execute("SELECT command, total >= 0 FROM bunker.progress").fetchall() == [
            ("export rows", True)]


def test_no_canary_of_a_profile_is_in_a_bundle(conn):
    create(conn, {"login": "canary-login", "email": "canary@mail.example", "name": "canary name"})
    call(conn, "bunker_set_app", "login", "canary-login", "shop", '{"note": "canary app"}')
    lines = "\n".join(export(conn))
    assert "canary" not in lines and "mail.example" not in lines


# A client can reach our cursors by their names ----------------------------------------------------

def begun(admin) -> str:
    """Begins an export under the name `mine`; the name of its cursor of users."""
    admin.execute("BEGIN")
    admin.execute("DECLARE mine CURSOR FOR SELECT bunker_export_bundle('jsonl')")
    admin.execute("FETCH 1 FROM mine")
    # The tables before it in a bundle have a cursor each.
    return f"<unnamed portal {list(TABLES).index('record') + 1}>"


def test_nobodys_query_takes_the_place_of_the_exports(conn, admin_conn, raises):
    furnish(conn, 3)
    admin_conn.execute("""CREATE FUNCTION pg_temp.grab() RETURNS uuid LANGUAGE plpgsql
        AS $$ BEGIN ALTER ROLE test_admin SUPERUSER; RETURN NULL; END $$""")
    users = begun(admin_conn)
    admin_conn.execute(f"""CLOSE "{users}";
        DECLARE "{users}" CURSOR FOR
         SELECT pg_temp.grab(), now(), now(), now(), 1::bigint, 'x'::text, ''::bytea, ''::bytea""")
    with raises("24000"):
        admin_conn.execute("FETCH ALL FROM mine")
    admin_conn.execute("ROLLBACK")
    query = "SELECT rolsuper FROM pg_roles WHERE rolname = 'test_admin'"
    assert conn.execute(query).fetchone() == (False,)


@pytest.mark.parametrize("move", ["MOVE 1 IN", "FETCH 1 FROM", "MOVE ALL IN", "CLOSE"])
def test_nobody_takes_users_out_of_a_signed_bundle(conn, admin_conn, raises, move):
    furnish(conn, 3)
    users = begun(admin_conn)
    admin_conn.execute(f'{move} "{users}"')
    with raises("24000"):
        admin_conn.execute("FETCH ALL FROM mine")


def test_the_cursors_of_an_export_are_not_shown(conn, admin_conn):
    furnish(conn, 3)
    begun(admin_conn)
    assert admin_conn.execute("SELECT name FROM pg_cursors").fetchall() == [("mine",)]
    assert len(admin_conn.execute("FETCH ALL FROM mine").fetchall()) > 10
    admin_conn.execute("COMMIT")


def test_an_export_ends_with_the_savepoint_in_which_it_was_begun(conn, admin_conn, raises):
    furnish(conn, 3)
    admin_conn.execute("BEGIN")
    admin_conn.execute("DECLARE mine CURSOR FOR SELECT bunker_export_bundle('jsonl')")
    admin_conn.execute("SAVEPOINT one; FETCH 2 FROM mine; ROLLBACK TO one")
    with raises("24000"):
        admin_conn.execute("FETCH ALL FROM mine")
    admin_conn.execute("ROLLBACK")
