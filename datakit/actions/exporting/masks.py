"""Masks: greyscale pictures of the images' sizes that say where the loss counts."""

from __future__ import annotations

from collections.abc import Mapping

from datakit.actions.exporting.images import Ready
from datakit.actions.project import Project
from datakit.model.item import ImageRef
from datakit.model.progress import Progress
from datakit.repo.dataset import Dataset


def masks_state(dataset: Dataset, root: bytes | None, wanted: str) -> str:
    """What changes when a mask does; cheap."""
    return ""


def masks_of(
    project: Project, wanted: str, ready: Mapping[str, Ready], progress: Progress
) -> tuple[dict[str, ImageRef], tuple[str, ...]]:
    """(Item key → its mask, notes for people)."""
    return {}, ()
