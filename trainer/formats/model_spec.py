"""`modelspec.*`: what a model's file says of itself to any program (Stability-AI/ModelSpec 1.0.1).

Names and values as kohya-ss/sd-scripts:library/sai_model_spec.py has them, so that what reads those reads these.
hash_sha256 is left out there and here: it would be of a file that holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata

from trainer.data.items import Item
from trainer.formats.bake import Bake

_ADAPTERS = {"lora": "/lora", "embedding": "/textual-inversion", "checkpoint": ""}
_REFERENCE = "https://github.com/Stability-AI/generative-models"
_MUST = ("sai_model_spec", "architecture", "implementation", "title", "resolution", "prediction_type")


def model_spec(bake: Bake) -> dict[str, str]:
    """All that is known, with `modelspec.` before each name."""
    config = bake.config
    width, height = bake.dataset.items[0].set.buckets.resolution_px
    spec = {
        "sai_model_spec": "1.0.1",
        "architecture": bake.family.architecture + _ADAPTERS[bake.adapter.product],
        "implementation": _implementation(bake),
        "title": config.output.name,
        "resolution": f"{width}x{height}",
        "date": datetime.fromtimestamp(int(bake.finished_s), UTC).replace(tzinfo=None).isoformat(),
        "implementation_version": f"dsk/{_version()}",
        "prediction_type": bake.objective.prediction_type,
    }
    if phrase := bake.settings.word or trigger_phrase(bake.dataset.items):
        spec["trigger_phrase"] = phrase
    if (config.timesteps.min, config.timesteps.max) != (0, 1000):
        spec["timestep_range"] = f"{config.timesteps.min},{config.timesteps.max}"
    if config.text.clip_skip:
        spec["encoder_layer"] = str(config.text.clip_skip)
    return {f"modelspec.{key}": value for key, value in spec.items()}


def minimum(spec: dict[str, str]) -> dict[str, str]:
    """What the specification asks for, and the prediction type, without which a model cannot be used."""
    return {f"modelspec.{key}": spec[f"modelspec.{key}"] for key in _MUST}


def trigger_phrase(items: Sequence[Item]) -> str:
    """The tags that are kept in front of all captions of a subset, else its class tokens; commas between subsets."""
    phrases: dict[str, None] = {}
    by_subset: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        if not item.subset.is_reg:
            by_subset.setdefault((item.set_number, item.set.subsets.index(item.subset)), []).append(item)
    for own in by_subset.values():
        kept = {_kept(caption, item) for item in own for caption in item.captions}
        phrase = kept.pop() if len(kept) == 1 else ""
        phrases[phrase or own[0].subset.class_tokens] = None
    return ", ".join(phrase for phrase in phrases if phrase)


def _kept(caption: str, item: Item) -> str:
    """The part of a caption that shuffling leaves in its place."""
    rule = item.subset.captions
    if rule.keep_tokens_separator and rule.keep_tokens_separator in caption:
        return caption.partition(rule.keep_tokens_separator)[0].strip(" ,")
    tags = [tag.strip() for tag in caption.split(rule.caption_separator or ",")]
    return ", ".join(tags[: rule.keep_tokens])


def _version() -> str:
    try:
        return metadata.version("dsk")
    except metadata.PackageNotFoundError:
        return "unknown"


def _implementation(bake: Bake) -> str:
    """Files of Stable Diffusion itself are laid out as its reference implementation has them, SD 1.5's LoRAs not."""
    if bake.adapter.product != "lora" and bake.family.architecture.startswith("stable-diffusion"):
        return _REFERENCE
    return bake.family.implementation
