"""Other copies of a dataset: history through the git program, images through git-lfs, or as plain files of a path."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pygit2

from datakit.errors import InputError, RepositoryError, StateError
from datakit.model.item import ImageRef, split_path
from datakit.repo.dataset import Dataset, common_folder
from datakit.repo.layout import is_stored_as_pointer
from datakit.store.durable import sync_filesystems
from datakit.store.lfs import LfsStore
from datakit.store.objects import diff
from datakit.store.transfer import Transferred, copy_images

_GIT = "git"
_LFS = "git-lfs"
_QUIET = {"GIT_LFS_SKIP_SMUDGE": "1", "GIT_LFS_SKIP_PUSH": "1"}
"""dsk moves the images itself, so that no hook or filter of git-lfs does it a second time."""
Tell = Callable[[int, int], None]
"""Told how many images there are, and of how many."""


def run_git(*words: str, cwd: Path | None = None) -> None:
    """Run git, which speaks to the person itself: progress, passwords, its own errors.

    Raises:
        RepositoryError: git is not installed, or it failed.
    """
    done = subprocess.run([_git(), *words], cwd=cwd, env={**os.environ, **_QUIET}, check=False)
    if done.returncode:
        shown = " ".join(word for word in words if not word.startswith("-c"))
        raise RepositoryError(f"git {shown}: failed with exit code {done.returncode}", hint="git's own words are above")


def _git() -> str:
    found = shutil.which(_GIT)
    if found is None:
        raise RepositoryError("git is not installed, and cloning, pulling and pushing need it", hint="install git")
    return found


def has_lfs() -> bool:
    """Whether git-lfs is installed."""
    return shutil.which(_LFS) is not None


def url_of(dataset: Dataset, remote: str) -> str:
    """The address of a remote; what is no remote's name is an address itself.

    Raises:
        RepositoryError: neither.
    """
    names = list(dataset.repo.remotes.names())
    if remote in names:
        return str(dataset.repo.remotes[remote].url)
    if not remote:
        raise StateError(f"{dataset.root}: no other copy is known", hint="dsk push PATH, or git remote add origin URL")
    if "://" in remote:
        return remote
    if local_folder(remote) is not None:
        return str(Path(remote).expanduser().absolute())  # git runs in the dataset's root, wherever the person is
    if ":" in remote.partition("/")[0]:
        return remote
    known = f"known: {', '.join(sorted(filter(None, names)))}" if names else "git remote add origin URL"
    raise RepositoryError(f"no remote '{remote}', and no repository at that path", hint=known)


def local_folder(address: str, base: Path | None = None) -> Path | None:
    """The git folder of a repository on this computer's disks; None for any other address.

    Raises:
        InputError: a path without a repository.
    """
    parts = urlsplit(address)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
    elif "://" in address or (":" in address.partition("/")[0] and not Path(address).exists()):
        return None
    else:
        path = (base or Path.cwd()) / Path(address).expanduser()
    found = pygit2.discover_repository(str(path)) if path.is_dir() else None
    inside = Path(found).resolve() if found else None
    if inside is None or inside not in {path.resolve(), (path / ".git").resolve()}:
        if inside is not None and (path / ".git").is_file():
            return common_folder(pygit2.Repository(found))
        return None
    return common_folder(pygit2.Repository(str(inside)))


def fetch_commits(dataset: Dataset, remote: str, branch: str) -> bytes:
    """Bring a branch's commits from another copy, and all others of a remote by name; returns the branch's tip.

    Raises:
        RepositoryError: git failed.
    """
    run_git("fetch", "-q", "--", remote, f"refs/heads/{branch}", cwd=dataset.root)
    tip = (Path(dataset.repo.path) / "FETCH_HEAD").read_text("utf-8").split()[0]
    if remote in list(dataset.repo.remotes.names()):
        run_git("fetch", "-q", "--", remote, cwd=dataset.root)
    return bytes.fromhex(tip)


def fetch_images(
    dataset: Dataset, remote: str, address: str, tip: bytes, *, known: Iterable[bytes], tell: Tell
) -> Transferred:
    """Bring the images of a commit and of a remote's other branches, with their history, into this store.

    What the commits in `known` and those before them have is taken to be here.

    Raises:
        RepositoryError: git-lfs failed.
    """
    tips = [tip, *_tips_of(dataset, remote)]
    wanted = list(new_images(dataset, tips, known))
    folder = local_folder(address, dataset.root)
    if folder is not None:
        return copy_images(LfsStore(folder), dataset.lfs, wanted, tell)
    absent = [ref for ref in wanted if ref.size_bytes and not dataset.lfs.has(ref)]
    if absent and has_lfs():
        run_git("lfs", "fetch", "--all", remote, *dict.fromkeys(commit.hex() for commit in tips), cwd=dataset.root)
    arrived = [ref for ref in absent if dataset.lfs.has(ref)]
    return Transferred(
        num_images=len(arrived),
        num_bytes=sum(ref.size_bytes for ref in arrived),
        missing=tuple(ref for ref in absent if not dataset.lfs.has(ref)),
    )


def local_tips(dataset: Dataset) -> list[bytes]:
    """The commits that this copy's own branches stand at, and HEAD."""
    branches = dataset.repo.branches.local
    found = [bytes(branches[name].peel(pygit2.Commit).id.raw) for name in branches]
    return [*found, *([dataset.head] if dataset.head else [])]


