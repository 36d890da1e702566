"""What is trained: the network of networks.lora and of LyCORIS, the base itself, or a word, and at which rates."""

from __future__ import annotations

from typing import Any, Final

from trainer.migration import blocks
from trainer.migration.desk import Desk
from trainer.migration.rates import RELATIVE_RATE, UNSET_RATE, finds_its_rate, rate_is_relative

_LORA, _LYCORIS = "networks.lora", "lycoris.kohya"
_MODULES: Final = {
    # Module: our kind, and what differs.
    _LORA: ("lora", ""),
    "networks.lora_fa": ("lora", "its down matrices are trained too"),
    "networks.loha": ("loha", ""),
    "networks.lokr": ("lokr", ""),
}
_ALGOS: Final = {"lora": "lora", "locon": "lora", "loha": "loha", "lokr": "lokr", "diag-oft": "oft"}
_PRESETS: Final = {
    # LyCORIS' preset: our targets, whether convolutions are among them, whether text encoders are.
    "full": ("full", True, True),
    "full-lin": ("full", False, True),
    "attn-mlp": ("kohya", False, True),
    "attn-only": ("attention", False, True),
    "unet-transformer-only": ("kohya", False, False),
}
_TEXT = "attention+mlp"
_IGNORED: Final = ("bypass_mode", "wd_on_output", "wd_on_out", "disable_conv_cp")
_UP: Final = ("lora", "loha", "lokr", "dora")
_TUCKER: Final = ("lora", "loha", "lokr")


def apply(desk: Desk) -> None:
    """Fills [adapter] and the rates of [optimizer]."""
    if desk.script == "network":
        _network(desk)
    elif desk.script == "word":
        _word(desk)
    else:
        _whole(desk)
    for option in ("network_module", "network_args", "network_dim", "network_alpha", "network_dropout"):
        if option not in {row.option for row in desk.rows}:
            desk.note(option, "no effect", "no network is trained")


def _network(desk: Desk) -> None:
    given = desk.pairs("network_args")
    kind = _kind(desk, given)
    rank, alpha = desk.get("network_dim", 4), float(desk.get("network_alpha", 1))
    desk.put("adapter.rank", max(1, rank))
    desk.put("adapter.alpha", alpha if alpha > 0 else float(max(1, rank)))
    desk.note("network_dim", "taken", "", "adapter.rank")
    if alpha > 0:
        desk.note("network_alpha", "taken", "", "adapter.alpha")
    else:
        desk.note("network_alpha", "taken", "0 is the rank there", "adapter.alpha")
    for option, value in (("network_dim", 4), ("network_alpha", 1)):
        if option not in desk:
            desk.default(option, value, f"adapter.{option.removeprefix('network_').replace('dim', 'rank')}", "its own")
    dropout = desk.get("network_dropout") or _float(given.get("dropout"))
    if dropout:
        desk.put("adapter.dropout", min(1.0, float(dropout)))
    desk.note("network_dropout", "taken", "", "adapter.dropout")
    is_lycoris = desk.get("network_module", _LORA) == _LYCORIS
    has_text = _targets(desk, given, kind, is_lycoris=is_lycoris)
    _extras(desk, given, kind)
    is_text = _rates(desk, has_text=has_text)
    blocks.apply(desk, given)
    if not is_text and desk.config["adapter"].get("targets") == "none":
        desk.put("adapter.targets", "auto")
        desk.add("unet_lr", "0", "not taken", remark="nothing at all would be trained")
    desk.note("network_args", "taken", "one by one, below", "adapter")


def _kind(desk: Desk, given: dict[str, Any]) -> str:
    module = desk.get("network_module", _LORA)
    kind, remark = _MODULES.get(module, ("", ""))
    algo = str(given.get("algo", "lora") or "lora").lower()
    if module == _LYCORIS:
        kind = _ALGOS.get(algo, "")
        known = "adapter.name"
        desk.add("network_args algo", algo, "taken" if kind else "not taken", ours=known,
                 remark="" if kind else f"there is no {algo} here; a LoRA instead")  # fmt: skip
        if kind == "lora" and _is_on(given.get("dora_wd")):
            kind = "dora"
            desk.add("network_args dora_wd", "True", "taken", ours=known)
    if module != _LYCORIS and not kind:
        desk.note("network_module", "not taken", "there is no such kind here; a LoRA instead", "adapter.name")
    else:
        desk.note("network_module", "otherwise" if remark else "taken", remark, "adapter.name")
    desk.put("adapter.name", kind or "lora")
    return kind or "lora"


