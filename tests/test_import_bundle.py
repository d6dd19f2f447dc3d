"""bunker_import_bundle: another copy of the vault, from nothing or merged; twice, and in any order."""

import json

import pytest

from harness.bundles import bundle_key, give, import_bundle, is_authentic
from harness.copies import HARD, content, furnish, same
from harness.mirror import Mirror, export
from harness.trail import verify
from harness.vault import call, create, create_many, find, forget, people, rows, update


def test_a_bundle_is_signed_as_the_format_says(cluster, conn):
    furnish(conn, 1)
    assert is_authentic(export(conn), bundle_key(cluster, conn))


@pytest.mark.parametrize("portion", [1, 3, 1000])
def test_an_empty_vault_becomes_the_same_row_by_row(conn, copy, portion):
    tokens = furnish(conn)
    forget(conn, "token", tokens[0])
    result = import_bundle(copy, export(conn), portion)
    assert result["users"] == {"added": 5, "updated": 0, "forgotten": 1, "unchanged": 0}
    assert result["reindex"] == []
    assert same(conn, copy)
    assert str(find(copy, "email", "P3@example.com")) == tokens[2]
    assert call(copy, "bunker_get_user", tokens[2])["name"] == HARD
    assert call(copy, "bunker_get_app", "token", tokens[2], "shop") == {"size": 43}
    assert call(copy, "bunker_user_version", "token", tokens[2], 1)["login"] == "p3"
    session, = copy.execute("SELECT session FROM bunker.session LIMIT 1").fetchone()
    assert call(copy, "bunker_get_session", session) == {"ip": "192.0.2.1"}
    assert call(copy, "bunker_get_agreement", "token", tokens[2], "news")["status"] == "yes"
    assert verify(copy).ok


def test_a_bundle_imported_twice_changes_nothing(conn, copy):
    tokens = furnish(conn)
    forget(conn, "token", tokens[0])
    lines = export(conn)
    import_bundle(copy, lines)
    before = content(copy)
    result = import_bundle(copy, lines)
    assert result["rows"]["taken"] == 0
    assert result["users"] == {"added": 0, "updated": 0, "forgotten": 0, "unchanged": 6}
    assert content(copy) == before
    assert import_bundle(conn, lines)["rows"]["taken"] == 0


def change_much(conn, tokens: list[str]) -> None:
    update(conn, "token", tokens[1], {"email": "new@example.com"})
    update(conn, "token", tokens[2], {"email": "p2@example.com"})
    call(conn, "bunker_set_app", "token", tokens[2], "shop", '{"size": 50}')
    call(conn, "bunker_delete_app", "token", tokens[3], "shop")
    conn.execute("SELECT bunker_delete_session(session) FROM bunker.session WHERE token = %s",
                 [tokens[4]])
    conn.execute("SELECT bunker_revoke_share(record) FROM bunker.share WHERE token = %s", [tokens[4]])
    call(conn, "bunker_withdraw_agreement", "token", tokens[4], "news")
    call(conn, "bunker_set_legal_basis", "terms", "{}")
    call(conn, "bunker_link_activity", "mailing", "terms")
    call(conn, "bunker_unlink_activity", "mailing", "news")
    create(conn, {"email": "nobody@yet.example"})
    call(conn, "bunker_withdraw_agreement", "email", "nobody@yet.example", "news")
    request, = conn.execute("SELECT request FROM bunker.request WHERE token = %s", [tokens[4]]).fetchone()
    call(conn, "bunker_cancel_request", request, "no")
    call(conn, "bunker_cancel_expiration", "token", tokens[3])
    forget(conn, "token", tokens[0])
    create(conn, {"login": "p1"})


