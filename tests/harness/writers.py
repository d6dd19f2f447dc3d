"""Writers that are at work in a vault while a test does something else with it."""

import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Event

from psycopg import Connection, errors

from harness.cluster import Cluster
from harness.vault import call, create, forget, update

Work = Callable[[Connection, random.Random], None]

# Of writers that meet: the user is gone, or each waits for the other.
EXPECTED = (errors.NoDataFound, errors.DeadlockDetected)


@contextmanager
def at_work(cluster: Cluster, dbname: str, work: Work, count: int = 3) -> Iterator[None]:
    """So many writers do `work` again and again, each in a session and with dice of his own. What one
    of them fails with, but for what is expected, the test fails with."""
    stop = Event()

    def write(seed: int) -> None:
        dice = random.Random(seed)
        with cluster.connect(dbname) as connection:
            while not stop.is_set():
                with suppress(*EXPECTED):
                    work(connection, dice)

    with ThreadPoolExecutor(count) as pool:
        writers = [pool.submit(write, seed) for seed in range(count)]
        try:
            yield
        finally:
            stop.set()
    for writer in writers:
        writer.result()


def some_changes(tokens: list[str]) -> Work:
    """A few changes of these users, and new ones, in one transaction; now and then it is rolled back."""
    def work(connection: Connection, dice: random.Random) -> None:
        with connection.transaction(force_rollback=dice.random() < 0.1):
            for _ in range(dice.randint(1, 4)):
                _change(connection, dice, dice.choice(tokens))
                time.sleep(dice.random() / 200)
    return work


def _change(connection: Connection, dice: random.Random, token: str) -> None:
    what, name = dice.random(), f"w{dice.random()}"
    if what < 0.4:
        update(connection, "token", token, {"name": name})
    elif what < 0.6:
        create(connection, {"login": name})
    elif what < 0.7:
        forget(connection, "token", token)
    else:
        call(connection, "bunker_set_app", "token", token, "shop", json.dumps({"by": name}))
