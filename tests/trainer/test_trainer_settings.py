"""Every setting does something: what the run computes is another with it than without."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from trainer_sets import picture, write_config, write_set

from trainer import assembling, loop, losses, noise, plan, recipe, sheets, timesteps
from trainer.data import captions
from trainer.data.captions import DrawKey
from trainer.data.sampler import Draw
from trainer.plan import Plan
from trainer.progress import PlainReporter
from trainer.run import bake

HUBER = '[loss]\nkind = "huber"\n'
NORMAL = '[timesteps]\ndistribution = "logit_normal"\n'
V = '[objective]\nname = "v_prediction"\n'
# The setting, and what it needs beside it.
LEARNT = {
    "name": ("", V),
    "zero_terminal_snr": (V, V + "zero_terminal_snr = true"),
    "weighting": ("", '[objective]\nweighting = "min_snr"'),
    "gamma": ('[objective]\nweighting = "min_snr"', '[objective]\nweighting = "min_snr"\ngamma = 1.0'),
    "v_pred_like_loss": ("", "[objective]\nv_pred_like_loss = 0.5"),
    "distribution": ("", NORMAL),
    "mean": (NORMAL, NORMAL + "mean = 0.5"),
    "std": (NORMAL, NORMAL + "std = 0.5"),
    "shift": ("", "[timesteps]\nshift = 3.0"),
    "shift_by_resolution": ("", "[timesteps]\nshift_by_resolution = true"),
    "min": ("", "[timesteps]\nmin = 500"),
    "max": ("", "[timesteps]\nmax = 500"),
    "offset": ("", "[noise]\noffset = 0.1"),
    "offset_random": ("[noise]\noffset = 0.1", "[noise]\noffset = 0.1\noffset_random = true"),
    "offset_adaptive": ("", "[noise]\noffset_adaptive = 0.1"),
    "pyramid_iterations": ("", "[noise]\npyramid_iterations = 4"),
    "pyramid_discount": ("[noise]\npyramid_iterations = 4", "[noise]\npyramid_iterations = 4\npyramid_discount = 0.8"),
    "input_perturbation": ("", "[noise]\ninput_perturbation = 0.1"),
    "input_perturbation_random": (
        "[noise]\ninput_perturbation = 0.1",
        "[noise]\ninput_perturbation = 0.1\ninput_perturbation_random = true",
    ),
    "kind": ("", HUBER),
    "huber_c": (HUBER, HUBER + "huber_c = 0.5"),
    "huber_schedule": (HUBER, HUBER + 'huber_schedule = "constant"'),
    "huber_scale": (
        HUBER + 'huber_schedule = "constant"',
        HUBER + 'huber_schedule = "constant"\nhuber_scale = 2.0',
    ),
}
RATED = "[dataset.general]\ncaption_tag_dropout_rate = 0.5\n"
CAPTIONS = {
    "tag_dropout": ("", "[captions.tag_dropout]\n1girl = 1.0"),
    "levels": ("", "[captions]\nlevels = [[1.0, 0.0]]"),
    "common_tag_dropout": (RATED, f"{RATED}[captions]\ncommon_tag_dropout = 8.0"),
}
SAMPLE = ("negative = 'bad'", "guidance = 2.0", "guidance_rescale = 0.7", "seed = 9")


def planned(root: Path, rest: str, *, sample: str = "", train: str = "steps = 4") -> Plan:
    return plan.make(write_config(root, rest=rest, sample=sample, train=train))


def computed(made: Plan) -> torch.Tensor:
    """Times, noise, losses and weights of fixed pictures, by the plan's recipe."""
    learnt = recipe.make(made)
    uniform = torch.linspace(0.01, 0.99, 16, dtype=torch.float64)
    times = timesteps.draw(uniform, learnt.times, path=learnt.path, area_ratio=torch.full((16,), 4.0))
    clean = torch.linspace(-2, 2, 4 * 64).reshape(4, 8, 8)
    seen = noise.make((4, 8, 8), learnt.noise, clean=clean, key=(0, "x", 0))
    alpha, sigma = (part.float()[:, None, None, None] for part in learnt.path.coefficients(times))
    target = learnt.objective.target(clean[None], seen[0][None], alpha=alpha, sigma=sigma)
    given = torch.zeros(16, 4, 8, 8)
    found = losses.per_picture(given, target, mask=None, rule=learnt.loss, times=times, path=learnt.path)
    return torch.cat([times, seen[0].flatten(), seen[1].flatten(), found, learnt.weights(times)])


