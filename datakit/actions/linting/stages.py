"""The stages of a dataset as lint sees them: files as they stand in the work tree, looks remembered by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from datakit.actions.linting.context import StageContexts
from datakit.actions.looking import ABSENT, look_at
from datakit.actions.project import Project
from datakit.errors import InputError
from datakit.images.decode import read_bounded
from datakit.lint.collection import ALL_STAGES, CONTENT, Collection
from datakit.lint.context import Context
from datakit.lint.model import Rule
from datakit.model.item import LOCK_NAME, is_image, split_path
from datakit.model.order import RAW, WIP
from datakit.model.progress import Progress
from datakit.model.stage import Look
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import stage_tree
from datakit.repo.worktree.scan import Scan, scan
from datakit.store.lfs import parse_pointer

STAGES_OF_IMAGES = tuple(stage for stage in ALL_STAGES if stage)


class DatasetFiles:
    """What stands in the stages' folders, and what the images in it show."""

    def __init__(
        self, dataset: Dataset, looks: Sequence[Look], progress: Progress, *, stages: Sequence[str] = ()
    ) -> None:
        """`stages` are those whose images may be asked for; all where none is named."""
        self._dataset = dataset
        self._root = str(dataset.root)
        self._stages = stages or STAGES_OF_IMAGES
        self._looks = [look for look in looks if look.name != CONTENT.name]
        self._progress = progress
        self._found: Scan = scan(dataset)
        self._unmanaged = frozenset(self._found.unmanaged)
        self._digests: dict[str, str] = {}
        self.is_whole = True
        """Whether the content of every image that was asked for is here."""

    @cached_property
    def _paths(self) -> Mapping[str, tuple[str, ...]]:
        inside: dict[str, list[str]] = {stage: [] for stage in STAGES_OF_IMAGES}
        for path in (*self._found.blobs, *self._unmanaged):
            stage, _, rest = path.partition("/")
            if stage in inside and rest and rest != LOCK_NAME:
                inside[stage].append(rest)
        return {stage: tuple(sorted(paths)) for stage, paths in inside.items()}

    def paths(self, stage: str) -> tuple[str, ...]:
        """Every file of a stage but its lock, sorted."""
        return self._paths[stage]

    def digest(self, stage: str) -> str:
        """Changes whenever a file of the stage does; '' where that is not known."""
        if stage not in self._digests:
            self._digests[stage] = self._digest(stage)
        return self._digests[stage]

    def _digest(self, stage: str) -> str:
        hasher = hashlib.sha256()
        for path in self._paths[stage]:
            blob = self._found.blobs.get(f"{stage}/{path}")
            if blob is None:
                return ""
            hasher.update(path.encode("utf-8", "surrogateescape") + b"\0" + blob)
        return hasher.hexdigest()

    @property
    def committed_raw(self) -> str:
        """Changes with the records, and the items that others may come from."""
        tree = stage_tree(self._dataset, self._dataset.head_tree, RAW)
        return tree.hex() if tree else ""

    def read(self, stage: str, path: str) -> bytes:
        """A file's bytes.

        Raises:
            InputError: it cannot be read.
        """
        try:
            with open(f"{self._root}/{stage}/{path}", "rb", buffering=0) as file:  # noqa: PTH123  a path object costs as much as the read
                return file.read()
        except OSError as error:
            raise InputError(f"{stage}/{path}: {error.strerror}") from error

    def looked(self, stage: str, path: str, look: Look) -> Mapping[str, Any]:
        """What a look finds in an image; the first question is answered for all images at once."""
        sha = self._contents.get(f"{stage}/{path}", "")
        if look.name == CONTENT.name:
            return {"sha256": sha} if sha else ABSENT
        return self._answers[sha][look.name] if sha else ABSENT

    @cached_property
    def _contents(self) -> Mapping[str, str]:
        """Path of each image → sha256 of what it holds; images that cannot be read are left out."""
        found: dict[str, str] = {}
        by_blob: dict[bytes, str] = {}
        edited = {edit.path for edit in self._found.edits}
        for stage in self._stages:
            for name in filter(is_image, self._paths[stage]):
                path = f"{stage}/{name}"
                blob = self._found.blobs.get(path)
                if blob is None or path in edited:
                    sha = self._hashed(path)
                elif (sha := by_blob.get(blob, "")) == "":
                    ref = self._dataset.image_ref(path, blob)
                    sha = by_blob[blob] = ref.sha256 if ref else self._hashed(path)
                if sha:
                    found[path] = sha
        return found

    def _hashed(self, path: str) -> str:
        try:
            with (self._dataset.root / path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return ""

    @cached_property
    def _answers(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        places = {sha: path for path, sha in self._contents.items()}
        reads = {sha: partial(self._content, path) for sha, path in places.items()}
        return look_at(self._dataset.memo, reads, self._looks, partial(self._progress, "lint"))

    def _content(self, path: str) -> bytes | None:
        try:
            data = read_bounded(self._dataset.root / path)
        except OSError:
            self.is_whole = False
            return None
        if data and parse_pointer(data):
            self.is_whole = False
            return None
        return data


def stage_collections(
    project: Project, files: DatasetFiles, common: Context, *, stages: Sequence[str] = ()
) -> list[Collection]:
    """The stages as collections, all or those that are named."""
    contexts = StageContexts(project, common)
    wanted = [stage for stage in STAGES_OF_IMAGES if not stages or stage in stages]
    filled = [stage for stage in wanted if any(map(is_image, files.paths(stage)))]
    return [
        Collection(
            stage=stage,
            paths=files.paths(stage),
            read=partial(files.read, stage),
            looked=partial(files.looked, stage),
            context=contexts.of(stage, files.paths(stage)),
            is_last=bool(stages) or stage == (filled[-1] if filled else WIP),
            **_sight(project, stage),
        )
        for stage in wanted
    ]


def _sight(project: Project, stage: str) -> dict[str, Any]:
    """What taggers saw, as a collection takes it; nothing where no tagger is in use or its files are not here."""
    if stage != WIP or not project.settings("captioned").taggers:
        return {}
    from datakit.actions.leaks import remembered_scores  # numpy, labels of thousands of tags

    found = remembered_scores(project, stage)
    if found is None:
        return {}
    scores: Callable[[str], Any] = partial(_of_item, found.scores)
    return {"scores": scores, "relations": found.relations}


def _of_item(scores: Mapping[str, Any], path: str) -> Any:
    return scores.get(split_path(path)[0])


def needed_looks(rules: Iterable[Rule]) -> list[Look]:
    """What the rules ask of images, each look once."""
    return list({look.key: look for rule in rules for look in rule.looks}.values())
