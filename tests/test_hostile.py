"""A role with operators, functions, temporary tables and settings of its own changes nothing."""

import json

import psycopg
import pytest

OPERATORS = [("uuid", "="), ("uuid", ">"), ("uuid", "<"), ("text", "="), ("text", "||"), ("bytea", "="),
             ("integer", "="), ("integer", "+"), ("bigint", "<"), ("smallint", "="), ("jsonb", "=")]
TYPES = ["uuid", "text", "bytea", "jsonb", "timestamptz", "int4", "integer", "bool", "regclass", "name"]
RELATIONS = ["record", "lookup", "audit", "keyring", "lookup_kind", "record_version", "user_schema",
             "audit_id", "pg_class", "pg_proc", "pg_namespace", "pg_type", "pg_operator", "pg_roles"]
FUNCTIONS = ["count(bigint)", "max(integer)", "now()", "clock_timestamp()", "gen_random_uuid()",
             "nextval(regclass)", "record_changed()", "table_changed()", "jsonb_in(cstring)"]
TRAP = "RAISE EXCEPTION 'trapped as %', current_user;"
PROFILE = {"email": "Ann@Example.com", "phone": "07911 123456", "login": "Ann", "name": "Ann"}


@pytest.fixture
def villain(cluster, db, conn):
    """bunker_app, with a schema of traps first in its path, and temporary look-alikes."""
    conn.execute("CREATE SCHEMA traps AUTHORIZATION test_app")
    conn.execute(f"GRANT CREATE, TEMP ON DATABASE {db} TO test_app")
    with cluster.connect(db, "test_app") as connection:
        for statement in traps():
            connection.execute(statement)
        yield connection


def traps() -> list[str]:
    """Look-alikes of all that our statements use; each reports whoever steps into it."""
    made = ["SET search_path = traps, pg_temp, pg_catalog, public"]
    for kind, symbol in OPERATORS:
        name = f"trap_{kind}_{ord(symbol[0])}"
        result = kind if symbol in ("||", "+") else "boolean"
        made.append(f"CREATE FUNCTION traps.{name}({kind}, {kind}) RETURNS {result} LANGUAGE plpgsql "
                    f"AS $$ BEGIN {TRAP} END $$")
        made.append(f"CREATE OPERATOR traps.{symbol} (LEFTARG = {kind}, RIGHTARG = {kind}, "
                    f"FUNCTION = traps.{name})")
    made += [f"CREATE DOMAIN traps.{name} AS pg_catalog.text CHECK (VALUE = 'never')" for name in TYPES]
    made += [f"CREATE TEMP TABLE {name} (token uuid, kind smallint, digest bytea)"
             for name in RELATIONS]
    made += [f"CREATE FUNCTION traps.{call.split('(')[0]}({argument(call)}) RETURNS pg_catalog.int8 "
             f"LANGUAGE plpgsql AS $$ BEGIN {TRAP} END $$" for call in FUNCTIONS]
    made += [f"CREATE FUNCTION pg_temp.{call.split('(')[0]}({argument(call)}) RETURNS pg_catalog.int8 "
             f"LANGUAGE plpgsql AS $$ BEGIN {TRAP} END $$" for call in FUNCTIONS]
    return made


def argument(call: str) -> str:
    """The argument list of a look-alike, in types that no domain of the villain's hides."""
    types = call.split("(")[1].rstrip(")")
    known = {"bigint": "pg_catalog.int8", "integer": "pg_catalog.int4", "": "",
             "regclass": "pg_catalog.regclass", "cstring": "pg_catalog.text"}
    return known[types]


def tour(connection) -> dict:
    """What an application does in a day; what it gets, without what differs by chance."""

    def ask(call: str, *arguments):
        return connection.execute(f"SELECT public.{call}", arguments).fetchone()[0]

    seen = {}
    token = ask("bunker_create_user(%s::pg_catalog.jsonb)", json.dumps(PROFILE))
    seen["many"] = len(connection.execute(
        "SELECT * FROM public.bunker_create_users(%s::pg_catalog.text[]::pg_catalog.jsonb[])",
        [['{"login": "b"}', '{"login": "c"}']]).fetchall())
    seen["email"] = ask("bunker_lookup('email', 'ANN@example.com')")["profile"]
    seen["phone"] = ask("bunker_find_token('phone', '+447911123456')") == token
    seen["get"] = ask("bunker_get_user(%s)", token)
    seen["update"] = ask("bunker_update_user('login', 'ann', '{\"age\": 4}')")
    seen["version"] = ask("bunker_user_version('login', 'ann', 1)")
    seen["versions"] = [row[0] for row in connection.execute(
        "SELECT version FROM public.bunker_user_versions('login', 'ann')")]
    seen["listed"] = len(connection.execute("SELECT token FROM public.bunker_list_users()").fetchall())
    seen["nobody"] = ask("bunker_lookup('login', 'zoe')")
    for name, call in {"duplicate": "bunker_create_user('{\"login\": \"B\"}')",
                       "missing": "bunker_update_user('login', 'zoe', '{}')",
                       "kind": "bunker_lookup('shoe', '44')"}.items():
        with pytest.raises(psycopg.Error) as refused:
            ask(call)
        seen[name] = refused.value.sqlstate
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
            connection.rollback()
    seen["deleted"] = ask("bunker_delete_user('login', 'ann')")
    seen["gone"] = ask("bunker_get_user(%s)", token)
    return seen


