"""What sd-scripts' process_caption makes of captions: run by its interpreter, with the checkout, questions, answer.

The questions are a list of {caption, subset, epoch, step, total_steps, seed}; the answer is a list of texts.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sd_scripts_reader import stand_in


def text_of(process_caption: Any, asked: dict[str, Any]) -> str:
    dataset = SimpleNamespace(
        current_epoch=asked["epoch"] + 1,
        current_step=asked["step"],
        max_train_steps=asked["total_steps"],
        replacements={},
    )
    random.seed(asked["seed"])
    return str(process_caption(dataset, SimpleNamespace(**asked["subset"]), asked["caption"]))


def main(checkout: str, questions: str, answer: str) -> None:
    questions, answer = os.path.abspath(questions), os.path.abspath(answer)  # noqa: PTH100
    sys.path.insert(0, checkout)
    stand_in()
    os.chdir(checkout)
    from library.train_util import BaseDataset

    asked = json.loads(Path(questions).read_text("utf-8"))
    Path(answer).write_text(json.dumps([text_of(BaseDataset.process_caption, one) for one in asked]), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
