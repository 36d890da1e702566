"""Reads a job with ai-toolkit's own configs and dataset classes: read_ai_toolkit.py CHECKOUT CONFIG."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stand_ins import stand_in, stood_in

STOOD_IN = ("torchvision", "torchaudio", "torchao", "cv2", "albumentations", "av", "optimum")


def main(checkout: str, config: str) -> None:
    """Prints what was read."""
    stand_in(checkout, *STOOD_IN)
    import yaml

    (process,) = yaml.safe_load(Path(config).read_text(encoding="utf-8"))["config"]["process"]
    found: dict[str, Any] = {"unknown": unknown_keys(process), "datasets": [read(one) for one in process["datasets"]]}
    found["stood_in"] = sorted(stood_in)
    print(json.dumps(found))


def unknown_keys(process: dict[str, Any]) -> list[str]:
    """Keys that a class of the trainer's config does not take over."""
    from toolkit import config_modules as known

    kinds = {
        "network": known.NetworkConfig,
        "save": known.SaveConfig,
        "train": known.TrainConfig,
        "model": known.ModelConfig,
        "sample": known.SampleConfig,
    }
    found = []
    for section, kind in kinds.items():
        given = process.get(section, {})
        made = kind(**given)
        found += [f"{section}.{key}" for key in given if not hasattr(made, key)]
    for given in process["datasets"]:
        made = known.DatasetConfig(**given)
        found += [f"datasets.{key}" for key, value in given.items() if getattr(made, key, None) != value]
    return found


class Model:
    """What readers ask of a model: the answers of SDXL, and no to everything else."""

    is_xl = True
    latent_space_version = text_embedding_space_version = "sdxl"
    te_padding_side = "right"
    model_config = SimpleNamespace(latent_space_version="sdxl", arch="sdxl")
    vae = unet = SimpleNamespace(config={})

    def get_bucket_divisibility(self) -> int:
        """Of SDXL, by toolkit/stable_diffusion_model.py."""
        return 16

    def get_frame_count_snapper(self) -> None:
        """Of videos only."""

    def __getattr__(self, name: str) -> bool:
        return False


def read(options: dict[str, Any]) -> dict[str, Any]:
    """Every file of one dataset, as it is trained; nothing is dropped, so that captions can be compared."""
    from toolkit.data_loader import get_dataloader_from_datasets

    random.seed(0)
    plain = {**options, "cache_latents_to_disk": False, "caption_dropout_rate": 0, "num_workers": 0}
    loader = get_dataloader_from_datasets([plain], batch_size=1, sd=Model())
    (dataset,) = loader.dataset.datasets
    rows = []
    for item in dataset.file_list:
        item.load_caption(dataset.caption_dict)
        if item.has_mask_image:
            item.load_mask_image()
        rows.append(
            {
                "file": os.path.relpath(item.path, options["folder_path"]),
                "caption": item.caption,
                "bucket": [item.crop_width, item.crop_height],
                "flip": item.flip_x,
                "is_reg": item.is_reg,
                "loss": item.loss_multiplier,
                "mask": round(float(item.mask_tensor.mean()), 2) if item.has_mask_image else None,
            }
        )
    batches = [len(batch.file_items) for batch in loader]
    return {"folder": Path(options["folder_path"]).name, "rows": rows, "batches": batches}


if __name__ == "__main__":
    main(*sys.argv[1:])
