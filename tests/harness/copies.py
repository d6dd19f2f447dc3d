"""Two copies of one vault, and what is in them."""

from harness.mirror import Mirror, export
from harness.vault import call, create_many, people, update

# A name on which whatever quotes it wrongly comes to grief.
HARD = "Zoë O'Hara \\ \" ` \n \r\n \t \u0001 -- /* ; # $$ \\' %s ? \u2028 \\0 👋"


def furnish(conn, count: int = 6, first: int = 1, request=("forget-me",)) -> list[str]:
    """Users with all that can belong to one, among it such a request; their tokens."""
    call(conn, "bunker_set_legal_basis", "news", '{"usercontrol": true}')
    call(conn, "bunker_set_activity", "mailing", '{"title": "\\\\ \' 👋"}')
    call(conn, "bunker_link_activity", "mailing", "news")
    call(conn, "bunker_accept_agreement", "email", "nobody@yet.example", "news")
    call(conn, "bunker_set_user_schema", '{"type": "object", "title": "\\\\ \' \\" 👋"}')
    tokens = [str(token) for _, token in create_many(conn, people(first, first + count - 1))]
    for token in tokens:
        update(conn, "token", token, {"name": HARD})
        call(conn, "bunker_set_app", "token", token, "shop", '{"size": 42}')
        call(conn, "bunker_update_app", "token", token, "shop", '{"size": 43}')
        call(conn, "bunker_create_session", "token", token, '{"ip": "192.0.2.1"}')
        call(conn, "bunker_share", "token", token, ["name"])
        call(conn, "bunker_accept_agreement", "token", token, "news")
        call(conn, "bunker_request", "token", token, *request)
        call(conn, "bunker_start_expiration", "token", token)
    return tokens


def content(connection) -> dict:
    """All that bundles bring, as it stands in the tables."""
    mirror = Mirror()
    mirror.apply(export(connection))
    return mirror.tables


def same(one, other) -> bool:
    """Compares two vaults row by row; says what differs."""
    ours, theirs = content(one), content(other)
    for table in ours:
        here, there = set(ours[table].values()), set(theirs[table].values())
        assert here == there, f"{table}: {here ^ there}"
    return True


def nothing_is_here(connection) -> bool:
    """Whether an import has left no row."""
    return all(connection.execute(f"SELECT count(*) FROM bunker.{table}").fetchone() == (0,)
               for table in ("keyring", "record", "lookup", "lookup_kind", "agreement", "session"))
