"""bunker-sync import-table: the users of an existing table come into the vault."""

import json
import re
import stat

import pytest

from harness.sync import FAILED, NOT_FOUND, REFUSED, SKIPPED, USAGE, sync, vault
from harness.tables import MAP, TABLE, TOKENS, compare, importer, make


@pytest.fixture
def bring(cluster, db):
    """bring(*arguments, table=…, check=…): the tool, as a role that holds just bunker_admin."""
    return importer(cluster, db)


@pytest.fixture
def report(cluster):
    """A file for reports that the tool may write."""
    path = cluster.root / "report.jsonl"
    yield path
    path.unlink(missing_ok=True)


def lines_of(report) -> list[dict]:
    return [json.loads(line) for line in report.read_text().splitlines()]


def profile(conn, key: int, table: str = TABLE) -> dict:
    return conn.execute(
        f"SELECT bunker_get_user(token::uuid) FROM {table} WHERE id = %s", [key]).fetchone()[0]


def test_each_row_becomes_a_user_and_has_his_token(conn, bring):
    make(conn, rows=1203)
    said = bring(*MAP, *TOKENS, "--batch", "100").stdout
    assert said.startswith("1203 users brought in, 0 rows left, ")
    assert compare(conn).done == 1203
    assert profile(conn, 777) == {"email": "person777@example.com", "name": "Person 777"}
    assert conn.execute("""SELECT bool_and(token = bunker_find_token('email', mail))
                             FROM shop.users WHERE id % 100 = 7""").fetchone()[0]


@pytest.mark.parametrize("column, good, bad, sqlstate, options", [
    ("since text", "2020-01-01", "canary-n/a", "22007", ["--created-at", "since"]),
    ("more json", '{"a": 1}', '{"a": "canary\\u0000"}', "22P05", ["--map", "more=more"]),
])
def test_a_row_that_the_whole_statement_fails_over_is_named_and_left(
        conn, bring, report, column, good, bad, sqlstate, options):
    make(conn, rows=300)
    name = column.split()[0]
    conn.execute(f"ALTER TABLE shop.users ADD {column}")
    conn.execute(f"UPDATE shop.users SET {name} = CASE WHEN id IN (7, 8, 250) THEN %s ELSE %s END::"
                 + column.split()[1], [bad, good])
    rehearsed = bring(*MAP, *TOKENS, *options, "--dry-run", check=SKIPPED)
    assert "297 users would be brought in, 3 rows would be left" in rehearsed.stdout
    done = bring(*MAP, *TOKENS, *options, "--report", report, check=SKIPPED)
    assert done.stdout.startswith("297 users brought in, 3 rows left, ")
    assert "canary" not in rehearsed.stderr + done.stderr + report.read_text()
    assert [(line["key"], line["sqlstate"]) for line in lines_of(report)] == [
        ({"id": str(key)}, sqlstate) for key in (7, 8, 250)]
    conn.execute(f"UPDATE shop.users SET {name} = NULL WHERE token IS NULL")
    assert bring(*MAP, *TOKENS, *options).stdout.startswith("3 users brought in, 0 rows left, ")
    assert compare(conn).done == 300


def test_a_batch_that_is_too_large_for_one_array_is_made_smaller(conn, bring):
    make(conn, rows=150)
    conn.execute("ALTER TABLE shop.users ADD notes text")
    conn.execute("UPDATE shop.users SET notes = repeat('x', 2600000) WHERE id > 20")
    done = bring(*MAP, *TOKENS, "--map", "notes=notes", "--batch", "150", check=SKIPPED)
    assert done.stdout.startswith("20 users brought in, 130 rows left, ")
    assert done.stderr.count("(54000)") == 130


def test_it_says_how_the_plain_columns_go_and_that_works(conn, bring):
    make(conn, rows=2)
    said = bring(*MAP, *TOKENS).stdout
    assert "VACUUM FULL shop.users;" in said and "backups" in said
    for statement in re.findall(r"^  (.*?;)", said, re.MULTILINE):
        conn.execute(statement)
    columns = conn.execute("SELECT * FROM shop.users").description
    assert [column.name for column in columns] == ["id", "visits", "token"]


