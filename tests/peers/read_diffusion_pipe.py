"""Reads a main config with diffusion-pipe's own dataset: read_diffusion_pipe.py CHECKOUT CONFIG."""

from __future__ import annotations

import ast
import json
import logging
import os
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from stand_ins import stand_in, stood_in

STOOD_IN = ("deepspeed", "comfy", "comfy_api")


def main(checkout: str, config: str) -> None:
    """Prints what was read."""
    stand_in(checkout, *STOOD_IN)
    one_process()
    import toml

    given = toml.loads(Path(config).read_text(encoding="utf-8"))
    found = {"unknown": unknown_keys(given, Path(checkout)), "sets": {}}
    defaults(Path(checkout))(given)
    found["adapter_alpha"] = given["adapter"]["alpha"]
    configs = {"train": (given["dataset"], given["micro_batch_size_per_gpu"], given["gradient_accumulation_steps"])}
    for one in given["eval_datasets"]:
        configs[one["name"]] = (one["config"], given["eval_micro_batch_size_per_gpu"], 1)
    for name, (path, batch, accumulated) in configs.items():
        dataset_config = toml.loads(Path(path).read_text(encoding="utf-8"))
        found["sets"][name] = read(dataset_config, batch, accumulated)
    print(json.dumps({**found, "stood_in": sorted(stood_in)}))


def one_process() -> None:
    """deepspeed's answers where there is one process only."""
    import deepspeed.comm.comm
    import deepspeed.utils.logging

    modules: list[tuple[ModuleType, dict[str, Any]]] = [
        (deepspeed.comm.comm, {"get_rank": lambda: 0, "barrier": lambda: None}),
        (deepspeed.utils.logging, {"logger": logging.getLogger("peer")}),
    ]
    for module, answers in modules:
        module.__dict__.update(answers)


def unknown_keys(given: dict[str, Any], checkout: Path) -> list[str]:
    """Keys that stand nowhere in the sources as a text."""
    sources = [checkout / name for name in ("train.py", "models/sdxl.py", "models/base.py", "utils/dataset.py")]
    texts = {
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    sections = [given, given["model"], given.get("adapter", {})]
    return sorted({key for section in sections for key in section} - texts)


def defaults(checkout: Path) -> Any:
    """train.py's own check of a config, without the training around it."""
    from utils.common import DTYPE_MAP

    tree = ast.parse((checkout / "train.py").read_text(encoding="utf-8"))
    (wanted,) = (one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "set_config_defaults")
    names: dict[str, Any] = {"DTYPE_MAP": DTYPE_MAP}
    exec(compile(ast.Module([wanted], []), "train.py", "exec"), names)
    return names["set_config_defaults"]


def in_memory(dataset: Any, map_fn: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """What the trainer computes of each example; its own cache on disk needs Python 3.12."""
    return [{name: values[0] for name, values in map_fn(example, 0).items()} for example in dataset.iter(batch_size=1)]


def read(dataset_config: dict[str, Any], batch_size: int, accumulated: int) -> dict[str, Any]:
    """One dataset through all its steps, with sizes in the place of latents."""
    import torch
    import utils.dataset
    from utils.dataset import Dataset

    utils.dataset._map_and_cache = in_memory
    model = SimpleNamespace(
        name="sdxl",
        framerate=None,
        pixels_round_to_multiple=16,
        model_specific_dataset_config_validation=lambda config: None,
    )
    dataset = Dataset(dataset_config, model)
    dataset.cache_metadata(regenerate_cache=True)

    def latents(example: dict[str, Any], rank: int) -> dict[str, Any]:
        names = ("image_spec", "caption")
        sizes = torch.tensor([list(size) for size in example["size_bucket"]])
        return {"latents": sizes, "mask": [None] * len(sizes), **{name: example[name] for name in names}}

    dataset.cache_latents(latents, regenerate_cache=True)
    dataset.post_init(0, 1, {None: batch_size}, accumulated, {None: batch_size})
    shown: Counter[str] = Counter()
    captions: dict[str, list[str]] = {}
    sizes: dict[str, list[int]] = {}
    for number in range(len(dataset)):
        batch = dataset[number]
        for spec, caption, size in zip(batch["image_spec"], batch["caption"], batch["latents"].tolist(), strict=True):
            name = os.path.relpath(spec[1], os.path.commonpath([one["path"] for one in dataset_config["directory"]]))
            shown[name] += 1
            captions.setdefault(name, []).append(caption)
            sizes[name] = size[:2]
    masks = {
        Path(row["image_spec"][1]).name: row["mask_file"]
        for directory in dataset.directory_datasets
        for bucket in directory.get_size_bucket_datasets()
        for row in bucket.metadata_dataset
        if row["mask_file"]
    }
    return {"shown": shown, "captions": captions, "sizes": sizes, "masks": masks, "batches": len(dataset)}


if __name__ == "__main__":
    main(*sys.argv[1:])
