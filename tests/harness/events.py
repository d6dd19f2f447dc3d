"""The audit trail as a superuser finds it: through the functions, and in the table itself."""

from uuid import UUID

from psycopg import Connection

from harness.vault import rows

COLUMNS = ("id", "at", "actor", "action", "status", "kind", "token", "app", "reason", "message")


def trail(connection: Connection, *arguments) -> list[dict]:
    """What `bunker_audit_all(*arguments)` shows, newest first."""
    return [dict(zip(COLUMNS, row)) for row in rows(connection, "bunker_audit_all", *arguments)]


def events_of(connection: Connection, token: UUID, *actions: str) -> list[dict]:
    """The events of these actions about a user, oldest first; `bunker_audit` and the table agree."""
    shown = rows(connection, "bunker_audit", "token", str(token), None, 10_000)[::-1]
    stored = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM bunker.audit WHERE token = %s ORDER BY id",
        [token]).fetchall()
    assert shown == stored, f"bunker_audit shows {shown}, the table holds {stored}"
    events = [dict(zip(COLUMNS, row)) for row in stored]
    return [event for event in events if event["action"] in actions]


def trail_text(connection: Connection) -> str:
    """All that the trail says, for a search; MACs and seals, which are random to the eye, left out."""
    columns = ", ".join(COLUMNS)
    connection.execute("SELECT count(*) FROM bunker_audit_all()")  # waits for what is on its way
    stored = connection.execute(f"SELECT {columns} FROM bunker.audit ORDER BY id").fetchall()
    return "\n".join(map(str, stored))
