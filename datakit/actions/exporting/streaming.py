"""A file that is hashed while it is written, so that nobody has to read it again."""

from __future__ import annotations

import hashlib
import io
from typing import Any, BinaryIO, Final

from datakit.store.streams import write_fully

_BUFFER_BYTES: Final = 1 << 20


class _Through(io.RawIOBase):
    """Hashes what passes on its way to an open, unbuffered file; it has no way back.

    A file of the standard library's kind, since writers of tars and tables ask for all that such files can do.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        write_fully(self._file, view)
        self._digest.update(view)
        self._size += len(view)
        return len(view)

    def tell(self) -> int:
        return self._size

    def hexdigest(self) -> str:
        """Of what was written so far."""
        return self._digest.hexdigest()


class HashedFile:
    """An open file for writing, `out`, and the sha256 of what was written there."""

    def __init__(self, file: BinaryIO) -> None:
        self._through = _Through(file)
        self.out: BinaryIO = io.BufferedWriter(self._through, _BUFFER_BYTES)

    def __enter__(self) -> HashedFile:
        return self

    def __exit__(self, *failure: object) -> None:
        self.out.close()

    def finish(self) -> str:
        """Write what is buffered; the sha256 of everything."""
        self.out.flush()
        return self._through.hexdigest()
