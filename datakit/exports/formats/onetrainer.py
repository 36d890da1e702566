"""The concepts of OneTrainer: a folder each, and concepts.json.

Writes `<subset>/<stem>.<ext>` with `<stem>.txt` beside each, `<stem>-masklabel.png` where there are masks, and
`concepts.json` with one concept a subset. Open it in the concepts tab (`concept_file_name` of a training config).

What OneTrainer does with it:
- A concept trains as often as its `balancing`, with the strategy REPEATS. Regularization images are of the type
  PRIOR_PREDICTION: they hold the model to what it made of them before, where their like elsewhere are trained. Only
  training of a LoRA knows that type. Images held back are of the type VALIDATION.
- It caches captions and images with the latents, so what changes at random is drawn once and then stays. As many
  draws are cached as `text_variations` and `image_variations` say; they are 1 where nothing is random.
- Buckets are its own: nine aspect ratios from 1:1 to 1:4 and their reverses, in steps of 64 pixels for SDXL and 8 for
  SD 1.5. `512x768` as a resolution is one bucket for all, which is how training without buckets is written; it needs
  `aspect_ratio_bucketing`, which is on unless somebody turned it off.
- Images named `…-masklabel` or `…-condlabel` are not trained: such stems are written with `_`.
- Without a caption it trains an empty prompt and says nothing, so class tokens are written as captions.
- A path that is no folder is taken for a data set on Hugging Face.

Source: Nerogar/OneTrainer modules/util/config/ConceptConfig.py (keys), modules/dataLoader/mixin/
DataLoaderText2ImageMixin.py (masks, caption files, caches), modules/trainer/GenericTrainer.py and
modules/modelSetup/BaseModelSetup.py (PRIOR_PREDICTION); Nerogar/mgds src/mgds/pipelineModules/ AspectBucketing.py,
CollectPaths.py, DiskCache.py, DropTags.py, LoadMultipleTexts.py, VariationSorting.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from datakit.exports.arranging import unique_names
from datakit.exports.captions import fixed_tags, without_separator
from datakit.exports.configs.json_text import ascii_json
from datakit.exports.configs.onetrainer import CONCEPTS_NAME, configure, recipe_warnings, resolution
from datakit.exports.expressing import some
from datakit.exports.model import Export, ExportItem, Material, Plan, Subset
from datakit.exports.settings import Common

_MASK: Final = "-masklabel"
_UNTRAINED: Final = (_MASK, "-condlabel")
_VERSION: Final = 2
"""Of ConceptConfig."""
_STEP_PX: Final = 64

Variations = Annotated[int, msgspec.Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.onetrainer]`."""

    paths: Literal["absolute", "relative"] = "absolute"
    """Paths in concepts.json: absolute, or relative to where OneTrainer is started."""
    reg: Literal["prior", "standard"] = "prior"
    """What regularization images are: `prior` keeps what the model made of them, for LoRA; `standard` trains them."""
    text_variations: Variations = 10
    """How many shuffled or thinned captions of an image are cached, where captions change at random."""
    image_variations: Variations = 4
    """How many versions of an image are cached, where it is mirrored at random."""


def _plan(material: Material) -> Plan:
    images, texts, items = {}, {}, {}
    for subset in material.subsets:
        for item, stem in zip(subset.items, _stems(subset), strict=True):
            path = f"{subset.name}/{stem}.{item.image.extension}"
            images[path] = item.image
            items[item.key] = path
            if caption := _caption(item, subset, material.common):
                texts[f"{subset.name}/{stem}.txt"] = caption.encode()
            if item.mask is not None:
                images[f"{subset.name}/{stem}{_MASK}.png"] = item.mask
    texts[CONCEPTS_NAME] = concepts_json(material)
    return Plan(images=images, texts=texts, items=items, warnings=tuple(_warnings(material)))


def _stems(subset: Subset) -> list[str]:
    """Names of files: an item's name, unless OneTrainer would take it for something else."""
    names = [item.name for item in subset.items]
    if not any(name.endswith(_UNTRAINED) for name in names):
        return names
    kept = [name for name in names if not name.endswith(_UNTRAINED)]
    odd = [name for name in names if name.endswith(_UNTRAINED)]
    stems = dict(zip([*kept, *odd], unique_names([*kept, *map(_trained, odd)]), strict=True))
    return [stems[name] for name in names]


def _trained(name: str) -> str:
    head, _, tail = name.rpartition("-")
    return f"{head}_{tail}"


def _caption(item: ExportItem, subset: Subset, common: Common) -> str:
    return without_separator(item.caption, common.keep_tokens_separator) or subset.class_tokens


def concepts_json(material: Material) -> bytes:
    """The list of concepts; in ASCII, since OneTrainer reads it in the encoding of the system."""
    concepts = [_concept(subset, material) for subset in material.subsets]
    return ascii_json(concepts)


def _concept(subset: Subset, material: Material) -> dict[str, Any]:
    common, settings = material.common, material.settings
    is_random = not subset.is_validation and _changes_text(material, subset)
    is_flipped = common.flip_aug and not subset.is_validation
    return {
        "__version": _VERSION,
        "name": subset.name,
        "path": material.place(subset.name, absolute=settings.paths == "absolute"),
        "seed": zlib.crc32(subset.name.encode()) >> 2,
        "enabled": True,
        "type": _type(subset, material),
        "include_subdirectories": False,
        "image_variations": settings.image_variations if is_flipped else 1,
        "text_variations": settings.text_variations if is_random else 1,
        "balancing": float(1 if subset.is_validation else subset.repeats),
        "balancing_strategy": "REPEATS",
        "loss_weight": float(subset.loss_weight),
        "image": {
            "enable_crop_jitter": False,
            "enable_random_flip": is_flipped,
            "enable_resolution_override": True,
            "resolution_override": resolution(material),
        },
        "text": _text(subset, material),
    }


