"""Who is measured, and the statements each of them answers."""

from dataclasses import dataclass

# A profile as an application sends it: JSON text. The same expression for every contender.
PROFILE = """('{"email": "user' || :n || '@example.com", "phone": "+' || :phone
 || '", "login": "user' || :n || '", "first": "Wilhelmina", "last":
 "Featherstonehaugh", "birthday": "1974-02-28", "language": "en-GB",
 "address": {"street": "221b Upper Baker Street", "city": "Stratford-upon-Avon", "postcode":
 "CV37 6BB", "country": "GB"}}')::jsonb"""

EMAIL = "'user' || :n || '@example.com'"
PHONE = "'+' || :phone"
LOGIN = "'user' || :n"
RANGE = "generate_series(%s::bigint, %s::bigint) i"
AUDIT_TABLES = "relnamespace = 'bunker'::regnamespace AND relname ~ '^audit'"

# pgbench's side of person() and phone() in sql/common.sql.
RANDOM_PERSON = "\\set n (random(1, :users) * 387420489) % 799999999\n"
NEXT_PERSON = """\\set serial :serial + 1
\\set n ((:base + :serial * :clients + :client_id) * 387420489) % 799999999
\\set phone 4915000000000 + :n + CASE WHEN :n >= 300000000 THEN 200000000 ELSE 0 END
"""


@dataclass(frozen=True)
class Contender:
    """One way to keep people.

    `lookup` and `create` are pgbench's statements, `bulk` is one statement for a range of people;
    `tables` is a condition on pg_class that finds what holds them, the audit trail apart.
    """

    name: str
    title: str
    lookup: str
    create: str | None  # None: the same as another contender's
    bulk: str | None
    tables: str = ""
    user: str = "bench"

    @property
    def lookup_script(self) -> str:
        """A pgbench script that looks up a random one of `:users` people by e-mail."""
        return RANDOM_PERSON + self.lookup.format(email=EMAIL) + ";\n"

    @property
    def create_script(self) -> str:
        """A pgbench script that creates a person who was not there, from `:base` upwards."""
        parts = {"email": EMAIL, "phone": PHONE, "login": LOGIN, "profile": PROFILE}
        return NEXT_PERSON + self.create.format(**parts) + ";\n"


def _by_functions(prefix: str, title: str) -> Contender:
    """A contender whose sql/PREFIX.sql has PREFIX_lookup and PREFIX_create."""
    return Contender(
        name=prefix,
        title=title,
        lookup=f"SELECT {prefix}_lookup({{email}})",
        create=f"SELECT {prefix}_create({{profile}})",
        bulk=f"SELECT count({prefix}_create(profile(person(i)))) FROM {RANGE}",
        tables=f"relname = '{prefix}_users'",
    )


PLAIN = Contender(
    name="plain",
    title="plain SQL",
    lookup="SELECT profile FROM plain_users WHERE email = {email}",
    create="INSERT INTO plain_users (email, phone, login, profile)"
           " VALUES ({email}, {phone}, {login}, {profile}) RETURNING token",
    bulk="INSERT INTO plain_users (email, phone, login, profile)"
         " SELECT p->>'email', p->>'phone', p->>'login', p"
         # OFFSET 0 keeps the planner from making each profile four times over.
         f" FROM (SELECT profile(person(i)) FROM {RANGE} OFFSET 0) made (p)",
    tables="relname = 'plain_users'",
)

DATABUNKER = Contender(
    name="databunker",
    title="**databunker**",
    lookup="SELECT bunker_lookup('email', {email})",
    create="SELECT bunker_create_user({profile})",
    bulk="SELECT count(*) FROM bunker_create_users(ARRAY("
         f"SELECT profile(person(i)) FROM {RANGE}))",
    tables="relnamespace = 'bunker'::regnamespace AND relname !~ '^audit'",
)

DATABUNKER_ASYNC = Contender(
    name="databunker_async",
    title="… `audit_reads = async`",
    lookup=DATABUNKER.lookup,
    create=None,
    bulk=None,
    user="bench_async",
)

PLAIN_AUDIT = _by_functions("plain_audit", "plain SQL, with the audit INSERT")

CONTENDERS = (
    PLAIN,
    PLAIN_AUDIT,
    DATABUNKER,
    DATABUNKER_ASYNC,
    _by_functions("raw", "pgcrypto raw AES-CBC and HMAC"),
    _by_functions("raw_audit", "… with the audit INSERT"),
    _by_functions("pgp", "pgcrypto `pgp_sym_encrypt` and HMAC"),
)
