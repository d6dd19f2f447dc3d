"""What an error may say."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace

import psycopg

DIAGNOSTICS = [name for name in dir(psycopg.errors.Diagnostic) if not name.startswith("_")]


@contextmanager
def raises(cluster, sqlstate: str, secrets: Sequence[str] = ()) -> Iterator[SimpleNamespace]:
    """The block must fail with `sqlstate`, and no secret may show in the error or the server log.

    Every diagnostic field counts (message, detail, hint, context, internal query …), and every log
    line written since the block began. The error is left in `.error` of what is yielded.
    """
    mark = cluster.log_mark()
    caught = SimpleNamespace(error=None)
    try:
        yield caught
    except psycopg.Error as error:
        caught.error = error
    assert caught.error is not None, f"nothing failed; expected SQLSTATE {sqlstate}"
    assert caught.error.sqlstate == sqlstate, f"expected {sqlstate}, got {caught.error!r}"
    for place, text in _texts(caught.error, cluster.log(mark)):
        leaked = [secret for secret in secrets if secret in text]
        assert not leaked, f"{place} shows {leaked}: {text}"


def _texts(error: psycopg.Error, log: str) -> Iterator[tuple[str, str]]:
    for name in DIAGNOSTICS:
        yield name, str(getattr(error.diag, name) or "")
    yield "the exception's text", str(error)
    yield "the server log", log
