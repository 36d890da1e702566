"""Base models as folders in diffusers' layout: a subfolder with config.json and .safetensors for each network."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from trainer.contracts.model import BaseHeader, Prediction, SaveAs
from trainer.errors import BaseModelError, WriteError, some
from trainer.families._clip_text import tokenizer_files
from trainer.families._digests import settings_of
from trainer.families._tensor_file import outgoing, write_tensors

_STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
_TEXT_STEM = "model"
# Files are of fp32 or, failing that, of fp16 numbers, in one piece or in several.
_ENDINGS = (".safetensors", ".safetensors.index.json", ".fp16.safetensors", ".safetensors.index.fp16.json")
# VAEs of 2022 call the four layers of their attention so, or have them as 1x1 convolutions.
_OLD_VAE_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
# Old exports carry the positions 0..76 as if they were weights; the other is of CLIP's own training alone.
_NO_WEIGHTS = ("position_ids", "logit_scale")
# SDXL's first text encoder is told before it, and some tools save it with its class's other part none the less.
_UNUSED = "text_projection.weight"
_CLASSES = {
    "unet": ("diffusers", "UNet2DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
}
_TOKENIZERS = {"text_encoder": ("tokenizer", "<|endoftext|>"), "text_encoder_2": ("tokenizer_2", "!")}


def settings(header: BaseHeader, parts: Mapping[str, Any] | tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    """The config of each part. Raises BaseModelError where one is not there."""
    found = {}
    for part in parts:
        name = f"{part}/config.json"
        if name not in header.configs:
            raise BaseModelError(
                f"{header.path}: has no {name} that can be read", hint=f"a base of this kind has {', '.join(parts)}"
            )
        found[part] = header.configs[name]
    return found


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises BaseModelError."""
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise BaseModelError(f"{path}: cannot be read ({error.strerror})", hint="name a folder with it") from None
    except (ValueError, RecursionError) as error:
        raise BaseModelError(f"{path}: is not JSON ({error})", hint="copy the file again") from None
    if not isinstance(data, dict):
        raise BaseModelError(f"{path}: is not a JSON object", hint="copy the file again")
    return data


def load_networks(folder: Path, networks: Mapping[str, nn.Module]) -> None:
    """Fills each network from its subfolder. Raises BaseModelError."""
    for part, network in networks.items():
        fill(network, weight_files(folder / part, part))


def weight_files(folder: Path, part: str) -> list[Path]:
    """The files that hold a network's weights. Raises BaseModelError where there are none."""
    stem = _STEMS.get(part, _TEXT_STEM)
    for ending in _ENDINGS:
        path = folder / (stem + ending)
        if path.is_file():
            return _shards(path) if path.suffix == ".json" else [path]
    others = sorted(path.name for path in folder.glob("*.bin"))
    raise BaseModelError(
        f"{folder}: has no {stem}.safetensors",
        hint=f"{others[0]} is not read: convert it to safetensors" if others else "copy the base model again",
    )


def _shards(index: Path) -> list[Path]:
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseModelError(f"{index}: lists no files ({error})", hint="copy the base model again") from None
    if strange := [name for name in names if not isinstance(name, str) or Path(name).name != name]:
        raise BaseModelError(f"{index}: {strange[0]!r} is no file beside it", hint="copy the base model again")
    return [index.parent / name for name in sorted(names)]


def fill(network: nn.Module, paths: list[Path]) -> None:
    """Copies the files' tensors into the network, one at a time. Raises BaseModelError where they do not fit."""
    own = {_plain(name): tensor for name, tensor in network.state_dict().items()}
    lacking, strange = set(own), []
    for path in paths:
        for name, tensor in _tensors(path):
            plain = _plain(name)
            if plain not in own:
                strange += [name] if plain != _UNUSED else []
                continue
            place = own[plain]
            # A 1x1 convolution is a linear map by another name.
            if not tensor.is_floating_point():
                raise BaseModelError(
                    f"{path}: {name} holds {tensor.dtype} numbers", hint="choose a base in fp16 or fp32"
                )
            if tensor.numel() != place.numel() or tensor.squeeze().shape != place.squeeze().shape:
                raise BaseModelError(
                    f"{path}: {name} is {list(tensor.shape)}, expected {list(place.shape)}",
                    hint="config.json is not its own",
                )
            place.copy_(tensor.reshape(place.shape))
            lacking.discard(plain)
    if lacking or strange:
        raise BaseModelError(
            f"{paths[0]}: lacks {some(sorted(lacking), limit=2) or 'nothing'}, "
            f"has strange {some(strange, limit=2) or 'nothing'}",
            hint="config.json is not its own",
        )


