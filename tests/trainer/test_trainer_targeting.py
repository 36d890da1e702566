"""Presets, patterns and rules: which modules are trained, with what numbers, and what is said of mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from adapter_material import toy

from trainer import targeting
from trainer.contracts.adapter import Site
from trainer.contracts.model import Family
from trainer.errors import ConfigError
from trainer.sections import AdapterConfig, RuleConfig

KINDS = ("Linear", "Conv2d")


def own_name(part: str, path: str) -> str:
    """Blocks are called layers in files, as SDXL's have names of their own there."""
    return path.replace("blocks.", "layers.") if part == "unet" else path


def nothing(*_: Any) -> Any:
    raise AssertionError("a family is only read")


FAMILY = Family(
    name="toy",
    latent_stride_px=8,
    native_resolution_px=64,
    targets={
        "attention+mlp": (r"unet\..*\.to_(q|k|v|out\.0)", r"unet\..*\.ff"),
        "kohya": (r"unet\..*\.to_(q|k|v|out\.0)",),
        "full": (r"unet\..*\.to_(q|k|v|out\.0)", r"unet\.(shrink|mix)"),
        "resizing": (r"unet\.shrink",),
        "missing": (r"unet\.nowhere",),
    },
    text_targets={"all": (r"text_encoder\..+",)},
    lora_prefixes={"unet": "lora_unet", "text_encoder": "lora_te"},
    own_name=own_name,
    embedding_keys={"text_encoder": "emb_params"},
    base_model_version="",
    architecture="",
    implementation="",
    layouts=("diffusers",),
    needs_base=False,
    recognise=nothing,
    load=nothing,
    save=nothing,
)
ATTENTION = [f"unet.blocks.{n}.{name}" for n in (0, 1) for name in ("to_q", "to_k", "to_v", "to_out.0")]


def found(*rules: RuleConfig, kinds: tuple[str, ...] = KINDS, **config: Any) -> dict[str, Site]:
    given = AdapterConfig(rules=rules, **config)
    sites = targeting.sites(toy().parts, FAMILY, given, kinds=kinds)
    assert len({site.path for site in sites}) == len(sites)
    return {site.path: site for site in sites}


def test_a_preset_in_the_models_order() -> None:
    sites = found(rank=6, alpha=3.0, dropout=0.1)
    assert list(sites) == ATTENTION
    assert set(sites.values()) == {Site(path, 6, 3.0, 0.1) for path in ATTENTION}


def test_patterns_match_whole_names_whatever_their_order() -> None:
    assert list(found(targets=(r"unet\.mix", r"unet\.blocks\.0\.to_q"))) == ["unet.mix", "unet.blocks.0.to_q"]
    assert list(found(targets=r"unet\.blocks\.1\.to_k")) == ["unet.blocks.1.to_k"]
    assert list(found(targets=(r"unet\.(blocks\.1\.)?.*(to_v|mix)",))) == [
        "unet.mix",
        "unet.blocks.0.to_v",
        "unet.blocks.1.to_v",
    ]


def test_names_of_lora_files_do_too() -> None:
    assert list(found(targets=(r"unet\.layers\.1\.to_(q|k)",))) == ["unet.blocks.1.to_q", "unet.blocks.1.to_k"]


def test_a_pattern_is_never_read_by_both_names_at_once() -> None:
    """`all but the blocks` would find the blocks by their other name."""
    assert not any("blocks" in path for path in found(targets=(r"unet\.(?!blocks).*",), conv_rank=2))
    narrow = found(RuleConfig(r"unet\.(?!blocks\.1).*", rank=2), rank=8)
    assert {path: site.rank for path, site in narrow.items()} == {p: 8 if "blocks.1" in p else 2 for p in ATTENTION}


def test_text_encoders_have_targets_of_their_own() -> None:
    assert list(found(targets="none", text_targets="all")) == ["text_encoder.proj"]
    assert list(found(text_targets=(r".*proj",))) == [*ATTENTION, "text_encoder.proj"]
    assert not any(path.startswith("text") for path in found(targets=(".*",)))


def test_larger_convolutions_have_a_rank_of_their_own() -> None:
    assert list(found(targets="full")) == ["unet.mix", *ATTENTION]
    both = found(targets="full", rank=8, alpha=4.0, conv_rank=2)
    assert both["unet.shrink"] == Site("unet.shrink", 2, 2.0, 0.0)
    assert both["unet.mix"] == Site("unet.mix", 8, 4.0, 0.0)
    assert found(targets="full", conv_rank=2, conv_alpha=1.0)["unet.shrink"].alpha == 1.0
    ruled = found(RuleConfig(r"unet\.shrink", rank=3), targets="full")
    assert ruled["unet.shrink"] == Site("unet.shrink", 3, 3.0, 0.0)


