"""What is held of a user grows without a bound; a report of it does not take the server's memory."""

from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from harness.vault import call, create

REPORTS = ["bunker_user_report", "bunker_user_report_html"]


def grow(connection, login: str, versions: int, document: str) -> None:
    """Gives a user so many versions, in each of which `document`, a SQL expression of $n, is new."""
    connection.execute(
        f"SELECT count(bunker_update_user('login', %s, jsonb_build_object('grown', {document})))"
        f"  FROM generate_series(1, {versions}) AS n", [login])


def most_memory(connection) -> int:
    """The most memory in bytes that the connection's backend has had at a time."""
    status = Path(f"/proc/{connection.info.backend_pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines()
                if line.startswith("VmHWM")) * 1024


@pytest.mark.parametrize("report", REPORTS)
def test_many_small_objects_are_not_many_gigabytes(conn, connect_as, raises, report):
    """Sixty versions of 800 kB, which any user who may change his profile himself can make."""
    create(conn, {"login": "ann", "name": "Ann Hill"})
    grow(conn, "ann", 60, "(SELECT jsonb_agg('{}'::jsonb) FROM generate_series(1, 200000 + n))")
    reading = connect_as("dpo")
    with raises("54000", secrets=["Ann Hill"]):
        call(reading, report, "login", "ann")
    assert most_memory(reading) < 2 << 30
    assert call(reading, "bunker_user_version", "login", "ann", 61)["name"] == "Ann Hill"


def test_a_hundred_big_versions_are_reported(conn, connect_as):
    create(conn, {"login": "ann"})
    grow(conn, "ann", 100, "n || repeat('x', 1000000)")
    for report in REPORTS:
        reading = connect_as("dpo")
        length = reading.execute(f"SELECT length({report}('login', 'ann')::text)").fetchone()[0]
        assert length > 100_000_000
        assert most_memory(reading) < 2 << 30


@pytest.mark.parametrize("report", REPORTS)
def test_signs_that_a_page_spells_out_count_as_what_they_are_there(conn, connect_as, raises, report):
    """The page would be longer than a text of PostgreSQL can be: an internal error of its own."""
    create(conn, {"login": "ann", "name": "Ann Hill"})
    grow(conn, "ann", 120, "n || repeat('<', 1000000)")
    reading = connect_as("dpo")
    with raises("54000", secrets=["Ann Hill"]) as caught:
        call(reading, report, "login", "ann")
    assert "Read it in parts" in caught.error.diag.message_hint
    assert most_memory(reading) < 2 << 30


def test_a_list_of_sessions_is_bounded_while_it_is_read(conn, connect_as, raises):
    """The bound counts before the rows are in memory, not when they are opened."""
    create(conn, {"login": "ann"})
    conn.execute("SELECT count(bunker_create_session('login', 'ann', %s)) FROM generate_series(1, 900)",
                 [Jsonb({"x": "private" + "x" * 1_000_000})])
    reading = connect_as("app")
    with raises("42501", secrets=["private"]):
        call(reading, "bunker_list_sessions", "login", "ann", None, 1_000)
    assert most_memory(reading) < 400 << 20


@pytest.mark.parametrize("levels", [1, 100, 127])
def test_a_report_is_deeper_than_a_profile(conn, dpo_conn, levels):
    create(conn, {"login": "ann"})
    deep = "[" * levels + "]" * levels
    conn.execute("SELECT bunker_update_user('login', 'ann', %s::jsonb)", ['{"deep": ' + deep + "}"])
    assert dpo_conn.execute("SELECT bunker_user_report('login', 'ann') #> '{profile,deep}' = %s::jsonb",
                            [deep]).fetchone() == (True,)
    assert call(dpo_conn, "bunker_user_report_html", "login", "ann").endswith("</html>")


def test_odd_values_are_reported_as_they_are(conn, dpo_conn):
    digits = "9" * 10_000
    text = ('{"login": "ann", "digits": ' + digits + ', "small": 1e-300, "nul": "\\\\u0000",'
            ' "rtl": "\\u202e\\u0627", "</style>": "<svg/onload=x>", "__proto__": {"a": 1}}')
    conn.execute("SELECT bunker_create_user(%s::jsonb)", [text])
    assert dpo_conn.execute("SELECT bunker_user_report('login', 'ann') -> 'profile' = %s::jsonb",
                            [text]).fetchone() == (True,)
    page = call(dpo_conn, "bunker_user_report_html", "login", "ann")
    assert digits in page
    assert "<svg/onload" not in page and page.count("</style>") == 1
