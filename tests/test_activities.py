"""Processing activities and the legal bases on which they rest."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from canary import word
from psycopg.types.json import Jsonb

from harness.blocking import await_blocked
from harness.crowd import all_at_once
from harness.events import trail, trail_text
from harness.vault import call, rows

SECRET = word()
TEXTS = ("title", "script", "fulldesc", "applicableto")


@pytest.fixture(autouse=True)
def bases(dpo_conn):
    for brief in ("newsletter", "contract", "a-first"):
        call(dpo_conn, "bunker_set_legal_basis", brief, {})


def set_activity(connection, activity: str = "mailing", **definition) -> bool:
    return call(connection, "bunker_set_activity", activity, definition)


def link(connection, activity: str = "mailing", brief: str = "newsletter") -> bool:
    return call(connection, "bunker_link_activity", activity, brief)


def unlink(connection, activity: str = "mailing", brief: str = "newsletter") -> bool:
    return call(connection, "bunker_unlink_activity", activity, brief)


def delete(connection, activity: str = "mailing") -> bool:
    return call(connection, "bunker_delete_activity", activity)


def activities(connection) -> dict[str, dict]:
    """What is listed, by name, in its order."""
    return {found["activity"]: found for found, in rows(connection, "bunker_list_activities")}


def test_an_activity_says_what_it_was_given(dpo_conn):
    script = "<script>alert('é')</script>"
    assert set_activity(dpo_conn, title="Mail", script=script, fulldesc="d", applicableto="all") is True
    assert dpo_conn.execute("SELECT bunker_set_activity('act2')").fetchone() == (True,)
    listed = activities(dpo_conn)
    assert list(listed) == ["act2", "mailing"]
    found = listed["mailing"]
    assert found.pop("created_at") == found.pop("updated_at") > "2020"
    assert found == {"activity": "mailing", "title": "Mail", "script": script, "fulldesc": "d",
                     "applicableto": "all", "legal_bases": []}
    assert listed["act2"]["title"] == "act2"


def test_setting_it_again_changes_what_is_given_and_nothing_else(dpo_conn):
    set_activity(dpo_conn, title="Mail", script="s")
    link(dpo_conn)
    before = activities(dpo_conn)["mailing"]
    assert set_activity(dpo_conn, title="Letters") is False
    after = activities(dpo_conn)["mailing"]
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before | {"title": "Letters"}
    assert set_activity(dpo_conn, script=None) is False
    assert activities(dpo_conn)["mailing"]["script"] == ""


@pytest.mark.parametrize("definition", [
    *({name: value} for name in TEXTS for value in (1, True, [SECRET], {SECRET: 1})),
    {SECRET: "x"}, {"legalbasis": "newsletter"}, {"activity": "other"}, [], SECRET, 1, None,
])
def test_a_definition_of_another_shape_is_refused(dpo_conn, raises, definition):
    with raises("22023", secrets=[SECRET]):
        call(dpo_conn, "bunker_set_activity", "mailing", Jsonb(definition))
    assert activities(dpo_conn) == {}


def test_texts_are_bounded(dpo_conn, raises):
    set_activity(dpo_conn, script="é" * 50_000, title="é" * 500)
    for name, length in (("title", 1001), ("applicableto", 1001), ("script", 100_001),
                         ("fulldesc", 100_001)):
        with raises("54000", secrets=[SECRET]):
            set_activity(dpo_conn, **{name: SECRET + "x" * length})


@pytest.mark.parametrize("activity", ["", "a", "Mailing", "1bad", "under_score", "m" * 65, "né"])
def test_a_bad_name_is_refused_everywhere(dpo_conn, raises, activity):
    for function, *more in (("bunker_set_activity", {}), ("bunker_delete_activity",),
                            ("bunker_link_activity", "newsletter"),
                            ("bunker_unlink_activity", "newsletter")):
        with raises("22023"):
            call(dpo_conn, function, activity, *more)


def test_links(dpo_conn):
    set_activity(dpo_conn)
    assert [link(dpo_conn, brief=brief) for brief in ("newsletter", "contract", "a-first")] == [True] * 3
    assert link(dpo_conn) is False
    assert activities(dpo_conn)["mailing"]["legal_bases"] == ["a-first", "contract", "newsletter"]
    assert unlink(dpo_conn) is True
    assert unlink(dpo_conn) is False
    assert activities(dpo_conn)["mailing"]["legal_bases"] == ["a-first", "contract"]


@pytest.mark.parametrize("work", [link, unlink])
def test_links_of_what_is_not_there(dpo_conn, app_conn, raises, work):
    set_activity(dpo_conn)
    call(app_conn, "bunker_accept_agreement", "email", "a@example.com", "contract")
    call(dpo_conn, "bunker_delete_legal_basis", "contract")  # kept, as deleted
    for activity, brief in (("never-there", "newsletter"), ("mailing", "never-there"),
                            ("mailing", "contract")):
        with raises("P0002"):
            work(dpo_conn, activity, brief)
    for arguments in ((None, "newsletter"), ("mailing", None)):
        with raises("22023"):
            call(dpo_conn, f"bunker_{work.__name__}_activity", *arguments)


def test_a_disabled_basis_can_still_be_rested_on(dpo_conn):
    set_activity(dpo_conn)
    call(dpo_conn, "bunker_set_legal_basis", "newsletter", {"status": "disabled"})
    assert link(dpo_conn) is True


def test_a_removed_activity_leaves_no_links(dpo_conn, conn):
    set_activity(dpo_conn)
    link(dpo_conn)
    assert delete(dpo_conn) is True
    assert delete(dpo_conn) is False
    assert activities(dpo_conn) == {}
    assert conn.execute("SELECT count(*) FROM bunker.activity_basis").fetchone() == (0,)
    set_activity(dpo_conn)
    assert activities(dpo_conn)["mailing"]["legal_bases"] == []


def test_every_call_is_an_event_without_texts(dpo_conn, conn):
    text = word()
    set_activity(dpo_conn, title=text, script=text)
    set_activity(dpo_conn, script=text + "2")
    set_activity(dpo_conn, script=text + "2")
    for work in (link, link, unlink, unlink, delete, delete, activities):
        work(dpo_conn)
    shown = [(event["action"], event["app"], event["message"]) for event in trail(dpo_conn)[::-1]
             if "activit" in event["action"]]
    assert shown == [
        ("set_activity", "mailing", "new"),
        ("set_activity", "mailing", "changed script"),
        ("set_activity", "mailing", "nothing changed"),
        ("link_activity", "mailing", "legal basis newsletter"),
        ("link_activity", "mailing", "nothing changed"),
        ("unlink_activity", "mailing", "legal basis newsletter"),
        ("unlink_activity", "mailing", "nothing changed"),
        ("delete_activity", "mailing", "removed"),
        ("delete_activity", "mailing", "nothing changed"),
        ("list_activities", None, "0 activities"),
    ]
    assert text not in trail_text(conn)


@pytest.mark.parametrize("table", ["activity", "activity_basis"])
def test_a_change_past_the_functions_shows(conn, dpo_conn, table):
    set_activity(dpo_conn)
    link(dpo_conn)
    conn.execute("SET session_replication_role = replica")
    conn.execute(f"DELETE FROM bunker.{table}")
    event = trail(dpo_conn)[0]
    assert (event["action"], event["app"]) == ("direct_delete", "mailing")
    conn.execute(f"TRUNCATE bunker.{table}")
    assert trail(dpo_conn)[0]["action"] == "direct_truncate"


def test_of_sixteen_who_link_at_once_one_is_told_that_it_is_new(cluster, db, dpo_conn):
    set_activity(dpo_conn)
    told = []
    outcomes = all_at_once(cluster, db, "test_dpo", [lambda one: told.append(link(one))] * 16)
    assert outcomes == {"ok": 16}
    assert sorted(told) == [False] * 15 + [True]


@pytest.mark.parametrize("end", [delete, lambda one: call(one, "bunker_delete_legal_basis", "newsletter")])
def test_no_link_survives_what_it_links(conn, connect_as, dpo_conn, end):
    set_activity(dpo_conn)
    linking = connect_as("dpo", autocommit=False)
    link(linking)
    with ThreadPoolExecutor() as pool:
        ending = pool.submit(end, dpo_conn)
        await_blocked(conn, dpo_conn)
        linking.commit()
        assert ending.result(20) is True
    assert conn.execute("SELECT count(*) FROM bunker.activity_basis").fetchone() == (0,)
