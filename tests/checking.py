"""Servers for bunker_check(), and what it finds on them."""

import resource
from contextlib import contextmanager

import pytest

from harness import Cluster
from harness.vault import rows
from harness.wait import wait_until

# A secure server, by PostgreSQL's own defaults where there are any.
SECURE = {"log_statement": "none", "max_connections": "50"}
FILE = "databunker.master_key_file"


def start(fresh_cluster, settings: dict | None = None, **options):
    """A server on which nothing is wrong but what `settings` make so, with a vault."""
    server = fresh_cluster(base_settings=SECURE, settings=settings, **options)
    server.create_db("vault")
    return server


@contextmanager
def core_limit(size: int):
    """Servers that are started meanwhile inherit this limit on core dumps."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.fixture(scope="module", autouse=True)
def no_core_dumps():
    """As a careful service unit has it."""
    with core_limit(0):
        yield


@pytest.fixture(scope="module")
def shared(no_core_dumps):
    """One such server for the rules that need no restart."""
    with Cluster(base_settings=SECURE) as server:
        server.create_db("vault")
        yield server


@pytest.fixture
def vault(shared):
    """A superuser's connection to it."""
    with shared.connect("vault") as connection:
        yield connection


def check(server) -> list[tuple]:
    """What a new session finds."""
    with server.connect("vault") as connection:
        return rows(connection, "bunker_check")


def found(findings: list[tuple], setting: str) -> list[tuple[str, str]]:
    """Severity and finding of what is found about a setting."""
    return [(severity, finding) for severity, about, finding, _ in findings if about == setting]


def graver(findings: list[tuple]) -> list[tuple]:
    """What is more than good to know."""
    return [finding for finding in findings if finding[0] != "info"]


def wait_for(server, setting: str, value: str, is_set: bool = True) -> None:
    """Waits until new sessions start with a value, or with another one."""
    def shows() -> bool:
        with server.connect() as connection:
            return (connection.execute(f"SHOW {setting}").fetchone()[0] == value) == is_set
    wait_until(shows, f"{setting} to change")