def test_an_incremental_bundle_brings_the_copy_up_to_date(conn, copy):
    tokens = furnish(conn)
    mirror = Mirror()
    lines = export(conn)
    mirror.apply(lines)
    import_bundle(copy, lines)
    change_much(conn, tokens)
    later = export(conn, mirror.cursor)
    assert json.loads(later[0])["bundle"]["previous"]
    result = import_bundle(copy, later)
    assert result["users"] == {"added": 2, "updated": 2, "forgotten": 1, "unchanged": 2}
    assert same(conn, copy)
    assert import_bundle(copy, later)["users"]["unchanged"] == 7
    assert same(conn, copy)
    assert verify(copy).ok


def test_an_old_bundle_after_a_new_one_takes_nothing_back(conn, copy):
    """But for sessions and shares that ended: nobody tells them from those that were not there."""
    tokens = furnish(conn)
    old = export(conn)
    change_much(conn, tokens)
    import_bundle(copy, export(conn))
    import_bundle(copy, old)
    ours, theirs = content(conn), content(copy)
    for table in ("record", "lookup", "record_version", "app_data", "app_data_version", "agreement",
                  "request", "expiration", "legal_basis", "activity", "user_schema"):
        assert ours[table] == theirs[table], table
    assert all(row[1] != tokens[0] for table in ("session", "share") for row in theirs[table].values())
    assert find(copy, "email", "p1@example.com") is None


def test_a_forgotten_user_is_erased_and_told_of(conn, copy):
    tokens = furnish(conn)
    import_bundle(copy, export(conn))
    forget(conn, "token", tokens[0])
    import_bundle(copy, export(conn))
    for table in ("lookup", "record_version", "app_data", "app_data_version", "session", "share",
                  "agreement"):
        found = copy.execute(f"SELECT count(*) FROM bunker.{table} WHERE token = %s", [tokens[0]])
        assert found.fetchone() == (0,), table
    events = rows(copy, "bunker_audit", "token", tokens[0])
    told = [event for event in events if event[3] == "delete_user" and event[7] is None]
    assert [event[9] for event in told] == ["forgotten where a bundle is from"]
    assert ("user_forgotten", tokens[0]) in [(event, str(token)) for _, _, event, token
                                             in rows(copy, "bunker_events", 0, 1000)]


def test_of_two_changes_with_one_number_the_later_counts_and_goes_on(conn, copy):
    ann = create(conn, {"login": "ann"})
    call(conn, "bunker_set_app", "token", str(ann), "shop", '{"size": 1}')
    import_bundle(copy, export(conn))
    for vault, name in ((copy, "earlier"), (conn, "later")):
        update(vault, "token", ann, {"name": name})
        call(vault, "bunker_set_app", "token", str(ann), "shop", f'{{"by": "{name}"}}')
    import_bundle(copy, export(conn))
    assert same(conn, copy)
    for number in (3, 4):
        assert update(copy, "token", ann, {"age": number}) == number
        assert call(copy, "bunker_set_app", "token", str(ann), "shop", f'{{"n": {number}}}') == number
    assert call(copy, "bunker_user_version", "token", str(ann), 2)["name"] == "later"


def test_who_was_forgotten_here_stays_forgotten(conn, copy):
    tokens = furnish(conn)
    lines = export(conn)
    import_bundle(copy, lines)
    forget(copy, "token", tokens[0])
    update(conn, "token", tokens[0], {"name": "later"})
    before = content(copy)
    result = import_bundle(copy, export(conn))
    assert result["users"]["unchanged"] == 6
    assert content(copy) == before
    assert call(copy, "bunker_tombstone", tokens[0])["token"] == tokens[0]


def test_addresses_may_change_hands_within_a_bundle(conn, copy):
    """Over several lines: each is the new holder of what the other one had before."""
    tokens = [str(token) for _, token in create_many(conn, people(1001, 1500))]
    import_bundle(copy, export(conn))
    first, last = tokens[0], tokens[-1]
    mail = {token: call(conn, "bunker_get_user", token)["email"] for token in (first, last)}
    update(conn, "token", last, {"email": "aside@example.com"})
    update(conn, "token", first, {"email": mail[last]})
    update(conn, "token", last, {"email": mail[first]})
    import_bundle(copy, export(conn), 1)
    assert same(conn, copy)
    assert str(find(copy, "email", mail[last])) == first
    assert str(find(copy, "email", mail[first])) == last