def _tensors(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                if not name.endswith(_NO_WEIGHTS):
                    yield name, file.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise BaseModelError(f"{path}: cannot be read ({error})", hint="copy the base model again") from None


def _plain(name: str) -> str:
    """Files have the text model's weights below `text_model`; transformers has them there or not, by version."""
    head, _, last = name.removeprefix("text_model.").rpartition(".")
    before, _, layer = head.rpartition(".")
    if layer in _OLD_VAE_NAMES and ".attentions." in before:
        return f"{before}.{_OLD_VAE_NAMES[layer]}.{last}"
    return f"{head}.{last}"


def write(networks: Mapping[str, nn.Module], path: Path, how: SaveAs) -> None:
    """Writes a folder that diffusers' pipelines load, tokenizers too; whole or not at all. Raises WriteError.

    A safety checker and a feature extractor are left out; pipelines do without.
    """
    with _whole(path) as folder:
        for part, network in networks.items():
            _write_part(network, part, folder / part, dtype=how.dtype)
        index: dict[str, Any] = {part: _CLASSES[part] for part in networks}
        for part, (name, pad) in _TOKENIZERS.items():
            if part in networks:
                index[name] = ("transformers", "CLIPTokenizer")
                for file, content in tokenizer_files(pad).items():
                    _write_bytes(folder / name / file, content)
        scheduler = _scheduler(how.prediction)
        index["scheduler"] = ("diffusers", scheduler["_class_name"])
        _write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
        _write_json(folder / "model_index.json", _pipeline(networks) | index)


def _write_part(network: nn.Module, part: str, folder: Path, *, dtype: torch.dtype) -> None:
    folder.mkdir(parents=True)
    is_text = part.startswith("text_encoder")
    tensors = {_file_key(name) if is_text else name: outgoing(tensor) for name, tensor in network.state_dict().items()}
    write_tensors(folder / f"{_STEMS.get(part, _TEXT_STEM)}.safetensors", tensors, dtype=dtype, metadata={})
    head = {"architectures": [_CLASSES[part][1]]} if is_text else {"_class_name": _CLASSES[part][1]}
    if is_text:
        head["torch_dtype"] = str(dtype).removeprefix("torch.")  # type: ignore[assignment]
    _write_json(folder / "config.json", settings_of(network) | head)


def _file_key(name: str) -> str:
    return name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}"


def _scheduler(prediction: Prediction) -> dict[str, Any]:
    if prediction.objective == "rectified_flow":
        return {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0}
    ends_in_noise = bool(prediction.zero_terminal_snr)
    return {
        "_class_name": "EulerDiscreteScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "prediction_type": prediction.objective or "epsilon",
        "rescale_betas_zero_snr": ends_in_noise,
        # A schedule that ends in pure noise must be entered at its very end (Lin et al. 2023, arXiv 2305.08891).
        "timestep_spacing": "trailing" if ends_in_noise else "leading",
        "steps_offset": 1,
    }


def _pipeline(networks: Mapping[str, nn.Module]) -> dict[str, Any]:
    nothing = (None, None)
    absent = {"feature_extractor": nothing, "image_encoder": nothing}
    if "text_encoder_2" in networks:
        return {"_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": False, **absent}
    return {
        "_class_name": "StableDiffusionPipeline",
        "safety_checker": nothing,
        "requires_safety_checker": False,
        **absent,
    }


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A folder beside, which takes the place of `path` at the end. Raises WriteError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield beside
            beside.chmod(0o755)
            if path.exists():
                shutil.rmtree(path)
            beside.rename(path)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except (OSError, SafetensorError) as error:
        raise WriteError(f"{path}: cannot be written ({error})", hint="check free space and permissions") from error


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    _write_bytes(path, json.dumps(value, indent=2, sort_keys=True, default=str).encode())


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
