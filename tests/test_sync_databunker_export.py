"""`bunker-sync export-databunker`: the vault into a store that a Databunker server opens."""

import json
import secrets
import stat
from datetime import datetime, timezone

import pytest
from canary import word
from consent import accept
from harness.databunker import Key, Store, in_mysql, in_sqlite, mark
from harness.search import files_holding
from harness.sync import (DONE, FAILED, REFUSED, SKIPPED, USAGE, await_backends_gone, kill9, master_key,
                          start, sync, vault)
from harness.targets import make_folder
from harness.vault import call, create, create_text, forget, update
from harness.wait import wait_until

ODD = {"login": "o'brien\\", "name": "a\"b\n\t\u2028 \U0001f600 \x7f", "big": "x" * 1_000_000}


class Target:
    """A place for a new store, and the store when it is there."""

    def __init__(self, cluster, db, mysql=None):
        self.folder = make_folder(cluster, f"{db}-{secrets.token_hex(4)}")
        self.key = Key()
        self.token_file = self.folder / "root-token"
        self.path, self.mysql, self.db = self.folder / "store.db", mysql, db
        if mysql:
            mysql.execute(f"CREATE DATABASE {db}; CREATE USER {db}@localhost;"
                          f"GRANT ALL ON {db}.* TO {db}@localhost")
            self.address = f"mysql://{db}@localhost/{db}?socket={mysql.socket}"
        else:
            self.address = f"sqlite:{self.path}"

    def open(self) -> Store:
        return in_mysql(self.mysql, self.db, self.key) if self.mysql else in_sqlite(self.path, self.key)


@pytest.fixture(params=["sqlite", "mysql"])
def any_target(cluster, db, request):
    mysql = request.getfixturevalue("mysql") if request.param == "mysql" else None
    return Target(cluster, db, mysql)


@pytest.fixture
def target(cluster, db):
    return Target(cluster, db)


@pytest.fixture
def export(cluster, db):
    """export(target, *options, check=…): the vault of `db` into a new store."""

    def run(target: Target, *options, check=DONE, env: dict | None = None):
        given = vault(cluster, db, "test_admin") | master_key(cluster)
        given |= {"DATABUNKER_TARGET_KEY": target.key.hex} | (env or {})
        return sync("export-databunker", "--target", target.address, "--root-token-file",
                    target.token_file, *options, env=given, check=check)

    return run


def only(rows: list[dict], **values) -> dict:
    """The one row with these values."""
    [row] = [row for row in rows if values.items() <= row.items()]
    return row


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_the_server_opens_and_finds_all_users(conn, any_target, export):
    ann = create(conn, {"email": " Ann+x@Example.org", "phone": "020 7946 0000", "login": "Ann",
                        "custom": 42})
    rome = create(conn, {"phone": "+39 06 1234 5678"})
    odd = create(conn, ODD)
    exact = create_text(conn, '{"custom": "n", "n": 12345678901234567890.1230}')
    export(any_target)
    store = any_target.open()
    assert store.profiles() | {str(exact): None} == {
        str(ann): {"email": " Ann+x@Example.org", "phone": "020 7946 0000", "login": "Ann",
                   "custom": 42},
        str(rome): {"phone": "+39 06 1234 5678"}, str(odd): ODD, str(exact): None}
    row = only(store.rows("users"), token=str(exact))
    assert "12345678901234567890.1230" in store.key.open(row["key"], row["data"])
    assert row["md5"] == mark(row["data"])
    # As the server normalises: a plus sign is a space, the case of a login counts, zeros are lost.
    for column, value, token in (("emailidx", "ann x@example.org", ann), ("loginidx", "Ann", ann),
                                 ("phoneidx", "+442079460000", ann), ("customidx", "42", ann),
                                 ("phoneidx", "+39612345678", rome)):
        assert store.find(column, value) == str(token), column


