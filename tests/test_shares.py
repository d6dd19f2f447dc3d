"""Shared records: parts of what is kept of a user, for a partner to read."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from harness.events import events_of, trail_text
from harness.identity import acting, log_in
from harness.vault import call, create, forget, rows, update

PROFILE = {"login": "shr", "first": "S", "k": {"f1": "t1", "street": {"a": "b"}}, "list": [10, 20], "n": 5}
SHIPPING = {"addr": "x", "zip": 1}
MONTH = timedelta(days=28)


@pytest.fixture
def user(app_conn):
    """The token of a user with app data."""
    token = create(app_conn, PROFILE)
    call(app_conn, "bunker_set_app", "login", "shr", "shipping", Jsonb(SHIPPING))
    return token


def share(connection, fields=None, *, app=None, session=None, partner=None, ttl=None,
          kind: str = "login", value="shr"):
    """Shares something of the user; the share's uuid."""
    return connection.execute(
        "SELECT bunker_share(%s, %s, %s::text[], %s, %s, %s, %s)",
        [kind, str(value), fields, app, session, partner, ttl]).fetchone()[0]


def shared(connection, record):
    """What is shared."""
    return call(connection, "bunker_get_shared", record)


def revoke(connection, record) -> bool:
    """Ends a share."""
    return call(connection, "bunker_revoke_share", record)


def start(connection, data: dict, ttl=None, value: str = "shr"):
    """Opens a session; its uuid."""
    return call(connection, "bunker_create_session", "login", value, Jsonb(data), ttl)


# What they give -------------------------------------------------------------------------------

def test_fields_by_their_paths(app_conn, user):
    record = share(app_conn, ["first", "k.street", "list.1", "missing", "token"])
    assert record.version == 4
    assert shared(app_conn, record) == {
        "first": "S", "k.street": {"a": "b"}, "list.1": 20, "missing": None, "token": str(user)}


def test_without_fields_all_of_it(app_conn, user):
    assert shared(app_conn, share(app_conn)) == PROFILE
    assert shared(app_conn, share(app_conn, app="shipping")) == SHIPPING
    session = start(app_conn, {"cookie": "c"})
    assert shared(app_conn, share(app_conn, session=session)) == {"cookie": "c"}


def test_fields_of_app_data_and_of_a_session(app_conn, user):
    assert shared(app_conn, share(app_conn, ["zip", "token"], app="shipping")) == {
        "zip": 1, "token": None}
    session = start(app_conn, {"cookie": "c", "token": "of the session"})
    assert shared(app_conn, share(app_conn, ["cookie", "zz", "token"], session=session)) == {
        "cookie": "c", "zz": None, "token": "of the session"}


def test_the_users_token_goes_before_what_the_profile_calls_so(app_conn):
    token = create(app_conn, {"login": "shr", "token": "his own"})
    assert shared(app_conn, share(app_conn, ["token"])) == {"token": str(token)}
    assert shared(app_conn, share(app_conn)) == {"login": "shr", "token": "his own"}


def test_white_space_around_a_field_does_not_count(app_conn, user):
    assert shared(app_conn, share(app_conn, [" first ", "\tn\n"], partner="acme")) == {
        "first": "S", "n": 5}


def test_the_present_value_is_shared(app_conn, user):
    records = [share(app_conn, ["first"]), share(app_conn, ["zip"], app="shipping")]
    update(app_conn, "login", "shr", {"first": "Changed"})
    call(app_conn, "bunker_update_app", "login", "shr", "shipping", Jsonb({"zip": 2}))
    assert [shared(app_conn, record) for record in records] == [{"first": "Changed"}, {"zip": 2}]


def test_numbers_come_back_digit_for_digit(app_conn):
    app_conn.execute("""SELECT bunker_create_user('{"login": "shr", "n": 1.500}'::jsonb)""")
    record = share(app_conn, ["n"])
    text = app_conn.execute("SELECT bunker_get_shared(%s)::text", [record]).fetchone()
    assert text == ('{"n": 1.500}',)


ODD = {"a.b": 1, "a": {"b": 2}, "0": "zero", "c\\": 3, "/a/b": 4, "": 5, "list": [[7], {"0": 8}],
       "$serde_json::private::Numbers": 6, "ü": 9}
PATHS = {r"a\.b": 1, "a.b": 2, "0": "zero", r"c\\": 3, "/a/b": 4, "/a": None, "list.0.0": 7,
         "list.1.0": 8, "list.00": None, "list.-1": None, "list.-": None, "list.length": None,
         "__proto__": None, "constructor": None, "a.b.c": None, "$": None, "*": None, "ü": 9,
         "$serde_json::private::Numbers": 6, "$serde_json::private::Number": None,
         "list.99999999999999999999": None, "../login": None}


def test_a_path_leads_nowhere_else(app_conn):
    create(app_conn, {"login": "shr"})
    call(app_conn, "bunker_set_app", "login", "shr", "odd", Jsonb(ODD))
    paths = {path: value for path, value in PATHS.items() if path != "../login"}
    assert shared(app_conn, share(app_conn, list(paths), app="odd")) == paths


