"""Laws of a tagger's changes to pictures, of its thresholds and of what is known of see-through pictures."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainer.tagger.augmenting import augmented, plain
from trainer.tagger.fitting import truth_of, wanted_of
from trainer.tagger.judging import judge, macro_f1, thresholds
from trainer.tagger.network import Tagger, Wd, fold
from trainer.tagger.pictures import Pictures, vocabulary
from trainer.tagger.settings import AugmentConfig, DataConfig, OutputConfig, TaggerConfig

STILL = AugmentConfig(strength=0.0)
NO_PAINT = torch.full((8, 3), float("nan"))


def pixels(count: int = 8, side: int = 20, *, alpha: int = 255) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    found = torch.randint(0, 256, (count, 4, side, side), generator=generator, dtype=torch.uint8)
    found[:, 3] = alpha
    return found


def shown(how: AugmentConfig, *, seed: int = 1, data: torch.Tensor | None = None, may: bool = True) -> torch.Tensor:
    batch = pixels() if data is None else data
    return augmented(
        batch,
        NO_PAINT,
        may_mirror=torch.full((len(batch),), may),
        size_px=16,
        how=how,
        generator=torch.Generator().manual_seed(seed),
    ).pictures


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_changes_follow_from_the_seed_and_stay_colours(strength: float) -> None:
    how = msgspec.structs.replace(STILL, strength=strength)
    first = shown(how)
    assert torch.equal(first, shown(how))
    assert first.shape == (8, 3, 16, 16)
    assert ((first >= 0) & (first <= 1)).all()
    assert torch.equal(first, shown(how, seed=2)) == (strength == 0)


def test_without_strength_a_picture_is_as_it_is() -> None:
    smooth = torch.nn.functional.interpolate(pixels(side=4).float(), (16, 16), mode="bilinear").byte()
    smooth[:, 3] = 255
    assert (shown(STILL, data=smooth) - plain(smooth, 16)).abs().max() < 0.02


def test_pictures_whose_tags_have_a_side_are_not_mirrored() -> None:
    half = torch.zeros(8, 4, 20, 20, dtype=torch.uint8)
    half[:, :3, :, :10] = 255
    half[:, 3] = 255
    how = AugmentConfig(mirror=1.0, rotate_deg=0, shift=0, scale=0, bend=0)
    for may, left in ((True, False), (False, True)):
        found = shown(how, data=half, may=may).mean((1, 2))
        assert ((found[:, :8].mean(1) > found[:, 8:].mean(1)) == left).all()


def test_what_is_see_through_lies_on_white_or_is_known_not_to() -> None:
    how = AugmentConfig(rotate_deg=0, shift=0, scale=0, bend=0)
    told = augmented(
        pixels(alpha=0),
        NO_PAINT,
        may_mirror=torch.ones(8, dtype=torch.bool),
        size_px=16,
        how=how,
        generator=torch.Generator().manual_seed(4),
    )
    assert (told.on_white ^ told.elsewhere).all()
    assert told.elsewhere.any()
    assert (told.pictures[told.on_white].mean((1, 2, 3)) > 0.7).all()
    solid = augmented(
        pixels(),
        NO_PAINT,
        may_mirror=torch.ones(8, dtype=torch.bool),
        size_px=16,
        how=how,
        generator=torch.Generator().manual_seed(4),
    )
    assert not (solid.on_white | solid.elsewhere).any()


def test_turned_colours_keep_shapes_and_nobody_knows_their_colour() -> None:
    left, right = (0.9, 0.5, 0.1), (0.1, 0.1, 0.6)
    data = torch.zeros(64, 4, 16, 16, dtype=torch.uint8)
    for half, colour in ((slice(0, 8), left), (slice(8, 16), right)):
        data[:, :3, :, half] = (torch.tensor(colour) * 255).byte()[None, :, None, None]
    data[:, 3] = 255
    told = augmented(
        data,
        NO_PAINT.repeat(8, 1),
        may_mirror=torch.zeros(64, dtype=torch.bool),
        size_px=16,
        how=AugmentConfig(mirror=0, rotate_deg=0, shift=0, scale=0, bend=0, jpeg=0, turn_colours=0.5),
        generator=torch.Generator().manual_seed(5),
    )
    assert 16 < int(told.turned.sum()) < 48
    inner = told.pictures[:, :, 4:12, 3:6].mean((2, 3))
    distance = (inner - torch.tensor(left)).abs().amax(1)
    assert distance[~told.turned].max() < 0.3  # what is not turned is still orange
    assert (distance[told.turned] > 0.3).float().mean() > 0.6
    halves = told.pictures[:, :, :, 3:6].mean((1, 2, 3)) - told.pictures[:, :, :, 10:13].mean((1, 2, 3))
    assert (halves > 0.05).all()  # lighter on the left, whatever the hue

    tags = (frozenset({"red_hair", "braid"}),) * 64
    config = TaggerConfig(
        data=DataConfig(folders=("x",), of_colour=("red_*",)), output=OutputConfig(folder="out"), augment=STILL
    )
    truth = truth_of(Pictures(data, tags, NO_PAINT.repeat(8, 1)), ("red_hair", "braid"), config)
    wanted, known = wanted_of(truth, torch.arange(64), told)
    assert (wanted == 1).all()
    assert torch.equal(known[:, 0], ~told.turned)
    assert known[:, 1].all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=2, max_size=40))
@example([(0.0, False), (0.1, True)])
@example([(0.102, False), (0.1, True), (0.104, True)])
def test_a_threshold_is_the_best_and_within_its_bounds(rows: list[tuple[float, bool]]) -> None:
    scores = np.array([[score] for score, _ in rows], np.float32)
    truth = np.array([[is_true] for _, is_true in rows])
    known = np.ones_like(truth)
    (bar,) = thresholds(scores, truth, known)
    assert 0.1 <= bar <= 0.9

    def f1(at: float) -> float:
        return macro_f1(judge(scores > np.float32(at), truth, tags=["x"], known=known, least=1))

    assert f1(bar) >= max(f1(at) for at in np.linspace(0.1, 0.9, 161).tolist()) - 0.005


def test_where_nothing_is_in_doubt_the_threshold_is_in_the_middle() -> None:
    scores = np.array([[0.2], [0.2], [0.8], [0.8]], np.float32)
    truth = np.array([[False], [False], [True], [True]])
    assert thresholds(scores, truth, np.ones_like(truth)) == [pytest.approx(0.5, abs=0.01)]


def test_what_nobody_knows_is_not_judged() -> None:
    truth = np.array([[True], [True]])
    known = np.array([[True], [False]])
    (row,) = judge(np.array([[True], [False]]), truth, tags=["x"], known=known, least=1)
    assert (row.positives, row.f1) == (1, 1.0)


def test_folding_keeps_the_numbers() -> None:
    torch.manual_seed(0)
    tagger = Tagger((4, 8), 3)
    for _ in range(3):
        tagger(torch.randn(8, 3, 16, 16))
    whole = Wd(tagger).eval()
    batch = torch.rand(2, 16, 16, 3) * 255
    before = whole(batch)
    fold(whole)
    assert torch.allclose(whole(batch), before, atol=1e-5)


def test_the_tags_that_are_learnt_and_what_is_true_of_a_picture() -> None:
    tags = [{"all", "a", "clear"}, {"all", "a", "left_eye"}, {"all", "b"}, {"all", "a", "x_(style)"}]
    found = Pictures(pixels(4), tuple(frozenset(one) for one in tags), NO_PAINT[:4])
    assert list(vocabulary(found, drop=("*_(style)", "clear"), least=1)) == ["a", "b", "left_eye"]
    config = TaggerConfig(
        data=DataConfig(folders=("x",), on_white=("b",), unknown_elsewhere=("b*",)),
        output=OutputConfig(folder="out"),
        augment=AugmentConfig(one_sided=("left_*",)),
    )
    truth = truth_of(found, ("a", "b", "left_eye"), config)
    assert truth.is_true.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert truth.on_white.tolist() == [0, 1, 0]
    assert truth.is_ground.tolist() == [False, True, False]
    assert truth.may_mirror.tolist() == [True, False, True, True]