def test_the_owner_has_a_token_and_nobody_else_has_it(conn, any_target, export):
    create(conn, {"login": "ann"})
    done = export(any_target)
    store = any_target.open()
    token = any_target.token_file.read_text().strip()
    [root] = store.rows("xtokens")
    assert root == {"xtoken": store.key.hash(token), "token": "", "type": "root"}
    assert stat.S_IMODE(any_target.token_file.stat().st_mode) == 0o600
    assert token not in done.stdout + done.stderr
    if any_target.path.exists():
        assert stat.S_IMODE(any_target.path.stat().st_mode) == 0o600


def test_belongings_open_under_their_users_keys(conn, any_target, export):
    ann = create(conn, {"login": "ann", "city": "Bath"})
    call(conn, "bunker_set_app", "login", "ann", "shop", {"cart": [1, "ü"]})
    call(conn, "bunker_set_app", "login", "ann", "old", {"a": 1})
    call(conn, "bunker_delete_app", "login", "ann", "old")
    session = call(conn, "bunker_create_session", "login", "ann", {"ip": "::1"})
    share = call(conn, "bunker_share", "login", "ann", ["city", "login"], None, None, "007")
    request = call(conn, "bunker_request", "login", "ann", "change-profile", {"city": "York"})
    done = call(conn, "bunker_request", "login", "ann", "change-app-data", {"cart": []}, "shop")
    call(conn, "bunker_cancel_request", done, "1e5")
    export(any_target)

    store, token = any_target.open(), str(ann)
    key = store.record_key(token)
    [app] = store.rows("userapps")
    assert (app["appname"], app["token"], app["md5"]) == ("shop", token, mark(app["data"]))
    assert json.loads(store.key.open(key, app["data"])) == {"cart": [1, "ü"]}
    [held] = store.rows("sessions")
    assert (held["session"], held["token"]) == (str(session), token)
    assert json.loads(store.key.open(held["key"], held["data"])) == {"ip": "::1"}
    assert 0 < held["endtime"] - held["when"] <= 3600
    [shared] = store.rows("sharedrecords")
    assert (shared["record"], shared["fields"], shared["partner"]) == (str(share), "city,login", "007")
    asked = only(store.rows("requests"), rtoken=str(request))
    assert (asked["action"], asked["status"], asked["token"]) == ("change-profile", "open", token)
    assert json.loads(store.key.open(key, asked["change"])) == {"city": "York"}
    asked = only(store.rows("requests"), rtoken=str(done))
    assert (asked["app"], asked["status"], asked["reason"]) == ("shop", "canceled", "1e5")


def test_consent_is_as_the_server_has_it(conn, any_target, export):
    call(conn, "bunker_set_legal_basis", "newsletter",
         {"shortdesc": "0042", "fulldesc": "f" * 90_000, "usercontrol": True, "basistype": "consent"})
    call(conn, "bunker_set_legal_basis", "terms", {"status": "disabled"})
    call(conn, "bunker_set_activity", "mailing", {"title": "Mailing"})
    for brief in ("newsletter", "terms"):
        call(conn, "bunker_link_activity", "mailing", brief)
    ann = create(conn, {"login": "ann"})
    accept(conn, "login", "ann", referencecode="007", lastmodifiedby="Zoë",
           expiration="2030-01-31T00:00:00Z")
    export(any_target)

    store = any_target.open()
    basis = only(store.rows("legalbasis"), brief="newsletter")
    assert (basis["shortdesc"], basis["status"], basis["basistype"]) == ("0042", "active", "consent")
    assert len(basis["fulldesc"]) == 90_000 and basis["usercontrol"] == 1
    assert only(store.rows("legalbasis"), brief="terms")["status"] == "disabled"
    [activity] = store.rows("processingactivities")
    assert (activity["title"], activity["legalbasis"]) == ("Mailing", "newsletter,terms")
    [agreed] = store.rows("agreements")
    assert store.key.open_fixed(agreed["who"]) == agreed["token"] == str(ann)
    assert (agreed["brief"], agreed["status"], agreed["referencecode"]) == ("newsletter", "yes", "007")
    assert agreed["endtime"] == seconds("2030-01-31T00:00:00+00:00") and agreed["starttime"] == 0
    assert (agreed["mode"], agreed["agreementmethod"]) == ("token", "api")