def test_values_are_what_to_jsonb_makes_of_them(conn, bring):
    make(conn)
    conn.execute("""ALTER TABLE shop.users
        ADD exact numeric(40,20) DEFAULT 12345678901234567890.12345678901234567890,
        ADD big bigint DEFAULT 9223372036854775807, ADD ratio float8 DEFAULT 0.1,
        ADD flag boolean DEFAULT false, ADD born date DEFAULT '1985-02-03',
        ADD seen timestamptz DEFAULT '2024-05-06 07:08:09.123456+02',
        ADD local timestamp DEFAULT '2024-05-06 07:08:09',
        ADD tags text[] DEFAULT '{"a b",NULL,"c\\"d"}', ADD tree jsonb DEFAULT '{"a":{"b":[1,null]}}',
        ADD raw json DEFAULT '{"x": 1.50}', ADD nothing text, ADD null_inside jsonb DEFAULT 'null',
        ADD span interval DEFAULT '1 day 2 hours', ADD bytes bytea DEFAULT '\\xdeadbeef'""")
    conn.execute("""INSERT INTO shop.users (id, mail, full_name) VALUES (1, 'ann@example.com',
                    E'O''Neil "\\\\" \\n\\t ☃ 🎈 é')""")
    bring("--map", "email=mail", "--map-rest", *TOKENS)
    conn.execute("SET TimeZone = 'UTC'; SET IntervalStyle = 'iso_8601'")
    assert conn.execute("""
        SELECT bunker_get_user(token) = jsonb_build_object('email', mail)
               || (to_jsonb(u) - '{id,mail,token,nothing}'::text[]) FROM shop.users AS u
        """).fetchone() == (True,)
    assert profile(conn, 1)["tree"] == {"a": {"b": [1, None]}}
    assert profile(conn, 1)["full_name"] == 'O\'Neil "\\" \n\t ☃ 🎈 é'
    assert conn.execute("SELECT bunker_get_user(token) ->> 'exact' FROM shop.users").fetchone() == (
        "12345678901234567890.12345678901234567890",)


def test_members_of_objects_and_names_with_dots(conn, bring):
    make(conn, rows=2)
    conn.execute("ALTER TABLE shop.users ADD town text, ADD street text; "
                 "UPDATE shop.users SET town = 'Leeds' WHERE id = 1")
    bring("--map", "email=mail", "--map", "address.city=town", "--map", "address.geo.street=street",
          "--map", r"full\.name=full_name", "--column", "visits", *TOKENS)
    assert profile(conn, 1) == {"email": "person1@example.com", "full.name": "Person 1", "visits": 0,
                                "address": {"city": "Leeds"}}
    assert "address" not in profile(conn, 2)


WEIRD = 'We"ird.\'; DROP TABLE x; --\\ ☃'


def test_names_are_quoted_whatever_they_hold(cluster, conn, bring):
    quoted = '"' + WEIRD.replace('"', '""') + '"'
    table = f"{quoted}.{quoted}"
    conn.execute(f"CREATE SCHEMA {quoted}; GRANT USAGE ON SCHEMA {quoted} TO test_admin")
    conn.execute(f"""CREATE TABLE {table} (id integer, {quoted} text, "E-Mail" text, k text, profile text,
                                           created text, n text, "Token" text, PRIMARY KEY (id, k))""")
    conn.execute(f"INSERT INTO {table} VALUES (1, 'val''ue', 'ann@example.com', 'k', 'p', 'c', 'n')")
    conn.execute(f"ALTER TABLE {table} OWNER TO test_admin")
    for standard in ["on", "off"]:
        conn.execute(f"ALTER ROLE test_admin SET standard_conforming_strings = {standard}")
        conn.execute(f'UPDATE {table} SET "Token" = NULL, "E-Mail" = %s', [f"{standard}@example.com"])
        member = WEIRD.replace("\\", r"\\").replace(".", r"\.")
        bring("--map", f"{member}={WEIRD}", "--map", "email=E-Mail", "--map-rest",
              "--token-column", "Token", "--add-column", table=table)
        found = conn.execute(f'SELECT bunker_get_user("Token"::uuid) FROM {table}').fetchone()[0]
        assert found == {WEIRD: "val'ue", "email": f"{standard}@example.com", "profile": "p",
                         "created": "c", "n": "n"}
    conn.execute("ALTER ROLE test_admin RESET standard_conforming_strings")


