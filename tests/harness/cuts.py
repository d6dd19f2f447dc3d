"""Pulls of bunker-sync that are cut off at any moment."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator

from harness.sync import start, sync


def cut_off(target, other, env: dict, end: Callable[[subprocess.Popen], None], times: int,
            seed: int) -> Iterator[tuple[dict, int]]:
    """So many whole pulls into a target, each cut off by `end`. Yields what the target held before
    each, and how it ended; at least one had not ended by itself.

    The moments are spread over the time that a pull into `other` takes, so that there are always some
    that come early enough.
    """
    began = time.monotonic()
    sync("pull", other.name, env=env)
    usual = time.monotonic() - began
    dice, cut = random.Random(seed), 0
    for number in range(times):
        before = target.rows()
        process = start("pull", target.name, "--full", env=env)
        time.sleep((number + dice.random()) / times * usual)
        end(process)
        process.communicate()
        cut += process.returncode != 0
        yield before, process.returncode
    assert cut > 0, "each was quicker than the test"
