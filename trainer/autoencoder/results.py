"""What a finished training of a VAE leaves: the VAE, a picture of what it does, and `result.json`."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import numpy as np
import torch
from PIL import Image

from trainer.atomic import write_file
from trainer.autoencoder.config import VaeConfig
from trainer.autoencoder.measuring import Measured
from trainer.autoencoder.pictures import Pictures, as_bytes, as_floats
from trainer.losslog import read_rows
from trainer.products import weights_sha256
from trainer.results import versions
from trainer.sampling.grid import png
from trainer.state import Progress

VAE, PICTURE, RESULT = "vae", "reconstructions.png", "result.json"
LOSSES, VALIDATION = "loss.jsonl", "validation.jsonl"
_WIDTH_PX, _MOST, _SMALLEST_PX, _ROWS = 1536, 12, 128, 2
_FEW_STEPS = 50


class VaeResult(msgspec.Struct, frozen=True, kw_only=True):
    """`result.json`; paths are relative to its folder."""

    vae: str
    picture: str
    steps: int
    first_loss: float
    """Mean of the first steps, as many as `final_loss` is of."""
    final_loss: float
    """Mean of the last quarter of the steps, of 50 at most."""
    psnr_db: float
    """Of the pictures held out, with the average that became the result."""
    absolute: float
    """Their mean absolute error."""
    latent_std: float
    latent_spread: float
    scaling_factor: float
    validation: tuple[dict[str, float], ...]
    """Rows of validation.jsonl."""
    weights_sha256: str
    seconds: float
    """In steps, over all sittings."""
    images: int
    """Trained on."""
    held_out: int
    skipped: tuple[str, ...]
    """Files of the folder that could not be read."""
    pictures_sha256: str
    seed: int
    device: str
    threads: int
    versions: dict[str, str]
    config: dict[str, Any]
    """Every setting as it was, without the folders of this computer."""


def write(
    folder: Path, config: VaeConfig, *, pictures: Pictures, progress: Progress, measured: Measured, vae: Any
) -> VaeResult:
    """Writes picture and result.json; the VAE is there already. Raises WriteError."""
    sheet = picture(pictures.held_out, measured.made)
    title = f"originals over reconstructions, {measured.psnr_db:.2f} dB"
    write_file(folder / PICTURE, png(sheet, [("Title", title)]))
    # A person may have removed the log of a run that goes on.
    losses = [float(row["loss"]) for row in read_rows(folder / LOSSES)] or list(progress.losses)
    most = max(1, min(_FEW_STEPS, len(losses) // 4))
    result = VaeResult(
        vae=VAE,
        picture=PICTURE,
        steps=progress.step,
        first_loss=fmean(losses[:most]),
        final_loss=fmean(losses[-most:]),
        psnr_db=measured.psnr_db,
        absolute=measured.absolute,
        latent_std=measured.latent_std,
        latent_spread=measured.latent_spread,
        scaling_factor=vae.config["scaling_factor"],
        validation=tuple(read_rows(folder / VALIDATION)),
        weights_sha256=weights_sha256(folder / VAE / "diffusion_pytorch_model.safetensors"),
        seconds=round(progress.seconds, 3),
        images=len(pictures.trained),
        held_out=len(pictures.held_out),
        skipped=pictures.skipped,
        pictures_sha256=pictures.digest,
        seed=config.train.seed,
        device=str(vae.device),
        threads=torch.get_num_threads(),
        versions=versions(),
        config=_portable(config),
    )
    write_file(folder / RESULT, msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    return result


def picture(originals: torch.Tensor, made: torch.Tensor) -> Image.Image:
    """Two rows of originals (uint8), each over its reconstructions (-1..1); small ones are enlarged pixel for pixel."""
    side_px = originals.shape[-1]
    times = max(1, -(-_SMALLEST_PX // side_px))
    columns = min(max(1, _WIDTH_PX // (side_px * times)), _MOST, len(originals))
    rows = []
    for start in range(0, min(_ROWS * columns, len(originals)), columns):
        for pixels in (as_floats(originals), made):
            row = torch.full((3, side_px, columns * side_px), 1.0)
            for place, one in enumerate(pixels[start : start + columns]):
                row[..., place * side_px : (place + 1) * side_px] = one
            rows.append(row)
    whole: Any = as_bytes(torch.cat(rows, -2)).permute(1, 2, 0).numpy()
    image = Image.fromarray(np.ascontiguousarray(whole))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def _portable(config: VaeConfig) -> dict[str, Any]:
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    for section, name in (("network", "base"), ("data", "folder"), ("output", "dir")):
        plain[section][name] = Path(plain[section][name]).name
    return plain
