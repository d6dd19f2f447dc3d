"""bunker_check() on the key, roles and catalogs; who may ask, and where."""

import os
import shutil

import pytest
from checking import (
    FILE,
    check,
    found,
    graver,
    no_core_dumps,  # noqa: F401
    shared,  # noqa: F401
    start,
    vault,  # noqa: F401
    wait_for,
)
from test_standby import Standby

from harness.vault import rows

# The key ----------------------------------------------------------------------------------------

def test_a_vault_without_a_key_says_so(fresh_cluster):
    server = start(fresh_cluster, master_key=False)
    (severity, text), = found(check(server), "databunker.master_key")
    assert severity == "critical"
    assert "no master key" in text


def test_a_key_file_that_others_can_read_is_critical(shared, vault):
    key_file = shared.root / "master.key"
    key_file.chmod(0o640)
    try:
        severities = [severity for severity, _ in found(rows(vault, "bunker_check"), FILE)]
    finally:
        key_file.chmod(0o600)
    assert severities == ["critical"]
    assert graver(rows(vault, "bunker_check")) == []


def test_the_key_files_surroundings_are_looked_at(fresh_cluster):
    """Owner, folders and place; root, as whom the tests may run, is trusted like the server's user."""
    server = start(fresh_cluster)
    folder = server.root / "keys"
    folder.mkdir(mode=0o755)
    key_file = (server.root / "master.key").rename(folder / "master.key")
    server.restart(settings={FILE: str(key_file)})
    assert graver(check(server)) == []
    folder.chmod(0o777)
    (severity, text), = found(check(server), FILE)
    assert (severity, "replace" in text) == ("warning", True)
    folder.chmod(0o1777)
    assert found(check(server), FILE) == []
    inside = key_file.rename(server.data / "master.key")
    server.restart(settings={FILE: str(inside)})
    (severity, text), = found(check(server), FILE)
    assert (severity, "data directory" in text) == ("warning", True)


def test_a_key_file_of_another_user_is_critical(fresh_cluster):
    """The server's user and root are trusted. Root only can give a file to somebody else."""
    server = start(fresh_cluster)

    def strangers() -> list[str]:
        return [grade for grade, text in found(check(server), FILE) if "belongs" in text]
    assert strangers() == []
    if os.geteuid() == 0:
        shutil.chown(server.root / "master.key", "nobody")
        assert strangers() == ["critical"]
        shutil.chown(server.root / "master.key", "root")
        assert strangers() == []


def test_a_key_in_the_configuration_and_a_command_are_found(fresh_cluster):
    key = "5a" * 32
    server = start(fresh_cluster, {"databunker.master_key": key}, master_key=False)
    assert [severity for severity, _ in found(check(server), "databunker.master_key")] == ["warning"]
    assert key not in str(check(server))
    command = f"echo {key}"
    server.restart(settings={"databunker.master_key": None,
                             "databunker.master_key_command": command})
    findings = check(server)
    assert graver(findings) == []
    assert [severity for severity, _ in found(findings, "databunker.master_key_command")] == ["info"]
    assert command not in str(findings) and key not in str(findings)


def test_no_finding_tells_where_the_key_is(shared, vault):
    key_file = shared.root / "master.key"
    key_file.chmod(0o644)
    try:
        assert str(shared.root) not in str(rows(vault, "bunker_check"))
    finally:
        key_file.chmod(0o600)


# Roles and catalogs -------------------------------------------------------------------------------

# What is done, what undoes it, and the finding in between.
DEEDS = [
    ("GRANT EXECUTE ON FUNCTION bunker_lookup(text, text) TO PUBLIC",
     "REVOKE EXECUTE ON FUNCTION bunker_lookup(text, text) FROM PUBLIC",
     ("critical", "privileges", "bunker_lookup(text,text)")),
    ("GRANT SELECT ON bunker.keyring TO helper", "REVOKE ALL ON bunker.keyring FROM helper",
     ("critical", "privileges", "SELECT on bunker.keyring for helper")),
    ("GRANT SELECT (token) ON bunker.record TO PUBLIC",
     "REVOKE ALL (token) ON bunker.record FROM PUBLIC",
     ("critical", "privileges", "SELECT on bunker.record for PUBLIC")),
    ("GRANT USAGE ON SEQUENCE bunker.audit_id TO helper",
     "REVOKE ALL ON SEQUENCE bunker.audit_id FROM helper",
     ("critical", "privileges", "USAGE on bunker.audit_id for helper")),
    ("GRANT CREATE ON SCHEMA bunker TO helper", "REVOKE CREATE ON SCHEMA bunker FROM helper",
     ("critical", "privileges", "CREATE on schema bunker for helper")),
    ("ALTER TABLE bunker.record DISABLE TRIGGER audit_rows",
     "ALTER TABLE bunker.record ENABLE ALWAYS TRIGGER audit_rows",
     ("critical", "triggers", "audit_rows on bunker.record")),
    ("ALTER TABLE bunker.lookup ENABLE TRIGGER audit_statement",
     "ALTER TABLE bunker.lookup ENABLE ALWAYS TRIGGER audit_statement",
     ("critical", "triggers", "audit_statement on bunker.lookup")),
    ("ALTER TABLE bunker.user_schema SET UNLOGGED", "ALTER TABLE bunker.user_schema SET LOGGED",
     ("critical", "tables", "bunker.user_schema")),
    ("GRANT bunker_app TO chief", "REVOKE bunker_app FROM chief",
     ("warning", "roles", "chief of bunker_app")),
    ("GRANT bunker_dpo TO helper WITH ADMIN OPTION", "REVOKE bunker_dpo FROM helper",
     ("warning", "roles", "helper by ADMIN OPTION on bunker_dpo")),
    ("GRANT pg_read_all_data TO helper", "REVOKE pg_read_all_data FROM helper",
     ("warning", "roles", "helper of pg_read_all_data")),
    ("GRANT pg_execute_server_program TO middle; GRANT middle TO helper",
     "REVOKE middle FROM helper; REVOKE pg_execute_server_program FROM middle",
     ("warning", "roles", "helper of pg_execute_server_program")),
    ("CREATE PUBLICATION everything FOR ALL TABLES", "DROP PUBLICATION everything",
     ("warning", "publication", "everything")),
    ("CREATE PUBLICATION records FOR TABLE bunker.record", "DROP PUBLICATION records",
     ("warning", "publication", "records")),
    ("CREATE MATERIALIZED VIEW copies AS SELECT bunker_lookup('login', 'ann') WITH NO DATA",
     "DROP MATERIALIZED VIEW copies", ("warning", "definitions", "copies")),
    ("ALTER ROLE chief LOGIN", "ALTER ROLE chief NOLOGIN", ("info", "roles", "superuser chief")),
]


