"""dsk doctor: how a dataset and the computer that it is on stand."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
import pygit2

from datakit import __version__
from datakit.actions.project import Counted, Project
from datakit.config import CONFIG_NAME
from datakit.errors import DskError, RepositoryError
from datakit.repo.care.healing import LOST
from datakit.repo.dataset import JOURNAL, Dataset, open_dataset
from datakit.repo.layout import GITATTRIBUTES, is_stored_as_pointer
from datakit.store.index import Index, read_index
from datakit.store.links import Strategy, try_strategy
from datakit.store.lock import holder

State = Literal["ok", "note", "problem"]
_SAMPLE = 500
_LITTLE_BYTES: Final = 1 << 30
_OLD_LOCK_S: Final = 60.0
"""Git holds its locks for moments; one this old was left by a killed git, and nothing can be written before it goes."""
_OPTIONAL: Final = {
    "dsk bake": ("torch", "diffusers", "transformers", "safetensors", "accelerate"),
    "tagging": ("onnxruntime",),
}
_LINKING: Final[dict[Strategy, str]] = {
    "reflink": "reflinks: stages share the bytes of unchanged images, and every file may be written to",
    "hardlink": "hard links: stages share one read-only file for each unchanged image",
    "copy": "copies: this file system has no links, so each stage takes the full space",
}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    state: State
    what: str
    cure: str = ""


def examine(start: Path) -> list[Check]:
    """Look at the dataset around `start` and at the computer; writes only probes into `.dsk/tmp`, which go again.

    Raises:
        RepositoryError: not a dataset.
    """
    dataset = open_dataset(start)
    index, problem = _index(dataset)
    return [
        *_versions(),
        *_packages(),
        *_file_system(dataset),
        *_probes(dataset),
        *_sharing(dataset, index),
        *_work_in_progress(dataset),
        *_leftovers(dataset),
        *_git(dataset, problem),
        *_settings(dataset),
    ]


def _index(dataset: Dataset) -> tuple[Index, str]:
    try:
        return read_index(dataset.index_path), ""
    except RepositoryError as error:
        return Index({}, 0), error.message


def _versions() -> Iterator[Check]:
    words = f"dsk {__version__}, Python {platform.python_version()}, libgit2 {pygit2.LIBGIT2_VERSION}, {sys.platform}"
    yield Check(name="dsk", state="ok", what=words)
    for program, why in (
        ("git", "dsk itself works without it"),
        ("git-lfs", "dsk itself works without it, but git needs it to clone, push and pull images"),
    ):
        found = _version_of(program)
        if found:
            yield Check(name=program, state="ok", what=found)
        else:
            yield Check(name=program, state="note", what=f"not found; {why}", cure=f"install {program}")


def _version_of(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.partition("\n")[0].partition(" (")[0].strip()


def _packages() -> Iterator[Check]:
    for what, names in _OPTIONAL.items():
        missing = [name for name in names if importlib.util.find_spec(name) is None]
        if missing:
            cure = "pip install 'dsk[train]'" if what == "dsk bake" else f"pip install {' '.join(missing)}"
            yield Check(name=what, state="note", what=f"not installed: {', '.join(missing)}", cure=cure)
        else:
            yield Check(name=what, state="ok", what=f"installed: {', '.join(names)}")


def _file_system(dataset: Dataset) -> Iterator[Check]:
    for name, folder in (("work tree", dataset.root), ("git folder", dataset.objects_folder.parent)):
        if name == "git folder" and folder.stat().st_dev == dataset.root.stat().st_dev:
            continue
        free = shutil.disk_usage(folder).free
        kind = _kind_of(folder)
        what = f"{kind + ', ' if kind else ''}{free / 1e9:,.1f} GB free"
        if free < _LITTLE_BYTES:
            yield Check(name=name, state="problem", what=what, cure="free some space before the next import")
        else:
            yield Check(name=name, state="ok", what=what)


def _kind_of(folder: Path) -> str:
    """Type of the file system, where the system tells (Linux)."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    here = folder.resolve()
    mounts = [(line.split()[1].replace("\\040", " "), line.split()[2]) for line in lines if len(line.split()) > 2]
    return max(((len(at), kind) for at, kind in mounts if here.is_relative_to(at)), default=(0, ""))[1]


