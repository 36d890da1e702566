"""Any folder of images and captions as lint sees it: it is only read, and what is remembered lies elsewhere."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.linting.context import training_of
from datakit.actions.looking import ABSENT, look_at
from datakit.config import CONFIG_NAME, check_keys, decode, read_toml
from datakit.errors import ConfigError, InputError
from datakit.images.decode import read_bounded
from datakit.lint.collection import CONTENT, FOLDER, Collection
from datakit.lint.context import Context
from datakit.lint.model import Finding
from datakit.lint.settings import FOLDER_CONFIG, LintSettings
from datakit.model.item import is_image
from datakit.model.progress import Progress
from datakit.model.stage import Look
from datakit.repo.vocabularies import VOCAB, VocabSettings, load_vocabulary
from datakit.store.memo import Memo
from datakit.taggers.filedigests import cache_folder

LINT: Final = "lint"
MEMO_NAME: Final = "lint.sqlite"
UNREAD_CODE: Final = "E003"
UNREAD_NAME: Final = "unread-folder"
_NOTHING_THERE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_PRIVATE: Final = frozenset({".git", ".dsk", "__pycache__", ".cache", "@eaDir"})


class FolderFiles:
    """The files below a folder, and what the images among them show."""

    def __init__(self, root: Path, looks: Sequence[Look], progress: Progress) -> None:
        self.root = root
        self._root = str(root)
        self._looks = [look for look in looks if look.name != CONTENT.name]
        self._progress = progress
        self.memo = Memo(cache_folder() / MEMO_NAME)
        self.is_whole = True
        """Whether every image could be read."""
        self._unread: dict[str, str] = {}

    @cached_property
    def _stamps(self) -> Mapping[str, str]:
        """Path → what changes when the file does."""
        found = {}
        for path, stat in walk(self.root, self._unread):
            found[path] = f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"
        return dict(sorted(found.items()))

    @property
    def unread(self) -> Mapping[str, str]:
        """Folders, and links to files, that may not be looked into → why; nothing in them is among `paths`."""
        return self._unread if self._stamps is not None else {}

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Every file, sorted; those of hidden folders and what programs keep for themselves are left out."""
        return tuple(self._stamps)

    @cached_property
    def digest(self) -> str:
        """Changes whenever a file does."""
        rows = (f"{path}\0{stamp}\n" for path, stamp in self._stamps.items())
        return hashlib.sha256("".join(rows).encode("utf-8", "surrogateescape")).hexdigest()

    def read(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            InputError: it cannot be read.
        """
        try:
            with open(f"{self._root}/{path}", "rb", buffering=0) as file:  # noqa: PTH123  a path object costs as much as the read
                return file.read()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error

    def looked(self, path: str, look: Look) -> Mapping[str, Any]:
        """What a look finds in an image; the first question is answered for all images at once."""
        sha = self._contents.get(path, "")
        if look.name == CONTENT.name:
            return {"sha256": sha} if sha else ABSENT
        return self._answers[sha][look.name] if sha else ABSENT

    @cached_property
    def _contents(self) -> Mapping[str, str]:
        """Image path → sha256; a file whose stamp is known is not read again."""
        names = {_plain(f"file:{self.root / path}:{self._stamps[path]}"): path for path in self.paths if is_image(path)}
        known = {names[name]: value.decode() for name, value in self.memo.get(names).items()}
        fresh: dict[str, str] = {}
        for name, path in names.items():
            if path not in known and (sha := self._hashed(path)):
                fresh[name] = known[path] = sha
        self.memo.put((name, sha.encode()) for name, sha in fresh.items())
        return known

    def _hashed(self, path: str) -> str:
        try:
            with (self.root / path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            self.is_whole = False
            return ""

    @cached_property
    def _answers(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        places = {sha: path for path, sha in self._contents.items()}
        reads = {sha: partial(self._content, path) for sha, path in places.items()}
        return look_at(self.memo, reads, self._looks, partial(self._progress, LINT))

    def _content(self, path: str) -> bytes | None:
        try:
            return read_bounded(self.root / path)
        except OSError:
            self.is_whole = False
            return None


def folder_settings(root: Path) -> tuple[LintSettings, VocabSettings, str]:
    """(Section [lint], section [vocab], the file that they are in) of a folder's own file; defaults where it has none.

    Raises:
        ConfigError: a mistake in the file.
    """
    path = root / FOLDER_CONFIG
    if not path.is_file():
        return LintSettings(), VocabSettings(), FOLDER_CONFIG
    tables = read_toml(path)
    check_keys(tables, [LINT, VOCAB], where=FOLDER_CONFIG)
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{FOLDER_CONFIG}: '{name}' is a table, not a value", hint=f"write [{name}]")
    settings = decode(tables.get(LINT, {}), LintSettings, where=f"{FOLDER_CONFIG} [{LINT}]")
    return settings, decode(tables.get(VOCAB, {}), VocabSettings, where=f"{FOLDER_CONFIG} [{VOCAB}]"), FOLDER_CONFIG


def folder_collection(
    files: FolderFiles, settings: LintSettings, vocab: VocabSettings, common: Context, *, resolution: int = 0
) -> Collection:
    """A folder as a collection."""
    vocabulary = load_vocabulary(files.root, cache_folder() / "vocabularies" / _name_of(files.root), vocab)
    context = msgspec.structs.replace(
        common, training=training_of(settings.training, common.training, resolution=resolution), vocabulary=vocabulary
    )
    return Collection(stage=FOLDER, paths=files.paths, read=files.read, looked=files.looked, context=context)


def _plain(name: str) -> str:
    """A name that can be written as UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def _name_of(root: Path) -> str:
    return hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def unread_findings(files: FolderFiles) -> tuple[Finding, ...]:
    """What lint did not get to see, so that nobody takes it for sound."""
    return tuple(
        Finding(
            path=path,
            message=f"cannot be looked into: {reason}",
            hint="give yourself the right to read it, or check the disk; no rule has seen what is in it",
            evidence={"reason": reason},
            item=path,
            code=UNREAD_CODE,
            name=UNREAD_NAME,
            stage=FOLDER,
        )
        for path, reason in sorted(files.unread.items())
    )


def walk(root: Path, unread: dict[str, str] | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """(path with `/`, stat) of each file below; links are followed to files, not into folders.

    Args:
        unread: gets the path of what may not be looked at, and why; what is gone by then is not in it.

    Raises:
        InputError: `root` itself cannot be looked into.
    """
    failed = {} if unread is None else unread
    waiting = [("", str(root))]
    while waiting:
        prefix, folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            if not prefix:
                raise InputError(f"{root}: {error.strerror}") from error
            _note(failed, prefix.rstrip("/"), error)
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in _PRIVATE:
                        waiting.append((f"{prefix}{entry.name}/", entry.path))
                elif entry.name not in (FOLDER_CONFIG, CONFIG_NAME) and entry.is_file():
                    yield f"{prefix}{entry.name}", entry.stat()
            except OSError as error:
                _note(failed, f"{prefix}{entry.name}", error)


def _note(failed: dict[str, str], path: str, error: OSError) -> None:
    if error.errno not in _NOTHING_THERE:
        failed[path] = error.strerror or str(error)
