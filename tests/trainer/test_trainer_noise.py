"""Noise: what it is made of, against restatements in float64 numpy; each picture's is its own matter."""

from __future__ import annotations

from dataclasses import asdict

import msgspec
import numpy as np
import pytest
import torch

from trainer.noise import NoiseRule, make, offset_strengths, pyramid
from trainer.sections import NoiseConfig
from trainer.seeds import normal

SHAPE = (4, 24, 16)
CLEAN = (
    torch.randn(SHAPE, generator=torch.Generator().manual_seed(5)) + torch.tensor([1.0, -2.0, 0.0, 3.0])[:, None, None]
)
KEY = (7, "picture/0", 3)


def made(rule: NoiseRule, key: tuple[int, str, int] = KEY) -> tuple[torch.Tensor, torch.Tensor]:
    return make(SHAPE, rule, clean=CLEAN, key=key)


def test_the_rule_is_the_section_of_the_config() -> None:
    assert asdict(NoiseRule()) == msgspec.structs.asdict(NoiseConfig())


def test_without_anything_it_is_white() -> None:
    noise, extra = made(NoiseRule())
    assert torch.equal(noise, normal(SHAPE, *KEY, "noise"))
    assert torch.equal(extra, torch.zeros(SHAPE))


RULES = [
    NoiseRule(offset=0.1),
    NoiseRule(offset=0.1, offset_random=True),
    NoiseRule(offset=0.1, offset_adaptive=0.05),
    NoiseRule(pyramid_iterations=6),
    NoiseRule(input_perturbation=0.1),
    NoiseRule(0.1, True, 0.1, 8, 0.4, 0.2, True),
]


@pytest.mark.parametrize("rule", RULES)
def test_it_follows_from_its_key_alone(rule: NoiseRule) -> None:
    first, again, other = made(rule), made(rule), made(rule, (7, "picture/0", 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert all(each.dtype == torch.float32 and each.shape == SHAPE for each in first)


def test_an_offset_moves_each_channel_as_a_whole() -> None:
    moved = made(NoiseRule(offset=0.1))[0] - made(NoiseRule())[0]
    assert float(moved.std(dim=(1, 2)).max()) < 1e-6
    twice = made(NoiseRule(offset=0.2))[0] - made(NoiseRule())[0]
    torch.testing.assert_close(twice, 2 * moved, rtol=1e-4, atol=1e-6)
    assert len({round(float(value), 4) for value in moved[:, 0, 0]}) == 4


def test_offsets_are_normal_with_their_strength() -> None:
    rule = NoiseRule(offset=0.1)
    small = torch.zeros(4, 1, 1)
    offsets = torch.stack(
        [
            make((4, 1, 1), rule, clean=small, key=(n,))[0] - make((4, 1, 1), NoiseRule(), clean=small, key=(n,))[0]
            for n in range(1500)
        ]
    )
    assert float(offsets.std()) == pytest.approx(0.1, rel=0.04)
    assert abs(float(offsets.mean())) < 0.005


def test_a_random_strength_is_uniform_up_to_the_offset() -> None:
    fixed, loose = NoiseRule(offset=0.1), NoiseRule(offset=0.1, offset_random=True)
    white = [made(NoiseRule(), (n, "", 0))[0][0, 0, 0] for n in range(300)]
    shares = [
        float((made(loose, (n, "", 0))[0][0, 0, 0] - white[n]) / (made(fixed, (n, "", 0))[0][0, 0, 0] - white[n]))
        for n in range(300)
    ]
    assert min(shares) > -0.01
    assert max(shares) < 1.01
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    assert np.std(shares) == pytest.approx(12**-0.5, abs=0.03)


@pytest.mark.parametrize(("strength", "adaptive"), [(0.1, 0.05), (0.1, -0.2), (0.0, 0.05)])
def test_an_adaptive_offset_follows_the_mean_of_each_channel(strength: float, adaptive: float) -> None:
    means = np.abs(CLEAN.double().numpy().mean(axis=(1, 2)))
    expected = np.maximum(strength + adaptive * means, 0)
    found = offset_strengths(CLEAN, strength, adaptive=adaptive)
    np.testing.assert_allclose(found.flatten().numpy(), expected, rtol=1e-5, atol=1e-7)
    moved = made(NoiseRule(offset=strength, offset_adaptive=adaptive))[0] - made(NoiseRule())[0]
    plain = made(NoiseRule(offset=1.0))[0] - made(NoiseRule())[0]
    np.testing.assert_allclose(moved[:, 0, 0].numpy(), expected * plain[:, 0, 0].numpy(), rtol=1e-4, atol=1e-6)


def enlarged(coarse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear, with pixels as squares: their middles at (i + 0.5) / n, and no further than the outermost ones."""
    for axis, wanted in zip((1, 2), size, strict=True):
        have = coarse.shape[axis]
        place = np.clip((np.arange(wanted) + 0.5) * have / wanted - 0.5, 0, have - 1)
        low = np.floor(place).astype(int)
        share = (place - low).reshape([-1 if each == axis else 1 for each in range(3)])
        coarse = np.take(coarse, low, axis) * (1 - share) + np.take(coarse, np.minimum(low + 1, have - 1), axis) * share
    return coarse


@pytest.mark.parametrize(("iterations", "discount"), [(1, 0.3), (3, 0.4), (10, 0.9), (6, 0.0)])
def test_a_pyramid_is_the_sum_of_its_layers(iterations: int, discount: float) -> None:
    ratios = [2.0, 2.7, 3.9, 2.2, 2.5, 3.3, 2.1, 2.9, 3.1, 2.4]
    layers: list[tuple[int, ...]] = []

    def white(layer: int, shape: tuple[int, ...]) -> torch.Tensor:
        layers.append(shape)
        return normal(shape, 1, layer)

    found = pyramid(normal(SHAPE, 9), iterations, discount=discount, ratio=lambda n: ratios[n], white=white)
    expected = normal(SHAPE, 9).double().numpy()
    for number, shape in enumerate(layers):
        expected = expected + enlarged(normal(shape, 1, number).double().numpy(), SHAPE[1:]) * discount**number
    np.testing.assert_allclose(found.numpy(), expected / expected.std(ddof=1), rtol=1e-4, atol=1e-5)
    # 24 x 16 over 1, 2.7, 3.9^2, which leaves a side of 1: coarser layers there are none.
    assert layers == [(4, 24, 16), (4, 8, 5), (4, 1, 1)][:iterations]


def test_a_pyramid_is_of_unit_strength_and_coarse() -> None:
    noise = made(NoiseRule(pyramid_iterations=8, pyramid_discount=0.8))[0]
    assert float(noise.std()) == pytest.approx(1.0, abs=1e-5)
    neighbours = float((noise[:, 1:] * noise[:, :-1]).mean())
    assert neighbours > 0.1
    assert abs(float((made(NoiseRule())[0][:, 1:] * made(NoiseRule())[0][:, :-1]).mean())) < 0.1


def test_input_perturbation_is_seen_and_not_asked_for() -> None:
    noise, extra = made(NoiseRule(input_perturbation=0.1))
    assert torch.equal(noise, made(NoiseRule())[0])
    assert float(extra.std()) == pytest.approx(0.1, rel=0.1)
    assert abs(float((noise * extra).mean())) < 0.02
    shares = [
        float(made(NoiseRule(input_perturbation=0.1, input_perturbation_random=True), (n, "", 0))[1].std())
        for n in range(100)
    ]
    assert max(shares) < 0.11
    assert np.mean(shares) == pytest.approx(0.05, abs=0.01)