def test_expirations_and_the_forgotten(conn, any_target, export):
    schema = {"properties": {"number": {"preserve": True}}}
    call(conn, "bunker_set_user_schema", schema)
    ann = create(conn, {"login": "ann"})
    expiration = call(conn, "bunker_start_expiration", "login", "ann")
    bob, eve = create(conn, {"login": "bob"}), create(conn, {"login": "eve", "number": 7})
    forget(conn, "login", "bob")
    forget(conn, "login", "eve")
    export(any_target)

    store = any_target.open()
    waits = only(store.rows("users"), token=str(ann))
    assert (waits["expstatus"], waits["exptoken"]) == ("wait", str(expiration))
    assert waits["endtime"] > datetime.now(timezone.utc).timestamp()
    assert only(store.rows("users"), token=str(bob)) == {"token": str(bob)}
    assert store.profiles()[str(eve)] == {"number": 7} and store.find("loginidx", "eve") is None


def test_what_a_store_cannot_hold_is_told(conn, target, export):
    call(conn, "bunker_set_legal_basis", "newsletter", {})
    accept(conn, "email", "nobody@x.org")
    create(conn, {"login": "ann", "a,b": 1})
    call(conn, "bunker_share", "login", "ann", ["a,b"])
    done = export(target, check=SKIPPED)
    assert "unclaimed_agreement row 1" in done.stderr and "share row 1" in done.stderr
    assert "2 rows were skipped" in done.stderr and "nobody@x.org" not in done.stderr
    assert target.open().profiles() and target.token_file.exists()


def test_an_altered_record_is_told_and_the_others_are_written(conn, target, export):
    ann, bob = create(conn, {"login": "ann"}), create(conn, {"login": "bob"})
    conn.execute("UPDATE bunker.record SET sealed = set_byte(sealed, 120, 255 - get_byte(sealed, 120))"
                 " WHERE token = %s", [ann])
    done = export(target, check=SKIPPED)
    assert str(ann) in done.stderr and list(target.open().profiles()) == [str(bob)]


def test_there_is_no_store_where_there_is_one_already(conn, any_target, export):
    create(conn, {"login": "ann"})
    export(any_target)
    before = any_target.open().rows("users")
    token = any_target.token_file.read_text()
    any_target.token_file.unlink()
    export(any_target, check=REFUSED)
    assert any_target.open().rows("users") == before and not any_target.token_file.exists()
    any_target.token_file.write_text(token)
    export(any_target, check=REFUSED)
    assert any_target.token_file.read_text() == token


def test_a_wrong_master_key_leaves_no_store(cluster, conn, target, export):
    create(conn, {"login": "ann"})
    wrong = cluster.write_key_file("wrong.key")
    export(target, env={"DATABUNKER_MASTER_KEY_FILE": str(wrong)}, check=REFUSED)
    assert list(target.folder.iterdir()) == []
    target.address = f"sqlite:{target.folder}/store.sqlite"
    export(target, check=USAGE)


def test_an_export_that_is_killed_leaves_no_store_and_can_be_repeated(cluster, db, conn, any_target,
                                                                      export):
    conn.execute("SELECT count(*) FROM bunker_create_users(ARRAY(SELECT jsonb_build_object("
                 "'login', 'u' || n) FROM generate_series(1, 30000) n))")
    given = vault(cluster, db, "test_admin") | master_key(cluster)
    given |= {"DATABUNKER_TARGET_KEY": any_target.key.hex}
    for rows in (0, 5_000, 10_000):
        process = start("export-databunker", "--target", any_target.address, "--root-token-file",
                        any_target.token_file, env=given)
        wait_until(lambda: exported(conn) > rows, "rows to be exported", 60)
        kill9(process)
        assert process.returncode == -9, "it was quicker than the test"
        assert not any_target.path.exists() and not any_target.token_file.exists()
        await_backends_gone(conn)
    export(any_target)
    assert len(any_target.open().profiles()) == 30_000


