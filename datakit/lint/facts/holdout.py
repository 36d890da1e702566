"""Which images are held back from training, to validate it with."""

from __future__ import annotations

from typing import Final

from datakit.lint.collection import Collection

PARTS: Final = frozenset({"val", "valid", "validation", "test", "eval"})
"""Names of folders, in any case."""


def is_held_out(path: str) -> bool:
    """Whether one of the folders of a path says that its files are not trained."""
    return any(part.lower() in PARTS for part in path.split("/")[:-1])


def trained_concept(path: str) -> str:
    """The concept that an image shows: its folder, without the part that says it is held back."""
    return "/".join(part for part in path.split("/")[:-1] if part.lower() not in PARTS)


def trained_images(collection: Collection) -> list[str]:
    """The images that are not held back; all of them where every one would be."""
    return [image for image in collection.images if not is_held_out(image)] or list(collection.images)


def learnt_by_concept(collection: Collection) -> dict[str, list[str]]:
    """Concept, '' for the folder itself → its images that are trained; without those for regularization."""
    found: dict[str, list[str]] = {}
    for image in trained_images(collection):
        found.setdefault(image.rpartition("/")[0], []).append(image)
    known = collection.context.training.regularization
    return {concept: images for concept, images in found.items() if concept not in known}
