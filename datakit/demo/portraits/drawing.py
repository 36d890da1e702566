"""From a look to its picture and its tags."""

from __future__ import annotations

import functools
import io
import json
from importlib import resources
from typing import Any, Final

from PIL import Image

from datakit.demo.background import Background, paint
from datakit.demo.portraits.contract import ABSENT, Look, Style
from datakit.demo.portraits.grounds import GROUNDS
from datakit.demo.portraits.palette import HAIR, SHIRTS, SKIN
from datakit.demo.portraits.styles import STYLES
from datakit.errors import StateError

HIDES_EYES: Final = frozenset({"closed_eyes", "one_eye_closed"})
"""Tags that sunglasses make untrue."""

PATTERNED: Final = frozenset({"striped", "dotted"})
PATTERN_PX: Final = 256


def draw(look: Look, size_px: int) -> Image.Image:
    """A square picture, RGBA where its background is transparent, else RGB.

    Raises:
        StateError: the drawing packages are not installed.
    """
    ground = GROUNDS[look.background]
    canvas = _ground(ground, size_px)
    canvas.alpha_composite(_figure(look, size_px))
    return canvas if ground.kind == "transparent" else canvas.convert("RGB")


def tags_of(look: Look) -> tuple[str, ...]:
    """What the picture shows, sorted; the style's tag and `solo` too."""
    style = STYLES[look.style]
    tags = {"solo", style.tag, *SKIN.get(look.skin, ()), *GROUNDS[look.background].tags}
    for part in (style.hair, *style.others):
        tags.update(part.variants[look.parts[part.option]])
    if "hat" not in tags:
        tags.add(look.hair_colour)
    if look.shirt:
        tags.add(look.shirt)
    if "sunglasses" in tags:
        tags -= HIDES_EYES
    return tuple(sorted(tags))


def _ground(ground: Background, size_px: int) -> Image.Image:
    """Patterns are painted for large pictures: on a small one they would be two stripes."""
    if ground.kind not in PATTERNED:
        return paint(ground, (size_px, size_px))
    side = max(size_px, PATTERN_PX)
    return paint(ground, (side, side)).resize((size_px, size_px), Image.Resampling.BOX)


def _figure(look: Look, size_px: int) -> Image.Image:
    try:
        import resvg_py
        from dicebear import Avatar
    except ImportError as error:
        raise _not_installed(error) from error
    svg = Avatar(_definition(look.style), _options(look, STYLES[look.style], size_px)).to_string()
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")


def _options(look: Look, style: Style, size_px: int) -> dict[str, Any]:
    options: dict[str, Any] = {"seed": "dsk", "size": size_px, "rotate": [look.rotate_deg], **style.fixed}
    options["flip"] = ["horizontal" if look.flip else "none"]
    hair, _, paired = look.parts[style.hair.option].partition("+")
    shown = {**look.parts, style.hair.option: hair}
    optional = {part.option for part in (style.hair, *style.others) if part.optional}
    if style.pair:
        shown[style.pair] = paired
        optional.add(style.pair)
    for option, variant in shown.items():
        if variant != ABSENT:
            options[f"{option}Variant"] = [variant]
        if option in optional:
            options[f"{option}Probability"] = 0 if variant == ABSENT else 100
    options.update({option: [HAIR[look.hair_colour]] for option in style.hair_colour})
    options.update({option: [look.skin] for option in style.skin})
    options.update({option: [SHIRTS[look.shirt]] for option in style.shirt})
    return options


@functools.cache
def _definition(style: str) -> Any:
    try:
        from dicebear import Style as Definition

        folder = resources.files("dicebear_styles")
    except ImportError as error:
        raise _not_installed(error) from error
    return Definition(json.loads((folder / f"{style}.json").read_text("utf-8")))


def _not_installed(error: ImportError) -> StateError:
    return StateError(
        f"portraits are drawn with packages that are not installed ({error})",
        hint="pip install 'dsk[dev]', or run make demo, which does",
    )