def _probes(dataset: Dataset) -> Iterator[Check]:
    """What the file system can do, found by trying."""
    folder = dataset.private / "tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strategy = try_strategy(folder)
        is_case_blind = _is_found(folder, "case-probe", "CASE-PROBE")
        is_form_blind = _is_found(folder, "\xe9-probe", unicodedata.normalize("NFD", "\xe9-probe"))
    except OSError as error:
        what = f"{error.filename or folder}: {error.strerror or error}"
        yield Check(name="writing", state="problem", what=what, cure="the dataset's folder must be writable")
        return
    cure = "put the dataset on a file system with links, such as ext4, btrfs, xfs, apfs or ntfs"
    yield Check(
        name="linking",
        state="note" if strategy == "copy" else "ok",
        what=_LINKING[strategy],
        cure=cure if strategy == "copy" else "",
    )
    case = "upper and lower case are one name; dsk import keeps such names apart" if is_case_blind else "case counts"
    form = "one letter in two Unicode forms is one name" if is_form_blind else "Unicode forms count"
    yield Check(name="names", state="note" if is_case_blind else "ok", what=f"{case}; {form}")


def _is_found(folder: Path, name: str, other: str) -> bool:
    probe = folder / f"{os.getpid()}-{name}"
    try:
        probe.touch()
        return (folder / f"{os.getpid()}-{other}").exists()
    finally:
        probe.unlink(missing_ok=True)


def _sharing(dataset: Dataset, index: Index) -> Iterator[Check]:
    """A sample of images: the bytes that they take in the work tree, and those that are in the store."""
    places: dict[bytes, list[str]] = {}
    for path, line in index.lines.items():
        if is_stored_as_pointer(path) and (line.oid in places or len(places) < _SAMPLE):
            places.setdefault(line.oid, []).append(path)
    sizes: dict[bytes, int] = {}
    taken: dict[tuple[int, int], int] = {}
    missing = 0
    for blob, paths in places.items():
        missing += _is_missing(dataset, paths[0], blob)
        for path in paths:
            try:
                stat = os.lstat(dataset.root / path)
            except OSError:
                continue
            taken[stat.st_dev, stat.st_ino] = stat.st_size
            sizes[blob] = stat.st_size
    if not places:
        return
    unique, used = sum(sizes.values()), sum(taken.values())
    of = f"{Counted(len(places), 'image')}{' (a sample)' if len(places) == _SAMPLE else ''}"
    yield Check(
        name="sharing",
        state="ok",
        what=f"{of} of {unique / 1e6:,.1f} MB take {used / 1e6:,.1f} MB in the work tree, counted by inode",
    )
    if missing:
        yield Check(
            name="images",
            state="note",
            what=f"{missing:,} of {of} are not in this clone",
            cure="dsk pull",
        )
    else:
        yield Check(name="images", state="ok", what=f"{of}: all in the store")


def _is_missing(dataset: Dataset, path: str, blob: bytes) -> bool:
    try:
        ref = dataset.image_ref(path, blob)
    except RepositoryError:
        return True
    return ref is not None and not dataset.lfs.has(ref)


def _work_in_progress(dataset: Dataset) -> Iterator[Check]:
    process = holder(dataset.private / "lock")
    if process:
        who = "another process" if process == "?" else f"process {process}"
        yield Check(name="lock", state="note", what=f"{who} is at work", cure="wait until it is done")
    else:
        yield Check(name="lock", state="ok", what="free")
    if (dataset.private / JOURNAL).exists() and not process:
        what = "an operation was interrupted"
        yield Check(name="journal", state="note", what=what, cure="any dsk command, such as dsk status, finishes it")


