"""bunker_import_bundle: what is altered, of another vault, or odd under the right key."""

import json
import os
import random
from base64 import b64encode
from uuid import uuid4

import psycopg
import pytest

from harness.bundles import bundle_key, changed, give, import_bundle, rows_of
from harness.copies import content, furnish, nothing_is_here
from harness.mirror import export
from harness.vault import call, create, find


# Altered ------------------------------------------------------------------------------------------

def test_a_line_missing_doubled_or_moved_is_refused(conn, copy, raises):
    furnish(conn, 2)
    lines = export(conn)
    for position in range(len(lines)):
        without = lines[:position] + lines[position + 1:]
        doubled = lines[:position + 1] + lines[position:]
        moved = lines[:position] + lines[position:position + 2][::-1] + lines[position + 2:]
        for bad in (without, doubled, moved):
            if bad == lines:
                continue
            with raises("22023"):
                import_bundle(copy, bad, len(bad))
    assert nothing_is_here(copy)


def test_any_flipped_byte_is_refused(conn, copy, raises):
    furnish(conn, 1)
    lines, dice = export(conn), random.Random(4)
    secrets = ["zoë", "p1@example.com"]
    for line in range(len(lines)):
        for _ in range(6):
            place = dice.randrange(len(lines[line]))
            other = chr(dice.choice([n for n in range(32, 127) if chr(n) != lines[line][place]]))
            bad = list(lines)
            bad[line] = lines[line][:place] + other + lines[line][place + 1:]
            with raises("22023", secrets=secrets):
                import_bundle(copy, bad)
    assert nothing_is_here(copy)
    import_bundle(copy, lines)


def test_a_bundle_of_another_vault_is_refused(conn, copy, raises):
    furnish(conn, 1)
    create(copy, {"login": "other"})
    before = content(copy)
    with raises("22023"):
        import_bundle(copy, export(conn))
    assert content(copy) == before


def test_a_bundle_under_another_master_key_is_refused(conn, fresh_cluster):
    furnish(conn, 1)
    server = fresh_cluster()
    with server.connect(server.create_db("vault")) as copy:
        with server.raises("22023"):
            import_bundle(copy, export(conn))
        assert nothing_is_here(copy)


def test_a_sealed_vault_takes_nothing(conn, fresh_cluster):
    furnish(conn, 1)
    server = fresh_cluster(master_key=False)
    with server.connect(server.create_db("vault")) as copy:
        with server.raises("55000"):
            import_bundle(copy, export(conn))


def test_a_forger_without_the_key_is_refused(cluster, conn, copy, raises):
    tokens = furnish(conn, 2)
    import_bundle(copy, export(conn))
    forged = changed(export(conn), os.urandom(32), lambda items: kill(items, tokens[0]))
    with raises("22023"):
        import_bundle(copy, forged)
    assert find(copy, "login", "p1") is not None


def kill(items: list[dict], token: str) -> None:
    for row in rows_of(items, "record"):
        if row[0] == token:
            row[3], row[4], row[6], row[7] = row[2], row[4] + 1, "", None


def test_the_first_bundle_of_an_empty_vault_must_be_whole(conn, copy, raises):
    furnish(conn, 1)
    cursor = json.loads(export(conn)[-1])["end"]["cursor"]
    with raises("22023"):
        import_bundle(copy, export(conn, cursor))


# Odd, under the right key -------------------------------------------------------------------------

def put(table: str, place: int, value):
    """A change that puts a value into each row of a table."""
    def change(items: list[dict]) -> None:
        for row in rows_of(items, table):
            row[place] = value
    return change


def doubled(table: str):
    def change(items: list[dict]) -> None:
        for item in items:
            if table in item:
                item[table] *= 2
    return change


def without(table: str):
    return lambda items: [item for item in items if table not in item]


