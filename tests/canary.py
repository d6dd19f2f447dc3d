"""Values that occur nowhere else in the world, and a day's work with them."""

import json
import secrets
from dataclasses import dataclass, field, fields

import psycopg
from harness.errors import DIAGNOSTICS


def word() -> str:
    """A name that is found by nothing but a leak of it."""
    return f"kn{secrets.token_hex(8)}"


def mobile() -> str:
    """The ten national digits of a British mobile number."""
    return f"7911{secrets.randbelow(10**6):06}"


# Everything that PostgreSQL can be told to write about statements and their parameters.
TALKATIVE = {
    "log_statement": "all", "log_min_duration_statement": "0", "log_duration": "on",
    "log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1",
    "log_error_verbosity": "verbose", "log_min_messages": "debug5", "debug_print_parse": "on",
    "debug_print_rewritten": "on", "debug_print_plan": "on", "log_lock_waits": "on",
    "log_temp_files": "0", "log_parser_stats": "on", "log_planner_stats": "on",
}


@dataclass
class Canaries:
    """One value for each place where personal data can stand."""

    email: str = field(default_factory=word)
    phone: str = field(default_factory=mobile)
    login: str = field(default_factory=word)
    custom: str = field(default_factory=word)
    name: str = field(default_factory=word)
    key: str = field(default_factory=word)
    patched: str = field(default_factory=word)
    bulk: str = field(default_factory=word)
    refused: str = field(default_factory=word)

    def all(self) -> list[str]:
        """Every value."""
        return [getattr(self, place.name) for place in fields(self)]

    def profile(self) -> dict:
        """A profile that has one at each of its places."""
        return {
            "email": f"{self.email}@example.com", "phone": f"+44 {self.phone}",
            "login": self.login, "custom": self.custom, "name": self.name, self.key: 1,
        }


def days_work(connection: psycopg.Connection, values: Canaries) -> list[psycopg.Error]:
    """Creates, reads, changes, lists and forgets users, and fails in every way; the errors.

    The connection's cursor class decides whether values travel as literals or as parameters.
    """
    errors = []

    def call(statement: str, *arguments):
        try:
            return connection.execute(statement, arguments).fetchall()
        except psycopg.Error as error:
            errors.append(error)
            return None

    profile = values.profile()
    address = profile["email"]
    token = call("SELECT bunker_create_user(%s::text::jsonb)", json.dumps(profile))[0][0]
    bulk = [json.dumps({"login": f"{values.bulk}{n}", "name": values.bulk}) for n in range(50)]
    assert len(call("SELECT * FROM bunker_create_users(%s::text[]::jsonb[])", bulk)) == 50
    assert call("SELECT bunker_lookup('email', %s)", address)[0][0]["profile"] == profile
    assert call("SELECT bunker_get_user(%s)", token)[0][0] == profile
    patch = json.dumps({"nickname": values.patched, "login": values.patched})
    assert call("SELECT bunker_update_user('email', %s, %s::text::jsonb)", address, patch) == [(2,)]
    operations = json.dumps([{"op": "add", "path": f"/{values.key}x", "value": values.patched}])
    call("SELECT bunker_update_user('email', %s, %s::text::jsonb)", address, operations)
    call("SELECT * FROM bunker_list_users()")
    call("SELECT bunker_user_version('email', %s, 1)", address)
    wish = json.dumps({values.key: values.patched})
    request = call("SELECT bunker_request('email', %s, 'change-profile', %s::text::jsonb)",
                   address, wish)[0][0]
    assert call("SELECT bunker_get_request(%s) -> 'change'", request) == [(json.loads(wish),)]
    assert call("SELECT bunker_cancel_request(%s, %s)", request, values.name) == [(True,)]
    assert call("SELECT reason FROM bunker_list_requests(NULL)") == [(values.name,)]
    assert errors == [], errors

    refuse(call, values, address)
    assert len(errors) == len(REFUSED), [error.diag.message_primary for error in errors]
    assert call("SELECT bunker_delete_user('email', %s)", address) == [(True,)]
    return errors


