"""Many sessions at once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg

from harness.cluster import Cluster


def all_at_once(cluster: Cluster, dbname: str, user: str, works: list[Callable], **session) -> Counter:
    """Runs each of `works` in a session of its own, all begun together; outcomes are counted.

    An outcome is "ok" or a SQLSTATE. A work gets its connection; `session` are its attributes.
    """
    start = Barrier(len(works))

    def run(work: Callable) -> str:
        with cluster.connect(dbname, user) as connection:
            for name, value in session.items():
                setattr(connection, name, value)
            start.wait(60)
            try:
                with connection.transaction():
                    work(connection)
            except psycopg.Error as error:
                return error.sqlstate
            return "ok"

    with ThreadPoolExecutor(len(works)) as pool:
        return Counter(pool.map(run, works))