def _tips_of(dataset: Dataset, remote: str) -> list[bytes]:
    """The commits that a remote's branches stood at when they were last fetched; none for an address."""
    branches = dataset.repo.branches.remote
    return [bytes(branches[name].peel(pygit2.Commit).id.raw) for name in branches if name.startswith(f"{remote}/")]


def new_images(dataset: Dataset, tips: Iterable[bytes], known: Iterable[bytes]) -> Iterator[ImageRef]:
    """Images that the commits up to `tips` brought, but for the commits in `known` and those before them."""
    walker = dataset.repo.walk(None)
    for tip in tips:
        walker.push(pygit2.Oid(raw=tip))
    for commit in known:
        found = dataset.repo.get(pygit2.Oid(raw=commit))
        if found is not None and found.type == pygit2.enums.ObjectType.COMMIT:
            walker.hide(found.id)
    rows: dict[bytes, str] = {}
    for one in walker:
        parent = one.parents[0].tree_id.raw if one.parents else None
        for change in diff(dataset.objects, parent, one.tree_id.raw):
            if change.new is not None and is_stored_as_pointer(change.path):
                rows.setdefault(change.new, change.path)
    return _refs(dataset, ((path, blob) for blob, path in rows.items()))


def _refs(dataset: Dataset, rows: Iterable[tuple[str, bytes]]) -> Iterator[ImageRef]:
    seen: set[bytes] = set()
    for path, blob in rows:
        if blob not in seen and is_stored_as_pointer(path):
            seen.add(blob)
            ref = dataset.image_ref(path, blob)
            if ref is not None:
                yield ImageRef(ref.sha256, ref.size_bytes, split_path(path)[1])


def send_images(dataset: Dataset, remote: str, address: str, branch: str, tell: Tell) -> Transferred:
    """Bring the images that a branch's new commits need to another copy, before the commits themselves.

    Raises:
        RepositoryError: git-lfs failed.
    """
    tip = bytes(dataset.repo.branches.local[branch].peel(pygit2.Commit).id.raw)
    folder = local_folder(address, dataset.root)
    if folder is not None:
        there = pygit2.Repository(str(folder))
        known = [there.references[name].resolve().peel().id.raw for name in there.references]
        target = LfsStore(folder)
        done = copy_images(dataset.lfs, target, new_images(dataset, [tip], known), tell)
        sync_filesystems(target.folder)
        return done
    if has_lfs():
        run_git("lfs", "push", remote, branch, cwd=dataset.root)
        return Transferred()
    return Transferred(missing=tuple(new_images(dataset, [tip], _tips_of(dataset, remote))))


def push_branch(dataset: Dataset, remote: str, branch: str) -> None:
    """Send a branch's commits.

    Raises:
        StateError: the other copy has commits that this one lacks, or has that branch checked out.
        RepositoryError: git failed for another reason.
    """
    words = ["push", "--porcelain", "--", remote, f"refs/heads/{branch}"]
    if remote in list(dataset.repo.remotes.names()):
        words.insert(1, "--set-upstream")
    done = subprocess.run(
        [_git(), *words],
        cwd=dataset.root, env={**os.environ, **_QUIET, "LC_ALL": "C"}, check=False, text=True, errors="replace",
        capture_output=True,
    )  # fmt: skip
    if done.returncode == 0:
        return
    said = f"{done.stdout}\n{done.stderr}"
    if "[rejected]" in said:
        raise StateError(
            f"{remote} has operations that are not here", hint=f"dsk pull {remote}, then dsk push {remote}"
        )
    if "refusing to update checked out branch" in said or "branch is currently checked out" in said:
        raise StateError(
            f"{remote} stands on {branch} itself, and its files would not follow",
            hint="push to a bare repository (git init --bare PATH), or dsk pull over there",
        )
    lines = [line for line in said.splitlines() if line.startswith(("fatal:", "error:", "remote:", "ssh:"))]
    raise RepositoryError(f"git push {remote}: {' '.join(lines) or said.strip()}", hint="git push says more")


def require_repository(address: str) -> None:
    """Refuse a path that holds no repository, before git says so in other words.

    Raises:
        InputError: there is none.
    """
    is_path = "://" not in address and ":" not in address.partition("/")[0]
    if is_path and local_folder(address) is None:
        what = "holds no git repository" if Path(address).expanduser().exists() else "no such folder"
        raise InputError(f"{address}: {what}", hint="give a dataset's folder, a bare repository, or a URL")
