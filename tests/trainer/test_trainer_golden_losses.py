"""Three steps of every family x objective x adapter, in float32: losses must stay what they were.

The numbers lie in golden/losses.json. After a change that is meant to move them: DSK_GOLDEN=write, look at the
difference, and say why in the commit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tiny_bases import write_sd15, write_sdxl
from trainer_sets import write_config, write_set

from trainer import assembling, loop, plan
from trainer.registry import ADAPTERS, FAMILIES, OBJECTIVES

GOLDEN = Path(__file__).parent / "golden" / "losses.json"
PLAIN = "arguments = { momentum = 0.0, nesterov = false }"
RATE = 0.1
WRITES = os.environ.get("DSK_GOLDEN") == "write"
BASES: dict[str, Callable[[Path], Path]] = {"sd15": write_sd15, "sdxl": write_sdxl}
SETTINGS = {
    "lora": "conv_rank = 2\nrank = 4",
    "loha": "rank = 2",
    "lokr": "rank = 2\nfactor = 4",
    "dora": "rank = 4",
    "oft": "rank = 4",
    "full": "",
    "textual_inversion": 'word = "sks"\nnum_vectors = 2',
}
CASES = [
    f"{family}-{objective}-{adapter}"
    for family in FAMILIES.names()
    for objective in OBJECTIVES.names()
    for adapter in ADAPTERS.names()
]


def is_slow(case: str) -> bool:
    """Quick: every adapter with v-prediction in SDXL, and LoRA everywhere."""
    family, objective, adapter = case.split("-")
    return adapter != "lora" and (family, objective) != ("sdxl", "v_prediction")


MARKED = [pytest.param(case, marks=[pytest.mark.slow] if is_slow(case) else []) for case in CASES]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: write(folder / name) for name, write in BASES.items()}


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, list[float]]]:
    """Losses of this run, written down at the end where that was asked for."""
    made: dict[str, list[float]] = {}
    yield made
    if WRITES:
        before = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
        GOLDEN.write_text(json.dumps(dict(sorted({**before, **made}.items())), indent=1) + "\n")


def losses(root: Path, case: str, *, base: Path | None) -> list[float]:
    family, objective, adapter = case.split("-")
    path = write_set(root, sizes=[(64, 64), (64, 64), (96, 48)], repeats=1, general="shuffle_caption = true")
    # The lowest level of an SD 1.5 would be one pixel small, where group norm makes much of rounding noise.
    path.write_text(path.read_text().replace("resolution = 32", "resolution = 128").replace("reso = 64", "reso = 192"))
    where = f'base = "{base}"\nprediction_type = "{objective}"' if base else ""
    rest = f'[model]\nfamily = "{family}"\n{where}\n'
    rest += (
        f'[objective]\nname = "{objective}"\nzero_terminal_snr = {"true" if objective == "v_prediction" else "false"}\n'
    )
    rest += f'[adapter]\nname = "{adapter}"\n{SETTINGS[adapter]}\n'
    # Plain gradient descent: AdamW's first steps have the size of the rate whatever the gradient's, so that one that is
    # but rounding noise moves weights as far as a true one, elsewhere on each computer.
    rest += f'[optimizer]\nname = "sgd"\nlearning_rate = {RATE}\nweight_decay = 0.0\n{PLAIN}\n'
    oven = assembling.assemble(plan.make(write_config(root, train="steps = 3", rest=rest))).oven
    return [step.loss for step in loop.train(oven, done=0, total=3, stop=lambda: False)]


@pytest.mark.parametrize("case", MARKED)
def test_golden_losses(case: str, bases: dict[str, Path], found: dict[str, list[float]], tmp_path: Path) -> None:
    torch.set_num_threads(1)
    found[case] = losses(tmp_path, case, base=bases.get(case.partition("-")[0]))
    if not WRITES:
        assert found[case] == pytest.approx(json.loads(GOLDEN.read_text())[case], rel=2e-5)
        assert len(set(found[case])) == 3
