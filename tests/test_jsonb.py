"""Profiles come back as the very jsonb that went in: its value, its text, its bytes on disk."""

import hashlib
import json
import random
import re
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[1] / "crates/bunker-core/tests/jsonb_vectors.tsv"
DOCUMENTS = 2_400
SEED = 20261122

ALPHABETS = ["abcdefghij", "abc \"\\/\n\t\b\f\r\x01\x1f\x7f", "aé£ßñ", "日本語ж", "😀𝒳a"]
NUMBERS = [
    "0", "-0", "0.0", "-0.00", "1.0", "1.10", "-1", "9999.9999", "10000", "10000.0001", "1e400",
    "-1e-300", "1.5e3", "0.00001", "0.00010", "1000000000000", "12345678901234567890.123",
    "9223372036854775808", "1e255", "1e256", f"0.{'0' * 62}1", f"0.{'0' * 63}1", f"2.{'0' * 64}"]


# Random documents ------------------------------------------------------------------------------

def random_string(rng: random.Random) -> str:
    letters = rng.choice(ALPHABETS)
    longest = rng.choice([3, 8, 40, 300])
    return "".join(rng.choices(letters, k=rng.randint(0, longest)))


def random_number(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(NUMBERS)
    whole = str(rng.randrange(10 ** rng.choice([1, 4, 5, 9, 30])))
    fraction = "".join(rng.choices("0009", k=rng.choice([0, 0, 1, 4, 5, 20])))
    return rng.choice(["", "-"]) + whole + ("." + fraction if fraction else "")


def random_value(rng: random.Random, depth: int) -> str:
    """The text of a JSON value, in spellings and with spaces that jsonb does not keep."""
    kind = rng.choices(["number", "string", "word", "array", "object"], [4, 5, 2, 2, 3])[0]
    if kind == "number" or (depth == 0 and kind in ("array", "object")):
        return random_number(rng)
    if kind == "string":
        return json.dumps(random_string(rng), ensure_ascii=rng.random() < 0.5)
    if kind == "word":
        return rng.choice(["null", "true", "false"])
    # Every 32nd entry is stored differently, so some containers have to be wide.
    count = rng.choice([0, 1, 2, 3, 5, 33, 70]) if depth < 3 else rng.choice([0, 1, 2, 4])
    comma = rng.choice([",", ", ", " ,\n"])
    values = [random_value(rng, depth - 1) for _ in range(min(count, 4 ** depth + 30))]
    if kind == "array":
        return f"[{comma.join(values)}]"
    keys = [json.dumps(random_string(rng)) for _ in values]
    return f"{{{comma.join(f'{key}: {value}' for key, value in zip(keys, values))}}}"


def random_profile(rng: random.Random, number: int) -> str:
    """An object with a login of its own, and otherwise anything."""
    members = [f'"login": "jsonb-test-{number}"']
    for _ in range(rng.randint(0, 14)):
        key = "x" + random_string(rng)  # never the name of a field that the vault looks up by
        members.append(f"{json.dumps(key)}: {random_value(rng, rng.randint(0, 3))}")
    rng.shuffle(members)
    return f"{{{','.join(members)}}}"


# Users made of them ----------------------------------------------------------------------------

@pytest.fixture
def users(conn):
    """Table `users`: each random document, its token, what two functions return, and how big."""
    rng = random.Random(SEED)
    documents = [random_profile(rng, number) for number in range(DOCUMENTS)]
    conn.execute("CREATE TABLE users (doc jsonb, token uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
                 " got jsonb, got_size integer, found jsonb, found_size integer)")
    with conn.cursor().copy("COPY users (doc) FROM STDIN") as copy:
        for document in documents:
            copy.write_row([document])
    conn.execute("UPDATE users SET token = bunker_create_user(doc)")
    # One transaction each: there may be a bound on how many profiles one transaction reads.
    tokens = [row[0] for row in conn.execute("SELECT token FROM users").fetchall()]
    for token in tokens:
        conn.execute(
            "UPDATE users SET got = bunker_get_user(token),"
            " got_size = pg_column_size(bunker_get_user(token)),"
            " found = bunker_lookup('token', token::text),"
            " found_size = pg_column_size(bunker_lookup('token', token::text))"
            " WHERE token = %s", [token])
    return conn


def count(conn, condition: str) -> int:
    return conn.execute(f"SELECT count(*) FROM users WHERE {condition}").fetchone()[0]


def test_a_profile_is_the_same_value_text_and_size(users):
    assert count(users, "true") == DOCUMENTS
    for profile in ("got", "found->'profile'"):
        assert count(users, f"{profile} = doc") == DOCUMENTS
        assert count(users, f"({profile})::text = doc::text") == DOCUMENTS
    # Sizes as they came from the functions: in a row, headers are shorter and long values smaller.
    assert count(users, "got_size = pg_column_size(doc::text::jsonb)") == DOCUMENTS
    assert count(users, "found_size = pg_column_size(found::text::jsonb)") == DOCUMENTS


def test_a_lookup_is_the_same_as_its_own_text(users):
    assert count(users, "found::text::jsonb = found") == DOCUMENTS
    assert count(users, "found::text::jsonb::text = found::text") == DOCUMENTS
    assert count(users, "found->>'token' = token::text") == DOCUMENTS
    assert count(users, "(found->'version')::int = 1") == DOCUMENTS
    assert count(users, "(found->>'created_at')::timestamptz <= now()") == DOCUMENTS
    keys = users.execute("SELECT DISTINCT array(SELECT jsonb_object_keys(found)) FROM users")
    assert keys.fetchall() == [(["token", "profile", "version", "created_at", "updated_at"],)]


def test_every_member_is_reached(users):
    """Binary search for keys and the offsets of values: `->` finds what jsonb_each shows."""
    for profile in ("got", "found->'profile'"):
        members = users.execute(f"""
            SELECT count(*),
                   count(*) FILTER (WHERE doc->key = value AND ({profile})->key = value
                                      AND {profile} #> ARRAY[key] = value AND {profile} ? key)
            FROM users, jsonb_each({profile})""").fetchone()
        assert members[0] == members[1] > DOCUMENTS
        elements = users.execute(f"""
            SELECT count(*), count(*) FILTER (WHERE {profile} #> ARRAY[key, (n - 1)::text] = element)
            FROM users, jsonb_each(doc), jsonb_array_elements(
                CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE '[]' END)
                WITH ORDINALITY AS list (element, n)""").fetchone()
        assert elements[0] == elements[1] > DOCUMENTS


def test_operators_work_on_the_result(users):
    for profile in ("got", "found->'profile'"):
        for condition in (
                f"{profile} @> doc AND doc @> ({profile})",
                f"({profile} || '{{\"xx\": [1]}}') - 'xx' = doc - 'xx'",
                f"jsonb_set({profile}, '{{login}}', '7') = jsonb_set(doc, '{{login}}', '7')",
                f"jsonb_path_query_array({profile}, '$.**') = jsonb_path_query_array(doc, '$.**')",
                f"jsonb_hash({profile}) = jsonb_hash(doc)",
                f"jsonb_pretty({profile}) = jsonb_pretty(doc)",
                f"jsonb_strip_nulls({profile}) = jsonb_strip_nulls(doc)"):
            assert count(users, condition) == DOCUMENTS, condition


# Bytes -----------------------------------------------------------------------------------------

@pytest.fixture
def stored(conn):
    """stored(SQL expression of type jsonb, parameters): its bytes without varlena header."""
    conn.execute("CREATE EXTENSION IF NOT EXISTS pageinspect")
    for name, storage in (("short", "PLAIN"), ("long", "EXTERNAL")):
        conn.execute(f"CREATE TABLE {name}_document (doc jsonb)")
        conn.execute(f"ALTER TABLE {name}_document ALTER doc SET STORAGE {storage}")
    toast = conn.execute("SELECT reltoastrelid::regclass::text FROM pg_class"
                         " WHERE oid = 'long_document'::regclass").fetchone()[0]

    def read(expression: str, parameters: list) -> bytes:
        """In its row as far as that can be, in the TOAST table otherwise, never compressed."""
        size = conn.execute(f"SELECT pg_column_size({expression})", parameters).fetchone()[0]
        table = "short_document" if size < 7_000 else "long_document"
        conn.execute(f"TRUNCATE {table}")
        conn.execute(f"INSERT INTO {table} VALUES ({expression})", parameters)
        if table == "long_document":
            return b"".join(chunk for (chunk,) in conn.execute(
                f"SELECT chunk_data FROM {toast} ORDER BY chunk_seq"))
        row = conn.execute("SELECT t_data FROM heap_page_items(get_raw_page(%s, 0))",
                           [table]).fetchone()[0]
        # A row keeps short values with one byte of header, whose lowest bit is set.
        return row[1:] if row[0] & 1 else row[4:]

    return read


def vectors() -> list[tuple[str, str]]:
    """Text and bytes (in hex, or their SHA-256) of each line; `%{N*text}%` written out."""
    lines = VECTORS.read_text().split("\n")
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(re.sub(r"%\{(\d+)\*(.*?)\}%", lambda match: match[2] * int(match[1]), text), shown)
            for text, shown in rows]


