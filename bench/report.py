"""The figures as Markdown."""

import datetime
import os
import platform

from bundles import ROWS_A_USER, Step
from contenders import CONTENDERS, DATABUNKER_ASYNC, PLAIN
from measure import JOINED, REPETITIONS, Figures, Plan


def markdown(figures: Figures, plan: Plan, bundles: list[Step]) -> str:
    """The whole page: what was measured where, rates, bulk loading, sizes and bundles."""
    return "\n\n".join([
        "# Benchmarks",
        _preamble(figures, plan),
        "## One at a time",
        _rates(figures, plan),
        _audited(figures, plan),
        "## Many in one statement",
        _bulk(figures, plan),
        "## Size",
        _sizes(figures),
        "## Into SQLite",
        _bundles(bundles),
    ]) + "\n"


def _preamble(figures: Figures, plan: Plan) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Written by `bench/run --write` on {datetime.date.today().isoformat()}: PostgreSQL "
        f"{figures.server}, {os.cpu_count()} cores, {memory:.0f} GiB of memory, "
        f"{platform.machine()}, default durability (fsync on). {plan.users:,} users with profiles "
        "of about 300 bytes; pgbench with prepared statements over the unix socket, on the same "
        f"machine. Each figure is the median of {REPETITIONS} runs of {plan.seconds} s in which "
        "the contenders took turns, each ratio that of the turns' ratios. Machines differ and drift: "
        "only ratios inside one run carry over.\n\n"
        "Plain SQL is a SELECT by a unique column, and an INSERT with three unique columns and a "
        "uuid key. The pgcrypto contenders are plpgsql functions with keyed blind indexes; they "
        "authenticate nothing, normalise nothing and have one key for all rows. pgsodium is not "
        "packaged for Debian 12 and was not measured."
    )


def _rates(figures: Figures, plan: Plan) -> str:
    clients = " / ".join(map(str, plan.clients))
    rows = [f"| ratio to plain at {clients} clients | lookup by e-mail | create |", "|---|---|---|"]
    for contender in CONTENDERS:
        cells = [_rate_cell(figures, plan, contender.name, op) for op in ("lookup", "create")]
        rows.append(f"| {contender.title} | {cells[0]} | {cells[1]} |")
    return "\n".join(rows)


def _audited(figures: Figures, plan: Plan) -> str:
    ratios = " / ".join(f"{figures.audited[count]:.2f}" for count in plan.clients)
    clients = " / ".join(map(str, plan.clients))
    return (
        "Every look-up of databunker leaves an audit event that is on disk before the answer is given, "
        "and that no ROLLBACK takes away. Against plain SQL that inserts an audit row in its own "
        f"transaction, turn by turn, at {clients} clients: {ratios}. A join that reads {JOINED:,} users "
        f"in one statement, each with such an event, takes {figures.join_seconds:.2f} s."
    )


def _rate_cell(figures: Figures, plan: Plan, name: str, operation: str) -> str:
    """Ratios to plain, and the rates themselves."""
    if (name, operation, plan.clients[0]) not in figures.rates:
        return "–" if name == DATABUNKER_ASYNC.name else "as above"
    rates = [figures.rates[name, operation, n] for n in plan.clients]
    ratios = " / ".join(f"{figures.ratios[name, operation, n]:.2f}" for n in plan.clients)
    return f"{ratios} ({' / '.join(f'{rate:,.0f}' for rate in rates)} a second)"


def _bulk(figures: Figures, plan: Plan) -> str:
    return _table(
        f"{plan.bulk:,} users in one statement, one connection", "users a second", figures.bulk)


def _sizes(figures: Figures) -> str:
    table = _table("tables, indexes and TOAST", "bytes per user", figures.bytes_per_user)
    return (f"{table}\n\nOf databunker these are all tables but the audit trail, which comes on "
            f"top: {figures.audit_bytes_per_event:,.0f} bytes per event, its indexes included.")


def _bundles(steps: list[Step]) -> str:
    rows = ["| the whole vault | seconds | rows a second | users a second | memory |", "|---|---|---|---|---|"]
    for step in steps:
        memory = ", ".join(f"{name} {peak:.0f} MB" for name, peak in step.megabytes.items())
        rate = step.rows / step.seconds
        rows.append(f"| {step.title} | {step.seconds:.1f} | {rate:,.0f} | {rate / ROWS_A_USER:,.0f} "
                    f"| {memory} |")
    return "\n".join(rows) + (
        f"\n\n{steps[0].rows // ROWS_A_USER:,} users of four rows each: a record, and three entries by "
        "which it is found. The backend's memory is what it has of its own at the end, the tool's its highest.")


def _table(heading: str, unit: str, by_name: dict[str, float]) -> str:
    rows = [f"| {heading} | {unit} | ratio to plain |", "|---|---|---|"]
    for contender in CONTENDERS:
        if contender.name in by_name:
            value = by_name[contender.name]
            ratio = value / by_name[PLAIN.name]
            rows.append(f"| {contender.title} | {value:,.0f} | {ratio:.2f} |")
    return "\n".join(rows)