@pytest.fixture
def expected(cluster):
    """The tour in a clean database."""
    name = cluster.create_db("clean", template="bunker_template")
    with cluster.connect(name, "test_app") as connection:
        yield tour(connection)
    cluster.drop_db(name)


def test_the_traps_work(villain):
    """Guards the tests below: the villain's own statements fall into them."""
    for statement in ("SELECT 'a'::pg_catalog.text = 'b'::pg_catalog.text", "SELECT now()"):
        with pytest.raises(psycopg.Error, match="trapped as test_app"):
            villain.execute(statement)


def test_hostile_names_change_nothing(villain, expected):
    assert tour(villain) == expected


def test_hostile_settings_change_nothing_and_show_nothing(villain, expected, conn):
    notices = []
    villain.add_notice_handler(lambda notice: notices.append(
        f"{notice.message_primary} {notice.message_detail} {notice.context} {notice.internal_query}"))
    # Renamed in PostgreSQL 16; PostgreSQL 17 forgot the old name.
    parallel = "force_parallel_mode" if conn.info.server_version < 160000 else "debug_parallel_query"
    for setting in ("client_min_messages = debug5", "debug_print_plan = on", "debug_print_parse = on",
                    "enable_indexscan = off", "enable_indexonlyscan = off", "enable_seqscan = off",
                    "standard_conforming_strings = on", "bytea_output = escape", "DateStyle = 'SQL, DMY'",
                    "IntervalStyle = sql_standard", "extra_float_digits = -15", "TimeZone = 'Asia/Tokyo'",
                    "xmloption = document", "quote_all_identifiers = on", "row_security = off",
                    "session_replication_role = origin", "default_transaction_isolation = serializable",
                    "plan_cache_mode = force_custom_plan", f"{parallel} = on", "jit = on",
                    "jit_above_cost = 0", "transform_null_equals = on", "array_nulls = off"):
        try:
            villain.execute(f"SET {setting}")
        except psycopg.errors.InsufficientPrivilege:
            pass  # session_replication_role is the superuser's
    assert tour(villain) == expected
    villain.execute("SELECT public.bunker_update_user('login', 'b', '{\"login\": \"bb\"}')")
    stored = [row[0] for row in conn.execute("SELECT digest FROM bunker.lookup UNION ALL "
                                             "SELECT digests FROM bunker.record_version")]
    told = "\n".join(notices)
    assert "CommitTransaction" in told  # debug5 was heard
    assert [value for value in stored if value.hex() in told or as_numbers(value) in told] == []


def as_numbers(value: bytes) -> str:
    """How a printed plan shows the first bytes of a constant: as signed numbers."""
    return " ".join(str(byte - 256 if byte > 127 else byte) for byte in value[:12])


def test_triggers_fire_for_whoever_switches_them_off(conn):
    """session_replication_role = replica silences ordinary triggers, for a superuser's session."""
    conn.execute("SET session_replication_role = replica")
    conn.execute("SELECT bunker_create_user('{\"login\": \"quiet\"}')")
    conn.execute("UPDATE bunker.record SET changed_by = 'me'")
    actions = [row[0] for row in conn.execute("SELECT action FROM bunker_audit_all()")]
    assert actions == ["direct_update", "create_user"]


def test_set_role_and_definer_functions_are_told_apart_in_the_trail(cluster, db, conn):
    conn.execute("CREATE ROLE wrapper_owner IN ROLE bunker_app")
    conn.execute("GRANT CREATE ON SCHEMA public TO wrapper_owner; "
                 "CREATE ROLE caller LOGIN NOINHERIT IN ROLE wrapper_owner; "
                 "SET ROLE wrapper_owner")
    conn.execute("CREATE FUNCTION make(login text) RETURNS uuid LANGUAGE sql SECURITY DEFINER SET "
                 "search_path = pg_catalog, pg_temp AS $$ SELECT public.bunker_create_user("
                 "jsonb_build_object('login', login)) $$; GRANT EXECUTE ON FUNCTION make TO PUBLIC; "
                 "RESET ROLE")
    with cluster.connect(db, "caller") as caller:
        caller.execute("SELECT make('one')")
        with cluster.raises("42501"):
            caller.execute("SELECT bunker_create_user('{\"login\": \"two\"}')")
        caller.execute("SET ROLE wrapper_owner")
        caller.execute("SELECT bunker_create_user('{\"login\": \"three\"}')")
    events = conn.execute("SELECT actor, action, status FROM bunker_audit_all()").fetchall()
    assert sorted(events) == [("caller", "create_user", "denied")] + [
        ("caller role=wrapper_owner", "create_user", "ok")] * 2
    conn.execute("DROP FUNCTION make(text); REVOKE ALL ON SCHEMA public FROM wrapper_owner; "
                 "DROP ROLE caller, wrapper_owner")


