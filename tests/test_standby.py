"""A hot standby: reads leave no trace there, so they are refused or logged; a promoted one goes on."""

import json

import pytest

from harness import Cluster
from harness.events import trail
from harness.identity import access_token, acting, authenticate
from harness.standby import Standby
from harness.vault import call, create, find, rows
from harness.wait import wait_until

ANN = {"login": "ann", "email": "ann@example.com"}


@pytest.fixture
def pair(fresh_cluster):
    """pair(settings): a primary with a vault in use, and its standby with these settings."""
    standbys = []

    def start(settings: dict | None = None) -> tuple[Cluster, Standby]:
        primary = fresh_cluster({"wal_level": "replica", "max_wal_senders": "4"})
        primary.create_db("vault")
        with primary.connect("vault") as connection:
            connection.execute("CREATE ROLE test_app LOGIN IN ROLE bunker_app")
            create(connection, ANN)
        standbys.append(Standby(primary, settings or {}).__enter__())
        return primary, standbys[-1]

    yield start
    for standby in standbys:
        standby.destroy()


LOG = {"databunker.standby_reads": "log"}
WRITES = ["bunker_create_user('{\"login\": \"bob\"}')",
          "bunker_update_user('login', 'ann', '{}')", "bunker_delete_user('login', 'ann')",
          "bunker_add_lookup('tax', '/tax')", "bunker_set_user_schema(NULL)"]
READS = ["bunker_lookup('login', 'ann')", "bunker_lookup('login', 'nobody')",
         "bunker_get_user(gen_random_uuid())", "bunker_get_users(array[gen_random_uuid()])",
         "bunker_find_token('email', 'ann@example.com')", "bunker_user_versions('login', 'ann')",
         "bunker_user_version('login', 'ann', 1)", "bunker_tombstone(gen_random_uuid())",
         "bunker_list_users()", "bunker_events()"]


def logged(server: Cluster, since: int) -> list[dict]:
    """The events in the server log; each is one line, and JSON from the brace on."""
    lines = server.log(since).splitlines()
    return [json.loads(line[line.index("{"):]) for line in lines if '"databunker":"audit"' in line]


def test_a_standby_tells_nothing(pair):
    _, standby = pair()
    with standby.connect("vault") as reader:
        for mode in ("durable", "async", "transaction"):
            reader.execute(f"SET databunker.audit_reads = '{mode}'")
            for statement in READS + WRITES:
                with standby.raises("25006", secrets=["ann@example"]):
                    reader.execute(f"SELECT {statement}")
        # The trail itself holds no plaintext.
        assert len(rows(reader, "bunker_audit_all")) == 1
        assert call(reader, "bunker_status")["sealed"] is False
        with standby.raises("25006"):
            reader.execute("DO $$ BEGIN PERFORM bunker_lookup('login', 'ann');"
                           " EXCEPTION WHEN raise_exception THEN NULL; END $$")
    with standby.connect("vault", "test_app") as client, standby.raises("42501"):
        client.execute("SET databunker.standby_reads = 'log'")


def test_a_standby_reads_into_its_log(pair):
    primary, standby = pair(LOG)
    with standby.connect("vault") as reader, primary.connect("vault") as writer:
        assert find(reader, "email", "ANN@example.com")
        assert call(reader, "bunker_lookup", "login", "ann")["profile"]["login"] == "ann"
        for write in WRITES:
            with standby.raises("25006"):
                reader.execute(f"SELECT {write}")
        token = create(writer, {"login": "bob"})
        wait_until(lambda: find(reader, "login", "bob") == token, "the new user to arrive")
        call(writer, "bunker_add_lookup", "tax", "/tax")
        later = create(writer, {"tax": "T"})
        wait_until(lambda: len(rows(reader, "bunker_list_users")) == 3, "the taxed user to arrive")
        assert find(reader, "tax", "T") == later


def test_a_line_says_it_all(pair):
    _, standby = pair(LOG)
    with standby.connect("vault", "test_app", application_name="billing") as client:
        client.execute("SET databunker.reason = 'ticket \"7\"'; SET databunker.actor = 'b\nob'")
        mark = standby.log_mark()
        with client.transaction(force_rollback=True):
            found = call(client, "bunker_lookup", "email", "ann@example.com")
            # The line is there as soon as the plaintext is.
            [event] = logged(standby, mark)
    assert event.pop("at")
    assert event == {
        "databunker": "audit", "database": "vault", "action": "lookup", "status": "ok",
        "actor": 'test_app application="billing" claimed="b\\nob"', "kind": "email",
        "token": found["token"], "app": None, "reason": 'ticket "7"', "message": None}
    assert "ann@example.com" not in standby.log(mark)


def test_each_read_is_a_line(pair):
    _, standby = pair(LOG)
    with standby.connect("vault") as reader:
        token = find(reader, "login", "ann")
        mark = standby.log_mark()
        with standby.raises("22P02"):
            call(reader, "bunker_lookup", "token", "x")
        assert call(reader, "bunker_lookup", "login", "nobody") is None
        assert len(rows(reader, "bunker_get_users", [token] * 3)) == 3
        rows(reader, "bunker_list_users")
        assert [(e["action"], e["status"], e["token"]) for e in logged(standby, mark)] == [
            ("lookup", "failed", None), ("lookup", "not_found", None),
            *3 * [("get_users", "ok", str(token))], ("list_users", "ok", None)]


