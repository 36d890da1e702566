"""The LoRA training step on a UNet against peft's, same factors, batch and noise: losses and weights to 1e-5."""

from __future__ import annotations

import copy

import torch
from adapter_material import Toy, attach
from diffusers import DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig

from trainer.contracts.adapter import Attached, Site
from trainer.registry import ADAPTERS

RANK, ALPHA = 4, 2.0
NAMES = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "net.0.proj", "net.2", "conv1", "conv_shortcut")


def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=4,
        norm_num_groups=4,
    ).requires_grad_(False)


def factors(network: UNet2DConditionModel) -> dict[str, torch.nn.Parameter]:
    """peft's, by our names."""
    names = {"lora_A.default": "lora_down", "lora_B.default": "lora_up"}
    found = {}
    for name, parameter in network.named_parameters():
        for theirs, ours in names.items():
            if f".{theirs}." in name:
                found[f"unet.{name.replace(theirs, ours)}"] = parameter
    return found


def sited(network: UNet2DConditionModel, *, model: Toy) -> Attached:
    """Ours, with a copy of peft's factors; B is not zero, so that every gradient is something."""
    theirs = factors(network)
    chosen = list(dict.fromkeys(name.removesuffix(".lora_down.weight") for name in theirs if "lora_down" in name))
    attached = attach(ADAPTERS.load("lora", field=""), model, [Site(path, RANK, ALPHA) for path in chosen])
    alphas = {name: tensor for name, tensor in attached.state().items() if name.endswith(".alpha")}
    attached.load({name: tensor.detach() for name, tensor in theirs.items()} | alphas)
    return attached


def losses(network: UNet2DConditionModel, parameters: list[torch.nn.Parameter]) -> list[float]:
    """Three steps of epsilon loss, each with its own pictures, noise and times."""
    schedule = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01)
    generator = torch.Generator().manual_seed(7)
    found = []
    for _ in range(3):
        clean, noise = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
        states = torch.randn(2, 5, 12, generator=generator)
        times = torch.randint(0, 1000, (2,), generator=generator)
        output = network(schedule.add_noise(clean, noise, times), times, states).sample
        loss = torch.nn.functional.mse_loss(output, noise)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(float(loss.detach()))
    return found


def test_three_steps_are_those_of_peft() -> None:
    base = unet()
    theirs, ours = copy.deepcopy(base), copy.deepcopy(base)
    theirs.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=list(NAMES)))
    with torch.no_grad():
        generator = torch.Generator().manual_seed(3)
        for parameter in factors(theirs).values():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    attached = sited(theirs, model=Toy({"unet": ours}))
    start = {name: tensor.clone() for name, tensor in attached.state().items()}
    own = [parameter for group in attached.groups() for parameter in group.parameters]
    expected, found = losses(theirs, list(factors(theirs).values())), losses(ours, own)
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=1e-5, atol=1e-5)
    assert len(set(found)) == 3
    assert len(factors(theirs)) > 40
    state = attached.state()
    for name, parameter in factors(theirs).items():
        assert not torch.equal(state[name], start[name])
        torch.testing.assert_close(state[name], parameter.detach(), rtol=1e-5, atol=1e-5)
