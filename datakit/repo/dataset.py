"""A dataset: an ordinary git work tree with a dsk.toml."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pygit2

from datakit.config import CONFIG_NAME, read_toml
from datakit.errors import ConfigError, RepositoryError, UsageError, WriteError
from datakit.model.item import ImageRef, split_path
from datakit.repo.layout import is_stored_as_pointer
from datakit.store.lfs import LfsStore, parse_pointer, pointer
from datakit.store.links import Linker
from datakit.store.memo import Memo
from datakit.store.objects import Entry, Objects, find

PRIVATE = ".dsk"
JOURNAL = "journal.json"
HEADS = "refs/heads/"
_SETTINGS = ("core.trustctime", "core.filemode")
"""Of git, off in a dataset: hard links change an inode's ctime without changing the file; files have one mode."""


class Dataset:
    """An open dataset: its root, its git repository and its stores. Opening reads; only operations write."""

    def __init__(self, root: Path, repo: pygit2.Repository) -> None:
        self.root = root
        self.repo = repo
        _make_references_durable(repo)
        common = common_folder(repo)
        self.lfs = LfsStore(common)
        self.private = root / PRIVATE
        self.memo = Memo(self.private / "cache.sqlite")
        self.linker = Linker(self.private / "tmp")
        self.index_path = Path(repo.path) / "index"
        self.objects_folder = common / "objects"
        self.objects = Objects(repo.odb, self.objects_folder)
        self.in_session = False
        """Whether this process holds the dataset, its hand edits committed; see transaction.session."""

    @property
    def branch_ref(self) -> str:
        """Full name of the branch that HEAD stands on.

        Raises:
            RepositoryError: HEAD stands on a commit instead.
        """
        target = self.repo.lookup_reference("HEAD").target
        if not isinstance(target, str):
            raise RepositoryError(
                f"{self.root}: HEAD is detached, so a new commit would belong to no branch", hint=self.way_back()
            )
        return target

    @property
    def astray(self) -> str:
        """What is wrong with a HEAD on a branch without commits beside branches that have some; '' where all is well.

        A commit made there would begin a second history, unrelated to the first.
        """
        others = sorted(self.repo.branches.local) if self.repo.head_is_unborn else []
        if not others:
            return ""
        name = self.branch_ref.removeprefix(HEADS)
        return f"HEAD stands on branch '{name}', which does not exist; there is {', '.join(others)}"

    def way_back(self) -> str:
        """The command that leads from such a HEAD to a branch that exists."""
        others = sorted(self.repo.branches.local)
        return f"dsk switch {'main' if 'main' in others or not others else others[0]}"

    @property
    def head(self) -> bytes | None:
        """Id of the commit that HEAD stands on; None before the first."""
        if self.repo.head_is_unborn:
            return None
        return bytes.fromhex(str(self.repo.head.target))

    def prepare(self) -> None:
        """Set what dsk needs of git's configuration; a clone does not bring it along."""
        config = self.repo.config
        for name in _SETTINGS:
            if name not in config or config.get_bool(name):
                config[name] = False

    def commit(self, oid: bytes) -> pygit2.Commit:
        """A commit by its id.

        Raises:
            RepositoryError: missing, or no commit.
        """
        found = self.repo.get(pygit2.Oid(raw=oid))
        if found is None or found.type != pygit2.enums.ObjectType.COMMIT:
            raise RepositoryError(f"commit {oid.hex()} is missing", hint="git fsck; fetch it from a clone")
        return cast(pygit2.Commit, found)

    def tree_of(self, commit: bytes | None) -> bytes | None:
        """Id of a commit's tree."""
        if commit is None:
            return None
        return bytes(self.commit(commit).tree_id.raw)

    @property
    def head_tree(self) -> bytes | None:
        """Id of HEAD's tree; None before the first commit."""
        return self.tree_of(self.head)

    def entry(self, path: str) -> Entry | None:
        """HEAD's entry at a path."""
        tree = self.head_tree
        return find(self.objects, tree, path) if tree else None

    def settings(self) -> Mapping[str, Any]:
        """The tables of dsk.toml as they stand in the work tree.

        Raises:
            ConfigError: missing, unreadable or not TOML.
        """
        return read_toml(self.root / CONFIG_NAME)

    def image_ref(self, path: str, blob: bytes) -> ImageRef | None:
        """The image that a pointer blob stands for; None when the blob is no pointer."""
        if not is_stored_as_pointer(path):
            return None
        found = parse_pointer(self.objects.read(blob))
        return ImageRef(found[0], found[1], split_path(path)[1]) if found else None

    def pointer_blob(self, ref: ImageRef) -> bytes:
        """Id of the pointer blob of an image, kept for the next flush."""
        return self.objects.blob(pointer(ref.sha256, ref.size_bytes))


def _make_references_durable(repo: pygit2.Repository) -> None:
    """Have libgit2 sync a reference before it replaces the old one; objects are synced all at once instead.

    libgit2 asks for this setting when it first looks at a repository's references, and for each object it writes.
    """
    pygit2.settings.enable_fsync_gitdir(True)
    try:
        with contextlib.suppress(pygit2.GitError):  # a HEAD that cannot be read is told of where it is needed
            _ = repo.head_is_unborn
    finally:
        pygit2.settings.enable_fsync_gitdir(False)


def common_folder(repo: pygit2.Repository) -> Path:
    """Where objects are: the `.git` that all work trees of `git worktree add` share."""
    folder = Path(repo.path)
    try:
        return folder / (folder / "commondir").read_text("utf-8").strip()
    except FileNotFoundError:
        return folder


