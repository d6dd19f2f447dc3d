"""Measures databunker beside plain SQL and pgcrypto, and prints Markdown. See bench/run --help."""

import argparse
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "tests"))

from bundles import measure_bundles  # noqa: E402
from measure import Plan, measure  # noqa: E402  (measure needs the path above)
from report import markdown  # noqa: E402


def tell(text: str) -> None:
    """Says what is going on."""
    print(f"==> {text}", file=sys.stderr)


def main() -> None:
    """Reads the options, measures, prints, and with --write keeps the page."""
    options = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    options.add_argument("--write", action="store_true", help="rewrite docs/BENCHMARKS.md")
    seconds = int(os.environ.get("BENCH_SECONDS", Plan.seconds))
    options.add_argument("--seconds", type=int, default=seconds,
                         help="length of a pgbench run; default BENCH_SECONDS, or 5")
    options.add_argument("--users", type=int, default=Plan.users, help="people loaded beforehand")
    options.add_argument("--bundle-users", type=int, default=1_000_000,
                         help="users that are exported and brought into SQLite")
    chosen = options.parse_args()
    plan = Plan(seconds=chosen.seconds, users=chosen.users, bulk=min(Plan.bulk, chosen.users))
    figures = measure(plan, tell)
    page = markdown(figures, plan, measure_bundles(chosen.bundle_users, tell))
    print(page)
    if chosen.write:
        (PROJECT / "docs").mkdir(exist_ok=True)
        (PROJECT / "docs" / "BENCHMARKS.md").write_text(page)


if __name__ == "__main__":
    main()
