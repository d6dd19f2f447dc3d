"""Stores of the Databunker server, by its documented format: written and read without our own code."""

import base64
import hashlib
import json
import secrets
import sqlite3
import time
import uuid
from contextlib import suppress

import pymysql
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from harness.mysql import MySql

# The columns of a store's tables; INTEGERS and FLAGS are not texts.
TABLES = {
    "users": "token key md5 loginidx emailidx phoneidx customidx expstatus exptoken endtime tempcodeexp "
             "tempcode data",
    "xtokens": "xtoken token type app fields endtime",
    "audit": "atoken identity record who mode app title status msg debug before after when",
    "sessions": "token session key data endtime when",
    "userapps": "appname token md5 data status when",
    "requests": "rtoken token app brief action status change reason creationtime when",
    "sharedrecords": "token record partner session app fields endtime when",
    "processingactivities": "activity title script fulldesc legalbasis applicableto creationtime",
    "legalbasis": "brief status module shortdesc fulldesc basistype requiredmsg usercontrol requiredflag "
                  "creationtime",
    "agreements": "who mode token brief status referencecode lastmodifiedby agreementmethod creationtime "
                  "starttime endtime when",
}
APP_TABLE = "token md5 rofields data status when"
INTEGERS = {"endtime", "tempcodeexp", "tempcode", "when", "creationtime", "starttime"}
FLAGS = {"usercontrol", "requiredflag"}

# Per database: how names are quoted, and what the server calls its types.
SQLITE = ("`", {"text": "STRING", "int": "int", "flag": "BOOLEAN"})
MYSQL = ("`", {"text": "MEDIUMTEXT", "int": "int", "flag": "BOOLEAN"})
POSTGRES = ('"', {"text": "VARCHAR", "int": "int", "flag": "BOOLEAN"})


class Key:
    """A store's key and what follows from it."""

    def __init__(self, key: bytes | None = None):
        self.key = key or secrets.token_bytes(24)
        self.salt = hashlib.md5(self.key).digest()

    @property
    def hex(self) -> str:
        return self.key.hex()

    def seal(self, record_key: bytes, text: str, nonce: bytes | None = None) -> str:
        nonce = nonce or secrets.token_bytes(12)
        sealed = AESGCM(self.key + record_key).encrypt(nonce, text.encode(), None)
        return base64.b64encode(sealed + nonce).decode()

    def open(self, record_key: str, sealed: str) -> str:
        data = base64.b64decode(sealed, validate=True)
        key = self.key + base64.b64decode(record_key, validate=True)
        return AESGCM(key).decrypt(data[-12:], data[:-12], None).decode()

    def seal_fixed(self, text: str) -> str:
        cipher = AESGCM(self.key + self.salt[4:12])
        return base64.b64encode(cipher.encrypt(b"$DataBunker$", text.encode(), None)).decode()

    def open_fixed(self, sealed: str) -> str:
        cipher = AESGCM(self.key + self.salt[4:12])
        return cipher.decrypt(b"$DataBunker$", base64.b64decode(sealed, validate=True), None).decode()

    def hash(self, value: str) -> str:
        return base64.b64encode(hashlib.sha256(self.salt + value.encode()).digest()).decode()


def mark(sealed: str) -> str:
    """The column md5."""
    return base64.b64encode(hashlib.md5(sealed.encode()).digest()).decode()


