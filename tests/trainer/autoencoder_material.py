"""Pictures and configs for tests of the VAE's training, small enough for seconds."""

from __future__ import annotations

from pathlib import Path

from trainer_sets import picture

from trainer.autoencoder.config import load
from trainer.autoencoder.results import VaeResult
from trainer.autoencoder.run import train
from trainer.progress import QuietReporter

SIDE_PX = 16
NETWORK = "block_out_channels = [8, 8]\nnorm_num_groups = 4"


def write_folder(folder: Path, count: int = 10, *, side_px: int = SIDE_PX) -> Path:
    """Numbered squares."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture((side_px, side_px), number).save(folder / f"{number:02}.png")
    return folder


def write_vae_config(
    root: Path, *, network: str = NETWORK, train: str = "", out: str = "out", rest: str = "", data: str = ""
) -> Path:
    """Twelve steps, the last four of whole pictures; the average begins at the fifth."""
    text = f'[network]\n{network}\n[data]\nfolder = "pictures"\nresolution = {SIDE_PX}\nheld_out = 4\n{data}\n'
    text += "[train]\nsteps = 12\nbatch_size = 2\ncrop = 8\nwhole_steps = 4\nthreads = 1\nvalidate_every = 5\n"
    text += f'{train}\n[ema]\ndecay = 0.9\nstart = 4\n[output]\ndir = "{out}"\n{rest}\n'
    path = root / f"{out}.toml"
    path.write_text(text)
    return path


def trained(path: Path, *, sets: tuple[str, ...] = ()) -> VaeResult:
    """The whole run."""
    return train(load(path, sets=sets), QuietReporter())
