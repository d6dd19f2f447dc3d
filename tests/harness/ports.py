"""Ports for throwaway servers."""

import random
import socket

# Above PostgreSQL's and MySQL's own, and below those that the system gives to whoever connects: it
# could give one away while its server is down.
RANGE = range(20_000, 32_000)


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    for port in random.sample(RANGE, len(RANGE)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("every port is taken")
