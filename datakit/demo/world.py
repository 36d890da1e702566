"""Named characters, the scenes they are drawn in, and the pictures, whose tags are known because they were drawn."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from random import Random
from typing import Any, Final

from PIL import Image

from datakit.demo import parts
from datakit.demo.background import BACKGROUNDS, Background, paint
from datakit.errors import StateError

SIZES_PX: Final = ((192, 256), (256, 192), (256, 256))
"""(width, height): three aspect ratios, so that a bake has buckets to make."""

HEAD_SCALE: Final = 1.04
"""Of the picture's shorter side: the style leaves air around its heads."""


GOLD: Final = "#f0b429"
"""Of earrings: their own black is lost on dark skin."""


@dataclass(frozen=True)
class Character:
    """A name and the parts that never change."""

    name: str
    count: str
    """`1girl` or `1boy`: what the character is in its own story, which the picture does not contradict."""
    fixed: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The character tag, with the qualifier that danbooru gives to short names."""
        return f"{self.name}_(dsk)"


@dataclass(frozen=True)
class Scene:
    """All that one picture of a character shows besides its fixed parts."""

    eyes: str
    eyebrows: str
    mouth: str
    background: Background
    size_px: tuple[int, int]
    flip: bool = False
    rotate_deg: int = 0
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A drawn PNG file and the truth about it."""

    png: bytes
    size_px: tuple[int, int]
    general: tuple[str, ...]
    """General tags, sorted."""
    character: Character
    parts: Mapping[str, Any]
    """As the avatar names them."""
    transparent: bool


def _looks(hair: str, colours: tuple[str, str, str], **others: str) -> dict[str, str]:
    hair_colour, eye_colour, skin = colours
    return {
        "hairVariant": hair,
        "hairColor": hair_colour,
        "eyesColor": eye_colour,
        "skinColor": skin,
        **others,
    }


CHARACTERS: Final[Mapping[str, Character]] = {
    character.name: character
    for character in (
        Character(
            "aria",
            "1girl",
            _looks("long16", ("#3a6fd8", "#1c7a3a", "#f2d3b1"), glassesVariant="variant04"),
        ),
        Character(
            "mika",
            "1girl",
            _looks("long15", ("#f09ac0", "#7a35b0", "#f2d3b1"), detailsVariant="freckles"),
        ),
        Character("hana", "1girl", _looks("long08", ("#f4f4f6", "#d9a400", "#9e5622"))),
        Character("sora", "1boy", _looks("short16", ("#f2d35c", "#1f5fc4", "#ecad80"))),
    )
}


def scenes(character: Character, count: int, *, seed: int) -> list[Scene]:
    """Scenes that differ in mood, background and shape; the second is the first with another mouth.

    Mouths, backgrounds and sizes are dealt in turn from a shuffled deck: few pictures show many of them.
    """
    random = Random(f"{seed}/{character.name}")
    mouths, grounds, sizes = (_deck(random, kind) for kind in (parts.MOUTH, BACKGROUNDS, SIZES_PX))
    dealt = [
        Scene(
            eyes=random.choice(tuple(parts.EYES)),
            eyebrows=random.choice(tuple(parts.EYEBROWS)),
            mouth=mouths[i % len(mouths)],
            background=grounds[i % len(grounds)],
            size_px=sizes[i % len(sizes)],
            flip=random.random() < 0.4,
            rotate_deg=random.randint(-6, 6),
            extra=_accessories(character, random),
        )
        for i in range(count)
    ]
    if count > 1:
        dealt[1] = replace(dealt[0], mouth=dealt[1].mouth)
    return dealt


def _deck(random: Random, cards: Any) -> list[Any]:
    dealt = list(cards)
    random.shuffle(dealt)
    return dealt


def _accessories(character: Character, random: Random) -> dict[str, str]:
    extra = {}
    if character.fixed["hairVariant"] in parts.EAR_SHOWS and random.random() < 0.3:
        extra["earringsVariant"] = random.choice(tuple(parts.EARRINGS))
    if "detailsVariant" not in character.fixed and random.random() < 0.3:
        extra["detailsVariant"] = "blush"
    return extra


def draw(character: Character, scene: Scene) -> Picture:
    """One picture: RGBA where its background is transparent, else RGB.

    Raises:
        StateError: the drawing packages are not installed.
    """
    head, shown = _head(character, scene)
    canvas = paint(scene.background, scene.size_px)
    canvas.alpha_composite(head, *_place(head.size, scene.size_px))
    transparent = scene.background.kind == "transparent"
    picture = canvas if transparent else canvas.convert("RGB")
    file = io.BytesIO()
    picture.save(file, "PNG")
    tags = {character.count, *parts.tags_of(shown), *scene.background.tags}
    return Picture(
        png=file.getvalue(),
        size_px=scene.size_px,
        general=tuple(sorted(tags)),
        character=character,
        parts=shown,
        transparent=transparent,
    )


def _place(head_px: tuple[int, int], size_px: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """Where the head goes and which box of it: in the middle, down to the lower edge, which long hair runs into."""
    left, top = (size_px[0] - head_px[0]) // 2, size_px[1] - head_px[1]
    cut_left, cut_top = max(0, -left), max(0, -top)
    box = (cut_left, cut_top, min(head_px[0], cut_left + size_px[0]), head_px[1])
    return (max(0, left), max(0, top)), box


def _head(character: Character, scene: Scene) -> tuple[Image.Image, dict[str, Any]]:
    wanted = {
        **character.fixed,
        "eyesVariant": scene.eyes,
        "eyebrowsVariant": scene.eyebrows,
        "mouthVariant": scene.mouth,
        **scene.extra,
    }
    options: dict[str, Any] = {name: [value] for name, value in wanted.items()}
    for kind in ("details", "earrings", "glasses"):
        options[f"{kind}Probability"] = 100 if f"{kind}Variant" in wanted else 0
    options["earringsColor"] = [GOLD]
    options["flip"] = ["horizontal" if scene.flip else "none"]
    options["rotate"] = [scene.rotate_deg]
    options["size"] = round(min(scene.size_px) * HEAD_SCALE)
    options["seed"] = character.name
    svg, shown = _avatar(options)
    return _raster(svg), shown


def _avatar(options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The avatar as SVG, and its own list of parts."""
    try:
        from dicebear import Avatar
    except ImportError as error:
        raise _not_installed(error) from error
    avatar = Avatar(_style(), options)
    return avatar.to_string(), dict(avatar.to_json()["options"])


@functools.cache
def _style() -> Any:
    try:
        from dicebear import Style

        folder = resources.files("dicebear_styles")
    except ImportError as error:
        raise _not_installed(error) from error
    return Style(json.loads((folder / f"{parts.STYLE}.json").read_text("utf-8")))


def _raster(svg: str) -> Image.Image:
    try:
        import resvg_py
    except ImportError as error:
        raise _not_installed(error) from error
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")


def _not_installed(error: ImportError) -> StateError:
    return StateError(
        f"the demonstration draws its pictures with packages that are not installed ({error})",
        hint="pip install 'dsk[dev]', or run make demo, which does",
    )