def test_a_lookup_value_of_another_living_user_refuses_the_bundle(conn, copy, raises):
    furnish(conn, 2)
    import_bundle(copy, export(conn))
    create(copy, {"login": "taken", "email": "secret@example.com"})
    create(conn, {"login": "taken", "name": "theirs"})
    before = content(copy)
    with raises("23505", secrets=["taken", "secret@example.com"]):
        import_bundle(copy, export(conn))
    assert content(copy) == before


def test_each_call_leaves_an_event_and_no_row_one_of_its_own(conn, copy):
    furnish(conn, 3)
    lines = export(conn)
    import_bundle(copy, lines, 4)
    events = rows(copy, "bunker_audit_all", None, 1000)
    calls = [event for event in events if event[3] == "import_bundle"]
    assert len(calls) == -(-len(lines) // 4)
    assert "complete after" in calls[0][9] and "3 added" in calls[0][9]
    assert "incomplete" in calls[1][9]
    assert {event[3] for event in events} <= {"import_bundle", "audit_all"}


def test_a_kind_that_one_copy_has_is_told_to_be_indexed(conn, copy):
    furnish(conn, 2)
    import_bundle(copy, export(conn))
    call(copy, "bunker_add_lookup", "nick", "/nick")
    create(conn, {"login": "eve", "nick": "evi"})
    assert import_bundle(copy, export(conn))["reindex"] == ["nick"]
    assert find(copy, "nick", "evi") is None
    call(copy, "bunker_reindex_lookup", "nick")
    assert find(copy, "nick", "evi") is not None
    result = import_bundle(conn, export(copy))
    assert result["reindex"] == ["nick"] and result["users"]["updated"] == 1
    assert find(conn, "nick", "evi") is not None


def test_two_copies_that_went_on_alone_become_one(conn, copy):
    tokens = furnish(conn)
    import_bundle(copy, export(conn))
    update(conn, "token", tokens[0], {"name": "here"})
    update(copy, "token", tokens[1], {"name": "there"})
    create(conn, {"login": "here"})
    create(copy, {"login": "there"})
    forget(conn, "token", tokens[2])
    forget(copy, "token", tokens[3])
    update(conn, "token", tokens[3], {"name": "too late"})
    ours, theirs = export(conn), export(copy)
    import_bundle(conn, theirs)
    import_bundle(copy, ours)
    assert same(conn, copy)
    assert find(conn, "login", "there") and find(copy, "login", "here")


def test_a_result_says_how_far_it_is(conn, copy):
    furnish(conn, 1)
    lines = export(conn)
    with copy.transaction():
        assert give(copy, []) == {"complete": False, "lines": 0}
        assert give(copy, lines[:2]) == {"complete": False, "lines": 2}
        assert give(copy, []) == {"complete": False, "lines": 2}
        result = give(copy, lines[2:])
    assert result["bundle"] == json.loads(lines[0])["bundle"]["id"]
    assert result["lines"] == len(lines)
    # All but the entries of the blind index, which the records tell.
    assert result["rows"]["read"] - result["rows"]["taken"] == len(content(conn)["lookup"])
    assert give(copy, []) == {"complete": False, "lines": 0}


# Agreements of addresses -------------------------------------------------------------------------

def agreements(connection) -> list[tuple]:
    """The agreements of addresses that are nobody's, or have not joined their users."""
    return connection.execute("SELECT brief, status FROM bunker.agreement WHERE kind <> 0").fetchall()


def test_an_agreement_that_joined_a_user_is_not_the_next_holders(conn, copy):
    """The copy sees nothing of the user while he has the address."""
    call(conn, "bunker_set_legal_basis", "news", '{"usercontrol": true}')
    call(conn, "bunker_accept_agreement", "email", "a@example.com", "news")
    import_bundle(copy, export(conn))
    assert agreements(copy) == [("news", "yes")]
    first = str(create(conn, {"email": "a@example.com", "login": "first"}))
    update(conn, "token", first, {"email": "b@example.com"})
    second = str(create(conn, {"email": "a@example.com", "login": "second"}))
    import_bundle(copy, export(conn))
    assert call(copy, "bunker_get_agreement", "token", first, "news")["status"] == "yes"
    assert call(copy, "bunker_get_agreement", "token", second, "news") is None
    assert agreements(copy) == []
    assert same(conn, copy)


def test_agreements_under_an_address_of_a_forgotten_user_do_not_come_back(conn, copy):
    call(conn, "bunker_set_legal_basis", "news", '{"usercontrol": true}')
    call(conn, "bunker_accept_agreement", "email", "a@example.com", "news")
    token = str(create(conn, {"email": "a@example.com"}))
    old = export(conn)
    import_bundle(copy, old)
    forget(copy, "token", token)
    assert agreements(copy) == []
    import_bundle(copy, old)
    assert agreements(copy) == []
    forget(conn, "token", token)
    import_bundle(conn, old)
    assert agreements(conn) == []


def test_what_an_address_has_agreed_to_since_the_bundle_was_made_is_kept(conn, copy):
    call(conn, "bunker_set_legal_basis", "news", '{"usercontrol": true}')
    create(conn, {"login": "ann"})
    import_bundle(copy, lines := export(conn))
    call(copy, "bunker_accept_agreement", "email", "later@example.com", "news")
    import_bundle(copy, lines)
    assert agreements(copy) == [("news", "yes")]


def test_an_address_that_a_bundle_takes_from_a_user_leaves_its_agreements_with_him(conn, copy):
    """It was agreed to by the address, and in the copy only, before the user came."""
    call(conn, "bunker_set_legal_basis", "news", '{"usercontrol": true}')
    create(conn, {"login": "ann"})
    import_bundle(copy, export(conn))
    token = str(create(conn, {"email": "a@example.com"}))
    lines = export(conn)
    call(copy, "bunker_accept_agreement", "email", "a@example.com", "news")
    import_bundle(copy, lines)
    assert agreements(copy) == [("news", "yes")]
    assert call(copy, "bunker_get_agreement", "token", token, "news")["status"] == "yes"
    update(conn, "token", token, {"email": "b@example.com"})
    import_bundle(copy, export(conn))
    assert agreements(copy) == []
    assert call(copy, "bunker_get_agreement", "token", token, "news")["status"] == "yes"
    other = str(create(copy, {"email": "a@example.com"}))
    assert call(copy, "bunker_get_agreement", "token", other, "news") is None


def test_an_agreement_under_an_address_is_not_his_who_has_given_it_up(conn, copy):
    """The copy sees both in one bundle: that he has another address, and what the old one agrees to."""
    call(conn, "bunker_set_legal_basis", "news", '{"usercontrol": true}')
    token = str(create(conn, {"email": "a@example.com"}))
    import_bundle(copy, lines := export(conn))
    cursor = json.loads(lines[-1])["end"]["cursor"]
    update(conn, "token", token, {"email": "b@example.com"})
    call(conn, "bunker_accept_agreement", "email", "a@example.com", "news")
    for since in (cursor, None):
        import_bundle(copy, export(conn, since))
        assert call(copy, "bunker_get_agreement", "token", token, "news") is None
        assert agreements(copy) == [("news", "yes")]
        assert same(conn, copy)


def test_of_an_addresss_agreements_only_those_join_that_have_joined_there(conn, copy):
    for brief in ("news", "offers"):
        call(conn, "bunker_set_legal_basis", brief, '{"usercontrol": true}')
        call(conn, "bunker_accept_agreement", "email", "a@example.com", brief)
    token = str(create(conn, {"email": "a@example.com"}))
    import_bundle(copy, lines := export(conn))
    call(conn, "bunker_accept_agreement", "token", token, "news")
    import_bundle(copy, export(conn, json.loads(lines[-1])["end"]["cursor"]))
    assert agreements(copy) == agreements(conn) == [("offers", "yes")]


# Other states --------------------------------------------------------------------------------------

def test_a_session_that_has_ended_there_ends_here(conn, copy):
    tokens = furnish(conn, 2)
    lines = export(conn)
    import_bundle(copy, lines)
    cursor = json.loads(lines[-1])["end"]["cursor"]
    conn.execute("SELECT bunker_delete_session(session) FROM bunker.session WHERE token = %s",
                 [tokens[0]])
    mine = call(copy, "bunker_create_session", "token", tokens[0], '{"here": 1}')
    import_bundle(copy, early := export(conn, cursor))
    count, = copy.execute("SELECT count(*) FROM bunker.session WHERE token = %s",
                          [tokens[0]]).fetchone()
    assert (count, call(copy, "bunker_get_session", mine)) == (0, None)
    later = call(copy, "bunker_create_session", "token", tokens[0], '{"here": 2}')
    import_bundle(copy, early)
    assert call(copy, "bunker_get_session", later) == {"here": 2}


def test_what_has_ended_there_ends_here_with_a_bundle_of_all_users_too(conn, copy):
    tokens = furnish(conn, 2)
    import_bundle(copy, export(conn))
    conn.execute("SELECT bunker_delete_session(session) FROM bunker.session WHERE token = %s",
                 [tokens[0]])
    share, = conn.execute("SELECT record FROM bunker.share WHERE token = %s", [tokens[1]]).fetchone()
    assert call(copy, "bunker_get_shared", share) is not None
    call(conn, "bunker_revoke_share", share)
    lines = export(conn)
    later = call(copy, "bunker_create_session", "token", tokens[0], '{"here": 2}')
    import_bundle(copy, lines)
    assert call(copy, "bunker_get_shared", share) is None
    assert call(copy, "bunker_get_session", later) == {"here": 2}
    call(copy, "bunker_delete_session", later)
    assert same(conn, copy)


def test_deleted_app_data_do_not_come_back_with_an_old_bundle(conn, copy):
    token = furnish(conn, 1)[0]
    old = export(conn)
    import_bundle(copy, old)
    for again in (False, True):
        call(conn, "bunker_delete_app", "token", token, "shop")
        if again:
            call(conn, "bunker_set_app", "token", token, "shop", '{"size": 1}')
        import_bundle(copy, export(conn))
        import_bundle(copy, old)
        assert same_tables(conn, copy, "app_data", "app_data_version")


def same_tables(one, other, *tables: str) -> bool:
    ours, theirs = content(one), content(other)
    return all(ours[table] == theirs[table] for table in tables)


def test_a_vault_that_an_import_left_empty_gets_keys_of_its_own(conn, copy):
    furnish(conn, 1)
    lines = export(conn)
    with pytest.raises(RuntimeError):
        with copy.transaction():
            give(copy, lines)
            raise RuntimeError
    create(copy, {"login": "ann"})
    assert json.loads(export(copy)[0])["bundle"]["vault"] != json.loads(lines[0])["bundle"]["vault"]


def test_tombstones_keep_what_is_preserved(conn, copy):
    schema = '{"properties": {"number": {"preserve": true}}}'
    call(conn, "bunker_set_user_schema", schema)
    token = str(create(conn, {"login": "ann", "number": 7}))
    import_bundle(copy, export(conn))
    update(copy, "token", token, {"number": 8})
    update(copy, "token", token, {"number": 9})
    forget(conn, "token", token)
    import_bundle(copy, export(conn))
    assert call(copy, "bunker_tombstone", token)["preserved"] == {"number": 7}
    assert same(conn, copy)
