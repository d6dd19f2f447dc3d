"""bunker-sync apply, verify, status and lookup, on SQLite files."""

import json
import random

import pytest

from harness import sync as tool
from harness.copies import HARD, same
from harness.mirror import TABLES, export
from harness.sync import NOT_FOUND, REFUSED, USAGE, sync
from harness.targets import SqliteFile, furnish, is_like
from harness.vault import call, create, forget, update


@pytest.fixture
def target(target_folder):
    """A SQLite file that is not there yet."""
    return SqliteFile(target_folder / "vault.db")


@pytest.fixture
def key(cluster):
    """The master key of the vault, and nothing of where the vault is."""
    return tool.master_key(cluster)


@pytest.fixture
def chain(conn, cluster, target_folder):
    """Four bundles: a whole one, two that follow each other, and another whole one."""
    tokens = furnish(conn, 4)
    first = write(target_folder / "1", export(conn))
    update(conn, "token", tokens[0], {"name": "Ada"})
    second = write(target_folder / "2", export(conn, cursor(first)))
    forget(conn, "token", tokens[1])
    third = write(target_folder / "3", export(conn, cursor(second)))
    return first, second, third, write(target_folder / "4", export(conn))


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(0o644)
    return path


def cursor(path) -> str:
    return json.loads(path.read_text().splitlines()[-1])["end"]["cursor"]


def apply(path, target, env, **more):
    return sync("apply", path, target.name, env=env, **more)


# Applying ------------------------------------------------------------------------------------

def test_bundles_in_their_order_give_what_the_vault_holds(conn, chain, target, key):
    for path in chain[:3]:
        apply(path, target, key)
    assert is_like(target, conn)
    sync("verify", target.name, env=key)


def test_a_bundle_comes_from_standard_input_as_well(conn, chain, target, key):
    done = sync("apply", "-", target.name, env=key, stdin=chain[3].read_text())
    assert "(whole): 4 users" in done.stdout and is_like(target, conn)


def test_pulled_and_applied_bundles_follow_each_other(conn, target_folder, target, sync_env):
    token, = furnish(conn, 1)
    sync("pull", target.name, env=sync_env)
    (since, ), = target.query("SELECT next_cursor FROM bunker_bundle")
    update(conn, "token", token, {"name": "Ada"})
    apply(write(target_folder / "next", export(conn, since)), target, sync_env)
    create(conn, {"login": "eve"})
    assert "(changes): 1 users" in sync("pull", target.name, env=sync_env).stdout
    assert is_like(target, conn)


ORDERS = {
    "an incremental one first": ([1], "follows another"),
    "one is missing": ([0, 2], "does not follow"),
    "the same again": ([0, 0], "already"),
    "an incremental one again": ([0, 1, 1], "already"),
    "an earlier one": ([0, 1, 2, 1], "later one"),
    "an earlier whole one": ([3, 0], "later one"),
    "one that the whole one holds": ([3, 2], "later one"),
}


@pytest.mark.parametrize("order", ORDERS)
def test_bundles_out_of_order_are_refused(chain, target, key, order):
    numbers, words = ORDERS[order]
    for number in numbers[:-1]:
        apply(chain[number], target, key)
    before = target.rows()
    done = apply(chain[numbers[-1]], target, key, check=REFUSED)
    assert words in done.stderr and target.rows() == before


def test_another_vaults_bundle_is_refused(copy, chain, target_folder, target, key):
    apply(chain[0], target, key)
    before = target.rows()
    create(copy, {"login": "ann"})
    foreign = write(target_folder / "foreign", export(copy))
    assert "another vault" in apply(foreign, target, key, check=REFUSED).stderr
    assert target.rows() == before


def test_without_the_key_a_bundle_of_anybody_is_told_by_its_digest_only(chain, target):
    done = apply(chain[0], target, {})
    assert "signature is not checked" in done.stderr


