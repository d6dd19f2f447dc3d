"""App data, by default of the user whose login is `ann`."""

from psycopg import Connection
from psycopg.types.json import Jsonb

from harness.vault import call, rows


def put(connection: Connection, app: str, data: dict, kind: str = "login", value: str = "ann") -> int:
    """Stores app data; the version."""
    return call(connection, "bunker_set_app", kind, str(value), app, Jsonb(data))


def get(connection: Connection, app: str, kind: str = "login", value: str = "ann"):
    """Reads app data."""
    return call(connection, "bunker_get_app", kind, str(value), app)


def patch(connection: Connection, app: str, change: dict | list) -> int:
    """Patches the app data of the user `ann`; the version."""
    return call(connection, "bunker_update_app", "login", "ann", app, Jsonb(change))


def remove(connection: Connection, app: str, kind: str = "login", value: str = "ann") -> bool:
    """Deletes app data."""
    return call(connection, "bunker_delete_app", kind, str(value), app)


def apps(connection: Connection, value: str = "ann") -> list[str]:
    """The apps that keep something of a user."""
    return [row[0] for row in rows(connection, "bunker_list_apps", "login", value)]


def all_apps(connection: Connection) -> list[str]:
    """The apps that keep something of anybody."""
    return [row[0] for row in rows(connection, "bunker_app_names")]
