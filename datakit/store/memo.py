"""Costly results remembered by what they were computed from, in `.dsk/cache.sqlite`; deleting it loses only time."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

_SCHEMA = "CREATE TABLE IF NOT EXISTS memo (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
_BATCH = 500
_WAIT_S = 30


class Memo:
    """Key → bytes. A damaged file is thrown away and begun anew; what the disk refuses is not remembered."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Those of `keys` that are remembered."""
        wanted = list(keys)
        found: dict[str, bytes] = {}

        def read(connection: sqlite3.Connection) -> None:
            for at in range(0, len(wanted), _BATCH):
                part = wanted[at : at + _BATCH]
                marks = ",".join("?" * len(part))
                found.update(connection.execute(f"SELECT key, value FROM memo WHERE key IN ({marks})", part))

        if wanted and self._is_there():
            self._with_file(read)
        return found

    def _is_there(self) -> bool:
        try:
            return self._path.exists()
        except OSError:
            return False  # a folder that may not be looked into

    def put(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Remember rows."""
        new = list(rows)

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO memo VALUES (?, ?)", new)
            connection.commit()

        if new and not self._with_file(write):
            self._with_file(write)

    def _with_file(self, work: Callable[[sqlite3.Connection], None]) -> bool:
        """Do `work`, or do without it, since forgetting costs only time; False when the file was thrown away."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self._path, timeout=_WAIT_S)) as connection:
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute(_SCHEMA)
                work(connection)
        except (sqlite3.OperationalError, OSError):
            return True  # locked for long, a full disk, a folder that may not be written: the file may well be sound
        except sqlite3.DatabaseError:
            self._begin_anew()
            return False
        return True

    def _begin_anew(self) -> None:
        for path in (self._path, self._path.with_name(f"{self._path.name}-journal")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
