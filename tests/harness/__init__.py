"""Throwaway PostgreSQL servers, and what the tests ask of them."""

from harness.cluster import Cluster, ClusterError
from harness.errors import raises
from harness.pgbench import PgbenchResult, pgbench

__all__ = ["Cluster", "ClusterError", "PgbenchResult", "pgbench", "raises"]