def test_a_flipped_bit_anywhere_is_refused(chain, target_folder, target, key):
    apply(chain[0], target, key)
    before = target.rows()
    good, dice = chain[1].read_bytes(), random.Random(5)
    bad = target_folder / "bad"
    places = dice.sample(range(len(good)), 150) + [0, len(good) - 3]
    for place in places:
        bad.write_bytes(good[:place] + bytes([good[place] ^ 1 << dice.randrange(8)])
                        + good[place + 1:])
        bad.chmod(0o644)
        done = apply(bad, target, key, check=None)
        # A file that begins otherwise is no bundle at all.
        assert done.returncode in ((USAGE, REFUSED) if place == 0 else (REFUSED,)), place
        assert target.rows() == before, place
    apply(chain[1], target, key)


def test_cut_and_shuffled_bundles_are_refused(chain, target_folder, target, key):
    apply(chain[0], target, key)
    before = target.rows()
    lines = chain[1].read_text().splitlines()
    dice = random.Random(6)
    bad = [lines[:count] for count in range(len(lines))]
    bad += [lines[:place] + lines[place + 1:] for place in range(len(lines))]
    bad += [lines[:place] + [lines[place]] + lines[place:] for place in range(len(lines))]
    bad += [lines + [""], lines + lines, dice.sample(lines, len(lines))]
    for text in bad:
        apply(write(target_folder / "bad", text), target, key, check=REFUSED)
        assert target.rows() == before
    short = target_folder / "short"
    short.write_bytes(chain[1].read_bytes()[:-2])
    short.chmod(0o644)
    apply(short, target, key, check=REFUSED)
    assert target.rows() == before


def test_sql_text_is_not_applied_but_said_how(target_folder, target, key):
    text = write(target_folder / "sql", ["-- A bundle.", "BEGIN;"])
    assert "sqlite3" in apply(text, target, key, check=USAGE).stderr
    assert target.rows() == {}


# Verifying -----------------------------------------------------------------------------------

def test_a_bundle_is_verified_with_and_without_the_key(chain, target_folder, key):
    for path in chain:
        assert "nothing found" in sync("verify", path, env=key).stdout
        assert "without the master key" in sync("verify", path).stdout
    bad = target_folder / "bad"
    good = chain[0].read_text()
    place = good.rindex('"signature":"') + len('"signature":"')
    bad.write_text(good[:place] + ("1" if good[place] == "0" else "0") + good[place + 1:])
    bad.chmod(0o644)
    assert "signature" in sync("verify", bad, env=key, check=REFUSED).stderr
    sync("verify", bad)


SEALED = {"record": "token", "record_version": "token", "app_data": "token",
          "app_data_version": "token", "session": "session", "share": "record",
          "agreement": "token", "unclaimed_agreement": "owner", "request": "request"}


@pytest.mark.parametrize("table", SEALED)
def test_a_sealed_value_that_was_altered_is_found(chain, target, key, table):
    apply(chain[3], target, key)
    (name, ), *_ = target.query(f"SELECT {SEALED[table]} FROM bunker_{table} WHERE sealed <> ''")
    target.path.chmod(0o666)
    # Another last byte than it has.
    other = ("substr(sealed, 1, length(sealed) - 1)"
             " || CASE substr(sealed, -1) WHEN X'00' THEN X'01' ELSE X'00' END")
    changed = target.change(f"UPDATE bunker_{table} SET sealed = CAST({other} AS BLOB)"
                            f" WHERE {SEALED[table]} = ?", name)
    done = sync("verify", target.name, env=key, check=REFUSED)
    found = [line for line in done.stdout.splitlines() if line.startswith(f"{table} ")]
    assert changed >= 1 and found and all(name in line for line in found)
    assert "without the master key" in sync("verify", target.name).stdout


