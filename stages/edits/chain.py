"""The edits that one image goes through, in their order; a pure function of its bytes and of what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from datakit.config import digest
from datakit.images.convert import encode, fits_format
from datakit.images.decode import UnreadableImage, open_bounded
from datakit.images.measure import ImageFacts, probe
from datakit.images.picture import EmptyCrop, Picture, TooLarge, decoded_picture
from datakit.images.pngchunks import PLAIN_TEXT_BYTES, without_long_texts
from datakit.model.stage import Product
from datakit.tags.query.matching import ItemFacts, matches
from datakit.tags.query.parsing import EVERYTHING, Node, format_query
from stages.edits.model import Edit, Written

TRAINABLE_FORMATS: Final = frozenset({"png", "jpeg", "webp", "bmp"})
"""What every trainer reads (kohya-ss/sd-scripts:library/train_util.py, IMAGE_EXTENSIONS without its plugins)."""
_EXTENSIONS: Final = {"jpeg": "jpg"}
_FILES: Final = "re-encoded"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One edit with its settings."""

    edit: Edit
    options: Any
    where: Node = EVERYTHING
    """Which images it means, as far as only their size in pixels tells."""


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to an image."""

    steps: tuple[Step, ...]
    written: Written
    """What a changed image is written as where no step says so."""


def chain_digest(chain: Chain) -> str:
    """16 hex digits that change whenever the chain could make another image."""
    rows = [
        (step.edit.name, step.edit.version, step.options, format_query(step.where), _used(step)) for step in chain.steps
    ]
    return digest((rows, chain.written))


def _used(step: Step) -> list[tuple[str, str]]:
    return sorted(step.edit.uses(step.options).items()) if step.edit.uses is not None else []


def carry_out(data: bytes, chain: Chain) -> Product:
    """The edited image, with facts `changes` (words for a count) and `done` (for people, in order); nothing of these
    where the image stays as it is. Facts `unreadable`, or `failed` with `reason`, where it could not be edited.

    An image whose header shows that no step concerns it is not decoded.
    """
    facts = probe(data, pixels=False)
    if facts.unreadable:
        return Product(facts={"unreadable": facts.unreadable})
    item = ItemFacts(key="", size_px=facts.size_px)
    steps = [step for step in chain.steps if step.where == EVERYTHING or matches(step.where, item)]
    try:
        return _Course(data, facts, chain.written).take(steps)
    except UnreadableImage as error:
        return Product(facts={"unreadable": error.reason})
    except (EmptyCrop, TooLarge) as error:
        return Product(facts={"failed": error.code, "reason": error.message})


class _Course:
    """One image's way through its steps."""

    def __init__(self, data: bytes, facts: ImageFacts, written: Written) -> None:
        self._data = data
        self._facts = facts
        self._written = written
        self._changes: list[str] = []
        self._done: list[str] = []

    def take(self, steps: Sequence[Step]) -> Product:
        self._by_header(steps)
        is_changed = bool(self._changes)
        of_pixels = [step for step in steps if step.edit.apply is not None]
        if is_changed or any(step.edit.concerns(self._facts, step.options) for step in of_pixels):
            before = decoded_picture(open_bounded(self._data))
            picture = self._through(of_pixels, before)
            if is_changed or picture is not before:
                return self._made(picture)
        return self._rewritten([step for step in steps if step.edit.rewrite is not None])

    def _by_header(self, steps: Sequence[Step]) -> None:
        """What must change whatever the pixels are."""
        for step in steps:
            if step.edit.writes is not None:
                self._written = step.edit.writes(step.options)
                if step.edit.concerns(self._facts, step.options):
                    self._tell(_FILES, f"written as {self._written.extension}")
        if self._facts.animated:
            self._tell("first frame", "first frame taken")
        if self._facts.format not in TRAINABLE_FORMATS and not self._changes.count(_FILES):
            self._tell(_FILES, f"written as {self._written.extension}")

    def _through(self, steps: Sequence[Step], picture: Picture) -> Picture:
        for step in steps:
            if not step.edit.concerns(self._facts, step.options):
                continue
            assert step.edit.apply is not None
            changed = step.edit.apply(picture, step.options)
            if changed is not picture:
                for word in self._words(step.edit, changed):
                    self._tell(word, word + _size_told(picture, changed, step.edit))
                self._facts = self._facts_of(changed)
                picture = changed
        return picture

    def _words(self, edit: Edit, changed: Picture) -> list[str]:
        """What `to-srgb` did has several names."""
        facts = self._facts
        if edit.name != "to-srgb":
            return [edit.words]
        is_flattened_only = facts.mode == "RGBA" and facts.bits <= 8 and changed.alpha is not None
        is_converted = (facts.mode != "RGB" or facts.has_alpha or facts.bits > 8) and not is_flattened_only
        return [*(["recoloured"] if facts.icc == "other" else []), *(["converted"] if is_converted else [])]

    def _facts_of(self, picture: Picture) -> ImageFacts:
        """Of an image on its way."""
        upright = picture.size_px if picture.orientation < 5 else picture.size_px[::-1]
        return ImageFacts(
            format=self._written.extension,
            size_px=picture.size_px,
            oriented_size_px=upright,
            mode="RGB",
            has_alpha=picture.alpha is not None,
            transparent=picture.alpha is not None,
            orientation=picture.orientation,
        )

    def _tell(self, word: str, told: str) -> None:
        self._changes += [] if word in self._changes else [word]
        self._done.append(told)

    def _made(self, picture: Picture) -> Product:
        written = self._written
        if not fits_format(picture.size_px, written.extension):
            written = Written(extension="png")
        return Product(
            facts={"changes": self._changes, "done": self._done},
            image=encode(picture.colours, written.extension, quality=written.quality),
            extension=_EXTENSIONS.get(written.extension, written.extension),
        )

    def _rewritten(self, steps: Sequence[Step]) -> Product:
        """The file with the same pixels."""
        data = self._without_bombs()
        for step in steps:
            assert step.edit.rewrite is not None
            if step.edit.concerns(self._facts, step.options):
                changed = step.edit.rewrite(data, step.options, self._facts.format)
                if changed != data:
                    self._tell(step.edit.words, f"{step.edit.words} of {len(data) - len(changed)} bytes")
                    data = changed
        if data is self._data:
            return Product()
        extension = _EXTENSIONS.get(self._facts.format, self._facts.format)
        return Product(facts={"changes": self._changes, "done": self._done}, image=data, extension=extension)

    def _without_bombs(self) -> bytes:
        """The file without the texts for which a trainer's Pillow refuses a PNG."""
        shorter = without_long_texts(self._data, PLAIN_TEXT_BYTES) if self._facts.format == "png" else None
        if shorter is None:
            return self._data
        self._tell("stripped", "stripped of overlong texts")
        return shorter


def _size_told(before: Picture, after: Picture, edit: Edit) -> str:
    """` to 640 x 480`, where a step other than a turn changed it."""
    is_same = edit.is_always or before.size_px == after.size_px
    return "" if is_same else f" to {after.size_px[0]} x {after.size_px[1]}"
