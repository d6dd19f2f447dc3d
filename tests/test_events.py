"""Events for other systems: a list that misses nothing, whoever writes and reads at the time."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.events import trail
from harness.outbox import Happened, happened, numbered
from harness.vault import call, create, create_many, find, forget, people, rows, update


def created(*tokens) -> list[Happened]:
    """The events of new users."""
    return [Happened("user_created", token) for token in tokens]


# What is in the list --------------------------------------------------------------------------

def test_what_happens_to_a_user_is_listed_in_its_order(conn, app_conn):
    ann = create(app_conn, {"login": "ann"})
    update(app_conn, "login", "ann", {"name": "Ann"})
    bob = create(app_conn, {"login": "bob"})
    forget(app_conn, "login", "ann")
    assert happened(app_conn) == [("user_created", ann), ("user_changed", ann),
                                  ("user_created", bob), ("user_forgotten", ann)]
    times = [at for _, at, *_ in rows(app_conn, "bunker_events")]
    assert times == sorted(times)


def test_what_fails_or_changes_nothing_is_not_listed(app_conn, raises):
    create(app_conn, {"login": "ann"})
    forget(app_conn, "login", "ann")
    last = max(numbered(app_conn))
    forgotten = app_conn.execute("SELECT token FROM bunker_events()").fetchone()[0]
    assert forget(app_conn, "token", forgotten) is False
    with raises("22023"):
        create(app_conn, {"name": "nobody"})
    with raises("P0002"):
        update(app_conn, "login", "nobody", {})
    assert happened(app_conn, last) == []


def test_pages_by_a_cursor(app_conn):
    tokens = [token for _, token in create_many(app_conn, people(1, 25))]
    seen, cursor = [], 0
    while page := numbered(app_conn, cursor, 10):
        assert len(page) == min(10, 25 - len(seen))
        seen += page.values()
        cursor = max(page)
    assert sorted(seen) == sorted(created(*tokens))


def test_a_consumer_may_have_no_number_yet(app_conn):
    ann = create(app_conn, {"login": "ann"})
    assert [token for *_, token in rows(app_conn, "bunker_events", None)] == [ann]
    assert happened(app_conn, 2 ** 63 - 1) == []
    assert happened(app_conn, -(2 ** 63)) == created(ann)


@pytest.mark.parametrize("max_rows", [0, -1, 10_001, 2 ** 31 - 1, None])
def test_a_page_has_a_sensible_size(app_conn, raises, max_rows):
    with raises("22023"):
        rows(app_conn, "bunker_events", 0, max_rows)


def test_ten_thousand_users_at_once(app_conn):
    tokens = {token for _, token in create_many(app_conn, people(1, 10_000))}
    page = numbered(app_conn)
    assert {token for _, token in page.values()} == tokens
    more = create(app_conn, {"login": "more"})
    assert happened(app_conn, max(page)) == created(more)


def test_more_than_one_call_numbers(app_conn):
    """What came first has the lower number, also where a call cannot take everything."""
    first = create(app_conn, {"login": "first"})
    create_many(app_conn, people(1, 10_000))
    create_many(app_conn, people(10_001, 15_000))
    update(app_conn, "login", "p10001", {"name": "last"})
    cursor, seen = 0, []
    while page := numbered(app_conn, cursor):
        seen += page.values()
        cursor = max(page)
    assert len(set(seen)) == len(seen) == 15_002
    assert seen[0] == ("user_created", first)
    assert seen[-1].event == "user_changed"


# Who sees what when ---------------------------------------------------------------------------

def test_who_commits_late_gets_a_late_number(cluster, db, app_conn):
    create(app_conn, {"login": "first"})  # makes the keys, for which others would wait
    [first] = numbered(app_conn)
    with cluster.connect(db, "test_app", autocommit=False) as slow:
        late = create(slow, {"login": "late"})
        early = create(app_conn, {"login": "early"})
        [(second, event)] = numbered(app_conn, first).items()
        assert [event] == created(early)
        slow.commit()
    assert happened(app_conn, second) == created(late)


def test_what_is_rolled_back_never_happened(app_conn):
    with app_conn.transaction():
        with app_conn.transaction(force_rollback=True):
            create(app_conn, {"login": "savepoint"})
        with app_conn.transaction():
            kept = create(app_conn, {"login": "kept"})
        assert happened(app_conn) == created(kept)
        with app_conn.transaction(force_rollback=True):
            lost = create(app_conn, {"login": "lost"})
            assert happened(app_conn) == created(kept, lost)
        assert happened(app_conn) == created(kept)
    with app_conn.transaction(force_rollback=True):
        create(app_conn, {"login": "undone"})
    assert happened(app_conn) == created(kept)


def test_a_reader_who_rolls_back_reads_the_same_under_higher_numbers(app_conn):
    token = create(app_conn, {"login": "ann"})
    with app_conn.transaction(force_rollback=True):
        [first] = numbered(app_conn)
    [(second, event)] = numbered(app_conn, first).items()
    assert [event] == created(token)
    assert list(numbered(app_conn)) == [second]


def test_readers_do_not_wait_for_each_other(cluster, db, app_conn, conn):
    ann = create(app_conn, {"login": "ann"})
    with cluster.connect(db, "test_dpo", autocommit=False) as slow:
        slow_numbers = numbered(slow)
        bob = create(app_conn, {"login": "bob"})
        conn.execute("SET statement_timeout = '2s'")
        assert happened(conn) == []
        slow.commit()
        assert numbered(conn, 0, 1) == slow_numbers
        assert happened(conn) == created(ann, bob)


def test_who_looks_in_vain_holds_nobody_up(cluster, db, app_conn):
    with cluster.connect(db, "test_admin", autocommit=False) as idle:
        assert happened(idle) == []
        token = create(app_conn, {"login": "ann"})
        assert happened(app_conn) == created(token)


def test_one_snapshot_hides_no_event(cluster, db, app_conn):
    """Numbers are given out in the present, so an old snapshot would show gaps."""
    with cluster.connect(db, "test_app", autocommit=False) as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM pg_class")
        tokens = [create(app_conn, {"login": "ann"})]
        assert happened(app_conn) == created(*tokens)
        tokens.append(create(app_conn, {"login": "bob"}))
        assert happened(old) == created(*tokens)


def test_a_read_only_transaction_reads_what_is_numbered(app_conn):
    ann = create(app_conn, {"login": "ann"})
    [first] = numbered(app_conn)
    bob = create(app_conn, {"login": "bob"})
    with app_conn.transaction():
        app_conn.execute("SET TRANSACTION READ ONLY")
        assert happened(app_conn) == created(ann)
    assert happened(app_conn, first) == created(bob)


# Many at a time -------------------------------------------------------------------------------

class Consumer(threading.Thread):
    """Polls in transactions, some of which he rolls back, until he is told how much there is."""

    def __init__(self, cluster, db: str, isolation: str, page: int):
        super().__init__()
        self.session = (cluster, db, isolation, page)
        self.expected = None
        self.seen = []

    def run(self) -> None:
        cluster, db, isolation, page = self.session
        cursor, chance = 0, random.Random(page)
        deadline = time.monotonic() + 120
        with cluster.connect(db, "test_app", autocommit=False) as connection:
            while len(self.seen) != self.expected and time.monotonic() < deadline:
                connection.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
                got = numbered(connection, cursor, page)
                time.sleep(chance.random() * 0.01)
                if chance.random() < 0.2:
                    connection.rollback()
                    continue
                connection.commit()
                self.seen += got.values()
                cursor = max(got, default=cursor)


def write(cluster, db: str, number: int) -> tuple[list[Happened], list[Happened]]:
    """Creates and changes users in transactions of all kinds; what is committed, and what is not."""
    kept, lost = [], []
    chance = random.Random(number)
    with cluster.connect(db, "test_app", autocommit=False) as connection:
        for step in range(40):
            login = f"u{number}x{step}"
            done = created(create(connection, {"login": login}))
            time.sleep(chance.random() * 0.02)
            with connection.transaction(force_rollback=True):
                lost += created(create(connection, {"login": f"{login}savepoint"}))
            with connection.transaction():
                update(connection, "login", login, {"step": step})
                done.append(Happened("user_changed", done[0].token))
            time.sleep(chance.random() * 0.02)
            if chance.random() < 0.3:
                connection.rollback()
                lost += done
            else:
                connection.commit()
                kept += done
    return kept, lost


def test_two_consumers_see_what_sixteen_writers_do_each_event_once(cluster, db):
    consumers = [Consumer(cluster, db, "READ COMMITTED", 7),
                 Consumer(cluster, db, "REPEATABLE READ", 1_000)]
    for consumer in consumers:
        consumer.start()
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda number: write(cluster, db, number), range(16)))
    kept = [event for events, _ in outcomes for event in events]
    lost = [event for _, events in outcomes for event in events]
    assert kept and lost
    for consumer in consumers:
        consumer.expected = len(kept)
    for consumer in consumers:
        consumer.join()
        assert sorted(consumer.seen) == sorted(kept)
        place = {event: position for position, event in enumerate(consumer.seen)}
        assert all(place["user_created", token] < place["user_changed", token]
                   for _, token in kept)
    assert consumers[0].seen == consumers[1].seen


# The trail ------------------------------------------------------------------------------------

def test_a_call_is_one_event_of_the_trail(conn, app_conn, dpo_conn):
    create_many(app_conn, people(1, 300))
    assert len(happened(dpo_conn)) == 300
    assert happened(dpo_conn, max(numbered(dpo_conn))) == []
    events = [(e["actor"].split()[0], e["status"], e["message"]) for e in trail(conn, None, 1_000)
              if e["action"] != "create_users"]
    assert events == [("test_dpo", "ok", "0 events"), ("test_dpo", "ok", "300 events"),
                      ("test_dpo", "ok", "300 events")]


@pytest.mark.parametrize("table", ["outbox", "event"])
def test_a_statement_on_the_tables_is_one_too(conn, app_conn, table):
    create(app_conn, {"login": "ann"})
    if table == "event":
        happened(app_conn)
    conn.execute("SET session_replication_role = replica")
    for statement, action in ((f"UPDATE bunker.{table} SET event = 'user_forgotten'", "update"),
                              (f"DELETE FROM bunker.{table}", "delete"),
                              (f"TRUNCATE bunker.{table}", "truncate")):
        conn.execute(statement)
        [newest] = trail(conn, None, 1)
        assert newest["action"] == f"direct_{action}"
        assert table in newest["message"]


# Retention ------------------------------------------------------------------------------------

def test_what_is_too_old_goes_read_or_not(conn, app_conn):
    create_many(app_conn, people(1, 20))
    last = max(numbered(app_conn))
    create_many(app_conn, people(21, 40))
    conn.execute("UPDATE bunker.event SET at = at - interval '2 months'"
                 " WHERE id <= (SELECT id FROM bunker.event ORDER BY id OFFSET 14 LIMIT 1)")
    conn.execute("UPDATE bunker.outbox SET at = at - interval '27 days'")
    conn.execute("UPDATE bunker.outbox SET at = at - interval '1 month' WHERE ctid IN"
                 " (SELECT ctid FROM bunker.outbox LIMIT 10)")
    assert call(conn, "bunker_maintain")["events_removed"] == 25
    left = "SELECT (SELECT count(*) FROM bunker.event), (SELECT count(*) FROM bunker.outbox)"
    assert conn.execute(left).fetchone() == (5, 10)
    assert len(happened(app_conn)) == 15
    assert len(happened(app_conn, last)) == 10
    assert not [e for e in trail(conn, None, 1_000) if e["action"].startswith("direct_delete")]


def test_the_retention_is_an_interval(conn, raises):
    for text in ("0", "-1 day", "soon"):
        with raises("22023"):
            conn.execute("SELECT set_config('databunker.max_event_retention', %s, false)", [text])
    conn.execute("SET databunker.max_event_retention = '90 days'")
