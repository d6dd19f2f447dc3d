"""Behind a real PgBouncer: who one client is, the next one on the same server connection never is."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from harness.events import trail
from harness.identity import access_token, acting, authenticate, log_in, sqlstate
from harness.pooler import Pooler
from harness.vault import call, create
from harness.wait import wait_until

ANN = {"login": "ann"}
READ = "SELECT bunker_get_user(bunker_find_token('login', 'ann'))"
LIST = "SELECT count(*) FROM bunker_list_users()"
PID = "SELECT pg_backend_pid()"


@pytest.fixture
def ann(conn):
    """The token of a user."""
    return create(conn, ANN)


@pytest.fixture
def pool(cluster, conn, web, ann):
    """pool(mode): a pooler whose clients share a role that has all group roles and needs a token."""
    conn.execute(f"ALTER ROLE {web.role} SET databunker.require_access_token = on")
    running = []

    def start(mode: str) -> Pooler:
        running.append(Pooler(cluster, web.role, mode).__enter__())
        return running[-1]

    yield start
    for pooler in running:
        pooler.__exit__()


@pytest.fixture
def pair(pool, db):
    """Two clients that take turns at one server connection, a transaction each."""
    pooler = pool("transaction")
    with pooler.connect(db) as a, pooler.connect(db) as b:
        assert a.execute(PID).fetchone() == b.execute(PID).fetchone()
        yield a, b


@pytest.fixture
def reader(conn):
    """An access token that reads, and does not list."""
    return access_token(conn, "reader", "reader")


@pytest.fixture
def lister(conn):
    """An access token that lists, and does not read."""
    return access_token(conn, "dpo", "lister")


def is_nobody(client) -> bool:
    """Whether every call of the client is refused."""
    states = {sqlstate(client, READ), sqlstate(client, LIST), sqlstate(client, "SELECT bunker_status()")}
    assert states in ({"42501"}, {None}, {None, "42501"}), states
    return states == {"42501"}


def test_the_next_client_is_nobody(pair, reader):
    a, b = pair
    for _ in range(3):
        with acting(a, reader):
            assert sqlstate(a, READ) is None
        assert is_nobody(b)
        assert is_nobody(a)


def test_two_clients_in_turn_are_each_himself(conn, pair, reader, lister):
    a, b = pair
    order = random.Random(7)
    for _ in range(60):
        client, token, other = order.choice([(a, reader, LIST), (b, lister, READ)])
        if order.random() < 0.3:
            assert is_nobody(client)
            continue
        with acting(client, token, rollback=order.random() < 0.5):
            assert sqlstate(client, other) == "42501"
            assert sqlstate(client, LIST if other == READ else READ) is None
    done = {(e["actor"].split(" ")[1], e["action"]) for e in trail(conn, None, 1000) if e["status"] == "ok"
            and "access_token=" in e["actor"]}
    assert done == {('access_token="reader"', "find_token"), ('access_token="reader"', "get_user"),
                    ('access_token="lister"', "list_users")}


@pytest.mark.parametrize("end", ["ROLLBACK", "SELECT 1 / 0", "SELECT bunker_authenticate('dbat_x')",
                                 "COMMIT", "COMMIT AND CHAIN"])
def test_however_a_transaction_ends_nobody_inherits_it(pair, reader, lister, end):
    a, b = pair
    a.execute("BEGIN")
    authenticate(a, reader)
    try:
        a.execute(end)
    except psycopg.Error:
        a.execute("ROLLBACK")
    if end.endswith("CHAIN"):
        assert is_nobody(a)
        a.execute("ROLLBACK")
    assert is_nobody(b)
    with acting(b, lister):
        assert sqlstate(b, READ) == "42501"
        assert sqlstate(b, LIST) is None
    assert is_nobody(a)


def test_a_cancelled_query_leaves_nobody(pair, reader):
    a, b = pair
    with pytest.raises(psycopg.errors.QueryCanceled), acting(a, reader):
        timer = threading.Timer(0.5, a.cancel)
        timer.start()
        a.execute("SELECT pg_sleep(30)")
    timer.join()
    assert is_nobody(b)
    assert is_nobody(a)


def test_a_client_that_hangs_up_in_the_middle_leaves_nobody(conn, pool, db, reader):
    pooler = pool("transaction")
    with pooler.connect(db) as b:
        for _ in range(3):
            a = pooler.connect(db)
            a.execute("BEGIN")
            authenticate(a, reader)
            # Without a word: not even the protocol's Terminate.
            a.pgconn.finish()
            assert is_nobody(b)


def test_a_client_that_waits_in_its_transaction_keeps_the_connection_to_itself(pair, reader):
    a, b = pair
    with ThreadPoolExecutor() as threads:
        with acting(a, reader):
            waiting = threads.submit(is_nobody, b)
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
            assert sqlstate(a, READ) is None
        assert waiting.result(10) is True


def test_prepared_statements_carry_no_identity(pair, reader, ann):
    """PREPARE stays in the server connection, for whoever comes next."""
    a, b = pair
    with acting(a, reader):
        a.execute("PREPARE reading AS SELECT bunker_get_user($1)")
        assert a.execute(f"EXECUTE reading('{ann}')").fetchone() == (ANN,)
    assert sqlstate(b, f"EXECUTE reading('{ann}')") == "42501"
    with acting(b, reader):
        assert b.execute(f"EXECUTE reading('{ann}')").fetchone() == (ANN,)
    b.execute("DEALLOCATE ALL")


def test_a_cursor_that_outlives_its_transaction_holds_what_was_read_then(pair, reader, ann):
    """WITH HOLD stays in the server connection: its rows are open to the next client. SECURITY.md says so."""
    a, b = pair
    with acting(a, reader):
        a.execute(f"DECLARE held CURSOR WITH HOLD FOR SELECT bunker_get_user('{ann}')")
    assert b.execute("FETCH held").fetchone() == (ANN,)
    assert is_nobody(b)
    b.execute("CLOSE ALL")


def test_users_in_turn_are_each_himself(conn, pair, ann):
    a, b = pair
    bob = create(conn, {"login": "bob"})
    tokens = {a: (log_in(conn, "ann"), ann, bob), b: (log_in(conn, "bob"), bob, ann)}
    for client in (a, b, b, a, b, a):
        token, own, other = tokens[client]
        with acting(client, token) as who:
            assert who == str(own)
            assert call(client, "bunker_get_user", own)
            assert sqlstate(client, f"SELECT bunker_get_user('{other}')") == "42501"
        assert is_nobody(client)


def test_an_unlocked_guard_is_closed_for_the_next_client(conn, db, pair, reader):
    a, b = pair
    for number in range(3):
        create(conn, {"login": f"user{number}"})
    conn.execute(f"ALTER DATABASE {db} SET databunker.bulk_read_limit = 2")
    conn.execute("SELECT pg_terminate_backend(%s, 5000)", [a.execute(PID).fetchone()[0]])
    listing = "SELECT count(*) FROM bunker_list_users()"
    admin = access_token(conn, "admin")

    def again():
        try:
            return a.execute("SHOW databunker.bulk_read_limit").fetchone() == ("2",)
        except psycopg.Error:
            return False
    wait_until(again, "the pooler to connect anew")
    with acting(a, admin):
        assert sqlstate(a, listing) == "42501"
        call(a, "bunker_unlock_bulk", "audit of 2026")
        assert sqlstate(a, listing) is None
    for client in (b, a):
        with acting(client, admin):
            assert sqlstate(client, listing) == "42501"


def test_an_injected_commit_leaves_nobody_where_a_token_is_required(pair, reader):
    """Without the setting it would leave the whole of the database role."""
    a, _ = pair
    with acting(a, reader):
        a.execute(b"SELECT 1; COMMIT; BEGIN")
        assert is_nobody(a)


def test_statement_mode_takes_both_in_one_string(pool, db, reader):
    pooler = pool("statement")
    with pooler.connect(db) as a, pooler.connect(db) as b:
        together = f"SELECT bunker_authenticate('{reader}'); {READ}"
        for _ in range(2):
            cursor = a.execute(together.encode())
            assert cursor.nextset()
            assert cursor.fetchone() == (ANN,)
            for client in (b, a):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    client.execute(READ)
        assert authenticate(a, reader) == "reader"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            a.execute(READ)
        with pytest.raises(psycopg.Error):
            a.execute("BEGIN")


def test_session_mode_hands_the_connection_on_when_the_client_leaves(pool, db, reader):
    pooler = pool("session")
    for _ in range(3):
        with pooler.connect(db) as a:
            assert is_nobody(a)
            with acting(a, reader):
                assert sqlstate(a, READ) is None
            assert is_nobody(a)
            a.execute("BEGIN")
            authenticate(a, reader)
            a.pgconn.finish()
