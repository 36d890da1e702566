"""What a base model is, told by its header and its JSON files alone; no weight is read.

Families say whether a base is theirs; here stands what they have in common: reading the header, what the files tell
of the network's prediction, and a name for what no family recognises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.contracts.model import BaseHeader, Family, Prediction
from trainer.errors import BaseModelError, some

_HEADER_BYTES = 100_000_000
"""No longer header is read; safetensors' own limit."""
_JSON_BYTES = 4_000_000
_PICKLED = (".ckpt", ".pt", ".pth", ".bin")
_COPY = "copy the base model again"
_LORA_STARTS = ("lora_unet_", "lora_te", "lycoris_")
_LORA_WORDS = (".lora_", ".lora.", "_lora.", ".hada_w", ".lokr_w", ".oft_blocks", ".oft_diag", ".dora_scale")
_UNET = "model.diffusion_model."
_LATENT_CHANNELS = 4
_SD2_CONTEXT = 1024
_SECOND = "conditioner.embedders.1.model."


def read_header(path: Path) -> BaseHeader:
    """Names and shapes of a .safetensors file, or the JSON files of a folder in diffusers' layout.

    Raises BaseModelError, also for a file that is no base model but an adapter.
    """
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:  # a name too long, a folder that may not be entered
        raise BaseModelError(
            f"{path}: cannot be read ({error.strerror})", hint="correct model.base, or leave it empty"
        ) from None
    if is_folder:
        return _read_folder(path)
    if not is_there:
        raise BaseModelError(f"{path}: there is no such base model", hint="correct model.base, or leave it empty")
    if path.suffix.lower() in _PICKLED:
        raise BaseModelError(
            f"{path}: is a pickled checkpoint, which can run any code when it is read",
            hint="convert it to .safetensors",
        )
    if path.suffix.lower() != ".safetensors":
        raise BaseModelError(
            f"{path}: is neither a .safetensors file nor a folder", hint="correct model.base, or leave it empty"
        )
    shapes, metadata = _read_file(path)
    header = BaseHeader(path, shapes=shapes, metadata=metadata)
    if _is_adapter(shapes):
        raise BaseModelError(f"{path}: is a LoRA, not a base model", hint="set model.base to what it was trained on")
    return header


def identify(header: BaseHeader, families: Mapping[str, Family]) -> tuple[str, Prediction]:
    """The family that recognises the base, and what its network says. Raises BaseModelError where not just one does."""
    found = {name: family.recognise(header) for name, family in families.items()}
    known = {name: prediction for name, prediction in found.items() if prediction is not None}
    if len(known) == 1:
        (name, prediction), *_ = known.items()
        return name, prediction
    if known:
        raise BaseModelError(
            f"{header.path}: could be any of {', '.join(sorted(known))}", hint="say which in model.family"
        )
    other = f"no base model of the family {' or '.join(sorted(families))}"
    raise BaseModelError(
        f"{header.path}: is {looks_like(header) or other}",
        hint=f"bases of these families can be used: {', '.join(sorted(families))}",
    )


def prediction_of(header: BaseHeader) -> Prediction:
    """What the files tell of the network's prediction: first the one that the strongest evidence tells.

    Single files: the empty tensors `v_pred` and `ztsnr`, then the metadata of the model specification and of
    sd-scripts. Folders: the scheduler's config. Raises BaseModelError for what no objective stands for.
    """
    if header.configs:
        _refuse_channels(header, header.configs.get("unet/config.json", {}).get("in_channels", 4))
        return _of_scheduler(header)
    _refuse_foreign(header)
    told = _of_metadata(header)
    markers = [key for key in ("v_pred", "ztsnr") if key in header.shapes]
    if not markers:
        return told
    return Prediction(
        "v_prediction" if "v_pred" in markers else told.objective,
        True if "ztsnr" in markers else told.zero_terminal_snr,
        evidence=f"the key {' and the key '.join(markers)}",
    )


