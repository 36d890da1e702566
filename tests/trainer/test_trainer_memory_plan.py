"""Memory plans: sizes told by headers are those of the networks, estimates grow, every plan fits or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from checkpoint_networks import build, settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tiny_bases import real_modules

from trainer import targeting
from trainer.config import Config
from trainer.contracts.adapter import AdapterSettings
from trainer.contracts.model import BaseHeader, Family
from trainer.errors import BaseModelError, ConfigError, OutOfMemoryError
from trainer.families import sd15, sdxl, tiny
from trainer.families._network_settings import shipped
from trainer.memory import estimate, planning, shapes, sizes
from trainer.memory.exhausted import advice, explained
from trainer.registry import ADAPTERS
from trainer.run_sections import EmaConfig, MemoryConfig, OptimizerConfig, TrainConfig
from trainer.sections import AdapterConfig, RuleConfig

FAMILIES: dict[str, Family] = {"sd15": sd15.FAMILY, "sdxl": sdxl.FAMILY, "tiny": tiny.FAMILY}
VRAM = (8, 12, 16, 24, 32)


def base_of(name: str) -> BaseHeader | None:
    """A folder of the whole model, of which nothing but settings exists."""
    if name == "tiny":
        return None
    return BaseHeader(Path("base"), configs={f"{part}/config.json": own for part, own in shipped(name).items()})  # type: ignore[arg-type]


def config(vram: int = 0, *, adapter: dict[str, Any] | None = None, train: Any = None, **memory: Any) -> Config:
    return Config(
        adapter=AdapterConfig(**{"rank": 16, **(adapter or {})}),
        memory=MemoryConfig(vram=vram, **memory),
        train=train or TrainConfig(),
    )


def settled(name: str, asked: Config, size: int = 0, **more: Any) -> planning.Settled:
    return planning.settle(
        asked, family=FAMILIES[name], base=base_of(name), largest_px=(size, size), on_gpu=True, **more
    )


def total(name: str, asked: Config, size: int = 0) -> int:
    found = estimate.estimate(asked, family=FAMILIES[name], base=base_of(name), largest_px=(size, size))
    return found.total


@pytest.mark.parametrize(("name", "numbers"), [("sdxl", 2_567_463_684), ("sd15", 859_520_964)])
def test_sizes_are_those_of_the_whole_networks(name: str, numbers: int) -> None:
    held = sizes.of(AdapterConfig(name="full"), family=FAMILIES[name], base=base_of(name))
    assert held.unet == held.trained.total == numbers
    for part, network in real_modules(name).items():
        own = {path.removeprefix("text_model."): tuple(one.shape) for path, one in network.named_parameters()}
        assert shapes.of(part, shipped(name)[part]) == own  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_sizes_of_a_single_file(name: str) -> None:
    with torch.device("meta"):
        networks = build(settings(name, small=True), "meta")  # type: ignore[arg-type]
    from trainer.families._single_file import file_tensors  # type: ignore[attr-defined]

    del networks, file_tensors


KINDS = [
    ("lora", {}),
    ("lora", {"conv_rank": 4, "tucker": True}),
    ("loha", {"conv_rank": 4}),
    ("lokr", {"factor": 8}),
    ("lokr", {"conv_rank": 4, "full_matrix": True}),
    ("dora", {"conv_rank": 2}),
    ("oft", {}),
    ("full", {}),
    ("full", {"text_targets": "full", "targets": "attention"}),
    ("lora", {"text_targets": "attention+mlp", "rules": (RuleConfig(match=r"unet\..*attn2.*", rank=3),)}),
    ("lora", {"rules": (RuleConfig(match=r"unet\.mid_block\..*", learning_rate=0.0),)}),
]


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_adapters_have_the_size_that_was_told(kind: str, fields: dict[str, Any]) -> None:
    asked = AdapterConfig(name=kind, rank=8, **fields)
    model = tiny_model()
    adapter = ADAPTERS.load(kind, field="adapter.name")
    places = targeting.sites(model.parts, tiny.FAMILY, asked, kinds=adapter.kinds)
    made = adapter.attach(
        model, places, settings=AdapterSettings(0, tucker=asked.tucker, factor=asked.factor, full_matrix=asked.full_matrix)
    )
    trained = [one for group in made.groups() for one in group.parameters]
    held = sizes.of(asked, family=tiny.FAMILY, base=None).trained
    assert held.total == sum(one.numel() for one in trained)
    assert held.largest == max(one.numel() for one in trained)


def tiny_model() -> Any:
    from trainer.contracts.model import BaseSource

    return tiny.FAMILY.load(BaseSource(None))


def test_a_word_has_a_vector_for_each_text_encoder() -> None:
    asked = AdapterConfig(name="textual_inversion", word="sks", num_vectors=3)
    assert sizes.of(asked, family=sdxl.FAMILY, base=base_of("sdxl")).trained.total == 3 * (768 + 1280)


def test_strange_settings_are_a_damaged_base() -> None:
    with pytest.raises(BaseModelError, match="describe no network"):
        sizes.of(AdapterConfig(), family=sd15.FAMILY, base=BaseHeader(Path("b"), configs={"unet/config.json": {}}))


MADE = st.builds(
    config,
    st.sampled_from(VRAM),
    adapter=st.fixed_dictionaries({"rank": st.integers(1, 128), "name": st.sampled_from(["lora", "full", "loha"])}),
    train=st.builds(
        TrainConfig,
        batch_size=st.integers(0, 8),
        gradient_accumulation=st.sampled_from([1, 4]),
        precision=st.sampled_from(["auto", "fp32", "bf16"]),
    ),
    checkpointing=st.sampled_from(["auto", True, False]),
    text_weights=st.sampled_from(["auto", "fp32", "bf16"]),
)


@given(asked=MADE, name=st.sampled_from(sorted(FAMILIES)), size=st.sampled_from([512, 768, 1024, 1536]))
@hypothesis_settings(max_examples=25, deadline=None)
def test_every_plan_fits_or_is_refused_and_keeps_what_was_asked(asked: Config, name: str, size: int) -> None:
    try:
        made = settled(name, asked, size)
    except ConfigError as error:
        assert "GiB" in error.message
        assert error.hint
        return
    assert total(name, made.config, size) <= asked.memory.vram * estimate.GIB - estimate.FREE
    assert settled(name, made.config, size).config == made.config
    for section in msgspec.structs.fields(Config):
        before, after = getattr(asked, section.name), getattr(made.config, section.name)
        for field in before.__struct_fields__:
            value = getattr(before, field)
            assert value in ("auto", 0) or getattr(after, field) == value
    assert "auto" not in msgspec.structs.astuple(made.config.memory)


@given(
    batch=st.integers(1, 7),
    rank=st.integers(1, 100),
    side=st.integers(4, 20),
    adapter=st.sampled_from(["lora", "full", "lokr"]),
    again=st.booleans(),
)
@hypothesis_settings(max_examples=25, deadline=None)
def test_estimates_grow_with_batch_area_and_rank(batch: int, rank: int, side: int, adapter: str, again: bool) -> None:
    def taken(batch: int, rank: int, side: int) -> int:
        train = TrainConfig(batch_size=batch, precision="bf16")
        asked = config(adapter={"name": adapter, "rank": rank}, train=train, checkpointing=again, weights="bf16")
        return total("sdxl", settled("sdxl", asked).config, 64 * side)

    least = taken(batch, rank, side)
    assert taken(batch + 1, rank, side) >= least
    assert taken(batch, rank + 1, side) >= least
    assert taken(batch, rank, side + 1) > least


def test_without_a_plan_nothing_is_saved() -> None:
    made = settled("sdxl", config())
    assert made.reasons == ()
    assert made.config.memory == MemoryConfig(
        weights="fp32",
        text_weights="fp32",
        adapter_weights="fp32",
        checkpointing=False,
        offload=0.0,
        fused_backward=False,
        channels_last=True,
    )
    assert (made.config.train.precision, made.config.train.batch_size) == ("fp32", 1)
    assert made.config.optimizer.name == "adamw"
