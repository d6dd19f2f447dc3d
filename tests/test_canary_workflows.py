"""What the privacy workflows are told is found nowhere outside of the vault: not on disk, not in the log."""

import json
from collections import defaultdict

import psycopg
import pytest
from canary import TALKATIVE, fields_showing, word

from harness import Cluster

CURSORS = {"literals": psycopg.ClientCursor, "parameters": psycopg.Cursor}


@pytest.fixture(scope="module")
def server():
    """A server that writes down all it can."""
    with Cluster(TALKATIVE) as cluster:
        yield cluster


class Day:
    """A day's work with one user, in which every value is a canary under a name of its own."""

    def __init__(self, connection: psycopg.Connection):
        self.connection = connection
        self.values = defaultdict(word)
        self.login, self.address = self.values["login"], f"{self.values['email']}@example.com"

    def call(self, function: str, *arguments):
        """The first column of a call's rows, for a user by default; a dict goes in as jsonb text."""
        places = ", ".join(f"${n}" for n in range(1, len(arguments) + 1))
        for number, argument in enumerate(arguments, 1):
            cast = "%s::text::jsonb" if isinstance(argument, dict) else "%s"
            places = places.replace(f"${number}", cast, 1)
        plain = [json.dumps(a) if isinstance(a, dict) else a for a in arguments]
        found = self.connection.execute(f"SELECT * FROM {function}({places})", plain).fetchall()
        return found[0][0] if found else None

    def mine(self, function: str, *arguments):
        """The same about the user."""
        return self.call(function, "login", self.login, *arguments)

    def work(self) -> None:
        """Everything that can be done to a user but to forget him."""
        self.call("bunker_set_legal_basis", "news", {"basistype": "consent"})
        self.call("bunker_accept_agreement", "email", self.address, "news",
                  {"referencecode": self.values["early"]})
        self.call("bunker_create_user", {"login": self.login, "email": self.address,
                                         "name": self.values["name"]})
        self.belongings()
        self.consents()
        self.requests()
        self.identity()
        assert self.values["name"] in json.dumps(self.mine("bunker_user_report"))
        assert self.values["partner"] in self.mine("bunker_user_report_html")
        assert self.call("bunker_events", 0, 100)
        self.mine("bunker_start_expiration")
        self.mine("bunker_expiration")
        self.mine("bunker_cancel_expiration")
        self.call("bunker_maintain")

    def belongings(self) -> None:
        """App data, sessions, shares."""
        self.mine("bunker_set_app", "shop", {"cart": self.values["app"]})
        self.mine("bunker_update_app", "shop", {self.values["app key"]: 1})
        assert self.values["app key"] in self.mine("bunker_get_app", "shop")
        session = self.mine("bunker_create_session", {"agent": self.values["session"]})
        assert self.call("bunker_get_session", session) == {"agent": self.values["session"]}
        assert self.mine("bunker_list_sessions") == session
        share = self.mine("bunker_share", ["name", self.values["field"]], None, None,
                          self.values["partner"])
        assert self.call("bunker_get_shared", share)["name"] == self.values["name"]

    def consents(self) -> None:
        """Agreements."""
        options = {"referencecode": self.values["reference"], "lastmodifiedby": self.values["clerk"]}
        self.mine("bunker_accept_agreement", "news", options)
        assert self.values["reference"] in json.dumps(self.mine("bunker_get_agreement", "news"))
        self.mine("bunker_list_agreements")
        self.mine("bunker_withdraw_agreement", "news")

    def requests(self) -> None:
        """Requests, approved and cancelled."""
        wish = self.mine("bunker_request", "change-app-data", {"cart": self.values["wish"]}, "shop")
        assert self.values["wish"] in json.dumps(self.call("bunker_get_request", wish))
        self.call("bunker_cancel_request", wish, self.values["reason"])
        self.mine("bunker_request", "change-profile", {"name": self.values["second wish"]})
        self.mine("bunker_user_requests")

    def identity(self) -> None:
        """Access tokens and logins. A token is a canary, too."""
        token = self.call("bunker_create_access_token", "web", "bunker_app")
        code = self.mine("bunker_login_code")
        own = self.mine("bunker_login", code)
        for text in (token, own):
            self.values[f"token {text}"] = text
            with self.connection.transaction():
                self.call("bunker_authenticate", text)
                assert self.mine("bunker_find_token")


