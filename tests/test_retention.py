"""The trail's retention: whole months go, and what is left still verifies."""

import pytest

from harness import Cluster
from harness.clock import Clock
from harness.trail import take_anchor, verify
from harness.vault import create, forget
from harness.wait import wait_until


def await_retention(connection) -> None:
    """Starts the audit writer, and returns once he has dropped what is too old."""
    connection.execute("SELECT bunker_lookup('login', 'nobody')")
    wait_until(lambda: connection.execute(
        "SELECT count(*) FROM bunker.audit_seal WHERE kind = 1").fetchone()[0] == 1,
        "the old month to be dropped", 20)


@pytest.fixture
def aged():
    """A server with a vault that was used 900 and 100 days ago, and its anchors from then."""
    with Cluster({"databunker.max_audit_retention": "100 years"}) as server:
        server.create_db("aged")
        anchors, clock = [], Clock(server)
        for days in (900, 100):
            server.stop()
            clock.set(-days)
            server.start(environment=clock.environment)
            with server.connect("aged") as connection:
                token = create(connection, {"login": f"user{days}"})
                for _ in range(5):
                    connection.execute("SELECT bunker_get_user(%s)", [token])
                assert verify(connection)[0]
                anchors.append(take_anchor(connection))
        server.restart()
        yield server, anchors


def test_old_months_go_and_the_rest_verifies(aged):
    server, (older, newer) = aged
    with server.connect("aged") as connection:
        before = verify(connection)
        assert before[0], before
        months = {row[0] for row in connection.execute(
            "SELECT date_trunc('month', at) FROM bunker.audit")}
        assert len(months) == 2
    server.restart(settings={"databunker.max_audit_retention": "12 months"})
    with server.connect("aged") as connection:
        await_retention(connection)
        left = {row[0] for row in connection.execute(
            "SELECT date_trunc('month', at) FROM bunker.audit")}
        assert min(months) not in left
        assert max(months) in left
        after = verify(connection)
        assert after[0], after
        assert after[1] == before[1] - 6 + 1
        assert verify(connection, newer)[0]
        gone = verify(connection, older)
        # The last seal that was dropped is the one that the oldest kept seal continues.
        assert gone[0] or "retention" in gone[3]
        # The months' users are still there: only what was done with them has gone.
        assert connection.execute("SELECT count(*) FROM bunker_list_users()").fetchone()[0] == 2
        assert forget(connection, "login", "user900")
        assert verify(connection)[0]


def test_removing_more_than_retention_did_shows(aged):
    server, _ = aged
    server.restart(settings={"databunker.max_audit_retention": "12 months"})
    with server.connect("aged") as connection:
        await_retention(connection)
        assert verify(connection)[0]
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET databunker.actor = 'me'")
        month = connection.execute("SELECT min(month) FROM bunker.audit_seal WHERE kind = 0").fetchone()
        connection.execute("DELETE FROM bunker.audit WHERE at < now() - interval '1 month'")
        assert not verify(connection)[0]
        connection.execute("DELETE FROM bunker.audit_seal WHERE kind = 0 AND month = %s", month)
        found = verify(connection)
        assert not found[0], found


def test_the_trail_stays_while_the_setting_is_unusable(aged):
    server, _ = aged
    server.restart(settings={"databunker.max_audit_retention": "7 yeers"})
    with server.connect("aged") as connection:
        events = connection.execute("SELECT count(*) FROM bunker.audit").fetchone()[0]
        connection.execute("SELECT bunker_lookup('login', 'nobody')")
        connection.execute("SELECT pg_sleep(2)")
        assert connection.execute("SELECT count(*) FROM bunker.audit").fetchone()[0] == events + 1
        assert verify(connection)[0]
