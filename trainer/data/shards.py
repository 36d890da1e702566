"""Tensors by key in a folder of safetensors files of some 64 MiB each: shards.

Entries are gathered and written a shard at a time; a shard appears whole, by rename, and is never changed. So an
interruption loses what was gathered since the last one, and several processes may write into one folder: the name of
a shard follows from what is in it. A key may be in several shards; the newest is read.

The header of each shard tells its keys and the sha256 of each entry, which is checked with every reading: an entry
that a crash or the disk has spoilt counts as missing. Layout: tensors are called `<key>.<name>`; the metadata is
key -> digest, and `bytes`, how many follow the header.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError

from trainer.atomic import write_file

MAX_SHARD_BYTES = 64 * 2**20
MAX_SHARD_ENTRIES = 512
_MAX_HEADER_BYTES = 100 * 2**20
_MAX_OPEN = 256
_SIZE = "bytes"
_LEFTOVER_AGE_S = 3600.0
"""A file that is being written is younger than this."""

Tensors = dict[str, torch.Tensor]
Note = Callable[[str], None]


class _Header(msgspec.Struct):
    digests: dict[str, str] = msgspec.field(name="__metadata__", default_factory=dict)


_HEADER = msgspec.json.Decoder(_Header)


def digest_of(tensors: Mapping[str, torch.Tensor]) -> str:
    """Hex sha256 of names, types, shapes and contents."""
    sums = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        sums.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        sums.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sums.hexdigest()


@dataclass
class ShardStore:
    """The shards `<folder>/<prefix>-*.safetensors`. Not for several threads at once; for several processes, yes."""

    folder: Path
    prefix: str
    note: Note = lambda text: None
    """Told a sentence, once, of each shard that is spoilt."""
    _digests: dict[Path, dict[str, str]] = field(default_factory=dict)
    """Shard -> key -> digest; empty for one that cannot be read."""
    _shards: dict[str, list[Path]] = field(default_factory=dict)
    """Key -> shards that hold it, the newest last."""
    _open: OrderedDict[Path, tuple[Any, dict[str, list[str]]]] = field(default_factory=OrderedDict)
    """Shards that are mapped into memory, with the tensors of each key; the last used last."""
    _waiting: dict[str, Tensors] = field(default_factory=dict)
    _waiting_bytes: int = 0
    _noted: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Reads the headers of what is there."""
        self.refresh()

    def __contains__(self, key: str) -> bool:
        """Whether an entry is there, whole or not."""
        return key in self._waiting or key in self._shards

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._shards.keys() | self._waiting.keys())

    def refresh(self) -> None:
        """Takes notice of shards that others have written."""
        found = [path for path in self.folder.glob(f"{self.prefix}-*.safetensors") if path not in self._digests]
        for _, path in sorted((_changed_ns(path), path) for path in found):
            self._add(path, self._read_header(path))

    def get(self, key: str) -> Tensors | None:
        """A copy of the entry's tensors; None where there is none that is whole."""
        if key in self._waiting:
            return {name: tensor.clone() for name, tensor in self._waiting[key].items()}
        while self._shards.get(key):
            path = self._shards[key][-1]
            tensors = self._read(path, key)
            if tensors is not None and digest_of(tensors) == self._digests[path][key]:
                return tensors
            if path.exists():
                self._tell(path, "holds an entry that is spoilt")
            self._forget(path, key)
        return None

    def put(self, key: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Takes an entry in, and writes a shard when enough have gathered. Raises WriteError."""
        held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        if key not in self._waiting:
            self._waiting_bytes += _bytes_of(held)
        self._waiting[key] = held
        if self._waiting_bytes >= MAX_SHARD_BYTES or len(self._waiting) >= MAX_SHARD_ENTRIES:
            self.flush()

    def flush(self) -> None:
        """Writes what has gathered, and takes notice of what others wrote. Raises WriteError."""
        if self._waiting:
            digests = {key: digest_of(tensors) for key, tensors in sorted(self._waiting.items())}
            name = hashlib.sha256(repr(digests).encode()).hexdigest()[:20]
            path = self.folder / f"{self.prefix}-{name}.safetensors"
            named = {f"{key}.{part}": t for key in digests for part, t in self._waiting[key].items()}
            # Not synced: digests tell what a power failure tore, and it only costs encoding again.
            write_file(path, safetensors.torch.save(named, digests | {_SIZE: str(_bytes_of(named))}), durable=False)
            self._drop(path)
            self._noted.discard(path)
            self._add(path, digests)
            self._waiting, self._waiting_bytes = {}, 0
            self._sweep()
        self.refresh()

    def _sweep(self) -> None:
        """Removes what killed processes left half written."""
        old_ns = (time.time() - _LEFTOVER_AGE_S) * 1e9
        for path in self.folder.glob(f".{self.prefix}-*.safetensors.????????"):
            if _changed_ns(path) < old_ns:
                with suppress(OSError):  # Of another user, or gone: it is only in the way.
                    path.unlink(missing_ok=True)

    def _add(self, path: Path, digests: dict[str, str]) -> None:
        self._digests[path] = digests
        for key in digests:
            self._shards.setdefault(key, []).append(path)

    def _drop(self, path: Path) -> None:
        self._open.pop(path, None)
        for key in self._digests.pop(path, {}):
            self._forget(path, key)

    def _forget(self, path: Path, key: str) -> None:
        left = [other for other in self._shards.get(key, ()) if other != path]
        if left:
            self._shards[key] = left
        else:
            self._shards.pop(key, None)

    def _tell(self, path: Path, what: str) -> None:
        if path not in self._noted:
            self._noted.add(path)
            self.note(f"{path}: {what}; what it held is made again")

    def _read_header(self, path: Path) -> dict[str, str]:
        """Key -> digest; empty, and told, where it is not one of ours or not whole."""
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                digests = _HEADER.decode(file.read(length) if length <= _MAX_HEADER_BYTES else b"").digests
                if 8 + length + int(digests.pop(_SIZE, -1)) == os.fstat(file.fileno()).st_size:
                    return digests
        except FileNotFoundError:
            return {}
        except (OSError, struct.error, ValueError):
            pass  # Told below: msgspec's errors are ValueErrors.
        self._tell(path, "is not a whole shard")
        return {}

    def _read(self, path: Path, key: str) -> Tensors | None:
        try:
            if path not in self._open:
                file: Any = safetensors.safe_open(path, framework="pt")
                self._open[path] = (file, _by_key(file.keys()))
                if len(self._open) > _MAX_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(path)
            file, names = self._open[path]
            return {name.partition(".")[2]: file.get_tensor(name).clone() for name in names.get(key, ())}
        except (SafetensorError, OSError, ValueError):
            return None


def _by_key(names: Collection[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.partition(".")[0], []).append(name)
    return found


def _bytes_of(tensors: Mapping[str, torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
