"""Who may call what, and that the signatures are those of the contract."""

import itertools

import psycopg
import pytest
from conftest import GROUPS
from harness.identity import access_token
from harness.vault import call

EXTENSION_FUNCTIONS = """
    SELECT p.oid, p.proname, p.prosecdef, p.proconfig, p.provolatile, p.proparallel, p.prorettype
      FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
      JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'databunker'
     WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
       AND d.deptype = 'e'
"""

# The contract: arguments with names, types and defaults, and result.
SIGNATURES = {
    "bunker_create_user": ("profile jsonb", "uuid"),
    "bunker_create_users": ("profiles jsonb[]", "TABLE(ordinal integer, token uuid)"),
    "bunker_lookup": ("kind text, value text", "jsonb"),
    "bunker_get_user": ("token uuid", "jsonb"),
    "bunker_find_token": ("kind text, value text", "uuid"),
    "bunker_get_users": ("tokens uuid[]", "TABLE(token uuid, profile jsonb)"),
    "bunker_update_user": ("kind text, value text, patch jsonb, expected_version integer "
                           "DEFAULT NULL::integer", "integer"),
    "bunker_delete_user": ("kind text, value text", "boolean"),
    "bunker_list_users": ("after uuid DEFAULT NULL::uuid, max_rows integer DEFAULT 100",
                          "TABLE(token uuid, version integer, created_at timestamp with time zone, "
                          "updated_at timestamp with time zone)"),
    "bunker_user_versions": ("kind text, value text",
                             "TABLE(version integer, changed_at timestamp with time zone, "
                             "changed_by text, operation text)"),
    "bunker_user_version": ("kind text, value text, version integer", "jsonb"),
    "bunker_start_expiration": ("kind text, value text, after interval DEFAULT NULL::interval",
                                "uuid"),
    "bunker_expiration": ("kind text, value text", "jsonb"),
    "bunker_cancel_expiration": ("kind text, value text", "boolean"),
    "bunker_retain_user": ("expiration uuid", "boolean"),
    "bunker_delete_expired": ("expiration uuid", "boolean"),
    "bunker_maintain": ("", "jsonb"),
    "bunker_set_app": ("kind text, value text, app text, data jsonb", "integer"),
    "bunker_get_app": ("kind text, value text, app text", "jsonb"),
    "bunker_update_app": ("kind text, value text, app text, patch jsonb", "integer"),
    "bunker_delete_app": ("kind text, value text, app text", "boolean"),
    "bunker_list_apps": ("kind text, value text", "SETOF text"),
    "bunker_app_names": ("", "SETOF text"),
    "bunker_create_session": ("kind text, value text, data jsonb, ttl interval DEFAULT "
                              "NULL::interval", "uuid"),
    "bunker_get_session": ("session uuid", "jsonb"),
    "bunker_list_sessions": ("kind text, value text, after uuid DEFAULT NULL::uuid, max_rows integer "
                             "DEFAULT 100",
                             "TABLE(session uuid, created_at timestamp with time zone, "
                             "expires_at timestamp with time zone, data jsonb)"),
    "bunker_delete_session": ("session uuid", "boolean"),
    "bunker_share": ("kind text, value text, fields text[] DEFAULT NULL::text[], app text DEFAULT "
                     "NULL::text, session uuid DEFAULT NULL::uuid, partner text DEFAULT NULL::text, "
                     "ttl interval DEFAULT NULL::interval", "uuid"),
    "bunker_get_shared": ("record uuid", "jsonb"),
    "bunker_revoke_share": ("record uuid", "boolean"),
    "bunker_add_lookup": ("kind text, path text, normalizer text DEFAULT 'exact'::text", "bigint"),
    "bunker_set_user_schema": ("schema jsonb", "integer"),
    "bunker_user_schema": ("", "jsonb"),
    "bunker_audit": ("kind text, value text, before bigint DEFAULT NULL::bigint, "
                     "max_rows integer DEFAULT 100", "EVENTS"),
    "bunker_audit_all": ("before bigint DEFAULT NULL::bigint, max_rows integer DEFAULT 100",
                         "EVENTS"),
    "bunker_audit_event": ("id bigint", "jsonb"),
    "bunker_verify_audit": ("", "TABLE(ok boolean, events bigint, first_bad bigint, detail text)"),
    "bunker_audit_anchor": ("", "text"),
    "bunker_verify_audit_anchor": ("anchor text",
                                   "TABLE(ok boolean, events bigint, first_bad bigint, detail text)"),
    "bunker_set_legal_basis": ("brief text, definition jsonb DEFAULT '{}'::jsonb", "boolean"),
    "bunker_delete_legal_basis": ("brief text", "boolean"),
    "bunker_list_legal_bases": ("", "SETOF jsonb"),
    "bunker_accept_agreement": ("kind text, value text, brief text, options jsonb "
                                "DEFAULT '{}'::jsonb", "boolean"),
    "bunker_withdraw_agreement": ("kind text, value text, brief text", "boolean"),
    "bunker_get_agreement": ("kind text, value text, brief text", "jsonb"),
    "bunker_list_agreements": ("kind text, value text", "SETOF jsonb"),
    "bunker_revoke_agreements": ("brief text", "bigint"),
    "bunker_set_activity": ("activity text, definition jsonb DEFAULT '{}'::jsonb", "boolean"),
    "bunker_delete_activity": ("activity text", "boolean"),
    "bunker_link_activity": ("activity text, brief text", "boolean"),
    "bunker_unlink_activity": ("activity text, brief text", "boolean"),
    "bunker_list_activities": ("", "SETOF jsonb"),
    "bunker_create_access_token": ("name text, role text, ttl interval DEFAULT NULL::interval",
                                   "text"),
    "bunker_revoke_access_token": ("name text", "boolean"),
    "bunker_authenticate": ("access_token text", "text"),
    "bunker_login_code": ("kind text, value text", "text"),
    "bunker_login": ("kind text, value text, code text", "text"),
    "bunker_events": ("after bigint DEFAULT 0, max_rows integer DEFAULT 100",
                      "TABLE(id bigint, at timestamp with time zone, event text, token uuid)"),
    "bunker_user_report": ("kind text, value text", "jsonb"),
    "bunker_user_report_html": ("kind text, value text", "text"),
    "bunker_unlock_bulk": ("reason text", "uuid"),
    "bunker_request": ("kind text, value text, action text, change jsonb DEFAULT NULL::jsonb, "
                       "subject text DEFAULT NULL::text", "uuid"),
    "bunker_list_requests": ("status text DEFAULT 'open'::text, after uuid DEFAULT NULL::uuid, "
                             "max_rows integer DEFAULT 100", "REQUESTS"),
    "bunker_user_requests": ("kind text, value text", "REQUESTS"),
    "bunker_get_request": ("request uuid", "jsonb"),
    "bunker_approve_request": ("request uuid, reason text DEFAULT NULL::text", "boolean"),
    "bunker_cancel_request": ("request uuid, reason text DEFAULT NULL::text", "boolean"),
    "bunker_generate_key": ("", "text"),
    "bunker_status": ("", "jsonb"),
    "bunker_import_bundle": ("lines text[]", "jsonb"),
    "bunker_check": ("", "TABLE(severity text, setting text, finding text, remedy text)"),
    "bunker_import_rows": ("rows jsonb[]", 'TABLE("row" integer, token uuid, outcome text, '
                           "sqlstate text, message text)"),
    "bunker_export_bundle": ("target text, since text DEFAULT NULL::text", "SETOF text"),
}
EVENTS = ("TABLE(id bigint, at timestamp with time zone, actor text, action text, status text, "
          "kind text, token uuid, app text, reason text, message text)")