ODD = {
    "a number too big": put("record", 4, 2**31),
    "a number as big as a time": put("app_data", 2, 2**40),
    "a version of 0": put("record", 4, 0),
    "a time too early": put("session", 2, -2**63),
    "a text with NUL": put("record", 5, "a\0b"),
    "digests cut off": put("record", 6, b64encode(bytes(17)).decode()),
    "a living user without a profile": put("record", 7, None),
    "a tombstone with digests": put("record", 3, 0),
    "a user twice": doubled("record"),
    "an expiration twice": put("expiration", 1, str(uuid4())),
    "an unknown status": put("expiration", 2, "canary"),
    "no keyring": without("keyring"),
    "an unknown purpose": put("keyring", 1, "canary"),
    "a damaged key": put("keyring", 3, b64encode(bytes(94)).decode()),
    "a kind without a normaliser": put("lookup_kind", 3, "canary"),
    "a kind with a bad path": put("lookup_kind", 2, "canary"),
    "a kind's number too big": put("lookup_kind", 0, 40_000),
    "a schema that is none": put("user_schema", 1, '{"type": "canary"}'),
    "a schema that is no JSON": put("user_schema", 1, '{"canary'),
    "a definition that is no object": put("legal_basis", 2, '"canary"'),
    "a definition with NUL": put("legal_basis", 2, '{"canary": "\\u0000"}'),
    "a definition that is no JSON": put("activity", 1, "canary"),
    "a link of no activity": put("activity_basis", 0, "canary"),
    "an agreement of nobody with a user's kind": put("unclaimed_agreement", 1, 0),
    "a name too long for an index": put("app_data", 1, "canary" + os.urandom(5000).hex()),
    "an agreement twice": doubled("agreement"),
    "registers after users": lambda items: items + [{"lookup_kind": rows_of(items, "lookup_kind")}],
    "a header twice": lambda items: [items[0], items[0], *items[1:]],
}


@pytest.mark.parametrize("what", ODD)
def test_odd_content_is_an_error_that_shows_nothing(cluster, conn, copy, what):
    furnish(conn, 2)
    lines = changed(export(conn), bundle_key(cluster, conn), ODD[what])
    with pytest.raises(psycopg.Error) as caught:
        import_bundle(copy, lines)
    assert caught.value.sqlstate in ("22023", "21000", "54000"), caught.value
    shown = json.dumps({name: getattr(caught.value.diag, name) for name in dir(caught.value.diag)
                        if name.startswith(("message", "context"))}, default=str)
    assert "canary" not in shown
    assert copy.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert nothing_is_here(copy)
    import_bundle(copy, export(conn))


def test_rows_of_nobody_are_left_out(cluster, conn, copy):
    tokens = furnish(conn, 2)

    def change(items):
        for row in rows_of(items, "session") + rows_of(items, "share"):
            row[1] = str(uuid4())
        for row in rows_of(items, "app_data"):
            row[0] = str(uuid4())

    import_bundle(copy, changed(export(conn), bundle_key(cluster, conn), change))
    assert content(copy)["session"] == content(copy)["share"] == content(copy)["app_data"] == {}
    assert find(copy, "login", "p2") is not None and tokens


def test_a_moved_profile_does_not_open(cluster, conn, copy, raises):
    """Whoever has the key of bundles but not those of records can put nothing into another's mouth."""
    furnish(conn, 2)

    def change(items):
        one, other = rows_of(items, "record")
        one[7], other[7] = other[7], one[7]

    import_bundle(copy, changed(export(conn), bundle_key(cluster, conn), change))
    with raises("XX001"):
        call(copy, "bunker_lookup", "login", "p1")


def test_arguments_that_are_no_lines_are_refused(conn, copy, raises):
    furnish(conn, 1)
    lines = export(conn)
    for bad in ([None], [lines[0], None], [""], ["{}"], ["null"], ["["], ["{" * 100_000],
                ["[" * 1_000_000], ["x" * 50_000_000], lines[1:], [lines[0], "x"],
                [lines[0] + "\n" + lines[1]], [lines[-1]]):
        with raises("22023"):
            give(copy, bad)
    with raises("22023"):
        copy.execute("SELECT bunker_import_bundle(NULL)")
    assert nothing_is_here(copy)


def test_a_vault_with_another_region_is_refused(conn, copy, raises):
    furnish(conn, 1)
    copy.execute("SET databunker.default_region = 'DE'")
    with raises("22023"):
        import_bundle(copy, export(conn))
    assert nothing_is_here(copy)
    copy.execute("RESET databunker.default_region")
    import_bundle(copy, export(conn))


def test_a_later_format_is_refused(cluster, conn, copy, raises):
    furnish(conn, 1)

    def change(items):
        items[0]["bundle"]["format"] = 2

    with raises("22023"):
        import_bundle(copy, changed(export(conn), bundle_key(cluster, conn), change))


def test_another_kind_under_a_known_name_is_refused(conn, copy, raises):
    furnish(conn, 1)
    import_bundle(copy, export(conn))
    call(conn, "bunker_add_lookup", "nick", "/nick")
    call(copy, "bunker_add_lookup", "nick", "/other")
    with raises("22023"):
        import_bundle(copy, export(conn))
