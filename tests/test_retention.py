"""The trail's retention: whole months go, and what is left still verifies."""

from pathlib import Path

import pytest

from harness import Cluster
from harness.vault import create, forget
from harness.wait import wait_until

ANN = {"login": "ann"}
# The library that makes a process see another time (Debian: faketime).
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def in_the_past(server: Cluster, days: int) -> dict:
    """What makes a server's sessions live so many days ago; their clocks run as fast as ours."""
    file = server.root / "time"
    file.write_text(f"-{days}d\n")
    file.chmod(0o644)
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}


def verdict(connection, anchor: str | None = None) -> tuple:
    """(ok, events, first_bad, detail)."""
    if anchor is None:
        return connection.execute("SELECT * FROM bunker_verify_audit()").fetchone()
    return connection.execute("SELECT * FROM bunker_verify_audit_anchor(%s)", [anchor]).fetchone()


def anchor_of(connection) -> str:
    return connection.execute("SELECT bunker_audit_anchor()").fetchone()[0]


def oldest_month(connection) -> str | None:
    return connection.execute("SELECT bunker_status() -> 'audit' ->> 'oldest_month'").fetchone()[0]


@pytest.fixture
def aged():
    """A server with a vault that was used 900 and 100 days ago, and its anchors from then."""
    with Cluster({"databunker.max_audit_retention": "100 years"}) as server:
        server.create_db("aged")
        anchors = []
        for days in (900, 100):
            server.stop()
            server.start(environment=in_the_past(server, days))
            with server.connect("aged") as connection:
                token = create(connection, {"login": f"user{days}"})
                for _ in range(5):
                    connection.execute("SELECT bunker_get_user(%s)", [token])
                assert verdict(connection)[0]
                anchors.append(anchor_of(connection))
        server.restart()
        yield server, anchors


def test_old_months_go_and_the_rest_verifies(aged):
    server, (older, newer) = aged
    with server.connect("aged") as connection:
        before = verdict(connection)
        assert before[0], before
        months = {row[0] for row in connection.execute(
            "SELECT date_trunc('month', at) FROM bunker.audit")}
        assert len(months) == 2
    server.restart(settings={"databunker.max_audit_retention": "12 months"})
    with server.connect("aged") as connection:
        connection.execute("SELECT bunker_lookup('login', 'nobody')")
        wait_until(lambda: connection.execute(
            "SELECT count(*) FROM bunker.audit_seal WHERE kind = 1").fetchone()[0] == 1,
            "the old month to be dropped", 20)
        left = {row[0] for row in connection.execute(
            "SELECT date_trunc('month', at) FROM bunker.audit")}
        assert min(months) not in left
        assert max(months) in left
        after = verdict(connection)
        assert after[0], after
        assert after[1] == before[1] - 6 + 1
        assert verdict(connection, newer)[0]
        gone = verdict(connection, older)
        # The last seal that was dropped is the one that the oldest kept seal continues.
        assert gone[0] or "retention" in gone[3]
        # The months' users are still there: only what was done with them has gone.
        assert connection.execute("SELECT count(*) FROM bunker_list_users()").fetchone()[0] == 2
        assert forget(connection, "login", "user900")
        assert verdict(connection)[0]


def test_removing_more_than_retention_did_shows(aged):
    server, _ = aged
    server.restart(settings={"databunker.max_audit_retention": "12 months"})
    with server.connect("aged") as connection:
        connection.execute("SELECT bunker_lookup('login', 'nobody')")
        wait_until(lambda: connection.execute(
            "SELECT count(*) FROM bunker.audit_seal WHERE kind = 1").fetchone()[0] == 1,
            "the old month to be dropped", 20)
        assert verdict(connection)[0]
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET databunker.actor = 'me'")
        month = connection.execute("SELECT min(month) FROM bunker.audit_seal WHERE kind = 0").fetchone()
        connection.execute("DELETE FROM bunker.audit WHERE at < now() - interval '1 month'")
        assert not verdict(connection)[0]
        connection.execute("DELETE FROM bunker.audit_seal WHERE kind = 0 AND month = %s", month)
        found = verdict(connection)
        assert not found[0], found


def test_the_trail_stays_while_the_setting_is_unusable(aged):
    server, _ = aged
    server.restart(settings={"databunker.max_audit_retention": "7 yeers"})
    with server.connect("aged") as connection:
        events = connection.execute("SELECT count(*) FROM bunker.audit").fetchone()[0]
        connection.execute("SELECT bunker_lookup('login', 'nobody')")
        connection.execute("SELECT pg_sleep(2)")
        assert connection.execute("SELECT count(*) FROM bunker.audit").fetchone()[0] == events + 1
        assert verdict(connection)[0]