def test_the_vectors_are_what_the_server_stores(conn, stored):
    """The crate's tests take them for granted."""
    rows = vectors()
    assert len(rows) >= 150
    for text, shown in rows:
        assert conn.execute("SELECT %s::jsonb::text", [text]).fetchone()[0] == text
        found = stored("%s::jsonb", [text])
        digest = f"sha256:{hashlib.sha256(found).hexdigest()}"
        assert shown in (found.hex(), digest), text[:100]


def test_profiles_are_the_same_bytes(conn, stored):
    """The vectors that are objects, as profiles: bytes as jsonb_in makes them, alone and framed."""
    objects = [text for text, _ in vectors() if text.startswith("{")]
    assert len(objects) >= 100
    for number, text in enumerate(objects):
        profile, token = conn.execute(
            "SELECT doc::text, bunker_create_user(doc)"
            " FROM CAST(%s::jsonb || jsonb_build_object('login', %s::text) AS jsonb) AS doc",
            [text, f"vector-{number}"]).fetchone()
        got = stored("bunker_get_user(%s)", [token])
        assert got == stored("%s::jsonb", [profile]), profile[:100]
        framed = conn.execute("SELECT bunker_lookup('token', %s)::text", [str(token)]).fetchone()[0]
        found = stored("bunker_lookup('token', %s)", [str(token)])
        assert found == stored("%s::jsonb", [framed]), profile[:100]
