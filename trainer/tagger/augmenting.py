"""How a batch of pictures is changed without a tag becoming untrue.

Everything is drawn from one generator, in a fixed order, so a step's pictures follow from its number alone. What is
costly (a filter, a smaller size) is drawn for a part of the batch at a time. Hair keeps its colour:
channels are made a little stronger or weaker, no more, except in pictures of turned colours, whose colour nobody asks.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it
from PIL import Image
from torch import Generator, Tensor

from trainer.tagger.settings import AugmentConfig

_GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Shown:
    """A batch as the network is shown it."""

    pictures: Tensor
    """RGB [N, 3, S, S], 0 to 1."""
    on_white: Tensor
    """bool [N]: a see-through picture that was laid on white."""
    elsewhere: Tensor
    """bool [N]: one that was laid on something else."""
    turned: Tensor
    """bool [N]: a picture of turned colours."""


@dataclass(frozen=True)
class Draw:
    """Numbers from one generator."""

    generator: Generator
    strength: float

    def unit(self, *shape: int) -> Tensor:
        """0 to 1."""
        return torch.rand(*shape, generator=self.generator)

    def around(self, amount: float, *shape: int) -> Tensor:
        """From -amount to amount, less where the strength is."""
        return (self.unit(*shape) * 2 - 1) * (amount * self.strength)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""
        return torch.randn(*shape, generator=self.generator)

    def some(self, count: int, share: float) -> Tensor:
        """Indices of about this share of `count`, less where the strength is."""
        return torch.nonzero(self.unit(count) < share * self.strength).flatten()

    def often(self, share: float) -> bool:
        """True about so often."""
        return bool(self.unit(1) < share)


def plain(pixels: Tensor, size_px: int) -> Tensor:
    """Pictures as they are: on white, of the network's size. uint8 [N, 4, S, S] to RGB 0 to 1."""
    rgba = pixels.float() / 255
    rgb = rgba[:, :3] * rgba[:, 3:] + (1 - rgba[:, 3:])
    return resized(rgb, size_px).clamp(0, 1)


def augmented(
    pixels: Tensor, paints: Tensor, *, may_mirror: Tensor, size_px: int, how: AugmentConfig, generator: Generator
) -> Shown:
    """A batch of uint8 [N, 4, S, S], changed; `paints` as in Pictures, `may_mirror` bool [N]."""
    draw = Draw(generator, how.strength)
    rgba = pixels.float() / 255
    if how.recolour:
        rgba = torch.cat([_repainted(rgba[:, :3], paints, draw), rgba[:, 3:]], dim=1)
    rgb, on_white, elsewhere = _grounded(rgba, draw)
    rgb = _moved(rgb, may_mirror, how, size_px=size_px, draw=draw)
    rgb = _outlined(rgb, draw)
    rgb = _coloured(rgb, draw)
    rgb, turned = _turned(rgb, how.turn_colours, draw)
    rgb = _softened(rgb, draw)
    rgb = _noisy(rgb, draw)
    for index in draw.some(len(rgb), how.jpeg).tolist():
        rgb[index] = _through_jpeg(rgb[index], quality=int(30 + 65 * float(draw.unit(1))))
    return Shown(rgb.clamp(0, 1), on_white, elsewhere, turned)


def resized(rgb: Tensor, size_px: int) -> Tensor:
    """[N, 3, S, S] to another side."""
    if rgb.shape[-1] == size_px:
        return rgb
    return F.interpolate(rgb, (size_px, size_px), mode="bicubic", antialias=True, align_corners=False)