def test_bad_rows_are_told_one_by_one_and_the_others_come(cluster, conn, bring, report):
    make(conn, rows=20)
    conn.execute("""SELECT bunker_create_user('{"email": "person3@example.com"}');
                    UPDATE shop.users SET mail = 'PERSON4@example.com' WHERE id = 5;
                    UPDATE shop.users SET mail = 'no address' WHERE id = 7;
                    UPDATE shop.users SET mail = NULL WHERE id = 9;
                    UPDATE shop.users SET full_name = repeat('x', 2000000) WHERE id = 11""")
    mark = cluster.log_mark()
    done = bring(*MAP, *TOKENS, "--batch", "4", "--report", report, check=SKIPPED)
    told = {int(key): state for key, state in
            re.findall(r"^shop\.users: id (\d+): .*\((\w{5})\)$", done.stderr, re.MULTILINE)}
    assert told == {3: "23505", 5: "23505", 7: "22023", 9: "22023", 11: "54000"}
    assert {int(line["key"]["id"]): line["sqlstate"] for line in lines_of(report)} == told
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert done.stdout.startswith("15 users brought in, 5 rows left, ")
    for shown in [done.stdout, done.stderr, report.read_text(), cluster.log(mark)]:
        assert not re.search(r"(?i)person|no address|xxxx", shown)
    again = bring(*MAP, *TOKENS, check=SKIPPED)
    assert again.stdout.startswith("0 users brought in, 5 rows left, ")
    conn.execute("UPDATE shop.users SET mail = 'n' || id || '@example.com', full_name = 'x' WHERE token IS NULL")
    assert bring(*MAP, *TOKENS).stdout.startswith("5 users brought in, 0 rows left, ")


def test_a_key_that_may_be_personal_stands_in_the_report_only(conn, bring, report):
    make(conn, rows=3)
    conn.execute("""ALTER TABLE shop.users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (mail);
                    UPDATE shop.users SET mail = 'not an address' WHERE id = 2""")
    done = bring(*MAP, *TOKENS, check=SKIPPED)
    assert "not an address" not in done.stdout + done.stderr
    assert re.search(r"^shop\.users: mail .*--report.*\(22023\)$", done.stderr, re.MULTILINE)
    done = bring(*MAP, *TOKENS, "--report", report, check=SKIPPED)
    assert "not an address" not in done.stdout + done.stderr
    assert [line["key"] for line in lines_of(report)] == [{"mail": "not an address"}]


@pytest.mark.parametrize("kind, value, wanted", [
    ("timestamptz", "2019-03-04 05:06:07+02", "2019-03-04T03:06:07"),
    ("timestamp", "2019-03-04 05:06:07", "2019-03-04T05:06:07"),
    ("date", "2019-03-04", "2019-03-04T00:00:00"),
    ("bigint", "1551676167", "2019-03-04T05:09:27"),
])
def test_users_are_as_old_as_their_rows(conn, bring, kind, value, wanted):
    make(conn, rows=2)
    conn.execute(f"ALTER TABLE shop.users ADD since {kind}")
    conn.execute("UPDATE shop.users SET since = %s WHERE id = 1", [value])
    conn.execute("ALTER ROLE test_admin SET TimeZone = 'Asia/Tokyo'")
    try:
        bring(*MAP, *TOKENS, "--created-at", "since")
    finally:
        conn.execute("ALTER ROLE test_admin RESET TimeZone")
    created = dict(conn.execute("""SELECT id, bunker_lookup('token', token::text) ->> 'created_at'
                                     FROM shop.users""").fetchall())
    assert created[1].startswith(wanted)
    assert created[2] > "2025"


@pytest.mark.parametrize("kind", ["uuid", "text", "varchar(36)", "varchar"])
def test_tokens_go_into_columns_of_uuid_or_text(conn, bring, kind):
    make(conn, rows=3)
    conn.execute(f"ALTER TABLE shop.users ALTER token TYPE {kind}")
    bring(*MAP, *TOKENS)
    assert compare(conn).done == 3


@pytest.mark.parametrize("change", [
    "ALTER token TYPE integer USING NULL", "ALTER token TYPE varchar(35)", "ALTER token SET NOT NULL",
    "DROP token", "ALTER token SET DEFAULT gen_random_uuid()",
])
def test_a_column_that_cannot_take_tokens_is_refused(conn, bring, change):
    make(conn)
    conn.execute(f"ALTER TABLE shop.users {change}")
    assert "token" in bring(*MAP, *TOKENS, check=USAGE).stderr


def test_the_token_column_is_added_when_asked_for(conn, bring):
    make(conn, rows=3)
    conn.execute("ALTER TABLE shop.users DROP token")
    bring(*MAP, *TOKENS, "--add-column", "--dry-run")
    bring(*MAP, *TOKENS, check=USAGE)
    said = bring(*MAP, *TOKENS, "--add-column").stdout
    assert said.startswith('added the column "token" uuid UNIQUE to shop.users\n')
    assert compare(conn).done == 3
    assert conn.execute("""SELECT indexdef FROM pg_indexes WHERE tablename = 'users'
                              AND indexdef LIKE '%%UNIQUE%%(token)'""").fetchone()
    assert "added" not in bring(*MAP, *TOKENS, "--add-column").stdout


