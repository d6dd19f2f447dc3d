"""Stored bytes that a superuser or a disk has altered are refused: never wrong data, or a crash."""

import json
import secrets

import psycopg
import pytest
from psycopg import sql

ANN = {"email": "ann@example.com", "phone": "+44 7911 123456", "login": "ann", "custom": "A-1",
       "name": "Ann"}
BEN = {"email": "ben@example.com", "phone": "+44 7911 654321", "login": "ben", "custom": "B-1",
       "name": "Ben"}
KINDS = ("email", "phone", "login", "custom")
REFUSED = "XX001"


class Vault:
    """Two users with three versions each, and every way to read them."""

    def __init__(self, cluster, db: str):
        self.cluster, self.db = cluster, db
        self.root = cluster.connect(db)
        self.tokens = [self.ask("bunker_create_user(%s::jsonb)", json.dumps(user))
                       for user in (ANN, BEN)]
        self.states = {}
        for token, user in zip(self.tokens, (ANN, BEN), strict=True):
            for age in (40, 41):
                self.ask("bunker_update_user('token', %s, %s::jsonb)", token, json.dumps({"age": age}))
            self.states[token] = [user, user | {"age": 40}, user | {"age": 41}]
        self.events = [row[0] for row in self.root.execute(
            "SELECT id FROM bunker_audit('token', %s) ORDER BY id", [str(self.tokens[0])])]

    def close(self) -> None:
        """Ends the superuser's session."""
        self.root.close()

    def ask(self, call: str, *arguments, connection=None):
        """One value of a function."""
        session = connection or self.root
        return session.execute(f"SELECT {call}", [str(a) for a in arguments]).fetchone()[0]

    def reads(self, number: int = 0) -> dict:
        """Every way to read a user: how it is called, and what it gives of an unharmed one."""
        token, user = self.tokens[number], (ANN, BEN)[number]
        states = self.states[token]
        ways = {("bunker_lookup(%s, %s) -> 'profile'", kind, user[kind]): states[2] for kind in KINDS}
        ways["bunker_lookup('token', %s) -> 'profile'", token] = states[2]
        ways["bunker_get_user(%s)", token] = states[2]
        ways["(SELECT profile FROM bunker_get_users(ARRAY[%s::uuid]))", token] = states[2]
        for version in (1, 2, 3):
            ways[f"bunker_user_version('token', %s, {version})", token] = states[version - 1]
        if number == 0:
            for event, state in zip(self.events, states, strict=True):
                ways["bunker_audit_event(%s) -> 'after'", event] = state
        return ways

    def outcomes(self, number: int = 0, fresh: bool = False) -> dict:
        """Reads in every way: the profile, None, or the SQLSTATE of a refusal."""
        session = self.cluster.connect(self.db) if fresh else self.root
        results = {}
        for way in self.reads(number):
            try:
                results[way] = self.ask(way[0], *way[1:], connection=session)
            except psycopg.Error as error:
                results[way] = error.sqlstate
        if fresh:
            session.close()
        return results

    def write(self, statement, *arguments) -> None:
        """A superuser's own statement on the tables."""
        self.root.execute(statement, arguments)


@pytest.fixture
def vault(cluster, db):
    """A vault of its own, and nobody's errors but those that are looked for."""
    made = Vault(cluster, db)
    yield made
    made.close()


