"""The maintenance launcher and its workers, as the tests look at them."""

from psycopg import Connection

from harness.cluster import Cluster
from harness.vault import create_many, people
from harness.wait import wait_until

LAUNCHER = "databunker maintenance launcher"
WORKER = "databunker maintenance worker"
EVERY_SECOND = {"databunker.maintenance_interval": "1s"}
NEVER = {"databunker.maintenance_interval": "0"}


def make_vault(server: Cluster, name: str, users: int = 1, due: bool = True) -> None:
    """A database with users p1, p2 … whose time has come."""
    server.create_db(name)
    with server.connect(name) as connection:
        create_many(connection, people(1, users))
        if due:
            let_all_be_due(connection)


def let_all_be_due(connection: Connection) -> None:
    """Sets the end of every user into the past."""
    connection.execute("SELECT count(bunker_start_expiration('token', token::text, '1 day'))"
                       "  FROM bunker.record WHERE forgotten_at IS NULL")
    connection.execute("UPDATE bunker.expiration SET expires_at = now() - interval '1 minute'"
                       " WHERE status = 'wait'")


def waiting(server: Cluster, name: str) -> int:
    """How many users of a database have not expired yet. Nobody stays connected to it."""
    with server.connect(name) as connection:
        return connection.execute(
            "SELECT count(*) FROM bunker.expiration WHERE status = 'wait'").fetchone()[0]


def await_all_expired(server: Cluster, name: str, seconds: float = 20) -> None:
    """Returns once maintenance has forgotten all users of a database."""
    wait_until(lambda: waiting(server, name) == 0, f"the users of {name} to expire", seconds)


def launcher_of(server: Cluster) -> int:
    """The process id of the launcher, once there is one."""
    def look():
        with server.connect() as connection:
            row = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = %s",
                                     [LAUNCHER]).fetchone()
            return row and row[0]

    return wait_until(look, "the launcher", 20)


def workers_started(server: Cluster, mark: int) -> int:
    """How many workers the postmaster has started since a mark in its log (log_min_messages = debug1)."""
    return server.log(mark).count(f'starting background worker process "{WORKER}"')
