"""Waiting with a limit."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], what: str, seconds: float = 10.0) -> object:
    """Polls until `condition()` is truthy and returns that; TimeoutError names `what` otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        if outcome := condition():
            return outcome
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
