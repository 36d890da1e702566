"""What a bake leaves is what `sample` shows, for every kind of result, and other programs read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_bases import write_sd15, write_sdxl
from trainer_sets import write_config, write_set

from trainer import bases, plan, products, sheets
from trainer.plan import Plan
from trainer.progress import PlainReporter
from trainer.run import bake

WRITERS: dict[str, Callable[..., Path]] = {"sd15": write_sd15, "sdxl": write_sdxl}
RESULTS = {
    "lora": ('name = "lora"\nrank = 2\ntext_targets = "attention"', "single-file"),
    "file": ('name = "full"\ntext_targets = "full"', "single-file"),
    "folder": ('name = "full"\ntext_targets = "full"', "diffusers"),
    "word": ('name = "textual_inversion"\nword = "sks"\nnum_vectors = 2', "single-file"),
}
CASES = [f"{family}-{kind}" for family in WRITERS for kind in RESULTS]
SLOW = ("sd15-lora", "sd15-folder", "sdxl-file", "sdxl-folder")
MARKED = [pytest.param(case, marks=pytest.mark.slow if case in SLOW else ()) for case in CASES]


@dataclass(frozen=True)
class Baked:
    """A run that is over."""

    plan: Plan
    result: Path


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Baked]:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("products")
    write_set(root, sizes=[(64, 64)] * 2, repeats=1)
    bases_of = {name: write(root / name) for name, write in WRITERS.items()}
    done: dict[str, Baked] = {}

    def make(case: str) -> Baked:
        if case not in done:
            family, kind = case.split("-")
            adapter, layout = RESULTS[kind]
            # Half precision would hide a step of one bake in the rounding of another.
            rest = f'dtype = "fp32"\nlayout = "{layout}"\n' if kind in ("file", "folder") else 'dtype = "fp32"\n'
            rest += f'[model]\nbase = "{bases_of[family]}"\n[adapter]\n{adapter}\n[optimizer]\nlearning_rate = 1e-2\n'
            path = write_config(root, train="steps = 1", rest=rest, out=case)
            # Eight pixels per latent, three halvings: of 64 px one number a channel would be left, which is no norm.
            path.write_text(path.read_text().replace("size = [32, 32]", "size = [128, 128]"))
            made = plan.make(path)
            done[case] = Baked(made, made.output / bake(made, PlainReporter(lambda text: None)).lora)
        return done[case]

    return make


@pytest.mark.parametrize("case", MARKED)
def test_the_sheet_of_the_file_is_the_sheet_of_the_run(case: str, baked: Callable[[str], Baked]) -> None:
    one = baked(case)
    sheet = products.sample(one.plan, one.result, wanted=sheets.request(one.plan), title="sks, step 1")
    with Image.open(one.plan.output / "samples" / "before-after.png") as image:
        assert sheet.tobytes() == image.convert("RGB").tobytes()
    assert sheet.crop((296, 110, 552, 334)).tobytes() != sheet.crop((566, 110, 822, 334)).tobytes()


@pytest.mark.parametrize("case", MARKED)
def test_every_text_encoder_learns(case: str, baked: Callable[[str], Baked]) -> None:
    one = baked(case)
    state = load_file(one.plan.output / "checkpoints" / "step-00000001" / "optimizer.safetensors")
    adapter = load_file(one.plan.output / "checkpoints" / "step-00000001" / "adapter.safetensors")
    assert state
    parts = {name.partition(".")[0] for name in adapter}
    wanted = {"text_encoder"} | ({"text_encoder_2"} if case.startswith("sdxl") else set())
    assert parts - {"unet"} == wanted
    # Every moment is of a gradient; one of zeros alone would be of a tensor that none reached.
    moved = [name for name, tensor in state.items() if name.endswith("exp_avg") and bool(tensor.any())]
    assert len(moved) >= len(parts)


@pytest.mark.parametrize("family", WRITERS)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_finetune_is_a_base_again(family: str, kind: str, baked: Callable[[str], Baked]) -> None:
    one = baked(f"{family}-{kind}")
    header = bases.read_header(one.result)
    name, says = bases.identify(header, {family: one.plan.family})
    assert (name, says.objective) == (family, "epsilon")
    assert one.result.is_dir() == (kind == "folder")


def test_diffusers_loads_the_folder(baked: Callable[[str], Baked]) -> None:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    one = baked("sdxl-folder")
    unet = UNet2DConditionModel.from_pretrained(one.result / "unet", low_cpu_mem_usage=False)
    trained = load_file(one.plan.output / "checkpoints" / "step-00000001" / "adapter.safetensors")
    own = {f"unet.{name}": tensor for name, tensor in unet.state_dict().items()}
    assert own.keys() == {name for name in trained if name.startswith("unet.")}
    assert all(torch.equal(own[name], trained[name]) for name in own)


@pytest.mark.parametrize(("case", "keys"), [("sd15-word", {"emb_params"}), ("sdxl-word", {"clip_l", "clip_g"})])
def test_a_word_has_the_keys_that_readers_know(case: str, keys: set[str], baked: Callable[[str], Baked]) -> None:
    tensors = load_file(baked(case).result)
    assert tensors.keys() == keys
    assert all(tensor.shape[0] == 2 for tensor in tensors.values())
