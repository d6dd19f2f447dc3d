"""A key that cannot be had seals the vault, never the server; the right key opens it again."""

import base64
import os
import secrets
import shutil
import time

import psycopg
import pytest

from harness import Cluster
from harness.paths import server_user
from harness.wait import wait_until

KEY = secrets.token_hex(32)
RAW = bytes.fromhex(KEY)
SOURCES = ["databunker.master_key", "databunker.master_key_file", "databunker.master_key_command"]


@pytest.fixture(scope="module")
def server():
    """A server with a vault, `vault`, in which there is a user."""
    with Cluster({"databunker.master_key": KEY}, master_key=False) as cluster:
        with cluster.connect(cluster.create_db("vault")) as connection:
            connection.execute("SELECT bunker_create_user('{\"login\": \"ann\"}')")
        yield cluster


def configure(server: Cluster, **sources: str) -> None:
    """Makes these the only sources of the key, by a reload."""
    wanted = {f"databunker.{name}": value for name, value in sources.items()}
    server.reload({name: wanted.get(name) if name in wanted else None
                   for name in SOURCES if name in wanted or name in server.settings})
    # A backend that starts before the postmaster has read the file would take the old settings.
    mark = server.log_mark()
    server.reload({})
    wait_until(lambda: "received SIGHUP" in server.log(mark), "the postmaster to read its files")
    time.sleep(0.1)


def opens(server: Cluster, connection=None) -> bool:
    """Whether the user is found, in a session of its own unless one is given."""
    if connection:
        found = connection.execute("SELECT bunker_find_token('login', 'ann')").fetchone()[0]
        return found is not None
    with server.connect("vault") as session:
        return opens(server, session)


def assert_sealed(server: Cluster, because: str, connection=None) -> None:
    """Whatever reads or writes is refused with a reason, and status says why."""
    if connection is None:
        with server.connect("vault") as session:
            assert_sealed(server, because, session)
        return
    assert connection.execute("SELECT 1").fetchone() == (1,)
    for call in ("bunker_lookup('login', 'ann')", "bunker_create_user('{\"login\": \"bob\"}')",
                 "bunker_get_user(gen_random_uuid())", "bunker_delete_user('login', 'ann')"):
        with server.raises("55000", secrets=[KEY]) as refusal:
            connection.execute(f"SELECT {call}")
        assert because in refusal.error.diag.message_primary
        assert refusal.error.diag.message_hint
    status = connection.execute("SELECT bunker_status()").fetchone()[0]
    assert status["sealed"] is True
    assert because in status["reason"]


def write(server: Cluster, content: bytes, mode: int = 0o600, owner: str | None = None) -> str:
    """A new file beside the data directory."""
    path = server.root / f"key-{secrets.token_hex(4)}"
    path.write_bytes(content)
    shutil.chown(path, owner or server_user())
    path.chmod(mode)
    return str(path)


GOOD_TEXT = {
    "hex": KEY.encode(),
    "upper case": KEY.upper().encode(),
    "newline": KEY.encode() + b"\n",
    "base64": base64.b64encode(RAW),
    "base64 without padding": base64.b64encode(RAW).rstrip(b"="),
}
BAD_TEXT = {
    "empty": (b"", "not usable"),
    "newlines": (KEY.encode() + b"\n\n\n", "white space"),
    "CRLF": (KEY.encode() + b"\r\n", "white space"),
    "spaces around": (b"  " + KEY.encode() + b"\t\n", "white space"),
    "blank": (b" \r\n\n", "white space"),
    "byte order mark": (b"\xef\xbb\xbf" + KEY.encode(), "not usable"),
    "UTF-16": (KEY.encode("utf-16"), "not usable"),
    "short": (KEY[:-1].encode(), "not usable"),
    "long": (KEY.encode() + b"0", "not usable"),
    "not hex": (KEY[:-1].encode() + b"g", "not usable"),
    "inner space": (KEY[:32].encode() + b" " + KEY[33:].encode(), "white space"),
    "two lines": (KEY.encode() + b"\n" + KEY.encode() + b"\n", "white space"),
    "trailing NUL": (KEY.encode() + b"\0", "not usable"),
    "all NUL": (bytes(64), "not usable"),
    "raw bytes": (bytes(byte | 0x80 for byte in RAW), "not usable"),
    "page of text": (KEY.encode() + b"\n" * 5000, "more than a key"),
    "wrong key": (secrets.token_hex(32).encode(), "not the vault's master key"),
}