@pytest.mark.parametrize("protocol", CURSORS)
@pytest.mark.parametrize("ends", ["lives", "forgotten"])
def test_a_days_work_leaves_no_value_behind(server, protocol, ends):
    db = server.create_db(f"day_{protocol}_{ends}")
    with server.connect(db, cursor_factory=CURSORS[protocol]) as connection:
        day = Day(connection)
        day.work()
        if ends == "forgotten":
            assert day.mine("bunker_delete_user") is True
        connection.execute("VACUUM ANALYZE")
    found = {name: server.files_holding(value.encode()) for name, value in day.values.items()}
    assert {name: files for name, files in found.items() if files} == {}


# Every function, every argument --------------------------------------------------------------------

FUNCTIONS = """
    SELECT p.proname, p.proargnames[:p.pronargs],
           ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a(t, n)
                  ORDER BY n)
      FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.deptype = 'e'
                        JOIN pg_extension AS e ON e.oid = d.refobjid
     WHERE e.extname = 'databunker' AND p.proname LIKE 'bunker%' AND p.pronargs > 0
     ORDER BY 1"""
USABLE = {"text": "abc", "uuid": "11111111-1111-4111-8111-111111111111", "jsonb": "{}", "integer": "1",
          "bigint": "1", "interval": "1 hour", "text[]": "{a}", "uuid[]": "{}", "jsonb[]": "{}"}
NAMED = {"kind": "login", "value": "known", "action": "change-profile"}
HOLDING = {"text": "VALUE", "jsonb": '{"VALUE": "VALUE"}', "text[]": "{VALUE}",
           "jsonb[]": '{"{\\"login\\": \\"VALUE\\"}"}'}


def calls(name: str, names: list[str], types: list[str]):
    """Statements and their arguments, in each of which one argument holds VALUE: as one that its type
    takes, and as one that no type but text does."""
    for place, kind in enumerate(types):
        for holding in {HOLDING.get(kind, "VALUE"), '{"VALUE'}:
            arguments = [NAMED.get(n, USABLE[t]) for n, t in zip(names, types, strict=True)]
            arguments[place] = holding
            yield f"SELECT * FROM {name}({', '.join(f'%s::{t}' for t in types)})", arguments


@pytest.mark.parametrize("protocol", CURSORS)
def test_no_argument_of_any_function_is_logged(server, protocol):
    """By log_statement = all and all else that there is, whether the call succeeds or fails."""
    db = server.create_db(f"all_{protocol}")
    shown, done = [], 0
    with server.connect(db, cursor_factory=CURSORS[protocol]) as connection:
        connection.execute("SELECT bunker_create_user('{\"login\": \"known\"}')")
        connection.execute("SELECT bunker_set_app('login', 'known', 'abc', '{}')")
        functions = connection.execute(FUNCTIONS).fetchall()
        for function in functions:
            for statement, arguments in calls(*function):
                value, mark, errors = word(), server.log_mark(), []
                try:
                    connection.execute(statement, [a.replace("VALUE", value) for a in arguments])
                except psycopg.Error as error:
                    errors = [error.sqlstate] if error.sqlstate == "XX000" else []
                    # What PostgreSQL itself cannot read as the argument's type it quotes to the client.
                    if error.sqlstate != "22P02":
                        errors += fields_showing(error, [value])
                shown += [(function[0], line) for line in errors]
                shown += [(function[0], line) for line in server.log(mark).splitlines() if value in line]
                done += 1
    assert shown == []
    assert len(functions) > 55 and done > 150, (len(functions), done)
