"""The vocabulary on disk: the dataset's own files, those that dsk.toml points at, and the compiled form in `.dsk/`."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError
from datakit.registry import nearest
from datakit.store.durable import replace_file
from datakit.tags.vocabulary.compiling import Source, compile_vocabulary, digest_of
from datakit.tags.vocabulary.known import NONE, Role, Vocabulary, decode_vocabulary, encode_vocabulary

VOCAB: Final = "vocab"
COMPILED: Final = "vocabulary.bin"
OWN_FILES: Final[dict[str, Role]] = {
    "tags.csv": "tags",
    "aliases.csv": "aliases",
    "implications.csv": "implications",
    "blacklist.txt": "blacklist",
}
_FORMAT: Final = b"dsk vocabulary 1\n"
_MOST_BYTES: Final = 1 << 28


class VocabSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[vocab]` of dsk.toml."""

    tags: tuple[str, ...] = ()
    """Lists of tags with type, count and aliases, such as `danbooru.csv` of tag-complete or a tagger's
    `selected_tags.csv`; the first that knows a tag decides. Paths may begin with `~`, or lie in the dataset."""
    aliases: tuple[str, ...] = ()
    """More aliases: CSV files of rows `alias,canonical`."""
    implications: tuple[str, ...] = ()
    """What tags imply: CSV files of rows `antecedent,consequent`."""


def load_vocabulary(root: Path, private: Path, settings: VocabSettings) -> Vocabulary:
    """The vocabulary of the dataset at `root`, with its compiled form kept in `private`.

    Raises:
        ConfigError: a file is missing, unreadable or wrong; names it and the line.
    """
    sources = read_sources(root, settings)
    if not sources:
        return NONE
    path, key = private / COMPILED, _key(sources)
    found = _read_compiled(path, key)
    if found is None:
        found = compile_vocabulary(sources)
        body = encode_vocabulary(found)
        with contextlib.suppress(OSError):  # a dataset that may only be read is compiled each time
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, key + hashlib.sha256(body).digest() + body)
    return found


def read_sources(root: Path, settings: VocabSettings) -> list[Source]:
    """The files of a vocabulary, those that win first.

    Raises:
        ConfigError: a file is missing or unreadable.
    """
    own = ((role, f"{VOCAB}/{name}", root / VOCAB / name) for name, role in OWN_FILES.items())
    found = [_source(role, name, path, is_own=True) for role, name, path in own if os.path.lexists(path)]
    for role, name in _pointed_at(settings):
        found.append(_source(role, name, _located(root, name, role), is_own=False))
    return found


def stray_files(root: Path) -> Iterator[tuple[str, str]]:
    """CSV and text files in `vocab/` that are not read, each with the name that may have been meant, or ''."""
    folder = root / VOCAB
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        if name.lower().endswith((".csv", ".txt")) and name not in OWN_FILES:
            yield f"{VOCAB}/{name}", nearest(name, list(OWN_FILES))


def _pointed_at(settings: VocabSettings) -> Iterable[tuple[Role, str]]:
    yield from (("tags", name) for name in settings.tags)
    yield from (("aliases", name) for name in settings.aliases)
    yield from (("implications", name) for name in settings.implications)


def _located(root: Path, name: str, role: Role) -> Path:
    where = f"{CONFIG_NAME} [{VOCAB}] {role}"
    if not name.strip() or "\0" in name:
        raise ConfigError(f"{where}: {name!r} is no path", hint="name a CSV file")
    try:
        path = root / Path(name).expanduser()
        is_there = path.exists()
    except (RuntimeError, OSError) as error:  # a home that is nobody's, a name too long
        raise ConfigError(f"{where}: {name}: {error}", hint="correct the path") from error
    if not is_there:
        raise ConfigError(f"{where}: {name}: no such file", hint="correct the path, or take it out")
    return path


def _source(role: Role, name: str, path: Path, *, is_own: bool) -> Source:
    if not path.is_file():
        raise ConfigError(f"{name}: no file", hint=f"a file of {role} must be a plain file")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{name}: larger than {_MOST_BYTES >> 20} MiB", hint=f"this is no file of {role}")
        return Source(role=role, path=name, is_own=is_own, data=path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror}", hint="check the file's permissions") from error


def _key(sources: Sequence[Source]) -> bytes:
    """What a compiled form begins with that was made of these very files."""
    words = [digest_of(sources), *(repr(one.path) for one in sources)]
    return _FORMAT + hashlib.sha256("\n".join(words).encode()).digest()


def _read_compiled(path: Path, key: bytes) -> Vocabulary | None:
    """What was compiled of the same files; None where there is nothing, something else, or something damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    head, body = data[: len(key) + size], memoryview(data)[len(key) + size :]
    return decode_vocabulary(body) if head == key + hashlib.sha256(body).digest() else None
