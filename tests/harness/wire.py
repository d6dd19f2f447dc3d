"""The frontend/backend protocol without a library, for what libpq would never send.

See "Message Formats" in PostgreSQL's manual.
"""

import socket
import struct

from harness.cluster import Cluster

PROTOCOL_VERSION = 3 << 16


class Wire:
    """A bare connection to a server that trusts its clients. Also a context manager."""

    def __init__(self, cluster: Cluster, dbname: str, user: str):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(f"{cluster.root}/.s.PGSQL.{cluster.port}")
        self._stream = self._socket.makefile("rb")
        startup = struct.pack("!i", PROTOCOL_VERSION)
        startup += _strings("user", user, "database", dbname) + b"\0"
        self._socket.sendall(struct.pack("!i", len(startup) + 4) + startup)
        self.receive_until(b"Z")

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_exception) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """Closes the socket without a word."""
        self._stream.close()
        self._socket.close()

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Sends one message."""
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def receive_until(self, kinds: bytes) -> list[tuple[bytes, bytes]]:
        """The messages up to the first of one of these kinds, with their contents."""
        messages = []
        while not messages or messages[-1][0] not in kinds:
            kind = self._stream.read(1)
            if not kind:
                raise ConnectionError("the server has hung up")
            (length,) = struct.unpack("!i", self._stream.read(4))
            messages.append((kind, self._stream.read(length - 4)))
        return messages

    def query(self, statement: str) -> list[tuple[bytes, bytes]]:
        """The simple protocol: what a string of statements is answered."""
        self.send(b"Q", _strings(statement))
        return self.receive_until(b"Z")

    def call_function(self, oid: int, *arguments: str) -> list[tuple[bytes, bytes]]:
        """The fast path, past parser and executor; arguments and result as text."""
        body = struct.pack("!ihh", oid, 0, len(arguments))
        for argument in arguments:
            text = argument.encode()
            body += struct.pack("!i", len(text)) + text
        self.send(b"F", body + struct.pack("!h", 0))
        return self.receive_until(b"Z")

    def fetch_and_stay(self, statement: str, max_rows: int) -> list[tuple[bytes, bytes]]:
        """The extended protocol, without the Sync that would end the transaction."""
        self.send(b"P", _strings("", statement) + struct.pack("!h", 0))
        self.send(b"B", _strings("", "") + struct.pack("!hhh", 0, 0, 0))
        self.send(b"E", _strings("") + struct.pack("!i", max_rows))
        self.send(b"H")
        # The portal is suspended, or done, or failed.
        return self.receive_until(b"sCE")


def _strings(*texts: str) -> bytes:
    return b"".join(text.encode() + b"\0" for text in texts)
