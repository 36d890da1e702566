"""The operation log: the branch's first-parent line, one commit an operation, trailers for machines."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pygit2

from datakit import __version__
from datakit.errors import RepositoryError
from datakit.model.naming import one_line
from datakit.repo.dataset import Dataset

_TRAILER = "Dsk-"
UNDO = "undo"
REDO = "redo"
MERGE = "merge"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CRUD = re.compile(r"[\x00-\x1f<>]")


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log."""

    commit: str
    """40 hex digits."""
    time: int
    """Unix seconds."""
    author: str
    subject: str
    op: str = ""
    """Name of the command; '' for a commit made by plain git."""
    stage: str = ""
    args: dict[str, Any] = {}
    undoes: str = ""
    """Commit that this one took back."""
    redoes: str = ""
    """Commit that this one brought back."""


def message(subject: str, trailers: Mapping[str, str]) -> str:
    """A commit message: the subject, then one `Dsk-…` trailer a line."""
    lines = [f"{_TRAILER}{name}: {value}" for name, value in trailers.items() if value]
    return f"{one_line(subject)}\n\n" + "\n".join((*lines, f"{_TRAILER}Version: {__version__}")) + "\n"


def encode_commit(dataset: Dataset, tree: bytes, parents: list[bytes], text: str) -> bytes:
    """The content of a commit object by the person that git knows."""
    now = time.time()
    lines = [f"tree {tree.hex()}", *(f"parent {parent.hex()}" for parent in parents)]
    lines += [f"{role} {_person(dataset, role)} {_when(now)}" for role in ("author", "committer")]
    return "\n".join([*lines, "", text]).encode()


def _person(dataset: Dataset, role: str) -> str:
    """`Name <address>` as git finds it: the environment, then the configuration."""
    try:
        default = dataset.repo.default_signature
        name, email = default.name, default.email
    except (KeyError, pygit2.GitError):
        name, email = "dsk", "dsk@localhost"
    name = _plain(os.environ.get(f"GIT_{role.upper()}_NAME", "")) or name
    email = _plain(os.environ.get(f"GIT_{role.upper()}_EMAIL", "")) or email
    return f"{name} <{email}>"


def _plain(text: str) -> str:
    """Without what would end the field in a commit."""
    return _CRUD.sub("", text.encode("utf-8", "replace").decode()).strip()


def _when(now: float) -> str:
    local = time.localtime(now)
    minutes = (local.tm_gmtoff or 0) // 60
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
    return f"{int(now)} {zone}"


def read_operation(dataset: Dataset, commit: bytes) -> Operation:
    """The operation that a commit is."""
    found = dataset.commit(commit)
    subject, _, body = found.message.partition("\n")
    trailers = trailers_of(body)[1]
    try:
        args = msgspec.json.decode(trailers.get("Args", "{}"), type=dict[str, Any])
    except msgspec.DecodeError:
        args = {}
    return Operation(
        commit=commit.hex(),
        time=found.commit_time,
        author=found.author.name,
        subject=subject,
        op=trailers.get("Op", ""),
        stage=trailers.get("Stage", ""),
        args=args,
        undoes=trailers.get("Undoes", ""),
        redoes=trailers.get("Redoes", ""),
    )


def trailers_of(body: str) -> tuple[str, dict[str, str]]:
    """What a commit's message says after its subject: the text, and the trailers by name without `Dsk-`."""
    lines = body.split("\n")
    mine = [line for line in lines if line.startswith(_TRAILER) and ": " in line]
    trailers = dict(line[len(_TRAILER) :].split(": ", 1) for line in mine)
    return "\n".join(line for line in lines if line not in mine), trailers


def first_parent(dataset: Dataset, commit: bytes) -> bytes | None:
    """The commit before this one on its branch."""
    parents = dataset.commit(commit).parent_ids
    return bytes(parents[0].raw) if parents else None


def history(dataset: Dataset) -> Iterator[Operation]:
    """Every operation of the branch, newest first."""
    commit = dataset.head
    while commit is not None:
        yield read_operation(dataset, commit)
        commit = first_parent(dataset, commit)


def machine_tip(dataset: Dataset, commit: bytes | None = None) -> bytes | None:
    """The newest commit of the machine line as `commit` (default: HEAD) sees it.

    An operation that changes what the functions are taken to have made has it as its last parent, behind the branch
    and, in a merge of two branches, behind the other branch.
    """
    commit = commit or dataset.head
    while commit is not None:
        parents = dataset.commit(commit).parent_ids
        if len(parents) > 1:
            op = read_operation(dataset, commit).op
            if op and len(parents) > (2 if op == MERGE else 1):
                return bytes(parents[-1].raw)
        commit = bytes(parents[0].raw) if parents else None
    return None


def went_to(dataset: Dataset, operation: Operation) -> bytes | None:
    """The commit whose tree an undo or a redo shows; None for every other operation.

    One that plain git gave another tree (`git commit --amend`, a cherry-pick) is an operation like any other.
    """
    try:
        if operation.op == UNDO and _COMMIT.fullmatch(operation.undoes):
            goal = first_parent(dataset, bytes.fromhex(operation.undoes))
        elif operation.op == REDO and _COMMIT.fullmatch(operation.redoes):
            goal = bytes.fromhex(operation.redoes)
        else:
            return None
        is_shown = goal is not None and dataset.tree_of(goal) == dataset.tree_of(bytes.fromhex(operation.commit))
    except RepositoryError:  # copied from a history that this clone lacks
        return None
    return goal if is_shown else None


def effective(dataset: Dataset, commit: bytes) -> bytes:
    """The operation whose tree a commit shows: itself, or what an undo or a redo went to."""
    while (goal := went_to(dataset, read_operation(dataset, commit))) is not None:
        commit = goal
    return commit