def test_the_callers_role_and_path_come_back_after_failures(villain):
    """A thousand subtransactions that fail inside one of our functions, after another did its work."""
    villain.execute("SELECT public.bunker_create_user('{\"login\": \"taken\"}')")
    villain.execute("""DO $$ DECLARE refused pg_catalog.int4 DEFAULT 0; BEGIN
        FOR n IN 1 .. 1000 LOOP
            BEGIN
                PERFORM public.bunker_create_user(pg_catalog.jsonb_build_object('login', 'u' OPERATOR(pg_catalog.||) n));
                PERFORM public.bunker_create_user('{"login": "taken"}');
            EXCEPTION WHEN unique_violation THEN refused := refused OPERATOR(pg_catalog.+) 1;
            END;
            IF current_user OPERATOR(pg_catalog.<>) 'test_app' THEN RAISE 'role is %', current_user; END IF;
        END LOOP;
        IF refused OPERATOR(pg_catalog.<>) 1000 THEN RAISE 'refused %', refused; END IF;
    END $$""")
    assert villain.execute("SELECT current_user::pg_catalog.text").fetchone() == ("test_app",)
    assert villain.execute("SHOW search_path").fetchone() == ("traps, pg_temp, pg_catalog, public",)
    assert villain.execute("SELECT public.bunker_lookup('login', 'u1')").fetchone() == (None,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        villain.execute("SELECT * FROM bunker.record")


def test_cursors_stop_and_go_on(app_conn):
    tokens = app_conn.execute("SELECT array_agg(token) FROM bunker_create_users(ARRAY(SELECT "
                              "jsonb_build_object('login', 'u' || n) FROM generate_series(1, 50) n))"
                              ).fetchone()[0]
    with app_conn.transaction():
        app_conn.execute("DECLARE few CURSOR FOR SELECT bunker_get_user(t) ->> 'login' "
                         f"FROM unnest('{{{','.join(map(str, tokens))}}}'::uuid[]) t")
        first = app_conn.execute("FETCH 3 FROM few").fetchall()
        with pytest.raises(psycopg.errors.UniqueViolation), app_conn.transaction():
            app_conn.execute("SELECT bunker_create_user('{\"login\": \"u1\"}')")
        app_conn.execute(f"SELECT bunker_delete_user('token', '{tokens[3]}')")
        rest = app_conn.execute("FETCH ALL FROM few").fetchall()
    assert first == [("u1",), ("u2",), ("u3",)]
    assert rest[1:] == [(f"u{n}",) for n in range(5, 51)]


@pytest.mark.parametrize(("statement", "sqlstate"), [
    ("CREATE INDEX ON t (bunker_get_user(token))", "42P17"),
    ("CREATE INDEX ON t (login) WHERE bunker_find_token('login', login) IS NULL", "42P17"),
    ("ALTER TABLE t ADD g jsonb GENERATED ALWAYS AS (bunker_get_user(token)) STORED", "42P17"),
])
def test_functions_are_refused_where_results_must_not_change(raises, conn, statement, sqlstate):
    conn.execute("CREATE TABLE t (token uuid, login text)")
    with raises(sqlstate):
        conn.execute(statement)


def test_a_default_and_a_trigger_may_call(conn):
    conn.execute("CREATE TABLE t (login text, "
                 "token uuid DEFAULT bunker_create_user('{\"login\": \"made\"}'))")
    conn.execute("""CREATE FUNCTION known() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN
                        IF bunker_find_token('login', NEW.login) IS NULL THEN
                            RAISE check_violation;
                        END IF;
                        RETURN NEW;
                    END $$""")
    conn.execute("CREATE TRIGGER known BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION known()")
    conn.execute("SELECT bunker_create_user('{\"login\": \"ann\"}')")
    conn.execute("INSERT INTO t (login) VALUES ('ann')")
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("INSERT INTO t VALUES ('zoe', NULL)")
    assert conn.execute("SELECT bunker_lookup('login', 'made') ->> 'token' = token::text FROM t"
                        ).fetchone() == (True,)


def test_a_read_only_transaction_reads_but_does_not_write(raises, app_conn):
    app_conn.execute("SELECT bunker_create_user('{\"login\": \"ann\"}')")
    app_conn.execute("SET default_transaction_read_only = on")
    assert app_conn.execute("SELECT bunker_lookup('login', 'ann') IS NOT NULL").fetchone() == (True,)
    for call in ("bunker_create_user('{\"login\": \"ben\"}')", "bunker_delete_user('login', 'ann')",
                 "bunker_update_user('login', 'ann', '{\"a\": 1}')"):
        with raises("25006"):
            app_conn.execute(f"SELECT {call}")
