"""Wrong access tokens are counted over all sessions, whatever is rolled back, and each is an event."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from harness.events import trail
from harness.identity import access_token, authenticate
from harness.vault import call
from test_access_tokens import decoded, encoded

WRONG_SECRETS, UNKNOWN_TOKENS = 10, 20


def state(client, token: str) -> str | None:
    """How authentication with a token ends, in a transaction that is rolled back."""
    try:
        with client.transaction(force_rollback=True):
            authenticate(client, token)
    except psycopg.Error as error:
        assert token not in str(error)
        return error.sqlstate
    return None


def wrong(token: str) -> str:
    """The token with another secret."""
    return encoded(decoded(token)[:16] + secrets.token_bytes(32))


def unknown() -> str:
    """A token that nobody ever got."""
    return encoded(secrets.token_bytes(48))


def denied(conn) -> int:
    """How many refused authentications the trail has."""
    return len([event for event in trail(conn, None, 10_000)
                if (event["action"], event["status"]) == ("authenticate", "denied")])


def test_wrong_secrets_lock_a_token_for_a_minute_and_unknown_tokens_a_role(conn, web, connect_as):
    """The one test that waits for a minute to pass: the counter's clock is one that nobody can set."""
    token, other = access_token(conn, "app"), access_token(conn, "app")
    began = time.monotonic()
    assert [state(web(), wrong(token)) for _ in range(WRONG_SECRETS)] == ["42501"] * WRONG_SECRETS
    # From here on not even the right one, for anyone.
    for client in (web(), connect_as("app"), conn):
        assert state(client, wrong(token)) == "54000"
        assert state(client, token) == "54000"
        assert state(client, other) is None
    client = web()
    assert [state(client, unknown()) for _ in range(UNKNOWN_TOKENS)] == ["42501"] * UNKNOWN_TOKENS
    assert state(client, unknown()) == state(web(), "dbat_") == "54000"
    # Others, and whoever has a real token, do not suffer.
    assert state(connect_as("app"), unknown()) == "42501"
    assert state(client, other) is None
    assert denied(conn) == WRONG_SECRETS + 6 + UNKNOWN_TOKENS + 2 + 1

    assert time.monotonic() - began < 50, "too slow to tell"
    time.sleep(began + 45 - time.monotonic())
    assert state(client, token) == "54000"
    time.sleep(began + 75 - time.monotonic())
    assert state(client, token) is None
    assert state(client, unknown()) == "42501"
    assert state(client, wrong(token)) == "42501"


def test_attempts_at_the_same_time_are_all_counted(conn, web):
    token = access_token(conn, "app")
    clients = [web() for _ in range(8)]
    with ThreadPoolExecutor(len(clients)) as pool:
        five = [pool.submit(lambda c: [state(c, wrong(token)) for _ in range(5)], client)
                for client in clients]
        states = [found for future in five for found in future.result()]
    assert states.count("42501") == WRONG_SECRETS
    assert states.count("54000") == 40 - WRONG_SECRETS
    assert state(clients[0], token) == "54000"
    assert denied(conn) == 41


def test_right_tokens_are_not_counted(conn, web):
    token = access_token(conn, "app")
    client = web()
    assert {state(client, token) for _ in range(50)} == {None}
    for _ in range(WRONG_SECRETS - 1):
        assert state(client, wrong(token)) == "42501"
    assert {state(client, token) for _ in range(50)} == {None}


def test_a_session_that_is_killed_takes_no_try_back(conn, web):
    token = access_token(conn, "app")
    for _ in range(WRONG_SECRETS):
        client = web()
        client.execute("BEGIN")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            authenticate(client, wrong(token))
        conn.execute("SELECT pg_terminate_backend(%s, 5000)", [client.info.backend_pid])
    assert state(web(), token) == "54000"


def test_a_revoked_token_is_an_unknown_one(conn, web):
    client = web()
    token = access_token(conn, "app", "shop")
    call(conn, "bunker_revoke_access_token", "shop")
    assert [state(client, token) for _ in range(UNKNOWN_TOKENS)] == ["42501"] * UNKNOWN_TOKENS
    assert state(client, token) == "54000"


def test_without_preloading_wrong_tokens_are_refused_uncounted(fresh_cluster):
    """256 random bits are not guessed. Codes are, so logging in needs the shared memory."""
    server = fresh_cluster({"databunker.audit_reads": "transaction"}, preload=False)
    server.create_db("vault")
    with server.connect("vault") as connection:
        connection.execute("SELECT bunker_create_user('{\"login\": \"ann\"}')")
        token = access_token(connection, "reader", "shop")
        assert {state(connection, wrong(token)) for _ in range(WRONG_SECRETS + 5)} == {"42501"}
        assert {state(connection, unknown()) for _ in range(UNKNOWN_TOKENS + 5)} == {"42501"}
        with connection.transaction():
            assert authenticate(connection, token) == "shop"
            with server.raises("42501"), connection.transaction():
                connection.execute("SELECT bunker_list_users()")
        for statement in ("bunker_login_code('login', 'ann')", "bunker_login('login', 'ann', '1')",
                          "bunker_login('login', 'nobody', '1')"):
            with server.raises("55000", secrets=["ann"]) as caught:
                connection.execute(f"SELECT {statement}")
            assert "shared_preload_libraries" in caught.error.diag.message_hint
        # A client cannot set beforehand, as an unknown setting, what binds him.
        connection.execute("CREATE ROLE web LOGIN IN ROLE bunker_reader;"
                           " ALTER ROLE web SET databunker.require_access_token = on")
    with server.connect("vault", "web") as client:
        try:
            client.execute("SET databunker.require_access_token = off")
        except psycopg.errors.InsufficientPrivilege:
            pass  # the role's own settings had the library declared already
        with server.raises("42501"):
            client.execute("SELECT bunker_status()")
