"""A client that keeps all it is sent: rows, notices, notifications, and every word of an error."""

import psycopg

from harness.errors import DIAGNOSTICS


class Eavesdropper:
    """Runs statements one by one, whatever becomes of them. Also a context manager."""

    def __init__(self, connection: psycopg.Connection):
        self.connection = connection
        self.sqlstates: list[str | None] = []
        self._seen: list[str] = []
        connection.add_notice_handler(lambda notice: self.keep(_words(notice)))
        connection.add_notify_handler(lambda message: self.keep(message.payload))

    def __enter__(self) -> "Eavesdropper":
        return self

    def __exit__(self, *_exception) -> None:
        self.connection.close()

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self._seen)

    def keep(self, something: object) -> None:
        """Adds something to what was seen."""
        self._seen.append(str(something))

    def run(self, *statements: str) -> None:
        """Runs statements; errors are kept, not raised."""
        for statement in statements:
            with self.catching():
                self._run(statement)

    def _run(self, statement: str) -> None:
        with self.connection.cursor() as cursor:
            if statement.startswith("COPY"):
                with cursor.copy(statement) as copy:
                    for line in copy:
                        self.keep(bytes(line).decode())
                return
            cursor.execute(statement)
            if cursor.description:
                self.keep(cursor.fetchall())

    def catching(self) -> "_Catching":
        """A block whose error is kept, not raised."""
        return _Catching(self)


class _Catching:
    def __init__(self, client: Eavesdropper):
        self.client = client

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind, error, _traceback) -> bool:
        if not isinstance(error, psycopg.Error):
            return False
        self.client.sqlstates.append(error.sqlstate)
        self.client.keep(f"{error} {_words(error.diag)}")
        return True


def _words(diagnostic: psycopg.errors.Diagnostic) -> str:
    return " ".join(str(getattr(diagnostic, name) or "") for name in DIAGNOSTICS)
