"""Fixtures: one shared server for most tests, a fresh database for each, roles, own servers."""

import itertools

import pytest
from harness import Cluster, sync
from harness.mysql import MySql
from harness.targets import make_folder

TEMPLATE = "bunker_template"
GROUPS = ("reader", "app", "dpo", "admin")
_names = (f"test_{number}" for number in itertools.count(1))


@pytest.fixture(scope="session")
def cluster():
    """A server with databunker preloaded and a master key file; shared, so leave it as it was."""
    with Cluster() as server:
        prepare(server)
        yield server


def prepare(server: Cluster) -> None:
    """The template of the test databases, and a login role for each group role."""
    server.create_db(TEMPLATE)
    with server.connect() as connection:
        for group in GROUPS:
            connection.execute(f"CREATE ROLE test_{group} LOGIN IN ROLE bunker_{group}")
        # Nobody may use the template, or CREATE DATABASE would have to wait for him; this keeps
        # the extension's workers out too.
        connection.execute(f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [TEMPLATE])


@pytest.fixture
def db(cluster):
    """The name of a fresh database with the extension, dropped afterwards."""
    name = cluster.create_db(next(_names), template=TEMPLATE)
    yield name
    cluster.drop_db(name)


@pytest.fixture
def conn(cluster, db):
    """A superuser's connection to `db`, in autocommit."""
    with cluster.connect(db) as connection:
        yield connection


@pytest.fixture
def copy(cluster):
    """A superuser's connection to a second fresh database, for a copy of the vault in `db`."""
    name = cluster.create_db(next(_names), template=TEMPLATE)
    with cluster.connect(name) as connection:
        yield connection
    cluster.drop_db(name)


@pytest.fixture
def connect_as(cluster, db):
    """connect_as("app", **options): a connection to `db` that holds just bunker_app; any number."""
    opened = []

    def connect(group: str, **options):
        opened.append(cluster.connect(db, f"test_{group}", **options))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def reader_conn(connect_as):
    """A connection that holds just bunker_reader."""
    return connect_as("reader")


@pytest.fixture
def app_conn(connect_as):
    """A connection that holds just bunker_app."""
    return connect_as("app")


@pytest.fixture
def dpo_conn(connect_as):
    """A connection that holds just bunker_dpo."""
    return connect_as("dpo")


@pytest.fixture
def admin_conn(connect_as):
    """A connection that holds just bunker_admin."""
    return connect_as("admin")


@pytest.fixture
def web(cluster, db):
    """web(**options): connections of one fresh role that has all group roles, as applications behind
    a pool share one. Its name is in `web.role`."""
    role = f"web_{next(_names)}"
    groups = ", ".join(f"bunker_{group}" for group in GROUPS)
    cluster.psql(f"CREATE ROLE {role} LOGIN IN ROLE {groups}")
    opened = []

    def connect(**options):
        opened.append(cluster.connect(db, role, **options))
        return opened[-1]

    connect.role = role
    yield connect
    for connection in opened:
        connection.close()
    cluster.psql(f"DROP OWNED BY {role}; DROP ROLE {role}", dbname=db)


@pytest.fixture
def raises(cluster):
    """raises(sqlstate, secrets=[...]): see harness.errors.raises; bound to the shared server."""
    return cluster.raises


@pytest.fixture(scope="session")
def mysql():
    """A MariaDB or MySQL server, shared: make databases of your own in it."""
    with MySql() as server:
        yield server


@pytest.fixture
def fresh_cluster(request):
    """fresh_cluster(settings, preload=…, master_key=…): a started server of the test's own."""
    servers = request.node.stash.setdefault(OWN_SERVERS, [])

    def start(settings: dict | None = None, **options) -> Cluster:
        server = Cluster(settings, **options)
        servers.append(server)
        server.init()
        server.start()
        return server

    yield start
    for server in servers:
        server.destroy()


@pytest.fixture
def target_folder(cluster):
    """A folder in which bunker-sync may make files."""
    return make_folder(cluster, f"targets-{next(_names)}")


@pytest.fixture
def sync_env(cluster, db):
    """The variables by which bunker-sync finds the vault in `db`, and its master key."""
    return sync.vault(cluster, db) | sync.master_key(cluster)


# Reporting ------------------------------------------------------------------------------------

OWN_SERVERS = pytest.StashKey[list]()
LOG_MARK = pytest.StashKey[int]()
skipped = []


def pytest_runtest_call(item):
    """Remembers where in the shared server's log this test began."""
    if server := item.funcargs.get("cluster"):
        item.stash[LOG_MARK] = server.log_mark()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds to a failure what the servers logged during the test."""
    report = yield
    if report.failed:
        server = item.funcargs.get("cluster")
        if server and server.log_file.exists():
            text = "\n".join(server.log(item.stash.get(LOG_MARK, 0)).splitlines()[-60:])
            report.sections.append(("log of the shared server", text))
        for own in item.stash.get(OWN_SERVERS, []):
            report.sections.append(("log of the test's own server", own.log_tail(60)))
    return report


def pytest_runtest_logreport(report):
    """Counts what did not run: a skip or an expected failure hides a claim that nobody checks."""
    if report.skipped:
        skipped.append(report.nodeid)


def pytest_collectreport(report):
    """Counts whole modules that did not run."""
    if report.skipped:
        skipped.append(report.nodeid)


def pytest_sessionfinish(session, exitstatus):
    """A run that skipped a test has failed."""
    if skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Names what was skipped."""
    for nodeid in skipped:
        terminalreporter.write_line(f"SKIPPED, which counts as failed: {nodeid}")
