"""Views of a picture: how it is mirrored, cut and coloured in one draw, and the pixels and mask that this gives.

Meaning of the settings: kohya-ss/sd-scripts:library/train_util.py (crop_target, trim_and_resize_if_required,
AugHelper), with these differences: a face whose picture is smaller than the resolution is enlarged, not an error;
gamma is taken of brightness from 0 to 1, as albumentations' RandomGamma means it; sizes and crops are those of the
pixels that are trained. Every random number follows from (run seed, item, epoch).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from trainer.contracts.model import Geometry
from trainer.data import decoding, masks
from trainer.data.buckets import Size
from trainer.data.decoding import opened
from trainer.data.items import Item
from trainer.seeds import unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}
_HUE_LIMIT_DEGREES = 16.0
"""8 of the 180 steps that OpenCV has for the whole circle."""
_GAMMA_LIMIT = 0.05
_COLOUR_RATE = 0.33


@dataclass(frozen=True)
class Colour:
    """A change of colours: either is nothing."""

    hue_degrees: float = 0.0
    gamma: float = 1.0


@dataclass(frozen=True)
class View:
    """One way to look at a picture."""

    flip: bool = False
    crop_px: Size | None = None
    """Left and top in the resized picture, before it is mirrored; None: the middle."""
    resized_px: Size | None = None
    """What the picture is resized to; None: as its bucket says."""
    colour: Colour | None = None
    is_drawn: bool = False
    """Whether crop or size came from a random number."""

    @property
    def is_fixed(self) -> bool:
        """Whether other epochs have the same view, so that it may be cached."""
        return not self.is_drawn and self.colour is None


def view_of(item: Item, *, run_seed: int, name: str, epoch: int) -> View:
    """How the item, named so in all random draws, is looked at in this epoch (from 0)."""
    draw = _Draw(run_seed, name, epoch)
    flip = item.subset.flip_aug and draw.unit("flip") < 0.5
    colour = _colour(draw) if item.subset.color_aug else None
    crop_px, resized_px, is_drawn = _cut(item, draw)
    return View(flip, crop_px, resized_px, colour, is_drawn)


def fixed_views(item: Item) -> tuple[View, ...]:
    """All views of an item whose pixels do not vary but for the mirror; none where they do."""
    crop_px, resized_px, is_drawn = _cut(item, _Draw(0, "", 0))
    if is_drawn or item.subset.color_aug:
        return ()
    flips = (False, True) if item.subset.flip_aug else (False,)
    return tuple(View(flip, crop_px, resized_px) for flip in flips)


def identity(item: Item, view: View) -> tuple[object, ...]:
    """Everything that decides what `read_view` gives, but the code: for the names of cached latents."""
    left_top, resized = _place(item, view)
    mask = (item.mask_digest, item.subset.alpha_mask)
    return (item.digest, mask, resized, left_top, item.fit.bucket_px, item.interpolation, view.flip, view.colour)


def geometry_of(item: Item, view: View) -> Geometry:
    """Where the view's pixels come from; mirrored, its crop is counted from the other side."""
    (left, top), resized = _place(item, view)
    if view.flip:
        left = resized[0] - item.fit.bucket_px[0] - left
    return Geometry(item.size_px, (left, top), item.fit.bucket_px)