@pytest.mark.parametrize("name", LEARNT)
def test_what_is_learnt(name: str, tmp_path: Path) -> None:
    write_set(tmp_path)
    without, with_it = (computed(planned(tmp_path, rest)) for rest in LEARNT[name])
    assert not torch.equal(without, with_it)
    assert torch.isfinite(with_it).all()


@pytest.mark.parametrize("name", CAPTIONS)
def test_captions(name: str, tmp_path: Path) -> None:
    write_set(tmp_path)
    without, with_it = CAPTIONS[name]

    def texts(rest: str) -> list[str]:
        made = planned(tmp_path, rest)
        rule, item = made.tag_rule(), made.trained[0]
        keys = (DrawKey(0, "x", epoch, 0, 4) for epoch in range(20))
        return [captions.draw(item.captions, item.subset.captions, tags=rule, key=key) for key in keys]

    assert texts(without) != texts(with_it)


@pytest.mark.parametrize("setting", SAMPLE)
def test_samples(setting: str, tmp_path: Path) -> None:
    write_set(tmp_path)
    model = assembling.load_model(planned(tmp_path, ""))

    def pictures(made: Plan) -> bytes:
        wanted = sheets.request(made)
        return sheets.pictures(made, model, recipe.make(made), wanted=wanted)[0].tobytes()

    assert pictures(planned(tmp_path, "")) != pictures(planned(tmp_path, "", sample=setting))


def test_weights_and_masks_of_a_batch(tmp_path: Path) -> None:
    write_set(tmp_path, sizes=[(64, 64)], repeats=1, subset="alpha_mask = true")
    path = tmp_path / "girl" / "00.png"
    half = Image.new("L", (64, 64), 0)
    half.paste(255, (0, 0, 32, 64))
    seen = picture((64, 64), 0)
    seen.putalpha(half)
    seen.save(path)
    (tmp_path / "reg").mkdir()
    picture((64, 64), 1).save(tmp_path / "reg" / "00.png")
    (tmp_path / "reg" / "00.txt").write_text("girl")
    text = (tmp_path / "dataset.toml").read_text()
    (tmp_path / "dataset.toml").write_text(f'{text}[[datasets.subsets]]\nimage_dir = "reg"\nis_reg = true\n')

    def batch(rest: str) -> loop.Batch:
        oven = assembling.assemble(planned(tmp_path, rest)).oven
        return loop.make_batch(oven, [Draw(0, 0), Draw(1, 0)], epoch=0, step=0)

    plain, other = batch("[loss]\nprior_loss_weight = 0.25"), batch("[loss]\nmasked = false")
    assert plain.weights.tolist() == [1.0, 0.25]
    assert other.weights.tolist() == [1.0, 1.0]
    assert plain.mask is not None
    assert plain.mask.shape[:2] == (2, 1)
    assert plain.mask.mean(dim=(1, 2, 3)).tolist() == pytest.approx([0.5, 1.0], abs=0.1)
    assert other.mask is None


def test_what_is_kept(tmp_path: Path) -> None:
    write_set(tmp_path, sizes=[(64, 64)] * 2, repeats=1)
    encoded: list[str] = []
    rest = '[dataset]\nconfig = "dataset.toml"\nencode_batch = 2\ncache_text = false\ncache = "kept"\n'
    path = write_config(tmp_path, train="steps = 3\nsave_every = 1\nkeep_last = 1\nthreads = 1")
    path.write_text(rest + path.read_text().replace('[dataset]\nconfig = "dataset.toml"\n', ""))
    made = plan.make(path)
    bake(made, PlainReporter(encoded.append))
    assert torch.get_num_threads() == 1
    assert [one.name for one in (made.output / "checkpoints").iterdir()] == ["step-00000003"]
    names = {one.name for one in made.cache.rglob("*")}
    assert any("latents" in name for name in names)
    assert not any("texts" in name for name in names)
    assert made.cache == tmp_path / "kept"


@pytest.mark.parametrize(("warmup", "decides"), [("0.5", True), ("5", False)])
def test_the_length_decides_where_a_warmup_is_a_share_of_it(warmup: str, *, decides: bool, tmp_path: Path) -> None:
    write_set(tmp_path, general=f"token_warmup_step = {warmup}")
    assert ("train.steps" in planned(tmp_path, "").deciding()) == decides
