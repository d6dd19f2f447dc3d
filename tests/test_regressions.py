"""Regressions: locks, a lost keyring, and two roads around the masking of the log."""

import threading

import psycopg

from harness.wait import wait_until

ANN = """SELECT bunker_create_user('{"email": "ann@example.com", "tax": "1"}')"""


def waiting(connection, pid: int) -> bool:
    return connection.execute("SELECT cardinality(pg_blocking_pids(%s))", [pid]).fetchone() != (0,)


def test_adding_a_lookup_does_not_deadlock_with_a_waiting_writer(cluster, db, conn):
    """The writer holds `lookup` and waits for a row, the admin waits behind both."""
    conn.execute(ANN)
    update = "SELECT bunker_update_user('email', 'ann@example.com', '{}')"
    outcomes = {}

    def run(name, connection, statement):
        try:
            outcomes[name] = connection.execute(statement).fetchone()[0]
        except psycopg.Error as error:
            outcomes[name] = error.sqlstate

    with (cluster.connect(db, autocommit=False) as first, cluster.connect(db) as writer,
          cluster.connect(db) as admin):
        first.execute(update)
        threads = []
        for name, connection, statement in [
                ("update", writer, update),
                ("add", admin, "SELECT bunker_add_lookup('tax', '/tax')")]:
            threads.append(threading.Thread(target=run, args=(name, connection, statement)))
            threads[-1].start()
            wait_until(lambda: waiting(conn, connection.info.backend_pid), f"{name} to wait")
        first.commit()
        for thread in threads:
            thread.join(30)
    assert outcomes == {"update": 3, "add": 1}


def test_lost_keyring_is_damage_and_not_a_new_vault(conn, raises):
    conn.execute(ANN)
    conn.execute("DELETE FROM bunker.keyring")
    for statement in (ANN, "SELECT bunker_lookup('email', 'ann@example.com')"):
        with raises("XX001", secrets=["ann@"]):
            conn.execute(statement)
    assert conn.execute("SELECT count(*) FROM bunker.keyring").fetchone() == (0,)


def test_auto_explain_and_execute_are_masked(cluster, conn):
    mark = cluster.log_mark()
    conn.execute("LOAD 'auto_explain'")
    conn.execute("SET auto_explain.log_min_duration = 0")
    conn.execute("SELECT bunker_lookup('email', 'canary@example.com')")
    conn.execute("SET log_statement = 'all'")
    conn.execute("PREPARE find AS SELECT bunker_lookup($1, $2)")
    conn.execute("EXECUTE find('email', 'canary@example.com')")
    log = cluster.log(mark)
    assert "plan: [redacted by databunker]" in log
    assert "canary" not in log
