"""Acting as somebody: access tokens and logins."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection

from harness.vault import call

_numbers = itertools.count(1)


def access_token(connection: Connection, group: str, name: str | None = None,
                 ttl: str | None = None) -> str:
    """A new access token for a group role (`reader`, `app` …)."""
    name = name or f"token {next(_numbers)}"
    return call(connection, "bunker_create_access_token", name, f"bunker_{group}", ttl)


def authenticate(connection: Connection, token: str | None) -> str:
    """Whom the transaction acts as from now on."""
    return call(connection, "bunker_authenticate", token)


@contextmanager
def acting(connection: Connection, token: str, rollback: bool = False) -> Iterator[str]:
    """A transaction as the holder of a token."""
    with connection.transaction(force_rollback=rollback):
        yield authenticate(connection, token)


def log_in(connection: Connection, login: str) -> str:
    """An access token of the user with that login."""
    code = call(connection, "bunker_login_code", "login", login)
    return call(connection, "bunker_login", "login", login, code)


def sqlstate(connection: Connection, statement: str, arguments: list | None = None) -> str | None:
    """How a statement fails, or None. It leaves a transaction block usable, and what it did is undone."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement, arguments)
    except psycopg.Error as error:
        return error.sqlstate
    return None