# A statement, and its argument made from a canary.
REFUSED = [
    ("SELECT bunker_create_user(%s::jsonb)", '{{"email": "{email}@example.com"}}'),
    ("SELECT bunker_create_user(%s::jsonb)", '{{"email": "{refused}"}}'),
    ("SELECT bunker_create_user(%s::jsonb)", '{{"phone": "{refused}"}}'),
    ("SELECT bunker_create_user(%s::jsonb)", '{{"name": "{refused}"}}'),
    ("SELECT bunker_create_user(%s::jsonb)", '{{"login": {{"{refused}": "{refused}"}}}}'),
    ("SELECT bunker_create_user(%s::jsonb)", '["{refused}"]'),
    ("SELECT bunker_create_user(%s::jsonb)", '{{"email": {refused}'),
    ("SELECT bunker_create_user(%s::jsonb)", '{{"email": "{refused}\\u0000"}}'),
    ("SELECT * FROM bunker_create_users(ARRAY[%s]::jsonb[])", '{{"email": "{refused}"}}'),
    ("SELECT bunker_lookup(%s, 'x')", "{refused}"),
    ("SELECT bunker_lookup('token', %s)", "{refused}"),
    ("SELECT bunker_lookup('email', %s)", "{refused}"),
    ("SELECT bunker_get_user(%s::uuid)", "{refused}"),
    ("SELECT bunker_delete_user('login', %s)", "{refused}"),
    ("SELECT bunker_update_user('login', 'x', %s::jsonb)", '{{"name": "{refused}"}}'),
    ("SELECT bunker_update_user('login', 'known', %s::jsonb)", '"{refused}"'),
    ("SELECT bunker_update_user('login', 'known', %s::jsonb)",
     '[{{"op": "test", "path": "/{refused}", "value": "{refused}"}}]'),
    ("SELECT bunker_update_user('login', 'known', %s::jsonb)", '[{{"op": "{refused}"}}]'),
    ("SELECT bunker_update_user('login', 'known', %s::jsonb)", '{{"age": "{refused}"}}'),
    ("SELECT bunker_update_user('login', 'known', %s::jsonb)", '{{"fixed": "{refused}"}}'),
    ("SELECT bunker_update_user('login', 'known', %s::jsonb)", '{{"login": "{bulk}1"}}'),
    ("SELECT bunker_create_user((%s || repeat('x', 2000000) || '\"}}')::jsonb)",
     '{{"login": "{refused}'),
    ("SELECT bunker_create_user((%s || repeat('[', 200) || repeat(']', 200) || '}}')::jsonb)",
     '{{"login": "{refused}", "deep": '),
    ("SELECT bunker_request('login', 'known', %s)", "{refused}"),
    ("SELECT bunker_request('login', 'known', 'change-profile', %s::jsonb)", '{{"age": "{refused}"}}'),
    ("SELECT bunker_list_requests(%s)", "{refused}"),
    ("SELECT bunker_approve_request(gen_random_uuid(), %s)", "{refused}"),
    ("SELECT bunker_set_user_schema(%s::jsonb)", '{{"type": "{refused}"}}'),
    ("SELECT bunker_set_user_schema(%s::jsonb)", '{{"$ref": "http://{refused}.example"}}'),
    ("SELECT bunker_add_lookup(%s, '/x')", "{refused} !"),
    ("SELECT bunker_add_lookup('x', %s)", "{refused}"),
    ("SELECT bunker_add_lookup('x', '/x', %s)", "{refused}"),
]
SCHEMA = '{"properties": {"age": {"type": "integer"}, "fixed": {"locked": true}}}'


def refuse(call, values: Canaries, address: str) -> None:
    """Every way to fail that has a value near it."""
    call("SELECT bunker_create_user('{\"login\": \"known\", \"fixed\": 1}')")
    call("SELECT bunker_set_user_schema(%s::jsonb)", SCHEMA)
    places = {place.name: getattr(values, place.name) for place in fields(values)}
    for statement, argument in REFUSED:
        # psycopg reads %% only where there are parameters, which there always are.
        call(statement.replace("}}", "}"), argument.format(**places))


def fields_showing(error: psycopg.Error, needles: list[str]) -> list[str]:
    """The fields of an error that show one of the values.

    Not the exception's text: there libpq points at the place in the statement that it has itself.
    """
    texts = {name: str(getattr(error.diag, name) or "") for name in DIAGNOSTICS}
    return [f"{name}: {text}" for name, text in texts.items()
            if any(needle in text for needle in needles)]
