"""What the backend of LoRA Easy Training Scripts makes of its TOML: run with its checkout, folder, TOML's name, answer.

Its own utils/validation.py and utils/process.py; stood in for are sd-scripts' BucketManager, which it needs only to
turn a warmup ratio into steps, and the table of its own optimizers.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
import types
from pathlib import Path
from typing import Any


def taken_apart(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(args, dataset) as main_ui_files/MainUI.py, process_toml, does it."""
    table = tomllib.loads(text)
    dataset = {"subsets": table.pop("subsets")}
    args = {name: held["args"] for name, held in table.items() if "args" in held}
    return args, dataset | {name: held["dataset_args"] for name, held in table.items() if "dataset_args" in held}


def main(checkout: str, folder: str, name: str, answer: str) -> None:
    answer = os.path.abspath(answer)  # noqa: PTH100
    sys.modules["library"] = types.ModuleType("library")
    sys.modules["library.train_util"] = types.ModuleType("library.train_util")
    sys.modules["library.train_util"].__dict__["BucketManager"] = None
    sys.modules["LoraEasyCustomOptimizer"] = types.ModuleType("LoraEasyCustomOptimizer")
    sys.modules["LoraEasyCustomOptimizer"].__dict__["OPTIMIZERS"] = {}
    sys.path.insert(0, checkout)
    os.chdir(folder)
    Path("runtime_store").mkdir(exist_ok=True)
    Path("config.json").write_text("{}")
    from utils import process, validation  # type: ignore[import-not-found]

    args, dataset = taken_apart(Path(name).read_text("ascii"))
    passed, sdxl, errors, args, dataset, tags = validation.validate({"args": args, "dataset": dataset})
    process.process_args(args)
    process.process_dataset_args(dataset)
    Path("dataset.toml").write_bytes(Path("runtime_store/dataset.toml").read_bytes())
    told = {"passed": passed, "sdxl": sdxl, "errors": errors, "args": args, "tags": tags}
    config = tomllib.loads(Path("runtime_store/config.toml").read_text("utf-8"))
    Path(answer).write_text(json.dumps(told | {"config": config}), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
