"""How it is learnt: optimizer, its arguments, and the schedule of its rate."""

from __future__ import annotations

from typing import Any, Final

from trainer.migration.desk import Desk

_AS_OURS: Final = {
    # Name there, in small letters: ours, and the weight decay that sd-scripts' class has by itself.
    "adamw": ("adamw", 0.01),
    "adamw8bit": ("adamw8bit", 0.01),
    "pagedadamw": ("paged_adamw", 0.01),
    "pagedadamw32bit": ("paged_adamw", 0.01),
    "pagedadamw8bit": ("paged_adamw8bit", 0.01),
    "adafactor": ("adafactor", 0.0),
    "lion": ("lion", 0.0),
    "lion8bit": ("lion8bit", 0.0),
    "pagedlion8bit": ("paged_lion8bit", 0.0),
    "sgdnesterov": ("sgd", 0.0),
    "sgdnesterov8bit": ("sgd", 0.0),
    "prodigy": ("prodigy", 0.0),
    "dadaptation": ("dadapt_adam", 0.0),
    "dadaptadampreprint": ("dadapt_adam", 0.0),
    "dadaptadam": ("dadapt_adam", 0.0),
    "dadaptadagrad": ("dadapt_adagrad", 0.0),
    "dadaptadan": ("dadapt_adan", 0.0),
    "dadaptadanip": ("dadapt_adan", 0.0),
    "dadaptlion": ("dadapt_lion", 0.0),
    "dadaptsgd": ("dadapt_sgd", 0.0),
    "adamwschedulefree": ("schedulefree_adamw", 0.0),
    "radamschedulefree": ("ScheduleFreeRAdam", 0.0),
    "sgdschedulefree": ("ScheduleFreeSGD", 0.0),
    "came": ("came", 0.0),
}
_OTHERWISE: Final = {
    "pagedadamw32bit": "the nearest is the paged AdamW",
    "sgdnesterov8bit": "with 32 bits",
    "dadaptadampreprint": "in its published form",
    "dadaptation": "in its published form",
    "dadaptadanip": "the nearest is its plain form",
}
_RENAMED: Final = {"decouple": "weight_decouple", "use_bias_correction": "bias_correction"}
"""Arguments of prodigyopt and dadaptation: what pytorch-optimizer's classes call them."""
_ADAPTIVE: Final = frozenset({"d0", "growth_rate", "weight_decouple"})
TAKES: Final[dict[str, frozenset[str]]] = {
    "prodigy": _ADAPTIVE | {"betas", "beta3", "d_coef", "bias_correction", "safeguard_warmup", "eps"},
    "dadapt_adam": _ADAPTIVE | {"betas", "bias_correction", "eps"},
    "dadapt_adagrad": _ADAPTIVE | {"momentum", "eps"},
    "dadapt_adan": _ADAPTIVE | {"betas", "eps"},
    "dadapt_lion": frozenset({"betas", "d0", "weight_decouple"}),
    "dadapt_sgd": _ADAPTIVE | {"momentum"},
    "lion": frozenset({"betas"}),
    "schedulefree_adamw": frozenset({"betas", "r", "weight_lr_power", "eps", "warmup_steps"}),
    "ScheduleFreeRAdam": frozenset({"betas", "r", "weight_lr_power", "eps", "silent_sgd_phase"}),
    "ScheduleFreeSGD": frozenset({"momentum", "r", "weight_lr_power", "eps", "warmup_steps"}),
    "came": frozenset({"betas", "clip_threshold", "eps1", "eps2"}),
    "sgd": frozenset({"momentum", "nesterov", "dampening"}),
    "adafactor": frozenset({"eps", "clip_threshold", "decay_rate", "beta1", "scale_parameter"}),
}
"""Of optimizers that come from another library here than there: the arguments that both have. Of others, all."""
_UNSET: Final[dict[str, dict[str, Any]]] = {
    "prodigy": {"safeguard_warmup": False, "bias_correction": False},
    "sgdnesterov": {"momentum": 0.9},
    "sgdnesterov8bit": {"momentum": 0.9},
}
"""What the classes there do where nothing is said, and those here do not."""
_SCHEDULES: Final = {
    "constant": "constant",
    "constant_with_warmup": "constant",
    "linear": "linear",
    "cosine": "cosine",
    "cosine_with_restarts": "cosine_restarts",
    "polynomial": "polynomial",
    "cosine_with_min_lr": "cosine",
}
_BY_CLASS: Final = (("rex", "rex"), ("restart", "cosine_restarts"), ("cosine", "cosine"), ("polynomial", "polynomial"))
"""What is in the name of a scheduler's class, in small letters: ours."""
UNSET_RATE: Final = 2e-6
RELATIVE_RATE: Final = 0.01
"""Adafactor's own, in the size of each weight: min(0.01, 1 / sqrt(step)) is that for 10,000 steps."""


def apply(desk: Desk) -> None:
    """Fills [optimizer], but for the rates, and [schedule]."""
    kind = _optimizer(desk)
    if kind.endswith("schedulefree"):
        for option in ("lr_scheduler", "lr_scheduler_type", "lr_warmup_steps", "lr_scheduler_num_cycles",
                       "lr_scheduler_power", "lr_scheduler_args", "lr_scheduler_min_lr_ratio"):  # fmt: skip
            desk.note(option, "no effect", "ScheduleFree has no schedule")
        return
    _schedule(desk)


def rate_is_relative(desk: Desk) -> bool:
    """Whether Adafactor finds its rate by itself, as it does in sd-scripts unless told otherwise."""
    is_adafactor = str(desk.get("optimizer_type", "")).lower() == "adafactor"
    return is_adafactor and bool(desk.pairs("optimizer_args").get("relative_step", True))


