"""The folders and the dataset.toml of sd-scripts, kohya_ss and LoRA Easy Training Scripts.

Writes `<repeats>_<concept>/<stem>.<ext>` with `<stem>.txt` beside each, so that folder mode (`--train_data_dir`)
works, and a `dataset.toml` for config mode (`--dataset_config`) with every setting that folder mode leaves to the
command line; above all the caption extension, whose default in sd-scripts is `.caption`.

sd-scripts takes a relative `image_dir` from the directory that it is started in, so start it in the export's
folder, or set `image_dirs = "absolute"`.

What sd-scripts cannot read is not written, and said: the image of another extension, the caption that would be empty.
Whether such a dataset is to be exported at all, lint decides before.

Source: kohya-ss/sd-scripts library/config_util.py (schema, fallbacks), library/train_util.py (captions, extensions).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from datakit.errors import ConfigError, StateError
from datakit.exports.model import Export, ExportItem, Plan
from datakit.model.item import concept_of, stem_of
from datakit.model.order import WIP

_EXTENSIONS: Final = ("bmp", "jpeg", "jpg", "png", "webp")
_READ_BY_TRAINER: Final = frozenset({*_EXTENSIONS, *map(str.upper, _EXTENSIONS)})
_TOLD: Final = 3
"""How many files a warning names."""
_UNSORTED = "unsorted"
Positive = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Concept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one concept, `[export.kohya.concepts.<name>]`."""

    repeats: Positive | None = None
    """How often an epoch shows each image of this concept."""
    class_tokens: str = ""
    """What sd-scripts uses as the caption of an image that has none."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the export, `[export.kohya]`."""

    repeats: Positive = 1
    """How often an epoch shows each image."""
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
    flip_aug: bool = False
    """Mirror images at random; harmful for asymmetric characters."""
    image_dirs: Literal["relative", "absolute"] = "relative"
    """Paths in dataset.toml: relative to it, or absolute for a trainer started elsewhere."""
    concepts: dict[str, Concept] = {}
    """Settings per concept, by its folder name."""

    def __post_init__(self) -> None:
        # Bounds inside a union's tuple make msgspec 0.22 free memory twice, so they are checked here.
        if min(self.sides_px) < 64:
            raise ValueError(f"resolution {self.resolution} is under 64 px")
        if self.enable_bucket:
            self._check_buckets()

    def _check_buckets(self) -> None:
        """What sd-scripts asserts when it starts, told now (library/train_util.py, make_buckets)."""
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


def _plan(items: Sequence[ExportItem], settings: Settings, folder: str) -> Plan:
    """The export's files.

    Raises:
        StateError: sd-scripts reads no image of them.
        ConfigError: a concept in the settings that no item has, or two that need one folder.
    """
    read = [item for item in items if item.image.extension in _READ_BY_TRAINER]
    odd = [item for item in items if item.image.extension not in _READ_BY_TRAINER]
    if odd and not read:
        raise StateError(f"{WIP} has no image that sd-scripts reads", hint=f"it reads {', '.join(_EXTENSIONS)}")
    captions = {item.key: _caption(item.caption, settings) for item in read}
    concepts = sorted({concept_of(item.key) for item in read})
    unknown = sorted(set(settings.concepts) - set(concepts))
    if unknown:
        raise ConfigError(
            f"[export.kohya.concepts]: no concept '{unknown[0]}' in wip", hint=f"there are: {', '.join(concepts)}"
        )
    folders = _folders(concepts, settings)
    images = {_image_path(item, folders): item.image for item in read}
    texts = {_caption_path(item, folders): captions[item.key].encode() for item in read if captions[item.key]}
    separator = settings.keep_tokens_separator
    has_separator = bool(separator) and any(separator in caption for caption in captions.values())
    texts["dataset.toml"] = _dataset_toml(folders, settings, folder, has_separator=has_separator).encode()
    return Plan(
        images=images,
        texts=texts,
        items={item.key: _image_path(item, folders) for item in reversed(read)},
        warnings=tuple(_warnings(odd, [key for key, caption in captions.items() if not caption])),
    )


