"""Sessions that wait for each other."""

from psycopg import Connection

from harness.wait import wait_until


def await_blocked(observer: Connection, waiting: Connection) -> None:
    """Returns once the backend of `waiting`, busy in another thread, waits for somebody's lock."""
    pid = waiting.info.backend_pid
    wait_until(lambda: observer.execute("SELECT cardinality(pg_blocking_pids(%s))",
                                        [pid]).fetchone()[0],
               f"backend {pid} to wait for a lock")
