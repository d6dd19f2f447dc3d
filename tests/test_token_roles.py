"""An access token narrows what its database role may do, to what its own role may, and never widens it."""

import pytest
from conftest import GROUPS
from harness.identity import access_token, acting, authenticate, sqlstate
from harness.vault import call, create
from test_privileges import functions, statement

ANN = {"login": "ann"}
OPEN = {"bunker_authenticate"}
# Granted to applications for users who have logged in, and for nobody else.
FOR_SUBJECTS = {"app": {"bunker_user_report", "bunker_user_report_html"}}


@pytest.fixture
def ann(conn):
    """The token of a user."""
    return create(conn, ANN)


def ours(conn) -> list[tuple[int, str]]:
    """Oid and name of every function that callers may be granted."""
    found = [(oid, name) for oid, name, *_ in functions(conn) if name.startswith("bunker_")]
    assert len(found) > 30
    return found


def refused(conn, shared, access_token_text: str | None, role: str) -> set[str]:
    """The functions that fail with 42501 for who authenticates so, each in a transaction of its own."""
    names = set()
    for _, name in ours(conn):
        text = statement(conn, name, role)
        with shared.transaction(force_rollback=True):
            if access_token_text is not None:
                sqlstate(shared, "SELECT bunker_authenticate(%s)", [access_token_text])
            if sqlstate(shared, text) == "42501":
                names.add(name)
    return names


@pytest.mark.parametrize("group", GROUPS)
def test_a_token_may_call_exactly_what_is_granted_to_its_role(conn, ann, web, group):
    """The same for every function, also for those that are yet to be written."""
    not_granted = {name for oid, name in ours(conn) if not conn.execute(
        "SELECT has_function_privilege(%s, %s::oid, 'EXECUTE')",
        [f"bunker_{group}", oid]).fetchone()[0]}
    assert not_granted
    not_alone = FOR_SUBJECTS.get(group, set())
    assert refused(conn, web(), access_token(conn, group), group) == not_granted | not_alone


def test_without_a_token_the_grants_alone_decide(conn, ann, web):
    assert refused(conn, web(), None, "reader") == set()


def test_a_refused_token_leaves_nothing_to_call(conn, ann, web):
    everything = {name for _, name in ours(conn)} - OPEN
    assert refused(conn, web(), access_token(conn, "app")[:-1], "reader") == everything


def test_where_a_token_is_required_nobody_calls_without(conn, ann, web):
    conn.execute(f"ALTER ROLE {web.role} SET databunker.require_access_token = on")
    everything = {name for _, name in ours(conn)} - OPEN
    assert refused(conn, web(), None, "reader") == everything


@pytest.mark.parametrize("group", GROUPS)
def test_a_database_role_needs_the_role_of_its_token(conn, connect_as, raises, group):
    has = {"reader": {"reader", "app"}}.get(group, {group})
    token = access_token(conn, group)
    for login in GROUPS:
        client = connect_as(login)
        if login in has:
            assert authenticate(client, token).startswith("token ")
        else:
            with raises("42501", secrets=[token]):
                authenticate(client, token)


def test_a_role_that_does_not_inherit_lacks_what_it_could_become(cluster, conn, db, raises):
    conn.execute("CREATE ROLE careful LOGIN NOINHERIT IN ROLE bunker_app;"
                 " GRANT EXECUTE ON FUNCTION bunker_authenticate TO careful")
    token = access_token(conn, "app")
    with cluster.connect(db, "careful") as client:
        with raises("42501", secrets=[token]):
            authenticate(client, token)
        client.execute("SET ROLE bunker_app")
        assert authenticate(client, token)
    conn.execute("DROP OWNED BY careful; DROP ROLE careful")


def test_a_token_binds_superusers_and_their_functions_too(conn, ann, web):
    token = access_token(conn, "reader")
    conn.execute("""CREATE FUNCTION everyone() RETURNS bigint LANGUAGE sql SECURITY DEFINER
                    AS $$ SELECT count(*) FROM bunker_list_users() $$""")
    for connection in (conn, web()):
        assert connection.execute("SELECT everyone()").fetchone() == (1,)
        with acting(connection, token):
            assert call(connection, "bunker_get_user", ann) == ANN
            assert sqlstate(connection, "SELECT everyone()") == "42501"
            assert sqlstate(connection, "SELECT bunker_create_user('{\"login\": \"x\"}')") == "42501"


def test_roles_are_not_widened_by_set_role(conn, ann, web):
    client = web()
    with acting(client, access_token(conn, "admin"), rollback=True):
        client.execute("SET LOCAL ROLE bunker_app")
        # The token does not have bunker_app, the current role does not have bunker_admin.
        for text in ("bunker_get_user(gen_random_uuid())", "bunker_generate_key()"):
            assert sqlstate(client, f"SELECT {text}") == "42501"


def test_no_calls_at_all_are_calls_too(conn, web):
    """An empty array has nobody in it, but who may ask?"""
    client = web()
    with acting(client, access_token(conn, "dpo")):
        assert sqlstate(client, "SELECT * FROM bunker_get_users('{}')") == "42501"
        assert sqlstate(client, "SELECT * FROM bunker_create_users('{}')") == "42501"


def test_the_tables_stay_closed_whatever_the_token(conn, ann, web):
    client = web()
    with acting(client, access_token(conn, "admin"), rollback=True):
        for table in ("access_token", "login_code", "record"):
            for text in (f"SELECT * FROM bunker.{table}", f"DELETE FROM bunker.{table}"):
                assert sqlstate(client, text) == "42501"