def test_a_share_of_one_is_not_of_another(app_conn, user):
    """Fields that name parts of the profile, asked of app data."""
    record = share(app_conn, ["login", "first", "k.street", "version", "app", "profile"], app="shipping")
    assert set(shared(app_conn, record).values()) == {None}


# What they refuse -----------------------------------------------------------------------------

@pytest.mark.parametrize("fields", [[], [""], ["first", " \t"], ["first", None], ["k..f3"], [".k"],
                                    ["k."], ["../secretive"], ["secretive\\x"], ["x" * 1025]],
                         ids=lambda fields: repr(fields)[:20])
def test_unusable_fields(app_conn, user, raises, fields):
    with raises("22023", secrets=["secretive", "xxx"]):
        share(app_conn, fields)


def test_at_most_a_hundred_fields(app_conn, user, raises):
    assert len(shared(app_conn, share(app_conn, [f"f{n}" for n in range(100)]))) == 100
    with raises("54000"):
        share(app_conn, [f"f{n}" for n in range(101)])


def test_a_partners_name_is_bounded(app_conn, user, raises):
    share(app_conn, partner="p" * 1000)
    with raises("54000", secrets=["ppp"]):
        share(app_conn, partner="p" * 1001)


def test_what_is_shared_must_be_there_and_his(app_conn, user, raises):
    create(app_conn, {"login": "ben"})
    foreign = start(app_conn, {"n": 1}, value="ben")
    expired = start(app_conn, {"n": 1}, timedelta(milliseconds=1))
    time.sleep(0.01)
    call(app_conn, "bunker_set_app", "login", "ben", "benshop", Jsonb({}))
    for source in ({"app": "nosuch"}, {"app": "benshop"}, {"app": "ship"}, {"session": foreign},
                   {"session": expired}, {"session": uuid4()}):
        with raises("P0002"):
            share(app_conn, **source)
    for source in ({"app": "bad-app"}, {"app": "Shipping"}, {"app": ""},
                   {"app": "shipping", "session": foreign}):
        with raises("22023"):
            share(app_conn, **source)
    for kind, value in (("login", "nobody"), ("token", uuid4())):
        with raises("P0002"):
            share(app_conn, kind=kind, value=value)


def test_null_arguments(app_conn, user, raises):
    with raises("22023"):
        call(app_conn, "bunker_share", None, "shr")
    with raises("22023"):
        call(app_conn, "bunker_revoke_share", None)
    assert shared(app_conn, None) is None
    assert shared(app_conn, call(app_conn, "bunker_share", "login", "shr")) == PROFILE


# How long --------------------------------------------------------------------------------------

def test_a_life_is_bounded(conn, app_conn, user, raises):
    share(app_conn)
    share(app_conn, ttl="10 seconds")
    share(app_conn, ttl="2 months")
    lives = conn.execute("SELECT expires_at - created_at FROM bunker.share ORDER BY 1").fetchall()
    assert lives[0] == (timedelta(seconds=10),)
    assert lives[1][0] >= MONTH and lives[2][0] >= MONTH and lives[2][0] < timedelta(days=32)
    for ttl in ("0", "-1 second"):
        with raises("22023"):
            share(app_conn, ttl=ttl)


def test_an_expired_share_looks_like_an_unknown_one(conn, app_conn, user):
    record = share(app_conn, ttl="300 milliseconds")
    assert shared(app_conn, record) == PROFILE
    time.sleep(0.4)
    assert shared(app_conn, record) is shared(app_conn, uuid4()) is None
    assert conn.execute("SELECT count(*) FROM bunker.share").fetchone() == (1,)
    assert revoke(app_conn, record) is revoke(app_conn, uuid4()) is False
    assert call(conn, "bunker_maintain")["shares_removed"] == 1
    assert conn.execute("SELECT count(*) FROM bunker.share").fetchone() == (0,)


def test_revoking_ends_it(app_conn, user):
    record = share(app_conn)
    assert revoke(app_conn, record) is True
    assert shared(app_conn, record) is None
    assert revoke(app_conn, record) is False


def test_what_is_gone_is_shared_no_more(app_conn, user):
    session = start(app_conn, {"cookie": "c"})
    brief = start(app_conn, {"cookie": "c"}, "300 milliseconds")
    records = [share(app_conn, ["zip"], app="shipping"), share(app_conn, session=session),
               share(app_conn, ["cookie"], session=brief)]
    assert None not in [shared(app_conn, record) for record in records]
    call(app_conn, "bunker_delete_app", "login", "shr", "shipping")
    call(app_conn, "bunker_delete_session", session)
    time.sleep(0.4)
    assert [shared(app_conn, record) for record in records] == [None] * 3


def test_of_a_forgotten_user_nothing_is_shared(conn, app_conn, user):
    session = start(app_conn, {"cookie": "c"})
    records = [share(app_conn), share(app_conn, app="shipping"), share(app_conn, session=session)]
    conn.execute("CREATE TABLE kept AS SELECT * FROM bunker.share")
    forget(app_conn, "login", "shr")
    assert conn.execute("SELECT count(*) FROM bunker.share").fetchone() == (0,)
    assert [shared(app_conn, record) for record in records] == [None] * 3
    conn.execute("INSERT INTO bunker.share SELECT * FROM kept")
    assert [shared(app_conn, record) for record in records] == [None] * 3


