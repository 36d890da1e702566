"""Block by block: ranks, alphas and rates of sd-scripts' lists as [[adapter.rules]].

SDXL has 23 places: the embeddings, nine blocks down, three in the middle, nine up, the end. Stable Diffusion 1.x has
25: twelve down (the first is none), one, twelve up (kohya-ss/sd-scripts:networks/lora.py, get_block_index).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from trainer.migration.desk import Desk
from trainer.migration.rates import finds_its_rate

_DIMS: Final = ("block_dims", "block_alphas")
_CONV: Final = ("conv_block_dims", "conv_block_alphas")
_WEIGHTS: Final = ("down_lr_weight", "mid_lr_weight", "up_lr_weight")
NAMES: Final = frozenset((*_DIMS, *_CONV, *_WEIGHTS, "block_lr_zero_threshold"))
_SDXL_ATTENTION: Final = frozenset({5, 6, 8, 9, 11, *range(13, 19)})
"""Places in which SDXL has attention; the others have convolutions only, or nothing that is a site."""
_SDXL_CONV: Final = frozenset(range(2, 22))
_SD15_ATTENTION: Final = frozenset({1, 2, 4, 5, 7, 8, 12, *range(16, 25)})
_SD15_CONV: Final = frozenset(range(1, 25))
_SDXL_PLACES, _SD15_PLACES = 23, 25


def apply(desk: Desk, given: dict[str, Any]) -> None:
    """Rules of a network's blocks."""
    _unsaid(desk, given, _CONV, "convolutions of a block have the rank that its rule says")
    lists: dict[str, list[float]] = {name: _numbers(given[name]) for name in (*_DIMS, *_WEIGHTS) if name in given}
    if not lists:
        _unsaid(desk, given, ("block_lr_zero_threshold",), "there are no weights of rates")
        return
    is_sdxl = _is_sdxl(desk, lists)
    places = _SDXL_PLACES if is_sdxl else _SD15_PLACES
    has_weights = any(name in lists for name in _WEIGHTS)
    weights = _weights(given, lists, is_sdxl=is_sdxl) if has_weights else None
    if weights and finds_its_rate(desk):
        weights = [float(weight > 0) for weight in weights]
        desk.add("network_args lr_weight", "", "not taken", remark="one rate for all; blocks of weight 0 are frozen")
    dims, alphas = lists.get("block_dims"), lists.get("block_alphas")
    if any(one is not None and len(one) != places for one in (dims, alphas, weights)):
        _unsaid(desk, given, NAMES - set(_CONV), f"the lists have not {places} numbers, or are curves by name")
        return
    dims = dims if dims is not None else [float(desk.config["adapter"]["rank"])] * places
    alphas = alphas if alphas is not None else [float(desk.config["adapter"]["alpha"])] * places
    rate = float(desk.config["optimizer"]["learning_rate"])
    numbers = [_rule(dims[place], alphas[place], None if weights is None else weights[place] * rate)
               for place in range(places)]  # fmt: skip
    has_conv = "conv_rank" in desk.config["adapter"]
    if desk.config["adapter"].get("targets") != "none":
        _write(desk, numbers, is_sdxl=is_sdxl, has_conv=has_conv)
    kind, remark = ("otherwise", "3x3 convolutions of a block get its rank too") if has_conv else ("taken", "")
    for name in (*_DIMS, *_WEIGHTS, "block_lr_zero_threshold"):
        if name in given:
            desk.add(f"network_args {name}", str(given[name])[:60], kind, ours="adapter.rules", remark=remark)  # type: ignore[arg-type]


def apply_whole(desk: Desk) -> None:
    """Rules of a full finetune's block_lr."""
    if "block_lr" not in desk:
        return
    rates = _numbers(desk.get("block_lr"))
    if len(rates) != _SDXL_PLACES or min(rates) < 0 or finds_its_rate(desk) or desk.is_sdxl is False:
        desk.note("block_lr", "not taken", f"it is {_SDXL_PLACES} rates, for SDXL, and no optimizer that finds one")
        return
    names = ["(time_embedding|add_embedding)", "conv_in", *(_sdxl(place) for place in range(2, 22)),
             "(conv_norm_out|conv_out)"]  # fmt: skip
    rules = [{"match": rf"unet\.{name}\..*|unet\.{name}", "learning_rate": rate}
             for name, rate in zip(names, rates, strict=True)]  # fmt: skip
    desk.config["adapter"].setdefault("rules", []).extend(rules)
    desk.note("block_lr", "taken", "", "adapter.rules")


