"""Images as trainers read them: upright, opaque, one frame, 8-bit RGB, in a format that the trainer knows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from datakit.actions.project import STAGES, Project
from datakit.images.looks import FACTS, answer
from datakit.images.measure import ImageFacts
from datakit.model.item import ImageRef
from datakit.model.progress import Progress
from datakit.model.stage import Drop, Outcome, Subject
from datakit.repo.dataset import Dataset
from datakit.repo.transitions.inspecting import facts_of_images, inspected

_EDITED: Final = "edited"
_EXTENSIONS: Final = {"jpeg": "jpg", "mpo": "jpg"}
TRAINABLE_FORMATS: Final = frozenset({"png", "jpeg", "webp", "bmp"})
"""What the stage `edited` leaves as it is."""


UNKNOWN_SIZE_PX: Final = (0, 0)
"""Of an image that is not in this clone."""


class Ready(NamedTuple):
    """An item's image as it is exported."""

    image: ImageRef
    """Its extension, in lower case, says what the file is."""
    size_px: tuple[int, int]
    was_changed: bool
    """Whether it is another file than the stage's."""


def ready_images(
    project: Project, subjects: Sequence[Subject], extensions: Collection[str], progress: Progress
) -> tuple[dict[str, Ready], dict[str, str]]:
    """(Item key → its image, item key → why it has none that a trainer could read); remembered by content.

    What is not in this clone goes on as it is, of unknown size: the stage `edited` made it what it should be.
    """
    dataset = project.dataset
    absent = [subject for subject in subjects if not dataset.lfs.has(subject.image)]
    gone = {subject.key for subject in absent}
    subjects = [subject for subject in subjects if subject.key not in gone]
    facts = image_facts(dataset, {subject.image for subject in subjects}, progress)
    unread = [subject for subject in subjects if _is_unread(facts.get(subject.image.sha256), extensions)]
    odd = {subject.key for subject in unread}
    outcomes = [
        *_made(project, [subject for subject in subjects if subject.key not in odd], (), progress),
        *_made(project, unread, ({"do": "convert", "format": "png"},), progress),
    ]
    images = {one.key: one.image for one in outcomes if not isinstance(one, Drop)}
    facts |= image_facts(dataset, {image for image in images.values() if image.sha256 not in facts}, progress)
    before = {subject.key: subject.image for subject in subjects}
    ready = {subject.key: Ready(_named(subject.image), UNKNOWN_SIZE_PX, was_changed=False) for subject in absent}
    failed = {one.key: one.reason for one in outcomes if isinstance(one, Drop)}
    for key, image in images.items():
        known = facts.get(image.sha256)
        if known is None or known.unreadable:
            failed[key] = known.unreadable if known else "what was made of it is not in this clone"
            continue
        named = msgspec.structs.replace(image, extension=_EXTENSIONS.get(known.format, known.format))
        ready[key] = Ready(named, known.oriented_size_px, image.sha256 != before[key].sha256)
    return ready, failed


def _named(image: ImageRef) -> ImageRef:
    """With the extension in lower case, and one for each format."""
    extension = image.extension.lower()
    return msgspec.structs.replace(image, extension=_EXTENSIONS.get(extension, extension))


def _is_unread(facts: ImageFacts | None, extensions: Collection[str]) -> bool:
    """Whether a format that most trainers read is one that this trainer does not."""
    return (
        facts is not None
        and facts.format in TRAINABLE_FORMATS
        and _EXTENSIONS.get(facts.format, facts.format) not in extensions
    )


def _made(
    project: Project, subjects: Sequence[Subject], steps: tuple[dict[str, Any], ...], progress: Progress
) -> Sequence[Outcome]:
    """What the stage `edited` makes of images, with these steps alone."""
    stage = STAGES.load(_EDITED)
    settings = stage.settings(background=project.settings(_EDITED).background, steps=steps)
    given = project.prepared(stage, settings).given
    plain = [msgspec.structs.replace(subject, record=None) for subject in subjects]
    return stage.decide(inspected(project.dataset, stage, given, plain, progress), given)


def image_facts(dataset: Dataset, images: Collection[ImageRef], progress: Progress) -> dict[str, ImageFacts]:
    """sha256 → what the image is, of those in this clone."""
    found = facts_of_images(
        dataset, FACTS, images, lambda data: answer(data, [FACTS])[0], lambda done, of: progress("export", done, of)
    )
    return {sha: msgspec.convert(facts, ImageFacts) for sha, facts in found.items()}
