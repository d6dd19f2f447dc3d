"""Fixtures: stores of the Databunker server, in each database that it can use, and their import."""

import secrets
import shutil

import pytest
from harness.databunker import POSTGRES, Key, Store, in_mysql, in_sqlite
from harness.paths import server_user
from harness.sync import DONE, sync, vault

# What is counted of each table.
MEMBERS = ["read", "created", "present", "ended", "skipped", "failed"]


def counts(*numbers: int) -> dict[str, int]:
    """A line of the tool's table."""
    return dict(zip(MEMBERS, numbers, strict=True))


@pytest.fixture
def store(cluster, db):
    """A store in a SQLite file, and its name."""
    path = cluster.root / f"{db}.db"
    made = in_sqlite(path).create()
    shutil.chown(path, server_user())
    made.address = f"sqlite:{path}"
    yield made
    made.connection.close()
    path.unlink()


@pytest.fixture
def mysql_store(mysql, db):
    """The same in MariaDB, for a user with a password."""
    password = secrets.token_hex(8)
    mysql.execute(f"CREATE DATABASE {db}; CREATE USER {db}@localhost IDENTIFIED BY '{password}';"
                  f"GRANT SELECT ON {db}.* TO {db}@localhost")
    made = in_mysql(mysql, db).create()
    made.address = f"mysql://{db}@localhost/{db}?socket={mysql.socket}"
    made.password = password
    yield made
    made.connection.close()


@pytest.fixture
def postgres_store(cluster, db):
    """The same in PostgreSQL."""
    name = cluster.create_db(f"{db}_store", extension=False)
    connection = cluster.connect(name)
    made = Store(connection, POSTGRES).create()
    made.address = f"postgresql://postgres@/{name}?host={cluster.root}&port={cluster.port}"
    yield made
    connection.close()
    cluster.drop_db(name)


@pytest.fixture(params=["store", "mysql_store", "postgres_store"])
def any_store(request):
    """A store in each of the databases in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def bring(cluster, db):
    """bring(store, *options, check=…): the store into the vault of `db`; the lines by table."""

    def run(store, *options, check=DONE, key: Key | None = None, env: dict | None = None):
        given = vault(cluster, db, "test_admin") | {
            "DATABUNKER_SOURCE_KEY": (key or store.key).hex,
            "SOURCE_PASSWORD": getattr(store, "password", "")} | (env or {})
        done = sync("import-databunker", store.address, *options, env=given, check=check)
        done.tables = {line[0]: counts(*map(int, line[1:]))
                       for line in map(str.split, done.stdout.splitlines())
                       if len(line) == 7 and line[1] != "read"}
        return done

    return run
