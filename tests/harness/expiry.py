"""Expiry of users, as the tests set it going."""

from uuid import UUID

from psycopg import Connection

from harness.vault import call, find


def start(connection: Connection, value: object, after: str | None = None,
          kind: str = "login") -> UUID:
    """Starts a user's expiration; its token."""
    return connection.execute("SELECT bunker_start_expiration(%s, %s, %s::interval)",
                              [kind, str(value), after]).fetchone()[0]


def expiration(connection: Connection, value: object, kind: str = "login") -> dict | None:
    """What is set about a user's expiry."""
    return call(connection, "bunker_expiration", kind, str(value))


def let_time_come(connection: Connection, *logins: str) -> None:
    """Sets the end of users' expirations into the past, past the functions; of all without names."""
    tokens = [find(connection, "login", login) for login in logins]
    connection.execute("UPDATE bunker.expiration SET expires_at = now() - interval '1 minute'"
                 " WHERE %s::uuid[] = '{}' OR token = ANY (%s::uuid[])", [tokens, tokens])


def maintain(connection: Connection) -> dict:
    """The counts of bunker_maintain()."""
    return call(connection, "bunker_maintain")
