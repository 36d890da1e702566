"""What a dataset says of its pictures: sets, their subsets, and how captions become texts. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.data.buckets import BucketRule


@dataclass(frozen=True)
class CaptionRule:
    """How a caption becomes the text of one draw."""

    shuffle_caption: bool = False
    keep_tokens: int = 0
    keep_tokens_separator: str = ""
    caption_separator: str = ","
    secondary_separator: str = ""
    caption_prefix: str = ""
    caption_suffix: str = ""
    caption_dropout_rate: float = 0.0
    caption_dropout_every_n_epochs: int = 0
    caption_tag_dropout_rate: float = 0.0
    enable_wildcard: bool = False
    token_warmup_min: int = 1
    token_warmup_step: float = 0.0
    """Below 1 a share of all steps."""


@dataclass(frozen=True)
class Subset:
    """One folder of pictures, or the pictures that one metadata file lists."""

    image_dir: Path
    """The folder; with a metadata_file, where its relative paths begin."""
    num_repeats: int
    class_tokens: str
    caption_extension: str
    flip_aug: bool
    captions: CaptionRule
    random_crop: bool = False
    color_aug: bool = False
    face_crop_aug_range: tuple[float, float] | None = None
    """A face's size is at least resolution / second, at most resolution / first."""
    is_reg: bool = False
    alpha_mask: bool = False
    mask_dir: Path | None = None
    """`conditioning_data_dir`."""
    metadata_file: Path | None = None
    loss_weight: float = 1.0
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    """File name -> its weight, instead of loss_weight."""
    interpolation: str = ""
    """Empty: the set's."""


@dataclass(frozen=True)
class ImageSet:
    """One `[[datasets]]`: subsets that share resolution, buckets and batch size."""

    batch_size: int
    buckets: BucketRule
    interpolation: str
    subsets: tuple[Subset, ...]
    validation_split: float = 0.0
    """Share of each subset's pictures that is held out."""
    validation_seed: int | None = None
    network_multiplier: float = 1.0
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""


@dataclass(frozen=True)
class Fallback:
    """What the run's own TOML and the family say where the dataset TOML is silent."""

    batch_size: int
    resolution_px: int
    general: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the dataset TOML from the run's `[dataset.general]`."""
