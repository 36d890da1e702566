"""Verification with repairs: what is damaged is made anew where a good copy stands, and its bytes are kept apart."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import msgspec
import pygit2

from datakit.errors import InputError, WriteError
from datakit.model.item import ImageRef
from datakit.model.progress import Progress, silent
from datakit.repo.care.damage import FROM_CLONE, BadFile, Damage, Look
from datakit.repo.care.verifying import look
from datakit.repo.dataset import Dataset
from datakit.repo.operations.transaction import held
from datakit.repo.worktree.checkout import refresh, rewrite
from datakit.repo.worktree.scan import scan
from datakit.store.durable import sync_filesystems
from datakit.store.fsck import BadPack, loose_path, mend_checksum, pack_files, pack_of, salvage, write_objects
from datakit.store.index import locked_index

LOST = "lost"
"""Folder of `.dsk` where damaged bytes go."""
_SOURCES = {"tree": "git's index", "blob": "the file in the work tree"}
_BY_VERIFY = "dsk verify repairs it"
_IMAGE_CURE = "git lfs fetch --all, or copy it from another clone's .git/lfs/objects"


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What verification found and did."""

    num_images: int
    """Objects of the store, damaged ones included."""
    num_files: int
    """Of the work tree."""
    num_git_objects: int
    num_bytes: int
    damages: tuple[Damage, ...]
    num_hand_edits: int
    """Files that differ from HEAD because somebody edited or removed them."""
    missing: tuple[str, ...]
    """Paths of HEAD's images that this clone lacks, which is no damage."""
    num_missing_before: int
    """Images of earlier commits only that this clone lacks."""
    lost: str = ""
    """Folder that damaged bytes were set aside in; '' when there were none."""

    @property
    def num_left(self) -> int:
        """Damages that were not repaired."""
        return sum(not damage.repaired for damage in self.damages)


def verify(
    dataset: Dataset, *, repair: bool = True, stages: Sequence[str] = (), progress: Progress = silent
) -> Verified:
    """Read every byte of the dataset, or of some stages, and repair what is damaged; HEAD does not change.

    Where git objects were repaired, open the dataset anew before going on.

    Raises:
        LockedError: another process is writing.
        WriteError: the disk is full or refuses.
    """
    with held(dataset) if repair else _held_if_possible(dataset):
        found = look(dataset, stages, progress)
        healing = _Healing(dataset, found, repair=repair)
        mended = tuple(healing.mend_packs())
        if mended:  # git can read them again, and with them what was thought missing
            healing.found = found = look(dataset, stages, progress)
        damages = [*mended, *healing.all()]
        while repair and healing.found.from_copies:  # what they lead to could not be read before
            healing.found = found = look(dataset, stages, progress)
            more = list(healing.all())
            damages = [one for one in damages if one.repaired] + more
            if not any(one.repaired for one in more):
                break
        missing = tuple(
            sorted(path for path, blob in found.head.items() if found.pointers.get(blob, ("",))[0] in found.missing)
        )
        return Verified(
            num_images=found.num_images,
            num_files=found.num_files,
            num_git_objects=len(found.walk.seen),
            num_bytes=found.num_bytes + found.walk.num_bytes,
            damages=tuple(damages),
            num_hand_edits=found.num_hand_edits,
            missing=missing,
            num_missing_before=found.missing_before,
            lost=str(healing.lost.relative_to(dataset.root)) if healing.lost.is_dir() else "",
        )


