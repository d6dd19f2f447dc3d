"""Calls of the vault's functions, without the noise around them."""

from uuid import UUID

from psycopg import Connection, sql
from psycopg.types.json import Jsonb


# The actions of the trail that change nothing.
READS = ("lookup", "get_user", "get_users", "find_token", "list_users", "user_versions",
         "user_version", "tombstone", "audit_event", "get_app", "list_apps", "app_names",
         "get_session", "list_sessions", "get_shared", "list_requests", "user_requests",
         "get_request")


def call(connection: Connection, function: str, *arguments):
    """The value of `SELECT function(arguments)`; a dict goes in as jsonb."""
    return connection.execute(_call("SELECT {}({})", function, arguments),
                              _adapted(arguments)).fetchone()[0]


def rows(connection: Connection, function: str, *arguments) -> list[tuple]:
    """The rows of `SELECT * FROM function(arguments)`."""
    return connection.execute(_call("SELECT * FROM {}({})", function, arguments),
                              _adapted(arguments)).fetchall()


def create(connection: Connection, profile: dict) -> UUID:
    """Creates a user; his token."""
    return call(connection, "bunker_create_user", profile)


def create_text(connection: Connection, profile: str) -> UUID:
    """Creates a user from JSON text, which Python's own numbers would not carry unharmed."""
    return connection.execute("SELECT bunker_create_user(%s::jsonb)", [profile]).fetchone()[0]


def create_many(connection: Connection, profiles: list) -> list[tuple[int, UUID]]:
    """Creates users in one call; ordinals and tokens."""
    array = [None if profile is None else Jsonb(profile) for profile in profiles]
    return connection.execute("SELECT * FROM bunker_create_users(%s::jsonb[])",
                              [array]).fetchall()


def find(connection: Connection, kind: str, value: str) -> UUID | None:
    """The token of whom the value leads to."""
    return call(connection, "bunker_find_token", kind, value)


def update(connection: Connection, kind: str, value: str, patch: dict | list,
           expected_version: int | None = None) -> int:
    """Changes a user; the new version."""
    return call(connection, "bunker_update_user", kind, str(value), Jsonb(patch), expected_version)


def forget(connection: Connection, kind: str, value: str) -> bool:
    """Forgets a user; false when he was forgotten before."""
    return call(connection, "bunker_delete_user", kind, str(value))


def row_counts(connection: Connection) -> dict[str, int]:
    """How many rows each table of the vault has, for a look past the functions.

    Of the trail only the events of changes count: those of reads and failures come whatever happens.
    """
    tables = ("record", "record_version", "lookup", "user_schema", "lookup_kind")
    counts = {table: connection.execute(
        sql.SQL("SELECT count(*) FROM bunker.{}").format(sql.Identifier(table))).fetchone()[0]
        for table in tables}
    changes = "SELECT count(*) FROM bunker.audit WHERE status = 'ok' AND action <> ALL (%s)"
    return counts | {"audit": connection.execute(changes, [list(READS)]).fetchone()[0]}


def people(first: int, last: int) -> list[dict]:
    """Profiles of made-up people, each with a value for all four kinds."""
    return [{"email": f"p{n}@example.com", "phone": f"+4420{79460000 + n}", "login": f"p{n}",
             "custom": f"c-{n}"} for n in range(first, last + 1)]


def _call(template: str, function: str, arguments: tuple) -> sql.Composed:
    places = sql.SQL(", ").join([sql.Placeholder()] * len(arguments))
    return sql.SQL(template).format(sql.Identifier(function), places)


def _adapted(arguments: tuple) -> list:
    return [Jsonb(value) if isinstance(value, dict) else value for value in arguments]
