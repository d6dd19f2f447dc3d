"""pgbench, run and read."""

import re
from dataclasses import dataclass

from harness.cluster import Cluster


@dataclass(frozen=True)
class PgbenchResult:
    """One run: transactions a second without connection time, mean latency, and the counts."""

    tps: float
    latency_ms: float
    transactions: int
    failed: int


def pgbench(cluster: Cluster, script: str, *, dbname: str, user: str = "postgres", clients: int = 1,
            seconds: int | None = None, transactions: int | None = None, threads: int = 2,
            variables: dict[str, int] | None = None, protocol: str = "prepared") -> PgbenchResult:
    """Runs `script` with pgbench for a time or a number of transactions per client.

    Any failed statement ends the run with ClusterError: a figure never hides errors.
    """
    script_file = cluster.root / "pgbench.sql"
    script_file.write_text(script)
    length = ["-T", str(seconds)] if seconds else ["-t", str(transactions or 1)]
    defines = [f"--define={name}={value}" for name, value in (variables or {}).items()]
    done = cluster.run("pgbench", "-n", "-M", protocol, "-c", str(clients),
                       "-j", str(min(threads, clients)), *length, *defines, "-f", str(script_file),
                       dbname=dbname, user=user, seconds=(seconds or 540) + 60)
    return _read(done.stdout)


def _read(report: str) -> PgbenchResult:
    return PgbenchResult(
        tps=_number(r"tps = ([\d.]+)", report),
        latency_ms=_number(r"latency average = ([\d.]+) ms", report),
        transactions=int(_number(r"transactions actually processed: (\d+)", report)),
        failed=int(_number(r"number of failed transactions: (\d+)", report)),
    )


def _number(pattern: str, report: str) -> float:
    found = re.search(pattern, report)
    if found is None:
        raise ValueError(f"pgbench's report has no {pattern}\n{report}")
    return float(found[1])
