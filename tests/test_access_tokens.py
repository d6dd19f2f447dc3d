"""Access tokens: which are taken, and that nothing about one can be forged, guessed or altered."""

import base64
import re
import secrets
import time

import pytest
from harness.events import events_of, trail
from harness.identity import access_token, acting, authenticate, log_in, sqlstate
from harness.vault import call, create

ANN = {"login": "ann", "email": "ann@example.com"}
LIST = "SELECT count(*) FROM bunker_list_users()"


@pytest.fixture
def client(web):
    """A connection of a role that may do everything, but for its access token."""
    return web()


def decoded(token: str) -> bytes:
    """Id and secret."""
    return base64.urlsafe_b64decode(token.removeprefix("dbat_"))


def encoded(data: bytes) -> str:
    """A token with these bytes."""
    return "dbat_" + base64.urlsafe_b64encode(data).decode()


# Making them ----------------------------------------------------------------------------------

def test_a_token_has_384_random_bits_and_is_kept_without_them(conn):
    tokens = [access_token(conn, "app") for _ in range(50)]
    assert all(re.fullmatch(r"dbat_[A-Za-z0-9_-]{64}", token) for token in tokens)
    assert len({decoded(token)[:16] for token in tokens} | {decoded(token)[16:] for token in tokens}) == 100
    stored = conn.execute("SELECT id, mac, t::text FROM bunker.access_token AS t").fetchall()
    assert {row[0].bytes for row in stored} == {decoded(token)[:16] for token in tokens}
    for token in tokens:
        for _, mac, text in stored:
            assert len(mac) == 32
            assert decoded(token)[16:].hex() not in text
            assert token not in text


@pytest.mark.parametrize("name", ["", " ", "\t", "a\n", "a\x01b", "x" * 64, "ü" * 32, None,
                                  "2f6c1a9e-5b0d-4c3e-9a51-0d6a7b1f2c34",
                                  "{2F6C1A9E-5B0D-4C3E-9A51-0D6A7B1F2C34}"])
def test_a_name_is_short_plain_and_no_users_token(conn, raises, name):
    with raises("22023", secrets=[name] if name and len(name) > 3 else []):
        call(conn, "bunker_create_access_token", name, "bunker_app")


@pytest.mark.parametrize("name", ["user", " User "])
def test_no_application_stands_in_a_request_as_the_user_himself(conn, raises, name):
    with raises("22023"):
        call(conn, "bunker_create_access_token", name, "bunker_app")


@pytest.mark.parametrize("role", ["reader", "bunker_reader ", "BUNKER_APP", "postgres", "", None])
def test_a_role_is_one_of_ours(conn, raises, role):
    with raises("22023"):
        call(conn, "bunker_create_access_token", "shop", role)


@pytest.mark.parametrize("ttl", ["0", "-1 second", "1 month -40 days", "-178000000 years"])
def test_a_lifetime_is_longer_than_nothing(conn, raises, ttl):
    with raises("22023"):
        access_token(conn, "app", ttl=ttl)


@pytest.mark.parametrize("ttl", ["1 minute", "100 years", "178000000 years", None])
def test_a_lifetime_may_be_as_long_as_one_likes(conn, client, ttl):
    assert authenticate(client, access_token(conn, "app", "shop", ttl)) == "shop"


def test_a_name_is_used_once_at_a_time(conn, raises):
    token = access_token(conn, "app", "shop")
    with raises("23505", secrets=[token]):
        access_token(conn, "reader", "shop")
    assert call(conn, "bunker_revoke_access_token", "shop") is True
    assert access_token(conn, "reader", "shop") != token


def test_a_token_that_was_rolled_back_never_was(conn, client, raises):
    with conn.transaction(force_rollback=True):
        token = access_token(conn, "app")
        assert authenticate(conn, token)
    with raises("42501", secrets=[token]):
        authenticate(client, token)


def test_making_and_revoking_leave_events(conn, raises):
    access_token(conn, "app", "shop")
    call(conn, "bunker_revoke_access_token", "shop")
    assert call(conn, "bunker_revoke_access_token", "shop") is False
    assert [(e["action"], e["status"], e["app"]) for e in trail(conn)] == [
        ("revoke_access_token", "not_found", None), ("revoke_access_token", "ok", "shop"),
        ("create_access_token", "ok", "shop")]


