"""A dataset card: `README.md` as the Hugging Face hub reads it, with what is known of the dataset.

Source: huggingface/hub-docs datasetcard.md and docs/hub/datasets-cards.md (the head),
docs/hub/datasets-manual-configuration.md (configs).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from datakit.exports.configs.yaml_text import yaml_text
from datakit.exports.publishing import PublishSettings
from datakit.exports.rows import SPLITS

SHEET_NAME: Final = "thumbnails.png"
CARD_NAME: Final = "README.md"
ADULT: Final = "not-for-all-audiences"
_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")
_UNKNOWN: Final = "unknown"
Counts = Mapping[str, int]


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """One split of the dataset."""

    name: str
    num_images: int
    size_bytes: int
    """Of its images."""


class ConceptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One subset."""

    concept: str
    split: str
    num_images: int
    repeats: int
    is_reg: bool


class CardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a card tells of a dataset; the most frequent come first in each count."""

    settings: PublishSettings
    title: str
    splits: tuple[Split, ...]
    concepts: tuple[ConceptRow, ...]
    features: Mapping[str, str]
    """Column → its type, as the hub names it."""
    sides_px: tuple[int, int, int]
    """Smallest, median and largest of the images' shorter sides."""
    sizes: Counts
    """`832 × 1216` → images of that size."""
    buckets: Counts
    """Bucket → images, at the training resolution."""
    resolution_px: tuple[int, int]
    tokens: tuple[int, int, int]
    """Median and largest number of a caption's tokens, and how many captions have over 75."""
    num_without_caption: int
    tags: Counts
    ratings: Counts
    """'' for images that nobody rated."""
    sites: Counts
    """'' for images of no known site."""
    is_adult: bool
    has_sheet: bool
    dsk: str
    commit: str
    """'' where nothing is committed."""
    stage: str
    seen_as: str
    """How `load_dataset` names it: the repository, or a folder."""

    @property
    def num_images(self) -> int:
        """In all splits."""
        return sum(split.num_images for split in self.splits)


def card_text(facts: CardFacts) -> str:
    """The whole file."""
    head = yaml_text([], _head(facts)).decode()
    return f"---\n{head}---\n\n" + "\n".join(_body(facts)).rstrip() + "\n"


def size_category(number: int) -> str:
    """As the hub sorts datasets by their number of images."""
    return next((word for most, word in _SIZES if number < most), "1M<n<10M")


def _head(facts: CardFacts) -> dict[str, Any]:
    settings = facts.settings
    own = ["image", "text", "dsk", *settings.tags, *([ADULT] if facts.is_adult else [])]
    size_bytes = sum(split.size_bytes for split in facts.splits)
    return {
        **({"license": settings.license} if settings.license else {}),
        "language": list(settings.language),
        "pretty_name": facts.title,
        "task_categories": ["text-to-image"],
        "tags": list(dict.fromkeys(own)),
        "size_categories": [size_category(facts.num_images)],
        "configs": [{"config_name": "default", "data_files": list(_data_files(facts))}],
        "dataset_info": {
            "features": [{"name": name, "dtype": kind} for name, kind in facts.features.items()],
            "splits": [
                {"name": split.name, "num_bytes": split.size_bytes, "num_examples": split.num_images}
                for split in facts.splits
            ],
            "dataset_size": size_bytes,
        },
    }


def _data_files(facts: CardFacts) -> Iterator[dict[str, str]]:
    is_table = facts.settings.format == "parquet"
    for split in facts.splits:
        yield {"split": split.name, "path": f"data/{split.name}-*.parquet" if is_table else f"{split.name}/**"}


def _body(facts: CardFacts) -> Iterator[str]:
    yield f"# {escaped(facts.title)}\n"
    if facts.settings.description:
        yield f"{facts.settings.description.strip()}\n"
    if facts.is_adult:
        yield "**Not for all audiences:** images in here are rated questionable or explicit.\n"
    if facts.has_sheet:
        yield f"![Some of the images]({SHEET_NAME})\n"
    yield "## What is in it\n"
    yield from _table(("split", "images", "size"), [_split_row(split) for split in facts.splits])
    yield from _table(
        ("concept", "split", "images", "repeats", ""),
        [
            (one.concept or "(none)", one.split, f"{one.num_images:,}", one.repeats, "regularization" * one.is_reg)
            for one in facts.concepts
        ],
    )
    yield "## Images\n"
    yield f"Shorter sides: {facts.sides_px[0]} to {facts.sides_px[2]} px, the median is {facts.sides_px[1]} px.\n"
    yield from _counted(("size", "images"), facts.sizes)
    width, height = facts.resolution_px
    yield f"Buckets at a training resolution of {width} × {height}:\n"
    yield from _counted(("bucket", "images"), facts.buckets)
    yield from _captions(facts)
    yield from _origins(facts)


def _captions(facts: CardFacts) -> Iterator[str]:
    median, most, num_long = facts.tokens
    yield "## Captions\n"
    yield f"CLIP tokens: {median} in the median, {most} at most; {num_long:,} captions have more than 75."
    yield f"Images without caption: {facts.num_without_caption:,}.\n"
    yield from _counted(("tag", "images"), facts.tags)


def _origins(facts: CardFacts) -> Iterator[str]:
    yield "## Where it comes from\n"
    yield from _counted(("rating", "images"), _named(facts.ratings))
    yield from _counted(("site", "images"), _named(facts.sites))
    licence = f"`{facts.settings.license}`" if facts.settings.license else "none is named"
    yield f"Licence of the dataset: {licence}. The images stay their artists'.\n"
    yield "## How it was made\n"
    commit = f", commit `{facts.commit}`" if facts.commit else ""
    yield f"Published with dsk {facts.dsk} from the stage {facts.stage}{commit}; `manifest.json` has the settings"
    yield "and each file's sha256.\n"
    yield "```python\nfrom datasets import load_dataset\n"
    yield f'dataset = load_dataset("{facts.seen_as}")\n```'


def _split_row(split: Split) -> tuple[str, str, str]:
    return split.name, f"{split.num_images:,}", f"{split.size_bytes / 1e6:,.1f} MB"


def _named(counts: Counts) -> Counts:
    return {name or _UNKNOWN: number for name, number in counts.items()}


def _counted(columns: Sequence[str], counts: Counts) -> Iterator[str]:
    yield from _table(columns, [(name, f"{number:,}") for name, number in counts.items()])


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(escaped(str(cell)) for cell in row)} |"
    yield ""


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.encode("utf-8", "backslashreplace").decode().split()))


def sorted_splits(sizes: Mapping[str, tuple[int, int]]) -> tuple[Split, ...]:
    """Split → (images, bytes), training first; a split without images is none."""
    return tuple(
        Split(name=name, num_images=sizes[name][0], size_bytes=sizes[name][1])
        for name in SPLITS
        if name in sizes and sizes[name][0]
    )