def test_auto_is_what_is_usual_for_the_kind() -> None:
    assert found(targets="auto") == found(targets="kohya")
    assert found(targets="auto", conv_rank=2) == found(targets="full", conv_rank=2)
    assert found(targets="auto", kinds=()) == found(targets="full", kinds=())


def test_the_last_rule_decides_each_number() -> None:
    sites = found(
        RuleConfig(r"unet\.blocks\.0\..*", rank=2, alpha=1.0),
        RuleConfig(r".*\.to_q", dropout=0.5, rank=3),
        RuleConfig(r"unet\.blocks\.1\.to_q", rank=4),
    )
    assert sites["unet.blocks.0.to_k"] == Site("unet.blocks.0.to_k", 2, 1.0, 0.0)
    assert sites["unet.blocks.0.to_q"] == Site("unet.blocks.0.to_q", 3, 1.0, 0.5)
    assert sites["unet.blocks.1.to_q"] == Site("unet.blocks.1.to_q", 4, 8.0, 0.5)
    assert sites["unet.blocks.1.to_k"] == Site("unet.blocks.1.to_k", 8, 8.0, 0.0)


@pytest.mark.parametrize("frozen", [{"rank": 0}, {"learning_rate": 0.0}])
@pytest.mark.parametrize("kinds", [KINDS, ()])
def test_rules_freeze_and_thaw(frozen: dict[str, float], kinds: tuple[str, ...]) -> None:
    rule = RuleConfig(r"unet\.layers\.0\..*", **frozen)  # type: ignore[arg-type]
    assert list(found(rule, targets="attention+mlp", kinds=kinds)) == ATTENTION[4:]
    thawed = RuleConfig(r".*\.to_v", rank=4, learning_rate=1e-5)
    assert list(found(rule, thawed, targets="attention+mlp", kinds=kinds)) == ["unet.blocks.0.to_v", *ATTENTION[4:]]


def test_weights_of_their_own() -> None:
    everything = found(targets="full", text_targets="full", kinds=())
    owners = {f"{p}.{n.rpartition('.')[0]}" for p, root in toy().parts.items() for n, _ in root.named_parameters()}
    assert set(everything) == owners
    assert {"unet.norm", "unet.conv_in", "text_encoder.embeddings.token"} <= set(everything)
    assert list(found(targets=(r"unet\.norm",), kinds=())) == ["unet.norm"]
    assert not any(path.startswith("text") for path in found(targets="full", kinds=()))


@pytest.mark.parametrize(
    ("config", "said", "hint"),
    [
        ({"targets": "atention+mlp"}, "targets: there is no preset", "did you mean 'attention+mlp'"),
        ({"targets": "missing"}, "finds nothing to train", "patterns"),
        ({"targets": (r"unet\.blocks\.2\.to_q",)}, "matches no module", "nearest is unet.blocks.1.to_q"),
        ({"targets": (r"unet\.layer\.1\.to_q",)}, "matches no module", "nearest is unet.layers.1.to_q"),
        ({"targets": (r"unet\.norm",)}, "a GroupNorm, but no Linear or Conv2d", "nearest is"),
        ({"targets": (r"unet\.blocks\.0",)}, "a Block, but no Linear", "nearest is unet.blocks.0."),
        ({"targets": (r"text_encoder\.proj",)}, "belongs in adapter.text_targets", "nearest is"),
        ({"text_targets": (r"unet\.mix",)}, "belongs in adapter.targets", "nearest is text_encoder.proj"),
        ({"targets": ("(",)}, "no regular expression", "dots"),
        ({"targets": (r"unet\.shrink",)}, "have no rank", "adapter.conv_rank"),
        ({"targets": "resizing"}, "have no rank", "adapter.conv_rank"),
        ({"targets": "none"}, "no module is left", "targets"),
        ({"targets": ()}, "no module is left", "targets"),
    ],
)
def test_mistakes_are_named(config: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        found(**config)
    assert said in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("match", "said"),
    [
        (r"unet\.blocks\.0", r"adapter.rules[1].match: 'unet\\.blocks\\.0' matches unet.blocks.0, a Block"),
        (r"unet\.mix", "matches unet.mix, which is not among adapter.targets"),
        (r"unet\.up.*", "matches no module"),
        ("[", "adapter.rules[1].match: '[' is no regular expression"),
    ],
)
def test_a_rule_that_changes_nothing_is_a_mistake(match: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        found(RuleConfig(r".*to_q", rank=2), RuleConfig(match, rank=4))
    assert said in caught.value.message


def test_all_frozen_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="no module is left"):
        found(RuleConfig(".*", rank=0))
