"""Which recipe is meant, fitted into the GPU, with what `[bake]` says laid over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

import msgspec

from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError, UsageError
from datakit.exports.recipes.model import Method, Recipe
from datakit.exports.recipes.models import MODELS, SIDE_PX, BaseModel
from datakit.exports.settings import Asked, Common
from datakit.registry import nearest

METHODS: Final[tuple[Method, ...]] = ("lora", "finetune")
_RATES: Final[dict[Method, float]] = {"lora": 1e-4, "finetune": 1e-5}


class _Fit(NamedTuple):
    """What is changed on a GPU of less than so much memory."""

    below_gb: int
    changes: dict[str, Any]


_FITS: Final[dict[tuple[str, Method], tuple[_Fit, ...]]] = {
    ("sdxl", "lora"): (
        _Fit(24, {"optimizer": "adamw8bit"}),
        _Fit(12, {"cache_text": True}),
        _Fit(10, {"rank": 4, "alpha": 4.0}),
    ),
    ("sdxl", "finetune"): (_Fit(48, {"optimizer": "adafactor", "cache_text": True}),),
    ("sd15", "lora"): (_Fit(8, {"optimizer": "adamw8bit"}),),
    ("sd15", "finetune"): (_Fit(24, {"optimizer": "adamw8bit"}),),
}
"""By the figures of sd-scripts' docs/train_SDXL-en.md: a LoRA of SDXL fits into 8 GB at a rank of 4 to 8, 10 GB are
recommended; a full finetune takes 24 GB with checkpointing, cached text and Adafactor. All at batch 1. The bounds of
SD 1.5 are no published figures."""
_BATCH_ONE_BELOW_GB: Final[dict[tuple[str, Method], int]] = {
    ("sdxl", "lora"): 12,
    ("sdxl", "finetune"): 48,
    ("sd15", "lora"): 8,
    ("sd15", "finetune"): 24,
}
_LEAST_GB: Final[dict[tuple[str, Method], int]] = {
    ("sdxl", "lora"): 8,
    ("sdxl", "finetune"): 24,
    ("sd15", "lora"): 4,
    ("sd15", "finetune"): 12,
}


def recipe_names() -> list[str]:
    """Every recipe, as `--with-config` takes it."""
    return [f"{model}-{method}" for model in MODELS for method in METHODS]


def recipe_for(name: str, asked: Asked) -> Recipe:
    """The recipe of that name for what is exported: its defaults, fitted into the GPU, with `[bake]` over both.

    Raises:
        ConfigError: `[bake]` says what no recipe can hold.
        UsageError: there is none, or the GPU is too small for it.
    """
    model_name, _, method = name.rpartition("-")
    if name not in recipe_names():
        like = nearest(name, recipe_names())
        told = f"did you mean '{like}'?" if like else ""
        raise UsageError(f"no recipe '{name}'", hint=told or f"one of: {', '.join(recipe_names())}")
    model = MODELS[model_name]
    plain = _plain(name, model, "lora" if method == "lora" else "finetune", asked.common)
    recipe = msgspec.structs.replace(_fitted(plain, asked.flags.vram_gb), **_baked(asked.bake))
    may_cache = not _changes_captions(asked.common)
    advice = tuple(_advice(recipe, asked.common))
    return msgspec.structs.replace(recipe, cache_text=recipe.cache_text and may_cache, advice=advice)


def _plain(name: str, model: BaseModel, method: Method, common: Common) -> Recipe:
    return Recipe(
        name=name,
        architecture=model.architecture,
        prediction=model.prediction,
        zero_terminal_snr=model.zero_terminal_snr,
        method=method,
        base=model.base,
        learning_rate=_RATES[method],
        batch_size=common.batch_size,
        cache_text=method == "finetune",
        clip_skip=model.clip_skip,
        resolution_px=common.sides_px,
    )


def _changes_captions(common: Common) -> bool:
    """Whether each step may see another caption, so that nothing can be computed from it once."""
    return common.shuffle_caption or common.caption_dropout_rate > 0 or common.caption_tag_dropout_rate > 0


def _advice(recipe: Recipe, common: Common) -> Iterator[str]:
    """What of the dataset's settings does not go together with the recipe."""
    side = SIDE_PX[recipe.architecture]
    if 2 * max(recipe.resolution_px) > 3 * side or min(recipe.resolution_px) * 2 < side:
        yield f"{recipe.name}: the model was trained at {side} px; set [export] resolution = {side}"
    if recipe.cache_text and _changes_captions(common):
        yield f"{recipe.name}: text is not cached, since captions change from step to step; it needs more memory"
    if recipe.vram_gb and recipe.batch_size > 1 and recipe.vram_gb < _BATCH_ONE_BELOW_GB[_kind(recipe)]:
        yield f"{recipe.name}: fits into {recipe.vram_gb} GB with batch_size = 1; [export] has {recipe.batch_size}"