@pytest.mark.parametrize("change", [
    "UPDATE bunker_record SET version = version + 1 WHERE forgotten_at IS NULL",
    "UPDATE bunker_session SET expires_at = expires_at + 1",
    "UPDATE bunker_share SET token = (SELECT max(token) FROM bunker_record)",
    "UPDATE bunker_agreement SET status = 'no'",
    "UPDATE bunker_request SET status = 'approved'",
    "UPDATE bunker_app_data SET app = 'other'",
    "UPDATE bunker_record_version SET digests = X''",
    "UPDATE bunker_record SET sealed = NULL",
    "DELETE FROM bunker_lookup WHERE kind = 1",
    "UPDATE bunker_lookup SET token = (SELECT max(token) FROM bunker_record)",
    "DELETE FROM bunker_record",
])
def test_a_row_that_was_altered_is_found(chain, target, key, change):
    apply(chain[0], target, key)
    target.path.chmod(0o666)
    assert target.change(change) > 0
    done = sync("verify", target.name, env=key, check=REFUSED)
    assert "findings" in done.stderr and done.stdout


def test_a_target_cannot_rewrite_what_stands_on_the_terminal(chain, target, key):
    apply(chain[0], target, key)
    target.path.chmod(0o666)
    target.change("UPDATE bunker_app_data SET app = char(27) || '[2J' || char(7)")
    done = sync("verify", target.name, env=key, check=REFUSED)
    assert "app_data" in done.stdout and not {"\x1b", "\x07"} & set(done.stdout + done.stderr)


def test_a_target_that_loses_rows_is_refused(chain, target, key):
    apply(chain[0], target, key)
    before = target.rows()
    target.path.chmod(0o666)
    target.change("CREATE TRIGGER lose BEFORE INSERT ON bunker_record BEGIN SELECT RAISE(IGNORE); END")
    assert "does not keep" in apply(chain[3], target, key, check=REFUSED).stderr
    assert target.rows() == before


def test_without_the_key_what_does_not_fit_is_found(chain, target, key):
    apply(chain[0], target, key)
    target.path.chmod(0o666)
    (token, ), *_ = target.query("SELECT token FROM bunker_record")
    target.change("DELETE FROM bunker_record WHERE token = ?", token)
    done = sync("verify", target.name, check=REFUSED)
    assert f"session of {token}: there is no record" in done.stdout
    assert "record: 3 rows instead of 4" in done.stdout


def test_a_forged_state_is_refused(chain, target, key):
    apply(chain[0], target, key)
    target.path.chmod(0o666)
    target.change("UPDATE bunker_bundle SET number = 9, summary = "
                  "replace(summary, '\"number\":1,', '\"number\":9,')")
    assert "signature" in sync("verify", target.name, env=key, check=REFUSED).stderr
    assert "signature" in sync("lookup", "login", "p1", target.name, env=key, check=REFUSED).stderr


# Status --------------------------------------------------------------------------------------

def test_the_status_says_what_is_there_and_as_of_when(conn, chain, target, key):
    for path in chain[:3]:
        apply(path, target, key)
    status = json.loads(sync("status", target.name, "--json").stdout)
    header = json.loads(chain[2].read_text().splitlines()[0])["bundle"]
    assert (status["vault"], status["bundle"]) == (header["vault"], header["id"])
    assert status["number"] == 3 and status["previous"] == header["previous"]
    assert status["made_at"].endswith("Z")
    assert status["rows"] == {table: target.query(f"SELECT count(*) FROM bunker_{table}")[0][0]
                              for table in TABLES}
    text = sync("status", target.name).stdout
    assert header["vault"] in text and "record" in text


def test_what_is_no_target_has_no_status(target_folder, target):
    sync("status", target.name, check=NOT_FOUND)
    target.path.touch()
    target.path.chmod(0o666)
    sync("status", target.name, check=NOT_FOUND)


# Looking up ----------------------------------------------------------------------------------

