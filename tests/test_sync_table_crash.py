"""bunker-sync import-table beside others, and killed at any moment."""

import random
import signal
import threading
import time

import pytest

from harness import processes
from harness.sync import await_backends_gone, kill9, start, vault
from harness.tables import MAP, TABLE, TOKENS, compare, importer, make
from harness.wait import wait_until

ROWS = 6000
BATCH = ("--batch", "50")


def launch(server, db, *arguments, user: str = "test_admin"):
    """The tool, running; it prints nothing long."""
    return start("import-table", TABLE, *MAP, *TOKENS, *BATCH, *arguments,
                 env=vault(server, db, user))


def some_are_done(conn, more_than: int = 0) -> bool:
    return conn.execute("SELECT count(token) FROM shop.users").fetchone()[0] > more_than


def test_killed_again_and_again_it_loses_and_doubles_nothing(cluster, db, conn):
    make(conn, rows=ROWS)
    done = 0
    for attempt in range(8):
        process = launch(cluster, db)
        wait_until(lambda: some_are_done(conn, done) or process.poll() is not None, "the first batch", 60)
        time.sleep(random.uniform(0, 0.15))
        kill9(process)
        await_backends_gone(conn)
        found = compare(conn)
        assert found.done > done or found.left == 0, attempt
        done = found.done
    importer(cluster, db)(*MAP, *TOKENS, *BATCH)
    assert compare(conn).done == ROWS


def test_the_server_is_killed_again_and_again(fresh_cluster):
    server = fresh_cluster()
    server.create_db("shop")
    with server.connect("shop") as conn:
        conn.execute("CREATE ROLE test_admin LOGIN IN ROLE bunker_admin")
        make(conn, rows=ROWS)
    done = 0
    for _ in range(4):
        process = launch(server, "shop")
        with server.connect("shop") as conn:
            wait_until(lambda: some_are_done(conn, done) or process.poll() is not None, "a batch", 60)
            time.sleep(random.uniform(0, 0.15))
            server.kill9()
        assert process.wait(30) in (0, 1)
        kill9(process)
        server.start()
        with server.connect("shop") as conn:
            done = compare(conn).done
    importer(server, "shop")(*MAP, *TOKENS, *BATCH)
    with server.connect("shop") as conn:
        assert compare(conn).done == ROWS


def test_several_at_once_and_an_application_that_writes(cluster, db, conn):
    make(conn, rows=ROWS)
    stop = threading.Event()
    writer = threading.Thread(target=keep_writing, args=(cluster, db, stop))
    writer.start()
    try:
        # All begin at once, however long the first of them took to start.
        with cluster.connect(db, autocommit=False) as holder:
            holder.execute("LOCK TABLE shop.users")
            crowd = [launch(cluster, db) for _ in range(4)]
            wait_until(lambda: conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bunker-sync'"
                " AND wait_event_type = 'Lock'").fetchone() == (4,), "the four to be there", 60)
        ended = [process.wait(120) for process in crowd]
        said = [process.communicate() for process in crowd]
    finally:
        stop.set()
        writer.join()
    assert set(ended) <= {0, 5}, said
    importer(cluster, db)(*MAP, *TOKENS)
    found = compare(conn)
    assert found.left == 0 and found.done >= ROWS
    brought = [int(out.split(" ", 1)[0]) for out, _ in said]
    assert sum(count > 0 for count in brought) > 1, brought


def keep_writing(cluster, db, stop: threading.Event) -> None:
    """Updates rows, changes keys, locks some for a while, and adds new ones."""
    chance = random.Random(4)
    with cluster.connect(db, autocommit=False) as conn:
        for number in range(10**6):
            if stop.is_set():
                return
            some = chance.randrange(ROWS)
            conn.execute("UPDATE shop.users SET visits = visits + 1 WHERE id = %s", [some])
            conn.execute("UPDATE shop.users SET id = %s WHERE id = %s",
                         [100_000 + number, chance.randrange(ROWS)])
            conn.execute("INSERT INTO shop.users VALUES (%s, %s, 'New')",
                         [200_000 + number, f"new{number}@example.com"])
            time.sleep(0.005)
            conn.commit()


def test_the_same_people_in_two_tables_come_once(cluster, db, conn):
    """Two imports that meet the same addresses in opposite order: neither hangs, nothing is doubled."""
    make(conn, rows=1000)
    conn.execute("""CREATE TABLE shop.others (LIKE shop.users INCLUDING ALL);
                    INSERT INTO shop.others SELECT 1001 - id, mail, full_name FROM shop.users;
                    ALTER TABLE shop.others OWNER TO test_admin""")
    arguments = (*MAP, *TOKENS, "--batch", "100")
    crowd = [start("import-table", table, *arguments, env=vault(cluster, db, "test_admin"))
             for table in ("shop.users", "shop.others")]
    for process in crowd:
        process.communicate(timeout=120)
        assert process.returncode in (0, 5)
    tokens = conn.execute("""SELECT count(DISTINCT token), count(token)
                               FROM (SELECT token FROM shop.users UNION ALL
                                     SELECT token FROM shop.others) AS both_tables""").fetchone()
    users = conn.execute("SELECT count(*) FROM bunker.record").fetchone()[0]
    assert tokens == (1000, 1000) and users == 1000


@pytest.mark.parametrize("sign", ["SIGINT", "SIGTERM"])
def test_ended_in_a_batch_it_leaves_nothing_half_done(cluster, db, conn, sign):
    make(conn, rows=ROWS)
    process = launch(cluster, db)
    wait_until(lambda: some_are_done(conn), "the first batch", 60)
    process.send_signal(getattr(signal, sign))
    process.communicate(timeout=30)
    assert not processes.is_alive(process.pid)
    await_backends_gone(conn)
    assert 0 < compare(conn).done


def test_a_row_that_somebody_holds_is_left_and_told(cluster, db, conn):
    make(conn, rows=30)
    with cluster.connect(db, autocommit=False) as holder:
        holder.execute("UPDATE shop.users SET visits = 1 WHERE id = 13")
        process = launch(cluster, db)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 5 and "1 rows were locked by others" in err
    assert out.startswith("29 users brought in, 1 rows left, ")
    importer(cluster, db)(*MAP, *TOKENS)
    assert compare(conn).done == 30
