"""How long the holder of an access token is who he is, and that nothing in SQL stretches it."""

import json

import psycopg
import pytest
from harness.events import trail
from harness.identity import access_token, acting, authenticate, log_in, sqlstate
from harness.vault import call, create

ANN = {"login": "ann"}
LIST = "SELECT count(*) FROM bunker_list_users()"


@pytest.fixture
def ann(conn):
    """The token of a user."""
    return create(conn, ANN)


@pytest.fixture
def reader_token(conn):
    """An access token that does not allow LIST."""
    return access_token(conn, "reader")


@pytest.fixture
def client(web):
    """A connection of a role that may do everything, but for its access token."""
    return web()


def is_narrowed(connection) -> bool:
    """Whether the reader's token is in force."""
    state = sqlstate(connection, LIST)
    assert state in (None, "42501")
    return state == "42501"


# The end of it --------------------------------------------------------------------------------

@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN",
                                 "COMMIT; BEGIN", "ABORT"])
def test_it_ends_with_the_transaction(client, reader_token, end):
    client.execute("BEGIN")
    authenticate(client, reader_token)
    assert is_narrowed(client)
    for statement in end.split(";"):
        client.execute(statement)
    assert not is_narrowed(client)
    client.execute("ROLLBACK")


def test_it_ends_with_a_transaction_that_fails(client, reader_token, raises):
    with raises("22012"), acting(client, reader_token):
        client.execute("SELECT 1 / 0")
    assert not is_narrowed(client)


def test_outside_a_transaction_it_ends_with_the_statement(client, reader_token):
    assert authenticate(client, reader_token)
    assert not is_narrowed(client)


def test_statements_that_are_sent_as_one_are_one(client, reader_token, raises):
    both = f"SELECT bunker_authenticate('{reader_token}'); {LIST}"
    with raises("42501", secrets=[reader_token]):
        client.execute(both.encode())
    assert not is_narrowed(client)


def test_a_pipeline_is_one_transaction_until_it_is_synchronised(client, reader_token, raises):
    with raises("42501", secrets=[reader_token]), client.pipeline():
        client.execute("SELECT bunker_authenticate(%s)", [reader_token])
        client.execute(LIST)
    assert not is_narrowed(client)


def test_a_commit_inside_a_procedure_ends_it(conn, client, reader_token):
    conn.execute("""
        CREATE PROCEDURE work(access_token text) LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM bunker_authenticate(access_token);
            COMMIT;
            PERFORM bunker_list_users();
        END $$""")
    client.execute("CALL work(%s)", [reader_token])
    assert not is_narrowed(client)


def test_where_a_token_is_required_a_commit_inside_a_procedure_leaves_nobody(conn, web, raises):
    conn.execute(f"ALTER ROLE {web.role} SET databunker.require_access_token = on")
    conn.execute("""
        CREATE PROCEDURE work(access_token text) LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM bunker_authenticate(access_token);
            PERFORM bunker_list_users();
            COMMIT;
            PERFORM bunker_list_users();
        END $$""")
    token = access_token(conn, "app")
    with raises("42501", secrets=[token]) as caught:
        web().execute("CALL work(%s)", [token])
    assert "bunker_authenticate" in caught.error.diag.message_hint


def test_a_prepared_transaction_takes_it_along(fresh_cluster):
    server = fresh_cluster({"max_prepared_transactions": "2"})
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, ANN)
        token = access_token(connection, "reader")
        connection.execute("BEGIN")
        authenticate(connection, token)
        assert is_narrowed(connection)
        connection.execute("PREPARE TRANSACTION 'one'")
        assert not is_narrowed(connection)
        with acting(connection, access_token(connection, "app")):
            assert not is_narrowed(connection)
        connection.execute("COMMIT PREPARED 'one'")
        assert not is_narrowed(connection)


# What does not end it -------------------------------------------------------------------------

def test_a_rollback_to_a_savepoint_does_not_take_it_back(client, reader_token):
    with client.transaction():
        with client.transaction(force_rollback=True):
            authenticate(client, reader_token)
        assert is_narrowed(client)