def _leftovers(dataset: Dataset) -> Iterator[Check]:
    git = dataset.objects_folder.parent
    locks = [*git.glob("*.lock"), *git.glob("refs/**/*.lock"), *Path(dataset.repo.path).glob("*.lock")]
    groups = {
        "temporary files": [
            *(dataset.private / "tmp").glob("*"),
            *(git / "lfs/tmp").glob("dsk-*"),
            *dataset.objects_folder.glob("tmp_obj*"),
            *dataset.objects_folder.glob("??/tmp_obj*"),
            *dataset.objects_folder.glob("pack/tmp_*"),
        ],
        "locks of git": list({path.resolve(): path for path in locks}.values()),
        "old caches": [path for path in (dataset.private / "latents").rglob("*") if path.is_file()],
        "damaged bytes": [path for path in (dataset.private / LOST).rglob("*") if path.is_file()],
    }
    cures = {
        "temporary files": "the next operation removes its own; git gc those of git",
        "locks of git": "if no git command is running, delete them",
        "old caches": "nothing reads them any more: delete .dsk/latents",
        "damaged bytes": f"what dsk verify set aside: delete .dsk/{LOST} when you need it no more",
    }
    found = False
    for name, paths in groups.items():
        if paths:
            found = True
            what = f"{Counted(len(paths), 'file')}, {sum(_size(path) for path in paths) / 1e6:,.1f} MB: {paths[0]}"
            is_old = name == "locks of git" and any(time.time() - _time(path) > _OLD_LOCK_S for path in paths)
            yield Check(name=name, state="problem" if is_old else "note", what=what, cure=cures[name])
    if not found:
        yield Check(name="leftovers", state="ok", what="none")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _time(path: Path) -> float:
    """When it was written last; now, where it has gone meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()


def _git(dataset: Dataset, index_problem: str) -> Iterator[Check]:
    repo = dataset.repo
    if repo.head_is_detached:
        what = "detached: a new commit would be lost"
        yield Check(name="HEAD", state="problem", what=what, cure=dataset.way_back())
    elif dataset.astray:
        yield Check(name="HEAD", state="problem", what=dataset.astray, cure=dataset.way_back())
    else:
        yield Check(name="HEAD", state="ok", what=f"on {dataset.branch_ref.removeprefix('refs/heads/')}")
    if index_problem:
        yield Check(name="index", state="problem", what=index_problem, cure="dsk verify makes it anew")
    wrong = [
        name for name in ("core.trustctime", "core.filemode") if name not in repo.config or repo.config.get_bool(name)
    ]
    if wrong:
        what = f"{' and '.join(wrong)} not off yet, so git may read files again"
        yield Check(name="git config", state="note", what=what, cure="the next operation sets it")
    else:
        yield Check(name="git config", state="ok", what="core.trustctime and core.filemode are off, as they must be")
    if "user.email" not in repo.config and "GIT_AUTHOR_EMAIL" not in os.environ:
        what = "git does not know your name, so operations are by 'dsk'"
        yield Check(name="author", state="note", what=what, cure="git config --global user.name and user.email")
    hooks = [path.name for path in _hooks(dataset)]
    if hooks:
        yield Check(name="hooks", state="note", what=f"{', '.join(hooks)}: git runs them, dsk does not")


def _hooks(dataset: Dataset) -> list[Path]:
    config = dataset.repo.config
    folder = dataset.objects_folder.parent / "hooks"
    own = config["core.hookspath"] if "core.hookspath" in config else None  # noqa: SIM401  it has no `get`
    if own:
        folder = dataset.root / Path(own).expanduser()
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix != ".sample" and os.access(path, os.X_OK))


def _settings(dataset: Dataset) -> Iterator[Check]:
    try:
        Project(dataset).check()
    except DskError as error:
        yield Check(name=CONFIG_NAME, state="problem", what=error.message, cure=error.hint)
    else:
        yield Check(name=CONFIG_NAME, state="ok", what="every setting is known")
    try:
        lines = set((dataset.root / ".gitattributes").read_text("utf-8", "replace").splitlines())
    except OSError:
        lines = set()
    if not lines.issuperset(line for line in GITATTRIBUTES.splitlines() if not line.startswith("#")):
        what = "lines of dsk are missing, so plain git may commit images whole or change line ends"
        yield Check(name=".gitattributes", state="problem", what=what, cure="dsk restore, or take them from git show")