def test_a_dry_run_meets_what_a_real_one_would_and_changes_nothing(conn, bring):
    make(conn, rows=9)
    conn.execute("UPDATE shop.users SET mail = 'person1@example.com' WHERE id = 8")
    before = conn.execute("SELECT xmin, * FROM shop.users ORDER BY id").fetchall()
    done = bring(*MAP, *TOKENS, "--batch", "2", "--dry-run", check=SKIPPED)
    assert done.stdout == "dry run: 8 users would be brought in, 1 rows would be left\n"
    assert re.search(r"id 8: .*\(23505\)", done.stderr)
    assert conn.execute("SELECT xmin, * FROM shop.users ORDER BY id").fetchall() == before
    assert compare(conn).done == 0


def test_only_the_rows_that_are_wanted_come(conn, bring):
    make(conn, rows=10)
    said = bring(*MAP, *TOKENS, "--where", "id % 2 = 0 OR id = 1 -- these").stdout
    assert said.startswith("6 users brought in, 0 rows left, ") and "DROP COLUMN" not in said
    assert compare(conn).left == 4


@pytest.mark.parametrize("key", ["id timestamptz", "id numeric(40,20)", "id uuid", "id bytea", "id date",
                                 "id char(8)", 'id text COLLATE "C"', "id float8", "id varchar(40)"])
def test_rows_are_paged_by_keys_of_any_type(conn, bring, key):
    kind = key.split(" ", 1)[1].split(" COLLATE")[0]
    value = {"timestamptz": "now() + n * interval '1 second'", "date": "current_date + n",
             "uuid": "gen_random_uuid()", "bytea": "decode(md5(n::text), 'hex')",
             "char(8)": "n::text", "float8": "n / 7.0"}.get(kind, "n")
    make(conn)
    conn.execute(f"""ALTER TABLE shop.users DROP id, ADD {key} PRIMARY KEY;
        INSERT INTO shop.users (id, mail) SELECT {value}, 'p' || n || '@example.com'
          FROM generate_series(1, 50) AS n""")
    bring("--map", "email=mail", *TOKENS, "--batch", "7")
    assert compare(conn).done == 50


def test_a_key_of_several_columns_and_one_that_is_not_primary(conn, bring):
    make(conn, rows=50)
    conn.execute("""ALTER TABLE shop.users DROP CONSTRAINT users_pkey, ADD part text;
                    UPDATE shop.users SET part = chr(65 + id % 3), id = id / 3""")
    assert "--key" in bring(*MAP, *TOKENS, check=USAGE).stderr
    conn.execute("CREATE UNIQUE INDEX ON shop.users (part, id)")
    bring(*MAP, *TOKENS, "--key", "id,part", check=USAGE)  # they may be NULL
    conn.execute("ALTER TABLE shop.users ALTER part SET NOT NULL, ALTER id SET NOT NULL")
    bring(*MAP, *TOKENS, "--key", "id", check=USAGE)
    bring(*MAP, *TOKENS, "--key", "id,part", "--batch", "7")
    assert compare(conn).done == 50


@pytest.mark.parametrize("arguments", [
    [], ["--map", "email"], ["--map", "email=nowhere"], ["--map", "a..b=mail"],
    ["--map", "email=mail", "--map", "email=full_name"], ["--map", "a=mail", "--map", "a.b=full_name"],
    ["--map", "email=mail", "--batch", "0"], ["--map", "email=mail", "--created-at", "nowhere"],
    ["--map", "email=mail", "--key", "nowhere"], ["--map", "email=mail", "--map", "t=token"],
])
def test_arguments_that_make_no_sense_are_refused(conn, bring, arguments):
    make(conn, rows=1)
    bring(*arguments, *TOKENS, check=USAGE)
    assert compare(conn).done == 0


def test_what_is_no_table_and_what_is_no_vault_are_told(cluster, conn, bring):
    make(conn)
    conn.execute("CREATE VIEW shop.people AS SELECT * FROM shop.users")
    bring(*MAP, *TOKENS, table="shop.people", check=USAGE)
    bring(*MAP, *TOKENS, table="shop.nobody", check=NOT_FOUND)
    sync("import-table", TABLE, *MAP, *TOKENS, env=vault(cluster, "postgres"), check=NOT_FOUND)
    sync("import-table", TABLE, *MAP, *TOKENS, "--vault", "password=hunter2", check=USAGE)


# Privileges -----------------------------------------------------------------------------------