def _type(subset: Subset, material: Material) -> str:
    if subset.is_validation:
        return "VALIDATION"
    return "PRIOR_PREDICTION" if subset.is_reg and _keeps_prior(material) else "STANDARD"


def _keeps_prior(material: Material) -> bool:
    recipe = material.recipe
    return material.settings.reg == "prior" and (recipe is None or recipe.method == "lora")


def _text(subset: Subset, material: Material) -> dict[str, Any]:
    """How captions change; those of images that validate do not, so that losses can be compared."""
    common = material.common
    keep = _kept_tags(subset, common)
    text: dict[str, Any] = {
        "prompt_source": "sample",
        "enable_tag_shuffling": common.shuffle_caption and not subset.is_validation,
        "tag_delimiter": ",",
        "keep_tags_count": keep,
        "tag_dropout_enable": False,
    }
    if subset.is_validation:
        return text
    if common.caption_tag_dropout_rate:
        text |= _dropout("RANDOM", common.caption_tag_dropout_rate)
    elif common.caption_dropout_rate and not keep:
        text |= _dropout("FULL", common.caption_dropout_rate)
    return text


def _dropout(mode: str, rate: float) -> dict[str, Any]:
    return {"tag_dropout_enable": True, "tag_dropout_mode": mode, "tag_dropout_probability": float(rate)}


def _changes_text(material: Material, subset: Subset) -> bool:
    text = _text(subset, material)
    return bool(text["enable_tag_shuffling"] or text["tag_dropout_enable"])


def _kept_tags(subset: Subset, common: Common) -> int:
    """Tags that neither move nor drop; the most of all captions, so that what stands before a separator never does."""
    return max((common.keep_tokens, *_fixed(subset, common)))


def _fixed(subset: Subset, common: Common) -> set[int]:
    """How many tags stand before the separators of a subset's captions."""
    if not (common.shuffle_caption or common.caption_tag_dropout_rate):
        return set()
    return {fixed_tags(item.caption, common.keep_tokens_separator) for item in subset.items if item.caption}


def _warnings(material: Material) -> Iterator[str]:
    trained = [subset for subset in material.subsets if not subset.is_validation]
    yield from _warnings_of_captions(material, trained)
    yield from _warnings_of_settings(material)
    if material.recipe is None:
        yield from _warnings_without_config(material)
    else:
        yield from recipe_warnings(material.recipe)


def _warnings_of_captions(material: Material, trained: list[Subset]) -> Iterator[str]:
    common = material.common
    bare = [item.key for subset in material.subsets for item in subset.items if not _caption(item, subset, common)]
    if bare:
        yield f"without caption, so that OneTrainer trains an empty prompt: {some(bare)}"
    uneven = [subset.name for subset in trained if len(_fixed(subset, common)) > 1]
    if uneven:
        yield f"captions differ in how many tags stand before the separator; the most are kept in front: {some(uneven)}"
    if common.caption_dropout_rate:
        stuck = [subset.name for subset in trained if common.caption_tag_dropout_rate or _kept_tags(subset, common)]
        if stuck:
            yield f"OneTrainer has no caption dropout beside tags that drop or stay in front: {some(stuck)}"


def _warnings_of_settings(material: Material) -> Iterator[str]:
    reg = [subset.name for subset in material.subsets if subset.is_reg]
    if reg and material.settings.reg == "prior":
        if not _keeps_prior(material):
            yield f"only a LoRA keeps what the model made before: regularization images are trained: {some(reg)}"
        elif material.recipe is None:
            yield f"regularization images are of a type that only a LoRA can be trained with: {some(reg)}"
    size = resolution(material)
    if "x" in size and any(int(side) % _STEP_PX for side in size.split("x")):
        yield f"OneTrainer rounds the sides of {size} to multiples of {_STEP_PX} for SDXL, of 8 for SD 1.5"
    if not material.folder or material.settings.paths == "relative":
        yield f"paths in {CONCEPTS_NAME} are relative: OneTrainer takes them from the folder that it is started in"


def _warnings_without_config(material: Material) -> Iterator[str]:
    """What stands in OneTrainer's training config, and not in its concepts."""
    if material.common.batch_size != 1:
        yield f"the batch size is no part of concepts: set it to {material.common.batch_size} in OneTrainer"
    if any(subset.is_validation for subset in material.subsets):
        yield "OneTrainer validates where `validation` is on in its training config"
    if any(item.mask for subset in material.subsets for item in subset.items):
        yield "OneTrainer looks at masks where `masked_training` is on in its training config"


EXPORT = Export(
    name="onetrainer",
    target="onetrainer",
    mends=frozenset({"multi-line-caption", "orphaned-caption", "literal-separator"}),
    version=1,
    can=frozenset(
        {
            *("repeats", "loss-weight", "reg", "validation", "masks", "class-tokens", "resolution", "batch-size"),
            *("enable-bucket", "shuffle", "keep-tokens", "separator", "caption-dropout", "tag-dropout", "flip"),
        }
    ),
    settings=Settings,
    plan=_plan,
    configure=configure,
    is_bound=lambda settings: settings.paths == "absolute",
)
