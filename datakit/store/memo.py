"""Costly results remembered by what they were computed from, in `.dsk/cache.sqlite`; deleting it loses only time."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

_SCHEMA = "CREATE TABLE IF NOT EXISTS memo (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
_BATCH = 500


class Memo:
    """Key → bytes. A damaged file is thrown away and begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Those of `keys` that are remembered."""
        wanted = list(keys)
        found: dict[str, bytes] = {}
        if not wanted or not self._path.exists():
            return found
        with self._open() as connection:
            for at in range(0, len(wanted), _BATCH):
                part = wanted[at : at + _BATCH]
                marks = ",".join("?" * len(part))
                found.update(connection.execute(f"SELECT key, value FROM memo WHERE key IN ({marks})", part))
        return found

    def put(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Remember rows."""
        with self._open() as connection:
            connection.executemany("INSERT OR REPLACE INTO memo VALUES (?, ?)", rows)
            connection.commit()

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = self._connect()
        try:
            yield connection
        finally:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=30)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_SCHEMA)
        except sqlite3.DatabaseError:
            connection.close()
            self._path.unlink(missing_ok=True)
            connection = sqlite3.connect(self._path, timeout=30)
            connection.execute(_SCHEMA)
        return connection
