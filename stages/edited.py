"""The images as a trainer should see them: upright, opaque, one frame, 8-bit sRGB, and cut and sized as you say.

An image that is all that already, and that no step concerns, goes on with the very same bytes. Any other is written
anew, without loss, as `format`:

- rotated: the rotation that EXIF only notes is carried out;
- recoloured: an embedded colour profile other than sRGB is applied;
- converted: greyscale, palette, CMYK, 16-bit and other pixel layouts become RGB, 8 bits a channel;
- first frame: of an animation the first frame remains;
- flattened: transparent pixels are put on `background`; the colour hidden under them never shows;
- re-encoded: a format that trainers do not read (GIF, TIFF, AVIF, JPEG XL) becomes `format`.

Between these, each image is cropped as its record says (`dsk crop`), then goes through the steps of `[[edited.steps]]`
in their order. A step says what to `do`, of which images (`where`, a query), and its own settings: docs/edits.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from datakit.images.colour import format_colour, is_colour, parse_colour
from datakit.model.record import Box, Edits
from datakit.model.stage import (
    IMAGE,
    Drop,
    Keep,
    Look,
    Origin,
    Outcome,
    Prepared,
    Product,
    Resources,
    Stage,
    Subject,
)
from datakit.tags.query.matching import NOTHING, ItemFacts, left_of_pixels
from stages.edits import crop_box, flatten, orient, to_srgb
from stages.edits.chain import Chain, Step, carry_out, chain_digest
from stages.edits.model import Written
from stages.edits.reading import read_steps
from stages.wording import count, dropped_parts, in_brackets, kept

_LOOK: Final = "edited"
_VERSION: Final = 3
_CHANGES: Final = ("flattened", "rotated", "recoloured", "first frame", "converted", "re-encoded")
"""In a summary these come first, then what steps did."""
_NO_EDITS: Final = Edits()
_FIRST: Final = (
    Step(edit=to_srgb.EDIT, options=to_srgb.Settings()),
    Step(edit=orient.EDIT, options=orient.Settings()),
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[edited]` of dsk.toml."""

    background: str = "#ffffff"
    """Colour behind transparent images: `#rrggbb`, `#rgb` or a CSS name such as `white`."""
    format: Literal["png", "webp"] = "png"
    """What changed images are written as: `png`, or `webp` (lossless: a fifth smaller, as fast)."""
    steps: tuple[dict[str, Any], ...] = ()
    """What else is done, in this order: tables `[[edited.steps]]` with `do = "limit"`; docs/edits.md has every step."""

    def __post_init__(self) -> None:
        parse_colour(self.background)
        read_steps(self.steps)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The settings, read."""

    steps: tuple[Step, ...]
    background: str
    """`#rrggbb`."""
    written: Written


def prepare(settings: Settings, resources: Resources) -> Prepared:
    """The settings' steps, and the packages that they use."""
    uses: dict[str, str] = {}
    for step in read_steps(settings.steps):
        uses |= step.edit.uses(step.options) if step.edit.uses is not None else {}
    return Prepared(given=_given(settings), uses=uses)


def _given(settings: Settings | Given) -> Given:
    if isinstance(settings, Given):
        return settings
    written = Written(extension=settings.format)
    return Given(steps=read_steps(settings.steps), background=_spelled(settings.background), written=written)


def looks(subject: Subject, settings: Settings | Given) -> list[Look]:
    """The one image that is made of it."""
    given = _given(settings)
    edits = _edits_of(subject)
    background = _spelled(edits.background) if is_colour(edits.background) else given.background
    crop = (_crop(edits.crop_px),) if edits.crop_px is not None else ()
    steps = _steps_for(subject, given.steps) if given.steps else ()
    return [_look((*_FIRST, *crop, *steps, _flatten(background)), given.written)]


def inspect(data: bytes, looks: Sequence[Look]) -> list[Product]:
    """The image that each look asks for."""
    return [carry_out(data, look.options) for look in looks]


def decide(subjects: Sequence[Subject], settings: Any) -> list[Outcome]:
    """Every item that can be read goes on, with its new image where one was made."""
    return [_outcome(subject) for subject in subjects]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 images (3 flattened, 1 rotated, 20 limited)`."""
    changes = Counter(change for subject in subjects for change in _facts(subject).get("changes", ()))
    words = [*_CHANGES, *sorted(changes.keys() - set(_CHANGES))]
    parts = [f"{changes[change]} {change}" for change in words if changes[change]]
    return count(len(kept(outcomes)), "image") + in_brackets([*parts, *dropped_parts(outcomes)])


def origins(subject: Subject, settings: Any) -> dict[str, Origin]:
    """What was done to the image, in its order."""
    done = _facts(subject).get("done", ())
    return {IMAGE: Origin(kind="edited", detail=", ".join(done))} if done else {}


def _facts(subject: Subject) -> Mapping[str, Any]:
    return subject.facts.get(_LOOK, {})


def _edits_of(subject: Subject) -> Edits:
    return (subject.record.edits if subject.record is not None else None) or _NO_EDITS


def _steps_for(subject: Subject, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Those that may concern the item; what is left of their queries asks only for its image's size in pixels."""
    left = left_of_pixels([step.where for step in steps], _item_of(subject))
    return tuple(
        step if node == step.where else msgspec.structs.replace(step, where=node)
        for step, node in zip(steps, left, strict=True)
        if node != NOTHING
    )


def _item_of(subject: Subject) -> ItemFacts:
    """As `dsk find` sees it in raw, captions that came along with the scrape included."""
    image = subject.image
    return ItemFacts(
        key=subject.key,
        caption=subject.caption if subject.caption is not None else subject.scraped_caption,
        record=subject.record,
        extension=image.extension,
        size_bytes=image.size_bytes,
        counts_record=True,
    )


def _spelled(colour: str) -> str:
    """Two spellings of one colour make the same image."""
    return format_colour(parse_colour(colour))


@lru_cache(maxsize=1024)
def _flatten(background: str) -> Step:
    return Step(edit=flatten.EDIT, options=flatten.Settings(colour=background))


@lru_cache(maxsize=1024)
def _crop(box: Box) -> Step:
    x, y, width, height = box
    return Step(edit=crop_box.EDIT, options=crop_box.Settings(x_px=x, y_px=y, width_px=width, height_px=height))


@lru_cache(maxsize=1024)
def _look(steps: tuple[Step, ...], written: Written) -> Look:
    chain = Chain(steps=steps, written=written)
    return Look(name=_LOOK, key=f"{_LOOK}:{_VERSION}:{chain_digest(chain)}", options=chain)


def _outcome(subject: Subject) -> Outcome:
    facts, background = _facts(subject), _edits_of(subject).background
    if facts.get("unreadable"):
        return _drop(subject, "unreadable", facts["unreadable"])
    if facts.get("failed"):
        return _drop(subject, facts["failed"], facts["reason"])
    if background and not is_colour(background):
        return _drop(subject, "background", f"its record's background '{background}' is no colour: #rrggbb or a name")
    return Keep(key=subject.key, image=subject.made or subject.image, caption=subject.caption)


def _drop(subject: Subject, rule: str, reason: str) -> Drop:
    return Drop(key=subject.key, rule=rule, reason=reason, evidence={"reason": reason})


STAGE = Stage(
    name="edited",
    version=_VERSION,
    settings=Settings,
    prepare=prepare,
    decide=decide,
    scope="item",
    looks=looks,
    inspect=inspect,
    origins=origins,
    summarise=summarise,
)
