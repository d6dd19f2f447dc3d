"""databunker.max_audit_retention: what it takes, and who may set it."""

import pytest

from harness.vault import call


@pytest.mark.parametrize("value", ["1 day", "12 months", "P1Y2M", "1 year 6 mons -2 days",
                                   "00:00:01", "@ 1 century", "1-2", "0.5 years"])
def test_a_retention_is_what_interval_takes(conn, value):
    assert conn.execute("SELECT %s::interval > '0'", [value]).fetchone() == (True,)
    conn.execute("SELECT set_config('databunker.max_audit_retention', %s, false)", [value])
    assert conn.execute("SHOW databunker.max_audit_retention").fetchone() == (value,)


@pytest.mark.parametrize("value", ["", "0", "-1 day", "1 month -30 days", "soon", "infinity",
                                   "1 fortnight", "P", "99999999999 years", "1 " * 200, "'"])
def test_another_retention_is_refused(conn, raises, value):
    with raises("22023"):
        conn.execute("SELECT set_config('databunker.max_audit_retention', %s, false)", [value])
    assert conn.execute("SHOW databunker.max_audit_retention").fetchone() == ("12 months",)


def test_a_caller_cannot_shorten_the_retention(app_conn, raises):
    with raises("42501"):
        app_conn.execute("SET databunker.max_audit_retention = '1 day'")


def test_a_bad_retention_does_not_end_the_server(fresh_cluster):
    """The postmaster reads it, where an error would be fatal."""
    server = fresh_cluster({"databunker.max_audit_retention": "2 years"})
    mark = server.log_mark()
    server.reload({"databunker.max_audit_retention": "for ever"})
    with server.connect() as connection:
        connection.execute("CREATE EXTENSION databunker")
        assert call(connection, "bunker_status")["preloaded"]
        assert connection.execute("SHOW databunker.max_audit_retention").fetchone() == ("2 years",)
    assert "contains errors; unaffected changes were applied" in server.log(mark)
    mark = server.log_mark()
    server.restart()
    # How PostgreSQL treats any setting of a library at start; nothing is dropped by that default.
    assert "invalid value for parameter \"databunker.max_audit_retention\"" in server.log(mark)
