"""Writing many git objects as one pack with its index (formats: git's gitformat-pack, version 2).

Neither libgit2's pack builder nor its loose store fits: the first packs only what is stored already, the second
makes one file an object. Deltas are not sought: the objects are small texts, and `git gc` repacks them some day.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

MAX_PACK_BYTES = 1 << 31
_STORED_AT_MOST = 192
"""Bytes up to which nothing is compressed."""
_STORED = struct.Struct("<HH")
_CHECK = struct.Struct(">I")
_TYPE_NUMBERS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}


def write_pack(folder: Path, objects: Iterable[tuple[bytes, str, bytes]], *, num_objects: int) -> Path:
    """Write `objects` (20-byte id, type, content) into `folder` (`.git/objects/pack`); returns the pack's path.

    The index file appears last, by rename: a pack without one is invisible to git. Nothing is synced here.
    Content must stay under MAX_PACK_BYTES in all, since offsets are written in 31 bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix="tmp_pack_", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            rows, trailer = _write_objects(file, objects, num_objects)
        name = folder / f"pack-{trailer.hex()}"
        index = name.with_suffix(".idx")
        index_temporary = Path(temporary + ".idx")
        index_temporary.write_bytes(_index(rows, trailer))
        for source, target in ((Path(temporary), name.with_suffix(".pack")), (index_temporary, index)):
            source.chmod(0o444)
            source.replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        Path(temporary + ".idx").unlink(missing_ok=True)
        raise
    return name.with_suffix(".pack")


def _write_objects(
    file: BinaryIO, objects: Iterable[tuple[bytes, str, bytes]], num_objects: int
) -> tuple[list[tuple[bytes, int, int]], bytes]:
    header = struct.pack(">4sII", b"PACK", 2, num_objects)
    digest = hashlib.sha1(header)
    file.write(header)
    offset = len(header)
    rows: list[tuple[bytes, int, int]] = []
    for oid, kind, data in objects:
        entry = _entry_header(_TYPE_NUMBERS[kind], len(data)) + _deflated(data)
        rows.append((oid, zlib.crc32(entry), offset))
        digest.update(entry)
        file.write(entry)
        offset += len(entry)
    file.write(digest.digest())
    return rows, digest.digest()


def _deflated(data: bytes) -> bytes:
    """A zlib stream; of a pointer or a caption one stored block (RFC 1950, 1951), at a tenth of compression's cost."""
    if len(data) > _STORED_AT_MOST:
        return zlib.compress(data, 1)
    return b"\x78\x01\x01%s%s%s" % (_STORED.pack(len(data), len(data) ^ 0xFFFF), data, _CHECK.pack(zlib.adler32(data)))


def _entry_header(number: int, size: int) -> bytes:
    byte = (number << 4) | (size & 15)
    size >>= 4
    header = bytearray()
    while size:
        header.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    header.append(byte)
    return bytes(header)


def _index(rows: list[tuple[bytes, int, int]], trailer: bytes) -> bytes:
    rows.sort()
    fanout = [0] * 256
    for oid, _, _ in rows:
        fanout[oid[0]] += 1
    total = 0
    for byte in range(256):
        total += fanout[byte]
        fanout[byte] = total
    body = b"".join(
        (
            b"\xfftOc" + struct.pack(">I", 2),
            struct.pack(">256I", *fanout),
            b"".join(row[0] for row in rows),
            struct.pack(f">{len(rows)}I", *(row[1] for row in rows)),
            struct.pack(f">{len(rows)}I", *(row[2] for row in rows)),
            trailer,
        )
    )
    return body + hashlib.sha1(body).digest()
