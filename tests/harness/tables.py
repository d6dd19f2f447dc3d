"""A plain table of users that `bunker-sync import-table` brings into the vault."""

from types import SimpleNamespace

from psycopg import sql

from harness.sync import DONE, sync, vault

TABLE = "shop.users"
MAP = ("--map", "email=mail", "--map", "name=full_name")
TOKENS = ("--token-column", "token")


def make(connection, rows: int = 0, owner: str = "test_admin") -> None:
    """`shop.users` with so many people; `owner` may read and write it and make more columns."""
    connection.execute("CREATE SCHEMA shop")
    connection.execute(f"GRANT USAGE, CREATE ON SCHEMA shop TO {owner}")
    connection.execute("""CREATE TABLE shop.users (id integer PRIMARY KEY, mail text, full_name text,
                                                   visits integer DEFAULT 0, token uuid)""")
    connection.execute("""INSERT INTO shop.users (id, mail, full_name)
                          SELECT n, 'person' || n || '@example.com', 'Person ' || n
                            FROM generate_series(1, %s) AS n""", [rows])
    connection.execute(f"ALTER TABLE shop.users OWNER TO {owner}")


def importer(cluster, db, user: str = "test_admin"):
    """run(*arguments, check=…): `import-table` into the vault of `db`; by default of the table above."""
    def run(*arguments, table: str = TABLE, check: int | None = DONE):
        return sync("import-table", table, *arguments, env=vault(cluster, db, user), check=check)
    return run


def compare(connection, table: str = TABLE, key: str = "id") -> SimpleNamespace:
    """How many rows have a token and how many have none; and that vault and table agree:
    each token is that of a living user, no two rows have the same, and no user is without a row."""
    query = sql.SQL("SELECT count(token), count(*) - count(token), count(DISTINCT token) FROM {}")
    done, left, distinct = connection.execute(query.format(sql.SQL(table))).fetchone()
    users = connection.execute(
        sql.SQL("""SELECT count(*), count(t.token) FROM bunker.record AS r
                     LEFT JOIN {} AS t ON t.token::uuid = r.token""").format(sql.SQL(table))
    ).fetchone()
    assert (done, done) == users, f"{done} rows have tokens; users, with a row: {users}"
    assert distinct == done, f"{done} tokens, {distinct} distinct ones"
    return SimpleNamespace(done=done, left=left)