def _of_metadata(header: BaseHeader) -> Prediction:
    said = header.metadata.get("modelspec.prediction_type", "").strip().lower()
    names = {"epsilon": "epsilon", "eps": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
    objective = names.get(said.replace("-", "_"))
    zero = {"True": True, "False": False}.get(header.metadata.get("ss_zero_terminal_snr", ""))
    evidence = [f"modelspec.prediction_type {said!r}"] if objective else []
    evidence += [f"ss_zero_terminal_snr {zero}"] if zero is not None else []
    return Prediction(objective, zero, evidence=" and ".join(evidence))


def _refuse_foreign(header: BaseHeader) -> None:
    marker = next((key for key in ("edm_mean", "edm_vpred.sigma_max") if key in header.shapes), None)
    if marker:
        raise BaseModelError(
            f"{header.path}: was trained with the noise of EDM (its key {marker}), which no objective here knows",
            hint="choose another base",
        )
    _refuse_channels(header, _side(header.shapes, f"{_UNET}input_blocks.0.0.weight", 1))


def _refuse_channels(header: BaseHeader, channels: object) -> None:
    if isinstance(channels, int) and channels > _LATENT_CHANNELS:
        raise BaseModelError(
            f"{header.path}: is an inpainting or editing model: its UNet reads {channels} channels",
            hint="choose the plain model that it was made from",
        )


def _of_scheduler(header: BaseHeader) -> Prediction:
    name = "scheduler/scheduler_config.json"
    config = header.configs.get(name)
    if config is None:
        return Prediction()
    if str(config.get("_class_name", "")).startswith("FlowMatch"):
        return Prediction("rectified_flow", None, evidence=f"{name}: {config['_class_name']}")
    if str(config.get("_class_name", "")).startswith("EDM"):
        raise BaseModelError(
            f"{header.path}: was trained with the noise of EDM ({name}: {config['_class_name']}), "
            "which no objective here knows",
            hint="choose another base",
        )
    for field, usual in (("beta_schedule", "scaled_linear"), ("beta_start", 0.00085), ("beta_end", 0.012)):
        if config.get(field, usual) != usual:
            raise BaseModelError(
                f"{header.path}: {name}: {field} is {config[field]!r}; only {usual!r} is known here",
                hint="choose another base",
            )
    said = config.get("prediction_type", "epsilon")
    if said not in ("epsilon", "v_prediction"):
        raise BaseModelError(
            f"{header.path}: {name}: its network predicts {said!r}, which no objective here learns",
            hint="choose another base",
        )
    zero = config.get("rescale_betas_zero_snr")
    return Prediction(said, zero if isinstance(zero, bool) else None, evidence=name)


def looks_like(header: BaseHeader) -> str:
    """What the file is, in a few words, where it is something that people mistake for a base; empty: no idea."""
    if header.configs:
        if header.configs.get("unet/config.json", {}).get("cross_attention_dim") == _SD2_CONTEXT:
            return "a folder of Stable Diffusion 2"
        named = header.configs.get("model_index.json", {}).get("_class_name", "")
        return f"a folder of {named}" if named else ""
    return next((name for name, holds in _KINDS.items() if holds(header.shapes)), "")


Shapes = Mapping[str, tuple[int, ...]]


def _any(shapes: Shapes, *starts: str) -> bool:
    return any(key.startswith(starts) for key in shapes)


def _side(shapes: Shapes, key: str, axis: int) -> int:
    shape = shapes.get(key, ())
    return shape[axis] if len(shape) > axis else 0


def _context(shapes: Shapes) -> int:
    key = next((key for key in shapes if key.startswith(_UNET) and key.endswith(".attn2.to_k.weight")), "")
    return _side(shapes, key, 1)


def _is_adapter(shapes: Shapes) -> bool:
    named = any(key.startswith(_LORA_STARTS) or any(word in key for word in _LORA_WORDS) for key in shapes)
    return named and not _any(shapes, _UNET)


def _is_vae(shapes: Shapes) -> bool:
    return _any(shapes, "first_stage_model.", "encoder.conv_in.", "vae.encoder.")


def _is_unet_alone(shapes: Shapes) -> bool:
    return _any(shapes, _UNET, "down_blocks.", "diffusion_model.input_blocks.", "input_blocks.")


_KINDS: Mapping[str, Callable[[Shapes], bool]] = {
    "a LoRA": _is_adapter,
    "an embedding of textual inversion": lambda shapes: (
        len(shapes) <= 3 and bool({"emb_params", "clip_l"} & set(shapes))
    ),
    "Flux": lambda shapes: _any(shapes, "double_blocks.", f"{_UNET}double_blocks."),
    "Stable Diffusion 3": lambda shapes: _any(shapes, "joint_blocks.", f"{_UNET}joint_blocks."),
    "a ControlNet": lambda shapes: _any(shapes, "control_model.", "controlnet_", "input_hint_block."),
    "the SDXL refiner": lambda shapes: _any(shapes, "conditioner.embedders.0.model.transformer."),
    "Stable Diffusion 2": lambda shapes: (
        _any(shapes, "cond_stage_model.model.transformer.") or _context(shapes) == _SD2_CONTEXT
    ),
    "a UNet without text encoders": lambda shapes: (
        _is_unet_alone(shapes) and not _any(shapes, "cond_stage_model.", "conditioner.")
    ),
    "an SDXL variant with fewer or other text encoders": lambda shapes: (
        _context(shapes) == 2048 and not _any(shapes, _SECOND)
    ),
    "a VAE alone": lambda shapes: _is_vae(shapes) and not _is_unet_alone(shapes),
    "a text encoder alone": lambda shapes: _any(shapes, "text_model.", "encoder.block.0.", "transformer.resblocks."),
}
"""Name -> whether these shapes are of that kind; the first that fits is told."""


def _read_file(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_HEADER_BYTES, size - 8):
                raise BaseModelError(f"{path}: is not a whole safetensors file", hint=_COPY)
            text = file.read(length)
    except OSError as error:
        raise BaseModelError(
            f"{path}: cannot be read ({error.strerror})", hint="correct model.base, or leave it empty"
        ) from None
    entries = _object(text, path)
    notes = entries.pop("__metadata__", {})
    metadata = {str(key): str(value) for key, value in notes.items()} if isinstance(notes, dict) else {}
    ends = [_end(entry) for entry in entries.values()]
    if None in ends or max((end for end in ends if end is not None), default=0) != size - 8 - length:
        raise BaseModelError(f"{path}: is cut short, or its header is damaged", hint=_COPY)
    return {name: tuple(entry["shape"]) for name, entry in entries.items()}, metadata


def _end(entry: Any) -> int | None:
    """Where a tensor ends in the file; None for an entry that describes no tensor."""
    if not isinstance(entry, dict):
        return None
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if not (isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2):
        return None
    numbers = [*shape, *offsets]
    if not all(type(number) is int and number >= 0 for number in numbers):
        return None
    return int(offsets[1])


def _read_folder(folder: Path) -> BaseHeader:
    names = [path for path in sorted(folder.glob("*/config.json")) if path.is_file()]
    names += [
        path for path in (folder / "model_index.json", folder / "scheduler" / "scheduler_config.json") if path.is_file()
    ]
    configs = {path.relative_to(folder).as_posix(): _read_json(path) for path in names}
    if "unet/config.json" not in configs and "model_index.json" not in configs:
        files = sorted(path.name for path in folder.glob("*.safetensors"))
        raise BaseModelError(
            f"{folder}: is no base model in diffusers' layout: it has no unet/config.json",
            hint=f"did you mean a file in it: {some(files, limit=3)}?" if files else "correct model.base",
        )
    return BaseHeader(folder, configs=configs)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_JSON_BYTES + 1)
    except OSError as error:
        raise BaseModelError(f"{path}: cannot be read ({error.strerror})", hint=_COPY) from None
    if len(data) > _JSON_BYTES:
        raise BaseModelError(f"{path}: is too large to be a model's settings", hint=_COPY)
    return _object(data, path)


def _object(data: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BaseModelError(f"{path}: its JSON cannot be read ({error})", hint=_COPY) from None
    if not isinstance(found, dict):
        raise BaseModelError(f"{path}: its JSON is not an object", hint=_COPY)
    return found
