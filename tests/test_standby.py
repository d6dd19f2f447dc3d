"""A hot standby: reads work, writes are refused, and a promoted one goes on."""

import pytest

from harness import Cluster
from harness.vault import call, create, find, rows
from harness.wait import wait_until


class Standby(Cluster):
    """A server that follows another one, with the same master key."""

    def __init__(self, primary: Cluster):
        super().__init__({"databunker.master_key_file":
                          primary.settings["databunker.master_key_file"]}, master_key=False)
        self.primary = primary

    def init(self) -> None:
        """Copies the primary and follows it."""
        self.primary.run("pg_basebackup", "-D", str(self.data), "-R", "-c", "fast", as_server=True)


@pytest.fixture
def pair(fresh_cluster):
    """A primary with a vault in use, and its standby."""
    primary = fresh_cluster({"wal_level": "replica", "max_wal_senders": "4"})
    primary.create_db("vault")
    with primary.connect("vault") as connection:
        create(connection, {"login": "ann", "email": "ann@example.com"})
    with Standby(primary) as standby:
        yield primary, standby


WRITES = ["bunker_create_user('{\"login\": \"bob\"}')",
          "bunker_update_user('login', 'ann', '{}')", "bunker_delete_user('login', 'ann')",
          "bunker_add_lookup('tax', '/tax')", "bunker_set_user_schema(NULL)"]


def test_a_standby_reads_and_writes_not(pair):
    primary, standby = pair
    with standby.connect("vault") as reader, primary.connect("vault") as writer:
        assert find(reader, "email", "ANN@example.com")
        assert call(reader, "bunker_lookup", "login", "ann")["profile"]["login"] == "ann"
        assert len(rows(reader, "bunker_audit_all")) == 1
        assert call(reader, "bunker_status")["sealed"] is False
        for write in WRITES:
            with standby.raises("25006"):
                reader.execute(f"SELECT {write}")
        token = create(writer, {"login": "bob"})
        wait_until(lambda: find(reader, "login", "bob") == token, "the new user to arrive")
        call(writer, "bunker_add_lookup", "tax", "/tax")
        later = create(writer, {"tax": "T"})
        wait_until(lambda: len(rows(reader, "bunker_list_users")) == 3, "the taxed user to arrive")
        assert find(reader, "tax", "T") == later


def test_a_promoted_standby_goes_on(pair):
    primary, standby = pair
    primary.kill9()
    with standby.connect("vault") as connection:
        assert connection.execute("SELECT pg_promote()").fetchone() == (True,)
        assert create(connection, {"login": "bob"})
        ids = [row[0] for row in rows(connection, "bunker_audit_all")]
        assert ids == sorted(set(ids), reverse=True)
        assert len(ids) == 2
