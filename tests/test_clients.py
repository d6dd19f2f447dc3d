"""The client examples of README.md, run as they stand there by a role that holds just bunker_app."""

import re
import subprocess
import sys

import pytest

from harness import readme
from harness.node import run_node
from harness.paths import bindir
from harness.vault import create, update

USER = "test_app"


def run(cluster, db: str, *command: str, user: str = USER) -> str:
    """Runs a program that finds the server through its environment; returns what it prints."""
    environment = cluster.environment(db, user)
    environment["PATH"] = f"{bindir()}:{environment['PATH']}"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_psycopg(cluster, db, dpo_conn):
    assert run(cluster, db, sys.executable, "-c", readme.block("run: psycopg")) == (
        "True Dan\nthat address is taken\n")
    created = dpo_conn.execute("SELECT action, reason FROM bunker_audit_all()").fetchall()
    assert ("create_user", "ticket 4711") in created


def test_sqlalchemy(cluster, db):
    assert run(cluster, db, sys.executable, "-c", readme.block("run: sqlalchemy")) == "2 Leeds\n"


def test_sqlalchemy_hides_parameters_in_its_exceptions(cluster, db):
    """Why the example says hide_parameters: the same call again is a duplicate, and says so."""
    example = readme.block("run: sqlalchemy")
    run(cluster, db, sys.executable, "-c", example)
    for program, shows_name in [(example, False),
                                (example.replace(", hide_parameters=True", ""), True)]:
        with pytest.raises(AssertionError, match="UniqueViolation") as caught:
            run(cluster, db, sys.executable, "-c", program)
        assert ("'name': 'Eve'" in str(caught.value) or '"name": "Eve"' in str(caught.value)) \
            == shows_name


def test_node(cluster, db):
    assert run_node(cluster, readme.block("run: node"), db, USER) == "true Fritz\n"


def test_psql(cluster, db):
    assert run(cluster, db, "bash", "-c", readme.block("run: psql")) == "t\n1\n"


def test_readmes_anchor(cluster, conn, db):
    create(conn, {"login": "ann"})
    assert run(cluster, db, "bash", "-c", readme.block("run: anchor"), user="test_dpo") == "t\n"


def test_readmes_consumer(cluster, app_conn, db):
    token = create(app_conn, {"login": "ann"})
    update(app_conn, "login", "ann", {"name": "Ann"})
    assert run(cluster, db, sys.executable, "-c", readme.block("run: consumer")) == (
        f"user_created {token}\nuser_changed {token}\n")


def test_sql_of_the_jpa_example_is_valid(app_conn):
    """Java is not run here. Named parameters become numbered ones, as Hibernate makes them."""
    found = re.findall(r'createNativeQuery\("(.*?)"\)', readme.block("prepare: jpa"))
    assert len(found) == 2
    for number, sql in enumerate(found):
        names = re.findall(r"(?<!:):(\w+)", sql)
        for position, name in enumerate(names, 1):
            sql = sql.replace(f":{name}", f"${position}")
        app_conn.execute(f"PREPARE jpa_{number} AS {sql}")
    profile, value = """'{"email": "joan@example.com"}'""", "'joan@example.com'"
    assert app_conn.execute(f"EXECUTE jpa_0({profile})").fetchone()[0]
    assert app_conn.execute(f"EXECUTE jpa_1('email', {value})").fetchone()[0]


# What stands in the profiles of each example, in a form that nothing else in a log has.
VALUES = {
    "psycopg": ["dan@", "DAN@", "Dan"],
    "sqlalchemy": ["Eve", "EVE", "Leeds"],
    "node": ["30 123456", "30/123456", "Fritz"],
}


@pytest.mark.parametrize("client", VALUES)
def test_readmes_logging_keeps_bound_values_out_of_the_log(fresh_cluster, client):
    """Even with every statement logged and the masking off: neither is what keeps values out."""
    advised = dict(re.findall(r"^(\w+) = '?(\w+)'?", readme.block("logging"), re.MULTILINE))
    assert advised["log_parameter_max_length"] == "0"
    server = fresh_cluster(advised | {"log_statement": "all", "databunker.redact_logs": "off"})
    with server.connect() as connection:
        connection.execute("CREATE EXTENSION databunker")
        connection.execute(f"CREATE ROLE {USER} LOGIN IN ROLE bunker_app")
    mark = server.log_mark()
    example = readme.block(f"run: {client}")
    if client == "node":
        run_node(server, example, "postgres", USER)
    else:
        run(server, "postgres", sys.executable, "-c", example)
    log = server.log(mark)
    assert "bunker_create_user" in log
    assert [value for value in VALUES[client] if value in log] == []
