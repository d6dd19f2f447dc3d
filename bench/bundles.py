"""How fast the vault gets into SQLite: as SQL text through the sqlite3 shell, and by bunker-sync."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from harness import Cluster
from harness.paths import program
from harness.sync import start, vault

DATABASE = "bundles"
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "16GB", "checkpoint_timeout": "1h"}

# Rows of a bundle a user: the record, and three entries by which it is found.
ROWS_A_USER = 4
LOAD = """
    SELECT count(*) FROM generate_series(1, %(users)s, 10000) AS first,
        LATERAL bunker_create_users((
            SELECT array_agg(jsonb_build_object(
                'email', 'p' || n || '@example.com', 'phone', '+4420' || (70000000 + n),
                'login', 'p' || n, 'first', 'Ada', 'last', 'Lovelace',
                'address', jsonb_build_object('street', 'St James''s Square 12', 'zip', 'SW1Y 4JH',
                                              'city', 'London'),
                'note', repeat('x', 100)))
            FROM generate_series(first, least(first + 9999, %(users)s)) AS n))
"""


@dataclass
class Step:
    """A way of the vault's content, how long it took, and the memory of the programs on it."""

    title: str
    seconds: float
    rows: int
    megabytes: dict[str, float]


def measure_bundles(users: int, progress) -> list[Step]:
    """Exports so many users and brings them into SQLite files, on a server of its own."""
    with Cluster(SETTINGS, base_settings={}) as server:
        server.create_db(DATABASE)
        with server.connect(DATABASE) as connection:
            progress(f"loading {users:,} users for bundles")
            connection.execute(LOAD, {"users": users})
            connection.execute("VACUUM ANALYZE")
        rows = users * ROWS_A_USER
        progress("exporting them")
        steps = [_export(server, target, rows) for target in ("jsonl", "sqlite", "mysql")]
        progress("bringing them into SQLite")
        return [*steps, _shell(server, rows), _pull(server, rows)]


def _export(server: Cluster, target: str, rows: int) -> Step:
    """Out of the server, and nowhere."""
    with server.connect(DATABASE) as connection:
        begun = time.monotonic()
        with connection.cursor().copy(_copy(target)) as lines:
            for _ in lines:
                pass
        seconds = time.monotonic() - begun
        backend = _peak(connection.info.backend_pid, "RssAnon")
    return Step(f"export as `{target}`", seconds, rows, {"backend": backend})


def _copy(target: str) -> str:
    return f"COPY (SELECT bunker_export_bundle('{target}')) TO STDOUT"


def _shell(server: Cluster, rows: int) -> Step:
    """`psql | sqlite3`, as in README."""
    file = Path(server.root) / "shell.db"
    command = f'{program("psql")} -qX -c "{_copy("sqlite")}" | sqlite3 {file}'
    variables = {**os.environ, **vault(server, DATABASE)}
    begun = time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-c", command], env=variables, check=True)
    return Step("`psql \\| sqlite3`, committed", time.monotonic() - begun, rows, {})


def _pull(server: Cluster, rows: int) -> Step:
    """`bunker-sync pull`."""
    begun = time.monotonic()
    process = start("pull", f"sqlite:{server.root}/pull.db", env=vault(server, DATABASE))
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _peak(process.pid, "VmHWM"))
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    said = process.communicate()[1]
    if process.returncode != 0:
        raise SystemExit(f"bunker-sync failed: {said}")
    return Step("`bunker-sync pull`, committed", seconds, rows, {"tool": peak})


def _peak(pid: int, field: str) -> float:
    """A figure of /proc in megabytes; 0 when the process has gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), 0.0)
