"""Reads a config with naifu's own dataset: read_naifu.py CHECKOUT CONFIG, started in the export's folder."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from stand_ins import stand_in, stood_in

STOOD_IN = ("torchvision", "lightning")


def main(checkout: str, config: str) -> None:
    """Prints what was read."""
    stand_in(checkout, *STOOD_IN)
    import torch
    from common.utils import get_class
    from omegaconf import OmegaConf

    given = OmegaConf.load(config)
    # As modules/train_lycoris.py has it.
    dataset = get_class(given.dataset.name)(
        batch_size=given.trainer.batch_size, rank=0, dtype=torch.float32, **given.dataset
    )
    store = dataset.store
    found = {
        "images": [os.path.relpath(path, given.dataset.img_path) for path in store.paths],
        "prompts": {os.path.relpath(path, given.dataset.img_path): prompt for path, prompt in
                    zip(store.paths, store.prompts, strict=True)},
        "buckets": [[int(width), int(height)] for height, width in getattr(dataset, "buckets_sizes", [])],
        "batches": [seen(dataset[number]) for number in range(len(dataset))],
        "stood_in": sorted(stood_in),
    }  # fmt: skip
    print(json.dumps(found))


def seen(batch: dict[str, Any]) -> dict[str, Any]:
    """A batch as it is trained: the prompts after processing, and the size in pixels."""
    height, width = batch["pixels"].shape[-2:]
    return {"prompts": batch["prompts"], "size": [width, height]}


if __name__ == "__main__":
    main(*sys.argv[1:])