@contextlib.contextmanager
def _held_if_possible(dataset: Dataset) -> Iterator[None]:
    """Hold the dataset while it is looked at; where nothing can be written, nobody writes."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(dataset))
        except WriteError as error:
            if getattr(error.__cause__, "errno", 0) not in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise
        yield


class _Healing:
    """Damages one kind after the other, in an order in which each may need the ones before."""

    def __init__(self, dataset: Dataset, found: Look, *, repair: bool) -> None:
        self.dataset = dataset
        self.found = found
        self.repair = repair
        self.lost = dataset.private / LOST / time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime())
        self.git = dataset.objects_folder.parent
        self._aside: set[tuple[int, int]] = set()

    def all(self) -> Iterator[Damage]:
        """Every damage, repaired where that could be."""
        yield from self.packs()
        yield from self.git_objects()
        yield from self.images()
        yield from self.index()
        yield from self.files()
        yield from self.found.other
        if self.repair and self.lost.is_dir():
            sync_filesystems(self.dataset.root, self.dataset.objects_folder, self.dataset.lfs.folder)

    def set_aside(self, path: Path, name: str) -> None:
        """Keep the bytes of a damaged file under `.dsk/lost`; the file itself stays for now."""
        stat = path.lstat()
        if (stat.st_dev, stat.st_ino) in self._aside:
            return
        self._aside.add((stat.st_dev, stat.st_ino))
        target = self.lost / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)
        except OSError:
            shutil.copy2(path, target)

    def mend_packs(self) -> Iterator[Damage]:
        """Packs of which git reads nothing because of their last bytes."""
        for pack in self.found.packs:
            if pack.checksum and self.repair:
                self.set_aside(pack.path, f"git/objects/pack/{pack.path.name}")
                mend_checksum(pack)
                yield Damage(kind="pack", path=self._shown(pack.path), what=pack.what, repaired="computed anew")

    def packs(self) -> Iterator[Damage]:
        """Packs whose checksums do not hold: their whole objects go into a new one."""
        listed = [(pack_of(self.git / "objects", oid), oid) for oid in self.found.walk.bad]
        known = {pack.path for pack in self.found.packs}
        holding = {path for path, _ in listed if path is not None and path not in known}
        for pack in (*self.found.packs, *(BadPack(path, "holds a damaged object", True) for path in sorted(holding))):
            yield Damage(kind="pack", path=self._shown(pack.path), what=pack.what, **self._outcome(self._repack(pack)))

    def _repack(self, pack: BadPack) -> tuple[str, str]:
        """(how it was repaired, its cure)."""
        bad = self.found.walk.bad
        if pack.checksum:
            return "", _BY_VERIFY
        if not pack.is_listed:
            return "", f"move {self._shown(pack.path.with_suffix('.idx'))} away, then git index-pack on the pack"
        if any(oid not in self.found.supplies and pack_of(self.git / "objects", oid) == pack.path for oid in bad):
            return "", FROM_CLONE
        if not self.repair:
            return "", _BY_VERIFY
        salvage(self.git / "objects", pack.path, self.found.supplies)
        sync_filesystems(self.git)
        for path in pack_files(pack.path):
            self.set_aside(path, f"git/objects/pack/{path.name}")
            path.unlink()
        return "its objects written into a new pack", ""

    def git_objects(self) -> Iterator[Damage]:
        """Damaged or missing objects."""
        folder = self.git / "objects"
        for oid, root in self.found.walk.bad.items():
            where = f" ({root.where or root.kind})"
            is_there = loose_path(folder, oid).exists() or pack_of(folder, oid) is not None
            damage = Damage(kind="git", path=oid.hex() + where, what="damaged" if is_there else "missing")
            supply = self.found.supplies.get(oid)
            repaired, cure = "", FROM_CLONE
            if supply is not None and not self.repair:
                cure = _BY_VERIFY
            elif self.repair:
                is_whole = self._is_whole_elsewhere(oid)
                if not is_whole and supply is not None:
                    write_objects(folder, {oid: supply})
                if supply is not None and self._reads(oid):
                    source = "another copy" if oid in self.found.from_copies else _SOURCES[supply[0]]
                    repaired = f"written anew from {source}"
                elif is_whole:
                    repaired = "another copy of it was there"
            yield msgspec.structs.replace(damage, **self._outcome((repaired, cure)))
        for oid in self.found.loose:
            damage = Damage(kind="git", path=oid.hex(), what="damaged; nothing refers to it")
            if self.repair:
                self._move(loose_path(folder, oid), f"git/objects/{oid.hex()}")
            yield msgspec.structs.replace(damage, **self._outcome(("set aside" if self.repair else "", _BY_VERIFY)))

    def _is_whole_elsewhere(self, oid: bytes) -> bool:
        """Take a damaged loose object away; whether a pack has it too."""
        loose = loose_path(self.git / "objects", oid)
        if loose.exists():
            self._move(loose, f"git/objects/{oid.hex()}")
        return self._reads(oid)

    def _reads(self, oid: bytes) -> bool:
        try:
            pygit2.Odb(str(self.git / "objects")).read(pygit2.Oid(raw=oid))
        except (KeyError, ValueError, pygit2.GitError):
            return False
        return True

    def images(self) -> Iterator[Damage]:
        """The store's objects that are damaged, or missing where the work tree has them."""
        found, lfs = self.found, self.dataset.lfs
        for sha, what in sorted(found.images.items()):
            path = lfs.path(sha)
            copy = found.copies.get(sha)
            repaired, cure = "", _BY_VERIFY if copy else _IMAGE_CURE
            if self.repair:
                self.set_aside(path, f"lfs/{sha}")
                if copy is not None and self._replace(sha, copy):
                    repaired, _ = f"from {self._inside(copy)}", found.images.pop(sha)
                else:  # a damaged object must not be taken for the image; git-lfs fetches what is not there
                    path.unlink(missing_ok=True)
                    cure = _IMAGE_CURE
            yield Damage(kind="image", path=sha, what=what, **self._outcome((repaired, cure)))
        for sha in sorted(found.missing.keys() & found.copies.keys()):
            copy = found.copies[sha]
            done = self.repair and self._replace(sha, copy)
            if done:
                del found.missing[sha]
            outcome = (f"from {self._inside(copy)}" if done else "", _BY_VERIFY)
            yield Damage(kind="image", path=sha, what="missing in the store", **self._outcome(outcome))

    def _replace(self, sha: str, copy: Path) -> bool:
        try:
            return self.dataset.lfs.replace(ImageRef(sha, copy.stat().st_size, ""), copy)
        except (InputError, FileNotFoundError):
            return False  # somebody changed it meanwhile

    def index(self) -> Iterator[Damage]:
        """Git's index, made anew from HEAD and the work tree."""
        if not self.found.index_problem:
            return
        path = self.dataset.index_path
        if self.repair:
            with locked_index(path):
                self._move(path, "git/index")
            index = pygit2.Index(str(path))
            tree = self.dataset.head_tree
            if tree is not None:
                index.read_tree(cast(pygit2.Tree, self.dataset.repo[pygit2.Oid(raw=tree)]))
            index.write()
            now = scan(self.dataset)
            refresh(self.dataset, {name: (now.stats[name], blob) for name, blob in now.same.items()})
        outcome = self._outcome(("made anew from HEAD" if self.repair else "", _BY_VERIFY))
        yield Damage(kind="index", path=self._shown(path), what=self.found.index_problem, **outcome)

    def files(self) -> Iterator[Damage]:
        """Work-tree files: images from the store, texts from git."""
        ready: dict[str, BadFile] = {}
        for path, bad in sorted(self.found.files.items()):
            cure = self._why_not(path, bad)
            if cure or not self.repair:
                yield Damage(kind="file", path=path, what=bad.what, cure=cure or _BY_VERIFY)
            else:
                ready[path] = bad
        if not ready:
            return
        for path in ready:
            self.set_aside(self.dataset.root / path, path)
        kept = set(rewrite(self.dataset, {path: (bad.stat, bad.blob) for path, bad in ready.items()}))
        for path, bad in ready.items():
            source = "from the store" if bad.blob in self.found.pointers else "from git"
            outcome = self._outcome(("" if path in kept else source, "it was saved just now: look at it"))
            yield Damage(kind="file", path=path, what=bad.what, **outcome)

    def _why_not(self, path: str, bad: BadFile) -> str:
        """The cure of a file that cannot be made anew; '' where it can."""
        root = self.dataset.root
        if any((root / folder).is_symlink() for folder in Path(path).parents):
            return "a folder above it is a symbolic link: put the folder itself there"
        pointed = self.found.pointers.get(bad.blob)
        if pointed is None:
            return "" if self._reads(bad.blob) else f"git's copy is gone too: {FROM_CLONE}"
        is_whole = pointed[0] not in self.found.images and self.dataset.lfs.has(ImageRef(*pointed, ""))
        return "" if is_whole else f"the store's copy is gone too: {_IMAGE_CURE}"

    def _move(self, path: Path, name: str) -> None:
        self.set_aside(path, name)
        path.unlink()

    def _inside(self, path: Path) -> str:
        return path.relative_to(self.dataset.root).as_posix()

    def _shown(self, path: Path) -> str:
        root = self.dataset.root
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    @staticmethod
    def _outcome(outcome: tuple[str, str]) -> dict[str, str]:
        repaired, cure = outcome
        return {"repaired": repaired} if repaired else {"cure": cure}