def _warnings(odd: Sequence[ExportItem], bare: Sequence[str]) -> Iterator[str]:
    if odd:
        names = _some([f"{WIP}/{item.key}.{item.image.extension}" for item in odd])
        yield f"left out, since sd-scripts reads only {', '.join(_EXTENSIONS)}: {names}"
    if bare:
        yield f"without caption, so that sd-scripts takes class_tokens or an empty prompt: {_some(bare)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_TOLD]) + (f" and {len(names) - _TOLD} more" if len(names) > _TOLD else "")


def _one_line(caption: str) -> str:
    """sd-scripts reads the first line only, so lines are joined as tags are."""
    lines = (line.strip().strip(",").strip() for line in caption.splitlines())
    return ", ".join(filter(None, lines))


def _caption(text: str, settings: Settings) -> str:
    """A caption as the trainer is to read it: sd-scripts would leave the separator in where it shuffles nothing."""
    line = _one_line(text)
    if settings.shuffle_caption or not settings.keep_tokens_separator or settings.keep_tokens_separator not in line:
        return line
    tags = (tag.strip() for tag in line.split(","))
    return ", ".join(tag for tag in tags if tag and tag != settings.keep_tokens_separator)


def _folders(concepts: Sequence[str], settings: Settings) -> dict[str, str]:
    folders: dict[str, str] = {}
    for concept in concepts:
        repeats = settings.concepts.get(concept, Concept()).repeats or settings.repeats
        name = f"{repeats}_{concept.replace('/', '_') or _UNSORTED}"
        clash = next((other for other, taken in folders.items() if taken.casefold() == name.casefold()), None)
        if clash is not None:
            raise ConfigError(f"concepts '{clash}' and '{concept}' need one folder {name}", hint="rename one of them")
        folders[concept] = name
    return folders


def _image_path(item: ExportItem, folders: dict[str, str]) -> str:
    return f"{folders[concept_of(item.key)]}/{stem_of(item.key)}.{item.image.extension}"


def _caption_path(item: ExportItem, folders: dict[str, str]) -> str:
    return f"{folders[concept_of(item.key)]}/{stem_of(item.key)}.txt"


def _dataset_toml(folders: dict[str, str], settings: Settings, folder: str, *, has_separator: bool) -> str:
    import tomlkit

    bucket = ("enable_bucket", "bucket_no_upscale", "bucket_reso_steps", "min_bucket_reso", "max_bucket_reso")
    dataset: dict[str, Any] = {
        "resolution": list(settings.sides_px),
        "batch_size": settings.batch_size,
        **({name: getattr(settings, name) for name in bucket} if settings.enable_bucket else {"enable_bucket": False}),
        "subsets": [_subset(concept, name, settings, folder) for concept, name in folders.items()],
    }
    general = {
        "caption_extension": ".txt",
        "shuffle_caption": settings.shuffle_caption,
        "keep_tokens": settings.keep_tokens,
        **({"keep_tokens_separator": settings.keep_tokens_separator} if has_separator else {}),
        "caption_dropout_rate": float(settings.caption_dropout_rate),
        "flip_aug": settings.flip_aug,
    }
    head = "# Written by dsk export; change [export.kohya] in dsk.toml instead.\n"
    if settings.image_dirs == "relative":
        head += "# image_dir is relative to this file: sd-scripts must be started in this folder.\n"
    return head + tomlkit.dumps({"general": general, "datasets": [dataset]})


def _subset(concept: str, name: str, settings: Settings, folder: str) -> dict[str, Any]:
    chosen = settings.concepts.get(concept, Concept())
    subset: dict[str, Any] = {
        "image_dir": f"{folder}/{name}" if settings.image_dirs == "absolute" else name,
        "num_repeats": chosen.repeats or settings.repeats,
    }
    return {**subset, "class_tokens": chosen.class_tokens} if chosen.class_tokens else subset


EXPORT = Export(
    name="kohya",
    title="sd-scripts folders and dataset.toml",
    target="sd-scripts",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=1,
    settings=Settings,
    plan=_plan,
    is_bound=lambda settings: settings.image_dirs == "absolute",
)