def test_a_user_is_found_by_each_of_his_values(conn, chain, target, key):
    apply(chain[0], target, key)
    token = call(conn, "bunker_find_token", "login", "p3")
    profile = call(conn, "bunker_get_user", token)
    for kind, value in [("login", "P3"), ("email", " P3@EXAMPLE.com "), ("phone", "+44 20 7946 0003"),
                        ("custom", "c-3"), ("token", str(token))]:
        done = sync("lookup", kind, value, target.name, env=key)
        assert json.loads(done.stdout) == profile
        assert json.loads(done.stdout)["name"] == HARD
    done = sync("lookup", "email", "-", target.name, env=key, stdin="p3@example.com\n")
    assert json.loads(done.stdout) == profile
    done = sync("lookup", "login", "p3", target.name, "--app", "shop", env=key)
    assert json.loads(done.stdout) == {"size": 43}


def test_a_national_number_is_read_in_the_vaults_region(conn, target_folder, target, key):
    conn.execute("SET databunker.default_region = 'DE'")
    create(conn, {"login": "ada", "phone": "030 123456"})
    apply(write(target_folder / "1", export(conn)), target, key)
    for number in ("030 123456", "+49 30 123456"):
        assert "ada" in sync("lookup", "phone", number, target.name, env=key).stdout


def test_who_is_not_there_or_was_forgotten_is_not_found(conn, chain, target, key):
    token = call(conn, "bunker_find_token", "login", "p3")
    for path in chain[:3]:
        apply(path, target, key)
    (gone, ), = target.query("SELECT token FROM bunker_record WHERE forgotten_at IS NOT NULL")
    for arguments in (["login", "p2"], ["email", "canary@mail.example"], ["token", gone],
                      ["login", "p3", "--app", "other"]):
        done = sync("lookup", *arguments, target.name, env=key, check=NOT_FOUND)
        assert "canary" not in done.stderr and done.stdout == ""
    sync("lookup", "token", token, target.name, env=key)


def test_values_that_make_no_sense_are_wrong_usage_and_not_repeated(chain, target, key):
    apply(chain[0], target, key)
    for kind, value in [("email", "canary"), ("phone", "canary"), ("token", "canary"),
                        ("login", " "), ("canary", "x"), ("custom", "canary" * 200)]:
        done = sync("lookup", kind, value, target.name, env=key, check=USAGE)
        assert "canary" not in done.stderr
    sync("lookup", "login", "p1", target.name, check=USAGE)


def test_an_index_that_points_at_somebody_else_is_refused(chain, target, key):
    apply(chain[0], target, key)
    target.path.chmod(0o666)
    target.change("UPDATE bunker_lookup SET token = (SELECT max(token) FROM bunker_record)")
    done = [sync("lookup", "login", f"p{n}", target.name, env=key, check=None).returncode
            for n in range(1, 5)]
    assert sorted(done) == [0, REFUSED, REFUSED, REFUSED]


def test_digests_of_other_rules_are_not_searched(chain, target, key):
    apply(chain[0], target, key)
    target.path.chmod(0o666)
    target.change("UPDATE bunker_lookup_kind SET normalizer_version = 0")
    done = sync("lookup", "login", "p1", target.name, env=key, check=REFUSED)
    assert "bunker_reindex_lookup" in done.stderr


def test_a_wrong_key_is_refused(chain, target, key):
    apply(chain[0], target, key)
    wrong = {"DATABUNKER_MASTER_KEY": "11" * 32}
    for arguments in (["verify", target.name], ["lookup", "login", "p1", target.name]):
        assert "master key" in sync(*arguments, env=wrong, check=REFUSED).stderr
    unreadable = {"DATABUNKER_MASTER_KEY": "canary"}
    sync("verify", target.name, env=unreadable, check=REFUSED)


def test_settings_of_the_role_do_not_keep_a_bundle_out(conn, copy, target_folder, sync_env):
    furnish(conn, 2)
    path = target_folder / "bundle"
    path.write_text("".join(f"{line}\n" for line in export(conn)))
    settings = "-c default_transaction_isolation=serializable -c statement_timeout=1min"
    env = sync_env | {"PGDATABASE": copy.info.dbname, "PGOPTIONS": settings}
    sync("apply", path, "vault", env=env)
    assert same(conn, copy)
