"""A digest of what an image shows: equal for the same picture in other files."""

from __future__ import annotations

import hashlib
from typing import Final

from PIL import Image

from datakit.images.convert import alpha_of, exif_orientation, to_srgb_rgb

_BLACK: Final = (0, 0, 0)


def pixel_digest(image: Image.Image) -> str:
    """32 hex digits of the upright pixels of a decoded image, in sRGB, 8 bits a channel, with their transparency.

    Colour that full transparency hides does not count; neither does an alpha channel that hides nothing.
    """
    if image.mode == "RGB" and not {"transparency", "icc_profile"} & image.info.keys() and exif_orientation(image) == 1:
        return _digest(image.size, image.tobytes())
    alpha = alpha_of(image)
    colours = to_srgb_rgb(image, background=_BLACK)
    if alpha is None or alpha.getextrema()[0] == 255:
        return _digest(colours.size, colours.tobytes())
    alpha.info = {name: image.info[name] for name in ("exif",) if name in image.info}
    alpha.format = image.format
    return _digest(colours.size, colours.tobytes(), to_srgb_rgb(alpha, background=_BLACK).getchannel(0).tobytes())


def _digest(size: tuple[int, int], *parts: bytes) -> str:
    digest = hashlib.sha256(f"{size[0]} {size[1]} ".encode())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:32]
