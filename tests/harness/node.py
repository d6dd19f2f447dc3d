"""Node programs against a server, with the `pg` driver of tests/package.json."""

import subprocess

from harness.cluster import Cluster
from harness.paths import PROJECT


def run_node(cluster: Cluster, program: str, dbname: str, user: str = "postgres") -> str:
    """Runs an ES module given as text and returns what it prints; AssertionError if it fails."""
    done = subprocess.run(["node", "--input-type=module", "-e", program], cwd=PROJECT / "tests",
                          env=cluster.environment(dbname, user), capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