def read_view(item: Item, view: View) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Pixels [3, h, w] in -1..1, and mask [h, w] in 0..1 or None where all counts. Raises DatasetError."""
    import numpy as np

    with opened(item.path) as file:
        whole = decoding.upright(file)
        picture = decoding.flattened(whole)
        mask = decoding.alpha(whole) if item.subset.alpha_mask else None
    if item.mask_path is not None:
        mask = masks.both(mask, masks.read(item.mask_path, picture.size))
    seen = _coloured(_cut_out(picture, item, view), view.colour)
    pixels = np.asarray(seen, dtype=np.float32) / 127.5 - 1.0
    found = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    if mask is None:
        return found, None
    return found, np.asarray(_cut_out(mask, item, view, smooth=True), dtype=np.float32) / 255.0


@dataclass(frozen=True)
class _Draw:
    """Random numbers of one item in one epoch, each by what it is for."""

    run_seed: int
    name: str
    epoch: int

    def unit(self, purpose: str) -> float:
        return unit(self.run_seed, self.name, self.epoch, purpose)

    def whole(self, purpose: str, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.unit(purpose) * (high - low + 1))


def _colour(draw: _Draw) -> Colour | None:
    if draw.unit("colour") > _COLOUR_RATE:
        return None
    amount = 2.0 * draw.unit("colour-amount") - 1.0
    if draw.unit("colour-kind") < 0.5:
        return Colour(hue_degrees=_HUE_LIMIT_DEGREES * amount)
    return Colour(gamma=1.0 + _GAMMA_LIMIT * amount)


def _cut(item: Item, draw: _Draw) -> tuple[Size | None, Size | None, bool]:
    """(Crop, size it is resized to, whether they were drawn); None for what the bucket says."""
    face, ends = face_of(item), item.subset.face_crop_aug_range
    if face is not None and ends is not None and not item.set.buckets.enable:
        return _face_cut(item, face, draw=draw)
    fit = item.fit
    spare = (fit.resized_px[0] - fit.bucket_px[0], fit.resized_px[1] - fit.bucket_px[1])
    if not item.subset.random_crop or not any(spare):
        return None, None, False
    return (draw.whole("crop-left", 0, spare[0]), draw.whole("crop-top", 0, spare[1])), None, True


def face_of(item: Item) -> tuple[int, int, int, int] | None:
    """Middle x and y, width and height of the face that a file name `..._x_y_w_h` tells, in pixels."""
    parts = item.path.stem.split("_")
    if len(parts) < 5 or not all(part.isascii() and part.isdigit() for part in parts[-4:]):
        return None
    x, y, width, height = (int(part) for part in parts[-4:])
    inside = 0 < x < item.size_px[0] and y < item.size_px[1]
    return (x, y, width, height) if inside and max(width, height) else None


def _face_cut(item: Item, face: tuple[int, int, int, int], *, draw: _Draw) -> tuple[Size, Size, bool]:
    """A scale at which the face has a size within the range, and a window around it."""
    target, (first, last) = item.fit.bucket_px, item.subset.face_crop_aug_range or (1.0, 1.0)
    length, short = max(face[2:]), min(target)
    least = max(target[0] / item.size_px[0], target[1] / item.size_px[1])
    small = max(least, min(1.0, short / (length * last)))
    large = max(small, min(1.0, short / (length * first)))
    scale = small + (large - small) * draw.unit("face-scale")
    resized = _at_least(target, item.size_px, scale=scale)
    # The window keeps near the face; only where the range leaves room, and the face is no speck, it moves at all.
    reach = length // 20 if first != last and length > short // 10 and length >= 40 else 0
    at, is_drawn = [], small < large
    for axis in (0, 1):
        middle, spare = int(face[axis] * scale + 0.5), resized[axis] - target[axis]
        far = max(resized[axis] - middle, middle)
        if item.subset.random_crop:
            move = draw.whole(f"face-{axis}", 0, far) + draw.whole(f"face-{axis}-too", 0, far) - far
        else:
            move = draw.whole(f"face-{axis}", -reach, reach)
        is_drawn |= spare > 0 and (item.subset.random_crop or reach > 0)
        at.append(max(0, min(middle - target[axis] // 2 + move, spare)))
    return (at[0], at[1]), resized, is_drawn


def _at_least(target_px: Size, size_px: Size, *, scale: float) -> Size:
    return max(target_px[0], int(size_px[0] * scale + 0.5)), max(target_px[1], int(size_px[1] * scale + 0.5))


def _place(item: Item, view: View) -> tuple[Size, Size]:
    """(Left and top of the window, size of the resized picture), before it is mirrored."""
    resized = view.resized_px or item.fit.resized_px
    spare = (resized[0] - item.fit.bucket_px[0], resized[1] - item.fit.bucket_px[1])
    return view.crop_px or (spare[0] // 2, spare[1] // 2), resized


def _cut_out(image: Image.Image, item: Item, view: View, *, smooth: bool = False) -> Image.Image:
    """Resized, cut and mirrored; `smooth` never overshoots."""
    (left, top), resized = _place(item, view)
    if image.size != resized:
        shrinks = resized[0] <= image.width and resized[1] <= image.height
        kind = ("box" if shrinks else "bilinear") if smooth else item.interpolation
        image = image.resize(resized, _FILTERS[kind])
    image = image.crop((left, top, left + item.fit.bucket_px[0], top + item.fit.bucket_px[1]))
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if view.flip else image


def _coloured(image: Image.Image, colour: Colour | None) -> Image.Image:
    if colour is None:
        return image
    if colour.gamma != 1.0:
        table = [round(255.0 * (value / 255.0) ** colour.gamma) for value in range(256)]
        image = image.point(table * 3)
    if colour.hue_degrees:
        hue, saturation, value = image.convert("HSV").split()
        shift = round(colour.hue_degrees / 360.0 * 256.0)
        turned = hue.point([(step + shift) % 256 for step in range(256)])
        image = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
    return image
