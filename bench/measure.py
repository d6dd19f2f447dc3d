"""The measurements: a server with default durability, filled, then timed contender by contender."""

import operator
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from contenders import AUDIT_TABLES, CONTENDERS, DATABUNKER, PLAIN, PLAIN_AUDIT, Contender
from harness import Cluster, pgbench

HERE = Path(__file__).parent
DATABASE = "bench"
REPETITIONS = 3
# Durability is the server's default. Checkpoints are made between the runs, not in one of them.
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "16GB", "checkpoint_timeout": "1h",
            "databunker.bulk_read_limit": "0"}
# Users that one join reads.
JOINED = 10_000
# People that one pgbench run may create at most; runs count on from here, past the loaded ones.
RUN_SPAN = 10_000_000


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    seconds: int = 5
    users: int = 100_000
    bulk: int = 20_000
    clients: tuple[int, ...] = (1, 8, 16)


@dataclass
class Figures:
    """Medians by contender name: per second and against plain SQL, by (operation, clients), and bytes
    per user. `audited`: the vault's look-ups, against plain SQL that writes an audit row."""

    rates: dict[tuple[str, str, int], float] = field(default_factory=dict)
    ratios: dict[tuple[str, str, int], float] = field(default_factory=dict)
    audited: dict[int, float] = field(default_factory=dict)
    join_seconds: float = 0.0
    bulk: dict[str, float] = field(default_factory=dict)
    bytes_per_user: dict[str, float] = field(default_factory=dict)
    audit_bytes_per_event: float = 0.0
    server: str = ""


def measure(plan: Plan, progress) -> Figures:
    """Runs everything on a throwaway server; `progress` is told what is going on."""
    figures = Figures()
    with Cluster(SETTINGS, base_settings={}) as server:
        _prepare(server)
        figures.server = server.psql("SHOW server_version").strip()
        progress(f"loading {plan.users} users for each contender")
        figures.bulk = _load(server, plan)
        _measure_sizes(server, plan, figures)
        figures.join_seconds = _join(server)
        _measure_rates(server, plan, figures, progress)
    return figures


def _prepare(server: Cluster) -> None:
    server.create_db(DATABASE)
    names = ["common", *(c.name for c in CONTENDERS if c.create and c is not DATABUNKER)]
    for name in names:
        server.psql((HERE / "sql" / f"{name}.sql").read_text(), DATABASE)
    server.psql("""
        CREATE ROLE bench LOGIN IN ROLE bunker_app;
        CREATE ROLE bench_async LOGIN IN ROLE bunker_app;
        ALTER ROLE bench_async SET databunker.audit_reads = 'async';
        GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO bench;
    """, DATABASE)


def _load(server: Cluster, plan: Plan) -> dict[str, float]:
    """Fills every contender in turns, one statement a chunk; users a second, median of chunks."""
    rates = defaultdict(list)
    with server.connect(DATABASE, "bench") as connection:
        for first in range(1, plan.users + 1, plan.bulk):
            last = min(first + plan.bulk - 1, plan.users)
            for contender in _writers():
                start = time.monotonic()
                connection.execute(contender.bulk, [first, last])
                rates[contender.name].append((last - first + 1) / (time.monotonic() - start))
    return {name: statistics.median(several) for name, several in rates.items()}


def _measure_sizes(server: Cluster, plan: Plan, figures: Figures) -> None:
    """Bytes per user of tables, indexes and TOAST, before any of the timed writes."""
    with server.connect(DATABASE) as connection:
        connection.execute("VACUUM ANALYZE")
        for contender in _writers():
            total = _total_bytes(connection, contender.tables)
            figures.bytes_per_user[contender.name] = total / plan.users
        events = connection.execute("SELECT count(*) FROM bunker.audit").fetchone()[0]
        figures.audit_bytes_per_event = _total_bytes(connection, AUDIT_TABLES) / events


def _join(server: Cluster) -> float:
    """Seconds that a join takes which reads many users, audited, until the client has them all."""
    with server.connect(DATABASE) as connection:
        connection.execute("CREATE TABLE orders AS SELECT row_number() OVER () AS id, token"
                           f" FROM bunker.record LIMIT {JOINED}")
        connection.execute("CREATE TABLE items AS SELECT id AS order_id FROM orders")
        connection.execute("ANALYZE orders, items")
        times = []
        for _ in range(REPETITIONS):
            start = time.monotonic()
            rows = connection.execute("SELECT o.id, bunker_get_user(o.token) FROM items i"
                                      " JOIN orders o ON o.id = i.order_id").fetchall()
            times.append(time.monotonic() - start)
            assert len(rows) == JOINED
        return statistics.median(times)


def _total_bytes(connection, tables: str) -> int:
    """Of the tables and partitions that the condition on pg_class finds, with all their parts."""
    return connection.execute("SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
                              f" WHERE relkind = 'r' AND {tables}").fetchone()[0]


def _measure_rates(server: Cluster, plan: Plan, figures: Figures, progress) -> None:
    """Contenders take turns (A B C A B C …), so that the machine's drift hits all alike."""
    samples = defaultdict(list)
    base = plan.users + 1
    for clients in plan.clients:
        server.psql("CHECKPOINT", DATABASE)
        for repetition in range(1, REPETITIONS + 1):
            progress(f"{clients} clients, repetition {repetition} of {REPETITIONS}")
            for contender in CONTENDERS:
                key = (contender.name, "lookup", clients)
                samples[key].append(_run(server, plan, contender, "lookup", clients, base))
            for contender in _writers():
                key = (contender.name, "create", clients)
                samples[key].append(_run(server, plan, contender, "create", clients, base))
            base += RUN_SPAN
    for key, several in samples.items():
        _, operation, count = key
        plain = samples[PLAIN.name, operation, count]
        figures.rates[key] = statistics.median(several)
        # Turn by turn: what slows the machine down for a while slows both.
        figures.ratios[key] = statistics.median(map(operator.truediv, several, plain))
    for count in plan.clients:
        figures.audited[count] = statistics.median(map(
            operator.truediv, samples[DATABUNKER.name, "lookup", count],
            samples[PLAIN_AUDIT.name, "lookup", count]))


def _run(server: Cluster, plan: Plan, contender: Contender, operation: str, clients: int,
         base: int) -> float:
    script = contender.lookup_script if operation == "lookup" else contender.create_script
    variables = {"users": plan.users, "base": base, "serial": 0, "clients": clients}
    return pgbench(server, script, dbname=DATABASE, user=contender.user, clients=clients,
                   seconds=plan.seconds, variables=variables).tps


def _writers() -> list[Contender]:
    return [contender for contender in CONTENDERS if contender.create]
