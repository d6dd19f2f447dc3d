"""Calls of the consent functions, shared by their tests."""

import psycopg
from psycopg import Connection

from harness.vault import call, rows

NEWS = "newsletter"
ANN = {"login": "ann", "email": "ann@example.com", "phone": "+442079460001"}


def accept(connection: Connection, kind: str, value, brief: str = NEWS, **options) -> bool:
    """Accepts; whether the status changed."""
    return call(connection, "bunker_accept_agreement", kind, str(value), brief, options)


def withdraw(connection: Connection, kind: str, value, brief: str = NEWS) -> bool:
    """Withdraws; whether it was in force."""
    return call(connection, "bunker_withdraw_agreement", kind, str(value), brief)


def agreement(connection: Connection, kind: str, value, brief: str = NEWS) -> dict | None:
    """The agreement."""
    return call(connection, "bunker_get_agreement", kind, str(value), brief)


def status(connection: Connection, kind: str, value, brief: str = NEWS) -> str | None:
    """The agreement's status."""
    found = agreement(connection, kind, value, brief)
    return found and found["status"]


def agreements(connection: Connection, kind: str, value) -> dict[str, str]:
    """Status by brief; a brief that came twice would fail the test."""
    found = [row[0] for row in rows(connection, "bunker_list_agreements", kind, str(value))]
    by_brief = {one["brief"]: one["status"] for one in found}
    assert len(by_brief) == len(found)
    return by_brief


def stored(connection: Connection) -> list[tuple]:
    """The table as a superuser sees it: whose, brief, status."""
    return connection.execute("SELECT token, brief, status FROM bunker.agreement"
                              " ORDER BY brief, kind, owner").fetchall()


def sqlstate_of(work, *arguments) -> str | None:
    """How a call fails, if it does."""
    try:
        work(*arguments)
    except psycopg.Error as error:
        return error.sqlstate
    return None
