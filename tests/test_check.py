"""bunker_check() on settings: each rule on a server that breaks it, and none on a secure one."""

import pytest
from checking import (
    check,
    core_limit,
    found,
    graver,
    no_core_dumps,  # noqa: F401
    shared,  # noqa: F401
    start,
    vault,  # noqa: F401
    wait_for,
)

from harness.vault import rows


def test_a_secure_server_has_no_finding_but_for_information(vault):
    findings = rows(vault, "bunker_check")
    assert graver(findings) == []
    # From PostgreSQL 18 on, a new server has page checksums.
    assert {about for _, about, *_ in findings} - {"data_checksums"} == {"roles"}
    assert found(findings, "roles") == [
        ("info", "the superuser postgres can log in, read the key and call everything")]


# Settings -------------------------------------------------------------------------------------

# Values that are a finding, by setting; with what else has to be set for it.
MASKED_LEAKS = [
    ("log_statement", "all", {}), ("log_statement", "mod", {}),
    ("log_min_duration_statement", "0", {}), ("log_min_duration_statement", "250ms", {}),
    ("log_min_duration_sample", "1s", {}), ("log_transaction_sample_rate", "0.5", {}),
    ("log_parameter_max_length", "-1", {"log_min_duration_statement": "0"}),
    ("log_parameter_max_length", "1kB", {"log_statement": "all"}),
    ("log_parameter_max_length_on_error", "-1", {}), ("debug_print_parse", "on", {}),
    ("debug_print_rewritten", "on", {}), ("debug_print_plan", "on", {}),
]
HARMLESS = [
    ("log_statement", "ddl"), ("log_statement", "none"), ("log_min_duration_statement", "-1"),
    ("log_parameter_max_length", "-1"), ("log_parameter_max_length_on_error", "0"),
    ("log_duration", "on"), ("synchronous_commit", "local"),
]


@pytest.mark.parametrize(("setting", "value", "others"), MASKED_LEAKS)
def test_a_setting_that_leaks_is_found(vault, setting, value, others):
    """In the session, as the settings of a server are. A masked log makes it a warning."""
    for name, other in (others | {setting: value}).items():
        vault.execute("SELECT set_config(%s, %s, false)", [name, other])
    assert [severity for severity, _ in found(rows(vault, "bunker_check"), setting)] == ["warning"]
    vault.execute("SET databunker.redact_logs = off")
    findings = rows(vault, "bunker_check")
    assert [severity for severity, _ in found(findings, setting)] == ["critical"]
    assert [severity for severity, _ in found(findings, "databunker.redact_logs")] == ["critical"]
    vault.execute("RESET ALL")
    assert graver(rows(vault, "bunker_check")) == []


@pytest.mark.parametrize(("setting", "value", "severity"), [
    ("databunker.audit_reads", "transaction", "critical"),
    ("databunker.audit_reads", "async", "warning"), ("databunker.bulk_read_limit", "0", "warning"),
])
def test_a_setting_of_ours_that_lets_reads_pass_is_found(vault, setting, value, severity):
    vault.execute("SELECT set_config(%s, %s, false)", [setting, value])
    assert [grade for grade, _ in found(rows(vault, "bunker_check"), setting)] == [severity]
    vault.execute("RESET ALL")
    assert graver(rows(vault, "bunker_check")) == []


@pytest.mark.parametrize(("setting", "value"), HARMLESS)
def test_a_setting_that_does_not_leak_is_not_found(vault, setting, value):
    vault.execute("SELECT set_config(%s, %s, false)", [setting, value])
    assert graver(rows(vault, "bunker_check")) == []


@pytest.mark.parametrize(("setting", "value", "severity"), [
    ("fsync", "off", "critical"), ("full_page_writes", "off", "critical"),
    ("synchronous_commit", "off", "warning"), ("password_encryption", "md5", "warning"),
])
def test_a_setting_that_loses_data_or_secrets_is_found(shared, setting, value, severity):
    shared.reload({setting: value})
    wait_for(shared, setting, value)
    assert [grade for grade, _ in found(check(shared), setting)] == [severity]
    shared.reload({setting: None})
    wait_for(shared, setting, value, is_set=False)
    assert found(check(shared), setting) == []


@pytest.mark.parametrize("whom", ["ROLE auditor", "DATABASE vault", "ROLE auditor IN DATABASE vault",
                                  "ROLE ALL"])
@pytest.mark.parametrize(("setting", "value"), [
    ("log_statement", "'all'"), ("log_min_duration_statement", "'250ms'"),
    ("debug_print_plan", "true"), ("synchronous_commit", "false"),
    ("log_parameter_max_length_on_error", "'1kB'"),
])
def test_a_setting_of_a_role_or_a_database_is_found(vault, whom, setting, value):
    vault.execute("DROP ROLE IF EXISTS auditor")
    vault.execute("CREATE ROLE auditor")
    vault.execute(f"ALTER {whom} SET {setting} = {value}")
    vault.execute(f"ALTER {whom} SET work_mem = '8MB'")
    try:
        (severity, text), = found(rows(vault, "bunker_check"), setting)
        assert severity == "warning"
        assert ("role auditor" in text) == ("auditor" in whom)
        assert ("database vault" in text) == ("vault" in whom)
        vault.execute(f"ALTER {whom} RESET {setting}")
        assert graver(rows(vault, "bunker_check")) == []
    finally:
        vault.execute(f"ALTER {whom} RESET ALL")


