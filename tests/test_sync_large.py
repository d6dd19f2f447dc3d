"""The largest profile that databunker.max_profile_size can allow, on every road that bundles take."""

import json

import pytest

from harness.bundles import import_bundle
from harness.copies import same
from harness.mirror import export
from harness.sync import sync
from harness.targets import SqliteFile, is_like
from harness.textual import SqliteTarget
from harness.vault import call, create

# As JSON text: the rest are names and quotes.
TEXT = "x" * (64 * 1024 * 1024 - 200)


@pytest.fixture
def vault(conn):
    """The vault, with one user whose profile has almost 64 MB."""
    conn.execute("SET databunker.max_profile_size = '64MB'")
    create(conn, {"login": "big", "text": TEXT})
    return conn


def test_it_is_pulled_into_a_file_and_opens_there(vault, target_folder, sync_env):
    target = SqliteFile(target_folder / "vault.db")
    sync("pull", target.name, env=sync_env)
    assert is_like(target, vault)
    sync("verify", target.name, env=sync_env)
    found = sync("lookup", "login", "big", target.name, env=sync_env)
    assert json.loads(found.stdout)["text"] == TEXT


def test_it_comes_back_from_a_bundle(vault, copy):
    import_bundle(copy, export(vault))
    assert same(vault, copy)
    assert call(copy, "bunker_lookup", "login", "big")["profile"]["text"] == TEXT


def test_it_is_text_for_the_sqlite_shell(vault, tmp_path):
    target = SqliteTarget(tmp_path / "vault.db")
    text = "".join(f"{line}\n" for line in export(vault, target=target.dialect))
    done = target.apply(text.encode())
    assert done.returncode == 0, done.stderr
    assert is_like(target, vault)