def _write(desk: Desk, numbers: list[dict[str, Any]], *, is_sdxl: bool, has_conv: bool) -> None:
    """One rule for all blocks with the same numbers."""
    sites = {
        (True, True): _SDXL_CONV,
        (True, False): _SDXL_ATTENTION,
        (False, True): _SD15_CONV,
        (False, False): _SD15_ATTENTION,
    }[is_sdxl, has_conv]
    groups: list[tuple[dict[str, Any], list[str]]] = []
    for place in sorted(sites):
        name = _sdxl(place) if is_sdxl else _sd15(place)
        same = next((names for found, names in groups if found == numbers[place]), None)
        if same is None:
            groups.append((numbers[place], [name]))
        else:
            same.append(name)
    rules = [{"match": rf"unet\.({'|'.join(names)})\..*", **found} for found, names in groups]
    desk.config["adapter"].setdefault("rules", []).extend(rules)


def _rule(dim: float, alpha: float, rate: float | None) -> dict[str, Any]:
    made: dict[str, Any] = {"rank": max(0, int(dim))}
    if alpha > 0:
        made["alpha"] = float(alpha)
    return made if rate is None else made | {"learning_rate": max(0.0, rate)}


def _sdxl(place: int) -> str:
    """The block as checkpoints call it."""
    if place < 10:
        return rf"input_blocks\.{place - 1}"
    return rf"middle_block\.{place - 10}" if place < 13 else rf"output_blocks\.{place - 13}"


def _sd15(place: int) -> str:
    """The block as diffusers calls it."""
    if place == 12:
        return "mid_block"
    side, number = ("down", place - 1) if place < 12 else ("up", place - 13)
    block, part = divmod(number, 3)
    if side == "down":
        return (rf"down_blocks\.{block}\.downsamplers" if part == 2
                else rf"down_blocks\.{block}\.(attentions|resnets)\.{part}")  # fmt: skip
    if part == 2:
        return rf"up_blocks\.{block}\.((attentions|resnets)\.2|upsamplers)"
    return rf"up_blocks\.{block}\.(attentions|resnets)\.{part}"


def _is_sdxl(desk: Desk, lists: dict[str, list[float]]) -> bool:
    if desk.is_sdxl is not None:
        return desk.is_sdxl
    lengths = {len(lists[name]) for name in _DIMS if name in lists}
    return _SDXL_PLACES in lengths or bool({9} & {len(lists[name]) for name in _WEIGHTS if name in lists})


def _weights(given: dict[str, Any], lists: dict[str, list[float]], *, is_sdxl: bool) -> list[float]:
    """One for each place; too few are filled with 1, too many cut, as sd-scripts does."""
    long, middle = (9, 3) if is_sdxl else (12, 1)
    least = float(given.get("block_lr_zero_threshold", 0) or 0)
    found: list[float] = []
    for name, count in zip(_WEIGHTS, (long, middle, long), strict=True):
        own = lists.get(name, [1.0] * count)
        if name in lists and not own:
            return []
        found += [one if one > least else 0.0 for one in (own + [1.0] * count)[:count]]
    return [1.0, *found, 1.0] if is_sdxl else found


def _numbers(value: Any) -> list[float]:
    """Empty where the list is a curve by its name."""
    parts = value if isinstance(value, list) else str(value).split(",")
    try:
        return [float(part) for part in parts]
    except (TypeError, ValueError):
        return []


def _unsaid(desk: Desk, given: dict[str, Any], names: Iterable[str], remark: str) -> None:
    for name in sorted(names):
        if name in given:
            desk.add(f"network_args {name}", str(given[name])[:60], "not taken", remark=remark)
