"""The folders of kohya_ss, the GUI of bmaltais, and its JSON config.

Writes `img/<repeats>_<subset>/<stem>.<ext>` with `<stem>.txt` beside each, `reg/` in the same way, and
`kohya_gui.json`, to be opened in the GUI (LoRA, Configuration, Load). `model/` and `log/` it makes itself.

Folders cannot say everything. Where there are masks, images to validate with, a separator in captions, or tag dropout,
a `dataset.toml` as of the format kohya says it, and the JSON names that: the GUI then counts no steps itself, so say
epochs or steps in it (`--with-config` does).

- Paths are absolute: the GUI is started elsewhere.
- Where an image has no caption, its folder's name is trained, so class tokens are written as captions.
- There is one loss weight for all regularization images.
- Images in BMP are written as PNG: the GUI does not count them.
- A seed of 0 is a random one to the GUI.

Source: bmaltais/kohya_ss kohya_gui/lora_gui.py (train_model, FIELD_REGISTRY), kohya_gui/dreambooth_gui.py,
kohya_gui/common_gui.py (verify_image_folder_pattern, update_my_data), docs/image_folder_structure.md.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from datakit.exports.configs.kohyagui import arguments
from datakit.exports.configs.sdscripts import output_dir, prior_loss_weight
from datakit.exports.expressing import bare, some
from datakit.exports.formats.kohya import dataset_toml, warnings, weighted
from datakit.exports.layout import REG, Place, members, places, plan_folders, separator_of
from datakit.exports.model import Export, Material, Plan
from datakit.exports.recipes.model import Recipe

_CONFIG: Final = "kohya_gui.json"
_TRAIN: Final = "img"
_SAME: Final = (
    *("enable_bucket", "bucket_no_upscale", "bucket_reso_steps", "min_bucket_reso", "max_bucket_reso"),
    *("shuffle_caption", "keep_tokens", "caption_dropout_rate", "flip_aug"),
)
"""Settings that the GUI names as sd-scripts does."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.kohya-gui]`."""


def _plan(material: Material) -> Plan:
    found = places(material, train=f"{_TRAIN}/")
    plan = plan_folders(material, found, class_tokens=False)
    texts = plan.texts | {_CONFIG: _encoded(_settings(material, found))}
    if _needs_toml(material, found):
        texts["dataset.toml"] = dataset_toml(material, found, is_absolute=True).encode()
    return msgspec.structs.replace(plan, texts=texts, warnings=tuple(_warnings(material, found)))


def _needs_toml(material: Material, found: Sequence[Place]) -> bool:
    """Whether folders cannot say it."""
    return (
        any(place.masks or place.subset.is_validation for place in found)
        or bool(separator_of(material))
        or material.common.caption_tag_dropout_rate > 0
    )


def _warnings(material: Material, found: Sequence[Place]) -> Iterator[str]:
    if names := weighted(material):
        yield f"sd-scripts has no place for loss weights but of regularization images: {some(names)}"
    yield from warnings(material, found)
    untold = bare((place.subset, item) for place, item in members(found))
    if untold and _needs_toml(material, found):
        yield f"without caption, so that an empty prompt is trained: {some(untold)}"
    elif untold:
        yield f"without caption, so that the folder's name is trained: {some(untold)}"
    if _needs_toml(material, found) and material.recipe is None:
        yield f"{_CONFIG} names dataset.toml: set epochs or steps in the GUI, which counts none then"
    if not material.folder:
        yield f"{_CONFIG} has relative paths, since nobody knows the folder: start the GUI there, or change them"


def _settings(material: Material, found: Sequence[Place]) -> dict[str, Any]:
    common = material.common
    needs_toml = _needs_toml(material, found)
    has_reg = any(subset.is_reg for subset in material.subsets)
    return {
        "LoRA_type": "Standard",
        "train_data_dir": "" if needs_toml else material.place(_TRAIN),
        "reg_data_dir": material.place(REG) if has_reg and not needs_toml else "",
        "dataset_config": material.place("dataset.toml") if needs_toml else "",
        "output_dir": _place(material, "model"),
        "logging_dir": _place(material, "log"),
        "caption_extension": ".txt",
        "max_resolution": ",".join(map(str, common.sides_px)),
        "train_batch_size": common.batch_size,
        **{name: getattr(common, name) for name in _SAME},
        "masked_loss": any(bool(place.masks) for place in found),
        "prior_loss_weight": prior_loss_weight(material) or 1.0,
    }


def _place(material: Material, name: str) -> str:
    """A folder of results, which must not lie in the dataset's own folders."""
    place = output_dir(material, "kohya-gui")
    inside = name if place == "output" else f"{place}/{name}"
    return posixpath.normpath(material.place(inside))


def _encoded(settings: dict[str, Any]) -> bytes:
    return (json.dumps(dict(sorted(settings.items())), ensure_ascii=False, indent=2) + "\n").encode()


def _configure(material: Material, recipe: Recipe) -> dict[str, bytes]:
    return {_CONFIG: _encoded(_settings(material, places(material, train=f"{_TRAIN}/")) | arguments(recipe))}


EXPORT = Export(
    name="kohya-gui",
    target="sd-scripts",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=2,
    extensions=frozenset({"png", "jpg", "webp"}),
    can=frozenset(
        {
            *("repeats", "loss-weight", "reg", "validation", "masks", "class-tokens", "resolution", "batch-size"),
            *("enable-bucket", "no-upscale", "bucket-steps", "bucket-bounds", "shuffle", "keep-tokens", "separator"),
            *("caption-dropout", "tag-dropout", "flip"),
        }
    ),
    settings=Settings,
    plan=_plan,
    configure=_configure,
    is_bound=lambda settings: True,
)
