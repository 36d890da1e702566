"""dsk profile: the prompt profiles that there are, and a dataset's own copies of them."""

from __future__ import annotations

import msgspec

from datakit.actions.profilefiles import built_in_profiles, own_path, own_profiles, profile_text
from datakit.actions.project import Project
from datakit.errors import ConfigError, StateError
from datakit.repo.operations.transaction import transaction
from datakit.repo.stagetree import TreeView
from datakit.tags.profiles.profile import Profile, parse_profile

_USER = "cleaned"
BUILT_IN = "built in"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One profile."""

    name: str
    place: str
    """Path of the dataset's own file, or BUILT_IN."""
    summary: str = ""
    in_use: bool = False
    """Whether `[cleaned]` names it."""
    problem: str = ""
    """What is wrong with its file."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A profile as it is written."""

    name: str
    place: str
    text: str
    profile: Profile


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What `dsk profile copy` wrote."""

    commit: str
    """40 hex digits."""
    subject: str
    name: str
    path: str


def list_profiles(project: Project) -> list[Listed]:
    """Every profile by name; a dataset's own stands for the built-in one of its name."""
    own = own_profiles(project.dataset.root)
    used = project.settings(_USER).profile
    return [_listed(project, name, used) for name in sorted({*own, *built_in_profiles()})]


def show_profile(project: Project, name: str) -> Shown:
    """A profile's file.

    Raises:
        ConfigError: no such profile, or its file is wrong.
    """
    text = profile_text(project.dataset.root, name)
    return Shown(name=name, place=_place(project, name), text=text, profile=parse_profile(text, name))


def copy_profile(project: Project, name: str, new: str = "") -> Copied:
    """Write a profile into the dataset, under its own name unless there is a `new` one, to be changed there.

    Raises:
        ConfigError: no such profile, or no name for a file.
        StateError: the dataset has one of that name.
    """
    goal = new or name
    path = own_path(goal)
    with transaction(project.dataset, "profile") as txn:
        text = profile_text(project.dataset.root, name)
        root = project.dataset.root / path
        if root.exists() or root.is_symlink() or TreeView(txn.dataset, txn.base_tree).blob(path):
            hint = f"change that file, or name another: dsk profile copy {name} NEW"
            raise StateError(f"{path}: there is one already", hint=hint)
        txn.put(path, text.encode())
        txn.args = {"profile": name, "as": goal}
        subject = f"profile: {goal}, a copy of {name}" if goal != name else f"profile: {goal}, a copy"
        commit = txn.commit(subject)
    return Copied(commit=commit or "", subject=subject, name=goal, path=path)


def _listed(project: Project, name: str, used: str) -> Listed:
    place = _place(project, name)
    try:
        found = show_profile(project, name)
    except ConfigError as error:
        return Listed(name=name, place=place, in_use=name == used, problem=error.message)
    return Listed(name=name, place=place, summary=found.profile.summary, in_use=name == used)


def _place(project: Project, name: str) -> str:
    return own_path(name) if name in own_profiles(project.dataset.root) else BUILT_IN
