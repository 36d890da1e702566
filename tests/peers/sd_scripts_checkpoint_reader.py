"""Reads a checkpoint by sd-scripts' own code, and says what it holds. Runs in sd-scripts' own interpreter.

torchvision, which only its pictures need, is stood in for.

Arguments: checkout, file, kind (sd15 or sdxl), a file to save to by sd-scripts' own code (sd15 only), answer file.
Answered for each network: its keys with shapes, and the first and last numbers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from stand_ins import stand_in


def told(network: Any) -> dict[str, Any]:
    """Shape and ends of each weight."""
    found = {}
    for key, tensor in network.state_dict().items():
        flat = tensor.flatten()
        found[key] = [list(tensor.shape), [*flat[:8].double().tolist(), *flat[-8:].double().tolist()]]
    return found


def read_sd15(path: str, saved: str) -> dict[str, Any]:
    """Reads, and writes again."""
    import torch
    from library import model_util

    text, vae, unet = model_util.load_models_from_stable_diffusion_checkpoint(False, path)
    model_util.save_stable_diffusion_checkpoint(
        False, saved, text, unet, None, 0, 0, {"a": "b"}, save_dtype=torch.float16, vae=vae
    )
    return {"text_encoder": told(text), "vae": told(vae), "unet": told(unet)}


def read_sdxl(path: str) -> dict[str, Any]:
    """Reads, and names the keys that it would write."""
    import torch
    from library import model_util, sdxl_model_util

    first, second, vae, unet, logit_scale, _ = sdxl_model_util.load_models_from_sdxl_checkpoint(
        sdxl_model_util.MODEL_VERSION_SDXL_BASE_V1_0, path, "cpu", dtype=torch.float16
    )
    state = sdxl_model_util.convert_text_encoder_2_state_dict_to_sdxl(second.state_dict(), logit_scale)
    written = [
        *("model.diffusion_model." + key for key in unet.state_dict()),
        *("conditioner.embedders.0.transformer." + key for key in first.state_dict()),
        *("conditioner.embedders.1.model." + key for key in state),
        *("first_stage_model." + key for key in model_util.convert_vae_state_dict(vae.state_dict())),
    ]
    parts = {"text_encoder": first, "text_encoder_2": second, "vae": vae, "unet": unet}
    return {"written": written, **{name: told(network) for name, network in parts.items()}}


def main() -> None:
    """Answers in the last argument's file."""
    checkout, path, kind, saved, answer = sys.argv[1:]
    stand_in(checkout, "torchvision")
    found = read_sd15(path, saved) if kind == "sd15" else read_sdxl(path)
    Path(answer).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main()
