"""The cache of latents against one .npz file for each picture, as sd-scripts keeps them, and how fast it starts.

    python -m tests.benchmarks.bench_cache [--latents N] [--rounds N] [--entries N]

Both hold the same tensors, float32 of 4 x 128 x 128, and write and read them one by one, in the order of a shuffled
epoch; both read from the system's memory of files. The .npz files hold what
kohya-ss/sd-scripts:library/strategy_base.py (save_latents_to_disk) puts into them, and are read back as it does.
Ours also checks the sha256 of each entry; numpy checks the CRC-32 of each member.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from tests.benchmarks.timing import ratios, spread
from trainer.data.shards import ShardStore

Latents = Mapping[str, torch.Tensor]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench_cache", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--latents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=100_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    latents = {f"{number:064x}": torch.randn(4, 128, 128) for number in range(options.latents)}
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as work:
        for number in range(options.rounds):
            for name, seconds in _round(latents, Path(work) / str(number), turn=number).items():
                rows.setdefault(name, []).append(seconds)
        starts = _starts(Path(work) / "many", options.entries, options.rounds)
    num_bytes = sum(tensor.nbytes for tensor in latents.values())
    print(f"{options.latents:,} latents, {num_bytes / 2**20:.0f} MiB, {options.rounds} rounds")
    print("Median (smallest to largest):\n")
    print("| | shards, s | .npz files, s | ratio |\n|---|---|---|---|")
    for what in ("fill", "read"):
        ours, theirs = rows[f"{what} shards"], rows[f"{what} npz"]
        middle, low, high = ratios(ours, theirs)
        print(f"| {what} | {spread(ours)} | {spread(theirs)} | {middle:.2f} ({low:.2f} to {high:.2f}) |")
    rate = options.latents / statistics.median(rows["read shards"])
    print(f"\nread: {rate:,.0f} latents a second\nstart with {options.entries:,} entries: {spread(starts)} s")


def _round(latents: Latents, folder: Path, *, turn: int) -> dict[str, float]:
    """Fills and reads both, the one that begins changing from round to round."""
    order = list(latents)
    random.Random(turn).shuffle(order)
    kinds: list[tuple[str, Callable[[Latents, Path], None], Callable[[Latents, Path, list[str]], None]]] = [
        ("shards", _fill_shards, _read_shards),
        ("npz", _fill_npz, _read_npz),
    ]
    seconds = {}
    for name, fill, read in kinds[:: 1 if turn % 2 else -1]:
        place = folder / name
        place.mkdir(parents=True)
        began = time.perf_counter()
        fill(latents, place)
        filled = time.perf_counter()
        read(latents, place, order)
        seconds |= {f"fill {name}": filled - began, f"read {name}": time.perf_counter() - filled}
    return seconds


def _fill_shards(latents: Latents, folder: Path) -> None:
    store = ShardStore(folder, "latents")
    for key, tensor in latents.items():
        store.put(key, {"mean": tensor})
    store.flush()


def _read_shards(latents: Latents, folder: Path, order: list[str]) -> None:
    store = ShardStore(folder, "latents")
    for key in order:
        found = store.get(key)
        if found is None or found["mean"].shape != latents[key].shape:
            raise RuntimeError(f"{key} is not there")


def _fill_npz(latents: Latents, folder: Path) -> None:
    for key, tensor in latents.items():
        facts = {"original_size": np.array([1024, 1024]), "crop_ltrb": np.array([0, 0, 1024, 1024])}
        np.savez(folder / f"{key}_1024x1024_sd.npz", latents=tensor.float().cpu().numpy(), **facts)


def _read_npz(latents: Latents, folder: Path, order: list[str]) -> None:
    for key in order:
        with np.load(folder / f"{key}_1024x1024_sd.npz") as file:
            found = torch.FloatTensor(file["latents"])
            facts = [file[name].tolist() for name in ("original_size", "crop_ltrb")]
            if not all(facts) or found.shape != latents[key].shape:
                raise RuntimeError(f"{key} is not there")


def _starts(folder: Path, num: int, rounds: int) -> list[float]:
    """Seconds until a store of `num` entries, of small tensors, knows what it holds."""
    store = ShardStore(folder, "latents")
    tensors = {"mean": torch.zeros(4, 1, 1), "deviation": torch.zeros(4, 1, 1)}
    for number in range(num):
        store.put(f"{number:064x}", tensors)
    store.flush()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        if len(ShardStore(folder, "latents")) != num:
            raise RuntimeError("entries are lost")
        seconds.append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