class Store:
    """A store in a database, given as a connection of Python's database interface."""

    def __init__(self, connection, dialect, key: Key | None = None):
        self.connection = connection
        self.quote, self.types = dialect
        self.place = "?" if dialect is SQLITE else "%s"
        self.key = key or Key()
        self.keys: dict[str, bytes] = {}

    def create(self) -> "Store":
        """All tables, and the access token of the owner."""
        for table, columns in TABLES.items():
            self.create_table(table, columns)
        self.insert("xtokens", xtoken=self.key.hash(str(uuid.uuid4())), token="", type="root")
        return self

    def create_table(self, table: str, columns: str) -> None:
        definition = ", ".join(f"{self._name(name)} {self.types[self._type(name)]}"
                               for name in columns.split())
        self.execute(f"CREATE TABLE {table} ({definition})")

    def execute(self, statement: str, *values):
        cursor = self.connection.cursor()
        cursor.execute(statement, values)
        self.connection.commit()
        return cursor

    def insert(self, table: str, **values) -> None:
        names = ", ".join(map(self._name, values))
        places = ", ".join([self.place] * len(values))
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *values.values())

    def rows(self, table: str) -> list[dict]:
        """All rows, without what is NULL, as the server reads them."""
        columns = TABLES[table].split()
        names = ", ".join(map(self._name, columns))
        cursor = self.connection.cursor()
        cursor.execute(f"SELECT {names} FROM {table}")
        found = [{name: value.decode() if isinstance(value, bytes) else value
                  for name, value in zip(columns, row) if value is not None}
                 for row in cursor.fetchall()]
        self.connection.commit()
        return found

    def _name(self, name: str) -> str:
        return f"{self.quote}{name}{self.quote}"

    @staticmethod
    def _type(name: str) -> str:
        return "int" if name in INTEGERS else "flag" if name in FLAGS else "text"

    # What the server writes ---------------------------------------------------------------------

    def user(self, profile: dict | str, token: str | None = None, **columns) -> str:
        token = token or str(uuid.uuid4())
        self.keys[token] = record_key = secrets.token_bytes(8)
        text = profile if isinstance(profile, str) else json.dumps(profile)
        data = self.key.seal(record_key, text)
        row = {"token": token, "key": base64.b64encode(record_key).decode(), "data": data,
               "md5": mark(data)}
        with suppress(ValueError):
            known = json.loads(text)
            for field in {"login", "email", "phone", "custom"} & known.keys():
                row[f"{field}idx"] = self.key.hash(str(known[field]).lower().strip())
        self.insert("users", **row | columns)
        return token

    def forgotten(self, token: str | None = None) -> str:
        """A user after forget-me: his token stays, and the mark of his last version."""
        token = token or str(uuid.uuid4())
        self.insert("users", token=token, md5=mark("x"))
        return token

    def app_data(self, token: str, app: str, data: dict, own_table: bool = False) -> None:
        sealed = self.key.seal(self.keys[token], json.dumps(data))
        row = {"token": token, "data": sealed, "md5": mark(sealed)}
        if own_table:
            self.insert(f"app_{app}", **row)
        else:
            self.insert("userapps", appname=app, **row)

    def session(self, token: str, data: dict, seconds: int) -> str:
        session, record_key, now = str(uuid.uuid4()), secrets.token_bytes(8), int(time.time())
        self.insert("sessions", token=token, session=session, when=now, endtime=now + seconds,
                    key=base64.b64encode(record_key).decode(),
                    data=self.key.seal(record_key, json.dumps(data)))
        return session

    def share(self, token: str, seconds: int, **columns) -> str:
        record, now = str(uuid.uuid4()), int(time.time())
        self.insert("sharedrecords", token=token, record=record, when=now, endtime=now + seconds,
                    **columns)
        return record

    def legal_basis(self, brief: str, **columns) -> None:
        row = {"status": "active", "module": "", "shortdesc": brief, "fulldesc": "", "requiredmsg": "",
               "basistype": "consent", "usercontrol": True, "requiredflag": False,
               "creationtime": 1_600_000_000}
        self.insert("legalbasis", brief=brief, **row | columns)

    def agreement(self, brief: str, token: str = "", mode: str = "token", who: str | None = None,
                  **columns) -> None:
        row = {"status": "yes", "lastmodifiedby": "", "agreementmethod": "api",
               "creationtime": 1_600_000_100, "when": 1_600_000_200, "starttime": 0, "endtime": 0}
        self.insert("agreements", brief=brief, token=token, mode=mode,
                    who=self.key.seal_fixed(who or token), **row | columns)

    def request(self, token: str, action: str, change=None, **columns) -> str:
        request = str(uuid.uuid4())
        row = {"status": "open", "creationtime": 1_600_000_300, "when": 1_600_000_300}
        if change is not None:
            row["change"] = self.key.seal(self.keys[token], json.dumps(change))
        self.insert("requests", rtoken=request, token=token, action=action, **row | columns)
        return request

    def event(self, title: str, record: str | None = None, who: str | None = None, **columns) -> str:
        event = str(uuid.uuid4())
        row = {"status": "ok", "mode": "token", "when": 1_600_000_400}
        if record:
            row["record"] = self.key.seal_fixed(record)
        if who:
            row["who"] = self.key.seal_fixed(who)
        self.insert("audit", atoken=event, title=title, **row | columns)
        return event

    # What the server reads ----------------------------------------------------------------------

    def profiles(self) -> dict[str, dict]:
        """The profiles of all users that have one, by token."""
        return {row["token"]: json.loads(self.key.open(row["key"], row["data"]))
                for row in self.rows("users") if "data" in row}

    def record_key(self, token: str) -> str:
        return next(row["key"] for row in self.rows("users") if row["token"] == token)

    def find(self, column: str, value: str) -> str | None:
        """The token of the user that the server finds by an index."""
        wanted = self.key.hash(value)
        return next((row["token"] for row in self.rows("users") if row.get(column) == wanted), None)


def in_sqlite(path, key: Key | None = None) -> Store:
    """A store in a SQLite file, which need not be there."""
    return Store(sqlite3.connect(path), SQLITE, key)


def in_mysql(server: MySql, database: str, key: Key | None = None) -> Store:
    """A store in a database of a MySQL server."""
    connection = pymysql.connect(unix_socket=str(server.socket), user="root", database=database,
                                 charset="utf8mb4")
    return Store(connection, MYSQL, key)