# Who -------------------------------------------------------------------------------------------

def test_a_user_shares_and_revokes_his_own_only(app_conn, user, raises):
    create(app_conn, {"login": "ben", "note": "private"})
    other = share(app_conn, value="ben")
    token = log_in(app_conn, "shr")
    with acting(app_conn, token):
        record = share(app_conn, ["first"], partner="me")
        assert shared(app_conn, record) == {"first": "S"}
        assert revoke(app_conn, record) is True
    errors = set()
    for work in (shared, revoke):
        for record in (other, uuid4()):
            with raises("42501", secrets=["private"]) as caught, acting(app_conn, token):
                work(app_conn, record)
            errors.add(str(caught.error))
    assert len(errors) == 1
    with raises("42501"), acting(app_conn, token):
        share(app_conn, value="ben")
    assert shared(app_conn, other)["note"] == "private"


# The trail -------------------------------------------------------------------------------------

def test_every_call_leaves_an_event_without_the_partner(conn, app_conn, user):
    record = share(app_conn, ["k.street"], partner="acme partners")
    ship = share(app_conn, app="shipping")
    for one in (record, ship, uuid4()):
        shared(app_conn, one)
    revoke(app_conn, record)
    shared(app_conn, record)
    events = events_of(conn, user, "share", "get_shared", "revoke_share")
    assert [(e["action"], e["status"], e["kind"], e["app"]) for e in events] == [
        ("share", "ok", "login", None), ("share", "ok", "login", None),
        ("get_shared", "ok", None, None), ("get_shared", "ok", None, "shipping"),
        ("revoke_share", "ok", None, None)]
    misses = conn.execute("SELECT action FROM bunker.audit WHERE token IS NULL"
                          " AND status = 'not_found'").fetchall()
    assert misses == [("get_shared",), ("get_shared",)]
    text = trail_text(conn)
    assert "acme" not in text and "street" not in text
    stored = conn.execute("SELECT string_agg(s::text, '') FROM bunker.share s").fetchone()[0]
    assert b"shipping".hex() not in stored and b"acme".hex() not in stored


def test_shares_count_for_the_bulk_guard(app_conn, user, raises):
    record = share(app_conn, ["first"])
    with app_conn.transaction():
        read = "SELECT count(bunker_get_shared(%s)) FROM generate_series(1, 100)"
        assert app_conn.execute(read, [record]).fetchone() == (100,)
        with raises("42501"), app_conn.transaction():
            shared(app_conn, record)


# Tampering ------------------------------------------------------------------------------------

SWAPS = {
    "another share's": "UPDATE bunker.share a SET sealed = b.sealed FROM bunker.share b"
                       " WHERE a.record = %(one)s AND b.record = %(two)s",
    "a longer life": "UPDATE bunker.share SET expires_at = expires_at + '1 hour'"
                     " WHERE record = %(one)s",
    "another user": "UPDATE bunker.share SET token = %(ben)s WHERE record = %(one)s",
    "one bit": "UPDATE bunker.share SET sealed = set_byte(sealed, 120, 255 - get_byte(sealed, 120))"
               " WHERE record = %(one)s",
    "a session": "UPDATE bunker.share a SET sealed = s.sealed FROM bunker.session s"
                 " WHERE a.record = %(one)s",
    "nothing": "UPDATE bunker.share SET sealed = '' WHERE record = %(one)s",
}


@pytest.mark.parametrize("swap", SWAPS)
def test_terms_do_not_open_in_another_place(conn, app_conn, user, raises, swap):
    ben = create(app_conn, {"login": "ben", "first": "private"})
    start(app_conn, {"cookie": "private"})
    one, two = share(app_conn, ["first"]), share(app_conn)
    conn.execute(SWAPS[swap], {"one": one, "two": two, "ben": ben})
    with raises("XX001", secrets=["private"]):
        shared(app_conn, one)
    assert shared(app_conn, two) == PROFILE
    assert revoke(app_conn, one) is True


def test_damage_of_what_is_shared_shows(conn, app_conn, user, raises):
    session = start(app_conn, {"cookie": "c"})
    records = [share(app_conn), share(app_conn, ["zip"], app="shipping"),
               share(app_conn, session=session)]
    for table in ("record", "app_data", "session"):
        conn.execute(f"UPDATE bunker.{table} SET sealed = set_byte(sealed, 120,"
                     " 255 - get_byte(sealed, 120))")
    for record in records:
        with raises("XX001"):
            shared(app_conn, record)


def test_a_session_that_was_given_to_another_is_not_shared(conn, app_conn, user):
    create(app_conn, {"login": "ben"})
    session = start(app_conn, {"cookie": "c"})
    record = share(app_conn, session=session)
    conn.execute("UPDATE bunker.session SET token = bunker_find_token('login', 'ben')")
    assert shared(app_conn, record) is None
    assert rows(app_conn, "bunker_list_sessions", "login", "shr") == []
