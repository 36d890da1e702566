"""diffusers' own example scripts know every option of train.sh: their parsers are read from a checkout."""

from __future__ import annotations

import ast
import itertools
import shlex
from pathlib import Path
from typing import Any

import pytest
from exports.export_material import item, material, subset
from peers.real_export import checkout

from datakit.exports.formats.diffusers import EXPORT
from datakit.exports.recipes.model import Recipe

pytestmark = pytest.mark.peers
_NAMELESS = ("store_true", "store_false")


@pytest.fixture
def repository() -> Path:
    """A checkout of github.com/huggingface/diffusers: `PEER_DIFFUSERS`."""
    return checkout("PEER_DIFFUSERS")


def options(script: Path) -> dict[str, dict[str, Any]]:
    """Option → what its parser says of it, of what is written out in the source."""
    found = {}
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            told = {word.arg: _value(word.value) for word in node.keywords if word.arg}
            found[str(_value(node.args[0])).removeprefix("--")] = told
    return found


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return node.id
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


CASES = [
    (architecture, method, script, full)
    for architecture, method, script, full in itertools.product(
        ("sdxl", "sd15"), ("lora", "finetune"), ("text-to-image", "dreambooth"), (False, True)
    )
    if (method, script) != ("finetune", "dreambooth")
]


@pytest.mark.parametrize(("architecture", "method", "script", "full"), CASES)
def test_every_option_is_known_and_of_its_type(
    repository: Path, architecture: Any, method: Any, script: str, full: bool
) -> None:
    more: dict[str, Any] = {"optimizer": "adamw8bit", "text_encoder_learning_rate": 5e-5, "min_snr_gamma": 5.0}
    more |= {"prompts": ("one", "two"), "steps": 100, "prediction": "v_prediction", "precision": "fp32"}
    recipe = Recipe(name="x", architecture=architecture, method=method, base="base", **(more if full else {}))
    reg = subset("girl", item("girl/x"), is_reg=True, class_tokens="1girl")
    given = material(
        *(subset("a", item("a/x")), reg),
        export=EXPORT,
        recipe=recipe,
        own={"script": script},
        flip_aug=full,
        caption_dropout_rate=0.1 if full else 0.0,
    )
    assert EXPORT.configure is not None
    text = EXPORT.configure(given, recipe)["train.sh"].decode()
    words = shlex.split(text.partition('cd "$(dirname "$0")"\n')[2].replace("\\\n", " "))
    at = next(number for number, word in enumerate(words) if word.endswith(".py"))
    known = options(repository / words[at].partition("}/")[2])
    assert {name for name, told in known.items() if told.get("required")} <= {
        word.removeprefix("--").partition("=")[0] for word in words[at:]
    }
    for word in words[at + 1 :]:
        if not word.startswith("--"):
            assert known[_last_option(words, word)].get("nargs") == "+"
            continue
        name, has_value, value = word.removeprefix("--").partition("=")
        told = known[name]
        assert bool(has_value) == (told.get("action") not in _NAMELESS) or told.get("nargs") == "+"
        assert not told.get("choices") or value in told["choices"]
        if has_value and told.get("type") in ("int", "float"):
            {"int": int, "float": float}[told["type"]](value)


def _last_option(words: list[str], word: str) -> str:
    before = words[: words.index(word)]
    return next(one for one in reversed(before) if one.startswith("--")).removeprefix("--")
