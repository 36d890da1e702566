"""Whole runs on the tiny model: golden losses, exact resume, files, refusals."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from statistics import fmean

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from trainer_sets import write_config, write_set

from trainer import plan
from trainer.errors import DivergedError, LoraFileError, StateError
from trainer.lock import exclusive
from trainer.products import sample
from trainer.progress import PlainReporter
from trainer.results import Result
from trainer.run import bake
from trainer.sheets import request

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def run(path: Path, *, restart: bool = False) -> Result:
    return bake(plan.make(path), PlainReporter(lambda text: None), restart=restart)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "loss.jsonl").read_text().splitlines()]


def prepared(root: Path, *, shuffle: bool = True) -> Path:
    write_set(root, general="shuffle_caption = true\nkeep_tokens = 1\nflip_aug = true" if shuffle else "")
    (root / "manifest.json").write_text('{"commit": "0123abc", "files": {}}')
    return root


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten steps in one go."""
    torch.set_num_threads(1)
    root = prepared(tmp_path_factory.mktemp("baked"))
    train, rest = "steps = 10\nsave_every = 4", 'dtype = "fp32"\n[optimizer]\nlearning_rate = 1e-3'
    run(write_config(root, train=train, rest=rest, sample="every = 4"))
    return root


def test_golden_losses(baked: Path) -> None:
    golden = json.loads((GOLDEN / "tiny_epsilon_lora.json").read_text())
    assert losses(baked / "out") == pytest.approx(golden["losses"], rel=2e-4)


def test_ten_steps_are_five_and_five_bitwise(baked: Path) -> None:
    rest = 'dtype = "fp32"\n[optimizer]\nlearning_rate = 1e-3'
    run(write_config(baked, train="steps = 5", rest=rest, out="halves"))
    run(write_config(baked, train="steps = 10", rest=rest, out="halves"))
    assert losses(baked / "halves") == losses(baked / "out")
    whole, halves = load_file(baked / "out" / "sks.safetensors"), load_file(baked / "halves" / "sks.safetensors")
    assert whole.keys() == halves.keys()
    assert all(torch.equal(whole[key], halves[key]) for key in whole)


def test_accumulating_two_batches_is_one_of_twice_the_size(tmp_path: Path) -> None:
    # One bucket of four pictures and no repeats: both runs see the same four pictures in each step.
    write_set(tmp_path, sizes=[(64, 64)] * 4, repeats=1)
    rest = "[optimizer]\nlearning_rate = 1e-3"
    run(write_config(tmp_path, train="steps = 3\ngradient_accumulation = 2", rest=rest, out="two"))
    text = (tmp_path / "dataset.toml").read_text()
    (tmp_path / "dataset.toml").write_text(text.replace("batch_size = 2", "batch_size = 4"))
    run(write_config(tmp_path, train="steps = 3", rest=rest, out="four"))
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "four"), rel=1e-5)