REQUESTS = ("TABLE(request uuid, token uuid, action text, subject text, status text, "
            "created_at timestamp with time zone, reason text)")
# Results that several functions have.
SHARED_RESULTS = {"EVENTS": EVENTS, "REQUESTS": REQUESTS}

# By role: what each may call. Reader is part of app; the others stand alone.
VERIFYING = {"bunker_verify_audit", "bunker_audit_anchor", "bunker_verify_audit_anchor"}
READER = {"bunker_lookup", "bunker_get_user", "bunker_find_token", "bunker_get_users",
          "bunker_user_schema", "bunker_status", "bunker_authenticate"}
DECIDING = {"bunker_expiration", "bunker_retain_user", "bunker_delete_expired"}
EXPIRY = DECIDING | {"bunker_start_expiration", "bunker_cancel_expiration", "bunker_maintain"}
AGREEMENTS = {"bunker_list_legal_bases", "bunker_accept_agreement", "bunker_withdraw_agreement",
              "bunker_get_agreement", "bunker_list_agreements"}
REGISTRIES = {"bunker_set_legal_basis", "bunker_delete_legal_basis", "bunker_revoke_agreements",
              "bunker_set_activity", "bunker_delete_activity", "bunker_link_activity",
              "bunker_unlink_activity", "bunker_list_activities"}