def test_two_exports_at_once_do_not_mix(cluster, db, conn, target):
    conn.execute("SELECT count(*) FROM bunker_create_users(ARRAY(SELECT jsonb_build_object("
                 "'login', 'u' || n) FROM generate_series(1, 20000) n))")
    given = vault(cluster, db, "test_admin") | master_key(cluster)
    arguments = ["export-databunker", "--target", target.address, "--root-token-file"]
    first = start(*arguments, target.token_file, env=given | {"DATABUNKER_TARGET_KEY": target.key.hex})
    wait_until(lambda: exported(conn) > 0, "rows to be exported", 60)
    other = target.folder / "other-token"
    done = sync(*arguments, other, env=given | {"DATABUNKER_TARGET_KEY": Key().hex}, check=FAILED)
    assert "another export" in done.stderr and not other.exists()
    first.communicate(timeout=60)
    assert first.returncode == DONE and len(target.open().profiles()) == 20_000
    token = target.key.hash(target.token_file.read_text().strip())
    assert [row["xtoken"] for row in target.open().rows("xtokens")] == [token]


def test_names_that_rust_takes_for_numbers_are_found(conn, target, export):
    ann = create(conn, {"login": "ann"})
    for app in ("inf", "nan", "infinity", "e5"):
        call(conn, "bunker_set_app", "login", "ann", app, {"a": 1})
    export(target)
    for app in ("inf", "nan", "infinity", "e5"):
        found = target.open().execute("SELECT token FROM userapps WHERE appname = ?", app).fetchall()
        assert found == [(str(ann),)], app


def exported(conn) -> int:
    """How many of the more than 60,000 rows the export under way has got to."""
    return conn.execute("SELECT coalesce(max(done), 0) FROM bunker.progress").fetchone()[0]


def test_nothing_personal_is_in_the_clear(cluster, conn, any_target, export):
    secret = word()
    create(conn, {"login": secret, "email": f"{secret}@x.org", "name": secret})
    call(conn, "bunker_set_app", "login", secret, "shop", {"a": secret})
    call(conn, "bunker_create_session", "login", secret, {"a": secret})
    call(conn, "bunker_request", "login", secret, "change-profile", {"name": secret})
    done = export(any_target)
    assert secret not in done.stdout + done.stderr
    if any_target.path.exists():
        assert not files_holding(any_target.folder, secret.encode())
    assert secret not in str([any_target.open().rows(table) for table in ("users", "requests")])


def test_there_and_back_again(cluster, conn, copy, any_target, export):
    """The vault, a store, and another vault: the same."""
    call(conn, "bunker_set_legal_basis", "newsletter", {"usercontrol": True})
    users = [create(conn, {"login": f"u{number}", "name": f"N{number}'"}) for number in range(50)]
    accept(conn, "login", "u7", referencecode="007")
    call(conn, "bunker_set_app", "login", "u8", "shop", {"a": [None, 1.50]})
    call(conn, "bunker_request", "login", "u9", "change-profile", {"name": "x"})
    update(conn, "login", "u3", {"name": "changed"})
    export(any_target)

    sync("import-databunker", any_target.address,
         env=vault(cluster, copy.info.dbname) | {"DATABUNKER_SOURCE_KEY": any_target.key.hex})
    for token in users:
        assert call(copy, "bunker_get_user", token) == call(conn, "bunker_get_user", token)
    for query in ("SELECT bunker_get_app('login', 'u8', 'shop')::text",
                  "SELECT bunker_get_agreement('login', 'u7', 'newsletter')->>'referencecode'",
                  "SELECT action, status, request FROM bunker_user_requests('login', 'u9')"):
        assert copy.execute(query).fetchall() == conn.execute(query).fetchall()
