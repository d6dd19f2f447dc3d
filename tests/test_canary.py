"""Values of profiles are found nowhere outside of the profile: not on disk, not in an error."""

import psycopg
import pytest
from canary import TALKATIVE, Canaries, days_work, fields_showing, word

from harness import Cluster

LOGGING = {"defaults": {"log_statement": None}, "talkative": TALKATIVE}
CURSORS = {"literals": psycopg.ClientCursor, "parameters": psycopg.Cursor}


@pytest.fixture(scope="module", params=LOGGING)
def server(request):
    """A server whose log is terse, then one whose log is as talkative as can be."""
    settings = {name: value for name, value in LOGGING[request.param].items() if value}
    with Cluster(settings) as cluster:
        yield cluster


@pytest.mark.parametrize("protocol", CURSORS)
def test_a_days_work_leaves_no_value_behind(server, protocol):
    db = server.create_db(f"work_{protocol}")
    values = Canaries()
    with server.connect(db, cursor_factory=CURSORS[protocol]) as connection:
        errors = days_work(connection, values)
    found = {value: server.files_holding(value.encode()) for value in values.all()}
    assert {value: files for value, files in found.items() if files} == {}
    shown = [line for error in errors for line in fields_showing(error, values.all())]
    assert shown == []


def test_the_search_finds_what_is_there(server):
    """Guards the test above: the same values in a plain table are found in table, WAL and log."""
    value = word()
    with server.connect() as connection:
        connection.execute("CREATE TABLE plain AS SELECT %s AS value", [value])
        connection.execute(f"DO $$ BEGIN RAISE LOG '{value}'; END $$")
    places = {path.split("/")[0] + "/" + path.split("/")[1] if "/" in path else path
              for path in server.files_holding(value.encode())}
    assert places == {"data/base", "data/pg_wal", "log"}
