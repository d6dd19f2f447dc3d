"""The processes of one server, read from /proc and signalled by their ids."""

import os
import signal
from pathlib import Path

from harness.wait import wait_until


def children(parent: int) -> list[int]:
    """The ids of the living children of a process."""
    return [pid for pid in _all_pids() if _stat(pid)[1] == parent]


def kill_tree(parent: int) -> None:
    """SIGKILL to a process and its children, and a wait until every child is gone.

    The parent goes first, so that it cannot start new children or notice a death. Its own exit
    status is left for whoever started it to collect.
    """
    victims = children(parent)
    os.kill(parent, signal.SIGKILL)
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it saw the postmaster die and left on its own
    wait_until(lambda: not any(map(is_alive, victims)), "killed server processes to go")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    return _stat(pid)[0] not in ("", "Z", "X")


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> tuple[str, int]:
    """State letter and parent id, or ("", 0) for a process that is gone; see proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return fields[0], int(fields[1])
