"""Lookup kinds of the DBA's own: indexing who is there, names, and changes of the normaliser."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness.blocking import await_blocked
from harness.vault import (call, create, create_many, find, forget, people, row_counts, rows,
                           update)
from harness.wait import wait_until

CROWD = ("SELECT count(*) FROM bunker_create_users((SELECT array_agg(jsonb_build_object("
         "'login', 'x' || i, 'tax', 't' || i)) FROM generate_series(1, %s) AS i))")


def taxed(count: int) -> list[dict]:
    """People of whom every second has a tax number."""
    return [person | ({"tax": {"id": f"T-{n}"}} if n % 2 else {})
            for n, person in enumerate(people(1, count))]


def test_a_new_kind_finds_who_was_there_and_who_comes(app_conn, admin_conn):
    tokens = [token for _, token in create_many(app_conn, taxed(20))]
    update(app_conn, "token", tokens[2], {"tax": {"id": "T-2"}})
    forget(app_conn, "token", tokens[1])
    assert call(admin_conn, "bunker_add_lookup", "tax", "/tax/id") == 10
    assert find(app_conn, "tax", "T-1") is None
    assert find(app_conn, "tax", "T-2") == tokens[2]
    assert find(app_conn, "tax", "T-19") == tokens[19]
    later = create(app_conn, {"tax": {"id": "new"}})
    assert find(app_conn, "tax", "new") == later
    for token in tokens[2:]:
        assert call(app_conn, "bunker_get_user", token)["login"]
    assert len(rows(app_conn, "bunker_user_versions", "tax", "T-2")) == 2


def test_indexing_makes_no_version(app_conn, admin_conn):
    token = create(app_conn, {"login": "ann", "tax": "T"})
    before = call(app_conn, "bunker_lookup", "login", "ann")
    call(admin_conn, "bunker_add_lookup", "tax", "/tax")
    assert call(app_conn, "bunker_lookup", "tax", "T") == before
    assert update(app_conn, "tax", "T", {"tax": "U"}, 1) == 2
    assert find(app_conn, "tax", "U") == token
    assert find(app_conn, "tax", "T") is None


def test_an_added_kind_makes_its_value_unique(app_conn, admin_conn, raises):
    call(admin_conn, "bunker_add_lookup", "tax", "/tax/id")
    create(app_conn, {"login": "ann", "tax": {"id": "T-1"}})
    with raises("23505", secrets=["T-1"]) as caught:
        create(app_conn, {"login": "bob", "tax": {"id": "T-1"}})
    assert "tax" in caught.error.diag.message_hint
    create(app_conn, {"login": "bob", "tax": {"id": " T-1"}})


@pytest.mark.parametrize(("normalizer", "stored", "spelling"), [
    ("exact", " A b ", " A b "), ("email", "Ann@Example.com", " ANN@EXAMPLE.COM"),
    ("phone", "020 7946 0002", "+44 20 7946 0002"), ("login", "Ann", "ANN"),
    ("custom", " A-1 ", "A-1")])
def test_each_normalizer(app_conn, admin_conn, normalizer, stored, spelling):
    first = create(app_conn, {"custom": 1, "extra": stored})
    assert call(admin_conn, "bunker_add_lookup", "extra", "/extra", normalizer) == 1
    assert find(app_conn, "extra", spelling) == first
    forget(app_conn, "extra", stored)
    second = create(app_conn, {"extra": spelling})
    assert find(app_conn, "extra", stored) == second


@pytest.mark.parametrize(("path", "profile"), [
    ("/a/b/c", {"a": {"b": {"c": "v"}}}), ("/list/1", {"list": ["x", "v"]}),
    ("/a~1b", {"a/b": "v"}), ("/m~0n", {"m~n": "v"}), ("/", {"": "v"}), ("/ключ", {"ключ": "v"}),
    ("/n", {"n": "v"})])
def test_a_pointer_leads_into_the_profile(app_conn, admin_conn, path, profile):
    call(admin_conn, "bunker_add_lookup", "deep", path)
    token = create(app_conn, profile)
    assert find(app_conn, "deep", "v") == token


@pytest.mark.parametrize("name", ["token", "email", "phone", "login", "custom", "", "Tax", "1tax",
                                  "_tax", "tax id", "tax-id", "tax\n", "täx", "a" * 32])
def test_an_unusable_name_is_refused(conn, admin_conn, raises, name):
    before = row_counts(conn)
    with raises("22023"):
        call(admin_conn, "bunker_add_lookup", name, "/tax")
    assert row_counts(conn) == before


def test_unusable_arguments_are_refused(conn, admin_conn, raises):
    before = row_counts(conn)
    for arguments in (("tax", ""), ("tax", "tax"), ("tax", "/tax~2"), ("tax", "/" + "x" * 1024),
                      ("tax", "/tax", "soundex"), ("tax", "/tax", ""), (None, "/tax"),
                      ("tax", None), ("tax", "/tax", None)):
        with raises("22023"):
            call(admin_conn, "bunker_add_lookup", *arguments)
    assert row_counts(conn) == before


def test_the_same_kind_again_changes_nothing(app_conn, admin_conn, raises):
    create(app_conn, {"login": "ann", "tax": "T"})
    assert call(admin_conn, "bunker_add_lookup", "a" * 31, "/tax") == 1
    assert call(admin_conn, "bunker_add_lookup", "a" * 31, "/tax") == 0
    for path, normalizer in (("/other", "exact"), ("/tax", "login")):
        with raises("22023"):
            call(admin_conn, "bunker_add_lookup", "a" * 31, path, normalizer)


def test_duplicates_among_users_refuse_the_kind(conn, app_conn, admin_conn, raises):
    create(app_conn, {"login": "ann", "tax": "secret-1"})
    create(app_conn, {"login": "bob", "tax": "secret-1"})
    before = row_counts(conn)
    with raises("23505", secrets=["secret-1"]):
        call(admin_conn, "bunker_add_lookup", "tax", "/tax")
    assert row_counts(conn) == before
    with raises("22023"):
        find(app_conn, "tax", "secret-1")
    assert call(app_conn, "bunker_lookup", "login", "bob")["profile"]["tax"] == "secret-1"


@pytest.mark.parametrize("value", [["secret-1"], {"x": "secret-1"}, "secret-1"])
def test_a_value_that_cannot_be_indexed_is_traced_to_its_user(app_conn, admin_conn, raises, value):
    create_many(app_conn, people(1, 5))
    token = create(app_conn, {"login": "ann", "tax": value})
    with raises("22023", secrets=["secret-1"]) as caught:
        call(admin_conn, "bunker_add_lookup", "tax", "/tax", "email")
    assert str(token) in caught.error.diag.message_hint


def test_other_sessions_know_a_new_kind_at_once(connect_as, app_conn, admin_conn, raises):
    create(app_conn, {"login": "ann", "tax": "T"})
    warm = connect_as("reader")
    assert find(warm, "login", "ann")
    with raises("22023"):
        find(warm, "tax", "T")
    with admin_conn.transaction():
        call(admin_conn, "bunker_add_lookup", "tax", "/tax")
        with raises("22023"):
            find(warm, "tax", "T")
    assert find(warm, "tax", "T") == find(warm, "login", "ann")


# Races ----------------------------------------------------------------------------------------

def test_who_is_being_created_gets_his_digest(conn, connect_as, app_conn, admin_conn):
    """Whoever is under way when the kind comes is waited for; whoever comes after waits."""
    early, late = connect_as("app", autocommit=False), connect_as("app")
    assert find(late, "login", "nobody") is None  # warms its cache
    first = create(early, {"login": "early", "tax": "E"})
    with ThreadPoolExecutor() as pool:
        adding = pool.submit(call, admin_conn, "bunker_add_lookup", "tax", "/tax")
        await_blocked(conn, admin_conn)
        creating = pool.submit(create, late, {"login": "late", "tax": "L"})
        await_blocked(conn, late)
        second = create(early, {"login": "early_too", "tax": "E2"})
        early.commit()
        assert adding.result(20) == 2
        third = creating.result(20)
    assert [find(app_conn, "tax", tax) for tax in ("E", "E2", "L")] == [first, second, third]


@pytest.mark.parametrize("level", ["READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE"])
def test_an_old_snapshot_writes_the_new_digest(connect_as, app_conn, admin_conn, level):
    old = connect_as("app")
    old.isolation_level = psycopg.IsolationLevel[level]
    with old.transaction():
        assert find(old, "login", "nobody") is None
        call(admin_conn, "bunker_add_lookup", "tax", "/tax")
        token = create(old, {"login": "ann", "tax": "T"})
    assert find(app_conn, "tax", "T") == token


def test_adding_a_kind_and_creating_do_not_wait_in_a_circle(conn, connect_as, admin_conn):
    """A creator between his two locks, and an administrator who waits for both."""
    busy, creator = connect_as("app", autocommit=False), connect_as("app")
    create(busy, {"login": "busy", "tax": "B"})
    with ThreadPoolExecutor() as pool:
        adding = pool.submit(call, admin_conn, "bunker_add_lookup", "tax", "/tax")
        await_blocked(conn, admin_conn)
        creating = pool.submit(create, creator, {"login": "ann", "tax": "T"})
        await_blocked(conn, creator)
        busy.commit()
        assert adding.result(20) == 1
        creating.result(20)


def test_an_update_under_way_gets_its_digest(conn, connect_as, app_conn, admin_conn):
    token = create(app_conn, {"login": "ann", "tax": "old"})
    writer = connect_as("app", autocommit=False)
    update(writer, "login", "ann", {"tax": "new"})
    with ThreadPoolExecutor() as pool:
        adding = pool.submit(call, admin_conn, "bunker_add_lookup", "tax", "/tax")
        await_blocked(conn, admin_conn)
        writer.commit()
        assert adding.result(20) == 1
    assert find(app_conn, "tax", "new") == token
    assert find(app_conn, "tax", "old") is None
    assert call(app_conn, "bunker_get_user", token)["tax"] == "new"


@pytest.mark.parametrize("level", ["REPEATABLE_READ", "SERIALIZABLE"])
@pytest.mark.parametrize("statement", ["bunker_add_lookup('tax', '/tax')",
                                       "bunker_reindex_lookup('email')"])
def test_one_snapshot_for_all_is_not_enough(admin_conn, raises, level, statement):
    admin_conn.isolation_level = psycopg.IsolationLevel[level]
    with raises("25001"), admin_conn.transaction():
        admin_conn.execute(f"SELECT {statement}")


# Long work ------------------------------------------------------------------------------------

def test_progress_shows_and_a_cancel_undoes(conn, app_conn, dpo_conn, admin_conn, raises):
    app_conn.execute(CROWD, [30_000])
    before = row_counts(conn)
    seen = "SELECT done, total FROM bunker.progress WHERE pid = %s AND done > 0"
    with ThreadPoolExecutor() as pool:
        adding = pool.submit(call, admin_conn, "bunker_add_lookup", "tax", "/tax")
        done, total = wait_until(
            lambda: dpo_conn.execute(seen, [admin_conn.info.backend_pid]).fetchone(),
            "a data protection officer to see the progress")
        assert 0 < done < total == 30_000
        admin_conn.cancel()
        with raises("57014"):
            adding.result(20)
    assert row_counts(conn) == before
    assert dpo_conn.execute("SELECT * FROM bunker.progress").fetchall() == []
    with raises("22023"):
        find(app_conn, "tax", "t1")
    assert call(app_conn, "bunker_lookup", "login", "x1")["profile"]["tax"] == "t1"
    assert call(admin_conn, "bunker_add_lookup", "tax", "/tax") == 30_000
    assert find(app_conn, "tax", "t30000") == find(app_conn, "login", "x30000")


# Another version of the normaliser ------------------------------------------------------------

def outdate(connection, kind: str) -> None:
    """What an update of the library with another normaliser amounts to."""
    connection.execute("UPDATE bunker.lookup_kind SET normalizer_version = 0 WHERE name = %s",
                       [kind])


def test_outdated_digests_are_not_compared_with(conn, app_conn, admin_conn, raises):
    tokens = [token for _, token in create_many(app_conn, people(1, 3))]
    outdate(conn, "email")
    with raises("55000"):
        find(app_conn, "email", "p1@example.com")
    with raises("55000"):
        update(app_conn, "login", "p1", {"n": 1})
    with raises("55000"):
        create(app_conn, {"email": "new@example.com"})
    with raises("55000"):
        forget(app_conn, "email", "p1@example.com")
    assert find(app_conn, "login", "p1") == tokens[0]
    assert create(app_conn, {"login": "without"})
    assert call(admin_conn, "bunker_reindex_lookup", "email") == 3
    assert find(app_conn, "email", "p1@example.com") == tokens[0]
    assert update(app_conn, "login", "p1", {"n": 1}) == 2
    assert create(app_conn, {"email": "new@example.com"})


def test_reindexing_repairs_a_region(conn, app_conn, admin_conn):
    """Numbers without a country code mean others after the default region has changed."""
    token = create(app_conn, {"login": "ann", "phone": "020 7946 0002"})
    region = f"ALTER DATABASE {conn.info.dbname} SET databunker.default_region"
    conn.execute(f"{region} = 'DE'")
    with psycopg.connect(admin_conn.info.dsn, autocommit=True) as german:
        assert call(german, "bunker_reindex_lookup", "phone") == 1
    assert find(app_conn, "phone", "+44 20 7946 0002") is None
    assert find(app_conn, "phone", "+49 20 7946 0002") == token


def test_reindexing_an_unknown_kind(admin_conn, raises):
    for kind in ("tax", "", None, "token"):
        with raises("22023"):
            call(admin_conn, "bunker_reindex_lookup", kind)
