"""Asks ComfyUI's own code what a checkpoint is. Runs in an interpreter with ComfyUI's requirements, without a GPU.

Arguments: checkout, a JSON file of key -> shape or a .safetensors file, answer file. From shapes alone it detects the
kind of model and maps the text encoders' keys; a file is loaded whole, and what it missed or left over is answered.
torchvision and torchaudio, which pictures and sound need, are stood in for.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from stand_ins import stand_in


def detected(state: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The kind of model, as it is named there, and what its network predicts."""
    from comfy import model_detection

    config = model_detection.model_config_from_unet(state, "model.diffusion_model.")
    kind = config.model_type(state, "model.diffusion_model.")
    zero = config.sampling_settings.get("zsnr", False)
    return {"name": type(config).__name__, "predicts": kind.name, "zero_terminal_snr": zero}, config


def mapped(path: str) -> dict[str, Any]:
    """Detection, and the keys of the text encoders as ComfyUI renames them."""
    import torch

    shapes = json.loads(Path(path).read_text("utf-8"))
    state = {key: torch.empty(shape, dtype=torch.float16, device="meta") for key, shape in shapes.items()}
    answer, config = detected(state)
    return {**answer, "text": {key: list(one.shape) for key, one in config.process_clip_state_dict(state).items()}}


class _Notes(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def loaded(path: str) -> dict[str, Any]:
    """What loading the whole file says of keys, and a few numbers of each network."""
    import comfy.sd
    import comfy.utils

    notes = _Notes()
    logging.getLogger().addHandler(notes)
    logging.getLogger().setLevel(logging.DEBUG)
    model, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(path, output_vae=True, output_clip=True)
    answer, _ = detected(comfy.utils.load_torch_file(path))
    networks = {"unet": model.model.diffusion_model, "text": clip.cond_stage_model, "vae": vae.first_stage_model}
    weights = {part: [key for key, _ in network.named_parameters()] for part, network in networks.items()}
    complaints = [line for line in notes.lines if "missing" in line.lower() or "left over" in line.lower()]
    return {**answer, "complaints": complaints, "weights": weights}


def main() -> None:
    """Answers in the last argument's file."""
    checkout, path, answer = sys.argv[1:]
    stand_in(checkout, "torchvision", "torchaudio")
    sys.argv = ["comfyui", "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    found = mapped(path) if path.endswith(".json") else loaded(path)
    Path(answer).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main()
