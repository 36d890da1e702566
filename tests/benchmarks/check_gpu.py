"""Training on a GPU: the same losses as on the CPU, and full-size SDXL and SD 1.5 of random weights.

    python -m tests.benchmarks.check_gpu [--steps N] [--families sd15,sdxl] [--skip-full] [--small]

Random weights give meaningless losses and true speeds. The checkpoints are written by our own writer and read again as
anybody's would be: one file, keys as published, prediction type told by its marker keys. Prints Markdown; a run that
fails says why, and the others go on. Needs about 15 GB of disk, and for the full finetune of SDXL 60 GB of GPU memory.
`--small` takes narrow stand-ins and 64 px, on a GPU or without one: to try this program itself.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "trainer"))

import torch  # noqa: E402
from tiny_bases import write_sd15, write_sdxl  # noqa: E402
from trainer_sets import write_config, write_pictures  # noqa: E402

from trainer import assembling, bases, filling, loop, plan, products  # noqa: E402
from trainer.contracts.model import Prediction  # noqa: E402
from trainer.data.pixels import fixed_views  # noqa: E402
from trainer.families import _networks  # noqa: E402
from trainer.families._single_file import save_checkpoint, shipped  # noqa: E402
from trainer.memory import applying  # noqa: E402
from trainer.memory.placing import using  # noqa: E402
from trainer.registry import FAMILIES  # noqa: E402

GPU = "cuda" if torch.cuda.is_available() else "cpu"
OBJECTIVES = ("epsilon", "v_prediction", "rectified_flow")
ADAPTERS = ("lora", "loha", "lokr", "dora", "oft", "full")
COLUMNS = ("run", "load s", "encode images/s", "encode peak GB", "median s/step", "train peak GB", "losses", "save s")
SIZES = {"sd15": 512, "sdxl": 1024}
_NEVER = lambda: False  # noqa: E731


@dataclass(frozen=True)
class Base:
    """What is trained on."""

    path: Path
    size_px: int


def main() -> None:
    """Check, measure, and print Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=12, help="of each run; the first three are not timed")
    parser.add_argument("--families", default=",".join(SIZES))
    parser.add_argument("--skip-full", action="store_true")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    if options.steps < 4:
        parser.error("--steps: at least 4")
    if GPU == "cpu" and not options.small:
        parser.error("no GPU is available to torch; --small runs without one")
    print(f"{torch.cuda.get_device_name() if GPU == 'cuda' else 'CPU'}, torch {torch.__version__}\n")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        _same_as_cpu(work / "tiny")
        print(f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
        for family in options.families.split(","):
            _guarded(family, lambda family=family: _family(work, family, options))


def _guarded(name: str, work: Callable[[], None]) -> None:
    """Runs it; what fails is told, and its memory given back."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - a report of all runs is wanted, whatever one of them meets
        told = " ".join(str(error).split())[:200]
        print(f"| {name} | FAILED: {type(error).__name__} {told} |", flush=True)
        traceback.print_exc()
    _free()


def _same_as_cpu(root: Path) -> None:
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    print("Losses of the tiny family, five steps, float32; largest relative difference to the CPU:\n")
    for objective in OBJECTIVES:
        for adapter in ADAPTERS:
            name = f"{objective}, {adapter}"
            _guarded(name, lambda name=name: _compare(root / name.replace(", ", "-"), *name.split(", ")))
    torch.backends.cudnn.allow_tf32 = tf32


def _compare(folder: Path, objective: str, adapter: str) -> None:
    found = []
    for device in ("cpu", GPU):
        text = f'[objective]\nname = "{objective}"\n[adapter]\nname = "{adapter}"\nrank = 4\n'
        text += "" if adapter == "full" else 'conv_rank = 4\ntext_targets = "attention"\n'
        place = folder / ("cpu" if not found else "other")
        made = _plan(place, 64, f'device = "{device}"\nsteps = 5', text)
        oven = assembling.assemble(made).oven
        found.append([step.loss for step in _steps(made, oven, total=5)])
    worst = max(abs(a - b) / abs(a) for a, b in zip(*found, strict=True))
    print(f"- {objective}, {adapter}: {worst:.1e}", flush=True)


def _steps(made: plan.Plan, oven: loop.Oven, *, total: int) -> list[loop.Step]:
    """All steps, the networks where a run has them."""
    applying.prepare(oven.model, made.config)
    with using(oven.model, filling.needed(made, oven)):
        return list(loop.train(oven, done=0, total=total, stop=_NEVER))


def _plan(folder: Path, size: int, train: str, rest: str) -> plan.Plan:
    folder.mkdir(parents=True)
    write_pictures(folder / "girl", [(size, size)] * 8)
    text = f'[general]\ncaption_extension = ".txt"\n[[datasets]]\nresolution = {size}\nbatch_size = 1\n'
    (folder / "dataset.toml").write_text(f'{text}[[datasets.subsets]]\nimage_dir = "girl"\n')
    return plan.make(write_config(folder, train=train, rest=rest))


def _family(work: Path, family: Literal["sd15", "sdxl"], options: argparse.Namespace) -> None:
    base = _base(work, family, small=options.small)
    for name, text in _runs(family, options):
        folder = work / f"{family}-{name}"
        _guarded(folder.name, lambda folder=folder, text=text: _measure(folder, base, text=text, steps=options.steps))
    base.path.unlink()


def _runs(family: str, options: argparse.Namespace) -> list[tuple[str, str]]:
    lora = '[adapter]\nname = "lora"\nrank = 16\n'
    runs = [("lora", lora), ("lora+text", lora + 'text_targets = "attention+mlp"\n')]
    runs += [("lokr", '[adapter]\nname = "lokr"\nrank = 16\nfactor = 8\n')]
    if family == "sdxl":
        runs += [("word", '[adapter]\nname = "textual_inversion"\nword = "sks"\nnum_vectors = 4\n')]
    return runs + ([] if options.skip_full else [("full", '[adapter]\nname = "full"\ntargets = "full"\n')])


def _base(work: Path, family: Literal["sd15", "sdxl"], *, small: bool) -> Base:
    """A checkpoint of random weights that says v-prediction and zero terminal SNR."""
    started = time.perf_counter()
    if small:
        write = write_sd15 if family == "sd15" else write_sdxl
        path = write(work / family, single_file=True, prediction="v_prediction", zero_terminal_snr=True)
    else:
        path = work / f"{family}.safetensors"
        write_whole(family, path)
    known = {name: FAMILIES.load(name, field="family") for name in FAMILIES.names()}
    told = bases.identify(bases.read_header(path), known)
    seconds = time.perf_counter() - started
    print(f"<!-- {family}: {path.stat().st_size / 1e9:.2f} GB, made in {seconds:.0f} s, told as {told} -->", flush=True)
    return Base(path, 64 if small else SIZES[family])


def write_whole(family: Literal["sd15", "sdxl"], path: Path, *, prediction: str = "v_prediction") -> None:
    """Widths as published, weights drawn on the GPU, with the spreads of `_networks.randomise`."""
    settings = {part: given for part, given in shipped(family).items() if part != "scheduler"}
    networks = _networks.build(settings, where=family)
    torch.manual_seed(0)
    for network in networks.values():
        network.half().to(GPU)
        for name, tensor in network.named_parameters():
            if tensor.dim() < 2:
                tensor.fill_(1.0 if name.endswith("weight") else 0.0)
            else:
                tensor.normal_(0.0, 0.02 if "embedding" in name else tensor[0].numel() ** -0.5)
    says = Prediction(prediction, zero_terminal_snr=prediction == "v_prediction")
    save_checkpoint(networks, path, kind=family, dtype=torch.float16, metadata={}, prediction=says)
    networks.clear()
    _free()


def _measure(folder: Path, base: Base, *, text: str, steps: int) -> None:
    train = f'device = "{GPU}"\nsteps = {steps}\nprecision = "bf16"'
    made = _plan(folder, base.size_px, train, f'[model]\nbase = "{base.path}"\n{text}')
    parts, loaded = _timed(lambda: assembling.assemble(made))
    oven = parts.oven
    todo = [(item, view) for item in oven.items for view in fixed_views(item)]
    _reset_peak()
    _, encoding = _timed(lambda: oven.latents.fill(todo, batch_size=4, stop=_NEVER, tell=lambda _: None))
    encode_peak = _peak()
    _reset_peak()
    found = _steps(made, oven, total=steps)
    median, peak = statistics.median(step.seconds for step in found[3:]), _peak()
    saved, saving = _timed(lambda: products.save(made, parts, state=oven.adapter.state(), metadata={}))
    _check_result(made, parts.kind.product, saved)
    losses = f"{found[0].loss:.4f} .. {found[-1].loss:.4f}"
    cells = (
        f"{loaded:.1f}",
        f"{len(todo) / encoding:.1f}",
        encode_peak,
        f"{median:.3f}",
        peak,
        losses,
        f"{saving:.1f}",
    )
    print(f"| {folder.name} | {' | '.join(cells)} |", flush=True)


def _check_result(made: plan.Plan, product: str, saved: Path) -> None:
    """A checkpoint is told as what it is, and does not stay."""
    if product == "checkpoint":
        name, says = bases.identify(bases.read_header(saved), {made.family.name: made.family})
        assert (name, says.objective, says.zero_terminal_snr) == (made.family.name, "v_prediction", True), says
        saved.unlink()


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and its seconds."""
    started = time.perf_counter()
    found = work()
    if GPU == "cuda":
        torch.cuda.synchronize()
    return found, time.perf_counter() - started


def _reset_peak() -> None:
    if GPU == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak() -> str:
    return f"{torch.cuda.max_memory_allocated() / 1e9:.1f}" if GPU == "cuda" else ""


def _free() -> None:
    gc.collect()
    if GPU == "cuda":
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