def test_what_a_run_leaves(baked: Path) -> None:
    out = baked / "out"
    result = json.loads((out / "result.json").read_text())
    assert (result["lora"], result["grid"]) == ("sks.safetensors", "samples/before-after.png")
    assert (result["steps"], result["images"], result["device"]) == (10, 5, "cpu")
    # Of ten steps a quarter counts: single steps say more of their noise level than of the run.
    found = losses(out)
    assert [result["first_loss"], result["final_loss"]] == [fmean(found[:2]), fmean(found[-2:])]
    assert result["versions"]["torch"] == torch.__version__
    with Image.open(out / result["grid"]) as image:
        assert image.format == "PNG"
    assert [path.name for path in sorted((out / "checkpoints").iterdir())] == ["step-00000008", "step-00000010"]
    pictures = {"before-after.png", "grid.png", *(f"step-{number:08d}" for number in (0, 4, 8, 10))}
    assert {path.name for path in (out / "samples").iterdir()} == pictures
    rows = [json.loads(line) for line in (out / "loss.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 11))
    assert set(rows[0]) == {"step", "epoch", "loss", "lr", "norm", "seconds"}
    assert not list(out.rglob(".*"))


def test_no_pickle_is_written(baked: Path) -> None:
    kinds = {path.suffix for path in (baked / "out").rglob("*") if path.is_file()}
    assert kinds <= {".safetensors", ".json", ".jsonl", ".png"}


def test_a_changed_config_is_refused_with_the_cure(baked: Path) -> None:
    with pytest.raises(StateError) as caught:
        run(write_config(baked, train="steps = 10", rest="[optimizer]\nlearning_rate = 2e-3"))
    assert "optimizer.learning_rate was 0.001, is 0.002" in caught.value.message
    assert "--restart" in caught.value.hint


def test_fewer_steps_than_done_is_refused(baked: Path) -> None:
    with pytest.raises(StateError, match="past the 6"):
        run(write_config(baked, train="steps = 6", rest="[optimizer]\nlearning_rate = 1e-3"))


def test_a_changed_dataset_is_refused_and_restart_cures(tmp_path: Path) -> None:
    path = write_config(prepared(tmp_path), train="steps = 1")
    run(path)
    (tmp_path / "girl" / "00.txt").write_text("other words")
    with pytest.raises(StateError, match=r"dataset\.digest"):
        run(path)
    assert run(path, restart=True).steps == 1


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    path = write_config(prepared(tmp_path), train="steps = 1")
    (tmp_path / "out").mkdir()
    with exclusive(tmp_path / "out"), pytest.raises(StateError, match="another run is writing here"):
        run(path)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    path = write_config(prepared(tmp_path), train="steps = 1")
    torn = tmp_path / "out" / "checkpoints" / ".step-00000001.abcd_123"
    torn.mkdir(parents=True)
    (torn / "adapter.safetensors").write_bytes(b"half")
    (tmp_path / "out" / ".sks.safetensors.abcd_123").write_bytes(b"half")
    run(path)
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    path = write_config(prepared(tmp_path), train="steps = 1")
    run(path)
    broken = tmp_path / "out" / "checkpoints" / "step-00000001" / "optimizer.safetensors"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(StateError, match="step-00000001"):
        run(path)


def test_a_loss_that_is_no_number_names_the_step(tmp_path: Path) -> None:
    path = write_config(
        prepared(tmp_path), train="steps = 9", rest="[optimizer]\nlearning_rate = 1e30\nmax_grad_norm = 0.0"
    )
    with pytest.raises(DivergedError, match=r"at step \d"):
        run(path)


def test_bf16_runs_and_is_near(baked: Path) -> None:
    run(
        write_config(baked, train='steps = 3\nprecision = "bf16"', rest="[optimizer]\nlearning_rate = 1e-3", out="bf16")
    )
    assert losses(baked / "bf16") == pytest.approx(losses(baked / "out")[:3], rel=0.02)


def test_diffusers_reads_the_file_without_a_leftover(baked: Path) -> None:
    from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_lora_to_diffusers

    tensors = load_file(baked / "out" / "sks.safetensors")
    converted, alphas = _convert_non_diffusers_lora_to_diffusers(dict(tensors))
    modules = {key.partition(".")[0] for key in tensors}
    assert len(modules) == len(tensors) / 3 == len(alphas)
    assert len(converted) == 2 * len(modules)
    assert all(re.fullmatch(r"unet\..*(lora_A|lora_B|lora\.down|lora\.up).*weight", key) for key in converted)


def test_keys_are_kohyas(baked: Path) -> None:
    keys = set(load_file(baked / "out" / "sks.safetensors"))
    for module in (
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0",
        "lora_unet_up_blocks_2_attentions_1_transformer_blocks_0_ff_net_0_proj",
    ):
        assert {f"{module}.lora_down.weight", f"{module}.lora_up.weight", f"{module}.alpha"} <= keys


def test_metadata(baked: Path) -> None:
    path = baked / "out" / "sks.safetensors"
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
    assert facts["ss_network_module"] == "networks.lora"
    assert (facts["ss_network_dim"], facts["ss_network_alpha"], facts["ss_steps"]) == ("8", "8.0", "10")
    assert (facts["ss_v2"], facts["ss_base_model_version"], facts["ss_seed"]) == ("False", "dsk_tiny_v1", "0")
    assert json.loads(facts["ss_tag_frequency"])["girl"]["1girl"] == 5
    assert json.loads(facts["ss_dataset_dirs"]) == {"girl": {"n_repeats": 2, "img_count": 5}}
    assert facts["modelspec.architecture"] == "dsk-tiny-v1/lora"
    assert facts["modelspec.prediction_type"] == "epsilon"
    assert facts["dsk_dataset_commit"] == "0123abc"
    assert facts["dsk_manifest_sha256"] == hashlib.sha256((baked / "manifest.json").read_bytes()).hexdigest()
    assert json.loads(facts["dsk_config"])["optimizer"]["learning_rate"] == 1e-3
    assert str(baked) not in json.dumps(facts)
    content = path.read_bytes()
    header = int.from_bytes(content[:8], "little")
    assert facts["sshs_model_hash"] == hashlib.sha256(content[8 + header :]).hexdigest()
    assert re.fullmatch("[0-9a-f]{8}", facts["sshs_legacy_hash"])


def test_samples_are_the_same_each_time_and_the_lora_shows(baked: Path) -> None:
    made = plan.make(write_config(baked, train="steps = 10", rest="[optimizer]\nlearning_rate = 1e-3"))
    lora = baked / "out" / "sks.safetensors"
    one, two = (sample(made, lora, wanted=request(made), title="sks, step 10") for _ in range(2))
    with Image.open(baked / "out" / "samples" / "before-after.png") as image:
        assert one.tobytes() == two.tobytes() == image.convert("RGB").tobytes()
    left, right = one.crop((296, 110, 552, 334)), one.crop((566, 110, 822, 334))
    assert left.tobytes() != right.tobytes()


def test_a_lora_of_another_model_is_refused(baked: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    made = plan.make(write_config(baked, train="steps = 10"))
    tensors = load_file(baked / "out" / "sks.safetensors")
    tensors["lora_unet_input_blocks_4_1_proj_in.alpha"] = torch.tensor(8.0)
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(LoraFileError, match="input_blocks_4_1"):
        sample(made, tmp_path / "other.safetensors", wanted=request(made), title="")
    (tmp_path / "nonsense.safetensors").write_bytes(b"\x80\x04nonsense")
    with pytest.raises(LoraFileError, match="not a safetensors file"):
        sample(made, tmp_path / "nonsense.safetensors", wanted=request(made), title="")
