"""A server whose wall clock is another one, and can be set while it runs."""

import os
import struct
import subprocess
from pathlib import Path

from harness.cluster import Cluster

SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """The clock of a server that is started with `environment`; so far it is right."""

    def __init__(self, server: Cluster):
        library = server.root / "clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        self._file = server.root / "clock"
        self._file.write_bytes(struct.pack("q", 0))
        self._file.chmod(0o644)
        self.environment = {"LD_PRELOAD": str(library), "SHIFTED_CLOCK": str(self._file)}
        self._ahead = 0.0

    def set(self, days: float) -> None:
        """Sets the clock so many days ahead of ours, or behind, in all processes at once."""
        self._ahead = days
        with self._file.open("r+b") as file:
            os.pwrite(file.fileno(), struct.pack("q", int(days * 86_400)), 0)

    def advance(self, seconds: float) -> None:
        """Puts the clock forward."""
        self.set(self._ahead + seconds / 86_400)
