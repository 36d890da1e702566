"""Which pictures stay hard: by simulation against what was put in, and in a real bake with odd ones among others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from trainer_sets import write_config, write_set

from trainer import assembling, imagelosses, loop, plan
from trainer.data.dataset_toml import Fallback, read
from trainer.data.items import Item, find, with_digests
from trainer.imagelosses import ImageLoss, draws_of, expected, rows, table, write
from trainer.losslog import LossLog

PLACES = [0, 50, 100, 200, 350, 500, 700, 999]
ERRORS = [0.95, 0.6, 0.42, 0.25, 0.12, 0.06, 0.02, 0.003]
NUM = 40


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> tuple[Item, ...]:
    path = write_set(tmp_path_factory.mktemp("items"), sizes=[(32, 32)] * NUM)
    return with_digests(find(read(path, Fallback(1, 32)))).items


def simulated(seed: int, *, epochs: int, effects: np.ndarray, repeats: np.ndarray | None = None) -> list[dict]:
    """Rows of draws.jsonl: a picture's error is that of its level, of how far training is, its own, and chance."""
    rng = np.random.default_rng(seed)
    each = np.repeat(np.arange(NUM), np.ones(NUM, int) if repeats is None else repeats)
    order = np.concatenate([rng.permutation(each) for _ in range(epochs)])
    times, share = rng.uniform(0, 1000, len(order)), np.linspace(0, 1, len(order))
    logs = np.interp(times, PLACES, np.log(ERRORS)) - 0.7 * share + effects[order]
    losses = np.exp(logs + 0.35 * rng.standard_normal(len(order)))
    return [
        {"step": step + 1, "draws": [[int(index), float(time), float(loss)]]}
        for step, (index, time, loss) in enumerate(zip(order, times, losses, strict=True))
    ]


def judged(found: list[dict], items: tuple[Item, ...]) -> list[ImageLoss]:
    return table(draws_of(found, items), items, root=items[0].path.parent.parent)


@pytest.mark.parametrize("spread", [0.0, 0.2])
def test_scores_are_those_of_chance_where_nothing_is_odd(spread: float, items: tuple[Item, ...]) -> None:
    scores = []
    for seed in range(30):
        effects = spread * np.random.default_rng(900 + seed).standard_normal(NUM)
        repeats = np.where(np.arange(NUM) < 10, 4, 1)
        scores += [image.z for image in judged(simulated(seed, epochs=8, effects=effects, repeats=repeats), items)]
    assert np.mean(scores) == pytest.approx(0.0, abs=0.1)
    assert np.std(scores) == pytest.approx(1.0, abs=0.12)
    assert np.mean(np.abs(scores) > 3) < 0.02


def test_the_odd_one_is_found_and_its_ratio_told(items: tuple[Item, ...]) -> None:
    first, ratios, others = [], [], []
    for seed in range(20):
        effects = np.zeros(NUM)
        effects[seed] = np.log(2.0)
        found = judged(simulated(seed, epochs=20, effects=effects), items)
        assert [image.rank for image in found] == list(range(1, NUM + 1))
        assert [image.z for image in found] == sorted((image.z for image in found), reverse=True)
        first.append(found[0].path == f"girl/{seed:02}.png" and found[0].z > 3)
        ratios.append(found[0].ratio)
        others += [image.ratio for image in found[1:]]
    assert all(first)
    assert np.mean(ratios) == pytest.approx(2.0, rel=0.05)
    assert np.mean(others) == pytest.approx(1.0, abs=0.03)


def test_many_draws_weigh_more_than_few(items: tuple[Item, ...]) -> None:
    """Of two equally hard pictures the one that was seen more often is the surer."""
    effects, repeats = np.zeros(NUM), np.where(np.arange(NUM) == 3, 8, 1)
    effects[[3, 4]] = 0.6
    found = judged(simulated(1, epochs=4, effects=effects, repeats=repeats), items)
    assert found[0].path == "girl/03.png"
    assert found[0].draws == 32


def test_what_is_learnt_late_is_told_apart(items: tuple[Item, ...]) -> None:
    found = simulated(5, epochs=40, effects=np.zeros(NUM))
    for row in found:
        if row["draws"][0][0] == 7 and row["step"] <= len(found) / 2:
            row["draws"][0][2] *= 3.0
    hard = judged(found, items)[0]
    assert hard.path == "girl/07.png"
    assert hard.ratio == pytest.approx(3**0.5, rel=0.1)
    assert hard.late_ratio == pytest.approx(1.0, abs=0.1)


