"""Dump and restore: the vault moves into another database with all that it holds, and goes on."""

import pytest

from harness.identity import access_token, authenticate, log_in
from harness.vault import (call, create, create_many, find, forget, people, row_counts, rows,
                           update)


@pytest.fixture
def filled(conn):
    """A vault with users, versions, a forgotten user, a kind and a schema; its superuser."""
    create_many(conn, people(1, 20))
    call(conn, "bunker_add_lookup", "tax", "/tax")
    conn.execute("""SELECT bunker_set_user_schema('{"properties": {"age": {"minimum": 18}}}')""")
    update(conn, "login", "p1", {"tax": "T", "name": "Ann", "list": [1, {"x": None}]})
    call(conn, "bunker_request", "login", "p3", "change-profile", {"name": "Ben"})
    forget(conn, "login", "p2")
    for n in (1, 2):
        conn.execute("SELECT bunker_set_app('login', 'p1', 'shop', jsonb_build_object('n', %s::int))", [n])
    conn.execute("SELECT bunker_create_session('login', 'p1', '{\"ip\": 1}')")
    conn.execute("SELECT bunker_share('login', 'p1', ARRAY['name'])")
    return conn


def by_script(cluster, source: str, target: str) -> None:
    """pg_dump | psql."""
    cluster.psql(cluster.run("pg_dump", dbname=source).stdout, dbname=target)


def by_archive(cluster, source: str, target: str) -> None:
    """pg_dump --format=custom, pg_restore with two jobs."""
    archive = str(cluster.root / f"{source}.dump")
    cluster.run("pg_dump", "--format=custom", f"--file={archive}", dbname=source)
    cluster.run("pg_restore", "-j2", "--exit-on-error", f"--dbname={target}", archive)


@pytest.fixture(params=[by_script, by_archive])
def restored(request, cluster, db, filled):
    """A superuser's connection to a database that was restored from `filled`."""
    target = cluster.create_db(f"{db}_restored", extension=False)
    request.param(cluster, db, target)
    with cluster.connect(target) as connection:
        yield connection
    cluster.drop_db(target)


def test_everything_comes_along(filled, restored):
    for statement in (
            "SELECT token, version, sealed FROM bunker.record ORDER BY token",
            "SELECT * FROM bunker.record_version ORDER BY token, version",
            "SELECT * FROM bunker.lookup ORDER BY digest", "SELECT * FROM bunker.keyring ORDER BY id",
            "SELECT bunker_get_request(request)::text FROM bunker.request", "SELECT * FROM bunker.request",
            "SELECT * FROM bunker.lookup_kind ORDER BY id", "SELECT * FROM bunker.user_schema",
            "SELECT bunker_get_user(token)::text FROM bunker.record ORDER BY token",
            "SELECT * FROM bunker_user_versions('tax', 'T')",
            "SELECT * FROM bunker.app_data_version", "SELECT bunker_get_app('tax', 'T', 'shop')",
            "SELECT * FROM bunker_list_sessions('tax', 'T')",
            "SELECT bunker_get_shared(record) FROM bunker.share"):
        assert restored.execute(statement).fetchall() == filled.execute(statement).fetchall()


def test_access_tokens_and_codes_come_along(cluster, db, conn):
    create(conn, {"login": "ann"})
    shop, ann = access_token(conn, "reader", "shop"), log_in(conn, "ann")
    code = call(conn, "bunker_login_code", "login", "ann")
    target = cluster.create_db(f"{db}_restored", extension=False)
    by_script(cluster, db, target)
    with cluster.connect(target) as restored:
        assert authenticate(restored, shop) == "shop"
        assert authenticate(restored, ann) == str(find(restored, "login", "ann"))
        assert call(restored, "bunker_login", "login", "ann", code)
        with cluster.raises("42501", secrets=[code]):
            call(restored, "bunker_login", "login", "ann", code)
    cluster.drop_db(target)


def test_the_trail_comes_along(filled, restored):
    trail = "SELECT * FROM bunker.audit ORDER BY id"
    old = filled.execute(trail).fetchall()
    assert restored.execute(trail).fetchall()[:len(old)] == old


def test_the_restored_vault_goes_on(restored, raises):
    last = rows(restored, "bunker_audit_all", None, 1)[0][0]
    token = find(restored, "tax", "T")
    assert update(restored, "tax", "T", {"name": "Anna"}, 2) == 3
    assert call(restored, "bunker_user_version", "login", "p1", 2)["name"] == "Ann"
    with raises("23505"):
        create(restored, {"email": "p3@example.com"})
    with raises("23514"):
        create(restored, {"login": "young", "age": 5})
    create_many(restored, people(101, 120))
    assert find(restored, "login", "p2") is None
    assert create(restored, people(2, 2)[0])
    assert rows(restored, "bunker_audit", "token", str(token))[0][0] > last
    assert call(restored, "bunker_set_user_schema", None) == 2
    assert call(restored, "bunker_add_lookup", "name", "/name") == 1


def test_a_vault_is_restored_with_other_rights_on_nothing(restored):
    """A restore gives nobody more than CREATE EXTENSION does."""
    open_to_all = restored.execute(
        "SELECT p.proname FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid"
        "  JOIN pg_extension AS e ON e.oid = d.refobjid AND d.deptype = 'e'"
        " WHERE e.extname = 'databunker' AND has_function_privilege('public', p.oid, 'EXECUTE')"
    ).fetchall()
    assert open_to_all == []


def test_outdated_digests_stay_outdated(cluster, conn, db, raises):
    """A vault whose digests another normaliser made must not pass for a current one."""
    create_many(conn, people(1, 3))
    conn.execute("UPDATE bunker.lookup_kind SET normalizer_version = 0 WHERE name = 'email'")
    target = cluster.create_db(f"{db}_restored", extension=False)
    by_script(cluster, db, target)
    try:
        with cluster.connect(target) as restored, raises("55000"):
            find(restored, "email", "p1@example.com")
    finally:
        cluster.drop_db(target)


def test_counts_agree(filled, restored):
    before, after = row_counts(filled), row_counts(restored)
    assert {table: after[table] for table in before if table != "audit"} == {
        table: before[table] for table in before if table != "audit"}
