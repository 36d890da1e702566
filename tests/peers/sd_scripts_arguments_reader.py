"""The options of sd-scripts' parsers, and its blocks: run by its interpreter, with the checkout, what, answer.

`what` is a JSON file: `scripts`, whose parsers are asked, and `names`, modules of LoRAs whose blocks are asked for.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from sd_scripts_reader import stand_in


def kind(action: argparse.Action) -> str:
    """One of the words of trainer/migration/options.py."""
    name = getattr(action.type, "__name__", "str")
    if action.nargs == 0:
        return "switch"
    if action.nargs == "*":
        return "numbers" if name == "float" else "words"
    if name in ("float", "int_or_float"):
        return "number"
    return "whole" if name == "int" else "text"


def options(script: str) -> dict[str, Any]:
    parser = importlib.import_module(script).setup_parser()
    return {action.dest: kind(action) for action in parser._actions if action.dest != "help"}


def main() -> None:
    folder, asked, answer = sys.argv[1:]
    sys.path.insert(0, folder)
    stand_in()
    what = json.loads(Path(asked).read_text())
    from networks.lora import get_block_index

    found = {
        "options": {script: options(script) for script in what["scripts"]},
        "blocks": {
            family: [get_block_index(name, family == "sdxl") for name in names]
            for family, names in what["names"].items()
        },
    }
    Path(answer).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
