"""Masks: greyscale pictures of the images' sizes that say where the loss counts.

They come from a folder of the dataset (`masks/aria/image1.png`, also `image1-masklabel.png`, as OneTrainer names them:
Nerogar/OneTrainer:modules/util/path_util.py), or from the transparency that images had before `edited` flattened them.
A folder beside the stages is a person's own: dsk neither looks for hand edits in it, nor commits or restores it; who
wants its history adds it with git. So what an export was made of is remembered by the files' content, in
`masks_state`, and the masks that were made of them lie in the dataset's store.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from datakit.actions.exporting.images import Ready
from datakit.actions.project import Project
from datakit.config import CONFIG_NAME, digest
from datakit.errors import ConfigError, InputError
from datakit.exports.expressing import some
from datakit.images.decode import BYTE_LIMIT, UnreadableImage, read_bounded
from datakit.images.looks import FACTS, answer
from datakit.images.masks import Source, mask_png
from datakit.images.measure import ImageFacts
from datakit.model.item import ImageRef, split_path
from datakit.model.order import EXPORT, ORDER, RAW
from datakit.model.progress import Progress
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import TreeView, stage_tree
from datakit.repo.transitions.inspecting import facts_of_images
from datakit.store.parallel import spread

ALPHA: Final = "alpha"
_ALPHA_STAGES: Final = ("filtered", RAW)
"""Where transparency may still be, the newest first."""
_EXTENSIONS: Final = ("png", "webp", "jpg", "jpeg", "bmp")
_LABEL: Final = "-masklabel"
_VERSION: Final = 1
"""Raised whenever the same file would make another mask."""


class _Answer(msgspec.Struct, frozen=True):
    """What the memo has of one mask."""

    mask: ImageRef | None
    problem: str = ""


class _Job(NamedTuple):
    """A mask that is to be made."""

    key: str
    where: str
    """For people."""
    memo: str
    """What it is remembered by."""
    read: Callable[[], bytes]
    source: Source
    size_px: tuple[int, int]


def masks_state(dataset: Dataset, root: bytes | None, wanted: str) -> str:
    """What changes when a mask does; cheap: of files it reads only those that are new to it.

    Raises:
        ConfigError: `masks` names no folder that masks may lie in.
    """
    if not wanted:
        return ""
    if wanted == ALPHA:
        trees = (stage_tree(dataset, root, stage) for stage in _ALPHA_STAGES)
        return digest([_VERSION, *(tree.hex() if tree else "" for tree in trees)])
    return digest([_VERSION, sorted(_hashed(dataset, wanted).items())])


def masks_of(
    project: Project, wanted: str, ready: Mapping[str, Ready], progress: Progress, *, root: bytes | None = None
) -> tuple[dict[str, ImageRef], tuple[str, ...]]:
    """(Item key → its mask, notes for people); `root` is the tree that is exported, HEAD's where it is None.

    Raises:
        ConfigError: `masks` names no folder that masks may lie in, or one that is not there.
    """
    if not wanted:
        return {}, ()
    dataset = project.dataset
    if wanted == ALPHA:
        jobs = _of_alpha(dataset, root or dataset.head_tree, ready, progress)
    else:
        if not (dataset.root / wanted).is_dir():
            raise _refused(wanted, "there is no such folder", _folder(wanted))
        jobs = _of_files(dataset, wanted, ready)
    answers = _answers(dataset, jobs, progress)
    masks = {job.key: one.mask for job, one in zip(jobs, answers, strict=True) if one.mask is not None}
    problems = [f"{job.where} ({one.problem})" for job, one in zip(jobs, answers, strict=True) if one.problem]
    return masks, tuple(_notes(wanted, len(ready) - len(masks), problems))


def _notes(wanted: str, num_bare: int, problems: Sequence[str]) -> Iterator[str]:
    if problems:
        yield f"masks that cannot be used: {some(problems)}"
    if num_bare:
        images = "1 image has" if num_bare == 1 else f"{num_bare:,} images have"
        why = "no transparency" if wanted == ALPHA else f"no mask in {wanted}"
        yield f"{images} {why}: where masks count, the loss of the whole picture does"


def _folder(wanted: str) -> str:
    """The folder, with slashes, from the dataset's root.

    Raises:
        ConfigError: it is outside of the dataset, hidden, or a stage's.
    """
    path = wanted.replace("\\", "/").rstrip("/")
    parts = path.split("/")
    if Path(wanted).is_absolute() or ":" in parts[0] or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise _refused(wanted, "that is no folder of the dataset", "a folder of your own beside the stages")
    if parts[0] in ORDER or any(part.startswith(".") for part in parts):
        raise _refused(wanted, "dsk writes that folder itself", "a folder of your own beside the stages")
    return path


def _refused(wanted: str, reason: str, cure: str) -> ConfigError:
    hint = f'masks = "{ALPHA}", or {cure} with <concept>/<name>.png for the images that have a mask'
    return ConfigError(f"{CONFIG_NAME} [{EXPORT}] masks = '{wanted}': {reason}", hint=hint)


def _found(root: Path, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every picture below a folder, from there, with its stat; links are not followed, hidden folders not entered."""
    top = root / folder
    if any(parent.is_symlink() for parent in (top, *top.parents) if root in parent.parents):
        raise _refused(folder, "it is a link", "a folder of your own beside the stages")
    waiting = [""] if top.is_dir() else []
    while waiting:
        inside = waiting.pop()
        with os.scandir(top / inside) as rows:
            for row in rows:
                path = f"{inside}{row.name}"
                if row.is_dir(follow_symlinks=False) and not row.name.startswith("."):
                    waiting.append(f"{path}/")
                elif split_path(path)[1].lower() in _EXTENSIONS and row.is_file(follow_symlinks=False):
                    yield path, row.stat(follow_symlinks=False)


