"""Many single pictures: the same as one by one, with the adapter at any strength, gone on with, refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from trainer import assembling, targeting
from trainer.cli import cli
from trainer.config import load as load_config
from trainer.errors import ConfigError, InputError, InterruptedRun, LoraFileError
from trainer.formats import kohya_lora
from trainer.plan import Plan
from trainer.registry import ADAPTERS, OBJECTIVES
from trainer.sampling import batches, ddim
from trainer.sampling.batches import Brush
from trainer.sampling.prompts import Prompt
from trainer.signals import never
from trainer.tools.asking import plan_of_base
from trainer.tools.drawing import Drawn, draw
from trainer.tools.jobs import Errand, Job, read_jobs

SETTINGS = "[sample]\nsteps = 3\nguidance = 3.0\nguidance_rescale = 0.5\nsize = [32, 48]\n"
LONG = "1girl, solo, " + ", ".join(f"tag {number}" for number in range(60))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("config") / "bake.toml"
    path.write_text(SETTINGS)
    return plan_of_base(path)


def write_adapter(plan: Plan, path: Path, name: str = "lora") -> Path:
    """An adapter that changes much: every first and last factor is drawn."""
    config = load_config(plan.path, sets=[f'adapter.name="{name}"', "adapter.rank=2", 'adapter.text_targets="full"'])
    model, kind = assembling.load_model(plan), ADAPTERS.load(name, field="")
    sites = targeting.sites(model.parts, plan.family, config.adapter, kinds=kind.kinds)
    adapter = kind.attach(model, sites, settings=assembling.adapter_settings(config))
    torch.manual_seed(1)
    with torch.no_grad():
        for group in adapter.groups():
            for parameter in group.parameters if group.role == "up" else ():
                parameter.copy_(torch.randn(parameter.shape) * 0.5)
    kohya_lora.save(path, adapter.state(), family=plan.family, dtype=torch.float32, metadata={})
    return path


@pytest.fixture(scope="module")
def lora(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(plan, tmp_path_factory.mktemp("lora") / "aria.safetensors")


def pictures_in(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.asarray(Image.open(path).convert("RGB")).astype(int) for path in sorted(folder.glob("*.png"))}


def made(plan: Plan, jobs: list[Job], errand: Errand) -> Drawn:
    return draw(plan, jobs, errand, stop=never, tell=lambda number: None)


JOBS = [
    Job(name=f"{word}-{seed}-{scale}", prompt=prompt, negative="bad", seed=seed, scale=scale)
    for word, prompt in (("short", "1girl"), ("long", LONG), ("other", "1boy"))
    for seed in (1, 2)
    for scale in (1.0, 0.0)
]


@pytest.mark.parametrize(("kind", "guidance"), [(("epsilon", False), 1.0), (("v_prediction", True), 4.0)])
def test_a_batch_holds_the_pictures_that_are_made_one_by_one(
    plan: Plan, kind: tuple[str, bool], guidance: float
) -> None:
    model, objective = assembling.load_model(plan), OBJECTIVES.load(kind[0], field="")
    brush = Brush(model, objective, objective.path(kind[1]), plan.family.latent_stride_px, 0.7)
    prompts = [Prompt(text, "bad", (32, 32), 2, guidance, seed) for text in ("1girl", LONG) for seed in (1, 2, 3)]
    texts = batches.read(model, prompts)
    groups = batches.alike(prompts, texts, size=2)
    assert groups == ([[0, 1], [2], [3, 4], [5]] if guidance == 1.0 else groups)
    request = ddim.Request(tuple(prompts), 0.7)
    singles = ddim.pictures(model, objective, brush.path, request=request, stride_px=brush.stride_px)
    for group in groups:
        together = batches.pixels(brush, [prompts[place] for place in group], texts)
        for place, one in zip(group, together, strict=True):
            alone = batches.pixels(brush, [prompts[place]], texts)[0]
            assert (one - alone).abs().max() <= 1e-5 * guidance  # which enlarges the last bits, too
            assert ddim.to_picture(alone).tobytes() == singles[place].tobytes()


def test_prompts_of_other_sizes_steps_or_guidance_are_not_made_together(plan: Plan) -> None:
    one = Prompt("1girl", "bad", (32, 32), 4, 3.0, 1)
    prompts = [one, replace(one, steps=5), replace(one, guidance=1.0), replace(one, size_px=(32, 64)), one]
    texts = batches.read(assembling.load_model(plan), prompts)
    assert set(texts) == {"1girl", "bad"}
    assert batches.alike(prompts, texts, size=8) == [[0, 4], [1], [2], [3]]
    assert [batches.usual_size(size) for size in ((64, 64), (512, 512), (1024, 1024), (4096, 4096))] == [16, 16, 4, 1]


def test_pictures_lie_in_the_folder_and_tell_what_made_them(plan: Plan, lora: Path, tmp_path: Path) -> None:
    assert made(plan, JOBS, Errand(lora, tmp_path)) == Drawn(12, 0)
    found = pictures_in(tmp_path)
    assert set(found) == {job.name for job in JOBS}
    assert all(picture.shape == (48, 32, 3) for picture in found.values())
    assert all((found[f"{word}-1-0.0"] != found[f"{word}-1-1.0"]).any() for word in ("short", "long", "other"))
    with Image.open(tmp_path / "short-2-1.0.png") as picture:
        picture.load()
        said = picture.text
    assert (said["prompt"], said["seed"], said["scale"], said["lora"]) == ("1girl", "2", "1.0", "aria.safetensors")
    # Without the LoRA it is the base's own picture, and that of `sample`.
    made(plan, [job for job in JOBS if not job.scale], Errand(None, tmp_path / "base"))
    for name, picture in pictures_in(tmp_path / "base").items():
        assert np.abs(picture - found[name]).max() <= 1


@pytest.mark.parametrize("name", ["lora", *(pytest.param(name, marks=pytest.mark.slow) for name in ("loha", "lokr"))])
def test_strength_is_that_of_the_change_to_the_weights(plan: Plan, name: str, tmp_path: Path) -> None:
    path = write_adapter(plan, tmp_path / "whole.safetensors", name)
    tensors, _ = kohya_lora.load(path)
    last = {"lora": "lora_up.weight", "loha": "hada_w2_a", "lokr": "lokr_w1"}[name]
    half = {key: tensor * 0.5 if key.endswith(last) else tensor for key, tensor in tensors.items()}
    halved = tmp_path / "half.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in half.items()}, halved)
    job = Job(name="one", prompt="1girl", seed=1)
    made(plan, [scaled(job, 0.5)], Errand(path, tmp_path / "a"))
    made(plan, [job], Errand(halved, tmp_path / "b"))
    made(plan, [job], Errand(path, tmp_path / "c"))
    first, second, whole = (pictures_in(tmp_path / folder)["one"] for folder in "abc")
    assert np.abs(first - second).max() <= 1
    assert np.abs(first - whole).max() > 1


def scaled(job: Job, scale: float) -> Job:
    return Job(name=job.name, prompt=job.prompt, negative=job.negative, seed=job.seed, scale=scale)


def test_what_is_there_is_not_made_again(plan: Plan, lora: Path, tmp_path: Path) -> None:
    jobs = JOBS[:4]
    made(plan, jobs, Errand(lora, tmp_path))
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    cut = tmp_path / f"{jobs[0].name}.png"
    before = pictures_in(tmp_path)[cut.stem]
    cut.write_bytes(cut.read_bytes()[:200])
    (tmp_path / f".{cut.name}.abcdefgh").write_bytes(b"half")
    mine = tmp_path / ".notes.markdown"
    mine.write_text("mine")
    changed = scaled(jobs[1], 0.25)
    told: list[int] = []
    done = draw(plan, [jobs[0], changed, *jobs[2:]], Errand(lora, tmp_path), stop=never, tell=told.append)
    assert done == Drawn(2, 2)
    assert sum(told) == 4
    assert np.abs(pictures_in(tmp_path)[cut.stem] - before).max() <= 1  # made beside others, its last bits may differ
    assert [path.name for path in tmp_path.glob(".*")] == [mine.name], "what is not ours is let be"
    same = [job.name for job in jobs[2:]]
    assert {name: (tmp_path / f"{name}.png").stat().st_mtime_ns for name in same} == {
        name: times[f"{name}.png"] for name in same
    }
    other = lora.with_name("b.safetensors")
    write_adapter(plan, other)
    assert made(plan, jobs[2:], Errand(other, tmp_path)).new == 0, "the same numbers by another name"
    other.unlink()


def test_a_wish_to_stop_is_granted_and_the_rest_is_made_later(plan: Plan, lora: Path, tmp_path: Path) -> None:
    errand = Errand(lora, tmp_path, batch=1)
    with pytest.raises(InterruptedRun, match="3 pictures to go"):
        draw(plan, JOBS[:4], errand, stop=lambda: True, tell=lambda number: None)
    assert made(plan, JOBS[:4], errand) == Drawn(3, 1)


WHOLE = '{"name": "one", "prompt": "x", "seed": 1}'


def broken(text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "jobs.json"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a list of jobs"),
        ('[{"name": "a", "prompt": "x"}]', "job 0: Object missing required field `seed`"),
        ('[{"name": "../a", "prompt": "x", "seed": 1}]', "is no name"),
        ('[{"name": "a", "prompt": "x", "seed": 1, "strength": 2}]', "unknown field `strength`"),
        ('[{"name": "a", "prompt": "x", "seed": -1}]', "seed -1"),
        ('[{"name": "a", "prompt": "x", "seed": 1, "scale": 1e9}]', "means nothing"),
        (
            '[{"name": "a", "prompt": "x", "seed": 1}, {"name": "A", "prompt": "x", "seed": 1}]',
            "two jobs are called 'a'",
        ),
    ],
)
def test_jobs_that_are_none_are_named(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_jobs(broken(text)(tmp_path))


def test_a_scale_without_a_lora_and_a_file_that_is_none_are_refused(plan: Plan, tmp_path: Path) -> None:
    job = Job(name="a", prompt="x", seed=1)
    with pytest.raises(ConfigError, match="no LoRA is given"):
        made(plan, [job], Errand(None, tmp_path))
    with pytest.raises(ConfigError, match="there is no"):
        made(plan, [job], Errand(tmp_path / "none.safetensors", tmp_path))
    (tmp_path / "bad.safetensors").write_bytes(b"not a file of tensors")
    with pytest.raises(LoraFileError):
        made(plan, [job], Errand(tmp_path / "bad.safetensors", tmp_path))


def test_the_command_draws_goes_on_and_refuses(plan: Plan, tmp_path: Path) -> None:
    path, out = tmp_path / "jobs.json", tmp_path / "out"
    path.write_text(json.dumps([{"name": "one", "prompt": "1girl", "negative": "", "seed": 3, "scale": 0}]))
    words = ["pictures", str(plan.path), "--lora", "", "--jobs", str(path), "--out", str(out)]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert f"made 1 picture in {out}" in done.output
    assert (out / "one.png").exists()
    again = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert f"made 0 pictures in {out}, 1 were there" in again.output
    path.write_text("[]")
    with pytest.raises(InputError, match="not a list of jobs"):
        CliRunner().invoke(cli, words, catch_exceptions=False)