def test_rights_on_the_columns_concerned_are_enough(conn, bring):
    make(conn, rows=5, owner="test_reader")
    conn.execute("""GRANT USAGE ON SCHEMA shop TO test_admin;
                    GRANT SELECT (id, mail, full_name, token) ON shop.users TO test_admin""")
    assert "42501" in bring(*MAP, *TOKENS, check=FAILED).stderr
    assert compare(conn).done == 0
    conn.execute("GRANT UPDATE (token) ON shop.users TO test_admin")
    assert "42501" in bring(*MAP, "--column", "visits", *TOKENS, check=FAILED).stderr
    bring(*MAP, *TOKENS)
    assert compare(conn).done == 5


def test_without_bunker_admin_nothing_comes(cluster, db, conn):
    make(conn, rows=5, owner="test_app")
    assert "42501" in importer(cluster, db, "test_app")(*MAP, *TOKENS, check=FAILED).stderr
    assert compare(conn).done == 0


def test_a_table_that_keeps_no_tokens_gets_no_users(conn, bring):
    make(conn, rows=5)
    conn.execute("""CREATE FUNCTION shop.no() RETURNS trigger LANGUAGE plpgsql AS $$
                        BEGIN RETURN NULL; END $$;
                    CREATE TRIGGER no BEFORE UPDATE ON shop.users FOR EACH ROW EXECUTE FUNCTION shop.no()""")
    bring(*MAP, *TOKENS, check=REFUSED)
    assert compare(conn).done == 0


def test_a_trigger_that_puts_the_tokens_back_gets_no_users(conn, bring):
    make(conn, rows=5)
    conn.execute("""CREATE FUNCTION shop.back() RETURNS trigger LANGUAGE plpgsql AS $$
                        BEGIN NEW.token := OLD.token; RETURN NEW; END $$;
                    CREATE TRIGGER back BEFORE UPDATE ON shop.users FOR EACH ROW
                        EXECUTE FUNCTION shop.back()""")
    bring(*MAP, *TOKENS, check=REFUSED)
    assert compare(conn).done == 0


def test_rows_that_the_key_does_not_name_are_not_mixed_up(conn, bring):
    make(conn, rows=5)
    conn.execute("""CREATE TABLE shop.vips () INHERITS (shop.users);
                    INSERT INTO shop.vips (id, mail) VALUES (1, 'vip@example.com')""")
    assert "inherit" in bring(*MAP, *TOKENS, check=USAGE).stderr
    assert compare(conn).done == 0


def test_rows_that_a_policy_hides_are_not_passed_over(conn, bring):
    make(conn, rows=5, owner="test_reader")
    conn.execute("""GRANT USAGE ON SCHEMA shop TO test_admin;
                    GRANT SELECT, UPDATE ON shop.users TO test_admin;
                    ALTER TABLE shop.users ENABLE ROW LEVEL SECURITY;
                    CREATE POLICY odd ON shop.users USING (id < 3)""")
    assert "42501" in bring(*MAP, *TOKENS, check=FAILED).stderr
    assert compare(conn).done == 0


def test_a_role_that_has_all_names_quoted_is_served_as_well(cluster, db, conn):
    role = f"quoting_{db}"
    conn.execute(f"CREATE ROLE {role} LOGIN IN ROLE bunker_admin")
    conn.execute(f"ALTER ROLE {role} SET quote_all_identifiers = on")
    make(conn, rows=5, owner=role)
    importer(cluster, db, role)(*MAP, *TOKENS, "--batch", "2")
    assert compare(conn).done == 5
    conn.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_an_error_over_data_does_not_quote_them(cluster, conn, bring):
    make(conn, rows=5)
    mark = cluster.log_mark()
    done = bring(*MAP, *TOKENS, "--where", "full_name::integer > 0", check=FAILED)
    assert "22P02" in done.stderr and "Person" not in done.stderr + cluster.log(mark)
    # What a trigger of the table's owner says goes into the log, but not to the tool's output.
    conn.execute("""CREATE FUNCTION shop.tell() RETURNS trigger LANGUAGE plpgsql AS $$
                        BEGIN RAISE 'changed: %', NEW; END $$;
                    CREATE TRIGGER tell AFTER UPDATE ON shop.users
                        FOR EACH ROW EXECUTE FUNCTION shop.tell()""")
    done = bring(*MAP, *TOKENS, check=SKIPPED)
    assert "P0001" in done.stderr and "Person" not in done.stderr
    assert compare(conn).done == 0


def test_the_trail_names_users_by_their_tokens_alone(conn, dpo_conn, bring):
    make(conn, rows=5)
    bring(*MAP, *TOKENS)
    events = dpo_conn.execute("SELECT * FROM bunker_audit_all()").fetchall()
    tokens = {row[0] for row in conn.execute("SELECT token FROM shop.users")}
    assert tokens <= {event[6] for event in events}
    assert not re.search("(?i)person", str(events))