def _targets(desk: Desk, given: dict[str, Any], kind: str, *, is_lycoris: bool) -> bool:
    """Modules and convolutions; whether text encoders are among them."""
    rank, alpha = given.get("conv_dim"), given.get("conv_alpha")
    has_conv, has_text = rank is not None, True
    if is_lycoris:
        preset = str(given.get("preset", "full") or "full")
        targets, has_conv, has_text = _PRESETS.get(preset, ("full", True, True))
        kept = preset in _PRESETS
        remark = "the first and last convolution and the time embedding stay as they are" if preset == "full" else ""
        desk.add("network_args preset", preset, ("otherwise" if remark else "taken") if kept else "not taken",
                 ours="adapter.targets", remark=remark if kept else "full instead; patterns go in targets")  # fmt: skip
        desk.put("adapter.targets", targets)
        rank = rank or desk.get("network_dim", 4)
        alpha = alpha or desk.get("network_alpha", 1)
    for name in ("conv_dim", "conv_alpha"):
        if name in given:
            ours = f"adapter.{'conv_rank' if name == 'conv_dim' else name}" if has_conv else ""
            desk.add(f"network_args {name}", str(given[name]), "taken" if has_conv else "no effect", ours=ours)
    if has_conv and _float(rank) >= 1:
        desk.put("adapter.conv_rank", int(_float(rank)))
        if kind in _UP:
            desk.put("adapter.conv_alpha", _float(1 if alpha is None else alpha))
    return has_text


def _extras(desk: Desk, given: dict[str, Any], kind: str) -> None:
    has_conv = "conv_rank" in desk.config["adapter"]
    use_tucker = any(_is_on(given.get(name)) for name in ("use_tucker", "use_cp", "use_conv_cp"))
    factor = _float(given.get("factor", -1))
    fates: dict[str, tuple[str, Any, bool]] = {
        # Name there: our key, its value, whether it may be set.
        "rank_dropout": ("rank_dropout", min(1.0, _float(given.get("rank_dropout"))), True),
        "module_dropout": ("module_dropout", min(1.0, _float(given.get("module_dropout"))), True),
        "use_tucker": ("tucker", use_tucker, kind in _TUCKER and has_conv),
        "use_cp": ("tucker", use_tucker, kind in _TUCKER and has_conv),
        "use_conv_cp": ("tucker", use_tucker, kind in _TUCKER and has_conv),
        "rs_lora": ("rank_stabilized", _is_on(given.get("rs_lora")), kind in _UP),
        "factor": ("factor", int(factor), kind == "lokr" and (factor == -1 or factor >= 1)),
        "full_matrix": ("full_matrix", _is_on(given.get("full_matrix")), kind == "lokr"),
        "constraint": ("constraint", _float(given.get("constraint")), kind == "oft"),
    }
    done = {"algo", "preset", "conv_dim", "conv_alpha", "dropout", *blocks.NAMES}
    if kind == "dora":
        done.add("dora_wd")
    for name, value in given.items():
        if name in done:
            continue
        ours, wanted, may = fates.get(name, ("", None, False))
        if may and wanted:
            desk.put(f"adapter.{ours}", wanted)
            desk.add(f"network_args {name}", str(value), "taken", ours=f"adapter.{ours}")
        elif name in _IGNORED or not _means(value):
            desk.add(f"network_args {name}", str(value), "no effect")
        elif name.startswith("loraplus_"):
            _plus(desk, name, value, may=kind in _UP)
        else:
            desk.add(f"network_args {name}", str(value), "not taken", remark=f"{kind} has no such setting here")


def _plus(desk: Desk, name: str, value: Any, *, may: bool) -> None:
    if not may or name == "loraplus_text_encoder_lr_ratio" or finds_its_rate(desk) or _float(value) <= 0:
        remark = "one rate for all" if finds_its_rate(desk) else "one factor for all that has up matrices"
        desk.add(f"network_args {name}", str(value), "not taken", remark=remark)
        return
    desk.put("optimizer.lora_plus", _float(value))
    desk.add(f"network_args {name}", str(value), "taken", ours="optimizer.lora_plus")


def _rates(desk: Desk, *, has_text: bool) -> bool:
    """Rates of network and text encoders; whether the latter are trained."""
    whole = float(desk.get("learning_rate", UNSET_RATE))
    unet = float(desk.get("unet_lr", whole))
    each = [float(one) for one in desk.get("text_encoder_lr", [])] or [whole]
    if rate_is_relative(desk):
        unet, whole, *each = (RELATIVE_RATE if one > 0 else 0.0 for one in (unet, whole, *each))
    first, second = each[0], each[1] if len(each) > 1 and desk.is_sdxl is not False else each[0]
    only_unet = "network_train_unet_only" in desk
    only_text = "network_train_text_encoder_only" in desk
    is_text = has_text and not only_unet and (first > 0 or second > 0)
    if only_text or unet <= 0:
        desk.put("adapter.targets", "none")
        desk.note("network_train_text_encoder_only", "taken", "", "adapter.targets")
        desk.note("unet_lr", "taken" if unet <= 0 else "no effect", "the network is not trained", "adapter.targets")
    else:
        _rated(desk, "unet_lr", "")
    desk.put("optimizer.learning_rate", unet if unet > 0 else max(whole, UNSET_RATE))
    if "learning_rate" in desk:
        _rated(desk, "learning_rate", "where unet_lr and text_encoder_lr are silent")
    elif "unet_lr" not in desk:
        desk.default("learning_rate", UNSET_RATE, "optimizer.learning_rate", "its own, and very low")
    _text(desk, (first, second), is_text=is_text)
    return is_text