@pytest.fixture
def people(vault):
    """A superuser and two ordinary roles."""
    for role in ("chief SUPERUSER", "helper", "middle"):
        vault.execute(f"DROP ROLE IF EXISTS {role.split()[0]}")
        vault.execute(f"CREATE ROLE {role}")
    yield
    for role in ("chief", "helper", "middle"):
        vault.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(("deed", "undoing", "expected"), DEEDS, ids=[deed[0] for deed in DEEDS])
def test_what_is_granted_or_made_is_found(vault, people, deed, undoing, expected):
    before = rows(vault, "bunker_check")
    vault.execute(deed)
    new = [row for row in rows(vault, "bunker_check") if row not in before]
    vault.execute(undoing)
    severity, about, name = expected
    assert [row for row in new if row[:2] == (severity, about) and name in row[2] and row[3]], new
    assert {row[:2] for row in new} == {(severity, about)}
    assert rows(vault, "bunker_check") == before


def test_createrole_hands_out_everything_before_version_16(vault, people):
    vault.execute("ALTER ROLE helper CREATEROLE")
    expected = ["helper by CREATEROLE"] if vault.info.server_version < 160000 else []
    assert [name for name in expected
            if any(name in text for _, text in found(rows(vault, "bunker_check"), "roles"))] == expected


def test_what_was_defined_before_the_guard_was_there_is_critical(fresh_cluster):
    server = start(fresh_cluster, preload=False)
    with server.connect("vault") as connection:
        connection.execute("CREATE TABLE t (x text CONSTRAINT spy CHECK "
                           "(bunker_find_token('login', x) IS NULL))")
        connection.execute("CREATE STATISTICS hoard ON (bunker_find_token('login', x)::text), x FROM t")
    assert [(severity, text.split(" calls")[0]) for severity, text
            in found(check(server), "definitions")] == [
        ("critical", "the constraint spy"), ("critical", "the statistics object hoard")]


def test_replication_is_information(vault):
    vault.execute("SELECT pg_create_physical_replication_slot('follower')")
    try:
        (severity, text), = found(rows(vault, "bunker_check"), "replication")
        assert (severity, "slot follower (physical)" in text) == ("info", True)
    finally:
        vault.execute("SELECT pg_drop_replication_slot('follower')")
    assert found(rows(vault, "bunker_check"), "replication") == []


# Who and where ------------------------------------------------------------------------------------

@pytest.mark.parametrize("group", ["admin", "dpo"])
def test_those_who_may_ask_see_what_a_superuser_sees(cluster, conn, connect_as, group):
    assert rows(connect_as(group), "bunker_check") == rows(conn, "bunker_check")


def test_the_worst_comes_first(vault):
    vault.execute("SET log_statement = 'all'")
    vault.execute("SET databunker.redact_logs = off")
    vault.execute("SET synchronous_commit = off")
    order = [severity for severity, *_ in rows(vault, "bunker_check")]
    assert order == sorted(order, key=["critical", "warning", "info"].index)
    assert set(order) == {"critical", "warning", "info"}


def test_a_hostile_search_path_changes_nothing(vault):
    before = rows(vault, "bunker_check")
    vault.execute("CREATE TEMP TABLE pg_settings (name text, setting text)")
    vault.execute("CREATE TEMP TABLE pg_roles (rolname text)")
    vault.execute("SET search_path = pg_temp, public")
    assert rows(vault, "bunker_check") == before


def test_a_standby_can_be_checked(fresh_cluster):
    primary = start(fresh_cluster)
    with Standby(primary, {}) as standby:
        standby.restart(settings={"fsync": None})
        assert graver(check(standby)) == []
        standby.reload({"databunker.redact_logs": "off"})
        wait_for(standby, "databunker.redact_logs", "off")
        assert [severity for severity, _ in found(check(standby), "databunker.redact_logs")] == ["critical"]