def _hashed(dataset: Dataset, wanted: str) -> dict[str, str]:
    """Path in the folder → sha256 of each picture; one whose size and times are as before is not read again."""
    folder = _folder(wanted)
    names = {
        path: f"maskfile:{folder}/{path}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"
        for path, stat in _found(dataset.root, folder)
    }
    known = {name: value.decode() for name, value in dataset.memo.get(names.values()).items()}
    new = [path for path, name in names.items() if name not in known]
    for path, sha256 in spread(lambda path: (path, _sha256(dataset.root / folder / path)), new):
        known[names[path]] = sha256
    dataset.memo.put((names[path], known[names[path]].encode()) for path in new)
    return {path: known[name] for path, name in names.items()}


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="check the file's permissions") from error


def _of_files(dataset: Dataset, wanted: str, ready: Mapping[str, Ready]) -> list[_Job]:
    """A job for each item that has a file in the folder."""
    hashes, folder = _hashed(dataset, wanted), _folder(wanted)
    by_stem: dict[str, dict[str, str]] = {}
    for path in sorted(hashes):
        stem, extension = split_path(path)
        by_stem.setdefault(stem, {}).setdefault(extension.lower(), path)
    jobs = []
    for key, item in ready.items():
        named = {**by_stem.get(f"{key}{_LABEL}", {}), **by_stem.get(key, {})}
        path = next((named[extension] for extension in _EXTENSIONS if extension in named), "")
        if path:
            read = partial(read_bounded, dataset.root / folder / path)
            jobs.append(_job(key, f"{folder}/{path}", "picture", item, sha256=hashes[path], read=read))
    return jobs


def _of_alpha(dataset: Dataset, root: bytes | None, ready: Mapping[str, Ready], progress: Progress) -> list[_Job]:
    """A job for each item that some stage has with transparency, and in the size that is exported."""
    views = [TreeView(dataset, stage_tree(dataset, root, stage)) for stage in _ALPHA_STAGES]
    before = {key: [ref for view in views for ref in _images(dataset, view, key)] for key in ready}
    facts = _facts(dataset, {ref for refs in before.values() for ref in refs}, progress)
    jobs = []
    for key, item in ready.items():
        for ref in before[key]:
            known = facts.get(ref.sha256)
            if known is not None and known.transparent and known.oriented_size_px == item.size_px:
                read = partial(dataset.lfs.read, ref.sha256, most_bytes=BYTE_LIMIT + 1)
                jobs.append(_job(key, key, "alpha", item, sha256=ref.sha256, read=read))
                break
    return jobs


def _images(dataset: Dataset, view: TreeView, key: str) -> Iterator[ImageRef]:
    for path, blob in sorted(view.item(key).images.items()):
        ref = dataset.image_ref(f"{RAW}/{path}", blob)
        if ref is not None:
            yield ref
            return


def _facts(dataset: Dataset, images: set[ImageRef], progress: Progress) -> dict[str, ImageFacts]:
    found = facts_of_images(
        dataset, FACTS, images, lambda data: answer(data, [FACTS])[0], lambda done, of: progress("masks", done, of)
    )
    return {sha256: msgspec.convert(facts, ImageFacts) for sha256, facts in found.items()}


def _job(key: str, where: str, source: Source, item: Ready, *, sha256: str, read: Callable[[], bytes]) -> _Job:
    width, height = item.size_px
    memo = f"mask:{_VERSION}:{source}:{sha256}:{width}x{height}"
    return _Job(key, where, memo, read, source, item.size_px)


def _answers(dataset: Dataset, jobs: Sequence[_Job], progress: Progress) -> list[_Answer]:
    """What comes of each job, remembered by content."""
    known: dict[str, _Answer] = {}
    for name, value in dataset.memo.get({job.memo for job in jobs}).items():
        one = msgspec.msgpack.decode(value, type=_Answer)
        if one.mask is None or dataset.lfs.has(one.mask):
            known[name] = one
    new = list({job.memo: job for job in jobs if job.memo not in known}.values())
    fresh: dict[str, _Answer] = {}
    try:
        for number, (job, found) in enumerate(spread(lambda job: (job, _made(dataset, job)), new), 1):
            fresh[job.memo] = found
            progress("masks", number, len(new))
    finally:  # whoever stops the work keeps what is done
        dataset.memo.put((name, msgspec.msgpack.encode(one)) for name, one in fresh.items())
    known |= fresh
    return [known[job.memo] for job in jobs]


def _made(dataset: Dataset, job: _Job) -> _Answer:
    try:
        return _Answer(dataset.lfs.ingest_bytes(mask_png(job.read(), job.source, job.size_px), "png"))
    except UnreadableImage as error:
        return _Answer(None, error.reason)
    except OSError as error:
        raise InputError(f"{job.where}: {error.strerror}", hint="check the file's permissions") from error
