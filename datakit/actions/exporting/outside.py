"""An export outside the dataset: where it goes, what is asked, and what is told of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from datakit import __version__
from datakit.actions.exporting.journals import Journal
from datakit.actions.exporting.making import Made, make, manifest_of, preflight_of
from datakit.actions.exporting.manifests import outdated
from datakit.actions.project import Counted, Project
from datakit.errors import UsageError
from datakit.exports.model import Export, Ignored, Manifest
from datakit.exports.settings import Asked
from datakit.model.progress import Progress
from datakit.repo.dataset import Dataset, find_root


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where an export goes."""

    folder: Path
    """Absolute; for an archive what was said: the archive itself, or the folder that it comes into."""
    copies: bool = False
    """Whether every image is a file of its own."""
    archive: str = ""
    """`zip` or `tar`; '' for a folder."""

    def place(self, name: str) -> Path:
        """The folder, or the archive: itself where its name says what it is, else of the format's name in there."""
        if not self.archive or self.folder.suffix.lower() == f".{self.archive}":
            return self.folder
        return self.folder / f"{name}.{self.archive}"


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """What was done outside the dataset."""

    format: str
    place: str
    """The folder, or the archive."""
    commit: str
    """The dataset's commit that was exported."""
    num_items: int
    num_written: int
    """Files, the manifest apart."""
    num_removed: int = 0
    stayed: tuple[str, ...] = ()
    """Files that somebody changed, or put where one of ours belongs."""
    notes: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """In one line."""
        changed = [f"{self.num_written:,} written"] if self.num_written else []
        changed += [f"{self.num_removed:,} removed"] if self.num_removed else []
        told = f" ({', '.join(changed)})" if changed else ""
        return f"export: {self.format}, {Counted(self.num_items, 'image')} in {self.place}{told}"


class Run:
    """One format of one dataset at one commit, asked for in one way."""

    def __init__(self, project: Project, export: Export, asked: Asked, *, force: bool, progress: Progress) -> None:
        self.project = project
        self.export = export
        self.asked = asked
        self.root = project.dataset.head_tree
        self.commit = project.dataset.head
        self.progress = progress
        self._force = force

    def is_current(self, manifest: Manifest | None, *, folder: str) -> bool:
        """Whether what was exported then would be the same now."""
        if manifest is None:
            return False
        return not outdated(self.project, manifest, root=self.root, asked=self.asked, folder=folder)

    def make(self, *, folder: Path | None) -> tuple[Made, tuple[Ignored, ...]]:
        """The files, and the errors that were gone past.

        Raises:
            StateError: lint finds errors, and there is no force; or an image is not in this clone.
        """
        made = make(self.project, self.export, self.asked, root=self.root, folder=folder, progress=self.progress)
        ignored = preflight_of(
            self.project,
            self.export,
            self.asked,
            unasked=made.unasked,
            force=self._force,
            progress=self.progress,
        )
        return made, ignored

    def journal(self) -> Journal:
        """A journal of no files yet."""
        commit = self.commit.hex() if self.commit else ""
        return Journal(dsk=__version__, format=self.export.name, unfinished=True, commit=commit, files={})

    def manifest(
        self, made: Made, ignored: tuple[Ignored, ...], *, files: Mapping[str, str], packs: Mapping[str, str]
    ) -> Manifest:
        """What lies there in the end."""
        found = manifest_of(self.project, self.export, self.asked, made, root=self.root, commit=self.commit)
        return msgspec.structs.replace(found, ignored=ignored, files=dict(sorted(files.items())), packs=dict(packs))


def refuse_inside(dataset: Dataset, folder: Path) -> None:
    """Refuse a place in a dataset, this one or another, or around this one.

    Raises:
        UsageError: it is one.
    """
    root, place = Path(os.path.realpath(dataset.root)), Path(os.path.realpath(folder))
    if place.is_relative_to(root):
        raise UsageError(
            f"{folder}: lies inside the dataset {dataset.root}",
            hint="choose a folder elsewhere; without --to it comes to export/",
        )
    other = find_root(place)
    if other is not None:
        raise UsageError(f"{folder}: lies inside the dataset {other}", hint="choose a folder in no dataset")
    if root.is_relative_to(place):
        raise UsageError(f"{folder}: the dataset lies inside it", hint="choose an empty folder")
