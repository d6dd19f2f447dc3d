"""One-time codes: random, for ten minutes, five tries and one login of one user."""

import re
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from harness import Cluster
from harness.clock import Clock
from harness.events import events_of, trail
from harness.identity import acting, authenticate, log_in
from harness.vault import call, create, create_many, forget
from harness.wait import wait_until

TRIES, CODES = 5, 5


@pytest.fixture
def ann(conn):
    """The token of a user."""
    return create(conn, {"login": "ann", "email": "ann@example.com"})


@pytest.fixture
def bob(conn):
    """The token of another user."""
    return create(conn, {"login": "bob"})


def code_for(client, login: str) -> str:
    """A code."""
    return call(client, "bunker_login_code", "login", login)


def other_than(code: str) -> str:
    """A wrong code."""
    return f"{(int(code) + 1) % 10**8:08}"


def login(client, name: str, code: str) -> str:
    """An access token."""
    return call(client, "bunker_login", "login", name, code)


def is_refused(client, name: str, code: str) -> bool:
    """Whether the code does not log the user in; a login is undone."""
    try:
        with client.transaction(force_rollback=True):
            login(client, name, code)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


# Codes ----------------------------------------------------------------------------------------

def test_codes_are_eight_digits_each_as_likely_as_any(conn, app_conn):
    create_many(conn, [{"login": f"u{number}"} for number in range(300)])
    codes = [code_for(app_conn, f"u{number}") for number in range(300)]
    assert all(re.fullmatch("[0-9]{8}", code) for code in codes)
    assert len(set(codes)) > 297
    counts = Counter("".join(codes))
    chi_square = sum((counts[digit] - 240) ** 2 / 240 for digit in "0123456789")
    assert chi_square < 46, counts  # 9 degrees of freedom: once in two million runs
    stored = conn.execute("SELECT string_agg(c::text, ' ') FROM bunker.login_code AS c").fetchone()[0]
    assert [code for code in codes if re.search(rf"(?<![0-9a-f]){code}(?![0-9a-f])", stored)] == []


def test_a_code_logs_its_user_in_once(conn, app_conn, ann, raises):
    code = code_for(app_conn, "ann")
    token = login(app_conn, "ann", code)
    assert re.fullmatch(r"dbat_[A-Za-z0-9_-]{64}", token)
    with acting(app_conn, token) as who:
        assert who == str(ann)
        assert call(app_conn, "bunker_get_user", ann)["login"] == "ann"
    with raises("42501", secrets=[code, "ann"]):
        login(app_conn, "ann", code)
    assert [(e["action"], e["status"]) for e in events_of(conn, ann, "login_code", "login")] == [
        ("login_code", "ok"), ("login", "ok"), ("login", "denied")]


@pytest.mark.parametrize("spelling", [" {} ", "{}\n"])
def test_white_space_around_a_code_does_not_matter(app_conn, ann, spelling):
    assert login(app_conn, "ann", spelling.format(code_for(app_conn, "ann")))


@pytest.mark.parametrize("kind", ["token", "email", "login"])
def test_every_lookup_kind_names_the_user(app_conn, ann, kind):
    value = {"token": str(ann), "email": "ANN@example.com", "login": "Ann"}[kind]
    code = call(app_conn, "bunker_login_code", kind, value)
    assert authenticate(app_conn, call(app_conn, "bunker_login", kind, value, code)) == str(ann)


def test_a_login_that_is_rolled_back_was_none(app_conn, ann, raises):
    code = code_for(app_conn, "ann")
    with app_conn.transaction(force_rollback=True):
        token = login(app_conn, "ann", code)
        assert authenticate(app_conn, token) == str(ann)
    with raises("42501", secrets=[token]):
        authenticate(app_conn, token)
    assert login(app_conn, "ann", code)


def test_a_new_code_voids_the_former_one(app_conn, ann):
    first = code_for(app_conn, "ann")
    second = code_for(app_conn, "ann")
    assert is_refused(app_conn, "ann", first)
    assert not is_refused(app_conn, "ann", second)


def test_a_code_opens_nobody_else(conn, app_conn, ann, bob):
    code = code_for(app_conn, "ann")
    code_for(app_conn, "bob")
    assert is_refused(app_conn, "bob", code)
    # Nor when somebody who writes tables gives it to him.
    conn.execute("""UPDATE bunker.login_code AS b SET id = a.id, expires_at = a.expires_at, mac = a.mac
                      FROM bunker.login_code AS a WHERE a.token = %s AND b.token = %s""", [ann, bob])
    assert is_refused(app_conn, "bob", code)
    assert not is_refused(app_conn, "ann", code)


