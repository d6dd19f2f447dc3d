"""Looking for bytes on disk."""

import re
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 20
WAL_PAGE_BYTES = 8192
WAL_SEGMENT = re.compile(r"[0-9A-F]{24}")


def files_holding(folder: Path, needle: bytes) -> list[str]:
    """The files under `folder` that hold `needle`, as paths relative to it, sorted."""
    if not needle:
        raise ValueError("an empty needle is everywhere")
    found = [path for path in folder.rglob("*") if path.is_file() and _holds(path, needle)]
    return sorted(str(path.relative_to(folder)) for path in found)


def _holds(path: Path, needle: bytes) -> bool:
    """Joins what it reads with the end of what it read before: no boundary hides the needle."""
    end = b""
    try:
        for chunk in _content(path):
            if needle in end + chunk:
                return True
            end = (end + chunk)[-(len(needle) - 1):] if len(needle) > 1 else b""
    except FileNotFoundError:
        pass  # the server removed it between the listing and the reading
    return False


def _content(path: Path) -> Iterator[bytes]:
    is_wal = path.parent.name == "pg_wal" and WAL_SEGMENT.fullmatch(path.name)
    with path.open("rb") as file:
        yield from _records(file.read()) if is_wal else iter(lambda: file.read(CHUNK_BYTES), b"")


def _records(segment: bytes) -> Iterator[bytes]:
    """A WAL segment without its page headers, which may stand in the middle of a value."""
    for start in range(0, len(segment), WAL_PAGE_BYTES):
        # SizeOfXLogLongPHD and SizeOfXLogShortPHD of xlog_internal.h.
        header = 40 if start == 0 else 24
        yield segment[start + header:start + WAL_PAGE_BYTES]
