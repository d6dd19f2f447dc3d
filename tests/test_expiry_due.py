"""What maintenance does about users whose time has come, and that it never acts against a decision."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness.blocking import await_blocked
from harness.events import events_of, trail, trail_text
from harness.expiry import expiration, let_time_come, maintain, start
from harness.vault import call, create, create_many, find, people, row_counts, update

ANN = {"login": "ann", "email": "ann@example.com", "name": "Ann"}
SECRETS = ["ann@example.com", "Ann"]


@pytest.fixture
def ann(app_conn):
    """The token of a user."""
    return create(app_conn, ANN)


# What is due -------------------------------------------------------------------------------------

def test_maintenance_forgets_whose_time_has_come(conn, dpo_conn, ann):
    create(conn, {"login": "bob"})
    start(dpo_conn, "ann", "1 day")
    start(dpo_conn, "bob", "1 day")
    let_time_come(conn, "ann")
    done = {"expiries_announced": 1, "users_expired": 1}
    assert {name: count for name, count in maintain(dpo_conn).items() if count} == done
    assert find(conn, "login", "bob") and not find(conn, "login", "ann")
    assert expiration(conn, ann, "token")["status"] == "expired"
    event = events_of(conn, ann, "expire_user")
    assert [(e["status"], e["actor"].split()[0]) for e in event] == [("ok", "test_dpo")]
    assert set(maintain(dpo_conn).values()) == {0}
    calls = [event for event in trail(conn) if event["action"] == "maintain"]
    assert [call["status"] for call in calls] == ["ok", "ok"]


def test_the_near_end_is_announced_once(conn, dpo_conn, ann):
    for login, after in (("soon", "23 hours"), ("later", "25 hours")):
        create(conn, {"login": login})
        start(dpo_conn, login, after)
    assert [maintain(dpo_conn)["expiries_announced"] for _ in range(3)] == [1, 0, 0]
    assert len(events_of(conn, find(conn, "login", "soon"), "expiry_near")) == 1
    assert events_of(conn, find(conn, "login", "later"), "expiry_near") == []
    start(dpo_conn, "soon", "20 hours")
    assert maintain(dpo_conn)["expiries_announced"] == 1


def test_maintenance_is_undone_by_a_rollback(conn, ann, app_conn):
    token = start(conn, "ann", "1 day")
    let_time_come(conn)
    with conn.transaction(force_rollback=True):
        assert maintain(conn)["users_expired"] == 1
    assert find(conn, "login", "ann") == ann
    assert call(app_conn, "bunker_retain_user", token) is True
    assert maintain(conn)["users_expired"] == 0


def test_a_damaged_user_does_not_stop_the_rest(cluster, conn, dpo_conn):
    """A damaged profile can be forgotten; what cannot, stays with a warning and is tried again."""
    tokens = dict(zip(("p1", "p2", "p3", "p4"), (token for _, token in create_many(conn, people(1, 4)))))
    for login in tokens:
        start(conn, login, "1 day")
    let_time_come(conn)
    conn.execute("UPDATE bunker.record SET sealed = set_byte(sealed, 120, 255 - get_byte(sealed, 120))"
                 " WHERE token = %s", [tokens["p1"]])
    conn.execute(f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                         $$ BEGIN RAISE 'secret-4711'; END $$;
                     CREATE TRIGGER refuse BEFORE UPDATE ON bunker.record FOR EACH ROW
                         WHEN (NEW.token = '{tokens['p2']}') EXECUTE FUNCTION refuse()""")
    mark = cluster.log_mark()
    for expired in (3, 0):
        assert maintain(dpo_conn)["users_expired"] == expired
    assert call(conn, "bunker_get_user", tokens["p2"])["login"] == "p2"
    warnings = [line for line in cluster.log(mark).splitlines() if "cannot be forgotten" in line]
    assert len(warnings) == 2
    assert all(str(tokens["p2"]) in line and "P0001" in line for line in warnings)
    assert "WARNING" in warnings[0]
    assert "secret-4711" not in trail_text(conn)
    conn.execute("DROP TRIGGER refuse ON bunker.record")
    assert maintain(dpo_conn)["users_expired"] == 1
    assert row_counts(conn)["lookup"] == 0


def test_those_who_fail_do_not_keep_others_waiting(conn, dpo_conn):
    """More of them than one batch takes."""
    create_many(conn, people(1, 2_300))
    conn.execute("SELECT count(*) FROM (SELECT bunker_start_expiration('token', token::text, '1 day')"
                 "  FROM bunker.record) AS started")
    conn.execute("UPDATE bunker.expiration AS e SET expires_at = now() - interval '1 second' * n"
                 "  FROM (SELECT token, row_number() OVER (ORDER BY token) AS n"
                 "          FROM bunker.record) AS r WHERE r.token = e.token")
    # The oldest 2,200 cannot be forgotten; those after them are for the third round.
    conn.execute("""CREATE TABLE public.free AS
                        SELECT token FROM bunker.expiration ORDER BY expires_at DESC LIMIT 100;
                    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                        IF EXISTS (SELECT FROM public.free WHERE token = NEW.token) THEN
                            RETURN NEW;
                        END IF;
                        RAISE 'no';
                    END $$;
                    CREATE TRIGGER refuse BEFORE UPDATE ON bunker.record
                        FOR EACH ROW EXECUTE FUNCTION refuse();
                    SET client_min_messages = error""")
    assert sum(maintain(conn)["users_expired"] for _ in range(3)) == 100


