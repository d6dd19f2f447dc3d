"""README's chapter on other stores: each of its commands is run, as an ordinary user."""

import secrets
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from harness import readme
from harness.paths import as_server_user, bindir, server_user

BLOCKS = readme.blocks("sync")
# What stands for a server of the reader's, in README.
MYSQL = "mysql://vault@db.example/vault"


@pytest.fixture
def server(fresh_cluster):
    """A server with a vault that has users, a table of customers, and two empty vaults."""
    server = fresh_cluster()
    for name in ("shop", "second", "third"):
        server.create_db(name)
    with server.connect("shop") as connection:
        connection.execute("CREATE ROLE mover LOGIN IN ROLE bunker_admin")
        connection.execute("""
            SELECT bunker_create_user('{"email": "ann.lee@example.com", "name": "Ann Lee"}');
            SELECT bunker_create_user('{"login": "bob"}');
            CREATE TABLE customers (id integer PRIMARY KEY, mail text, name text, town text,
                                    joined date, visits integer);
            INSERT INTO customers VALUES (1, 'cleo@example.com', 'Cleo', 'Leeds', '2020-02-03', 4),
                                         (2, 'dan@example.com', 'Dan', NULL, NULL, NULL);
            ALTER TABLE customers OWNER TO mover; GRANT CREATE ON SCHEMA public TO mover""")
    return server


@pytest.fixture
def shell(server, mysql, tmp_path):
    """shell(commands): runs them in bash, in a folder of their own; what they print."""
    folder = server.root / "reader"
    folder.mkdir()
    (folder / "databunker.key").write_text(secrets.token_hex(24))
    mysql.create_db("vault")
    (folder / ".my.cnf").write_text(f"[client]\nsocket={mysql.socket}\nuser=vault\n")
    for path in [folder, *folder.iterdir()]:
        shutil.chown(path, server_user())
        path.chmod(0o700)
    environment = {
        "PATH": f"{bindir()}:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(folder),
        "PGHOST": str(server.root), "PGPORT": str(server.port), "PGUSER": "mover",
        "PGDATABASE": "shop",
        "DATABUNKER_MASTER_KEY_FILE": server.settings["databunker.master_key_file"],
    }

    def run(commands: str) -> str:
        url = f"'mysql://vault@localhost/vault?socket={mysql.socket}'"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands.replace(MYSQL, url)], cwd=folder,
            env=environment, capture_output=True, text=True, timeout=120, **as_server_user())
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout
    run.folder = folder
    return run


def users(connection) -> dict:
    """The profiles of all users, by token."""
    return dict(connection.execute(
        "SELECT token, bunker_get_user(token) FROM bunker.record ORDER BY token").fetchall())


def tokens_in(path: Path) -> set[str]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as copy:
        return {token for token, in copy.execute("SELECT token FROM bunker_record")}


def test_the_chapter_does_what_it_says(server, shell, mysql):
    assert {word for word, _ in BLOCKS} == {"sqlite", "mysql", "vault", "table", "databunker"}
    said = {word: "" for word, _ in BLOCKS}
    with server.connect("shop") as connection:
        before = {str(token) for token in users(connection)}
    for word, commands in BLOCKS:
        said[word] += shell(commands)

    for name in ("vault.db", "copy.db"):
        assert tokens_in(shell.folder / name) == before, name
    assert "Ann Lee" in said["sqlite"]
    assert {token for token, in mysql.execute("SELECT token FROM bunker_record", "vault")} == before
    with (server.connect("shop") as shop, server.connect("second") as second,
          server.connect("third") as third):
        assert {str(token) for token in users(second)} == before
        assert users(third) == users(shop)
        brought = shop.execute("""SELECT id, bunker_get_user(bunker_token) FROM customers
                                   ORDER BY id""").fetchall()
    assert brought == [
        (1, {"email": "cleo@example.com", "name": "Cleo", "visits": 4, "address": {"city": "Leeds"}}),
        (2, {"email": "dan@example.com", "name": "Dan"})]
    assert "DROP COLUMN" in said["table"]


def test_every_block_of_commands_in_the_chapter_is_run():
    chapter = readme.TEXT.partition("\n## MySQL, SQLite and other stores\n")[2].partition("\n## ")[0]
    assert chapter.count("```") == 2 * len(BLOCKS) > 12
