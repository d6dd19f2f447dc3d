"""Kills under load: whoever has seen plaintext is in the trail, once, and the trail verifies."""

import os
import random
import signal
import time

from harness.trail import Readers, await_partitions, await_writer, event_ids, take_anchor, verify
from harness.vault import create
from harness.wait import wait_until

ANN = {"login": "ann", "email": "ann@example.com"}
ROUNDS = 8


def prepare(server):
    """A vault with one user; his token. Its clients' own commits may be lost: the writer's not."""
    server.create_db("vault")
    with server.connect("vault") as connection:
        token = create(connection, ANN)
        await_partitions(connection)
        connection.execute("ALTER DATABASE vault SET synchronous_commit = off")
    return token


def test_no_acknowledged_read_is_lost_when_the_server_is_killed(fresh_cluster):
    """wal_writer_delay: a commit that is not flushed by whoever makes it would be lost here."""
    server = fresh_cluster({"wal_writer_delay": "10s"})
    token = prepare(server)
    delay = random.Random(2024)
    runs, anchor = [], None
    for round_ in range(ROUNDS):
        with Readers(server, "vault", token, clients=6) as readers:
            readers.await_reads(20)
            time.sleep(delay.uniform(0, 0.4 if round_ % 2 else 1.3))
            server.kill9()
            readers.end()
        runs.append(readers)
        server.start()
        with server.connect("vault") as connection:
            anchor = check(connection, runs, anchor)
    assert sum(len(readers.acknowledged) for readers in runs) > 20 * ROUNDS


def check(connection, runs: list[Readers], anchor: str | None) -> str:
    """Every read of every run has its event, and the trail is whole; the next anchor."""
    for readers in runs:
        readers.check(connection)
    verdict = verify(connection, anchor)
    assert verdict.ok, verdict
    assert verdict.events == len(event_ids(connection))
    return take_anchor(connection)


def test_no_acknowledged_read_is_lost_when_a_process_is_killed(fresh_cluster):
    """A backend, or the audit writer: PostgreSQL then restarts all others, with empty memory."""
    server = fresh_cluster({"wal_writer_delay": "10s"})
    token = prepare(server)
    runs, anchor = [], None
    for victim in (a_reader, the_writer, a_reader, the_writer):
        with Readers(server, "vault", token, clients=4) as readers:
            readers.await_reads(30)
            mark = server.log_mark()
            os.kill(victim(server), signal.SIGKILL)
            wait_until(lambda: "reinitializing" in server.log(mark), "the server to restart", 30)
            readers.await_reads(30)
        runs.append(readers)
        with server.connect("vault") as connection:
            anchor = check(connection, runs, anchor)


def a_reader(server) -> int:
    """The process id of a backend at work."""
    with server.connect() as connection:
        return connection.execute("SELECT min(pid) FROM pg_stat_activity WHERE datname = 'vault'"
                                  " AND backend_type = 'client backend'").fetchone()[0]


def the_writer(server) -> int:
    """The process id of the audit writer."""
    with server.connect("vault") as connection:
        return await_writer(connection)
