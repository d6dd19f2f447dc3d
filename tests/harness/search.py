"""Looking for bytes on disk."""

from pathlib import Path

CHUNK_BYTES = 1 << 20


def files_holding(folder: Path, needle: bytes) -> list[str]:
    """The files under `folder` that hold `needle`, as paths relative to it, sorted."""
    if not needle:
        raise ValueError("an empty needle is everywhere")
    found = [path for path in folder.rglob("*") if path.is_file() and _holds(path, needle)]
    return sorted(str(path.relative_to(folder)) for path in found)


def _holds(path: Path, needle: bytes) -> bool:
    """Reads in chunks that overlap by the needle's length, so that no boundary hides it."""
    overlap = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                if needle in overlap + chunk:
                    return True
                overlap = (overlap + chunk)[-(len(needle) - 1):] if len(needle) > 1 else b""
    except FileNotFoundError:
        pass  # the server removed it between the listing and the reading
    return False
