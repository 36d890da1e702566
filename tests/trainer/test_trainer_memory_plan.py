"""Memory plans: sizes told by headers are those of the networks, estimates grow, every plan fits or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bases import real_modules, sdxl_networks, write_sdxl

from trainer import bases, targeting
from trainer.config import Config
from trainer.contracts.adapter import AdapterSettings
from trainer.contracts.model import BaseHeader, Family
from trainer.errors import BaseModelError, ConfigError, OutOfMemoryError
from trainer.families import sd15, sdxl, tiny
from trainer.families._network_settings import shipped
from trainer.memory import estimate, planning, shapes, sizes
from trainer.memory.exhausted import MAIN, advice, explained
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


def settled_or_told(name: str, asked: Config, size: int = 0) -> planning.Settled | ConfigError:
    try:
        return settled(name, asked, size)
    except ConfigError as error:
        return error


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


@pytest.mark.parametrize(("name", "write", "networks"), [("sdxl", write_sdxl, sdxl_networks)])
def test_sizes_of_a_single_file_and_a_folder(name: str, write: Any, networks: Any, tmp_path: Path) -> None:
    whole = networks()
    expected = {part: sum(one.numel() for one in network.parameters()) for part, network in whole.items()}
    for path in (write(tmp_path / "file", single_file=True), write(tmp_path / "folder")):
        held = sizes.of(AdapterConfig(), family=FAMILIES[name], base=bases.read_header(path))
        assert held.networks == expected


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


@pytest.mark.parametrize(
    ("kind", "fields"),
    [pytest.param(*case, marks=() if place % 3 == 0 else pytest.mark.slow) for place, case in enumerate(KINDS)],
)
def test_adapters_have_the_size_that_was_told(kind: str, fields: dict[str, Any]) -> None:
    asked = AdapterConfig(name=kind, rank=8, **fields)
    model = tiny_model()
    adapter = ADAPTERS.load(kind, field="adapter.name")
    places = targeting.sites(model.parts, tiny.FAMILY, asked, kinds=adapter.kinds)
    made = adapter.attach(
        model,
        places,
        settings=AdapterSettings(0, tucker=asked.tucker, factor=asked.factor, full_matrix=asked.full_matrix),
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
@settings(max_examples=10, deadline=None)
def test_every_plan_fits_or_is_refused_and_keeps_what_was_asked(asked: Config, name: str, size: int) -> None:
    made = settled_or_told(name, asked, size)
    if isinstance(made, ConfigError):
        assert "GiB" in made.message
        assert made.hint
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
    adapter=st.sampled_from(["lora", "full", "loha"]),
    again=st.booleans(),
)
@settings(max_examples=10, deadline=None)
def test_estimates_grow_with_batch_area_and_rank(batch: int, rank: int, side: int, adapter: str, again: bool) -> None:
    def taken(batch: int, rank: int, side: int) -> int:
        train = TrainConfig(batch_size=batch, precision="bf16")
        asked = config(adapter={"name": adapter, "rank": rank}, train=train, checkpointing=again, weights="bf16")
        return total("sdxl", settled("sdxl", asked).config, 64 * side)

    least = taken(batch, rank, side)
    assert taken(batch + 1, rank, side) >= least
    assert taken(batch, rank + 1, side) >= least
    assert taken(batch, rank, side + 1) >= least


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


GOLDEN: dict[tuple[str, str, int], str] = {
    ("sdxl", "lora", 8): "bf16 checkpointing adamw batch 1",
    ("sdxl", "lora", 12): "bf16 checkpointing adamw batch 4",
    ("sdxl", "lora", 16): "bf16 adamw batch 1",
    ("sdxl", "lora", 24): "bf16 adamw batch 1",
    ("sdxl", "lora", 32): "bf16 adamw batch 2",
    ("sdxl", "full", 8): "refused",
    ("sdxl", "full", 12): "bf16 checkpointing fused adafactor batch 4",
    ("sdxl", "full", 16): "bf16 adafactor batch 1",
    ("sdxl", "full", 24): "bf16 adafactor batch 1",
    ("sdxl", "full", 32): "fp32 adafactor batch 1",
    ("sd15", "lora", 8): "bf16 adamw batch 2",
    ("sd15", "lora", 12): "bf16 adamw batch 4",
    ("sd15", "lora", 16): "bf16 adamw batch 8",
    ("sd15", "lora", 24): "bf16 adamw batch 8",
    ("sd15", "lora", 32): "bf16 adamw batch 8",
    ("sd15", "full", 8): "bf16 adafactor batch 2",
    ("sd15", "full", 12): "bf16 adamw batch 1",
    ("sd15", "full", 16): "fp32 adamw batch 1",
    ("sd15", "full", 24): "fp32 adamw batch 4",
    ("sd15", "full", 32): "fp32 adamw batch 8",
}
"""Family, kind and GiB -> weights, checkpointing, offload, fused, optimizer and batch, or what is said."""


@pytest.mark.parametrize(("name", "kind", "vram"), GOLDEN)
def test_plans_are_those_of_the_table(name: str, kind: str, vram: int) -> None:
    made = settled_or_told(name, config(vram, adapter={"name": kind}))
    if isinstance(made, ConfigError):
        assert GOLDEN[name, kind, vram] == "refused"
        assert "memory.vram" in made.message
        return
    memory, run = made.config.memory, made.config.train
    words = [
        memory.weights,
        *(["checkpointing"] if memory.checkpointing is True else []),
        *([f"offload {memory.offload}"] if memory.offload else []),
        *(["fused"] if memory.fused_backward is True else []),
        made.config.optimizer.name,
        f"batch {run.batch_size}",
    ]
    assert " ".join(words) == GOLDEN[name, kind, vram]
    assert any(reason.startswith("checkpointing: ") for reason in made.reasons) is (memory.checkpointing is True)


REFUSED = [
    ({"weights": "fp8"}, {"name": "full"}, {}, "memory.weights"),
    ({"offload": 0.5}, {"name": "full"}, {}, "memory.offload"),
    ({"adapter_weights": "bf16"}, {"name": "full"}, {}, "memory.adapter_weights"),
    ({"fused_backward": True}, {"name": "full"}, {"gradient_accumulation": 2}, "memory.fused_backward"),
    ({"compile": True, "weights": "fp8"}, {}, {}, "memory.compile"),
]


@pytest.mark.parametrize(("memory", "adapter", "train", "field"), REFUSED)
def test_contradictions_name_the_field(memory: Any, adapter: Any, train: Any, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settled("sdxl", config(24, adapter=adapter, train=TrainConfig(**train), **memory))
    assert caught.value.message.startswith(field)
    assert caught.value.hint


def test_optimizers_that_see_all_gradients_are_not_fused() -> None:
    asked = msgspec.structs.replace(config(0, fused_backward=True), optimizer=OptimizerConfig(name="prodigy"))
    with pytest.raises(ConfigError, match="prodigy must see all gradients"):
        settled("sdxl", asked)


def test_what_cannot_fit_is_refused_with_numbers_and_a_cure() -> None:
    asked = config(8, adapter={"name": "full"})
    with pytest.raises(ConfigError, match=r"takes about [\d.]+ GiB while training") as caught:
        settled("sdxl", asked)
    assert "weights 4.8" in caught.value.message
    assert 'adapter.name = "lora"' in caught.value.hint


def test_captions_that_vary_keep_the_text_encoders_and_are_told() -> None:
    made = settled("sdxl", config(12), stay={"text"})
    assert any("captions vary" in reason for reason in made.reasons)
    found = estimate.estimate(made.config, family=sdxl.FAMILY, base=base_of("sdxl"), stay={"text"})
    assert found.phases["training"]["text encoders"] > 0
    assert "text encoders" in found.lines()[0]


def test_a_word_takes_the_text_encoders_activations_alone() -> None:
    made = settled("sdxl", config(12, adapter={"name": "textual_inversion", "word": "sks"}))
    # 32 layers of 1280 and 12 of 768, 231 tokens, at most 80 bytes each.
    held = sizes.of(made.config.adapter, family=sdxl.FAMILY, base=base_of("sdxl"))
    assert held.text_widths == 32 * 1280 + 12 * 768
    found = estimate.estimate(made.config, family=sdxl.FAMILY, base=base_of("sdxl")).phases["training"]
    assert found["activations"] < 5 * estimate.GIB


@pytest.mark.parametrize(("device", "expected"), [(None, "auto"), (True, True), (False, False)])
def test_the_order_of_numbers_waits_for_the_device(device: bool | None, expected: object) -> None:
    for asked in (config(), config(12)):
        made = planning.settle(asked, family=sd15.FAMILY, base=base_of("sd15"), on_gpu=device)
        assert made.config.memory.channels_last == expected


@pytest.mark.parametrize("vram", [0, 16, 32])
def test_plans_of_sharded_networks_choose_nothing_that_is_refused_with_them(vram: int) -> None:
    memory = settled("sd15", config(vram, adapter={"name": "full"}, sharded=True)).config.memory
    assert (memory.channels_last, memory.weights, memory.fused_backward) == (False, "fp32", False)


def test_a_limit_of_the_gradient_is_kept() -> None:
    asked = config(12, adapter={"name": "full"})
    assert settled("sdxl", asked).config.memory.fused_backward is True
    found = settled_or_told("sdxl", msgspec.structs.replace(asked, optimizer=OptimizerConfig(max_grad_norm=0.5)))
    assert isinstance(found, ConfigError) or found.config.memory.fused_backward is False


def test_an_average_takes_its_copy() -> None:
    plain = settled("sdxl", config()).config
    more = msgspec.structs.replace(plain, ema=EmaConfig(decay=0.999))
    held = sizes.of(plain.adapter, family=sdxl.FAMILY, base=base_of("sdxl"))
    found = estimate.estimate(more, family=sdxl.FAMILY, base=base_of("sdxl"))
    assert found.kinds["average"] == 4 * held.trained.total
    assert found.total > total("sdxl", plain)


MEASURED = [
    # docs/benchmarks.md, Training on a GPU: everything float32 on the GPU, bf16 arithmetic; GB without the context.
    ("sdxl", "lora", 1024, 28.0),
    ("sdxl", "full", 1024, 55.5),
    ("sd15", "lora", 512, 7.5),
    ("sd15", "full", 512, 18.2),
]


@pytest.mark.parametrize(("name", "kind", "size", "measured"), MEASURED)
def test_estimates_are_near_what_was_measured(name: str, kind: str, size: int, measured: float) -> None:
    asked = config(adapter={"name": kind}, train=TrainConfig(precision="bf16"))
    found = estimate.estimate(
        settled(name, asked).config, family=FAMILIES[name], base=base_of(name), largest_px=(size, size), stay={"text"}
    )
    # All networks were on the GPU, and neither the context nor gaps were counted.
    vae = 4 * 83_653_863
    training, updating = dict(found.phases["training"]), dict(found.phases["updating"])
    training["overhead"], updating["overhead"] = round(estimate.WORKSPACE * training["activations"]), 0
    # AdamW made a copy of all it updates then.
    updating["copies"] = updating["gradients"]
    peak = max(sum(training.values()), sum(updating.values())) + vae
    assert peak / 1e9 == pytest.approx(measured, rel=0.08)


OutOfMemory = type("OutOfMemoryError", (RuntimeError,), {})
"""Called as torch's, which is no plain RuntimeError either."""
EXHAUSTED = [
    (OutOfMemory("CUDA out of memory. Tried to allocate 20.00 MiB."), "the GPU's memory is not enough for 20.00 MiB"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400 bytes."), "for 400 bytes"),
    (MemoryError(), "the computer's memory is not enough"),
    (RuntimeError("CUDA error: out of memory"), "the GPU's memory is not enough"),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), "the GPU's memory"),
]


@pytest.mark.parametrize(("error", "message"), EXHAUSTED)
def test_running_out_of_memory_is_told_with_advice(error: Exception, message: str) -> None:
    with pytest.raises(OutOfMemoryError) as caught, explained(config()):
        raise error
    assert message in caught.value.message
    assert "checkpoint is unharmed" in caught.value.message
    assert ("memory.vram" in caught.value.hint) is ("GPU" in message)
    assert "--restart" in caught.value.hint
    assert caught.value.exit_code == 12


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), explained(config()):
        raise RuntimeError("shapes differ")


def test_advice_is_what_was_not_done_yet() -> None:
    assert "train.batch_size = 4" in advice(config(12, train=TrainConfig(batch_size=8)))
    tight = config(8, train=TrainConfig(precision="bf16"), weights="fp8", checkpointing=True, offload=1.0)
    assert advice(tight).startswith("set adapter.rank = 8")
    assert "memory.offload = 0.5," in advice(tight, MAIN)  # there it would take more
    word = config(8, adapter={"name": "textual_inversion", "word": "sks"}, checkpointing=True, offload=1.0)
    assert "rank" not in advice(word)