@pytest.mark.parametrize("alteration", ["expires_at = expires_at + '1 minute'", "id = gen_random_uuid()",
                                        "mac = ''", "mac = substr(mac, 1, 16)"])
def test_an_altered_code_is_refused(conn, app_conn, ann, alteration):
    code = code_for(app_conn, "ann")
    conn.execute(f"UPDATE bunker.login_code SET {alteration}")
    assert is_refused(app_conn, "ann", code)


@pytest.mark.parametrize("code", ["", " ", "0", "4444", "00000000", "é" * 8, "１２３４５６７８", "9" * 1_000_000])
def test_odd_codes_are_wrong_codes(app_conn, ann, raises, code):
    if code_for(app_conn, "ann") == code:
        pytest.fail("one run in a hundred million")
    with raises("42501", secrets=["ann"]):
        login(app_conn, "ann", code)


def test_nothing_is_issued_to_nobody(app_conn, raises):
    with raises("P0002", secrets=["nobody"]):
        code_for(app_conn, "nobody")
    for arguments in ((None, "ann"), ("login", None)):
        with raises("22023"):
            call(app_conn, "bunker_login_code", *arguments)
    with raises("22023"):
        call(app_conn, "bunker_login", "login", "ann", None)


# Tries ----------------------------------------------------------------------------------------

def test_the_sixth_try_is_refused_with_the_right_code(conn, connect_as, ann):
    """Over several sessions, through ROLLBACK, and with a session that is killed in between."""
    app = connect_as("app")
    code = code_for(app, "ann")
    assert is_refused(connect_as("app"), "ann", other_than(code))
    assert not is_refused(connect_as("app"), "ann", code)
    victim = connect_as("app")
    victim.execute("BEGIN")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        login(victim, "ann", other_than(code))
    conn.execute("SELECT pg_terminate_backend(%s, 5000)", [victim.info.backend_pid])
    for _ in range(TRIES - 3):
        assert is_refused(connect_as("app"), "ann", other_than(code))
    assert is_refused(app, "ann", code)
    assert login(app, "ann", code_for(app, "ann"))


def test_tries_at_the_same_time_are_all_counted(conn, connect_as, ann):
    code = code_for(conn, "ann")
    clients = [connect_as("app") for _ in range(8)]
    with ThreadPoolExecutor(len(clients)) as pool:
        wrong = list(pool.map(lambda client: is_refused(client, "ann", other_than(code)), clients))
    assert wrong == [True] * 8
    assert is_refused(clients[0], "ann", code)


def test_a_user_gets_five_codes_in_ten_minutes(conn, app_conn, connect_as, ann, bob, raises):
    for _ in range(CODES - 1):
        with app_conn.transaction(force_rollback=True):
            code_for(app_conn, "ann")
    code = code_for(app_conn, "ann")
    for client in (app_conn, connect_as("app"), conn):
        with raises("54000", secrets=["ann"]):
            code_for(client, "ann")
    # He is kept from new ones, not from the one that he has; others are kept from nothing.
    assert login(app_conn, "ann", code)
    assert code_for(app_conn, "bob")
    assert Counter(event["status"] for event in trail(conn) if event["action"] == "login_code") == {
        "ok": 2, "denied": 3}


def test_one_of_two_who_use_a_code_at_once_wins(connect_as, ann):
    first, second = connect_as("app"), connect_as("app")
    code = code_for(first, "ann")
    with ThreadPoolExecutor() as pool:
        with first.transaction():
            token = login(first, "ann", code)
            other = pool.submit(is_refused, second, "ann", code)
            with pytest.raises(TimeoutError):
                other.result(0.5)
        assert other.result(10) is True
        assert authenticate(first, token) == str(ann)
        # And the second one, if the first one's is rolled back.
        code = code_for(first, "ann")
        with first.transaction(force_rollback=True):
            login(first, "ann", code)
            other = pool.submit(login, second, "ann", code)
        assert authenticate(first, other.result(10)) == str(ann)


# What the caller learns -----------------------------------------------------------------------

