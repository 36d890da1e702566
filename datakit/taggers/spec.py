"""A tagger's spec: what its ONNX file wants and gives, so that no tagger needs code of its own.

The defaults are the WD family's (SmilingWolf's wd-tagger space): NHWC, BGR, 0 to 255, white square pad, bicubic,
probabilities, `selected_tags.csv`. A spec that says nothing of its input is one of them.
"""

from __future__ import annotations

import tomllib
from typing import Any, Final, Literal

import msgspec

from datakit.config import decode
from datakit.errors import ConfigError
from datakit.images.colour import Colour, parse_colour

Layout = Literal["nhwc", "nchw"]
Channels = Literal["rgb", "bgr"]
Scale = Literal["0-255", "0-1"]
Fit = Literal["pad-square", "resize-pad", "stretch"]
Resample = Literal["bicubic", "bilinear", "lanczos", "nearest"]
Activation = Literal["none", "sigmoid", "softmax"]
Format = Literal["csv", "cl-json", "camie-json", "lines"]

RATING: Final = "rating"
"""The category of the labels of which the likeliest is the image's rating."""
LABEL_CATEGORIES: Final = (
    *("general", "character", "copyright", "artist", "species", "meta"),
    *(RATING, "quality", "model", "year", "lore"),
)
"""Categories that a label may have; the last five are no tags of a site."""
CATEGORY_CODES: Final = {
    "0": "general",
    "1": "artist",
    "3": "copyright",
    "4": "character",
    "5": "meta",
    "9": RATING,
    "10": "year",
}
"""Danbooru's numbers, with the taggers' own 9 and 10."""


class Files(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Paths in the repository, or beneath a folder; of a folder, names alone will do."""

    model: str = "model.onnx"
    """The ONNX file."""
    labels: str = "selected_tags.csv"
    """The file that names the outputs."""
    more: tuple[str, ...] = ()
    """Files that belong to the model, such as weights outside of the ONNX file."""
    labels_repository: str = ""
    """Where the labels are, when it is another repository than the model's."""
    size_bytes: int = 0
    """Of all, as the hub tells; 0 where nobody verified it."""


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an image becomes the model's one input."""

    layout: Layout = "nhwc"
    """Order of the axes: `nhwc` or `nchw`."""
    size_px: int = 0
    """Side of the square; 0 takes the model's own."""
    channels: Channels = "bgr"
    """Order of the colours: `bgr` or `rgb`."""
    scale: Scale = "0-255"
    """Range of the numbers before `mean` and `std`."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Taken from the scaled numbers, channel by channel, in the order of `channels`."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """What the rest is divided by."""
    fit: Fit = "pad-square"
    """`pad-square` pads to a square and resizes that; `resize-pad` resizes the longer side and pads then; `stretch`
    resizes whatever the shape."""
    pad: str = "white"
    """Colour of the padding."""
    background: str = "white"
    """Colour behind transparent pixels."""
    resample: Resample = "bicubic"
    """How Pillow resizes."""

    @property
    def pad_colour(self) -> Colour:
        """`pad` as numbers."""
        return parse_colour(self.pad)

    @property
    def background_colour(self) -> Colour:
        """`background` as numbers."""
        return parse_colour(self.background)


class Output(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which output holds a number for each label."""

    name: str = ""
    """Its name; '' takes it by `index`."""
    index: int = 0
    """Which of the model's outputs, from 0."""
    activation: Activation = "none"
    """What makes probabilities of it: `none` where they are, `sigmoid` or `softmax` for logits."""


class LabelFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the file that names the outputs is written."""

    format: Format = "csv"
    """`csv` with a header, `cl-json`, `camie-json`, or `lines`: a name a line."""
    name: str = "name"
    """Column of the names, of a CSV."""
    category: str = "category"
    """Column of the categories, of a CSV; a file without it has general tags alone."""
    threshold: str = "best_threshold"
    """Column of each tag's own threshold, of a CSV that has one."""
    series: str = "ips"
    """Column of the series that a character is from, of a CSV that has one: a JSON list."""
    categories: dict[str, str] = msgspec.field(default_factory=CATEGORY_CODES.copy)
    """What the file writes for a category → its name here; a label of any other is known, and never taken."""


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tagger, as its file declares it."""

    summary: str = ""
    """One line for the list."""
    repository: str = ""
    """`owner/name` on the Hugging Face hub; '' where it lies in a folder only."""
    revision: str = "main"
    """Branch, tag or commit of the repository."""
    licence: str = ""
    """Of the weights, as the repository says; '' where nobody verified it."""
    num_tags: int = 0
    """Labels, as far as known; 0 where nobody counted."""
    unverified: tuple[str, ...] = ()
    """What nobody could verify."""
    files: Files = Files()
    """What lies where."""
    input: Input = Input()
    """What the model wants."""
    output: Output = Output()
    """What it gives."""
    labels: LabelFile = msgspec.field(default_factory=LabelFile)
    """What that means."""
    thresholds: dict[str, float] = msgspec.field(default_factory={"general": 0.35, "character": 0.85}.copy)
    """Category → score from which its tags are taken; tags of any other category are not taken."""
    inclusive: bool = False
    """Whether a score that equals the threshold is enough: `>=` instead of `>`."""
    rating: Literal["argmax", "none"] = "argmax"
    """How the rating is told: the likeliest of the labels of category `rating`, or not at all."""


def parse_spec(text: str, where: str) -> Spec:
    """A spec from its TOML; `where` names the file in messages.

    Raises:
        ConfigError: no TOML, an unknown key (the nearest is named), or a value that means nothing.
    """
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{where}: not valid TOML: {error}", hint="correct that line") from error
    spec = decode(table, Spec, where=where)
    _check(spec, where)
    return spec


def _check(spec: Spec, where: str) -> None:
    for field in ("pad", "background"):
        try:
            parse_colour(getattr(spec.input, field))
        except ValueError as error:
            raise ConfigError(f"{where} input: {field}: {error}") from error
    if not all(spec.input.std):
        raise ConfigError(f"{where} input: std: 0 divides nothing", hint="leave it out for 1")
    if not 0 <= spec.input.size_px <= _MOST_PX or spec.output.index < 0:
        raise ConfigError(f"{where}: size_px is 0 to {_MOST_PX:,}, and index 0 or more")
    for name in (*spec.thresholds, *spec.labels.categories.values()):
        if name not in LABEL_CATEGORIES:
            raise ConfigError(f"{where}: no category '{name}'", hint=f"there are: {', '.join(LABEL_CATEGORIES)}")
    for name in (spec.files.model, spec.files.labels, *spec.files.more):
        if not _is_inside(name):
            raise ConfigError(f"{where} files: '{name}' leaves the repository", hint="write a path inside of it")
    if not _is_inside(spec.revision):
        raise ConfigError(f"{where}: revision '{spec.revision}' is none", hint="a branch, a tag or a commit")


_MOST_PX: Final = 4096


def _is_inside(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return bool(path) and ":" not in path and not any(part in ("", ".", "..") for part in parts)