def test_without_a_key_the_vault_is_sealed_and_installs(server):
    configure(server)
    assert_sealed(server, "no master key is configured")
    with server.connect(server.create_db("keyless")) as connection:
        with server.raises("55000"):
            connection.execute("SELECT bunker_create_user('{\"login\": \"x\"}')")
        assert connection.execute("SELECT count(*) FROM bunker.keyring").fetchone() == (0,)
    configure(server, master_key=KEY)
    assert opens(server)


@pytest.mark.parametrize("text", GOOD_TEXT)
def test_spellings_of_the_key_are_taken(server, text):
    configure(server, master_key_file=write(server, GOOD_TEXT[text]))
    assert opens(server)


@pytest.mark.parametrize("text", BAD_TEXT)
def test_a_bad_key_file_seals_until_the_right_one_is_there(server, text):
    content, because = BAD_TEXT[text]
    path = write(server, content)
    configure(server, master_key_file=path)
    with server.connect("vault") as connection:
        assert_sealed(server, because, connection)
        # The same file mended, and no reload: a sealed vault looks again.
        with open(path, "wb") as file:
            file.write(KEY.encode())
        assert opens(server, connection)


def special(server: Cluster, name: str) -> str:
    """The path of a file that is no ordinary file."""
    path = server.root / f"{name}-{secrets.token_hex(4)}"
    if name == "directory":
        path.mkdir()
        shutil.chown(path, server_user())
    elif name == "FIFO":
        os.mkfifo(path, 0o600)
        shutil.chown(path, server_user())
    elif name == "huge":
        path.touch(mode=0o600)
        os.truncate(path, 1 << 30)
        shutil.chown(path, server_user())
    return str(path)


SPECIAL = {
    "directory": "not a regular file",
    "FIFO": "not a regular file",
    "huge": "more than a key",
    "missing": "does not exist",
}


@pytest.mark.parametrize("name", SPECIAL)
def test_a_path_that_is_no_key_file_seals(server, name):
    configure(server, master_key_file=special(server, name))
    started = time.monotonic()
    assert_sealed(server, SPECIAL[name])
    assert time.monotonic() - started < 5
    configure(server, master_key=KEY)
    assert opens(server)


def test_a_device_seals(server):
    configure(server, master_key_file="/dev/zero")
    assert_sealed(server, "not a regular file")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o610])
def test_a_file_that_others_may_touch_seals(server, mode):
    path = write(server, KEY.encode(), mode)
    configure(server, master_key_file=path)
    assert_sealed(server, "group or others")
    os.chmod(path, 0o600)
    assert opens(server)


def test_a_file_that_the_server_cannot_read_seals(server):
    path = write(server, KEY.encode(), 0o000)
    configure(server, master_key_file=path)
    assert_sealed(server, "cannot be read")


def test_a_link_to_a_good_file_is_taken(server):
    link = server.root / f"link-{secrets.token_hex(4)}"
    link.symlink_to(write(server, KEY.encode(), 0o400))
    configure(server, master_key_file=str(link))
    assert opens(server)


@pytest.mark.parametrize("pair", [("master_key", "master_key_file"),
                                  ("master_key", "master_key_command"),
                                  ("master_key_file", "master_key_command")])
def test_two_sources_seal_even_when_they_agree(server, pair):
    path = write(server, KEY.encode())
    values = {"master_key": KEY, "master_key_file": path, "master_key_command": f"cat {path}"}
    configure(server, **{name: values[name] for name in pair})
    assert_sealed(server, "more than one source")


@pytest.mark.parametrize("command", ["echo {key}", "printf %s {key}", "cat {path}",
                                     "echo noise >&2; echo {key}"])
def test_a_command_gives_the_key(server, command):
    path = write(server, KEY.encode())
    configure(server, master_key_command=command.format(key=KEY, path=path))
    assert opens(server)