def test_the_expected_loss_follows_its_curve() -> None:
    places = np.random.default_rng(0).uniform(0, 1000, 5000)
    values = np.interp(places, PLACES, np.log(ERRORS))
    assert np.abs(expected(places, values) - values).mean() < 0.03
    assert expected(np.full(100, 7.0), np.arange(100.0)) == pytest.approx(49.5)
    assert expected(np.array([1.0]), np.array([3.0])).tolist() == [3.0]


@pytest.mark.parametrize(
    "draws",
    [[], [[0, 5.0, 0.1]], [[0, 5.0, 0.1], [1, 5.0, 0.1]], [[0, 5.0, 0.1]] * 200],
    ids=["none", "one", "two", "same"],
)
def test_few_draws_are_no_error(draws: list[list[float]], items: tuple[Item, ...]) -> None:
    found = judged([{"step": 1, "draws": draws}], items)
    assert {image.z for image in found} <= {0.0}
    assert len(found) == len({draw[0] for draw in draws})


def test_what_tells_nothing_is_left_out(items: tuple[Item, ...]) -> None:
    """Black masks, numbers that are none, pictures that are no more, regularization pictures."""
    reg = replace(items[0], subset=replace(items[0].subset, is_reg=True))
    row = {"step": 1, "draws": [[0, 5.0, 0.1], [1, 5.0, 0.0], [2, 5.0, float("nan")], [99, 5.0, 0.1], [3, 5.0, 0.1]]}
    found = table(draws_of([row, {"step": 2}], (reg, *items[1:])), (reg, *items[1:]), root=Path("/elsewhere"))
    assert [image.path for image in found] == ["girl/03.png"]


def test_the_file_and_the_table(items: tuple[Item, ...], tmp_path: Path) -> None:
    effects = np.zeros(NUM)
    effects[9] = 1.0
    log = LossLog(tmp_path / "draws.jsonl")
    with log.appending() as add:
        for row in simulated(3, epochs=12, effects=effects):
            add(row)
    path = write(tmp_path, items, root=items[0].path.parent.parent)
    made = imagelosses.read(path)
    assert path.name == "image-losses.json"
    assert made.draws == 12 * NUM == sum(image.draws for image in made.images)
    first = json.loads(path.read_text())["images"][0]
    assert (first["path"], first["caption"], first["rank"]) == ("girl/09.png", items[9].caption, 1)
    assert first["sha256"] == items[9].digest
    assert str(items[0].path.parent.parent) not in path.read_text()
    shown = rows(made.images, 3)
    assert len(shown) == 4
    assert {len(row) for row in shown} == {len(shown[0])}
    assert shown[1][:3] == ("1", "girl/09.png", "12")


def odd_set(root: Path) -> Path:
    """Twelve red pictures called red and twelve blue ones called blue; of those, two that lie and one of noise."""
    path = write_set(root, sizes=[(32, 32)] * 24, repeats=1)
    rng = np.random.default_rng(0)
    for number in range(24):
        is_red = number % 2 == 0
        slope = np.linspace(120, 255, 32)[:, None] * np.ones((32, 32)) + rng.normal(0, 4, (32, 32))
        channels = [slope, slope * 0.2, slope * 0.1]
        pixels = np.stack(channels if is_red else channels[::-1], axis=-1).clip(0, 255).astype(np.uint8)
        if number == 5:
            pixels = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / "girl" / f"{number:02}.png")
        word = "red" if is_red != (number in (8, 13)) else "blue"
        (root / "girl" / f"{number:02}.txt").write_text(word)
    return path


@pytest.mark.slow
def test_a_bake_finds_noise_and_lies(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    odd_set(tmp_path)
    # Much noise alone: there it is the caption that tells which colour it will be.
    rest = '[timesteps]\nmin = 600\n[objective]\nname = "v_prediction"\n'
    rest += '[adapter]\nname = "full"\n[optimizer]\nlearning_rate = 1e-3\n'
    made = plan.make(write_config(tmp_path, train="steps = 200", rest=rest))
    oven = assembling.assemble(made).oven
    found = [
        {"step": step.number, "draws": [[drawn.index, drawn.time, drawn.loss] for drawn in step.draws]}
        for step in loop.train(oven, done=0, total=200, stop=lambda: False)
    ]
    hard = table(draws_of(found, oven.items), oven.items, root=tmp_path)
    assert hard[0].path == "girl/05.png"
    assert {image.path for image in hard[1:3]} == {"girl/08.png", "girl/13.png"}
    assert hard[2].z > 3 > hard[3].z
