"""The speed of a training step beside sd-scripts': the same base of random weights, pictures, precision and modules.

    PEER_SD_SCRIPTS=CHECKOUT PEER_SD_SCRIPTS_PYTHON=PYTHON python -m tests.benchmarks.bench_train [--steps N] [--skip N]

Both train a LoRA of rank 16 on the UNet's attention and feed-forward layers (sd-scripts' own choice, 722 modules of
SDXL), with latents and text states cached (its SD 1.5 reads texts anew), SDPA and AdamW, one process at a time, in
turns. Random weights give meaningless losses and true speeds. On a GPU: SDXL at 1024 px in bf16, base and adapter too,
batch 1 and 4, with and without checkpointing, and ours compiled. Else in float32, which most CPUs are fastest in:
SD 1.5 and SDXL at 256 px, batch 1. The floor is the FLOPs of a step, as torch counts them, over what the device reaches
in a large product of matrices. Prints Markdown. Needs 10 GB of disk, and for SDXL on the CPU 20 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COLUMNS = (
    *("run", "dsk s/step", "sd-scripts s/step", "dsk's speed", "dsk processor s/step", "sd-scripts processor s/step"),
    *("dsk peak GB", "sd-scripts peak GB", "floor s/step"),
)
_TOKENIZERS = ("openai_clip-vit-large-patch14", "laion_CLIP-ViT-bigG-14-laion2B-39B-b160k")
_PICTURES = 8


@dataclass(frozen=True)
class Row:
    """One comparison."""

    family: str
    name: str
    size_px: int
    batch: int
    checkpointing: bool
    compile: bool = False


def main() -> None:
    """Make the material, run in turns, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=0, help="of each run; default: 35 on a GPU, 6 else")
    parser.add_argument("--skip", type=int, default=0, help="first steps left out; default: 5 on a GPU, 2 else")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    asked = parser.parse_args()
    on_gpu = _has_gpu()
    steps, skip = asked.steps or (35 if on_gpu else 6), asked.skip or (5 if on_gpu else 2)
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
        for row in _rows(on_gpu):
            if asked.only in row.name:
                _compare(work, _material(work, row.family), row, steps=steps, skip=skip, rounds=asked.rounds)


def _rows(on_gpu: bool) -> list[Row]:
    if not on_gpu:
        return [
            Row("sd15", "SD 1.5, 256 px, batch 1", 256, 1, False),
            Row("sd15", "SD 1.5, 256 px, batch 1, checkpointing", 256, 1, True),
            Row("sdxl", "SDXL, 256 px, batch 1, checkpointing", 256, 1, True),
        ]
    plain = [
        Row("sdxl", f"SDXL, 1024 px, batch {batch}{', checkpointing' if saving else ''}", 1024, batch, saving)
        for batch in (1, 4)
        for saving in (False, True)
    ]
    return [*plain, Row("sdxl", "SDXL, 1024 px, batch 1, compiled", 1024, 1, False, True)]


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _material(work: Path, family: str) -> Path:
    """The checkpoint and the tokenizers, made in a process of its own so that no memory of it stays here."""
    path = work / f"{family}.safetensors"
    if not path.exists():
        made = f"from tests.benchmarks.bench_train import make_material; make_material({str(work)!r}, {family!r})"
        subprocess.run([sys.executable, "-c", made], cwd=ROOT, check=True)
    return path


def make_material(place: str, family: str) -> None:
    """Writes `<family>.safetensors` (fp16, random weights) and sd-scripts' tokenizer folders."""
    import torch

    from tests.benchmarks.check_gpu import write_whole
    from trainer.families._clip_text import tokenizer_files

    torch.set_num_threads(os.cpu_count() or 1)
    write_whole(family, Path(place, f"{family}.safetensors"), prediction="epsilon")
    for name in _TOKENIZERS:
        folder = Path(place, "tokenizers", name)
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in tokenizer_files("<|endoftext|>").items():
            (folder / file).write_bytes(content)


def _compare(work: Path, base: Path, row: Row, *, steps: int, skip: int, rounds: int) -> None:
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "sd-scripts": []}
    for number in range(rounds):
        folder = work / f"{row.name.replace(' ', '-').replace(',', '')}-{number}"
        pictures = _pictures(folder, row)
        found["ours"].append(_run(folder, _ours(folder, base, row, pictures=pictures, steps=steps)))
        if os.environ.get("PEER_SD_SCRIPTS"):
            found["sd-scripts"].append(_run(folder, _theirs(folder, base, row, pictures=pictures, steps=steps)))
    ours, theirs = (_medians(found[who], skip) for who in ("ours", "sd-scripts"))
    pairs = [f"{ours[0]:.3f}", f"{theirs[0]:.3f}", f"{theirs[0] / ours[0]:.2f}", f"{ours[1]:.3f}", f"{theirs[1]:.3f}"]
    cells = (*pairs, f"{ours[2]:.1f}", f"{theirs[2]:.1f}", f"{_floor_s(row):.3f}")
    device = found["ours"][0]["device"]
    print(f"| {row.name} ({device}) | {' | '.join(cells)} |", flush=True)


