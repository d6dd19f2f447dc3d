"""A server that follows another one."""

from harness.cluster import Cluster


class Standby(Cluster):
    """A server that follows another one, with the same master key."""

    def __init__(self, primary: Cluster, settings: dict):
        super().__init__({"databunker.master_key_file":
                          primary.settings["databunker.master_key_file"]} | settings,
                         master_key=False)
        self.primary = primary

    def init(self) -> None:
        """Copies the primary and follows it."""
        self.primary.run("pg_basebackup", "-D", str(self.data), "-R", "-c", "fast", as_server=True)
