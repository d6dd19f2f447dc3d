"""Partitions of the audit trail, made by hand as the audit worker makes them."""

from datetime import date

from psycopg import Connection

from harness.vault import find

# The statements of `create` in src/storage/partition.rs.
DDL = """
    CREATE TABLE bunker.{name} (LIKE bunker.audit INCLUDING STORAGE);
    REVOKE ALL ON TABLE bunker.{name} FROM PUBLIC;
    CREATE INDEX {name}_id ON bunker.{name} (id) WITH (deduplicate_items = off);
    CREATE INDEX {name}_token ON bunker.{name} (token, id) WITH (deduplicate_items = off);
    CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.{name}
        FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
    ALTER TABLE bunker.{name} ENABLE ALWAYS TRIGGER audit_statement;
"""
ATTACH = ("ALTER TABLE bunker.audit ATTACH PARTITION bunker.{name}"
          " FOR VALUES FROM ('{first} 00:00:00+00') TO ('{next} 00:00:00+00')")

# Where each event lies, and all of it.
EVENTS = "SELECT tableoid::regclass::text, a.* FROM bunker.audit AS a ORDER BY id, at"


def following(month: date, by: int = 1) -> date:
    """The first day of the month so many months later."""
    number = month.year * 12 + month.month - 1 + by
    return date(number // 12, number % 12 + 1, 1)


def this_month(connection: Connection) -> date:
    """The first day of the server's month, in UTC."""
    return connection.execute(
        "SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date").fetchone()[0]


def partition_name(month: date) -> str:
    """The name of a month's partition, without its schema."""
    return f"audit_{month:%Y_%m}"


def make_month(connection: Connection, month: date, attach: bool = True) -> str:
    """Makes a month's partition; its name with the schema."""
    name = partition_name(month)
    connection.execute(DDL.format(name=name))
    if attach:
        attach_month(connection, month)
    return f"bunker.{name}"


def attach_month(connection: Connection, month: date) -> None:
    """Attaches a month's table."""
    connection.execute(ATTACH.format(name=partition_name(month), first=month,
                                     next=following(month)))


def await_upkeep(connection: Connection) -> None:
    """Returns once the audit writer has done the upkeep he begins with, which drops old months.

    It comes between the first events he writes and the next ones: the second read waits for those.
    """
    for _ in range(2):
        find(connection, "login", "nobody")


def places(connection: Connection) -> list[str]:
    """The partition of each event, in the order of their numbers."""
    return [row[0] for row in connection.execute(EVENTS)]