def test_a_caught_exception_does_not_take_it_back(client, reader_token):
    with client.transaction():
        client.execute(f"""
            DO $$ BEGIN
                PERFORM bunker_authenticate('{reader_token}');
                RAISE EXCEPTION 'undo';
            EXCEPTION WHEN raise_exception THEN NULL;
            END $$""")
        assert is_narrowed(client)


@pytest.mark.parametrize("statement", [
    "RESET ALL", "SET LOCAL ROLE bunker_app", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT",
    "DEALLOCATE ALL", "CLOSE ALL", "DISCARD PLANS", "DISCARD TEMP", "SET CONSTRAINTS ALL IMMEDIATE",
    "SELECT pg_advisory_xact_lock(1)", "LISTEN x"])
def test_no_command_inside_the_transaction_takes_it_off(client, reader_token, statement):
    with acting(client, reader_token):
        client.execute(statement)
        assert is_narrowed(client)


def test_discard_all_cannot_come_in_between(client, reader_token, raises):
    with raises("25001"), acting(client, reader_token):
        client.execute("DISCARD ALL")


def test_a_superuser_stays_narrowed_when_he_becomes_another(conn, web, reader_token):
    with acting(conn, reader_token):
        conn.execute(f"SET LOCAL SESSION AUTHORIZATION {web.role}")
        assert is_narrowed(conn)
        conn.execute("RESET SESSION AUTHORIZATION")
        assert is_narrowed(conn)


def test_it_covers_what_is_done_at_commit(conn, client, ann, reader_token, raises):
    """A cursor WITH HOLD is read at the end of its transaction, and a deferred trigger runs there."""
    with raises("42501"), acting(client, reader_token):
        client.execute(f"DECLARE held CURSOR WITH HOLD FOR {LIST}")
    with acting(client, access_token(conn, "app", "apollo")):
        client.execute(f"DECLARE held CURSOR WITH HOLD FOR {LIST}")
    assert client.execute("FETCH held").fetchone() == (1,)
    assert 'access_token="apollo"' in trail(conn)[0]["actor"]
    client.execute("""
        CREATE TEMP TABLE late (x int);
        CREATE FUNCTION pg_temp.list() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM bunker_list_users(); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION pg_temp.list()""")
    with raises("42501"), acting(client, reader_token):
        client.execute("INSERT INTO late VALUES (1)")


def test_the_last_one_who_authenticates_counts(conn, client, ann, reader_token):
    with acting(client, reader_token):
        assert is_narrowed(client)
        authenticate(client, access_token(conn, "app"))
        assert not is_narrowed(client)
        authenticate(client, reader_token)
        assert is_narrowed(client)


# Refusals -------------------------------------------------------------------------------------

def test_after_a_refusal_nothing_works_until_somebody_authenticates(conn, client, ann, raises,
                                                                  reader_token):
    with acting(client, access_token(conn, "app")):
        assert sqlstate(client, LIST) is None
        with raises("42501"), client.transaction():
            authenticate(client, "dbat_wrong")
        for statement in (LIST, "SELECT bunker_status()", f"SELECT bunker_get_user('{ann}')"):
            assert sqlstate(client, statement) == "42501"
        authenticate(client, reader_token)
        assert call(client, "bunker_get_user", ann) == ANN
        assert is_narrowed(client)


def test_code_that_ignores_a_refusal_does_not_go_on_as_nobody(client, ann, raises):
    """A wrapper that catches the error must not end up with the whole of the database role."""
    with raises("42501"):
        client.execute("""
            DO $$ BEGIN
                BEGIN
                    PERFORM bunker_authenticate('dbat_wrong');
                EXCEPTION WHEN insufficient_privilege THEN NULL;
                END;
                PERFORM bunker_list_users();
            END $$""")


def test_a_cancelled_authentication_is_a_refusal(conn, client, ann, raises):
    """One that hangs: whether a user lives cannot be read."""
    token, user_token = access_token(conn, "app"), log_in(conn, "ann")
    with acting(client, token):
        with conn.transaction():
            conn.execute("LOCK TABLE bunker.record IN ACCESS EXCLUSIVE MODE")
            with raises("57014", secrets=[user_token]), client.transaction():
                client.execute("SET LOCAL statement_timeout = '200ms'")
                authenticate(client, user_token)
        assert sqlstate(client, LIST) == "42501"
        authenticate(client, token)
        assert sqlstate(client, LIST) is None