# Forged ---------------------------------------------------------------------------------------

FORGERIES = {
    "a wrong secret": lambda token, _: encoded(decoded(token)[:16] + secrets.token_bytes(32)),
    "one wrong bit": lambda token, _: encoded(decoded(token)[:-1] + bytes([decoded(token)[-1] ^ 1])),
    "a wrong id": lambda token, _: encoded(secrets.token_bytes(16) + decoded(token)[16:]),
    "another one's secret": lambda token, other: encoded(decoded(token)[:16] + decoded(other)[16:]),
    "random": lambda *_: encoded(secrets.token_bytes(48)),
    "zeros": lambda *_: encoded(bytes(48)),
    "nothing": lambda *_: "",
    "NULL": lambda *_: None,
    "the prefix": lambda *_: "dbat_",
    "no prefix": lambda token, _: token.removeprefix("dbat_"),
    "another prefix": lambda token, _: token.replace("dbat_", "DBAT_"),
    "two prefixes": lambda token, _: "dbat_" + token,
    "truncated": lambda token, _: token[:-1],
    "truncated by whole bytes": lambda token, _: token[:-4],
    "longer": lambda token, _: token + "AAAA",
    "twice": lambda token, _: token + token.removeprefix("dbat_"),
    "huge": lambda token, _: token + "A" * 20_000_000,
    "padded": lambda token, _: token + "=",
    "the other alphabet": lambda token, _: "dbat_" + base64.b64encode(decoded(token)).decode(),
    "a newline": lambda token, _: token + "\n",
    "a space": lambda token, _: " " + token,
    "wide letters": lambda token, _: "".join(chr(ord(c) + 0xFEE0) for c in token),
    "an invisible letter": lambda token, _: token + "\u200b",
    "hex": lambda token, _: "dbat_" + decoded(token).hex(),
    "the name": lambda *_: "shop",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(conn, client, raises, forgery):
    token, other = access_token(conn, "app", "shop"), access_token(conn, "app", "other")
    while "-" not in token[5:] and "_" not in token[5:]:
        call(conn, "bunker_revoke_access_token", "shop")
        token = access_token(conn, "app", "shop")
    forged = FORGERIES[forgery](token, other)
    assert forged not in (token, other)
    with client.transaction():
        with raises("42501", secrets=[token, token[5:]]) as caught, client.transaction():
            authenticate(client, forged)
        assert caught.error.diag.message_primary == "no valid access token was given"
        assert sqlstate(client, LIST) == "42501"
    assert authenticate(client, token) == "shop"


def test_an_expired_token_is_refused(conn, client, raises):
    token = access_token(conn, "app", ttl="1 second")
    with acting(client, token):
        time.sleep(1.1)
        # It was valid when the transaction said who it is.
        assert sqlstate(client, LIST) is None
        with raises("42501", secrets=[token]), client.transaction():
            authenticate(client, token)
        assert sqlstate(client, LIST) == "42501"


def test_a_revoked_token_is_refused_from_the_next_authentication_on(conn, client, raises):
    """A transaction that goes on is not interrupted, nor does it see the past when it asks again."""
    token = access_token(conn, "app", "shop")
    client.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    authenticate(client, token)
    assert call(conn, "bunker_revoke_access_token", "shop") is True
    assert sqlstate(client, LIST) is None
    with raises("42501", secrets=[token]), client.transaction():
        authenticate(client, token)
    client.execute("ROLLBACK")
    for _ in range(3):
        with raises("42501", secrets=[token]):
            authenticate(client, token)
    # The name's next token is another one.
    access_token(conn, "app", "shop")
    with raises("42501", secrets=[token]):
        authenticate(client, token)


def test_the_tokens_of_a_user_are_revoked_by_his_own(conn, client, raises):
    ann, bob = create(conn, ANN), create(conn, {"login": "bob"})
    tokens = [log_in(conn, "ann"), log_in(conn, "ann"), log_in(conn, "bob")]
    assert authenticate(client, tokens[0]) == str(ann)
    assert call(conn, "bunker_revoke_access_token", str(ann)) is True
    assert call(conn, "bunker_revoke_access_token", str(ann)) is False
    for token in tokens[:2]:
        with raises("42501", secrets=[token]):
            authenticate(client, token)
    assert authenticate(client, tokens[2]) == str(bob)
    assert [e["status"] for e in events_of(conn, ann, "revoke_access_token")] == [
        "ok", "ok", "not_found"]


# Altered --------------------------------------------------------------------------------------

# What a superuser does to the row of `shop` (or of a user's token), to make more of it.
ALTERATIONS = {
    "role": "UPDATE bunker.access_token SET role = 'bunker_admin' WHERE name = 'shop'",
    "no role": "UPDATE bunker.access_token SET role = NULL WHERE name = 'shop'",
    "name": "UPDATE bunker.access_token SET name = 'boss' WHERE name = 'shop'",
    "a longer life": "UPDATE bunker.access_token SET expires_at = expires_at + '1 day' WHERE name = 'shop'",
    "an endless life": "UPDATE bunker.access_token SET expires_at = NULL WHERE name = 'shop'",
    "a user": "UPDATE bunker.access_token SET token = %(bob)s WHERE name = 'shop'",
    "a user's alone": "UPDATE bunker.access_token SET token = %(bob)s, name = NULL, role = NULL WHERE name = 'shop'",
    "another's MAC": "UPDATE bunker.access_token SET mac = (SELECT mac FROM bunker.access_token"
                     " WHERE name = 'other') WHERE name = 'shop'",
    "no MAC": "UPDATE bunker.access_token SET mac = '' WHERE name = 'shop'",
    "half a MAC": "UPDATE bunker.access_token SET mac = substr(mac, 1, 16) WHERE name = 'shop'",
    "name and role run together": "UPDATE bunker.access_token SET name = 'shopbunker_',"
                                  " role = 'reader' WHERE name = 'shop'",
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_token_is_refused(conn, client, raises, alteration):
    bob = create(conn, {"login": "bob"})
    token = access_token(conn, "reader", "shop", "1 hour")
    access_token(conn, "admin", "other", "1 hour")
    assert authenticate(client, token) == "shop"
    assert conn.execute(ALTERATIONS[alteration], {"bob": bob}).rowcount == 1
    with raises("42501", secrets=[token]):
        authenticate(client, token)
    assert "direct_update" in {event["action"] for event in trail(conn)}


@pytest.mark.parametrize("alteration", [
    "token = %(bob)s", "name = 'boss', role = 'bunker_admin', token = NULL",
    "role = 'bunker_admin'", "expires_at = expires_at + '1 year'", "expires_at = NULL"])
def test_an_altered_login_is_refused(conn, client, raises, alteration):
    create(conn, ANN)
    bob = create(conn, {"login": "bob"})
    token = log_in(conn, "ann")
    conn.execute(f"UPDATE bunker.access_token SET {alteration}", {"bob": bob})
    with raises("42501", secrets=[token]):
        authenticate(client, token)


def test_a_copied_row_is_nobodys(conn, client, raises):
    token = access_token(conn, "reader", "shop")
    copy = conn.execute("""
        INSERT INTO bunker.access_token
        SELECT gen_random_uuid(), 'copy', 'bunker_admin', NULL, created_at, created_by, NULL, mac
          FROM bunker.access_token RETURNING id""").fetchone()[0]
    with raises("42501", secrets=[token]):
        authenticate(client, encoded(copy.bytes + decoded(token)[16:]))


def test_a_revoked_row_that_is_put_back_works_again_and_leaves_an_event(conn, client):
    """Its writer can write all tables: SECURITY.md says so."""
    token = access_token(conn, "reader", "shop")
    row = conn.execute("SELECT * FROM bunker.access_token").fetchone()
    call(conn, "bunker_revoke_access_token", "shop")
    conn.execute("INSERT INTO bunker.access_token VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", row)
    assert authenticate(client, token) == "shop"
    assert ("direct_insert", "shop") in {(event["action"], event["app"]) for event in trail(conn)}


def test_an_expired_row_cannot_be_revived(conn, client, raises):
    token = access_token(conn, "app", "shop", "1 second")
    time.sleep(1.1)
    conn.execute("UPDATE bunker.access_token SET expires_at = now() + '1 day'")
    with raises("42501", secrets=[token]):
        authenticate(client, token)