def test_a_harmless_setting_of_a_role_is_not_found(vault):
    vault.execute("ALTER ROLE postgres IN DATABASE vault SET log_min_duration_statement = -1")
    try:
        assert graver(rows(vault, "bunker_check")) == []
    finally:
        vault.execute("ALTER ROLE postgres IN DATABASE vault RESET ALL")


def test_other_extensions_are_looked_at_when_they_are_loaded(fresh_cluster):
    server = start(fresh_cluster, {
        "shared_preload_libraries": "pg_stat_statements, pgaudit, auto_explain, databunker",
        "pgaudit.log": "read, write", "pgaudit.log_parameter": "on",
        "auto_explain.log_min_duration": "10ms", "auto_explain.log_nested_statements": "on"})
    expected = {
        ("warning", "pgaudit.log"), ("warning", "pgaudit.log_parameter"),
        ("warning", "auto_explain.log_min_duration"),
        ("warning", "auto_explain.log_nested_statements"),
        ("warning", "pg_stat_statements.track_utility")}
    with server.connect() as connection:
        # New in PostgreSQL 16, and on unless told otherwise.
        if connection.info.server_version >= 160000:
            expected.add(("warning", "auto_explain.log_parameter_max_length"))
    assert {(severity, about) for severity, about, *_ in graver(check(server))} == expected
    server.restart(settings={
        "pgaudit.log_statement": "off", "pgaudit.log_parameter": "off",
        "auto_explain.log_min_duration": "-1", "pg_stat_statements.track_utility": "off"})
    assert graver(check(server)) == []
    server.restart(settings={"pgaudit.log_statement": None, "pgaudit.log": "none",
                             "auto_explain.log_min_duration": "0",
                             "auto_explain.sample_rate": "0"})
    assert graver(check(server)) == []


def test_their_settings_without_them_are_nothing(fresh_cluster):
    server = start(fresh_cluster, {"pgaudit.log": "all", "auto_explain.log_min_duration": "0"})
    assert graver(check(server)) == []


def test_a_library_loaded_after_ours_is_information(fresh_cluster):
    server = start(fresh_cluster, {"shared_preload_libraries": "databunker, auto_explain"})
    assert [severity for severity, _ in found(check(server), "shared_preload_libraries")] == ["info"]
    server.restart(settings={"shared_preload_libraries": "auto_explain, databunker"})
    assert found(check(server), "shared_preload_libraries") == []


def test_a_server_without_preloading_is_critical(fresh_cluster):
    server = start(fresh_cluster, {"log_statement": "all"}, preload=False)
    findings = check(server)
    assert [severity for severity, _ in found(findings, "shared_preload_libraries")] == ["critical"]
    assert [severity for severity, _ in found(findings, "log_statement")] == ["critical"]


@pytest.mark.parametrize(("addresses", "expected"), [
    ("", []), ("localhost", []), ("127.0.0.1, ::1", []), ("*", ["warning"]),
    ("localhost, 0.0.0.0", ["warning"]),
])
def test_a_network_without_tls_is_found(fresh_cluster, addresses, expected):
    server = start(fresh_cluster, {"listen_addresses": addresses, "ssl": "off"})
    assert [severity for severity, _ in found(check(server), "ssl")] == expected


def test_page_checksums_are_asked_for(fresh_cluster):
    server = start(fresh_cluster)
    server.stop()
    # Refused where they are off already: before PostgreSQL 18.
    server.run("pg_checksums", "--disable", "-D", str(server.data), as_server=True, check=False)
    server.start()
    assert [severity for severity, _ in found(check(server), "data_checksums")] == ["info"]
    server.stop()
    server.run("pg_checksums", "--enable", "-D", str(server.data), as_server=True)
    server.start()
    assert found(check(server), "data_checksums") == []


def test_a_log_that_everybody_may_read_is_information(fresh_cluster):
    server = start(fresh_cluster, {"logging_collector": "on", "log_directory": "kept",
                                   "log_file_mode": "0644"})
    assert [severity for severity, _ in found(check(server), "log_file_mode")] == ["info"]
    server.restart(settings={"log_file_mode": "0640"})
    assert found(check(server), "log_file_mode") == []


def test_core_dumps_are_found(fresh_cluster):
    server = start(fresh_cluster)
    assert found(check(server), "core dumps") == []
    server.stop()
    with core_limit(1):
        server.start()
    assert [severity for severity, _ in found(check(server), "core dumps")] == ["warning"]
