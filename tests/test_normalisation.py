"""Every spelling of the core's table, through SQL: all of them find the one user, or are refused."""

import re
from collections import defaultdict

import pytest
from psycopg import sql

from harness.paths import PROJECT
from harness.vault import call, create, find

TABLE = PROJECT / "crates/bunker-core/tests/spellings.tsv"
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


def unescape(text: str) -> str:
    """Undoes the table's escapes: \\u{HEX}, \\t, \\n, \\r, \\\\."""
    return re.sub(r"\\(?:u\{([0-9a-f]+)\}|(.))",
                  lambda hit: chr(int(hit[1], 16)) if hit[1] else ESCAPES[hit[2]], text)


def spellings() -> list[tuple[str, str, str, str]]:
    """Kind, region, spelling and normal form (or ! and an error), without what SQL cannot hold."""
    lines = TABLE.read_text(encoding="utf-8").split("\n")
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(kind, "GB" if region == "-" else region, unescape(spelling), unescape(normal))
            for kind, region, spelling, normal in rows if "\\u{0}" not in spelling]


def people() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Each normal form with all its spellings and their regions."""
    groups = defaultdict(list)
    for kind, region, spelling, normal in spellings():
        if not normal.startswith("!"):
            groups[kind, normal].append((region, spelling))
    return [(kind, normal, ways) for (kind, normal), ways in groups.items()]


def set_region(connection, region: str) -> None:
    """The default region of this session; a superuser's to set."""
    connection.execute("SELECT set_config('databunker.default_region', %s, false)", [region])


def test_the_table_is_long_enough():
    assert len(spellings()) > 150
    assert {kind for kind, *_ in spellings()} == {"email", "phone", "login", "custom", "exact"}
    assert len({region for kind, region, *_ in spellings() if kind == "phone"}) >= 6


def test_each_spelling_finds_the_one_user(conn, raises):
    """Whichever spelling he was created with, and no other person's finds him."""
    call(conn, "bunker_add_lookup", "exact", "/exact", "exact")
    owners = {}
    for kind, normal, ways in people():
        set_region(conn, ways[-1][0])
        owners[kind, normal] = create(conn, {kind: ways[-1][1]})
    for kind, normal, ways in people():
        for region, spelling in [*ways, ("GB", normal)]:
            set_region(conn, region)
            assert find(conn, kind, spelling) == owners[kind, normal], (kind, region, spelling)
            with raises("23505"):
                create(conn, {kind: spelling})
    assert len(set(owners.values())) == len(owners) > 40


REFUSED = [row for row in spellings() if row[3].startswith("!")]


@pytest.mark.parametrize(("kind", "region", "spelling", "error"), REFUSED)
def test_what_has_no_normal_form_is_refused(conn, raises, kind, region, spelling, error):
    set_region(conn, region)
    if kind == "exact":
        call(conn, "bunker_add_lookup", "exact", "/exact", "exact")
    # Short ones stand in every sentence, and @example.com in the hint's model address.
    known = len(spelling.strip()) < 4 or spelling.strip() in "name@example.com"
    secret = [] if known else [spelling.strip()]
    with raises("22023", secrets=secret):
        find(conn, kind, spelling)
    if error == "!Blank":
        assert create(conn, {kind: spelling, "custom": "still found"})
    else:
        with raises("22023", secrets=secret):
            create(conn, {kind: spelling, "custom": "still found"})


def test_the_region_belongs_to_the_database(cluster, db, conn, app_conn, raises):
    conn.execute(sql.SQL("ALTER DATABASE {} SET databunker.default_region = 'US'").format(
        sql.Identifier(db)))
    with cluster.connect(db, "test_app") as american:
        token = create(american, {"phone": "(415) 555-0123"})
        with raises("42501"):
            set_region(american, "GB")
    assert find(app_conn, "phone", "+14155550123") == token
    # Sessions that began before keep the region they began with, where this is another number.
    assert find(app_conn, "phone", "(415) 555-0123") is None


@pytest.mark.parametrize("region", ["", "XX", "GBR", "44", "G", "ÄÖ"])
def test_an_unknown_region_cannot_be_set(conn, raises, region):
    with raises("22023"):
        set_region(conn, region)
    assert find(conn, "phone", "020 7946 0002") is None