def finds_its_rate(desk: Desk) -> bool:
    """Whether the optimizer finds one rate for all that is trained."""
    return _asked(desk)[1].lower().startswith(("dadapt", "prodigy"))


def _optimizer(desk: Desk) -> str:
    option, asked = _asked(desk)
    kind = asked.lower().rpartition(".")[2]
    name, decay = _AS_OURS.get(kind, (asked, 0.0))
    if option:
        remark = _OTHERWISE.get(kind, "")
        if kind not in _AS_OURS:
            remark = "its own class, if it is installed here" if "." in asked else "as pytorch-optimizer has it"
        desk.take(option, "optimizer.name", name, remark)
    else:
        desk.put("optimizer.name", name)
    for other in ("use_8bit_adam", "use_lion_optimizer"):
        if other != option:
            desk.note(other, "no effect", f"{option} goes first")
    arguments = desk.pairs("optimizer_args")
    decay = arguments.pop("weight_decay", decay)
    desk.put("optimizer.weight_decay", float(decay) if isinstance(decay, int | float) else 0.0)
    kept = _arguments(desk, kind, arguments, takes=TAKES.get(name))
    if kept:
        desk.put("optimizer.arguments", kept)
    desk.note("optimizer_args", "taken", "weight_decay is a key of its own", "optimizer.arguments, weight_decay")
    return kind


def _asked(desk: Desk) -> tuple[str, str]:
    """The option that names the optimizer, and the name; AdamW where none does."""
    if "optimizer_type" in desk:
        return "optimizer_type", desk.get("optimizer_type")
    for option, name in (("use_8bit_adam", "AdamW8bit"), ("use_lion_optimizer", "Lion")):
        if option in desk:
            return option, name
    return "", "AdamW"


def _arguments(desk: Desk, kind: str, given: dict[str, Any], *, takes: frozenset[str] | None) -> dict[str, Any]:
    kept = {}
    for told, value in given.items():
        name = _RENAMED.get(told, told)
        if value is None or (kind == "adafactor" and name == "relative_step"):
            continue
        if takes is None or name in takes:
            kept[name] = value
        else:
            hint = "set schedule.warmup" if name == "warmup_init" else "the class here has no such argument"
            desk.add(f"optimizer_args {told}", str(value), "not taken", remark=hint)
    if kind == "adafactor" and rate_is_relative(desk):
        return {"scale_parameter": True} | kept
    return _UNSET.get(kind, {"weight_decouple": False} if kind.startswith("dadapt") else {}) | kept


def _schedule(desk: Desk) -> None:
    name, is_exact = _schedule_name(desk)
    desk.put("schedule.name", name)
    warmup = desk.get("lr_warmup_steps", 0)
    told = desk.get("lr_scheduler", "constant")
    if warmup and told == "constant" and "lr_scheduler_type" not in desk:
        desk.note("lr_warmup_steps", "no effect", "sd-scripts refuses it with constant: constant_with_warmup has one")
    elif warmup:
        desk.take("lr_warmup_steps", "schedule.warmup", float(warmup))
    else:
        desk.note("lr_warmup_steps", "no effect", "0 is none")
    _shape(desk, name, is_exact)


def _schedule_name(desk: Desk) -> tuple[str, bool]:
    """Ours, and whether it is the same thing."""
    if "lr_scheduler_type" in desk:
        own = desk.get("lr_scheduler_type").lower()
        found = next((ours for mark, ours in _BY_CLASS if mark in own.rpartition(".")[2]), "")
        if found:
            desk.take("lr_scheduler_type", "schedule.name", found, "the nearest shape; look at its end and cycles")
        else:
            desk.note("lr_scheduler_type", "not taken", "constant instead: no schedule of ours is like it")
        desk.note("lr_scheduler", "no effect", "lr_scheduler_type goes first")
        return found or "constant", False
    told = desk.get("lr_scheduler", "constant")
    if told in _SCHEDULES:
        if "lr_scheduler" in desk:
            desk.take("lr_scheduler", "schedule.name", _SCHEDULES[told])
        return _SCHEDULES[told], True
    if told.startswith("adafactor"):
        desk.note("lr_scheduler", "otherwise", "constant, with the rate that Adafactor would find", "schedule.name")
    else:
        desk.note("lr_scheduler", "not taken", "constant instead: no schedule of ours is like it", "schedule.name")
    return "constant", False


def _shape(desk: Desk, name: str, is_exact: bool) -> None:
    told = desk.get("lr_scheduler", "constant")
    cycles = desk.get("lr_scheduler_num_cycles", 1)
    if name == "cosine_restarts" and cycles >= 1:
        desk.put("schedule.cycles", cycles)
        desk.note("lr_scheduler_num_cycles", "taken", "", "schedule.cycles")
    else:
        desk.note("lr_scheduler_num_cycles", "no effect", "it is for cosine_with_restarts")
    if name == "polynomial":
        power = float(desk.get("lr_scheduler_power", 1))
        desk.put("schedule.power", power if power > 0 else 1.0)
        desk.note("lr_scheduler_power", "taken", "", "schedule.power")
    else:
        desk.note("lr_scheduler_power", "no effect", "it is for polynomial")
    least = desk.get("lr_scheduler_min_lr_ratio")
    if told == "cosine_with_min_lr" and is_exact and least is not None and 0 <= least <= 1:
        desk.take("lr_scheduler_min_lr_ratio", "schedule.end", float(least))
    else:
        desk.note("lr_scheduler_min_lr_ratio", "no effect", "it is for cosine_with_min_lr")
    desk.note("lr_scheduler_args", "not taken", "no schedule of ours takes arguments; see schedule.end and cycles")