# Whom the trail names -------------------------------------------------------------------------

@pytest.mark.parametrize("name", [
    "shop", 'a" user=00000000-0000-0000-0000-000000000000 claimed="b', "back\\slash\\", "é—日本 \U0001f511",
    "nobody", "access_token=refused", "\u2028user=root", " ", "x" * 63])
def test_the_trail_names_the_token_and_no_name_passes_for_another(conn, client, ann, raises, name):
    if name == " ":
        with raises("22023"):
            access_token(conn, "reader", name)
        return
    with acting(client, access_token(conn, "reader", name)) as who:
        assert who == name
        call(client, "bunker_get_user", ann)
    event = trail(conn)[0]
    quoted = json.dumps(name, ensure_ascii=False)
    assert (event["action"], event["status"]) == ("get_user", "ok")
    assert event["actor"] == f"{client.info.user} access_token={quoted}"


def test_what_a_client_claims_stays_behind_what_is_known(conn, client, ann, reader_token):
    client.execute("""SELECT set_config('databunker.actor', 'x" access_token="boss', false),
                             set_config('application_name', 'y" user=boss', false)""")
    with acting(client, reader_token):
        call(client, "bunker_get_user", ann)
    line = trail(conn)[0]["actor"]
    known, application = line.split(" application=", 1)
    assert known.startswith(f'{client.info.user} access_token="token ')
    assert application == '"y\\" user=boss" claimed="x\\" access_token=\\"boss"'


def test_a_refusal_is_named_as_one(conn, client, raises):
    with raises("42501"), client.transaction():
        with raises("42501"), client.transaction():
            authenticate(client, "dbat_wrong")
        call(client, "bunker_status")
    status, refusal = trail(conn)[:2]
    assert (refusal["action"], refusal["status"]) == ("authenticate", "denied")
    assert refusal["actor"] == client.info.user
    assert (status["action"], status["status"]) == ("status", "denied")
    assert status["actor"] == f"{client.info.user} access_token=refused"


# databunker.require_access_token --------------------------------------------------------------

@pytest.mark.parametrize("statement", [
    "SET databunker.require_access_token = off", "SET LOCAL databunker.require_access_token = off",
    "SELECT set_config('databunker.require_access_token', 'off', true)",
    "ALTER ROLE CURRENT_USER SET databunker.require_access_token = off",
    "ALTER ROLE CURRENT_USER RESET databunker.require_access_token",
    "SET databunker.self_service = 'forget-me'",
    "UPDATE pg_settings SET setting = 'off' WHERE name = 'databunker.require_access_token'"])
def test_a_role_cannot_free_itself(conn, web, raises, statement):
    conn.execute(f"ALTER ROLE {web.role} SET databunker.require_access_token = on")
    client = web()
    with raises("42501"):
        client.execute(statement)
    with raises("42501"):
        client.execute("RESET databunker.require_access_token")
    for reset in ("RESET ALL", "DISCARD ALL"):
        client.execute(reset)
        assert sqlstate(client, "SELECT bunker_status()") == "42501"


def test_a_client_cannot_connect_with_the_setting_off(conn, web):
    conn.execute(f"ALTER ROLE {web.role} SET databunker.require_access_token = on")
    with pytest.raises(psycopg.OperationalError, match="permission denied to set parameter"):
        web(options="-c databunker.require_access_token=off")


def test_where_a_token_is_required_each_transaction_needs_it(conn, web, ann, raises, reader_token):
    conn.execute(f"ALTER ROLE {web.role} SET databunker.require_access_token = on")
    client = web()
    for _ in range(2):
        with raises("42501") as caught:
            call(client, "bunker_get_user", ann)
        assert "bunker_authenticate" in caught.error.diag.message_hint
        with acting(client, reader_token):
            assert call(client, "bunker_get_user", ann) == ANN
