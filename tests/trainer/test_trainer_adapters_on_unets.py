"""Every adapter on a real UNet of each family: fresh it changes nothing, merged it says what it said wrapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_bases import write_sd15, write_sdxl
from trainer_sets import write_config, write_set

from trainer import assembling, loop, plan
from trainer.contracts.model import Geometry, Model

BASES: dict[str, Callable[[Path], Path]] = {"sd15": write_sd15, "sdxl": write_sdxl}
ADAPTERS = ("lora", "loha", "lokr", "dora", "oft")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: write(folder / name) for name, write in BASES.items()}


@torch.no_grad()
def says(model: Model) -> torch.Tensor:
    """What the network says of one noise, with its prompt read anew."""
    noise = torch.randn((1, model.latent_channels, 16, 16), generator=torch.Generator().manual_seed(1))
    size = (128, 128)
    condition = model.assemble(model.encode_text(["1girl, solo"]), [Geometry(size, (0, 0), size)])
    return model.predict(noise, torch.tensor([500.0]), condition=condition)


@pytest.mark.parametrize(
    "adapter", [pytest.param(name, marks=() if name in ("lora", "lokr") else pytest.mark.slow) for name in ADAPTERS]
)
@pytest.mark.parametrize("family", [pytest.param("sd15", marks=pytest.mark.slow), "sdxl"])
def test_fresh_is_the_base_and_merged_is_wrapped(
    family: str, adapter: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    write_set(tmp_path, sizes=[(64, 64), (64, 64)], repeats=1)
    rest = f'[model]\nbase = "{bases[family]}"\n[optimizer]\nlearning_rate = 1e-2\n'
    rest += f'[adapter]\nname = "{adapter}"\nrank = 4\nconv_rank = 4\ntext_targets = "attention+mlp"\n'
    made = plan.make(write_config(tmp_path, train="steps = 2", rest=rest))
    oven = assembling.assemble(made).oven
    oven.adapter.enable(False)
    base = says(oven.model)
    oven.adapter.enable(True)
    assert torch.equal(says(oven.model), base)
    list(loop.train(oven, done=0, total=2, stop=lambda: False))
    wrapped = says(oven.model)
    assert (wrapped - base).abs().max() > 1e-3
    oven.adapter.merge()
    torch.testing.assert_close(says(oven.model), wrapped, rtol=1e-5, atol=1e-5 * float(wrapped.abs().max()))