BELONGINGS = {"bunker_set_app", "bunker_get_app", "bunker_update_app", "bunker_delete_app",
              "bunker_list_apps", "bunker_app_names", "bunker_create_session", "bunker_get_session",
              "bunker_list_sessions", "bunker_delete_session", "bunker_share", "bunker_get_shared",
              "bunker_revoke_share"}
REQUESTING = {"bunker_request", "bunker_user_requests", "bunker_get_request",
              "bunker_cancel_request"}
REPORTING = {"bunker_user_report", "bunker_user_report_html"}
ALLOWED = {
    "reader": READER,
    "app": READER | {"bunker_create_user", "bunker_create_users", "bunker_update_user",
                     "bunker_delete_user", "bunker_list_users", "bunker_user_versions",
                     "bunker_user_version", "bunker_login_code", "bunker_login", "bunker_events",
                     *DECIDING, *AGREEMENTS, *BELONGINGS, *REQUESTING},
    "dpo": {"bunker_authenticate", "bunker_audit", "bunker_audit_all", "bunker_audit_event",
            "bunker_tombstone", "bunker_list_users", "bunker_user_versions", "bunker_user_version",
            "bunker_user_schema", "bunker_status", "bunker_check", "bunker_app_names", "bunker_events",
            "bunker_list_requests", "bunker_approve_request", *REQUESTING, *REPORTING, *VERIFYING,
            *EXPIRY, *AGREEMENTS, *REGISTRIES},
    "admin": {"bunker_add_lookup", "bunker_reindex_lookup", "bunker_set_user_schema",
              "bunker_generate_key", "bunker_unlock_bulk", "bunker_tombstone", "bunker_list_users",
              "bunker_user_schema", "bunker_status", "bunker_check", "bunker_authenticate",
              "bunker_create_access_token", "bunker_revoke_access_token", "bunker_events",
              "bunker_import_rows", "bunker_export_bundle", "bunker_import_bundle", *VERIFYING, *EXPIRY},
    "stranger": set(),
}
# That of the user ann, in place of the one that was drawn.
EXPIRATION = "0f0e0d0c-0b0a-4908-8706-050403020100"
CALLS = {
    "bunker_create_user": "bunker_create_user('{\"login\": \"new\"}')",
    "bunker_create_users": "* FROM bunker_create_users('{}')",
    "bunker_lookup": "bunker_lookup('login', 'ann')",
    "bunker_get_user": "bunker_get_user(gen_random_uuid())",
    "bunker_find_token": "bunker_find_token('login', 'ann')",
    "bunker_get_users": "* FROM bunker_get_users('{}')",
    "bunker_update_user": "bunker_update_user('login', 'ann', '{\"age\": 1}')",
    "bunker_delete_user": "bunker_delete_user('login', 'ann')",
    "bunker_tombstone": "bunker_tombstone(gen_random_uuid())",
    "bunker_list_users": "* FROM bunker_list_users()",
    "bunker_user_versions": "* FROM bunker_user_versions('login', 'ann')",
    "bunker_user_version": "bunker_user_version('login', 'ann', 1)",
    "bunker_start_expiration": "bunker_start_expiration('login', 'ann')",
    "bunker_expiration": "bunker_expiration('login', 'ann')",
    "bunker_cancel_expiration": "bunker_cancel_expiration('login', 'ann')",
    "bunker_retain_user": f"bunker_retain_user('{EXPIRATION}')",
    "bunker_delete_expired": f"bunker_delete_expired('{EXPIRATION}')",
    "bunker_maintain": "bunker_maintain()",
    "bunker_set_app": "bunker_set_app('login', 'ann', 'shop', '{}')",
    "bunker_get_app": "bunker_get_app('login', 'ann', 'shop')",
    "bunker_update_app": "bunker_update_app('login', 'ann', 'club', '{}')",
    "bunker_delete_app": "bunker_delete_app('login', 'ann', 'shop')",
    "bunker_list_apps": "bunker_list_apps('login', 'ann')",
    "bunker_app_names": "bunker_app_names()",
    "bunker_create_session": "bunker_create_session('login', 'ann', '{}')",
    "bunker_get_session": "bunker_get_session(gen_random_uuid())",
    "bunker_list_sessions": "* FROM bunker_list_sessions('login', 'ann')",
    "bunker_delete_session": "bunker_delete_session(gen_random_uuid())",
    "bunker_share": "bunker_share('login', 'ann')",
    "bunker_get_shared": "bunker_get_shared(gen_random_uuid())",
    "bunker_revoke_share": "bunker_revoke_share(gen_random_uuid())",
    "bunker_add_lookup": "bunker_add_lookup('badge', '/badge')",
    "bunker_reindex_lookup": "bunker_reindex_lookup('login')",
    "bunker_set_user_schema": "bunker_set_user_schema('{}')",
    "bunker_user_schema": "bunker_user_schema()",
    "bunker_audit": "* FROM bunker_audit('login', 'ann')",
    "bunker_audit_all": "* FROM bunker_audit_all()",
    "bunker_audit_event": "bunker_audit_event(1)",
    "bunker_verify_audit": "* FROM bunker_verify_audit()",
    "bunker_audit_anchor": "bunker_audit_anchor()",
    "bunker_verify_audit_anchor": f"* FROM bunker_verify_audit_anchor('databunker-anchor:1:0:{0:064}')",
    "bunker_set_legal_basis": "bunker_set_legal_basis('contract')",
    "bunker_delete_legal_basis": "bunker_delete_legal_basis('news')",
    "bunker_list_legal_bases": "* FROM bunker_list_legal_bases()",
    "bunker_accept_agreement": "bunker_accept_agreement('login', 'ann', 'news')",
    "bunker_withdraw_agreement": "bunker_withdraw_agreement('login', 'ann', 'news')",
    "bunker_get_agreement": "bunker_get_agreement('login', 'ann', 'news')",
    "bunker_list_agreements": "* FROM bunker_list_agreements('login', 'ann')",
    "bunker_revoke_agreements": "bunker_revoke_agreements('news')",
    "bunker_set_activity": "bunker_set_activity('shipping')",
    "bunker_delete_activity": "bunker_delete_activity('mailing')",
    "bunker_link_activity": "bunker_link_activity('mailing', 'news')",
    "bunker_unlink_activity": "bunker_unlink_activity('mailing', 'news')",
    "bunker_list_activities": "* FROM bunker_list_activities()",
    "bunker_create_access_token": "bunker_create_access_token('made', 'bunker_reader')",
    "bunker_revoke_access_token": "bunker_revoke_access_token('made')",
    "bunker_authenticate": "bunker_authenticate('ACCESS_TOKEN')",
    "bunker_login_code": "bunker_login_code('login', 'ann')",
    "bunker_login": "bunker_login('login', 'ann', 'LOGIN_CODE')",
    "bunker_events": "* FROM bunker_events()",
    "bunker_user_report": "bunker_user_report('login', 'ann')",
    "bunker_user_report_html": "bunker_user_report_html('login', 'ann')",
    "bunker_unlock_bulk": "bunker_unlock_bulk('ticket 7')",
    "bunker_request": "bunker_request('login', 'ann', 'forget-me')",
    "bunker_list_requests": "* FROM bunker_list_requests()",
    "bunker_user_requests": "* FROM bunker_user_requests('login', 'ann')",
    "bunker_get_request": "bunker_get_request(gen_random_uuid())",
    "bunker_approve_request": "bunker_approve_request('REQUEST')",
    "bunker_cancel_request": "bunker_cancel_request('REQUEST')",
    "bunker_generate_key": "bunker_generate_key()",
    "bunker_status": "bunker_status()",
    "bunker_import_bundle": "bunker_import_bundle('{}')",
    "bunker_check": "* FROM bunker_check()",
    "bunker_import_rows": "* FROM bunker_import_rows('{}')",
    "bunker_export_bundle": "bunker_export_bundle('jsonl') LIMIT 1",
}


