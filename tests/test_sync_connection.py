"""How bunker-sync reaches the vault: TLS, passwords, and what it says when it cannot."""

import pytest

from harness import certificates, sync as tool
from harness.cluster import Cluster
from harness.sync import FAILED, USAGE, sync
from harness.targets import SqliteFile, is_like, make_folder
from harness.vault import create

PASSWORD = "s:e\\c'ret"


@pytest.fixture(scope="module")
def server():
    """A server that is reached by TCP, with TLS and a password."""
    cluster = Cluster({"listen_addresses": "127.0.0.1", "ssl": "on"})
    folder = certificates.make(cluster.root)
    cluster.settings |= {"ssl_cert_file": str(folder / "server.pem"),
                         "ssl_key_file": str(folder / "server.key")}
    with cluster:
        hba = cluster.data / "pg_hba.conf"
        hba.write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        cluster.reload()
        cluster.create_db("vault")
        quoted = PASSWORD.replace("'", "''")
        cluster.psql(f"CREATE ROLE syncer LOGIN IN ROLE bunker_admin PASSWORD '{quoted}'")
        with cluster.connect("vault") as conn:
            create(conn, {"login": "ada"})
        make_folder(cluster)
        yield cluster


@pytest.fixture
def env(server):
    """Where the server is, by its address; its certificate authority; no password."""
    return {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGDATABASE": "vault",
            "PGUSER": "syncer", "PGSSLROOTCERT": str(server.root / "ca.pem"),
            "PGSSLMODE": "verify-full"} | tool.master_key(server)


@pytest.fixture
def target(server, request):
    """A SQLite file that is not there yet."""
    return SqliteFile(server.root / "targets" / f"{abs(hash(request.node.nodeid))}.db")


def passfile(server, line: str, mode: int = 0o600):
    path = server.root / "targets" / "pgpass"
    path.touch()
    path.chmod(0o600)
    return server._own(path, line + "\n", mode)


def test_a_pull_goes_through_tls_with_a_verified_certificate(server, env, target):
    sync("pull", target.name, env=env | {"PGPASSWORD": PASSWORD})
    with server.connect("vault") as conn:
        assert is_like(target, conn)


@pytest.mark.parametrize("vault", ["sslmode=require sslrootcert={ca}",
                                   "postgresql://localhost/?sslmode=verify-ca&sslrootcert={ca}",
                                   "vault"])
def test_connection_strings_are_as_for_psql(server, env, target, vault):
    env = env | {"PGPASSWORD": PASSWORD}
    if "{ca}" in vault:
        del env["PGSSLROOTCERT"], env["PGSSLMODE"]
    sync("pull", target.name, "--vault", vault.format(ca=server.root / "ca.pem"), env=env)


@pytest.mark.parametrize("vault", ["hostaddr=127.0.0.1", "postgresql:///?hostaddr=127.0.0.1"])
def test_an_address_alone_is_reached_by_tls_too(server, env, target, vault):
    env = env | {"PGPASSWORD": PASSWORD}
    sync("pull", target.name, "--vault", vault, env=env)
    del env["PGSSLROOTCERT"]
    assert "certificate" in sync("pull", target.name, "--vault", vault, env=env, check=FAILED).stderr


def test_options_of_the_environment_reach_the_server(server, env, target):
    env = env | {"PGPASSWORD": PASSWORD, "PGOPTIONS": "-c databunker.reason=ticket-4711"}
    sync("pull", target.name, env=env)
    with server.connect("vault") as conn:
        assert conn.execute("SELECT reason FROM bunker_audit_all() WHERE action = 'export_bundle' "
                            "ORDER BY id DESC LIMIT 1").fetchone() == ("ticket-4711",)


def test_an_unknown_certificate_is_refused_whatever_the_mode(env, target):
    env = env | {"PGPASSWORD": PASSWORD}
    del env["PGSSLROOTCERT"]
    for mode in ("prefer", "require", "verify-ca", "verify-full"):
        done = sync("pull", target.name, env=env | {"PGSSLMODE": mode}, check=FAILED)
        assert "certificate" in done.stderr and "--vault-ca" in done.stderr
    assert not target.path.exists()


def test_a_certificate_for_another_name_is_refused(env, target):
    env = env | {"PGPASSWORD": PASSWORD}
    done = sync("pull", target.name, "--vault", "host=other.example hostaddr=127.0.0.1", env=env,
                check=FAILED)
    assert "certificate" in done.stderr


def test_a_server_that_wants_tls_does_not_take_us_without(env, target):
    done = sync("pull", target.name, env=env | {"PGPASSWORD": PASSWORD, "PGSSLMODE": "disable"},
                check=FAILED)
    assert "28000" in done.stderr


def test_the_file_of_authorities_can_be_an_option_and_has_to_be_one(server, env, target):
    env = env | {"PGPASSWORD": PASSWORD, "PGSSLROOTCERT": "/nonexistent"}
    sync("pull", target.name, "--vault-ca", server.root / "ca.pem", env=env)
    for bad in ("/nonexistent", server.root / "server.key"):
        sync("pull", target.name, "--vault-ca", bad, env=env, check=USAGE)


def test_the_password_comes_from_a_password_file(server, env, target):
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    path = passfile(server, f"other:*:*:*:wrong\n127.0.0.1:{server.port}:vault:syncer:{escaped}")
    sync("pull", target.name, env=env | {"PGPASSFILE": str(path)})
    sync("pull", target.name, "--vault", f"passfile={path}", env=env)
    home = server.root / "targets" / "home"
    home.mkdir()
    home.chmod(0o755)
    path.rename(home / ".pgpass")
    sync("pull", target.name, env=env | {"HOME": str(home)})


def test_a_password_file_that_others_may_read_is_not_used(server, env, target):
    path = passfile(server, f"*:*:*:*:{PASSWORD}", mode=0o640)
    done = sync("pull", target.name, env=env | {"PGPASSFILE": str(path)}, check=FAILED)
    assert "0600" in done.stderr and PASSWORD not in done.stderr


def test_a_wrong_password_fails_and_is_not_shown(env, target):
    done = sync("pull", target.name, env=env | {"PGPASSWORD": "canary"}, check=FAILED)
    assert "28P01" in done.stderr and "canary" not in done.stderr


def test_a_server_that_is_not_there_is_a_failure(env, target):
    done = sync("pull", target.name, env=env | {"PGPORT": "1"}, check=FAILED)
    assert "connect" in done.stderr and not target.path.exists()
