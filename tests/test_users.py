"""Creating and reading users: what every function promises, one user or many."""

import uuid

import pytest
from psycopg.types.json import Jsonb

from harness.vault import (call, create, create_many, create_text, find, forget, people, row_counts,
                           rows, update)

ANN = {"email": "ann@example.com", "phone": "+442079460001", "login": "ann", "custom": "c-1",
       "name": "Ann"}
KINDS = ("email", "phone", "login", "custom")
NOBODY = "00000000-0000-4000-8000-000000000000"
READERS = ("bunker_lookup", "bunker_find_token", "bunker_user_versions")


def test_a_user_is_found_by_each_kind(app_conn):
    token = create(app_conn, ANN)
    assert token.version == 4
    for kind in KINDS:
        assert find(app_conn, kind, ANN[kind]) == token
        assert call(app_conn, "bunker_lookup", kind, ANN[kind])["token"] == str(token)
    found = call(app_conn, "bunker_lookup", "token", str(token))
    assert found["profile"] == ANN == call(app_conn, "bunker_get_user", token)
    assert set(found) == {"token", "profile", "version", "created_at", "updated_at"}
    assert found["version"] == 1
    assert found["created_at"] == found["updated_at"]


def test_times_are_those_of_the_transaction(app_conn):
    with app_conn.transaction():
        token = create(app_conn, ANN)
        now = app_conn.execute("SELECT now()").fetchone()[0]
    found = call(app_conn, "bunker_lookup", "token", str(token))
    same = app_conn.execute("SELECT %s::timestamptz = %s", [found["created_at"], now]).fetchone()
    assert same == (True,)


def test_a_token_in_any_usual_spelling(app_conn):
    token = create(app_conn, ANN)
    for text in (str(token), str(token).upper(), token.hex, f"{{{token}}}", f" {token}\n"):
        assert find(app_conn, "token", text) == token


@pytest.mark.parametrize("function", READERS)
@pytest.mark.parametrize("text", ["", "x", "12345678-1234-1234-1234-12345678901", "ann@example.com",
                                  "g" * 32, "0" * 10_000])
def test_a_malformed_token_is_refused(app_conn, raises, function, text):
    create(app_conn, ANN)
    with raises("22P02", secrets=[text] if len(text) > 1 else []):
        rows(app_conn, function, "token", text)


def test_a_read_of_nobody_gives_nothing(app_conn):
    """In a vault that was never written to, and in one that was."""
    for _ in range(2):
        for kind, value in [("email", "no@example.com"), ("phone", "+442079460009"),
                            ("login", "no"), ("custom", "no"), ("token", NOBODY)]:
            assert call(app_conn, "bunker_lookup", kind, value) is None
            assert find(app_conn, kind, value) is None
            assert rows(app_conn, "bunker_user_versions", kind, value) == []
            assert call(app_conn, "bunker_user_version", kind, value, 1) is None
        assert call(app_conn, "bunker_get_user", uuid.UUID(NOBODY)) is None
        assert rows(app_conn, "bunker_get_users", [uuid.UUID(NOBODY)]) == []
        assert call(app_conn, "bunker_lookup", None, "x") is None
        assert find(app_conn, "email", None) is None
        assert call(app_conn, "bunker_get_user", None) is None
        assert rows(app_conn, "bunker_get_users", None) == []
        create(app_conn, ANN)
        forget(app_conn, "login", "ann")


@pytest.mark.parametrize("kind", ["Email", "", " email", "e-mail", "tax", "token ", "ключ"])
def test_an_unknown_kind_is_refused(app_conn, raises, kind):
    create(app_conn, ANN)
    for function in READERS:
        with raises("22023", secrets=["ann@example.com"]):
            rows(app_conn, function, kind, "ann@example.com")
    with raises("22023"):
        update(app_conn, kind, "ann@example.com", {})
    with raises("22023"):
        forget(app_conn, kind, "ann@example.com")