def _kind(recipe: Recipe) -> tuple[str, Method]:
    return recipe.architecture, recipe.method


def _fitted(recipe: Recipe, vram_gb: int) -> Recipe:
    if not vram_gb:
        return recipe
    kind = _kind(recipe)
    if vram_gb < _LEAST_GB[kind]:
        raise UsageError(
            f"{recipe.name} does not fit into {vram_gb} GB: it needs {_LEAST_GB[kind]} GB",
            hint=_smaller(vram_gb),
        )
    for fit in _FITS[kind]:
        if vram_gb < fit.below_gb:
            recipe = msgspec.structs.replace(recipe, **fit.changes)
    return msgspec.structs.replace(recipe, vram_gb=vram_gb)


def _smaller(vram_gb: int) -> str:
    """What fits into so little."""
    fitting = [kind for kind, least in _LEAST_GB.items() if vram_gb >= least]
    words = {
        ("sdxl", "lora"): "a LoRA of SDXL",
        ("sd15", "lora"): "a LoRA of SD 1.5",
        ("sd15", "finetune"): "a finetune of SD 1.5",
    }
    named = [words[kind] for kind in fitting if kind in words]
    if not named:
        return f"the smallest, sd15-lora, needs {min(_LEAST_GB.values())} GB"
    return f"into {vram_gb} GB fits {' or '.join(named)}"


class _Field(NamedTuple):
    """Where `[bake]` says something of a recipe."""

    table: str
    key: str
    field: str
    kind: Any
    """What the value must be."""
    read: Callable[[Any], Any] = lambda value: value


_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Rate = Annotated[float, msgspec.Meta(ge=0)]
_Factor = Annotated[float, msgspec.Meta(gt=0)]
_EPOCHS: Final = 10
"""What an `epochs` of 0 means to dsk bake."""
_FIELDS: Final = (
    _Field("model", "base", "base", str),
    _Field("adapter", "rank", "rank", _Positive),
    _Field("adapter", "alpha", "alpha", _Factor),
    _Field("objective", "name", "prediction", Literal["epsilon", "v_prediction"]),
    _Field("optimizer", "name", "optimizer", Literal["adamw", "adamw8bit", "adafactor"]),
    _Field("optimizer", "learning_rate", "learning_rate", _Factor),
    _Field("optimizer", "weight_decay", "weight_decay", _Rate),
    _Field("optimizer", "max_grad_norm", "max_grad_norm", _Rate),
    _Field("train", "steps", "steps", _Count),
    _Field("train", "epochs", "epochs", _Count, lambda number: number or _EPOCHS),
    _Field("train", "gradient_accumulation", "gradient_accumulation", _Positive),
    _Field("train", "precision", "precision", Literal["bf16", "fp16", "fp32"]),
    _Field("train", "seed", "seed", _Count),
    _Field("sample", "prompts", "prompts", tuple[str, ...]),
    _Field("sample", "negative", "negative", str),
)


def _baked(bake: Mapping[str, Any]) -> dict[str, Any]:
    """What `[bake]` says; keys that only the trainer knows, it refuses itself when it bakes."""
    found: dict[str, Any] = {}
    for one in _FIELDS:
        table = bake.get(one.table)
        if isinstance(table, Mapping) and table.get(one.key) not in (None, ""):
            found[one.field] = one.read(_checked(one, table[one.key]))
    return found


def _checked(one: _Field, value: Any) -> Any:
    try:
        return msgspec.convert(value, one.kind)
    except msgspec.ValidationError as error:
        where = f"{CONFIG_NAME} [bake.{one.table}] {one.key}"
        raise ConfigError(f"{where}: {error}", hint=_cure(one, value)) from error


def _cure(one: _Field, value: Any) -> str:
    """What to write in the place of a value that is wrong; '' where the error says so itself."""
    if words := [word for word in get_args(one.kind) if isinstance(word, str)]:
        like = nearest(value, words) if isinstance(value, str) else ""
        return f"did you mean '{like}'?" if like else f"one of: {', '.join(words)}"
    if get_origin(one.kind) is tuple and isinstance(value, str):
        return f"a list: {one.key} = [...]"
    return "a number stands without quotation marks" if isinstance(value, str) else ""
