"""The tool bunker-sync, run as an ordinary user with nothing in its environment but what is given."""

import os
import signal
import subprocess
from pathlib import Path

from harness.paths import as_server_user, program
from harness.wait import wait_until

DONE, FAILED, USAGE, REFUSED, NOT_FOUND, SKIPPED = range(6)

# Variables whose values nobody else may see. Of the options that end in -file, the file's content.
SECRET_VARIABLES = {"PGPASSWORD", "MYSQL_PWD", "DATABUNKER_MASTER_KEY", "DATABUNKER_SOURCE_KEY",
                    "DATABUNKER_TARGET_KEY", "SOURCE_PASSWORD"}


def sync(*arguments, env: dict | None = None, stdin: str | None = None, check: int | None = DONE,
         seconds: float = 120) -> subprocess.CompletedProcess:
    """Runs `bunker-sync` with these arguments and variables to its end.

    It must end with the status `check` (None: any). No password or key that it was given may stand
    on its command line, nor in what it prints.
    """
    process = start(*arguments, env=env, stdin=subprocess.PIPE)
    try:
        stdout, stderr = process.communicate(stdin, timeout=seconds)
    except BaseException:
        kill9(process)
        raise
    done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
    shown = f"{' '.join(process.args)}\n{stdout}{stderr}"
    assert check is None or done.returncode == check, f"ended with {done.returncode}: {shown}"
    leaked = [name for name, secret in _secrets(process.args, env or {}) if secret in shown]
    assert not leaked, f"shows the value of {leaked}"
    return done


def start(*arguments, env: dict | None = None, stdin=subprocess.DEVNULL,
          stdout=subprocess.PIPE, stderr=subprocess.PIPE) -> subprocess.Popen:
    """Starts `bunker-sync` and leaves it running; give it files if it may print more than 64 kB."""
    return subprocess.Popen(
        [program("bunker-sync"), *map(str, arguments)], cwd="/", text=True, stdin=stdin,
        stdout=stdout, stderr=stderr,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"} | (env or {}),
        **as_server_user())


def kill9(process: subprocess.Popen) -> None:
    """SIGKILL, and a wait until it is gone; nothing if it has ended."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate()


def await_backends_gone(connection) -> None:
    """Returns once no backend serves the tool any more: one whose client was killed learns of it late."""
    wait_until(lambda: connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bunker-sync'"
    ).fetchone() == (0,), "the tool's backends to go", 60)


def vault(cluster, dbname: str, user: str = "postgres") -> dict:
    """The variables by which the tool finds the vault of a database."""
    return {"PGHOST": str(cluster.root), "PGPORT": str(cluster.port), "PGDATABASE": dbname,
            "PGUSER": user}


def master_key(cluster) -> dict:
    """The variable by which it finds the vault's master key."""
    return {"DATABUNKER_MASTER_KEY_FILE": cluster.settings["databunker.master_key_file"]}


def _secrets(arguments: list[str], env: dict):
    yield from ((name, env[name]) for name in SECRET_VARIABLES & env.keys() if env[name])
    files = [(name, env[name]) for name in env if name.endswith("_FILE")]
    files += [(option, path) for option, path in zip(arguments, arguments[1:])
              if option.startswith("--") and option.endswith("-file")]
    for name, path in files:
        if os.path.isfile(path) and (secret := Path(path).read_text().strip()):
            yield name, secret
