"""What sd-scripts makes of a dataset config or of bucket settings: run by its interpreter.

Arguments: the checkout, a folder, what, a file to answer in. `what` is `buckets` (the folder's cases.json: settings and
sizes), `folder` (train and reg below the folder), or the name of a dataset config in the folder.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from sd_scripts_reader import Tokens, parsed, stand_in


def buckets() -> list[Any]:
    """Of each case: every resolution, and each size's (bucket, resized size); None where sd-scripts stops."""
    from library.train_util import BaseDataset, BucketManager

    found: list[Any] = []
    for case in json.loads(Path("cases.json").read_text("utf-8")):
        width, height, least, most, step, no_upscale = case["settings"]
        try:
            least, most = BaseDataset.adjust_min_max_bucket_reso_by_steps(None, (width, height), least, most, step)
            manager = BucketManager(no_upscale, (width, height), least, most, step)
            if not no_upscale:
                manager.make_buckets()
        except (AssertionError, ZeroDivisionError):
            found.append(None)
            continue
        chosen: list[Any] = []
        for size in case["sizes"]:
            try:
                chosen.append(manager.select_bucket(*size)[:2])
            except (AssertionError, ZeroDivisionError):
                chosen.append(None)
        found.append({"resolutions": [] if no_upscale else manager.predefined_resos, "chosen": chosen})
    return found


def groups(what: str) -> tuple[Any, Any]:
    from library import config_util
    from library.config_util import BlueprintGenerator, ConfigSanitizer

    args = parsed(["--resolution", "64,64", "--caption_extension", ".txt"] if what == "folder" else ["--masked_loss"])
    if what == "folder":
        subsets = config_util.generate_dreambooth_subsets_config_by_subdirs("train", "reg")
        config: Any = {"datasets": [{"subsets": subsets}]}
    else:
        config = config_util.load_user_config(what)
    blueprint = BlueprintGenerator(ConfigSanitizer(True, True, True, True)).generate(config, args)
    made: tuple[Any, Any] = config_util.generate_dataset_group_by_blueprint(blueprint.dataset_group)
    return made


def rows(group: Any) -> list[dict[str, Any]]:
    """Each picture of a group."""
    found: list[dict[str, Any]] = []
    for number, dataset in enumerate(group.datasets if group else ()):
        held = getattr(dataset, "dreambooth_dataset_delegate", dataset)
        for info in held.image_data.values():
            subset = held.image_to_subset[info.image_key]
            found.append(
                {
                    "set": number,
                    "path": os.path.relpath(info.absolute_path),
                    "caption": info.caption,
                    "repeats": info.num_repeats,
                    "bucket": list(info.bucket_reso),
                    "resized": list(info.resized_size),
                    "is_reg": info.is_reg,
                    "mask": os.path.relpath(info.cond_img_path) if info.cond_img_path else None,
                    "flip": subset.flip_aug,
                    "wildcard": subset.enable_wildcard,
                    "keep_tokens": subset.keep_tokens,
                    "prefix": subset.caption_prefix or "",
                    "batch_size": dataset.batch_size,
                }
            )
    return found


def main(checkout: str, folder: str, what: str, answer: str) -> None:
    answer = os.path.abspath(answer)  # noqa: PTH100
    sys.path.insert(0, checkout)
    stand_in()
    os.chdir(folder)
    if what == "buckets":
        found: Any = {"cases": buckets()}
    else:
        from library import strategy_base
        from library.strategy_sd import SdSdxlLatentsCachingStrategy

        strategy_base.TokenizeStrategy.set_strategy(Tokens())
        strategy_base.LatentsCachingStrategy.set_strategy(SdSdxlLatentsCachingStrategy(True, False, 1, False))
        train, held = groups(what)
        found = {"trained": rows(train), "held": rows(held)}
    Path(answer).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
