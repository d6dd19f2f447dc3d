"""How big, how deep and how many; and that a long call can be cancelled."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.vault import call, create, create_many, create_text, find, row_counts, update
from harness.wait import wait_until

MEGABYTE = 1024 * 1024
EMPTY = len('{"login": "ann", "text": ""}')


def sized(length: int) -> dict:
    """A profile whose text is so long."""
    return {"login": "ann", "text": "x" * (length - EMPTY)}


def nested(depth: int, opening: str = "[", inner: str = "", closing: str = "]") -> str:
    """The text of a profile of so many levels."""
    levels = depth - 1
    return f'{{"login": "ann", "deep": {opening * levels}{inner}{closing * levels}}}'


def test_a_megabyte_is_the_most(conn, app_conn, raises):
    with raises("54000", secrets=["xxxxxxxx"]) as caught:
        create(app_conn, sized(MEGABYTE + 1))
    assert "databunker.max_profile_size" in caught.error.diag.message_hint
    with raises("54000", secrets=["xxxxxxxx"]):
        create_many(app_conn, [{"login": "one"}, sized(MEGABYTE + 1)])
    assert row_counts(conn)["record"] == 0
    token = create(app_conn, sized(MEGABYTE))
    assert call(app_conn, "bunker_get_user", token) == sized(MEGABYTE)


def test_the_limit_is_a_setting(conn, app_conn, raises):
    with raises("42501"):
        app_conn.execute("SET databunker.max_profile_size = '2MB'")
    conn.execute("SET databunker.max_profile_size = '2MB'")
    token = create(conn, sized(2 * MEGABYTE))
    conn.execute("SET databunker.max_profile_size = '1kB'")
    assert call(conn, "bunker_get_user", token) == sized(2 * MEGABYTE)
    with raises("54000"):
        create(conn, sized(1025) | {"login": "bob"})
    with raises("54000"):
        update(conn, "login", "ann", {"n": 1})
    assert update(conn, "login", "ann", {"text": "short"}) == 2
    with raises("54000"):
        update(conn, "login", "ann", {"text": "y" * 1100})


def test_an_update_past_the_limit_leaves_the_user(conn, app_conn, raises):
    create(app_conn, sized(700_000))
    before = row_counts(conn)
    for patch in ({"more": "y" * 400_000},
                  [{"op": "copy", "from": "/text", "path": "/more"}],
                  [{"op": "copy", "from": "", "path": f"/c{n}"} for n in range(30)]):
        with raises("54000", secrets=["yyyyyyyy", "xxxxxxxx"]):
            update(app_conn, "login", "ann", patch)
    assert row_counts(conn) == before


@pytest.mark.parametrize("brackets", [("[", "", "]"), ('{"a": ', "null", "}")])
def test_a_hundred_and_twenty_eight_levels(app_conn, raises, brackets):
    for depth in (129, 1_000):
        with raises("54000"):
            create_text(app_conn, nested(depth, *brackets))
    create_text(app_conn, nested(128, *brackets))
    assert update(app_conn, "login", "ann", {"n": 1}) == 2
    with raises("54000"):
        app_conn.execute("SELECT bunker_update_user('login', 'ann', %s::jsonb)",
                         [nested(129, *brackets)])


def test_a_patch_cannot_dig_deeper(app_conn, raises):
    create_text(app_conn, nested(100))
    deeper = [{"op": "copy", "from": "/deep", "path": "/deep" + "/0" * 98 + "/0"}]
    with raises("54000"):
        update(app_conn, "login", "ann", deeper)


def test_a_thousand_operations(app_conn, raises):
    create(app_conn, {"login": "ann"})
    operations = [{"op": "add", "path": "/n", "value": n} for n in range(1001)]
    with raises("54000"):
        update(app_conn, "login", "ann", operations)
    assert update(app_conn, "login", "ann", operations[:1000]) == 2


def test_a_hundred_thousand_in_one_call(conn, app_conn, raises):
    crowd = ("SELECT count(*) FROM bunker_create_users((SELECT array_agg(jsonb_build_object("
             "'login', 'x' || i)) FROM generate_series(1, %s) AS i))")
    with raises("54000"):
        app_conn.execute(crowd, [100_001])
    assert row_counts(conn)["record"] == 0
    assert app_conn.execute(crowd, [100_000]).fetchone() == (100_000,)
    nobody = "SELECT count(*) FROM bunker_get_users(array_fill(gen_random_uuid(), ARRAY[%s]))"
    with raises("54000"):
        app_conn.execute(nobody, [100_001])
    assert app_conn.execute(nobody, [100_000]).fetchone() == (0,)


@pytest.mark.parametrize("kind", ["email", "phone", "login"])
def test_a_huge_lookup_value_is_refused_quickly(app_conn, raises, kind):
    app_conn.execute("SET statement_timeout = '5s'")
    huge = "7" * 900_000
    with raises("22023", secrets=[huge[:100]]):
        find(app_conn, kind, huge)
    with raises("22023", secrets=[huge[:100]]):
        create(app_conn, {kind: huge, "custom": "x"})


def test_a_bulk_call_can_be_cancelled(conn, app_conn, raises):
    create(app_conn, {"login": "first"})
    app_conn.execute("CREATE TEMP TABLE crowd AS SELECT array_agg(jsonb_build_object('login',"
                     " 'x' || i, 'text', repeat('y', 500))) AS profiles"
                     "  FROM generate_series(1, 100000) AS i")
    before = row_counts(conn)
    active = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s"
    pid = app_conn.info.backend_pid
    with ThreadPoolExecutor() as pool:
        running = pool.submit(app_conn.execute, "SELECT count(*) FROM bunker_create_users((SELECT"
                                                " profiles FROM crowd))")
        wait_until(lambda: conn.execute(active, [pid]).fetchone()[0], "the call to begin")
        app_conn.cancel()
        with raises("57014", secrets=["yyyyyyyy"]):
            running.result(20)
    assert row_counts(conn) == before


def test_memory_is_given_back(conn, app_conn):
    """A session that does the same thing again and again does not grow."""
    def resident() -> int:
        """Its own memory in kB, without the shared buffers that it has touched."""
        with open(f"/proc/{app_conn.info.backend_pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

    create(app_conn, sized(500_000))
    sizes = []
    for _ in range(3):
        for n in range(40):
            update(app_conn, "login", "ann", {"n": n})
            assert call(app_conn, "bunker_lookup", "login", "ann")["profile"]["n"] == n
        sizes.append(resident())
    assert sizes[-1] - sizes[0] < 10_000, f"kB after each round: {sizes}"