def _text(desk: Desk, rates: tuple[float, float], *, is_text: bool) -> None:
    first, second = rates
    desk.put("adapter.text_targets", _TEXT if is_text else "none")
    for option in ("network_train_unet_only", "text_encoder_lr"):
        remark = "" if is_text else "text encoders stay as they are"
        desk.note(option, "taken", remark, "optimizer.text_encoder_rate" if is_text else "adapter.text_targets")
    if not is_text:
        return
    if "text_encoder_lr" not in desk:
        desk.default(
            "text_encoder_lr", "", "adapter.text_targets", "text encoders are trained there unless told not to"
        )
    _put_text_rates(desk, first, second)


def _put_text_rates(desk: Desk, first: float, second: float) -> None:
    """Rates of text encoders that are trained; 0 is frozen, and one of them is not."""
    if not finds_its_rate(desk):
        desk.put("optimizer.text_encoder_rate", first or second)
        if second != first and desk.is_sdxl is not False:
            desk.put("optimizer.text_encoder_2_rate", second or first)
    for rate, part in ((first, "text_encoder"), (second, "text_encoder_2")):
        if rate <= 0:
            desk.config["adapter"].setdefault("rules", []).append({"match": rf"{part}\..*", "learning_rate": 0.0})


def _whole(desk: Desk) -> None:
    """A full finetune."""
    desk.put("adapter.name", "full")
    rate = RELATIVE_RATE if rate_is_relative(desk) else float(desk.get("learning_rate", UNSET_RATE))
    desk.put("optimizer.learning_rate", rate)
    if "learning_rate" in desk:
        _rated(desk, "learning_rate", "")
    else:
        desk.default("learning_rate", UNSET_RATE, "optimizer.learning_rate", "its own")
    both = float(desk.get("learning_rate_te", rate))
    first, second = (float(desk.get(f"learning_rate_te{number}", both)) for number in (1, 2))
    if desk.is_sdxl is False:
        second = first
    if rate_is_relative(desk):
        first, second = (RELATIVE_RATE if one > 0 else 0.0 for one in (first, second))
    is_text = (desk.script == "dreambooth" or "train_text_encoder" in desk) and (first > 0 or second > 0)
    desk.put("adapter.text_targets", "full" if is_text else "none")
    desk.note("train_text_encoder", "taken", "", "adapter.text_targets")
    for option in ("learning_rate_te", "learning_rate_te1", "learning_rate_te2"):
        if is_text:
            desk.note(option, "taken", "", "optimizer.text_encoder_rate")
        else:
            desk.note(option, "no effect", "text encoders are not trained")
    if is_text:
        _put_text_rates(desk, first, second)
    blocks.apply_whole(desk)
    _of_networks(desk)


def _of_networks(desk: Desk) -> None:
    for option in ("unet_lr", "text_encoder_lr", "network_train_unet_only", "network_train_text_encoder_only"):
        desk.note(option, "no effect", "it is for networks")


def _word(desk: Desk) -> None:
    """Textual inversion."""
    desk.put("adapter.name", "textual_inversion")
    rate = RELATIVE_RATE if rate_is_relative(desk) else float(desk.get("learning_rate", UNSET_RATE))
    desk.put("optimizer.learning_rate", rate)
    _rated(desk, "learning_rate", "")
    for option, ours in (
        ("token_string", "word"),
        ("init_word", "init_text"),
        ("num_vectors_per_token", "num_vectors"),
    ):
        if option in desk:
            desk.take(option, f"adapter.{ours}", desk.get(option))
    _of_networks(desk)


def _rated(desk: Desk, option: str, remark: str) -> None:
    if rate_is_relative(desk):
        own = f"relative_step: Adafactor's own rate, which is {RELATIVE_RATE:g} for 10,000 steps"
        desk.note(option, "otherwise", own, "optimizer.learning_rate")
    else:
        desk.note(option, "taken", remark, "optimizer.learning_rate")


def _float(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0


def _is_on(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1", "yes")


def _means(value: Any) -> bool:
    """Whether a value asks for anything."""
    return value not in (None, False, 0, "", "False", "false", "None")
