"""Bundles of JSON Lines, read, signed and imported: docs/FORMAT.md once more, in Python."""

import hashlib
import hmac
import json
from collections.abc import Callable

from psycopg import Connection

from harness.cluster import Cluster

END, SIGNATURE = '{"end":', ',"signature":"'


# The key ------------------------------------------------------------------------------------------

def _expand(prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand of RFC 5869 with SHA-256, for one block."""
    return hmac.digest(prk, info + b"\x01", "sha256")[:length]


def _sbox() -> list[int]:
    """The substitution of AES: the inverse in GF(2^8), then an affine map (FIPS 197, 5.1.1)."""
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p ^= (p << 1 ^ (0x11B if p & 0x80 else 0)) & 0x1FF
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        rotated = [(q << n | q >> 8 - n) & 0xFF for n in range(5)]
        box[p] = rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4] ^ 0x63
        if p == 1:
            return box


SBOX = _sbox()


def _aes256(key: bytes, block: bytes) -> bytes:
    """One block of AES-256 (FIPS 197)."""
    def double(x: int) -> int:
        return (x << 1 ^ (0x11B if x & 0x80 else 0)) & 0xFF

    words, round_constant = [list(key[n:n + 4]) for n in range(0, 32, 4)], 1
    for n in range(8, 60):
        word = words[-1]
        if n % 8 == 0:
            word = [SBOX[byte] for byte in word[1:] + word[:1]]
            word[0] ^= round_constant
            round_constant = double(round_constant)
        elif n % 8 == 4:
            word = [SBOX[byte] for byte in word]
        words.append([a ^ b for a, b in zip(words[-8], word)])

    def add(state: list[int], number: int) -> list[int]:
        return [a ^ b for a, b in zip(state, sum(words[4 * number:4 * number + 4], []))]

    state = add(list(block), 0)
    for number in range(1, 15):
        state = [SBOX[state[(n + 4 * (n % 4)) % 16]] for n in range(16)]
        if number < 14:
            for column in range(0, 16, 4):
                a = state[column:column + 4]
                every = a[0] ^ a[1] ^ a[2] ^ a[3]
                state[column:column + 4] = [a[n] ^ every ^ double(a[n] ^ a[(n + 1) % 4])
                                            for n in range(4)]
        state = add(state, number)
    return bytes(state)


def bundle_key(cluster: Cluster, connection: Connection) -> bytes:
    """The vault's key of bundles, opened with the master key of the server."""
    master = bytes.fromhex((cluster.root / "master.key").read_text().strip())
    sealed, = connection.execute(
        "SELECT sealed FROM bunker.keyring WHERE purpose = 'bundle'").fetchone()
    prk = hmac.digest(sealed[2:18], master, "sha256")
    assert sealed[18:34] == _expand(prk, b"databunker/v1/master-check", 16)
    key, nonce, content = _expand(prk, b"databunker/v1/keyring-wrap", 32), sealed[34:46], sealed[46:78]
    stream = b"".join(_aes256(key, nonce + bytes([0, 0, 0, n])) for n in (2, 3))
    return bytes(a ^ b for a, b in zip(content, stream))


# Bundles ------------------------------------------------------------------------------------------

def signature(key: bytes, text: str) -> str:
    """The signature of a summary."""
    fields = b"".join(len(field).to_bytes(8) + field for field in (b"summary", text.encode()))
    return hmac.new(key, b"databunker/v1/bundle" + fields, "sha256").hexdigest()


def is_authentic(lines: list[str], key: bytes) -> bool:
    """Whether the last line has the right signature."""
    text, signed = lines[-1].removeprefix(END).removesuffix('"}').rsplit(SIGNATURE, 1)
    return signature(key, text) == signed


def changed(lines: list[str], key: bytes, change: Callable[[list[dict]], list[dict] | None]) -> list[str]:
    """A bundle whose lines `change` has changed, signed by whoever has the key."""
    items = [json.loads(line) for line in lines[:-1]]
    items = change(items) or items
    lines_before = [json.dumps(item) for item in items]
    end = json.loads(lines[-1])["end"]
    rows: dict[str, int] = {}
    for item in items[1:]:
        (name, content), = item.items()
        if name not in ("replace", "users"):
            rows[name] = rows.get(name, 0) + len(content)
    users = sum(len(item["users"]) for item in items if "users" in item)
    digest = hashlib.sha256("".join(line + "\n" for line in lines_before).encode()).hexdigest()
    text = json.dumps(end | {"bundle": items[0]["bundle"], "rows": rows, "users": users,
                             "digest": digest})
    return [*lines_before, f'{END}{text}{SIGNATURE}{signature(key, text)}"}}']


def rows_of(items: list[dict], table: str) -> list[list]:
    """The rows of a table in a bundle's lines, to be changed in place."""
    return [row for item in items for row in item.get(table, [])]


def give(connection: Connection, lines: list[str | None]) -> dict:
    """Gives lines to one call; its result."""
    return connection.execute("SELECT bunker_import_bundle(%s::text[])", [lines]).fetchone()[0]


def import_bundle(connection: Connection, lines: list[str], portion: int = 1000) -> dict:
    """Imports a bundle in calls of `portion` lines; the last one's result."""
    with connection.transaction():
        for first in range(0, len(lines), portion):
            result = give(connection, lines[first:first + portion])
    assert result["complete"]
    return result