def test_the_longest_line(pair):
    _, standby = pair(LOG)
    longest = "\u0001" * 1_000
    with standby.connect("vault", application_name="a" * 63) as reader:
        for setting in ("databunker.reason", "databunker.actor"):
            reader.execute("SELECT set_config(%s, %s, false)", [setting, longest])
        mark = standby.log_mark()
        find(reader, "login", "ann")
        [event] = logged(standby, mark)
    assert event["reason"] == longest
    assert json.loads(event["actor"].partition("claimed=")[2]) == longest


# A client decides what he is sent, not what the server logs.
CLIENT = {"client_min_messages": "error", "log_statement": "none", "log_min_error_statement": "panic"}


@pytest.mark.parametrize("level", ["debug5", "warning", "error", "log"])
def test_the_level_of_the_log(pair, level):
    _, standby = pair(LOG)
    with standby.connect("vault") as reader:
        for name, value in (CLIENT | {"log_min_messages": level}).items():
            reader.execute(f"SET {name} = {value}")
        mark = standby.log_mark()
        assert call(reader, "bunker_lookup", "login", "ann")["profile"] == ANN
        assert [e["action"] for e in logged(standby, mark)] == ["lookup"]


@pytest.mark.parametrize("level", ["fatal", "panic"])
def test_a_log_that_would_drop_the_line(pair, level):
    _, standby = pair(LOG | {"log_min_messages": level})
    with standby.connect("vault") as reader:
        for statement in READS:
            with standby.raises("55000", secrets=["ann@example"]) as caught:
                reader.execute(f"SELECT {statement}")
            assert "log_min_messages" in caught.error.diag.message_hint


@pytest.fixture
def tokens(pair):
    """tokens(settings): a standby with these settings, and access tokens that it knows, by role."""
    def start(settings: dict | None = None) -> tuple[Cluster, dict]:
        primary, standby = pair(settings)
        with primary.connect("vault") as connection:
            made = {group: access_token(connection, group) for group in ("reader", "dpo")}
            arrived = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()[0]
        with standby.connect("vault") as reader:
            wait_until(lambda: reader.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn",
                                              [arrived]).fetchone()[0], "the tokens to arrive")
        return standby, made
    return start


def test_a_standby_that_logs_its_reads_takes_access_tokens(tokens):
    standby, made = tokens(LOG)
    with standby.connect("vault") as reader:
        mark = standby.log_mark()
        with acting(reader, made["reader"]) as name:
            assert call(reader, "bunker_lookup", "login", "ann")["profile"] == ANN
            with standby.raises("42501"), reader.transaction():
                rows(reader, "bunker_list_users")
        with standby.raises("42501", secrets=[made["dpo"]]), acting(reader, made["dpo"]):
            call(reader, "bunker_lookup", "login", "ann")
        with standby.raises("42501"):
            authenticate(reader, made["reader"][:-1])
        with standby.raises("25006"):
            call(reader, "bunker_login", "login", "ann", "12345678")
        events = [(e["action"], e["status"], "access_token=" in e["actor"]) for e in logged(standby, mark)]
    assert events[:2] == [("authenticate", "ok", False), ("lookup", "ok", True)]
    assert ("authenticate", "denied", False) in events
    assert f'access_token=\\"{name}\\"' in standby.log(mark)


def test_a_standby_that_tells_nothing_takes_no_access_token(tokens):
    """Then the transaction acts as nobody, and not as the database role."""
    standby, made = tokens()
    with standby.connect("vault") as reader, reader.transaction(force_rollback=True):
        with standby.raises("25006", secrets=[made["dpo"]]), reader.transaction():
            authenticate(reader, made["dpo"])
        with standby.raises("42501"), reader.transaction():
            rows(reader, "bunker_audit_all")


def test_a_promoted_standby_goes_on(pair):
    primary, standby = pair()
    primary.kill9()
    with standby.connect("vault") as connection:
        assert connection.execute("SELECT pg_promote()").fetchone() == (True,)
        assert create(connection, {"login": "bob"})
        ids = [row[0] for row in rows(connection, "bunker_audit_all")]
        assert ids == sorted(set(ids), reverse=True)
        assert len(ids) == 2


def test_the_trail_goes_on_after_promotion(pair):
    primary, standby = pair(LOG)
    with primary.connect("vault") as connection:
        for _ in range(3):
            call(connection, "bunker_lookup", "login", "ann")
        anchor = call(connection, "bunker_audit_anchor")
        assert rows(connection, "bunker_verify_audit")[0][:2] == (True, 4)
        arrived = connection.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
    reader = standby.connect("vault")
    wait_until(lambda: reader.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn",
                                      [arrived]).fetchone()[0], "the standby to catch up")
    mark = standby.log_mark()
    call(reader, "bunker_lookup", "login", "ann")
    assert len(logged(standby, mark)) == 1
    primary.kill9()
    assert reader.execute("SELECT pg_promote()").fetchone() == (True,)
    # The same session, which was on a standby when it began.
    with reader.transaction(force_rollback=True):
        assert call(reader, "bunker_lookup", "login", "ann")["profile"] == ANN
    reader.close()
    assert len(logged(standby, mark)) == 1
    with standby.connect("vault") as connection:
        assert [e["action"] for e in trail(connection)] == 4 * ["lookup"] + ["create_user"]
        ok, events, first_bad, detail = rows(connection, "bunker_verify_audit")[0]
        assert (ok, events, first_bad) == (True, 5, None), detail
        assert rows(connection, "bunker_verify_audit_anchor", anchor)[0][0] is True