def _medians(runs: Sequence[dict[str, Any]], skip: int) -> tuple[float, float, float]:
    """Seconds of a step, of a step's processor time, and the peak in GB."""
    if not runs:
        return (float("nan"),) * 3
    seconds = [
        statistics.median(step for one in runs for step in one[name][skip:]) for name in ("steps_s", "processor_s")
    ]
    return seconds[0], seconds[1], max(one["peak_bytes"] for one in runs) / 1e9


def _run(folder: Path, arguments: Sequence[str]) -> dict[str, Any]:
    answer, log = folder / "answer.json", folder / "log.txt"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
    program, *rest = arguments
    command = [program, str(Path(__file__).with_name("train_process.py")), str(answer), *rest]
    with log.open("w") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{rest[0]} failed:\n{log.read_text()[-4000:]}")
    found: dict[str, Any] = json.loads(answer.read_text())
    answer.unlink()
    return found


def _pictures(folder: Path, row: Row) -> Path:
    import numpy as np
    from PIL import Image

    place = folder / "pictures"
    place.mkdir(parents=True)
    drawn = np.random.default_rng(0)
    for number in range(max(_PICTURES, row.batch)):
        pixels = drawn.integers(0, 256, (row.size_px, row.size_px, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
        (place / f"{number}.txt").write_text("1girl, solo, looking at viewer")
    (folder / "dataset.toml").write_text(
        f"[general]\nenable_bucket = false\n[[datasets]]\nresolution = {row.size_px}\nbatch_size = {row.batch}\n"
        f'[[datasets.subsets]]\nimage_dir = "{place}"\ncaption_extension = ".txt"\nnum_repeats = 100\n'
    )
    return folder / "dataset.toml"


def _ours(folder: Path, base: Path, row: Row, *, pictures: Path, steps: int) -> list[str]:
    config, precision = folder / "config.toml", "bf16" if _has_gpu() else "fp32"
    config.write_text(
        f"""[model]
base = "{base}"
[dataset]
config = "{pictures}"
[adapter]
rank = 16
alpha = 8.0
targets = "kohya"
[train]
steps = {steps}
precision = "{precision}"
[memory]
weights = "{precision}"
adapter_weights = "{precision}"
checkpointing = {str(row.checkpointing).lower()}
compile = {str(row.compile).lower()}
[sample]
prompts = ["1girl"]
steps = 1
size = [64, 64]
guidance = 1.0
[output]
dir = "{folder / "ours"}"
"""
    )
    return [sys.executable, "ours", str(config)]


def _theirs(folder: Path, base: Path, row: Row, *, pictures: Path, steps: int) -> list[str]:
    python = os.environ.get("PEER_SD_SCRIPTS_PYTHON", sys.executable)
    flags = ["--network_train_unet_only", "--cache_latents", "--sdpa"]
    flags += ["--cache_text_encoder_outputs", "--no_half_vae"] if row.family == "sdxl" else []
    flags += ["--full_bf16"] if _has_gpu() else []
    flags += ["--gradient_checkpointing"] if row.checkpointing else []
    values = {
        "pretrained_model_name_or_path": base,
        "tokenizer_cache_dir": folder.parent / "tokenizers",
        "dataset_config": pictures,
        "output_dir": folder / "theirs",
        "network_module": "networks.lora",
        "network_dim": 16,
        "network_alpha": 8,
        "mixed_precision": "bf16" if _has_gpu() else "no",
        "max_train_steps": steps,
        "optimizer_type": "AdamW",
        "learning_rate": "1e-4",
        "max_grad_norm": 1.0,
        "save_model_as": "safetensors",
        "seed": 1,
        "max_data_loader_n_workers": 0,
    }
    named = [word for key, value in values.items() for word in (f"--{key}", str(value))]
    script = "sdxl_train_network.py" if row.family == "sdxl" else "train_network.py"
    return [python, "sd-scripts", os.environ["PEER_SD_SCRIPTS"], script, *named, *flags]


def _floor_s(row: Row) -> float:
    """The step's FLOPs at the speed of one large product of matrices."""
    code = (
        f"from tests.benchmarks.bench_train import print_floor; print_floor({row.family!r}, {row.size_px}, {row.batch})"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(told.stdout.split()[-1])


def print_floor(family: str, size_px: int, batch: int) -> None:
    """FLOPs forward, and as many again for the gradient of the inputs; that of the frozen weights is not taken."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from trainer.families import _networks
    from trainer.families._single_file import shipped

    with torch.device("meta"):
        settings = shipped(family)["unet"]
        unet = _networks._make("unet", settings)
        side = size_px // 8
        added = {"text_embeds": torch.empty(batch, 1280), "time_ids": torch.empty(batch, 6)}
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            texts = torch.empty(batch, 77, settings["cross_attention_dim"])
            unet(torch.empty(batch, 4, side, side), 1, texts, added_cond_kwargs=added)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(os.cpu_count() or 1)
    print(2 * counter.get_total_flops() / _flops_per_s(device))


def _flops_per_s(device: str) -> float:
    import torch

    # The CPU's fastest kind of numbers may be the wider one.
    best = 0.0
    for dtype in (torch.bfloat16, torch.float32) if device == "cpu" else (torch.bfloat16,):
        size = 8192 if device == "cuda" else 1024
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(5):
            left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 5 * 2 * size**3 / (time.perf_counter() - began))
    return best


if __name__ == "__main__":
    main()
