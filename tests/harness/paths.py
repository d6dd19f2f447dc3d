"""Where things are: the project, and the programs of the PostgreSQL under test."""

import functools
import os
import pwd
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@functools.cache
def bindir() -> Path:
    """The folder of the server's programs, from PG_CONFIG (default: the one on PATH)."""
    pg_config = os.environ.get("PG_CONFIG", "pg_config")
    shown = subprocess.run(
        [pg_config, "--bindir"], check=True, capture_output=True, text=True, timeout=30
    )
    return Path(shown.stdout.strip())


def program(name: str) -> str:
    """The full path of one of the server's programs."""
    return str(bindir() / name)


def server_user() -> str:
    """Who runs servers: `postgres` for root, whom PostgreSQL refuses; else ourselves."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def as_server_user() -> dict:
    """Arguments for subprocess that run a program as `server_user()`."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(server_user())
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}
