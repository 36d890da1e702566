"""What sd-scripts makes of an export: run by its interpreter, with the checkout, the export's folder, what, answer.

`what` is `config` (dataset.toml), `config-masked` (with --masked_loss), `folder` (--train_data_dir and --reg_data_dir),
`metadata` (--in_json), or the name of a config file of the training scripts (`--config_file`).

Stood in for, where they are missing or too new for it: torchvision's three transforms, and the pipelines that make
sample pictures; neither plays a part in which images are trained. Everything else is sd-scripts' own code.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import os
import sys
import types
from pathlib import Path
from typing import Any


def module(name: str, **held: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__spec__ = importlib.machinery.ModuleSpec(name, None)
    made.__dict__.update(held)
    sys.modules[name] = made
    return made


def stand_in() -> None:
    import diffusers  # noqa: F401 - looks for torchvision itself, and must not find the one below
    import numpy as np
    import torch
    import transformers  # noqa: F401
    from diffusers import StableDiffusionPipeline  # noqa: F401 - loaded when first asked for
    from transformers import CLIPTextModel, CLIPTokenizer  # noqa: F401

    class Compose:
        def __init__(self, steps: Any) -> None:
            self.steps = steps

        def __call__(self, value: Any) -> Any:
            for step in self.steps:
                value = step(value)
            return value

    def to_tensor() -> Any:
        return lambda pixels: torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 255

    def normalize(mean: Any, deviation: Any) -> Any:
        return lambda value: (value - mean[0]) / deviation[0]

    try:
        import torchvision  # noqa: F401
    except ImportError:
        steps = module("torchvision.transforms", Compose=Compose, ToTensor=to_tensor, Normalize=normalize)
        module("torchvision", transforms=steps, __version__="0")
    try:
        import library.lpw_stable_diffusion
        import library.sdxl_lpw_stable_diffusion  # noqa: F401
    except ImportError:
        module("library.lpw_stable_diffusion", StableDiffusionLongPromptWeightingPipeline=object)
        module("library.sdxl_lpw_stable_diffusion", SdxlStableDiffusionLongPromptWeightingPipeline=object)


class Tokens:
    """Hands captions on instead of tokens."""

    def tokenize(self, text: str) -> Any:
        import torch

        return [torch.zeros((1, 1), dtype=torch.long)]


def parsed(words: list[str]) -> argparse.Namespace:
    from library import config_util, custom_train_functions, train_util

    parser = argparse.ArgumentParser()
    train_util.add_dataset_arguments(parser, True, True, True)
    train_util.add_training_arguments(parser, True)
    train_util.add_masked_loss_arguments(parser)
    config_util.add_config_arguments(parser)
    custom_train_functions.add_custom_train_arguments(parser)
    args = parser.parse_args(words)
    train_util.prepare_dataset_args(args, True)
    return args


def datasets(what: str) -> tuple[Any, Any, Any]:
    """(Arguments, training set, validation set) as train_network.py gets them."""
    from library import config_util
    from library.config_util import BlueprintGenerator, ConfigSanitizer

    words = ["--resolution", "256,256", "--enable_bucket", "--caption_extension", ".txt"]
    words += ["--min_bucket_reso", "64", "--max_bucket_reso", "512"]
    if what.startswith("config"):
        words = ["--dataset_config", "dataset.toml", *(["--masked_loss"] if what == "config-masked" else [])]
        config = config_util.load_user_config("dataset.toml")
    elif what == "folder":
        config = {"datasets": [{"subsets": config_util.generate_dreambooth_subsets_config_by_subdirs(".", "reg")}]}
    else:
        config = {"datasets": [{"subsets": [{"image_dir": ".", "metadata_file": "metadata.json"}]}]}
    args = parsed(words)
    sanitizer = ConfigSanitizer(True, True, args.masked_loss, True)
    blueprint = BlueprintGenerator(sanitizer).generate(config, args)
    return args, *config_util.generate_dataset_group_by_blueprint(blueprint.dataset_group)


def told(group: Any) -> list[dict[str, Any]]:
    """Each image of a group: its file, caption as it is drawn, repeats, bucket, and how much of its mask is white."""
    rows: list[dict[str, Any]] = []
    for dataset in group.datasets if group else ():
        held = getattr(dataset, "dreambooth_dataset_delegate", dataset)
        held.set_caching_mode(None)
        masks = {}
        for index in range(len(dataset)):
            at = held.buckets_indices[index]
            keys = held.bucket_manager.buckets[at.bucket_index]
            keys = keys[at.batch_index * at.bucket_batch_size :][: at.bucket_batch_size]
            batch = dataset[index]
            if "conditioning_images" in batch:
                values = (batch["conditioning_images"] / 2 + 0.5).mean(dim=(1, 2, 3)).tolist()
                masks |= dict(zip(keys, values, strict=True))
        for info in held.image_data.values():
            subset = held.image_to_subset[info.image_key]
            rows.append(
                {
                    "path": os.path.relpath(info.absolute_path),
                    "caption": info.caption,
                    "drawn": held.process_caption(subset, info.caption),
                    "repeats": info.num_repeats,
                    "bucket": list(info.bucket_reso),
                    "resized": list(info.resized_size),
                    "is_reg": info.is_reg,
                    "mask": masks.get(info.image_key),
                    "steps": len(dataset),
                }
            )
    return rows


def arguments(script: str, name: str) -> dict[str, Any]:
    """The config file's values as the script's own parser has them."""
    from library import train_util

    parser = importlib.import_module(script).setup_parser()
    known = {action.dest for action in parser._actions}
    sys.argv = [script, "--config_file", name]
    args = train_util.read_config_from_file(parser.parse_args(), parser)
    return {
        "unknown": sorted(set(vars(args)) - known),
        "values": {key: str(value) for key, value in vars(args).items()},
    }


def main(checkout: str, folder: str, what: str, answer: str) -> None:
    answer = os.path.abspath(answer)  # noqa: PTH100
    sys.path.insert(0, checkout)
    stand_in()
    os.chdir(folder)
    from library import strategy_base

    if ":" in what:
        found: dict[str, Any] = arguments(*what.split(":"))
    else:
        strategy_base.TokenizeStrategy.set_strategy(Tokens())
        from library.strategy_sd import SdSdxlLatentsCachingStrategy

        strategy_base.LatentsCachingStrategy.set_strategy(SdSdxlLatentsCachingStrategy(True, False, 1, False))
        args, train, held = datasets(what)
        for group in filter(None, (train, held)):
            group.set_current_strategies()
            group.verify_bucket_reso_steps(64)
            group.set_current_epoch(1)
        found = {
            "trained": told(train),
            "held": told(held),
            "cacheable": train.is_latent_cacheable(),
            "masked_loss": args.masked_loss,
        }
    Path(answer).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
