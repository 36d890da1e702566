"""What every format is asked: `[export]` in dsk.toml, and `[export.<format>]` where one format differs.

The words are those of sd-scripts, which most trainers' users know.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]
Factor = Annotated[float, msgspec.Meta(gt=0, le=1000)]

_LEAST_PX: Final = 64
BALANCES: Final = ("concepts", "tags", "images")


class Concept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one concept, `[export.concepts.<name>]`; for one format `[export.<format>.concepts.<name>]`."""

    repeats: Positive | None = None
    """How often an epoch shows each image of this concept."""
    class_tokens: str = ""
    """What stands for a caption where an image has none."""
    loss_weight: Factor = 1.0
    """How much the loss of these images counts."""
    is_reg: bool = False
    """Whether these are regularization images, which show what the class looks like without the subject."""
    is_validation: bool = False
    """Whether these are held back from training, to validate it with."""


class Weight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of the images that a query finds, `[[export.weights]]`; of several that find one, the last says."""

    where: str
    """Which images: a query, as for dsk find."""
    repeats: Positive | None = None
    """How often an epoch shows each of them."""
    loss_weight: Factor | None = None
    """How much their loss counts; regularization images too are weighted by it."""


class Common(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that every format knows, or says that it cannot hold."""

    repeats: Positive = 1
    """How often an epoch shows each image."""
    balance: str = ""
    """Work the repeats out: `concepts` shows all concepts about as often, `tags` shows images with rare tags more
    often, `images=200` shows about 200 images of each concept in an epoch."""
    resolution: int | tuple[int, int] = 1024
    """Training resolution in pixels: a square's side, or [width, height]."""
    batch_size: Positive = 1
    """Images a step."""
    enable_bucket: bool = True
    """Keep aspect ratios by sorting images into buckets."""
    bucket_no_upscale: bool = False
    """Never enlarge an image to fill its bucket."""
    bucket_reso_steps: Positive = 64
    """Bucket sides are multiples of this."""
    min_bucket_reso: Positive = 256
    """Shortest side of a bucket, in pixels."""
    max_bucket_reso: Positive = 2048
    """Longest side of a bucket, in pixels."""
    shuffle_caption: bool = False
    """Shuffle tags at each step."""
    keep_tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    """How many tags at the front never move or drop; 1 protects a trigger word."""
    keep_tokens_separator: str = "|||"
    """Where a caption has this as a tag, nothing before it moves; some prompt profiles write it. Empty for none."""
    caption_dropout_rate: Rate = 0.0
    """Share of steps with an empty caption."""
    caption_tag_dropout_rate: Rate = 0.0
    """Share of tags that each step leaves out."""
    flip_aug: bool = False
    """Mirror images at random; harmful for asymmetric characters."""
    validation_split: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Share of each concept's images that is held back to validate with; which ones never changes as others come."""
    masks: str = ""
    """Where the loss counts: a folder of greyscale pictures named as the items are (`masks/aria/image1.png`; white
    counts), or `alpha` for what was opaque before transparency was flattened. Empty for no masks."""
    concepts: dict[str, Concept] = {}
    """Settings per concept, by its folder name."""
    weights: tuple[Weight, ...] = ()
    """Settings of images that a query finds: tables `[[export.weights]]`."""

    def __post_init__(self) -> None:
        # Bounds inside a union's tuple make msgspec 0.22 free memory twice, so they are checked here.
        if min(self.sides_px) < _LEAST_PX:
            raise ValueError(f"resolution {self.resolution} is under {_LEAST_PX} px")
        if self.enable_bucket:
            self._check_buckets()
        parse_balance(self.balance)

    def _check_buckets(self) -> None:
        """What sd-scripts asserts when it starts, told now (sd-scripts:library/train_util.py, make_buckets)."""
        steps, low, high = self.bucket_reso_steps, self.min_bucket_reso, self.max_bucket_reso
        if low < steps:
            raise ValueError(f"min_bucket_reso {low} is under bucket_reso_steps {steps}")
        if low - low % steps > min(self.sides_px):
            raise ValueError(f"min_bucket_reso {low} is over resolution {min(self.sides_px)}: set it to less")
        if high + -high % steps < max(self.sides_px):
            raise ValueError(f"max_bucket_reso {high} is under resolution {max(self.sides_px)}: set it to more")

    @property
    def sides_px(self) -> tuple[int, int]:
        """Resolution as (width, height)."""
        size = self.resolution
        return (size, size) if isinstance(size, int) else size


class Flags(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked for on the command line of one export; it holds until the next `dsk export` of that format."""

    where: str = ""
    """A query: only the items that it finds."""
    stage: str = ""
    """Whose images and captions; '' for wip."""
    balance: str = ""
    """In the place of `[export] balance`."""
    config: str = ""
    """Name of the training recipe that a starter config is written for; '' for none."""
    vram_gb: int = 0
    """Memory of the GPU that the recipe must fit into; 0 for the recipe's own."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides how one format is written."""

    common: Common
    own: Any
    """The format's own settings."""
    bake: dict[str, Any] = {}
    """`[bake]`: what a starter config takes over."""
    flags: Flags = Flags()


class Balance(msgspec.Struct, frozen=True):
    """How repeats are worked out."""

    by: Literal["", "concepts", "tags", "images"]
    images: int = 0
    """How many an epoch is to show of each concept, where that is said."""


def parse_balance(text: str) -> Balance:
    """`concepts`, `tags`, `images=200`, or nothing.

    Raises:
        ValueError: anything else.
    """
    by, equals, number = text.strip().partition("=")
    if by == "images" and number.strip().isdecimal() and int(number) > 0:
        return Balance("images", int(number))
    if equals or by not in ("", "concepts", "tags"):
        raise ValueError(f"balance '{text}' is none of: concepts, tags, images=200")
    return Balance(by)  # type: ignore[arg-type]  # one of the words, as asked above
