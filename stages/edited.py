"""The images as a trainer should see them: upright, opaque, one frame, 8-bit sRGB.

An image that is all that already goes on with the very same bytes. Any other is converted, without loss, to `format`:

- flattened: transparent pixels are put on `background`; the colour hidden under them never shows;
- rotated: the rotation that EXIF only notes is carried out;
- recoloured: an embedded colour profile other than sRGB is applied;
- first frame: of an animation the first frame remains;
- converted: greyscale, palette, CMYK, 16-bit and other pixel layouts become RGB, 8 bits a channel;
- re-encoded: a format that trainers do not read (GIF, TIFF, AVIF, JPEG XL) becomes `format`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from datakit.images.colour import format_colour, parse_colour
from datakit.images.convert import Extension, encode, to_srgb_rgb
from datakit.images.decode import UnreadableImage, open_bounded
from datakit.images.measure import ImageFacts, is_transparent, probe
from datakit.model.stage import IMAGE, Drop, Keep, Origin, Outcome, Product, Stage, Subject
from stages.wording import count, dropped_parts, in_brackets, kept

TRAINABLE_FORMATS: Final = frozenset({"png", "jpeg", "webp", "bmp"})
"""What every trainer reads (kohya-ss/sd-scripts:library/train_util.py, IMAGE_EXTENSIONS without its plugins)."""

_CHANGES: Final = ("flattened", "rotated", "recoloured", "first frame", "converted", "re-encoded")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[edited]` of dsk.toml."""

    background: str = "#ffffff"
    """Colour behind transparent images: `#rrggbb`, `#rgb` or a CSS name such as `white`."""
    format: Extension = "png"
    """What changed images are written as: `png`, or `webp` (lossless: smaller, slower)."""

    def __post_init__(self) -> None:
        parse_colour(self.background)


def inspect_options(settings: Settings) -> dict[str, str]:
    """What an edited image depends on; two spellings of one colour are the same."""
    return {"background": format_colour(parse_colour(settings.background)), "format": settings.format}


def inspect(data: bytes, options: Mapping[str, Any]) -> Product:
    """The converted image with the list of its changes; no image when nothing had to change.

    An image whose header shows that it is fine already is not decoded at all.
    """
    facts = probe(data, pixels=False)
    if facts.unreadable:
        return Product(facts={"unreadable": facts.unreadable})
    changes = _changes(facts)
    if not changes:
        return Product()
    extension: Extension = options["format"]
    try:
        image = open_bounded(data)
        if facts.has_alpha and is_transparent(image):
            changes.add("flattened")
            if facts.mode == "RGBA" and facts.bits <= 8:
                changes.discard("converted")  # flattening is all that happens to it
        made = encode(to_srgb_rgb(image, background=parse_colour(options["background"])), extension)
    except UnreadableImage as error:
        return Product(facts={"unreadable": error.reason})
    listed = [change for change in _CHANGES if change in changes]
    return Product(facts={"changes": listed}, image=made, extension=extension)


def decide(subjects: Sequence[Subject], settings: Settings) -> list[Outcome]:
    """Every item that can be read goes on, with its new image where one was made."""
    return [_outcome(subject) for subject in subjects]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 images (3 flattened, 1 rotated)`."""
    changes = Counter(change for subject in subjects for change in subject.facts.get("changes", ()))
    parts = [f"{changes[change]} {change}" for change in _CHANGES if changes[change]]
    return count(len(kept(outcomes)), "image") + in_brackets([*parts, *dropped_parts(outcomes)])


def origins(subject: Subject, settings: Settings) -> dict[str, Origin]:
    """What was done to the image."""
    changes = subject.facts.get("changes", ())
    return {IMAGE: Origin(kind="edited", detail=", ".join(changes))} if changes else {}


def _changes(facts: ImageFacts) -> set[str]:
    """What has to change, as far as the header shows it."""
    found = {
        "rotated": facts.orientation != 1,
        "recoloured": facts.icc == "other",
        "first frame": facts.animated,
        "converted": facts.mode != "RGB" or facts.has_alpha or facts.bits > 8,
        "re-encoded": facts.format not in TRAINABLE_FORMATS,
    }
    return {change for change, needed in found.items() if needed}


def _outcome(subject: Subject) -> Outcome:
    reason = subject.facts.get("unreadable", "")
    if reason:
        return Drop(key=subject.key, rule="unreadable", reason=reason, evidence={"reason": reason})
    return Keep(key=subject.key, image=subject.made or subject.image, caption=subject.caption)


STAGE = Stage(
    name="edited",
    version=1,
    settings=Settings,
    decide=decide,
    scope="item",
    inspect=inspect,
    inspect_options=inspect_options,
    origins=origins,
    summarise=summarise,
)
