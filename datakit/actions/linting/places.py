"""What `dsk lint` is pointed at: stages of the dataset around, a part of one, or any other folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from datakit.actions.linting.stages import STAGES_OF_IMAGES
from datakit.actions.project import Project, open_project
from datakit.errors import RepositoryError, UsageError, WriteError
from datakit.registry import nearest
from datakit.repo.dataset import find_root


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look."""

    root: Path
    """Of the dataset, or the folder."""
    project: Project | None = None
    """None for a folder that is linted as such."""
    stages: tuple[str, ...] = ()
    inside: str = ""
    """Concept, or part of one's path, in the one stage that was named; '' for all of it."""

    def refuse_fix(self, asked: bool) -> None:
        """A folder is only read.

        Raises:
            UsageError: fixing was asked for.
        """
        if asked:
            raise UsageError(
                f"{self.root}: is no dataset, and is only read",
                hint="--diff prints what would be changed; dsk init and dsk import make it a dataset",
            )

    def write(self, path: Path, text: str) -> None:
        """Write a report.

        Raises:
            WriteError: the disk or its permissions refuse.
        """
        try:
            path.write_text(text, "utf-8")
        except OSError as error:
            raise WriteError(f"{path}: {error.strerror}", hint="name another place with --output") from error


def find_place(here: Path, words: Sequence[str]) -> Place:
    """What the command's words mean: stages' names, or one path.

    Raises:
        UsageError: neither a stage nor a folder; the nearest stage is named.
        RepositoryError: no words, and no dataset around.
    """
    root = find_root(here)
    if root is None and not words:
        hint = "dsk init begins a dataset; dsk lint . looks at this folder as it is"
        raise RepositoryError(f"{here}: not inside a dsk dataset", hint=hint)
    if root is not None and all(word in STAGES_OF_IMAGES for word in words):
        return Place(root=root, project=open_project(here), stages=tuple(words))
    if len(words) > 1:
        raise UsageError(f"'{words[-1]}' and '{words[0]}': several places", hint="names of stages, or one folder")
    return _of_path(here, words[0], root)


def _of_path(here: Path, word: str, root: Path | None) -> Place:
    try:
        folder = (here / Path(word).expanduser()).resolve()
        is_folder = folder.is_dir()
    except RuntimeError:  # a loop of links, or nobody of that name
        is_folder = False
    if not is_folder:
        like = nearest(word, list(STAGES_OF_IMAGES)) if root is not None else ""
        hint = f"did you mean '{like}'?" if like else "dsk lint takes stages of a dataset, or one folder"
        raise UsageError(f"'{word}' is neither a stage nor a folder", hint=hint)
    around = find_root(folder)
    if around is None:
        return Place(root=folder)
    stage, *rest = folder.relative_to(around.resolve()).parts or ("",)
    if not stage:
        return Place(root=around, project=open_project(around))
    if stage not in STAGES_OF_IMAGES:
        return Place(root=folder)
    return Place(root=around, project=open_project(around), stages=(stage,), inside="/".join(rest))