@pytest.fixture
def refusals(app_conn, ann, bob):
    """For each way to be refused, a call that is: kind, value and code."""
    create(app_conn, {"login": "cleo"})
    used = code_for(app_conn, "ann")
    login(app_conn, "ann", used)
    code = code_for(app_conn, "cleo")
    return {"nobody": ("login", "nobody", "12345678"), "no such address": ("email", "x@example.com", "1"),
            "no such token": ("token", "2f6c1a9e-5b0d-4c3e-9a51-0d6a7b1f2c34", "1"),
            "no code": ("login", "bob", "12345678"), "a used code": ("login", "ann", used),
            "a wrong code": ("login", "cleo", other_than(code))}


def test_the_caller_is_not_told_what_was_wrong(app_conn, refusals, raises):
    told = set()
    for arguments in refusals.values():
        with raises("42501", secrets=arguments[1:2]) as caught:
            call(app_conn, "bunker_login", *arguments)
        diagnostics = caught.error.diag
        told.add((diagnostics.message_primary, diagnostics.message_hint, diagnostics.message_detail,
                  diagnostics.context, diagnostics.sqlstate))
    assert len(told) == 1


def test_the_time_it_takes_tells_little(app_conn, refusals):
    """Not a proof: a difference of the size of a commit, or of a wait, would show."""
    medians = {}
    for reason, arguments in refusals.items():
        times = []
        for _ in range(40):
            began = time.perf_counter()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                call(app_conn, "bunker_login", *arguments)
            times.append(time.perf_counter() - began)
        medians[reason] = statistics.median(times)
    assert max(medians.values()) < min(medians.values()) + 0.002, medians


# Forgetting -----------------------------------------------------------------------------------

def rows_of(conn, token) -> tuple:
    """How many access tokens and codes the vault has of a user."""
    return conn.execute("""SELECT (SELECT count(*) FROM bunker.access_token WHERE token = %(token)s),
                                  (SELECT count(*) FROM bunker.login_code WHERE token = %(token)s)""",
                        {"token": token}).fetchone()


def test_forget_me_takes_codes_and_tokens_along(conn, app_conn, ann, bob, raises):
    token, code = log_in(app_conn, "ann"), code_for(app_conn, "ann")
    other = log_in(app_conn, "bob")
    with acting(app_conn, token):
        assert call(app_conn, "bunker_get_user", ann)
        forget(conn, "login", "ann")
        # The transaction that acts as him goes on, as nobody whom there is.
        assert call(app_conn, "bunker_get_user", ann) is None
        with raises("42501"), app_conn.transaction():
            authenticate(app_conn, token)
    assert rows_of(conn, ann) == (0, 0)
    for call_ in (lambda: authenticate(app_conn, token), lambda: login(app_conn, "ann", code),
                  lambda: call(app_conn, "bunker_login", "token", str(ann), code)):
        with raises("42501"):
            call_()
    assert authenticate(app_conn, other) == str(bob)


def test_forget_me_while_he_logs_in_leaves_no_token(conn, app_conn, connect_as, ann):
    code = code_for(app_conn, "ann")
    with ThreadPoolExecutor() as pool:
        with app_conn.transaction():
            login(app_conn, "ann", code)
            forgetting = pool.submit(forget, connect_as("app"), "login", "ann")
            wait_until(lambda: conn.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0], "forget-me to wait")
        assert forgetting.result(10) is True
    assert rows_of(conn, ann) == (0, 0)


def test_logging_in_while_he_is_forgotten_fails(conn, app_conn, connect_as, ann):
    code = code_for(app_conn, "ann")
    with ThreadPoolExecutor() as pool:
        with conn.transaction():
            forget(conn, "login", "ann")
            entering = pool.submit(is_refused, connect_as("app"), "ann", code)
            with pytest.raises(TimeoutError):
                entering.result(0.5)
        assert entering.result(10) is True
    assert rows_of(conn, ann) == (0, 0)


# Time -----------------------------------------------------------------------------------------

@pytest.fixture
def slow_server():
    """A server with a vault, a user `ann`, and a clock of its own."""
    with Cluster() as server:
        server.create_db("vault")
        clock = Clock(server)
        server.stop()
        server.start(environment=clock.environment)
        with server.connect("vault") as connection:
            create(connection, {"login": "ann"})
            yield connection, clock


def test_codes_live_for_ten_minutes_and_logins_for_an_hour(slow_server):
    connection, clock = slow_server
    code = code_for(connection, "ann")
    clock.advance(590)
    token = login(connection, "ann", code)
    code = code_for(connection, "ann")
    clock.advance(610)
    assert is_refused(connection, "ann", code)
    clock.advance(3600 - 610 - 20)
    assert authenticate(connection, token)
    clock.advance(30)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        authenticate(connection, token)