def statement(conn, function: str, role: str) -> str:
    """A call that succeeds if `role` may make it; the superuser `conn` makes the secrets it takes."""
    text = "SELECT " + CALLS[function]
    if "ACCESS_TOKEN" in text:
        role = role if role in GROUPS else "reader"
        text = text.replace("ACCESS_TOKEN", access_token(conn, role))
    if "LOGIN_CODE" in text:
        text = text.replace("LOGIN_CODE", call(conn, "bunker_login_code", "login", "ann"))
    if "'REQUEST'" in text:
        filed = call(conn, "bunker_request", "login", "ann", "forget-me")
        text = text.replace("REQUEST", str(filed))
    return text


@pytest.fixture
def stranger_conn(cluster, db):
    """A connection of a role that holds nothing."""
    cluster.psql("DO $$ BEGIN CREATE ROLE test_stranger LOGIN; "
                 "EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    with cluster.connect(db, "test_stranger") as connection:
        yield connection


def session(request, role: str) -> psycopg.Connection:
    return request.getfixturevalue(f"{role}_conn")


def functions(conn) -> list[tuple]:
    found = conn.execute(EXTENSION_FUNCTIONS).fetchall()
    assert len(found) >= len(SIGNATURES)
    return found


def test_public_may_execute_nothing(conn):
    allowed = [name for oid, name, *_ in functions(conn) if conn.execute(
        "SELECT has_function_privilege('public', %s::oid, 'EXECUTE')", [oid]).fetchone()[0]]
    assert allowed == []


def test_a_security_definer_function_has_its_search_path_pinned(conn):
    unpinned = [name for _, name, definer, config, *_ in functions(conn)
                if definer and config != ["search_path=pg_catalog, pg_temp"]]
    assert unpinned == []


def test_functions_are_volatile_and_never_parallel(conn):
    others = [name for _, name, _, _, volatile, parallel, _ in functions(conn)
              if (volatile, parallel) != ("v", "u")]
    assert others == []


def test_functions_return_plain_types(conn):
    returned = {row[6] for row in functions(conn)}
    odd = conn.execute(
        "SELECT oid::regtype::text FROM pg_type WHERE oid = ANY(%s) AND (typnamespace <> "
        "'pg_catalog'::regnamespace OR typtype NOT IN ('b', 'p')) OR oid = ANY(%s) AND "
        "typname = 'void'", [list(returned), list(returned)]).fetchall()
    assert odd == []


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_is_that_of_the_contract(conn, name):
    arguments, result = SIGNATURES[name]
    found = conn.execute(
        "SELECT pg_get_function_arguments(oid), pg_get_function_result(oid) FROM pg_proc "
        "WHERE proname = %s", [name]).fetchall()
    result = SHARED_RESULTS.get(result, result)
    shown = [(text.split(", TABLE(")[0], returns) for text, returns in found]
    assert shown == [(arguments, result)]


def test_no_function_is_overloaded(conn):
    names = [name for _, name, *_ in functions(conn)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("role", "function"), list(itertools.product(ALLOWED, CALLS)))
def test_a_role_may_call_what_the_contract_says(request, raises, conn, role, function):
    conn.execute("SELECT bunker_create_user('{\"login\": \"ann\"}')")
    conn.execute("SELECT bunker_start_expiration('login', 'ann')")
    conn.execute("UPDATE bunker.expiration SET expiration = %s", [EXPIRATION])
    conn.execute("SELECT bunker_set_legal_basis('news'), bunker_set_activity('mailing')")
    conn.execute("SELECT bunker_set_app('login', 'ann', 'club', '{}')")
    connection = session(request, role)
    text = statement(conn, function, role)
    if function in ALLOWED[role]:
        connection.execute(text)
    else:
        with raises("42501"):
            connection.execute(text)


def test_every_function_is_in_the_matrix(conn):
    callable_ones = {name for _, name, *_ in functions(conn) if name.startswith("bunker_")}
    assert callable_ones == set(CALLS)


# Tables ------------------------------------------------------------------------------------------

REACHES = ["SELECT * FROM {0}", "INSERT INTO {0} DEFAULT VALUES", "DELETE FROM {0}",
           "UPDATE {0} SET ctid = ctid", "TRUNCATE {0}", "COPY {0} TO STDOUT", "DO $$ BEGIN LOCK TABLE {0}; END $$",
           "COPY (SELECT * FROM {0}) TO STDOUT", "CREATE TEMP TABLE t (LIKE {0})",
           "CREATE TRIGGER t BEFORE INSERT ON {0} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
           "DROP TABLE {0}", "ALTER TABLE {0} ADD x int"]


@pytest.mark.parametrize("role", ALLOWED)
def test_nobody_reaches_a_table(request, conn, role):
    tables = [row[0] for row in conn.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'bunker'::regnamespace "
        "AND relkind IN ('r', 'p')")]
    assert len(tables) >= 7
    connection = session(request, role)
    for table, reach in itertools.product(tables, REACHES):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedColumn,
                            psycopg.errors.FeatureNotSupported)) as refused:
            connection.execute(reach.format(table))
        if not reach.startswith("UPDATE"):
            assert refused.value.sqlstate == "42501", reach