def harm(value: bytes) -> dict[str, bytes]:
    """The ways in which bytes are damaged: a bit at each of some places, the length, all of it."""
    places = sorted({0, 1, 2, 5, 6, 18, len(value) // 3, len(value) // 2, len(value) - 17,
                     len(value) - 1} & set(range(len(value))))
    ways = {f"bit at {place}": value[:place] + bytes([value[place] ^ 1 << place % 8])
            + value[place + 1:] for place in places}
    return ways | {"cut": value[:-1], "halved": value[:len(value) // 2], "one byte": value[:1],
                   "longer": value + b"\0", "twice": value * 2, "empty": b"",
                   "zeros": bytes(len(value)), "random": secrets.token_bytes(len(value))}


def assert_never_wrong(outcomes: dict, expected: dict) -> None:
    """Each read gave the truth or was refused. An event is told also where its profile cannot be."""
    for way, outcome in outcomes.items():
        or_nothing = [None] if "event" in way[0] else []
        assert outcome in (expected[way], REFUSED, *or_nothing), f"{way} gave {outcome!r}"


def test_an_unharmed_vault_reads_well(vault):
    assert vault.outcomes() == vault.reads()
    assert vault.outcomes(1) == vault.reads(1)


@pytest.mark.parametrize("column", ["sealed", "digests"])
def test_a_damaged_record_is_refused_by_every_read(vault, column):
    token = vault.tokens[0]
    update = sql.SQL("UPDATE bunker.record SET {} = %s WHERE token = %s").format(
        sql.Identifier(column))
    kept = vault.root.execute(sql.SQL("SELECT {} FROM bunker.record WHERE token = %s").format(
        sql.Identifier(column)), [token]).fetchone()[0]
    for name, damaged in harm(kept).items():
        vault.write(update, damaged, token)
        outcomes = vault.outcomes()
        assert_never_wrong(outcomes, vault.reads())
        of_current = {way: outcome for way, outcome in outcomes.items()
                      if "version('token', %s, 1)" not in way[0]
                      and "version('token', %s, 2)" not in way[0] and "event" not in way[0]}
        assert set(of_current.values()) == {REFUSED}, (name, of_current)
        assert outcomes["bunker_audit_event(%s) -> 'after'", vault.events[2]] == REFUSED
    vault.write(update, kept, token)
    assert vault.outcomes() == vault.reads()


@pytest.mark.parametrize("column", ["sealed", "digests"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_damaged_former_version_is_refused(vault, column, version):
    token = vault.tokens[0]
    name = sql.Identifier(column)
    where = sql.SQL("WHERE token = %s AND version = %s")
    kept = vault.root.execute(sql.SQL("SELECT {} FROM bunker.record_version ").format(name) + where,
                              [token, version]).fetchone()[0]
    update = sql.SQL("UPDATE bunker.record_version SET {} = %s ").format(name) + where
    for damaged in harm(kept).values():
        vault.write(update, damaged, token, version)
        outcomes = vault.outcomes()
        assert_never_wrong(outcomes, vault.reads())
        assert outcomes[f"bunker_user_version('token', %s, {version})", token] == REFUSED
        assert outcomes["bunker_audit_event(%s) -> 'after'", vault.events[version - 1]] == REFUSED
        assert vault.ask("bunker_get_user(%s)", token) == vault.states[token][2]


# Each is done to Ann's row with Ben's or an older one's parts; her current version never opens.
MOVES = {
    "Ben's sealed bytes": "UPDATE bunker.record a SET sealed = b.sealed FROM bunker.record b "
                          "WHERE a.token = %(ann)s AND b.token = %(ben)s",
    "Ben's digests": "UPDATE bunker.record a SET digests = b.digests FROM bunker.record b "
                     "WHERE a.token = %(ann)s AND b.token = %(ben)s",
    "all of Ben's bytes": "UPDATE bunker.record a SET digests = b.digests, sealed = b.sealed "
                          "FROM bunker.record b WHERE a.token = %(ann)s AND b.token = %(ben)s",
    "an older version's sealed bytes": "UPDATE bunker.record r SET sealed = v.sealed "
                                       "FROM bunker.record_version v WHERE r.token = %(ann)s "
                                       "AND v.token = %(ann)s AND v.version = 1",
    "digests as sealed bytes": "UPDATE bunker.record SET sealed = digests WHERE token = %(ann)s",
    "sealed bytes as digests": "UPDATE bunker.record SET digests = sealed WHERE token = %(ann)s",
    "another version number": "UPDATE bunker.record SET version = 7 WHERE token = %(ann)s",
    "a negative version": "UPDATE bunker.record SET version = -1 WHERE token = %(ann)s",
    "a key of the keyring": "UPDATE bunker.record SET sealed = (SELECT sealed FROM bunker.keyring "
                            "WHERE id = 1) WHERE token = %(ann)s",
    "no sealed bytes": "UPDATE bunker.record SET sealed = NULL WHERE token = %(ann)s",
}


@pytest.mark.parametrize("move", MOVES)
def test_bytes_do_not_open_in_another_place(vault, move):
    ann, ben = vault.tokens
    vault.root.execute(MOVES[move], {"ann": ann, "ben": ben})
    outcomes = vault.outcomes()
    current = [way for way in outcomes if "version(" not in way[0] and "event" not in way[0]]
    assert {outcomes[way] for way in current} == {REFUSED}
    assert all(outcome in (REFUSED, None, vault.reads()[way]) for way, outcome in outcomes.items())
    assert vault.outcomes(1) == vault.reads(1)


def test_two_users_who_change_places_are_refused(vault):
    ann, ben = vault.tokens
    other = "00000000-0000-4000-8000-000000000000"
    for old, new in ((ann, other), (ben, ann), (other, ben)):
        vault.write("UPDATE bunker.record SET token = %s WHERE token = %s", new, old)
    for number in (0, 1):
        outcomes = vault.outcomes(number)
        assert {outcomes[way] for way in outcomes if "version(" not in way[0]
                and "event" not in way[0]} == {REFUSED}
        assert_never_wrong(outcomes, vault.reads(number))


def test_versions_that_change_places_are_refused(vault):
    token = vault.tokens[0]
    for old, new in ((1, 99), (2, 1), (99, 2)):
        vault.write("UPDATE bunker.record_version SET version = %s WHERE token = %s AND version = %s",
                    new, token, old)
    outcomes = vault.outcomes()
    assert_never_wrong(outcomes, vault.reads())
    for version in (1, 2):
        assert outcomes[f"bunker_user_version('token', %s, {version})", token] == REFUSED


# The blind index -------------------------------------------------------------------------------


def test_a_damaged_digest_is_refused_by_token_and_finds_nobody_by_itself(vault):
    """By the damaged value itself nothing is found: that is all that a blind index can tell."""
    ann = vault.tokens[0]
    own = {("bunker_lookup(%s, %s) -> 'profile'", kind, ANN[kind]) for kind in KINDS}
    rows = vault.root.execute(
        "SELECT kind, digest FROM bunker.lookup WHERE token = %s", [ann]).fetchall()
    assert len(rows) == len(KINDS)
    for kind, kept in rows:
        for damaged in harm(kept).values():
            vault.write("UPDATE bunker.lookup SET digest = %s WHERE token = %s AND kind = %s",
                        damaged, ann, kind)
            outcomes = vault.outcomes()
            by_itself = ("bunker_lookup(%s, %s) -> 'profile'", KINDS[kind - 1], ANN[KINDS[kind - 1]])
            assert outcomes[by_itself] is None
            assert all(outcomes[way] == vault.states[ann][2] for way in own - {by_itself})
            assert outcomes["bunker_get_user(%s)", ann] == REFUSED
            assert outcomes["bunker_lookup('token', %s) -> 'profile'", ann] == REFUSED
        vault.write("UPDATE bunker.lookup SET digest = %s WHERE token = %s AND kind = %s",
                    kept, ann, kind)
    assert vault.outcomes() == vault.reads()


@pytest.mark.parametrize("statement", [
    "DELETE FROM bunker.lookup WHERE token = %(ann)s AND kind = 1",
    "DELETE FROM bunker.lookup WHERE token = %(ann)s",
    "UPDATE bunker.lookup SET token = %(ben)s WHERE token = %(ann)s AND kind = 1",
    "UPDATE bunker.lookup SET token = %(ben)s WHERE token = %(ann)s",
    "UPDATE bunker.lookup SET token = gen_random_uuid() WHERE token = %(ann)s AND kind = 1",
    "UPDATE bunker.lookup SET kind = 99 WHERE token = %(ann)s AND kind = 1",
])
def test_an_index_row_that_leads_elsewhere_never_shows_another_user(vault, statement):
    ann, ben = vault.tokens
    vault.root.execute(statement, {"ann": ann, "ben": ben})
    outcomes = vault.outcomes()
    by_email = outcomes["bunker_lookup(%s, %s) -> 'profile'", "email", ANN["email"]]
    assert by_email == (REFUSED if "SET token" in statement else None)
    assert outcomes["bunker_get_user(%s)", ann] == REFUSED
    assert all(outcome in (REFUSED, None, vault.reads()[way]) for way, outcome in outcomes.items())
    assert vault.outcomes(1) == vault.reads(1)


def test_a_planted_index_row_shows_nobody(vault):
    """A digest of somebody's own choice cannot be made to lead to a user."""
    ann, ben = vault.tokens
    vault.write("DELETE FROM bunker.lookup WHERE token = %s AND kind = 3", ann)
    vault.write("INSERT INTO bunker.lookup (token, kind, digest) SELECT %s, 3, digest "
                "FROM bunker.record_version, substr(digests, 3, 32) AS digest "
                "WHERE token = %s LIMIT 1", ben, ann)
    for kind in KINDS:
        assert vault.outcomes()["bunker_lookup(%s, %s) -> 'profile'", kind, ANN[kind]] in (
            REFUSED, None, vault.states[ann][2])


@pytest.mark.parametrize("place", ["(0,0)", "(0,65535)", "(7,1)", "(4294967295,1)", "(4294967294,9)",
                                   None, "Ben's"])
def test_a_wrong_place_is_only_a_lost_shortcut(vault, place):
    if place == "Ben's":
        place = vault.root.execute("SELECT ctid::text FROM bunker.record WHERE token = %s",
                                   [vault.tokens[1]]).fetchone()[0]
    vault.write("UPDATE bunker.lookup SET place = %s::tid", place)
    assert vault.outcomes() == vault.reads()
    assert vault.outcomes(1) == vault.reads(1)


# Writing to what was damaged ---------------------------------------------------------------------


@pytest.mark.parametrize("damage", [
    "UPDATE bunker.record SET sealed = '\\x00' WHERE token = %s",
    "UPDATE bunker.record SET digests = '\\x00' WHERE token = %s",
    "UPDATE bunker.record SET digests = '' WHERE token = %s",
    "UPDATE bunker.record SET sealed = NULL WHERE token = %s",
    "UPDATE bunker.record_version SET sealed = '\\x00' WHERE token = %s",
    "DELETE FROM bunker.lookup WHERE token = %s",
])
def test_a_damaged_user_can_be_forgotten_but_not_changed(vault, damage):
    ann = vault.tokens[0]
    vault.write(damage.replace("%s", f"'{ann}'"))
    if "bunker.record SET" in damage:
        with vault.cluster.raises(REFUSED, secrets=["Ann", "ann@example.com"]):
            vault.ask("bunker_update_user('token', %s, '{\"age\": 50}')", ann)
    assert vault.ask("bunker_delete_user('token', %s)", ann) is True
    assert vault.ask("bunker_get_user(%s)", ann) is None
    left = vault.root.execute(
        "SELECT (SELECT count(*) FROM bunker.lookup WHERE token = %(ann)s), "
        "(SELECT count(*) FROM bunker.record_version WHERE token = %(ann)s)", {"ann": ann}).fetchone()
    assert left == (0, 0)
    # Every value that he had is free again.
    assert vault.ask("bunker_create_user(%s::jsonb)", json.dumps(ANN))
