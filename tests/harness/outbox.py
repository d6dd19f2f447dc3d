"""Events for other systems, as a consumer reads them and a listener hears of them."""

import json
from typing import NamedTuple
from uuid import UUID

from psycopg import Connection

from harness.vault import rows

# What a listener is told when he has to look for himself.
LOOK = ("many", None)


class Happened(NamedTuple):
    """An event without its number and time."""

    event: str
    token: UUID


def numbered(connection: Connection, after: int = 0, max_rows: int = 10_000) -> dict[int, Happened]:
    """The events after a number by their numbers, which have to be rising."""
    page = rows(connection, "bunker_events", after, max_rows)
    numbers = [number for number, *_ in page]
    assert numbers == sorted(set(numbers))
    assert all(after < number < 2 ** 53 for number in numbers)
    return {number: Happened(event, token) for number, _, event, token in page}


def happened(connection: Connection, after: int = 0, max_rows: int = 10_000) -> list[Happened]:
    """The events after a number."""
    return list(numbered(connection, after, max_rows).values())


def listen(connection: Connection) -> Connection:
    """Makes a session a listener."""
    connection.execute("LISTEN databunker")
    return connection


def heard(listener: Connection, count: int, seconds: float = 10) -> list[tuple]:
    """What a listener is told until it was so much, or the time is over: (event, token) each."""
    told = [json.loads(notify.payload)
            for notify in listener.notifies(timeout=seconds, stop_after=count)]
    assert all(list(payload) == ["event", "token"] for payload in told)
    return [(payload["event"], payload["token"] and UUID(payload["token"])) for payload in told]
