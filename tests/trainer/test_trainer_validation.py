"""Validation loss: the same number for the same weights, whatever else goes on; and the number it says it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from trainer_sets import picture, write_config, write_set

from trainer import assembling, loop, plan, validation
from trainer.assembling import Assembled
from trainer.data.items import Item
from trainer.run_sections import ValidationConfig
from trainer.seeds import normal
from trainer.validation import chosen, looks, measure, measure_both, measured, prompts

SIZES = [(64, 64), (96, 48), (48, 96), (64, 64)]
DRAWN = "shuffle_caption = true\ncaption_dropout_rate = 0.3\nflip_aug = true\nrandom_crop = true\ncolor_aug = true\n"
RULE = ValidationConfig(timesteps=3)
DROPOUT = "dropout = 0.5\nrank_dropout = 0.5\nmodule_dropout = 0.5\n"


def write(root: Path, *, general: str = "", subset: str = "", rest: str = "", adapter: str = DROPOUT) -> Path:
    path = write_set(root, sizes=SIZES, repeats=1, general=general, subset=subset)
    path.write_text(path.read_text().replace("[[datasets]]\n", "[[datasets]]\nvalidation_split = 0.5\n"))
    (root / "girl" / "02.txt").write_text(", ".join(f"long tag {number}" for number in range(60)))
    rest = f'[adapter]\nname = "lora"\nrank = 4\n{adapter}[optimizer]\nlearning_rate = 3e-3\n{rest}'
    return write_config(root, train="steps = 30", rest=rest)


def parts_of(path: Path) -> Assembled:
    return assembling.assemble(plan.make(path))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Assembled:
    """An oven whose every draw is as random as it can be, a few steps in."""
    torch.set_num_threads(1)
    made = parts_of(write(tmp_path_factory.mktemp("validation"), general=DRAWN))
    assert len(list(loop.train(made.oven, done=0, total=3, stop=lambda: False))) == 3
    return made


def resized(items: tuple[Item, ...], batch_size: int) -> list[Item]:
    return [replace(item, set=replace(item.set, batch_size=batch_size)) for item in items]


def test_measuring_changes_nothing_and_gives_the_same_again(parts: Assembled) -> None:
    asked, oven = chosen(parts.dataset, RULE), parts.oven
    # Dropout off or on, before and after: none of it may be seen.
    oven.adapter.train(True)
    before, first = torch.get_rng_state(), measure_both(oven, asked)
    torch.manual_seed(123)
    oven.adapter.train(True)
    assert measure_both(oven, asked) == first
    torch.set_rng_state(before)
    assert measure_both(oven, asked) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert set(first) == {"held_out", "trained", "gap"}
    assert first["gap"] == first["held_out"] - first["trained"]
    parameters = [parameter for group in oven.adapter.groups() for parameter in group.parameters]
    assert all(parameter.grad is None for parameter in parameters)


def test_neither_the_runs_seed_nor_other_pictures_have_a_say(parts: Assembled, tmp_path: Path) -> None:
    everything = parts.dataset.items
    other = replace(parts.oven, rules=replace(parts.oven.rules, seed=99, total_steps=7))
    alone = [measure(parts.oven, [item], RULE) for item in everything]
    assert measure(other, everything, RULE) == pytest.approx(sum(alone) / len(alone), rel=1e-12)
    assert len(set(alone)) == len(alone)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_size_of_a_batch_is_but_rounding(batch_size: int, parts: Assembled) -> None:
    found = measured(parts.oven, resized(parts.dataset.items, batch_size), RULE)
    assert found.means == pytest.approx(measured(parts.oven, resized(parts.dataset.items, 2), RULE).means, rel=1e-5)


def test_another_seed_is_another_number_near_it(parts: Assembled) -> None:
    one, two = (measure(parts.oven, parts.dataset.items, ValidationConfig(timesteps=3, seed=seed)) for seed in (0, 1))
    assert one != two
    assert one == pytest.approx(two, rel=0.2)


def test_the_number_is_the_weighted_error_of_the_middle_view(tmp_path: Path) -> None:
    """Worked out by hand, for min-SNR on v-prediction with zero terminal SNR and a mask-free picture."""
    rest = '[objective]\nname = "v_prediction"\nzero_terminal_snr = true\nweighting = "min_snr"\ngamma = 5.0\n'
    made = parts_of(write(tmp_path, general=DRAWN, rest=rest + "[noise]\noffset = 0.3\n"))
    item, oven = made.dataset.items[0], made.oven
    found = measured(oven, [item], ValidationConfig(timesteps=4, seed=6))
    assert found.levels == (0.125, 0.375, 0.625, 0.875)
    assert (found.images, found.mean) == (1, pytest.approx(sum(found.means) / 4))
    pixels = picture((64, 64), 0).resize((32, 32), 1)
    values = torch.from_numpy(np.asarray(pixels, dtype=np.float32)) / 127.5 - 1.0
    with torch.no_grad():
        clean, _ = oven.model.encode_pixels(values.permute(2, 0, 1)[None])
        text = oven.model.encode_text([item.caption])
        for number, time in enumerate((125, 375, 625, 875)):
            betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
            roots = torch.cumprod(1.0 - betas, 0).sqrt()
            roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
            alpha, sigma = roots[time].item(), (1.0 - roots[time] ** 2).sqrt().item()
            noise = normal(tuple(clean.shape[1:]), 6, item.digest, number, "validation")[None]
            condition = oven.model.assemble(text, [loop.geometry_of(item, looks([item])[0][1])])
            said = oven.model.predict(
                alpha * clean + sigma * noise, torch.tensor([float(time)]), condition=condition
            ).double()
            snr = alpha**2 / sigma**2
            error = (said - (alpha * noise - sigma * clean)).square().mean().item()
            assert found.means[number] == pytest.approx(error * min(snr, 5.0) / (snr + 1.0), rel=1e-4)


def test_the_mask_counts_and_the_pictures_weight_does_not(tmp_path: Path) -> None:
    subset = "alpha_mask = true\ncustom_attributes = { loss_weight = 0.25 }\n"
    path = write(tmp_path, subset=subset, rest="[loss]\nmasked = true\n")
    image = picture((64, 64), 0).convert("RGBA")
    image.putalpha(image.getchannel("A").point(lambda value: 0))
    image.save(tmp_path / "girl" / "00.png")
    made = parts_of(path)
    assert {item.loss_weight for item in made.dataset.items} == {0.25}
    assert measure(made.oven, made.dataset.items[:1], RULE) == 0.0
    assert measure(made.oven, made.dataset.items[1:2], RULE) > 0.3


@pytest.mark.parametrize("objective", ["epsilon", pytest.param("rectified_flow", marks=pytest.mark.slow)])
def test_curves_are_smooth_where_the_steps_losses_are_not(objective: str, tmp_path: Path) -> None:
    made = parts_of(write(tmp_path, rest=f'[objective]\nname = "{objective}"\n', adapter=""))
    asked, drawn, trained = chosen(made.dataset, RULE), [], []
    trained.append(measure_both(made.oven, asked)["trained"])
    for step in loop.train(made.oven, done=0, total=6, stop=lambda: False):
        drawn.append(step.loss)
        if step.number % 3 == 0:
            trained.append(measure_both(made.oven, asked)["trained"])
    assert trained == sorted(trained, reverse=True)
    assert drawn != sorted(drawn, reverse=True)


def test_what_is_chosen(parts: Assembled) -> None:
    dataset = parts.dataset
    asked = chosen(dataset, RULE)
    assert [item.is_held_out for item in asked.held_out] == [True, True]
    assert [item.is_held_out for item in asked.trained] == [False, False]
    assert asked.any
    few = chosen(dataset, ValidationConfig(images=1))
    assert (len(few.held_out), len(few.trained)) == (1, 1)
    assert {few.trained[0].digest} <= {item.digest for item in asked.trained}
    assert len({chosen(dataset, ValidationConfig(images=1, seed=n)).trained[0].digest for n in range(20)}) > 1
    none = replace(dataset, items=tuple(replace(item, is_held_out=False) for item in dataset.items))
    whole = chosen(none, ValidationConfig(every=2, images=3))
    assert (whole.held_out, len(whole.trained), whole.any) == ((), 3, True)
    assert not chosen(none, RULE).any
    assert set(measure_both(parts.oven, replace(whole, trained=whole.trained[:1]))) == {"trained"}
    reg = replace(dataset.items[0].subset, is_reg=True)
    apart = replace(dataset, items=tuple(replace(item, subset=reg) for item in dataset.items if not item.is_held_out))
    assert chosen(apart, RULE).trained == ()


@pytest.mark.parametrize("left_out", range(4))
def test_another_picture_takes_one_place_at_most(left_out: int, parts: Assembled) -> None:
    items = tuple(replace(item, is_held_out=False) for item in parts.dataset.items)
    rule = ValidationConfig(images=2)
    whole = {item.digest for item in chosen(replace(parts.dataset, items=items), rule).trained}
    rest = replace(parts.dataset, items=tuple(item for place, item in enumerate(items) if place != left_out))
    assert len(whole - {item.digest for item in chosen(rest, rule).trained}) <= 1


def test_what_the_caches_should_hold(parts: Assembled) -> None:
    items = parts.dataset.items
    assert all(view.is_fixed and not view.flip for _, view in looks(items))
    assert [item for item, _ in looks(items)] == list(items)
    assert prompts((*items, items[0])) == [item.caption for item in items]
    assert validation.measured(parts.oven, (), RULE).images == 0