def _grounded(rgba: Tensor, draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """See-through pictures on white, or on a colour or a gradient."""
    alpha = rgba[:, 3:]
    clear = alpha.amin((1, 2, 3)) < 0.5
    white = ~clear | (draw.unit(len(rgba)) >= 0.6 * draw.strength)
    rgb = rgba[:, :3] * alpha + (1 - alpha)
    here = torch.nonzero(clear & ~white).flatten()
    if len(here):
        corners = draw.unit(len(here), 3, 2, 2)
        flat = draw.unit(len(here), 1, 1, 1) < 0.5
        corners = torch.where(flat, corners[:, :, :1, :1].expand_as(corners), corners)
        ground = F.interpolate(corners, rgba.shape[-2:], mode="bilinear", align_corners=True)
        rgb[here] += (ground - 1) * (1 - alpha[here])
    return rgb, clear & white, clear & ~white


def _repainted(rgb: Tensor, paints: Tensor, draw: Draw) -> Tensor:
    """Where a picture has a colour that no tag names beyond light and dark, another of its kind instead."""
    here = draw.some(len(rgb), 0.5)
    here = here[~paints[here].isnan().any(1)]
    if not len(here):
        return rgb
    old = paints[here]
    light = (old @ torch.tensor(_GREY)) > 0.55
    tint = draw.unit(len(here), 3)
    pale = 1 - tint * torch.tensor((0.12, 0.30, 0.42)) * draw.unit(len(here), 1)
    white = draw.unit(len(here)) < 0.3
    pale = torch.where(white[:, None], torch.ones_like(pale), pale)
    deep = old * (0.8 + 0.5 * draw.unit(len(here), 1))
    new = torch.where(light[:, None], pale, deep).clamp(0, 1)
    part = rgb[here]
    far = (part - old[:, :, None, None]).abs().amax(1, keepdim=True)
    weight = (1 - far / 0.16).clamp(0, 1)
    out = rgb.clone()
    out[here] = part + weight * (new - old)[:, :, None, None]
    return out


def _outlined(rgb: Tensor, draw: Draw) -> Tensor:
    """Dark lines along edges, as other styles draw them."""
    here = draw.some(len(rgb), 0.25)
    if not len(here):
        return rgb
    part = rgb[here]
    grey = (part * torch.tensor(_GREY)[None, :, None, None]).sum(1, keepdim=True)
    most = F.max_pool2d(grey, 3, 1, 1)
    edge = most + F.max_pool2d(-grey, 3, 1, 1)
    edge = ((edge - 0.15) / 0.35).clamp(0, 1) * draw.unit(len(here), 1, 1, 1)
    out = rgb.clone()
    out[here] = part * (1 - edge) + 0.08 * edge
    return out


def _moved(rgb: Tensor, may_mirror: Tensor, how: AugmentConfig, *, size_px: int, draw: Draw) -> Tensor:
    """Mirrored, turned, shifted, scaled and bent, at the network's size; white or the border beyond the edge."""
    count = len(rgb)
    angle = draw.around(math.radians(how.rotate_deg), count)
    zoom = torch.exp(draw.around(how.scale, count))
    aspect = torch.exp(draw.around(how.scale / 2, count))
    mirror = torch.where(may_mirror & (draw.unit(count) < how.mirror * draw.strength), -1.0, 1.0)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    shift = draw.around(2 * how.shift, count, 2)
    rows = torch.stack(
        [
            torch.stack([cos * mirror * aspect, -sin, shift[:, 0]], 1),
            torch.stack([sin * mirror * aspect, cos, shift[:, 1]], 1),
        ],
        1,
    )
    grid = F.affine_grid(rows, [count, 3, size_px, size_px], align_corners=False)
    if how.bend:
        waves = draw.normal(count, 2, 5, 5) * (2 * how.bend * draw.strength)
        bends = F.interpolate(waves, (size_px, size_px), mode="bicubic", align_corners=True)
        grid = grid + bends.permute(0, 2, 3, 1)
    if draw.often(0.7):
        return F.grid_sample(rgb, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.grid_sample(rgb - 1, grid, mode="bilinear", padding_mode="zeros", align_corners=False) + 1


def _coloured(rgb: Tensor, draw: Draw) -> Tensor:
    """Lighter or darker, flatter, paler, a little warmer or colder."""
    count = len(rgb)
    grey = (rgb * torch.tensor(_GREY)[None, :, None, None]).sum(1, keepdim=True)
    rgb = grey + (rgb - grey) * (1 + draw.around(0.2, count, 1, 1, 1))
    rgb = (rgb - 0.5) * (1 + draw.around(0.15, count, 1, 1, 1)) + 0.5 + draw.around(0.07, count, 1, 1, 1)
    rgb = rgb * (1 + draw.around(0.05, count, 3, 1, 1))
    return rgb.clamp(0.001, 1) ** torch.exp(draw.around(0.15, count, 1, 1, 1))


def _turned(rgb: Tensor, share: float, draw: Draw) -> tuple[Tensor, Tensor]:
    """Other hues, paler or grey, lighter or darker: what is left are shapes. Also which pictures, bool [N]."""
    which = torch.zeros(len(rgb), dtype=torch.bool)
    here = draw.some(len(rgb), share) if share else torch.empty(0, dtype=torch.long)
    if not len(here):
        return rgb, which
    which[here] = True
    part = rgb[here]
    angle = 2 * math.pi * draw.unit(len(here), 1, 1, 1)
    keep = (1.5 * draw.unit(len(here), 1, 1, 1) - 0.3).clamp(min=0)
    grey = (part * torch.tensor(_GREY)[None, :, None, None]).sum(1, keepdim=True)
    colour = part - part.mean(1, keepdim=True)
    # Rodrigues' rotation about (1, 1, 1), to which `colour` is perpendicular.
    across = (colour.roll(1, 1) - colour.roll(-1, 1)) / math.sqrt(3)
    colour = colour * angle.cos() + across * angle.sin()
    tone = grey.clamp(0.001, 1) ** torch.exp(1.2 * draw.unit(len(here), 1, 1, 1) - 0.6)
    out = rgb.clone()
    out[here] = (tone + keep * colour).clamp(0, 1)
    return out, which


def _softened(rgb: Tensor, draw: Draw) -> Tensor:
    """Parts of the batch through a smaller size, as blocks, blurred, as an autoencoder leaves them, or sharpened."""
    out = rgb.clone()
    kind = draw.unit(len(rgb)) / max(draw.strength, 1e-6)
    for low, high, change in (
        (0.0, 0.1, _smaller),
        (0.1, 0.2, _blurred),
        (0.2, 0.3, _like_vae),
        (0.3, 0.38, _blocky),
        (0.38, 0.45, _sharpened),
    ):
        here = torch.nonzero((kind >= low) & (kind < high)).flatten()
        if len(here):
            out[here] = change(rgb[here], draw)
    return out


def _smaller(rgb: Tensor, draw: Draw) -> Tensor:
    side = rgb.shape[-1]
    less = round(side * (0.6 + 0.35 * float(draw.unit(1))))
    return resized(resized(rgb, less), side)


def _blurred(rgb: Tensor, draw: Draw) -> Tensor:
    return _gauss(rgb, 0.4 + 0.6 * float(draw.unit(1)))


def _blocky(rgb: Tensor, draw: Draw) -> Tensor:
    side = rgb.shape[-1]
    blocks = round(side * (0.45 + 0.45 * float(draw.unit(1))))
    return F.interpolate(F.interpolate(rgb, (blocks, blocks), mode="area"), (side, side), mode="nearest")


def _sharpened(rgb: Tensor, draw: Draw) -> Tensor:
    return rgb + (rgb - _gauss(rgb, 1.0)) * (1.5 * draw.unit(len(rgb), 1, 1, 1))


def _like_vae(rgb: Tensor, draw: Draw) -> Tensor:
    """Soft, with smooth false colours: what a small autoencoder or a diffusion model leaves."""
    side = rgb.shape[-1]
    soft = torch.lerp(rgb, _gauss(rgb, 0.9), 0.3 + 0.7 * draw.unit(len(rgb), 1, 1, 1))
    cloud = F.interpolate(draw.normal(len(rgb), 3, side // 4, side // 4), (side, side), mode="bicubic")
    return soft + cloud * (0.05 * draw.unit(len(rgb), 1, 1, 1))


def _gauss(rgb: Tensor, sigma_px: float) -> Tensor:
    reach = max(1, round(2 * sigma_px))
    line = torch.exp(-(torch.arange(-reach, reach + 1).float() ** 2) / (2 * sigma_px**2))
    line = (line / line.sum()).expand(3, 1, 1, -1)
    wide = F.conv2d(F.pad(rgb, (reach, reach, 0, 0), mode="replicate"), line, groups=3)
    return F.conv2d(F.pad(wide, (0, 0, reach, reach), mode="replicate"), line.transpose(2, 3), groups=3)


def _noisy(rgb: Tensor, draw: Draw) -> Tensor:
    here = draw.some(len(rgb), 0.35)
    if not len(here):
        return rgb
    out = rgb.clone()
    out[here] += draw.normal(*rgb[here].shape) * (0.06 * draw.unit(len(here), 1, 1, 1))
    return out


def _through_jpeg(rgb: Tensor, *, quality: int) -> Tensor:
    pixels = (rgb.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    back = np.asarray(Image.open(file), np.float32) / 255
    return torch.from_numpy(back).permute(2, 0, 1)