@pytest.mark.parametrize(("command", "because"), [
    ("echo garbage", "not usable"),
    ("true", "not usable"),
    ("echo {key}; exit 1", "command failed"),
    ("kill -9 $$", "command failed"),
    ("/no/such/program", "command failed"),
    ("head -c 60000 /dev/zero", "more than a key"),
])
def test_a_command_that_gives_no_key_seals(server, command, because):
    configure(server, master_key_command=command.format(key=KEY))
    assert_sealed(server, because)
    configure(server, master_key=KEY)
    assert opens(server)


# A duration of its own tells this run's sleepers from those of another one on the same machine.
HANG = f"sleep 300.{secrets.randbelow(10**9):09}"


@pytest.mark.parametrize("command", [HANG, "cat /dev/zero", f"trap '' TERM INT; {HANG}",
                                     f"echo {{key}}; {HANG}"],
                         ids=["sleeps", "prints without end", "ignores signals", "prints the key"])
def test_a_command_that_hangs_is_given_up(server, command):
    configure(server, master_key_command=command.format(key=KEY))
    with server.connect("vault") as connection:
        started = time.monotonic()
        with server.raises("55000", secrets=[KEY]) as refusal:
            connection.execute("SELECT bunker_find_token('login', 'ann')")
        # Ten seconds, and five in which the event of the failure waits for the audit writer, whom
        # the same command keeps.
        assert 5 < time.monotonic() - started < 20
        assert "too long" in refusal.error.diag.message_primary
        # The audit writer tries it again and again, as long as the vault is sealed.
        configure(server, master_key=KEY)
        wait_until(lambda: not running(HANG), "every command to be given up", 15)


def test_a_command_that_hangs_heeds_statement_timeout_and_cancel(server):
    configure(server, master_key_command=HANG)
    with server.connect("vault") as connection:
        connection.execute("SET statement_timeout = '300ms'")
        started = time.monotonic()
        with server.raises("57014"):
            connection.execute("SELECT bunker_find_token('login', 'ann')")
        assert time.monotonic() - started < 5
        connection.execute("SET statement_timeout = 0")
        configure(server, master_key=KEY)
        # The audit writer may still be busy with the command, for its ten seconds.
        connection.execute("SET databunker.audit_timeout = '15s'")
        assert opens(server, connection)
    wait_until(lambda: not running(HANG), "the writer's command to be given up", 15)


def running(command: str) -> bool:
    """Whether a process with exactly this command line is left."""
    wanted = command.replace(" ", "\0").encode() + b"\0"
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and open(f"/proc/{entry}/cmdline", "rb").read() == wanted:
                return True
        except OSError:
            pass  # it ended meanwhile
    return False


def test_an_open_session_heeds_a_reload(server):
    """Keys that a session has at hand go when their source changes."""
    configure(server, master_key=KEY)
    with server.connect("vault") as connection:
        assert opens(server, connection)
        configure(server, master_key=secrets.token_hex(32))
        assert_sealed(server, "not the vault's master key", connection)
        configure(server, master_key=KEY)
        assert opens(server, connection)


def test_a_server_starts_with_a_bad_key(server):
    server.restart(settings={"databunker.master_key": "nonsense"})
    assert_sealed(server, "not usable")
    server.restart(settings={"databunker.master_key": KEY})
    assert opens(server)


def test_a_wrong_key_reads_and_writes_nothing(server):
    configure(server, master_key=secrets.token_hex(32))
    with server.connect("vault") as connection:
        before = connection.execute("SELECT count(*) FROM bunker.keyring").fetchone()
        for call in ("SELECT bunker_create_user('{\"login\": \"eve\"}')",
                     "SELECT * FROM bunker_create_users(ARRAY['{\"login\": \"eve\"}'::jsonb])",
                     "SELECT bunker_user_version('login', 'ann', 1)",
                     "SELECT bunker_add_lookup('x', '/x')",
                     "SELECT bunker_update_user('login', 'ann', '{}')"):
            with server.raises("55000"):
                connection.execute(call)
        assert connection.execute("SELECT count(*) FROM bunker.keyring").fetchone() == before
    configure(server, master_key=KEY)
    with server.connect("vault") as connection:
        with pytest.raises(psycopg.errors.NoDataFound):
            connection.execute("SELECT bunker_update_user('login', 'eve', '{}')")