def test_a_sealed_vault_expires_nobody(fresh_cluster):
    server = fresh_cluster()
    server.create_db("vault")
    with server.connect("vault") as conn:
        create(conn, ANN)
        start(conn, "ann", "1 day")
        assert maintain(conn)["users_expired"] == 0
        let_time_come(conn)
    key_file = server.settings["databunker.master_key_file"]
    server.restart(settings={"databunker.master_key_file": None})
    with server.connect("vault") as conn:
        with server.raises("55000", secrets=SECRETS):
            maintain(conn)
        assert conn.execute("SELECT status FROM bunker.expiration").fetchone() == ("wait",)
    server.restart(settings={"databunker.master_key_file": key_file})
    with server.connect("vault") as conn:
        assert maintain(conn)["users_expired"] == 1


def test_a_read_only_transaction_maintains_nothing(conn, raises, ann):
    conn.execute("SET default_transaction_read_only = on")
    for statement in ("SELECT bunker_maintain()",
                      "SELECT bunker_start_expiration('login', 'ann')",
                      "SELECT bunker_cancel_expiration('login', 'ann')"):
        with raises("25006"):
            conn.execute(statement)


# Races --------------------------------------------------------------------------------------------

def in_background(work) -> threading.Thread:
    """Runs `work` beside the test."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("decide", ["retain", "cancel"])
def test_a_decision_under_way_keeps_maintenance_away(conn, connect_as, ann, decide):
    """Maintenance neither waits for it nor acts against it, whichever way it ends."""
    deciding, keeper = connect_as("dpo"), connect_as("admin")
    token = start(conn, "ann", "1 day")
    let_time_come(conn)
    with deciding.transaction(force_rollback=True):
        assert decide_as(deciding, decide, token)
        assert maintain(keeper)["users_expired"] == 0
        assert find(conn, "login", "ann") == ann
    with deciding.transaction():
        assert decide_as(deciding, decide, token)
        assert maintain(keeper)["users_expired"] == 0
    assert maintain(keeper)["users_expired"] == 0
    assert find(conn, "login", "ann") == ann


def decide_as(connection, decide: str, token) -> bool:
    """Retains the user ann, or takes back her expiration."""
    if decide == "retain":
        return call(connection, "bunker_retain_user", token)
    return call(connection, "bunker_cancel_expiration", "login", "ann")


@pytest.mark.parametrize("decide", ["retain", "cancel", "delete"])
@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_a_decision_waits_for_maintenance_under_way(conn, connect_as, ann, decide, ends):
    deciding, keeper = connect_as("dpo"), connect_as("admin")
    token = start(conn, "ann", "1 day")
    let_time_come(conn)
    keeper.execute("BEGIN")
    assert maintain(keeper)["users_expired"] == 1
    outcome = []

    def work():
        try:
            if decide == "delete":
                outcome.append(call(deciding, "bunker_delete_expired", token))
            else:
                outcome.append(decide_as(deciding, decide, token))
        except psycopg.Error as error:
            outcome.append(error.sqlstate)

    thread = in_background(work)
    await_blocked(conn, deciding)
    keeper.execute(ends)
    thread.join()
    assert outcome == (["P0002"] if ends == "COMMIT" else [True])
    stays = ends == "ROLLBACK" and decide != "delete"
    assert (find(conn, "login", "ann") is not None) == stays


def test_an_old_snapshot_forgets_nobody_who_was_retained(conn, connect_as, ann):
    """What the transaction sees says that the user waits; he does not any more."""
    keeper = connect_as("dpo")
    token = start(conn, "ann", "1 day")
    let_time_come(conn)
    keeper.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with pytest.raises(psycopg.errors.SerializationFailure), keeper.transaction():
        assert expiration(keeper, "ann")["status"] == "wait"
        call(conn, "bunker_retain_user", token)
        maintain(keeper)
    assert find(conn, "login", "ann") == ann


def test_a_user_who_is_being_changed_is_passed_over(conn, connect_as, ann):
    writer, keeper = connect_as("app"), connect_as("dpo")
    start(conn, "ann", "1 day")
    let_time_come(conn)
    with writer.transaction():
        update(writer, "login", "ann", {"name": "Anna"})
        assert maintain(keeper)["users_expired"] == 0
    assert maintain(keeper)["users_expired"] == 1


def test_no_retained_user_is_forgotten_in_a_crowd(cluster, db, conn):
    """Half of the users decide to stay while three sessions maintain as fast as they can."""
    tokens = [token for _, token in create_many(conn, people(1, 300))]
    links = {token: start(conn, token, "1 day", "token") for token in tokens}
    let_time_come(conn)
    over = threading.Event()

    def maintain_on():
        with cluster.connect(db, "test_dpo") as keeper:
            while not over.is_set():
                # In small pieces, so that the others get between them.
                keeper.execute("SELECT bunker_maintain()")

    def retain(share: list) -> list:
        stayed = []
        with cluster.connect(db, "test_app") as app:
            for token in share:
                try:
                    if call(app, "bunker_retain_user", links[token]):
                        stayed.append(token)
                except psycopg.errors.NoDataFound:
                    pass
        return stayed

    random.Random(7).shuffle(tokens)
    with ThreadPoolExecutor(7) as pool:
        retaining = [pool.submit(retain, tokens[:150][number::4]) for number in range(4)]
        keepers = [pool.submit(maintain_on) for _ in range(3)]
        stayed = [token for done in retaining for token in done.result()]
        over.set()
        for keeper in keepers:
            keeper.result()
    maintain(conn)
    living = {row[0] for row in conn.execute(
        "SELECT token FROM bunker.record WHERE forgotten_at IS NULL").fetchall()}
    assert living == set(stayed)
    assert stayed
    statuses = dict(conn.execute("SELECT status, count(*) FROM bunker.expiration GROUP BY 1").fetchall())
    assert statuses == {"retain": len(stayed), "expired": 300 - len(stayed)}