@pytest.mark.parametrize("role", ALLOWED)
@pytest.mark.parametrize("reach", ["SELECT nextval('bunker.audit_id')", "SELECT last_value FROM bunker.audit_id",
                                   "SELECT setval('bunker.audit_id', 1)",
                                   "SELECT nextval('bunker.event_id')",
                                   "SELECT bunker.record_changed()", "SELECT bunker.table_changed()",
                                   "CREATE TABLE bunker.mine (x int)"])
def test_nobody_reaches_the_rest_of_the_schema(request, role, reach):
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
        session(request, role).execute(reach)


@pytest.mark.parametrize("role", ALLOWED)
def test_statistics_show_no_row(request, conn, role):
    conn.execute("SELECT bunker_create_users(array_agg(jsonb_build_object('login', 'u' || n))) "
                 "FROM generate_series(1, 200) n")
    conn.execute("ANALYZE")
    assert conn.execute("SELECT count(*) FROM pg_stats WHERE schemaname = 'bunker'").fetchone()[0] > 0
    connection = session(request, role)
    for view in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
        rows = connection.execute(f"SELECT * FROM {view} WHERE schemaname = 'bunker'").fetchall()
        assert rows == []


@pytest.mark.parametrize("group", ["reader", "app", "dpo", "admin"])
def test_pg_dump_by_another_role_is_refused(cluster, db, conn, group):
    conn.execute("SELECT bunker_create_user('{\"login\": \"ann\"}')")
    done = cluster.run("pg_dump", dbname=db, user=f"test_{group}", check=False)
    assert done.returncode != 0
    assert "permission denied" in done.stderr
    assert "\\x" not in done.stdout  # how every row with sealed bytes or a digest would look


@pytest.mark.parametrize("role", ALLOWED)
def test_progress_shows_numbers_to_those_who_watch(request, role):
    """The one view that is granted, to bunker_dpo and bunker_admin."""
    connection = session(request, role)
    if role in ("dpo", "admin"):
        assert connection.execute("SELECT * FROM bunker.progress").fetchall() == []
    else:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM bunker.progress")
