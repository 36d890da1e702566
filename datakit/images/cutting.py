"""A part of an image as an image of its own: upright, in sRGB, with the transparency that it has."""

from __future__ import annotations

from datakit.images.convert import colours_and_alpha, encode, stored_orientation, turned
from datakit.images.decode import open_bounded, unreadable_if_damaged
from datakit.model.record import Box


def cut_png(data: bytes, box: Box) -> bytes:
    """A PNG file of a part of an image; `box` lies in the upright image.

    The same image and box give the same bytes. Channels have 8 bits; of an animation it is the first frame.

    Raises:
        UnreadableImage: the image cannot be decoded.
    """
    image = open_bounded(data)
    with unreadable_if_damaged(image.format or "image"):
        picture, alpha = colours_and_alpha(image)
        if alpha is not None:
            picture.putalpha(alpha)
        x, y, width, height = box
        part = turned(picture, stored_orientation(image)).crop((x, y, x + width, y + height))
        is_opaque = part.mode == "RGB" or part.getchannel("A").getextrema()[0] == 255
        return encode(part.convert("RGB") if is_opaque else part, "png")
