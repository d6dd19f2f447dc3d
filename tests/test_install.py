"""CREATE EXTENSION where somebody has prepared the ground, and DROP and CREATE again."""

import pytest


@pytest.fixture
def bare(cluster):
    """A connection to a database without the extension."""
    name = cluster.create_db("bare", extension=False)
    with cluster.connect(name) as connection:
        yield connection
    cluster.drop_db(name)


def create(connection, login: str = "ann"):
    connection.execute(f"SELECT bunker_create_user('{{\"login\": \"{login}\"}}')")


def found(connection, login: str = "ann") -> bool:
    return connection.execute(f"SELECT bunker_lookup('login', '{login}') IS NOT NULL").fetchone()[0]


@pytest.mark.parametrize("attribute", ["LOGIN", "SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION",
                                       "BYPASSRLS"])
@pytest.mark.parametrize("role", ["bunker_reader", "bunker_app", "bunker_dpo", "bunker_admin"])
def test_a_prepared_role_is_refused(raises, bare, role, attribute):
    bare.execute(f"ALTER ROLE {role} {attribute}")
    try:
        with raises("42710") as refusal:
            bare.execute("CREATE EXTENSION databunker")
        assert refusal.error.diag.message_hint
    finally:
        bare.execute(f"ALTER ROLE {role} NO{attribute}")
    bare.execute("CREATE EXTENSION databunker")


@pytest.mark.parametrize(("prepared", "sqlstate"), [
    ("CREATE SCHEMA bunker", "42P06"),
    ("CREATE FUNCTION bunker_lookup(text, text) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'",
     "42723"),
    ("CREATE FUNCTION bunker_status() RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'", "42723"),
])
def test_a_prepared_object_is_refused(raises, bare, prepared, sqlstate):
    bare.execute(prepared)
    with raises(sqlstate):
        bare.execute("CREATE EXTENSION databunker")
    assert bare.execute("SELECT count(*) FROM pg_extension WHERE extname = 'databunker'").fetchone() == (0,)


def test_an_ordinary_role_cannot_install(cluster, raises, bare):
    bare.execute("DO $$ BEGIN CREATE ROLE test_owner LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    bare.execute("ALTER DATABASE bare OWNER TO test_owner")
    with cluster.connect("bare", "test_owner") as owner, raises("42501"):
        owner.execute("CREATE EXTENSION databunker")


def test_a_database_of_another_encoding_is_refused(cluster, raises):
    with cluster.connect() as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with cluster.connect("latin") as connection, raises("0A000") as refusal:
            connection.execute("CREATE EXTENSION databunker")
        assert "UTF8" in refusal.error.diag.message_hint
    finally:
        cluster.drop_db("latin")


def test_two_databases_are_two_vaults(cluster, conn, bare):
    bare.execute("CREATE EXTENSION databunker")
    create(conn)
    assert not found(bare)
    create(bare)
    assert found(conn) and found(bare)


def test_dropped_and_created_again_in_one_session(cluster, bare):
    """What the backend remembers of tables, kinds, keys and plans must go with the extension."""
    for _ in range(3):
        bare.execute("CREATE EXTENSION databunker")
        create(bare)
        bare.execute("SELECT bunker_update_user('login', 'ann', '{\"age\": 1}')")
        bare.execute("SELECT bunker_add_lookup('badge', '/badge')")
        bare.execute("SELECT bunker_set_user_schema('{\"required\": [\"login\"]}')")
        assert found(bare)
        assert bare.execute("SELECT count(*) FROM bunker_audit_all()").fetchone()[0] > 2
        bare.execute("DROP EXTENSION databunker")
        assert bare.execute("SELECT to_regclass('bunker.record')").fetchone() == (None,)


def test_a_create_undone_can_be_repeated_in_the_session(bare):
    bare.execute("BEGIN")
    bare.execute("CREATE EXTENSION databunker")
    create(bare)
    bare.execute("ROLLBACK")
    bare.execute("CREATE EXTENSION databunker")
    assert not found(bare)
    create(bare)
    assert found(bare)


def test_prepared_statements_outlive_a_drop_and_create(bare):
    bare.execute("CREATE EXTENSION databunker")
    bare.execute("PREPARE look AS SELECT bunker_lookup('login', 'ann') IS NOT NULL")
    create(bare)
    assert bare.execute("EXECUTE look").fetchone() == (True,)
    bare.execute("DROP EXTENSION databunker")
    bare.execute("CREATE EXTENSION databunker")
    assert bare.execute("EXECUTE look").fetchone() == (False,)


def test_another_schema_is_taken(bare):
    bare.execute("CREATE SCHEMA vault")
    bare.execute("CREATE EXTENSION databunker SCHEMA vault")
    bare.execute("SELECT vault.bunker_create_user('{\"login\": \"ann\"}')")
    token = bare.execute("SELECT vault.bunker_find_token('login', 'ann')").fetchone()[0]
    assert token is not None
    assert bare.execute("SELECT vault.bunker_delete_user('token', %s)", [str(token)]).fetchone() == (True,)


def test_a_drop_while_others_are_at_work_breaks_nobody(cluster, bare):
    bare.execute("CREATE EXTENSION databunker")
    with cluster.connect("bare") as other:
        create(other)
        bare.execute("DROP EXTENSION databunker")
        bare.execute("CREATE EXTENSION databunker")
        assert not found(other)
        create(other)
        assert found(bare)
