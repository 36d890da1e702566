"""What two GUIs save, in sd-scripts' own words: kohya_ss (JSON) and LoRA Easy Training Scripts (TOML).

Source: bmaltais/kohya_ss:kohya_gui/lora_gui.py (train_model); 67372a/LoRA_Easy_Training_Scripts (MainUI.py),
derrian-distro/LoRA_Easy_Training_scripts_Backend:utils/validation.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trainer.migration.desk import Row, Script, shown
from trainer.migration.options import OPTIONS

_RENAMED: Final = {
    "optimizer": "optimizer_type",
    "max_resolution": "resolution",
    "sdxl_cache_text_encoder_outputs": "cache_text_encoder_outputs",
    "sdxl_no_half_vae": "no_half_vae",
}
_ALGOS: Final = {
    "LyCORIS/BOFT": "boft",
    "LyCORIS/Diag-OFT": "diag-oft",
    "LyCORIS/DyLoRA": "dylora",
    "LyCORIS/GLoRA": "glora",
    "LyCORIS/iA3": "ia3",
    "LoCon": "locon",
    "LyCORIS/LoCon": "locon",
    "LyCORIS/LoHa": "loha",
    "LyCORIS/LoKr": "lokr",
    "LyCORIS/Native Fine-Tuning": "full",
}
_MODULES: Final = {
    "Kohya DyLoRA": "networks.dylora",
    "Kohya LoHa": "networks.loha",
    "Kohya LoKr": "networks.lokr",
    "LoRA-FA": "networks.lora_fa",
}
_ARGS: Final = (
    *("conv_dim", "conv_alpha", "rank_dropout", "module_dropout", "use_tucker", "use_cp", "use_scalar", "train_norm"),
    *("dora_wd", "bypass_mode", "decompose_both", "rescaled", "rank_dropout_scale", "block_dims", "block_alphas"),
    *("conv_block_dims", "conv_block_alphas", "down_lr_weight", "mid_lr_weight", "up_lr_weight"),
    *("block_lr_zero_threshold", "loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio"),
)
_ZERO_IS_UNSET: Final = frozenset(
    {
        *("unet_lr", "text_encoder_lr", "max_train_steps", "max_train_epochs", "seed", "stop_text_encoder_training"),
        *("scale_weight_norms", "vae_batch_size", "multires_noise_iterations", "initial_epoch", "initial_step"),
    }
)
"""Of the GUI: 0 means that nothing was asked for."""
_OTHER_MODELS: Final = ("flux", "sd3", "hunyuan", "anima", "lumina", "t5xxl", "blocks_to_swap", "leco")
_EASY_ONLY: Final = frozenset(
    {"easy_name", "tag_occurrence", "tag_file_location", "save_toml", "save_toml_location", "sdxl", "fa"}
)


def kohya(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Row], bool | None, Script | None]:
    """Options, rows of what is the GUI's own, whether SDXL, and what is trained."""
    options: dict[str, Any] = {}
    for name, value in data.items():
        known = _RENAMED.get(name, name)
        is_unset = known in _ZERO_IS_UNSET and str(value) in ("0", "0.0")
        if (known in OPTIONS or known == "additional_parameters") and value not in ("", None) and not is_unset:
            options[known] = value
    attention = options.pop("xformers", None)
    if attention in ("xformers", "sdpa", True):
        options["sdpa" if attention == "sdpa" else "xformers"] = True
    is_lora = "LoRA_type" in data
    if is_lora:
        options |= _network(data)
    _length(data, options)
    _noise(data, options)
    script: Script | None = "network" if is_lora else None
    return options, _own(data), bool(data["sdxl"]) if "sdxl" in data else None, script


def is_easy(data: Mapping[str, Any]) -> bool:
    """Whether a TOML is one of LoRA Easy Training Scripts."""
    groups = [value for value in data.values() if isinstance(value, dict)]
    return any(isinstance(group.get("args"), dict) or isinstance(group.get("dataset_args"), dict) for group in groups)


def easy(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None, Script | None, bool | None]:
    """Options, tables of a dataset TOML, what is trained, whether SDXL."""
    options: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for group in data.values():
        if isinstance(group, dict):
            options |= group.get("args", {})
            own |= group.get("dataset_args", {})
    mode = data.get("train_mode", {})
    mode = mode.get("train_mode", "lora") if isinstance(mode, dict) else mode
    arguments = options.get("network_args")
    arguments = arguments if isinstance(arguments, dict) else {}
    if mode == "lora" and "network_module" not in options:
        options["network_module"] = _easy_module(arguments)
    ratio = options.pop("warmup_ratio", None)
    if ratio:
        options["lr_warmup_steps"] = ratio
    is_sdxl = bool(options["sdxl"]) if "sdxl" in options else None
    options = {name: value for name, value in options.items() if name not in _EASY_ONLY}
    subsets = [{key: value for key, value in one.items() if key != "name"} for one in data.get("subsets", [])]
    dataset = {"datasets": [{**own, "subsets": subsets}]} if subsets else None
    return options, dataset, "word" if mode == "textual_inversion" else "network", is_sdxl


def _easy_module(arguments: Mapping[str, Any]) -> str:
    if "algo" in arguments:
        return "lycoris.kohya"
    if "unit" in arguments:
        return "networks.dylora"
    return "networks.lora_fa" if arguments.get("fa") else "networks.lora"


def _network(data: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(data["LoRA_type"])
    given = {name: data[name] for name in _ARGS if data.get(name) not in (None, "", 0, False, "0")}
    module = "lycoris.kohya" if kind in _ALGOS else _MODULES.get(kind, "networks.lora")
    if kind in _ALGOS:
        given |= {"algo": _ALGOS[kind], "preset": data.get("LyCORIS_preset") or "full"}
        given |= {"conv_dim": data.get("conv_dim", 1), "conv_alpha": data.get("conv_alpha", 1)}
    elif kind not in ("Kohya LoCon", "Kohya LoHa", "Kohya LoKr"):
        given.pop("conv_dim", None)
        given.pop("conv_alpha", None)
    if kind.endswith(("LoKr", "Kohya LoKr")):
        given["factor"] = data.get("factor", -1)
    if kind.endswith("OFT") and data.get("constrain"):
        given["constraint"] = data["constrain"]
    return {"network_module": module, "network_args": [f"{name}={value}" for name, value in given.items()]}


def _length(data: Mapping[str, Any], options: dict[str, Any]) -> None:
    epochs = data.get("epoch")
    if epochs and "max_train_epochs" not in options and "max_train_steps" not in options:
        options["max_train_epochs"] = epochs
    share = _float(data.get("lr_warmup"))
    if share and not _float(data.get("lr_warmup_steps")):
        options["lr_warmup_steps"] = share / 100


def _noise(data: Mapping[str, Any], options: dict[str, Any]) -> None:
    """The GUI passes on either the one kind of noise or the other."""
    kind = data.get("noise_offset_type")
    if kind == "Multires":
        for name in ("noise_offset", "noise_offset_random_strength", "adaptive_noise_scale"):
            options.pop(name, None)
    elif kind == "Original":
        for name in ("multires_noise_iterations", "multires_noise_discount"):
            options.pop(name, None)


def _own(data: Mapping[str, Any]) -> list[Row]:
    """Of the models that nobody here trains, where they are asked for."""
    return [
        Row(name, shown(value), "", "not taken", "another kind of model")
        for name, value in data.items()
        if value is True and name.endswith("checkbox") and name.startswith(_OTHER_MODELS)
    ]


def _float(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0
