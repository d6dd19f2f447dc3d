"""What a bundle holds: applied to a mirror in memory, and compared with the vault's own tables."""

import hashlib
import json
from base64 import b64encode

from psycopg import Connection

from harness.vault import rows

# By table of a bundle: its key, the column of the user, and where in the vault the rows come from.
# T: a time in microseconds of Unix, B: bytes in base64, J: JSON as text.
TABLES = {
    "keyring": ("id", None, "id purpose version B:sealed T:created_at FROM bunker.keyring"),
    "lookup_kind": ("id", None,
                    "id name path normalizer normalizer_version FROM bunker.lookup_kind"),
    "user_schema": ("version", None,
                    "version J:schema T:created_at created_by FROM bunker.user_schema"),
    "legal_basis": ("brief", None, "brief status J:definition T:created_at T:updated_at"
                                   " FROM bunker.legal_basis"),
    "activity": ("activity", None,
                 "activity J:definition T:created_at T:updated_at FROM bunker.activity"),
    "activity_basis": ("activity brief", None, "activity brief FROM bunker.activity_basis"),
    "unclaimed_agreement": ("owner kind brief", None,
                            "owner kind brief version status T:created_at T:updated_at T:starts_at"
                            " T:expires_at B:sealed FROM bunker.agreement WHERE kind <> 0"),
    "record": ("token", "token", "token T:created_at T:updated_at T:forgotten_at version changed_by"
                                 " B:digests B:sealed FROM bunker.record"),
    "lookup": ("digest kind", "token", "B:digest kind token FROM bunker.lookup"),
    "record_version": ("token version", "token", "token version T:changed_at changed_by B:digests"
                                                 " B:sealed FROM bunker.record_version"),
    "app_data": ("token app", "token", "token app version T:created_at T:updated_at changed_by"
                                       " B:sealed FROM bunker.app_data"),
    "app_data_version": ("token app version", "token", "token app version T:changed_at changed_by"
                                                       " B:sealed FROM bunker.app_data_version"),
    "session": ("session", "token", "session token T:created_at T:expires_at B:sealed"
                                    " FROM bunker.session WHERE expires_at > now()"),
    "share": ("record", "token", "record token T:created_at T:expires_at B:sealed"
                                 " FROM bunker.share WHERE expires_at > now()"),
    "agreement": ("token brief", "token", "token brief version status T:created_at T:updated_at"
                                          " T:starts_at T:expires_at B:sealed FROM bunker.agreement"
                                          " WHERE kind = 0"),
    "request": ("request", "token", "request token action subject status T:created_at T:updated_at"
                                    " requested_by requested_as decided_by decided_as seen B:sealed"
                                    " B:reason FROM bunker.request"),
    "expiration": ("token", "token", "token expiration status T:started_at T:expires_at"
                                     " T:announced_at T:decided_at FROM bunker.expiration"),
}


def _select(source: str) -> str:
    columns, rest = source.split(" FROM ")

    def column(name: str) -> str:
        kind, _, plain = name.rpartition(":")
        return {"T": f"(extract(epoch FROM {plain}) * 1000000)::bigint", "J": f"{plain}::text",
                "B": plain, "": plain}[kind]

    return f"SELECT {', '.join(map(column, columns.split()))} FROM {rest}"


def _columns(table: str) -> list[str]:
    return [name.rpartition(":")[2] for name in TABLES[table][2].split(" FROM ")[0].split()]


def _plain(value):
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value if value is None or isinstance(value, int) else str(value)


class Mirror:
    """Tables by name, rows by key; a target that knows nothing but what bundles have told it."""

    def __init__(self):
        self.tables = {table: {} for table in TABLES}
        self.bundle = self.cursor = None

    def _put(self, table: str, row: list) -> None:
        columns = _columns(table)
        assert len(row) == len(columns)
        key = tuple(row[columns.index(name)] for name in TABLES[table][0].split())
        # An address may have changed hands, and its former holder is told of later in the bundle.
        assert table == "lookup" or key not in self.tables[table], f"{table} has a row twice"
        self.tables[table][key] = tuple(row)

    def _forget(self, users: set[str]) -> None:
        for table, (_, user, _) in TABLES.items():
            if user:
                place = _columns(table).index(user)
                self.tables[table] = {key: row for key, row in self.tables[table].items()
                                      if row[place] not in users}

    def apply(self, lines: list[str]) -> dict:
        """Applies a bundle; its summary."""
        digest, counts, users = hashlib.sha256(), {}, 0
        header = json.loads(lines[0])["bundle"]
        assert header["previous"] in (None, self.bundle), "out of order"
        for line in lines[:-1]:
            assert "\n" not in line
            digest.update(line.encode() + b"\n")
        for table in ("session", "share"):
            ends = _columns(table).index("expires_at")
            self.tables[table] = {key: row for key, row in self.tables[table].items()
                                  if row[ends] > header["made_at"]}
        for line in lines[1:-1]:
            (name, content), = json.loads(line).items()
            if name == "replace":
                self.tables.update({table: {} for table in content})
            elif name == "users":
                users += len(content)
                self._forget(set(content))
            else:
                counts[name] = counts.get(name, 0) + len(content)
                for row in content:
                    self._put(name, row)
        end = json.loads(lines[-1])["end"]
        assert end["bundle"] == header and end["digest"] == digest.hexdigest()
        assert end["rows"] == counts and end["users"] == users
        self.bundle, self.cursor = header["id"], end["cursor"]
        return end

    def pull(self, connection: Connection) -> dict:
        """Brings the mirror up to date; the summary."""
        return self.apply(export(connection, self.cursor))

    def is_like(self, connection: Connection) -> bool:
        """Compares every row of every table with the vault's; says what differs."""
        for table, (_, _, source) in TABLES.items():
            there = {tuple(map(_plain, row)) for row in connection.execute(_select(source))}
            here = set(self.tables[table].values())
            assert here == there, f"{table}: {len(here - there)} too many, {len(there - here)} missing"
        return True


def export(connection: Connection, since: str | None = None, target: str = "jsonl") -> list[str]:
    """The lines of a bundle."""
    return [line for line, in rows(connection, "bunker_export_bundle", target, since)]
