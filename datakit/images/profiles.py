"""ICC profiles: what one means for an image, and the way from its colours to sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from itertools import product
from typing import Final, Literal

from PIL import Image, ImageCms

Verdict = Literal["none", "srgb", "other", "broken"]

_MODES: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""ICC colour space → the Pillow mode that a transform takes."""
_GREY_MODES: Final = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_TOLERANCE: Final = 2
"""Levels by which a profile may differ from sRGB and still be it; encoders' own sRGB variants differ by one or two."""
_PROBES: Final = tuple(range(0, 256, 51))
_ERRORS: Final = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


def judge_profile(profile: bytes | None, mode: str) -> Verdict:
    """What a profile means for an image of this mode.

    'broken': it cannot be parsed, or describes other channels than the image has; colours then count as sRGB.
    """
    if not profile:
        return "none"
    needed, verdict = _judge(profile)
    return verdict if needed and _fits(needed, mode) else "broken"


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The opaque image in sRGB, mode RGB; its profile is one that `judge_profile` calls 'other'."""
    needed, _ = _judge(profile)
    source = image if image.mode == needed else image.convert(needed)
    return _transform(profile, source)


def _fits(needed: str, mode: str) -> bool:
    if mode == "LAB":
        return False
    if mode == "CMYK" or needed == "CMYK":
        return mode == needed
    return needed == "RGB" or mode in _GREY_MODES


@lru_cache(maxsize=64)
def _judge(profile: bytes) -> tuple[str, Verdict]:
    """(mode that its transform takes, verdict); ('', 'broken') when it cannot be used at all."""
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space
        needed = _MODES.get(space, "")
        if not needed:
            return "", "broken"
        probe = _probe_colours(needed)
        result = _transform(profile, probe)
    except _ERRORS:
        return "", "broken"
    if needed == "CMYK":
        return needed, "other"
    pairs = zip(probe.convert("RGB").tobytes(), result.tobytes(), strict=True)
    return needed, "srgb" if max(abs(a - b) for a, b in pairs) <= _TOLERANCE else "other"


def _probe_colours(mode: str) -> Image.Image:
    """A row of colours spread over the whole cube of the mode."""
    values = list(product(_PROBES, repeat=Image.getmodebands(mode)))
    return Image.frombytes(mode, (len(values), 1), bytes(value for colour in values for value in colour))


def _transform(profile: bytes, image: Image.Image) -> Image.Image:
    result = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if result is None:
        raise ValueError("the transform gave no image")
    return result
