"""bunker-sync as a program: where it is installed, its help, manual pages and completions."""

import os
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from harness.paths import PROJECT, program, server_user
from harness.sync import FAILED, NOT_FOUND, REFUSED, USAGE, start, sync
from harness.wait import wait_until

COMMANDS = {"pull", "apply", "verify", "status", "lookup", "import-databunker", "export-databunker",
            "import-table", "completions", "man"}


def commands() -> set[str]:
    listed = sync("--help").stdout.partition("Commands:")[2].partition("Options:")[0]
    return set(re.findall(r"^  (\S+)", listed, re.MULTILINE)) - {"help"}


def test_every_command_has_a_help_that_says_more_than_its_name():
    assert commands() == COMMANDS
    for command in COMMANDS:
        assert len(sync(command, "--help").stdout) > 150, command


def test_the_help_of_a_command_has_the_whole_description():
    said = sync("import-table", "--help").stdout
    assert "needs bunker_admin" in said and "is still to be brought" in said
    assert "needs bunker_admin" not in sync("import-table", "-h").stdout


def test_the_help_lists_each_exit_status():
    said = sync("--help").stdout
    assert all(re.search(rf"\b{status} [a-z]", said) for status in range(6))


def test_wrong_usage_is_status_2():
    for arguments in [[], ["no-such-command"], ["pull", "--no-such-option"]]:
        sync(*arguments, check=USAGE)


@pytest.mark.parametrize("conninfo", ["password=hunter2", "postgresql://ann:hunter2@localhost/shop"])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(conninfo):
    arguments = ["import-table", "users", "--map", "a=b", "--token-column", "t", "--vault", conninfo]
    said = sync(*arguments, check=USAGE).stderr
    assert "PGPASSWORD" in said and "hunter2" not in said


def test_it_runs_without_a_home_or_a_user(cluster):
    said = sync("import-table", "users", "--map", "a=b", "--token-column", "t",
                "--vault", f"host={cluster.root} port=1 dbname=x user=y", check=FAILED).stderr
    assert said.startswith("bunker-sync: ")


def test_an_error_over_a_file_names_it():
    for arguments in [["apply", "/no/bundle", "x.db"], ["verify", "/no/bundle"],
                      ["lookup", "login", "ann", "/no/target", "--master-key-file", "/no/key"],
                      ["import-databunker", "sqlite:x.db", "--source-key-file", "/no/key"]]:
        said = sync(*arguments, check=FAILED).stderr
        assert "bunker-sync: /no/" in said and "No such file" in said, said


@pytest.mark.parametrize("mode, is_told", [(0o600, False), (0o640, True), (0o604, True)])
def test_a_key_that_others_may_read_is_told(target_folder, mode, is_told):
    key = target_folder / "key"
    key.write_text("ab" * 32)
    shutil.chown(key, server_user())
    key.chmod(mode)
    done = sync("lookup", "login", "ann", target_folder / "none.db", "--master-key-file", key,
                check=NOT_FOUND)
    assert ("others may read" in done.stderr) == is_told


def test_a_zero_byte_in_a_bundle_is_damage_wherever_it_goes(sync_env):
    bundle = '{"bundle":{"region":"G\0"}}\n'
    for arguments in [["verify", "-"], ["apply", "-", "vault"]]:
        assert "damaged" in sync(*arguments, stdin=bundle, env=sync_env, check=REFUSED).stderr


def test_an_aborted_run_leaves_no_memory_on_disk(tmp_path):
    def may_dump_core() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    # It waits for the value, and has read the key.
    process = subprocess.Popen(
        [program("bunker-sync"), "lookup", "login", "-", "x.db"], cwd=tmp_path,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=may_dump_core,
        env={"PATH": "/usr/bin:/bin", "DATABUNKER_MASTER_KEY": "ab" * 32})
    wait_until(lambda: core_limit(process.pid) == "0", "the tool to forbid core dumps", 10)
    process.send_signal(signal.SIGABRT)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGABRT and not list(tmp_path.iterdir())


def core_limit(pid: int) -> str:
    """The soft limit on the size of a core dump."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    return re.search(r"^Max core file size +(\S+)", limits, re.MULTILINE)[1]


def test_a_reader_who_goes_away_is_no_panic():
    process = start("man", stdout=subprocess.PIPE)
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=30)
    assert "panicked" not in said


def test_a_full_disk_under_its_output_is_no_panic():
    with open("/dev/full", "w") as full:
        process = start("verify", "/no/bundle", stderr=full)
        assert process.wait(30) == FAILED
        process = start("completions", "bash", stdout=full)
        assert "panicked" not in process.communicate(timeout=30)[1] and process.returncode == FAILED


def test_the_manual_pages_are_those_of_the_commands():
    share = subprocess.run([os.environ["PG_CONFIG"], "--mandir"], capture_output=True, text=True,
                           check=True).stdout.strip()
    pages = {name for name in os.listdir(f"{share}/man1") if name.startswith("bunker-sync")}
    assert pages == {"bunker-sync.1", *(f"bunker-sync-{command}.1" for command in COMMANDS)}
    assert sync("man").stdout.startswith(".")


@pytest.mark.parametrize("shell, script", [
    ("bash", "source /dev/stdin && complete -p bunker-sync"),
    ("bash", "bash -n /dev/stdin"),
])
def test_completions_are_taken_by_the_shell(shell, script):
    completions = sync("completions", shell).stdout
    done = subprocess.run([shell, "-c", script], input=completions, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_know_every_command(shell):
    completions = sync("completions", shell).stdout
    assert all(command in completions for command in COMMANDS)


def test_what_is_tested_is_what_was_built():
    installed, built = (os.stat(path).st_size for path in
                        (program("bunker-sync"), PROJECT / "target/tool/bunker-sync"))
    assert installed == built
