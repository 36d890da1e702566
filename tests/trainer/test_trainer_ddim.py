"""The sampler with networks that know the answer, and against diffusers' schedulers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

from trainer.contracts.model import Condition, Geometry
from trainer.contracts.objective import NoisePath, Objective
from trainer.registry import OBJECTIVES
from trainer.sampling.ddim import Guide, Request, denoise, pictures, rescaled
from trainer.sampling.prompts import Prompt
from trainer.seeds import normal

KINDS = [("epsilon", False), ("v_prediction", False), ("v_prediction", True), ("rectified_flow", True)]
Network = Callable[[torch.Tensor, torch.Tensor, Condition], torch.Tensor]


@dataclass
class Painter:
    """A model without an autoencoder, latents being pixels; a prompt's text state is the mean that it asks for."""

    network: Network
    parts: Mapping[str, torch.nn.Module] = field(default_factory=dict)
    token_embeddings: Mapping[str, str] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    latent_channels: int = 3
    asked: int = 0

    def place(self, part: str, device: torch.device | str) -> torch.device:
        return self.device

    def digest(self) -> str:
        return ""

    def vae_digest(self) -> str:
        return ""

    def text_digest(self) -> str:
        return ""

    def encode_pixels(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return pixels, torch.zeros_like(pixels)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents

    def encode_text(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        return [{"text": torch.tensor([len(prompt) / 10.0])} for prompt in prompts]

    def assemble(
        self, texts: Sequence[Condition], geometry: Sequence[Geometry], *, empty: Condition | None = None
    ) -> dict[str, torch.Tensor]:
        assert [(each.crop_px, each.original_px == each.target_px) for each in geometry] == [((0, 0), True)] * len(
            texts
        )
        return {"text": torch.stack([text["text"] for text in texts])}

    def predict(self, noisy: torch.Tensor, times: torch.Tensor, *, condition: Condition) -> torch.Tensor:
        assert times.shape == noisy.shape[:1]
        self.asked += 1
        return self.network(noisy, times, condition)

    def token_ids(self, text: str) -> list[int]:
        return []

    def add_word(self, word: str, num_vectors: int) -> tuple[int, ...]:
        return ()


def load(kind: tuple[str, bool]) -> tuple[Objective, NoisePath]:
    objective = OBJECTIVES.load(kind[0], field="objective.name")
    return objective, objective.path(kind[1])


def knows(kind: tuple[str, bool], clean: torch.Tensor) -> Network:
    """A network that answers as if `clean` were under all noise; the noise follows from what it sees."""
    _, path = load(kind)

    def answer(noisy: torch.Tensor, times: torch.Tensor, condition: Condition) -> torch.Tensor:
        alpha, sigma = (part[:, None, None, None] for part in path.coefficients(times))
        noise = (noisy - alpha * clean) / sigma
        said = {"epsilon": noise, "v_prediction": alpha * noise - sigma * clean, "rectified_flow": noise - clean}
        return said[kind[0]].to(noisy.dtype)

    return answer


def plain_guide() -> Guide:
    return Guide({"text": torch.ones(1, 1)}, None, 1.0, 0.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_a_network_that_knows_the_picture_arrives_at_it(kind: tuple[str, bool], steps: int) -> None:
    clean, noise = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    objective, path = load(kind)
    way = path.sampling_times(steps).tolist()
    found = denoise(Painter(knows(kind, clean)), objective, path, noise=noise, way=way, guide=plain_guide())
    torch.testing.assert_close(found, clean, rtol=1e-9, atol=1e-9)
    single = denoise(Painter(knows(kind, clean)), objective, path, noise=noise.float(), way=way, guide=plain_guide())
    torch.testing.assert_close(single.double(), clean, rtol=1e-4, atol=1e-4)


def test_on_pure_noise_the_picture_depends_on_what_the_network_says_alone() -> None:
    # With zero terminal SNR the first step takes x0 from the output, whatever the noise was.
    objective, path = load(("v_prediction", True))
    clean = torch.full((1, 3, 2, 2), 0.25, dtype=torch.float64)
    for strength in (0.0, 1.0, 1e6):
        noise = torch.full((1, 3, 2, 2), strength, dtype=torch.float64)
        model = Painter(lambda noisy, times, condition: -clean)
        assert torch.equal(denoise(model, objective, path, noise=noise, way=[999.0], guide=plain_guide()), clean)


def bent(noisy: torch.Tensor, times: torch.Tensor, condition: Condition) -> torch.Tensor:
    """An arbitrary network, not a linear one."""
    return (
        torch.sin(2 * noisy + times[:, None, None, None] / 300) * 0.8 + condition["text"][:, :, None, None] * noisy / 2
    )


@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize("kind", KINDS[:3])
def test_steps_are_those_of_diffusers(kind: tuple[str, bool], steps: int) -> None:
    objective, path = load(kind)
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=kind[0],
        rescale_betas_zero_snr=kind[1],
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )
    scheduler.set_timesteps(steps)
    assert scheduler.timesteps.tolist() == path.sampling_times(steps).tolist()
    noise = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    expected = noise
    for time in scheduler.timesteps:
        output = bent(expected, time[None].double(), plain_guide().wanted)
        expected = scheduler.step(output, time, expected, eta=0.0).prev_sample
    way = path.sampling_times(steps).tolist()
    found = denoise(Painter(bent), objective, path, noise=noise, way=way, guide=plain_guide())
    # Its tables are float32.
    torch.testing.assert_close(found, expected, rtol=5e-5, atol=5e-5)


@pytest.mark.parametrize("steps", [1, 4, 20])
def test_steps_on_the_straight_path_are_eulers(steps: int) -> None:
    objective, path = load(("rectified_flow", True))
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[1 - step / steps for step in range(steps)])
    noise = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(4))
    expected = noise
    for time in scheduler.timesteps:
        output = bent(expected, time[None].double(), plain_guide().wanted)
        expected = scheduler.step(output.float(), time, expected).prev_sample
    way = path.sampling_times(steps).tolist()
    found = denoise(Painter(bent), objective, path, noise=noise.double(), way=way, guide=plain_guide())
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_guidance_leads_away_from_the_unwanted_and_keeps_its_contrast(share: float) -> None:
    objective, path = load(("v_prediction", True))
    wanted, unwanted = {"text": torch.ones(1, 1)}, {"text": torch.zeros(1, 1)}
    noise = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    times = torch.tensor([999.0], dtype=torch.float64)
    with_, without = (bent(noise, times, each).numpy() for each in (wanted, unwanted))
    guided = without + 5.0 * (with_ - without)
    guided = share * guided * with_.std(ddof=1) / guided.std(ddof=1) + (1 - share) * guided
    model = Painter(bent)
    found = denoise(model, objective, path, noise=noise, way=[999.0], guide=Guide(wanted, unwanted, 5.0, share))
    # Pure noise, one step: x0 is minus the output.
    np.testing.assert_allclose(found.numpy(), -guided, rtol=1e-9, atol=1e-12)
    assert model.asked == 2