@pytest.mark.parametrize("value", ["", "  ", "\t\n"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_blank_value_names_nobody(app_conn, raises, kind, value):
    create(app_conn, ANN)
    with raises("22023"):
        find(app_conn, kind, value)


def test_null_where_a_value_is_needed(app_conn, raises):
    create(app_conn, ANN)
    before = listed(app_conn)
    for statement in ("bunker_create_user(NULL)", "bunker_create_users(NULL)",
                      "bunker_update_user(NULL, 'ann', '{}')",
                      "bunker_update_user('login', NULL, '{}')",
                      "bunker_update_user('login', 'ann', NULL)",
                      "bunker_delete_user(NULL, 'ann')", "bunker_delete_user('login', NULL)",
                      "bunker_list_users(NULL, NULL)"):
        with raises("22023"):
            app_conn.execute(f"SELECT {statement}")
    assert listed(app_conn) == before


def listed(connection) -> list[tuple]:
    """All users and their versions, as an application sees them."""
    return rows(connection, "bunker_list_users")


@pytest.mark.parametrize("profile", ["null", "true", "1", '"text"', "[]", '[{"email": "a@b.cd"}]'])
def test_a_profile_is_an_object(app_conn, raises, profile):
    with raises("22023"):
        create_text(app_conn, profile)


@pytest.mark.parametrize("profile", [
    {}, {"name": "Ann"}, {"email": None}, {"email": "", "phone": " ", "login": "\t\n"},
    {"Email": "ann@example.com"}, {"contact": {"email": "ann@example.com"}}])
def test_a_profile_needs_a_lookup_field(conn, app_conn, raises, profile):
    with raises("22023", secrets=["ann@example.com"]):
        create(app_conn, profile)
    assert row_counts(conn)["record"] == row_counts(conn)["audit"] == 0


@pytest.mark.parametrize("value", [True, [], {}, ["ann@example.com"], {"a": "ann@example.com"}])
@pytest.mark.parametrize("kind", KINDS)
def test_a_lookup_field_is_text_or_a_number(app_conn, raises, kind, value):
    with raises("22023", secrets=["ann@example.com"]):
        create(app_conn, {"custom": "good"} | {kind: value})


def test_a_blank_field_is_no_field(conn, app_conn):
    create(app_conn, {"email": "  ", "phone": "", "custom": None, "login": "one"})
    create(app_conn, {"email": "", "phone": " ", "custom": "\t", "login": "two"})
    assert row_counts(conn)["lookup"] == 2


def test_a_value_is_unique_within_its_kind(app_conn, raises):
    first = create(app_conn, {"login": "same", "custom": "other"})
    second = create(app_conn, {"custom": "same"})
    assert (find(app_conn, "login", "same"), find(app_conn, "custom", "same")) == (first, second)
    for kind in ("login", "custom"):
        with raises("23505", secrets=["same"]) as caught:
            create(app_conn, {"email": "new@example.com", kind: "same"})
        assert kind in caught.error.diag.message_hint
        assert caught.error.diag.message_detail is None
    assert find(app_conn, "email", "new@example.com") is None


EXACT = ["12345678901234567890.123", "1E400", "-0", "1.0", "1.10", "0.1e-30", "1e-400",
         "123456789012345678901234567890"]


@pytest.mark.parametrize("number", EXACT)
def test_a_number_keeps_what_jsonb_keeps(app_conn, number):
    profile = f'{{"login": "ann", "n": {number}, "deep": [{{"n": [{number}]}}]}}'
    create_text(app_conn, profile)
    same = ("SELECT bunker_get_user(bunker_find_token('login', 'ann'))::text = (%s::jsonb)::text,"
            " bunker_lookup('login', 'ann') -> 'profile' = %s::jsonb")
    assert app_conn.execute(same, [profile, profile]).fetchone() == (True, True)
    update(app_conn, "login", "ann", {"other": 1})
    after = app_conn.execute(
        "SELECT ((bunker_lookup('login', 'ann') -> 'profile') - 'other')::text ="
        " (%s::jsonb)::text", [profile]).fetchone()
    assert after == (True,)


def test_a_number_is_found_by_its_text(app_conn):
    token = create_text(app_conn, '{"custom": 12345678901234567890.10}')
    assert find(app_conn, "custom", "12345678901234567890.10") == token
    assert find(app_conn, "custom", "12345678901234567890.1") is None


UNICODE = ["Zoë", "e\u0301", "𝔘𝔫𝔦", "👩‍👩‍👧", "\u202eabc", "\ufeff", "\u2028", '"\\/\b\f\n\r\t', "\u0001",
           "\U0010ffff", "日本語"]


@pytest.mark.parametrize("text", UNICODE)
def test_text_comes_back_as_it_was(app_conn, text):
    profile = {"login": "ann", text: text, "list": [text, {text: [text]}]}
    token = create(app_conn, profile)
    assert call(app_conn, "bunker_get_user", token) == profile
    update(app_conn, "login", "ann", {text: None, "kept": text})
    assert call(app_conn, "bunker_get_user", token) == {
        "login": "ann", "list": profile["list"], "kept": text}


def test_of_duplicate_keys_the_last_counts(app_conn):
    token = create_text(app_conn, '{"login": "first", "login": "last", "a": 1, "a": {"b": 2}}')
    assert call(app_conn, "bunker_get_user", token) == {"login": "last", "a": {"b": 2}}
    assert find(app_conn, "login", "last") == token
    assert find(app_conn, "login", "first") is None


def test_nul_is_refused_by_jsonb_itself(app_conn, raises):
    with raises("22P05"):
        create_text(app_conn, '{"login": "ann", "a": "\\u0000"}')


def test_get_users_leaves_out_strangers_and_nulls(app_conn):
    first, second, gone = (token for _, token in create_many(app_conn, people(1, 3)))
    forget(app_conn, "token", gone)
    wanted = [second, None, uuid.UUID(NOBODY), first, gone, second]
    found = rows(app_conn, "bunker_get_users", wanted)
    assert [token for token, _ in found] == [second, first, second]
    assert [profile["login"] for _, profile in found] == ["p2", "p1", "p2"]
    assert app_conn.execute("SELECT * FROM bunker_get_users('{}')").fetchall() == []


# Many at once ---------------------------------------------------------------------------------

def test_bulk_create_keeps_the_order(app_conn):
    created = create_many(app_conn, people(1, 500))
    assert [ordinal for ordinal, _ in created] == list(range(1, 501))
    assert len({token for _, token in created}) == 500
    for ordinal, token in (created[0], created[249], created[-1]):
        assert find(app_conn, "login", f"p{ordinal}") == token


def test_bulk_create_of_nobody(conn, app_conn):
    assert create_many(app_conn, []) == []
    assert row_counts(conn)["audit"] == 0


REFUSED = [
    ("22023", None), ("22023", {"name": "secret-7"}), ("22023", {"email": "secret-7"}),
    ("22023", {"login": ["secret-7"]}), ("22023", ["secret-7"]), ("23505", {"custom": "c-2"}),
    ("23505", {"email": " P2@EXAMPLE.COM", "login": "secret-7"}), ("23505", {"login": "secret-9"})]


@pytest.mark.parametrize(("sqlstate", "bad"), REFUSED)
def test_bulk_create_is_all_or_nothing(conn, app_conn, raises, sqlstate, bad):
    create(app_conn, {"login": "secret-9"})
    before = row_counts(conn)
    profiles = people(1, 4) + [bad] + people(6, 9)
    with raises(sqlstate, secrets=["secret-", "c-2", "p2@", "P2@"]) as caught:
        create_many(app_conn, profiles)
    hint = caught.error.diag.message_hint
    # Of two equal elements either is the one too many.
    assert "Element 5 of the array" in hint or "Element 2 of the array" in hint
    assert row_counts(conn) == before


def test_bulk_create_names_the_element_of_a_taken_value(app_conn, raises):
    create(app_conn, {"login": "taken"})
    with raises("23505", secrets=["taken"]) as caught:
        create_many(app_conn, people(1, 6) + [{"login": "taken"}])
    assert "Element 7 of the array" in caught.error.diag.message_hint
    assert "login" in caught.error.diag.message_hint


def test_bulk_create_takes_its_array_from_a_query(app_conn):
    found = app_conn.execute(
        "SELECT c.ordinal, bunker_get_user(c.token) ->> 'login'"
        "  FROM bunker_create_users((SELECT array_agg(jsonb_build_object('login', 'q' || i)"
        "                                             ORDER BY i) FROM generate_series(1, 3) i)) c"
    ).fetchall()
    assert found == [(1, "q1"), (2, "q2"), (3, "q3")]


def test_functions_take_jsonb_from_tables(conn):
    conn.execute("CREATE TABLE import (id int, profile jsonb)")
    big = {"email": "big@example.com", "text": "x" * 200_000}
    conn.execute("INSERT INTO import VALUES (1, %s), (2, %s)", [Jsonb(big), Jsonb(ANN)])
    made = conn.execute("SELECT id, bunker_create_user(profile) FROM import ORDER BY id").fetchall()
    assert [call(conn, "bunker_get_user", token) for _, token in made] == [big, ANN]


# Lists and versions ---------------------------------------------------------------------------

def test_users_are_listed_by_key(app_conn):
    tokens = sorted(token for _, token in create_many(app_conn, people(1, 25)))
    forget(app_conn, "token", tokens.pop(3))
    update(app_conn, "token", tokens[5], {"name": "Ann"})
    seen, after = [], None
    while page := rows(app_conn, "bunker_list_users", after, 10):
        assert len(page) <= 10
        seen += page
        after = page[-1][0]
    assert [row[0] for row in seen] == tokens
    assert [row[1] for row in seen] == [2 if token == tokens[5] else 1 for token in tokens]
    assert all(row[2] <= row[3] for row in seen)
    assert rows(app_conn, "bunker_list_users", tokens[-1]) == []


def test_the_default_page_is_a_hundred(conn):
    create_many(conn, people(1, 101))
    assert len(rows(conn, "bunker_list_users")) == 100
    conn.execute("SET databunker.bulk_read_limit = 0")
    assert len(rows(conn, "bunker_list_users", None, 10_000)) == 101


@pytest.mark.parametrize("count", [0, -1, 10_001, 2**31 - 1, -2**31])
def test_a_page_has_bounds(app_conn, raises, count):
    with raises("22023"):
        rows(app_conn, "bunker_list_users", None, count)


def test_versions_tell_who_and_how(app_conn):
    token = create(app_conn, ANN)
    update(app_conn, "login", "ann", {"name": "Anna"})
    update(app_conn, "login", "ann", {"name": None})
    versions = rows(app_conn, "bunker_user_versions", "email", ANN["email"])
    assert [(number, who, how) for number, _, who, how in versions] == [
        (1, "test_app", "create"), (2, "test_app", "update"), (3, "test_app", "update")]
    assert versions[0][1] < versions[1][1] < versions[2][1]
    names = [call(app_conn, "bunker_user_version", "token", str(token), number).get("name")
             for number in (1, 2, 3)]
    assert names == ["Ann", "Anna", None]
    for number in (0, -1, 4, 2**31 - 1):
        assert call(app_conn, "bunker_user_version", "login", "ann", number) is None
    assert call(app_conn, "bunker_user_version", "login", "ann", None) is None
