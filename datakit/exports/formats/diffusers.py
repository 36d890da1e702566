"""The imagefolder that diffusers' own example scripts read, with a script that starts them.

Writes `train/<subset>/<stem>.<ext>` and `train/metadata.jsonl` with the columns image and text that
`train_text_to_image*.py` look for; a starter config adds `train.sh`, which calls the script of the recipe with its
options. With `script = "dreambooth"` that is `train_dreambooth_lora_*_advanced.py`, which trains with regularization
images too: they lie in one folder `class_images/`, since that script opens everything in it.

The scripts have no repeats for a part of the images, so a repeated image has as many rows, which datasets 3.4 and
later read one by one. Images that are held back are the split `validation`, which no script reads. Every image is
scaled by its shorter side and cropped to a square; captions are cut at 77 tokens; loss weights, masks and tag
shuffling are nowhere. What stands on the command line only (resolution, batch size, mirroring) is in `train.sh`.

Source: huggingface/diffusers examples/text_to_image/train_text_to_image_lora_sdxl.py (columns, `train_data_dir`),
examples/advanced_diffusion_training/train_dreambooth_lora_sdxl_advanced.py (DreamBoothDataset, class images).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from datakit.exports.arranging import unique_names
from datakit.exports.configs.diffusers import recipe_warnings, train_script
from datakit.exports.expressing import FEATURES, some
from datakit.exports.formats.imagefolder import METADATA, folders_of, json_line, laid_out
from datakit.exports.model import Export, Material, Plan
from datakit.exports.recipes.model import Recipe
from datakit.exports.rows import Member, members, split_of, text_of
from datakit.model.item import ImageRef

CLASS_IMAGES: Final = "class_images"
_ON_COMMAND_LINE: Final = ("resolution", "batch-size", "flip")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.diffusers]`."""

    script: Literal["text-to-image", "dreambooth"] = "text-to-image"
    """Which of the example scripts is to read it; dreambooth knows regularization images."""


def _plan(material: Material) -> Plan:
    folders = folders_of(material)
    found = list(members(material))
    trained = [member for member in found if not member.subset.is_reg]
    images: dict[str, ImageRef] = {}
    items: dict[str, str] = {}
    lines: dict[str, list[bytes]] = {}
    for member in trained:
        path = laid_out(material, member, folders)
        images[path] = member.item.image
        items[member.item.key] = path
        line = json_line({"file_name": path.partition("/")[2], "text": text_of(member, material)})
        lines.setdefault(split_of(member.subset), []).extend([line] * member.subset.repeats)
    classes = dict(_class_images(found))
    return Plan(
        images=images | {path: member.item.image for path, member in classes.items()},
        texts={f"{split}/{METADATA}": b"".join(rows) for split, rows in sorted(lines.items())},
        items=items | {member.item.key: path for path, member in classes.items()},
        warnings=tuple(_warnings(material, found)),
    )


def _class_images(found: Sequence[Member]) -> Iterator[tuple[str, Member]]:
    """One flat folder: the script opens whatever lies in it as an image."""
    regular = [member for member in found if member.subset.is_reg]
    for name, member in zip(unique_names([item.name for _, item in regular]), regular, strict=True):
        yield f"{CLASS_IMAGES}/{name}.{member.item.image.extension}", member


def _warnings(material: Material, found: Sequence[Member]) -> Iterator[str]:
    if not any(split_of(member.subset) == "train" and not member.subset.is_reg for member in found):
        yield "no image is left to train with: all are held back or regularization images"
    regular = sorted({member.subset.name for member in found if member.subset.is_reg})
    if regular and material.settings.script != "dreambooth":
        yield f'only script = "dreambooth" reads regularization images: {some(regular)}'
    repeated = sorted({member.subset.name for member in found if member.subset.is_reg and member.subset.repeats > 1})
    if repeated and material.settings.script == "dreambooth":
        yield f"regularization images cannot be repeated: {some(repeated)}"
    width, height = material.common.sides_px
    if width != height:
        yield f"the scripts train squares: {min(width, height)} px in place of {width} × {height}"
    if cropped := sum(member.item.size_px[0] != member.item.size_px[1] for member in found):
        yield f"the scripts have no buckets: what is no square is cropped to one: {cropped:,} of {len(found):,} images"
    if material.recipe is not None:
        yield from recipe_warnings(material.recipe, is_dreambooth=material.settings.script == "dreambooth")
    else:
        asked = [one for name in _ON_COMMAND_LINE for one in FEATURES[name].asked(material)]
        if asked:
            yield f"to be said on the script's command line, or with --with-config: {some(asked)}"


def _configure(material: Material, recipe: Recipe) -> dict[str, bytes]:
    """`train.sh`."""
    regular = [subset for subset in material.subsets if subset.is_reg]
    return {
        "train.sh": train_script(
            material,
            recipe,
            is_dreambooth=material.settings.script == "dreambooth",
            class_folder=CLASS_IMAGES if regular else "",
        ).encode()
    }


EXPORT = Export(
    name="diffusers",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=1,
    can=frozenset({"repeats", "reg", "validation", "class-tokens", "enable-bucket", *_ON_COMMAND_LINE}),
    needs_sizes=lambda settings: True,
    settings=Settings,
    plan=_plan,
    configure=_configure,
)