def test_each_picture_is_brought_back_by_its_own_contrast() -> None:
    plain = (
        torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
        * torch.tensor([1.0, 3.0])[:, None, None, None]
    )
    found = rescaled(plain * torch.tensor([4.0, 9.0])[:, None, None, None], plain, share=1.0)
    torch.testing.assert_close(found, plain)
    assert torch.isfinite(rescaled(torch.zeros(1, 3, 4, 4), plain[:1], share=0.5)).all()


def request(texts: tuple[str, ...], guidance: float = 3.0, seed: int = 1) -> Request:
    return Request(tuple(Prompt(text, "not this", (16, 8), 5, guidance, seed, row) for row, text in enumerate(texts)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_follows_from_seed_row_and_prompt(kind: tuple[str, bool]) -> None:
    objective, path = load(kind)

    def made(wanted: Request) -> list[bytes]:
        images = pictures(Painter(bent), objective, path, request=wanted, stride_px=2)
        assert all(image.size == (8, 4) for image in images)
        return [image.tobytes() for image in images]

    both = made(request(("a cat", "a very much longer prompt")))
    assert both == made(request(("a cat", "a very much longer prompt")))
    assert both[0] == made(request(("a cat",)))[0]
    assert both[0] != made(request(("a cat",), seed=2))[0]
    assert len(set(made(request(("a cat", "a cat"))))) == 2


def test_the_noise_is_that_of_seed_and_row() -> None:
    # Of a picture that is the noise itself: what a seed and a row stand for must never change.
    objective, path = load(("v_prediction", True))
    wanted = Request((Prompt("a", "", (16, 8), 1, 1.0, 7), Prompt("b", "", (8, 16), 1, 1.0, 7, 1)))
    model = Painter(lambda noisy, times, condition: -noisy)
    for image, shape, row in zip(
        pictures(model, objective, path, request=wanted, stride_px=2), [(3, 4, 8), (3, 8, 4)], (0, 1), strict=True
    ):
        noise = ((normal(shape, 7, row, "sample") + 1) * 127.5).round().clamp(0, 255)
        assert np.array_equal(np.asarray(image), noise.permute(1, 2, 0).numpy())


def test_each_prompt_has_its_own_size_steps_guidance_negative_and_seed() -> None:
    objective, path = load(("v_prediction", True))
    plain = Prompt("a cat", "not this", (16, 8), 5, 1.5, 1)

    def made(*prompts: Prompt) -> list[tuple[tuple[int, int], bytes]]:
        images = pictures(Painter(bent), objective, path, request=Request(prompts), stride_px=2)
        return [(image.size, image.tobytes()) for image in images]

    others = [
        replace(plain, size_px=(8, 16)),
        replace(plain, steps=4),
        replace(plain, guidance=1.0),
        replace(plain, negative="neither this nor that"),
        replace(plain, seed=2),
        replace(plain, draw=1),
    ]
    together = made(plain, *others)
    assert together == [made(prompt)[0] for prompt in (plain, *others)]
    assert len(set(together)) == len(together)
    assert [size for size, _ in together[:3]] == [(8, 4), (4, 8), (8, 4)]


def test_another_seed_is_for_every_prompt() -> None:
    changed = request(("a", "b")).of_seed(9)
    assert [(prompt.text, prompt.seed, prompt.draw) for prompt in changed.prompts] == [("a", 9, 0), ("b", 9, 1)]


def test_without_guidance_the_negative_prompt_is_not_asked_for() -> None:
    objective, path = load(("epsilon", False))
    for guidance, asked in ((1.0, 5), (3.0, 10)):
        model = Painter(bent)
        pictures(model, objective, path, request=request(("a cat",), guidance), stride_px=2)
        assert model.asked == asked


def test_the_picture_that_the_network_knows_comes_out() -> None:
    clean = torch.tensor([-1.0, 0.0, 1.0])[None, :, None, None].expand(1, 3, 4, 8)
    objective, path = load(("v_prediction", True))
    (image,) = pictures(
        Painter(knows(("v_prediction", True), clean)), objective, path, request=request(("",)), stride_px=2
    )
    assert np.abs(np.asarray(image).astype(int) - [0, 128, 255]).max() <= 1
