"""Certificates for throwaway servers."""

import shutil
import subprocess
from pathlib import Path

from harness.paths import server_user


def make(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> Path:
    """Writes ca.pem, and server.pem with server.key signed by it for `names`; the folder."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True,
                       timeout=60)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=Test CA")
    openssl("req", "-x509", *key, "-keyout", "server.key", "-out", "server.pem", "-days", "2",
            "-subj", "/CN=server", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:false")
    for name in ("ca.pem", "server.pem", "server.key"):
        shutil.chown(folder / name, server_user())
    (folder / "server.key").chmod(0o600)
    return folder
