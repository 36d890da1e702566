"""What is asked of a format and what it can hold: the difference is told, and never dropped in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from datakit.exports.model import Export, ExportItem, Material, Subset

_TOLD: Final = 3


class _Feature(NamedTuple):
    """Something that may be asked for."""

    words: str
    """For people, as the subject of `… cannot be held`."""
    asked: Callable[[Material], Sequence[str]]
    """Where it is asked for, for people; empty where it is not."""


def _setting(name: str) -> Callable[[Material], Sequence[str]]:
    def asked(material: Material) -> Sequence[str]:
        value = getattr(material.common, name)
        default = getattr(type(material.common)(), name)
        shown = list(value) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else value
        return [f"{name} = {shown}"] if value != default else []

    return asked


def _subsets(is_asked: Callable[[Subset], object]) -> Callable[[Material], Sequence[str]]:
    return lambda material: [subset.name for subset in material.subsets if is_asked(subset)]


FEATURES: Final[dict[str, _Feature]] = {
    "repeats": _Feature("repeats", _subsets(lambda subset: subset.repeats > 1)),
    "loss-weight": _Feature("loss weights", _subsets(lambda subset: subset.loss_weight != 1.0)),
    "reg": _Feature("regularization images", _subsets(lambda subset: subset.is_reg)),
    "validation": _Feature("images held back to validate", _subsets(lambda subset: subset.is_validation)),
    "masks": _Feature("masks", _subsets(lambda subset: any(item.mask for item in subset.items))),
    "class-tokens": _Feature("class tokens", _subsets(lambda subset: subset.class_tokens)),
    "resolution": _Feature("the resolution", _setting("resolution")),
    "batch-size": _Feature("the batch size", _setting("batch_size")),
    "enable-bucket": _Feature("training without buckets", _setting("enable_bucket")),
    "no-upscale": _Feature("buckets without enlarging", _setting("bucket_no_upscale")),
    "bucket-steps": _Feature("the step of buckets", _setting("bucket_reso_steps")),
    "bucket-bounds": _Feature(
        "bounds of buckets",
        lambda material: [*_setting("min_bucket_reso")(material), *_setting("max_bucket_reso")(material)],
    ),
    "shuffle": _Feature("shuffling of tags", _setting("shuffle_caption")),
    "keep-tokens": _Feature("tags that stay in front", _setting("keep_tokens")),
    "separator": _Feature(
        "the separator",
        _subsets(lambda subset: any("|||" in item.caption for item in subset.items)),
    ),
    "caption-dropout": _Feature("caption dropout", _setting("caption_dropout_rate")),
    "tag-dropout": _Feature("tag dropout", _setting("caption_tag_dropout_rate")),
    "flip": _Feature("mirroring", _setting("flip_aug")),
}
"""What a format may be able to hold (`Export.can`)."""


def unheld(export: Export, material: Material) -> Iterator[str]:
    """One warning with each thing that is asked for and that the format has no place for, and where it is asked for."""
    lacking = {
        feature.words: asked
        for name, feature in FEATURES.items()
        if name not in export.can and (asked := feature.asked(material))
    }
    if lacking:
        told = "; ".join(f"{words} ({some(asked)})" for words, asked in lacking.items())
        yield f"{export.name} has no place for {told}"


def left_out_in_words(left_out: Mapping[str, str]) -> Iterator[str]:
    """A line for each reason why items (key → reason) are not in an export: for the first ones, and for the rest."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in sorted(left_out.items()):
        by_reason.setdefault(reason, []).append(key)
    for reason in list(by_reason)[:_TOLD]:
        yield f"left out: {some(by_reason[reason])}: {reason}"
    if rest := [key for keys in list(by_reason.values())[_TOLD:] for key in keys]:
        yield f"left out: {some(rest)}: for other reasons, which the manifest lists"


def bare(members: Iterable[tuple[Subset, ExportItem]]) -> list[str]:
    """Keys of the items that have neither a caption nor class tokens."""
    return [item.key for subset, item in members if not item.caption and not subset.class_tokens]


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:_TOLD]) + (f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else "")
