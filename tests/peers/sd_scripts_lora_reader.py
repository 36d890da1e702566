"""Asks sd-scripts' own code what it makes of a LoRA. Runs in sd-scripts' own interpreter.

Arguments: checkout, file, answer file. Answered: what its SDXL network, built from the file on its own SDXL, says of
keys; the hashes by its own functions; what its check_lora_weights prints; and which `ss_` keys its train_network.py
and `modelspec.` keys its sai_model_spec.py write. torchvision, which only its pictures need, is stood in for.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

from stand_ins import stand_in


def text_encoders() -> list[Any]:
    """SDXL's, without memory; settings of library/sdxl_model_util.py."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    first = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    second = CLIPTextConfig(
        hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, projection_dim=1280
    )
    return [CLIPTextModel(first), CLIPTextModelWithProjection(second)]


def network_of(path: str) -> dict[str, Any]:
    """The modules that sd-scripts makes of the file, and which keys they lack or leave over."""
    import torch
    from library.sdxl_original_unet import SdxlUNet2DConditionModel
    from networks import lora
    from safetensors.torch import load_file

    with torch.device("meta"):
        unet, texts = SdxlUNet2DConditionModel(), text_encoders()
    network, weights = lora.create_network_from_weights(1.0, path, None, texts, unet)
    network.apply_to(texts, unet, apply_text_encoder=True, apply_unet=True)
    said = network.load_state_dict(weights, strict=False)
    shapes = {key: list(one.shape) for key, one in network.state_dict().items()}
    return {
        "modules": len(network.text_encoder_loras) + len(network.unet_loras),
        "missing": list(said.missing_keys),
        "left_over": list(said.unexpected_keys),
        "other_shapes": [key for key, one in load_file(path).items() if shapes.get(key) != list(one.shape)],
        "alphas": sorted({float(one.alpha) for one in network.unet_loras}),
    }


def hashes_of(path: str) -> dict[str, str]:
    """Both, by the functions that its save_weights calls."""
    from library import train_util
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, framework="pt") as file:
        metadata = {key: value for key, value in file.metadata().items() if not key.startswith("sshs_")}
    model, legacy = train_util.precalculate_safetensors_hashes(load_file(path), metadata)
    with_header = train_util.addnet_hash_safetensors(io.BytesIO(Path(path).read_bytes()))
    return {
        "sshs_model_hash": model,
        "sshs_legacy_hash": legacy,
        "of_file": with_header,
        "old": train_util.model_hash(path),
        "new": train_util.calculate_sha256(path),
        "nothing": hashlib.sha256(b"").hexdigest()[:8],
    }


def checked(checkout: str, path: str) -> int:
    """How many tensors of modules its own tool counts."""
    sys.argv = ["check_lora_weights.py", path]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(Path(checkout, "networks", "check_lora_weights.py")), run_name="__main__")
    found = re.search(r"number of LoRA modules: (\d+)", printed.getvalue())
    return int(found[1]) if found else 0


def main() -> None:
    """Answers in the last argument's file."""
    checkout, path, answer = sys.argv[1:]
    sys.argv = sys.argv[:1]
    stand_in(checkout, "torchvision")
    code = Path(checkout, "train_network.py").read_text("utf-8")
    spec = Path(checkout, "library", "sai_model_spec.py").read_text("utf-8")
    found = {
        "network": network_of(path),
        "hashes": hashes_of(path),
        "checked": checked(checkout, path),
        "ss_keys": sorted(set(re.findall(r'"(ss_\w+)"', code))),
        "spec_keys": sorted(set(re.findall(r'"(modelspec\.\w+)"', spec))),
    }
    Path(answer).write_text(json.dumps(found), "utf-8")


main()
