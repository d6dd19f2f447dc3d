"""Requests of the data subject."""

from uuid import UUID

from psycopg import Connection
from psycopg.types.json import Jsonb

from harness.vault import call, rows

COLUMNS = ("request", "token", "action", "subject", "status", "created_at", "reason")


def file(connection: Connection, login: str, action: str, change: dict | list | None = None,
         subject: str | None = None) -> UUID:
    """Files a request of the user with that login."""
    change = None if change is None else Jsonb(change)
    return call(connection, "bunker_request", "login", login, action, change, subject)


def show(connection: Connection, request: UUID) -> dict | None:
    """All that is known of a request."""
    return call(connection, "bunker_get_request", request)


def approve(connection: Connection, request: UUID, reason: str | None = None) -> bool:
    """Does what was asked for."""
    return call(connection, "bunker_approve_request", request, reason)


def cancel(connection: Connection, request: UUID, reason: str | None = None) -> bool:
    """Closes a request."""
    return call(connection, "bunker_cancel_request", request, reason)


def listed(connection: Connection, *arguments) -> list[dict]:
    """What `bunker_list_requests(*arguments)` shows."""
    return [dict(zip(COLUMNS, row)) for row in rows(connection, "bunker_list_requests", *arguments)]


def of_user(connection: Connection, kind: str, value) -> list[dict]:
    """What `bunker_user_requests` shows of a user."""
    found = rows(connection, "bunker_user_requests", kind, str(value))
    return [dict(zip(COLUMNS, row)) for row in found]


def statuses(connection: Connection, kind: str, value) -> list[str]:
    """How far the requests of a user have come, in the order of filing."""
    return [row["status"] for row in of_user(connection, kind, value)]
