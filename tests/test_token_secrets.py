"""Access tokens, codes and MACs stand in no log, no error, no file and no event."""

import base64
import re

import psycopg
import pytest
from canary import TALKATIVE, fields_showing

from harness import Cluster
from harness.events import trail_text
from harness.identity import access_token, acting, authenticate
from harness.vault import call, create
from test_access_tokens import decoded

CODE = r"(?<![0-9a-f]){}(?![0-9a-f])"


@pytest.fixture(scope="module")
def server():
    """A server that logs all it can, and keeps statistics of statements where it has them."""
    extra = {"shared_preload_libraries": "databunker, auto_explain, pg_stat_statements",
             "auto_explain.log_min_duration": "0", "auto_explain.log_verbose": "on",
             "auto_explain.log_nested_statements": "on"}
    with Cluster(TALKATIVE | extra) as cluster:
        cluster.create_db("vault")
        with cluster.connect("vault") as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            create(connection, {"login": "ann"})
        yield cluster


# How a client may send a secret. Literals in a text are its own doing, and are masked in the log.
CURSORS = {"parameters": psycopg.Cursor, "literals": psycopg.ClientCursor}


@pytest.mark.parametrize("way", CURSORS)
def test_a_days_work_leaves_no_secret_behind(server, way):
    mark, errors = server.log_mark(), []
    with server.connect("vault", cursor_factory=CURSORS[way]) as client:
        token = access_token(client, "app")
        code = call(client, "bunker_login_code", "login", "ann")
        wrong = f"{(int(code) + 1) % 10**8:08}"
        forged = token[:40] + token[40:][::-1]
        for function, *arguments in (("bunker_authenticate", forged),
                                     ("bunker_login", "login", "ann", wrong),
                                     ("bunker_login", "login", "nobody", code),
                                     ("bunker_login", code, "ann", token),
                                     ("bunker_login", "token", token, code),
                                     ("bunker_login_code", "email", token),
                                     ("bunker_create_access_token", token + "\n", token),
                                     ("bunker_create_access_token", "x", token)):
            try:
                call(client, function, *arguments)
            except psycopg.Error as error:
                errors.append(error)
        assert len(errors) == 8
        users = call(client, "bunker_login", "login", "ann", code)
        for text in (token, users):
            with acting(client, text):
                call(client, "bunker_find_token", "login", "ann")
        macs = [row[0] for row in client.execute("SELECT mac FROM bunker.access_token")]
        events = trail_text(client)
        statistics = str(client.execute("SELECT query FROM pg_stat_statements").fetchall())
    log = server.log(mark)
    assert "bunker" in log
    for text in (token, forged, users):
        for secret in (text[5:], decoded(text)[16:].hex(), text[40:]):
            assert secret not in log
            assert secret not in events
            assert secret not in statistics
            assert [fields_showing(error, [secret]) for error in errors if fields_showing(error, [secret])] == []
        for secret in (text[5:].encode(), decoded(text)[16:], decoded(text)[16:].hex().encode()):
            assert server.files_holding(secret) == []
    for text in (code, wrong):
        for place in (log, events, statistics, *(str(error.diag.message_primary) + str(
                error.diag.message_hint) + str(error.diag.context) for error in errors)):
            assert re.search(CODE.format(text), place) is None
    for mac in macs:
        assert mac.hex() not in log + events + statistics
        assert base64.b64encode(mac).decode() not in log + events + statistics


def test_a_sealed_vault_takes_no_token(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as connection:
        create(connection, {"login": "ann"})
        token = access_token(connection, "reader", "shop")
        code = call(connection, "bunker_login_code", "login", "ann")
    key_file = server.settings["databunker.master_key_file"]
    server.restart(settings={"databunker.master_key_file": None})
    with server.connect("vault") as connection:
        for function, *arguments in (("bunker_authenticate", token), ("bunker_authenticate", "dbat_x"),
                                     ("bunker_login", "login", "ann", code),
                                     ("bunker_login_code", "login", "ann"),
                                     ("bunker_create_access_token", "new", "bunker_reader")):
            with server.raises("55000", secrets=[token, code]):
                call(connection, function, *arguments)
        # And leaves nobody behind who would have more than the token.
        with connection.transaction(force_rollback=True):
            with server.raises("55000"), connection.transaction():
                authenticate(connection, token)
            with server.raises("42501"), connection.transaction():
                call(connection, "bunker_status")
        assert call(connection, "bunker_revoke_access_token", "nothing") is False
    server.restart(settings={"databunker.master_key_file": key_file})
    with server.connect("vault") as connection:
        assert authenticate(connection, token) == "shop"
        assert call(connection, "bunker_login", "login", "ann", code)