def find_root(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds a dsk.toml, or that a killed operation has yet to fill."""
    start = start.absolute()
    marks = (CONFIG_NAME, f"{PRIVATE}/{JOURNAL}")
    return next((folder for folder in (start, *start.parents) if any((folder / m).is_file() for m in marks)), None)


def open_dataset(start: Path) -> Dataset:
    """Open the dataset that `start` lies in.

    Raises:
        RepositoryError: no dsk.toml here or above, or no git repository beside it.
        ConfigError: a dataset whose dsk.toml was deleted.
    """
    root = find_root(start)
    if root is None:
        above = next((folder for folder in (start.absolute(), *start.absolute().parents) if _is_git(folder)), None)
        if above is not None:
            _refuse_without_settings(above, _open_repository(above))
        raise RepositoryError(f"{start}: not inside a dsk dataset (no {CONFIG_NAME} here or above)", hint="dsk init")
    if not _is_git(root):
        raise RepositoryError(f"{root}: has a {CONFIG_NAME} but no git repository", hint="dsk init, to begin one")
    repo = _open_repository(root)
    _refuse_unfinished(root, repo)
    return Dataset(root, repo)


def _is_git(folder: Path) -> bool:
    return (folder / ".git").exists()


def _open_repository(root: Path) -> pygit2.Repository:
    try:
        return pygit2.Repository(str(root))
    except pygit2.GitError as error:
        raise _refused(root, error) from error


def _refused(root: Path, error: pygit2.GitError) -> RepositoryError:
    if "not owned by" in str(error):
        hint = f"git config --global --add safe.directory {shlex.quote(str(root))}, if you trust it"
        return RepositoryError(f"{root}: git refuses this repository: it belongs to another user", hint=hint)
    return RepositoryError(f"{root}: git refuses this repository: {error}", hint="git status tells more")


def _refuse_without_settings(root: Path, repo: pygit2.Repository) -> None:
    """Refuse a dataset of which only dsk.toml is gone."""
    try:
        is_dataset = not repo.head_is_unborn and CONFIG_NAME in repo.head.peel(pygit2.Tree)
    except (pygit2.GitError, KeyError):
        return  # whose commits cannot be read
    if is_dataset:
        here = "" if root == Path.cwd() else f"-C {shlex.quote(str(root))} "
        raise ConfigError(f"{root}: {CONFIG_NAME} is missing", hint=f"git {here}checkout HEAD -- {CONFIG_NAME}")


def _refuse_unfinished(root: Path, repo: pygit2.Repository) -> None:
    git = Path(repo.path)
    for name, word in (
        ("MERGE_HEAD", "merge"),
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
    ):
        if (git / name).exists():
            raise RepositoryError(f"{root}: a git {word} is unfinished", hint=f"git {word} --abort, or finish it")


def _is_ignored(root: Path, outer: Path) -> bool:
    """Whether the repository around `root` leaves that folder alone."""
    repo = pygit2.Repository(str(outer))
    inside = root.resolve().relative_to(Path(repo.workdir).resolve()).as_posix() if repo.workdir else ""
    return bool(inside) and repo.path_is_ignored(f"{inside}/")


def create_repository(root: Path) -> pygit2.Repository:
    """Make `root` a git repository with branch main, or open the empty one that is there.

    Raises:
        RepositoryError: there is a repository with commits already, or `root` lies inside another one's work tree.
        UsageError: a file stands there.
        WriteError: the folder cannot be written.
    """
    blocked = next((folder for folder in (root, *root.parents) if folder.exists() and not folder.is_dir()), None)
    if blocked is not None:
        raise UsageError(f"{blocked}: is a file, and a dataset is a folder", hint="choose a new or an empty folder")
    try:
        root.mkdir(parents=True, exist_ok=True)
        outer = pygit2.discover_repository(str(root))
        own = _is_git(root)
        if outer is not None and not own and not _is_ignored(root, Path(outer)):
            raise RepositoryError(
                f"{root}: lies inside another git repository ({Path(outer).parent})",
                hint="choose a folder outside of it, or one that it ignores; a dataset is a repository of its own",
            )
        repo = _open_repository(root) if own else pygit2.init_repository(str(root), initial_head="main")
        if not os.access(root, os.W_OK):
            raise WriteError(f"{root}: not writable")
    except OSError as error:
        raise WriteError(f"{root}: {error.strerror or error}", hint="choose a folder that you may write to") from error
    except pygit2.GitError as error:
        raise WriteError(f"{root}: git cannot make a repository here: {error}") from error
    _refuse_history(root, repo)
    return repo


def _refuse_history(root: Path, repo: pygit2.Repository) -> None:
    """Refuse a repository in which there are commits already."""
    if not repo.head_is_unborn:
        if not (root / CONFIG_NAME).exists():
            _refuse_without_settings(root, repo)
        if CONFIG_NAME in repo.head.peel(pygit2.Tree):
            raise RepositoryError(f"{root}: is a dsk dataset already", hint="dsk status shows it")
        raise RepositoryError(
            f"{root}: a git repository with commits that dsk did not make",
            hint="choose a new folder; dsk import brings the images in",
        )
    others = sorted(repo.branches.local)
    if others:
        raise RepositoryError(
            f"{root}: HEAD stands on a branch that does not exist; there is {', '.join(others)}",
            hint=f"git switch {shlex.quote(others[0])}",
        )
