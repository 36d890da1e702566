"""sd-scripts' prompt files: text with a prompt a line and options behind it, TOML, or JSON.

Read as `line_to_prompt_dict` and `load_prompts` of kohya-ss/sd-scripts library/train_util.py do, but for what those
drop in silence: an option that is unknown, misspelt or without a value is an error here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.config import read_text, read_toml
from trainer.errors import InputError, nearest

LARGEST_PX, MOST_STEPS, MOST_SEEDS = 8192, 1000, 2**64

_LETTERS = {"w": "width", "h": "height", "d": "seed", "s": "steps", "l": "guidance", "n": "negative"}
_KEYS = {
    "prompt": "text",
    "negative_prompt": "negative",
    "width": "width",
    "height": "height",
    "seed": "seed",
    "sample_steps": "steps",
    "scale": "guidance",
}
_LACKING = {
    "g": "the guidance that Flux is told",
    "ss": "a sampler's name",
    "cn": "a ControlNet's picture",
    "ctr": "Lumina's truncation of guidance",
    "rcfg": "Lumina's renormalized guidance",
    "fs": "a shift of the timesteps",
    "guidance_scale": "the guidance that Flux is told",
    "sample_sampler": "a sampler's name",
    "controlnet_image": "a ControlNet's picture",
    "cfg_trunc_ratio": "Lumina's truncation of guidance",
    "renorm_cfg": "Lumina's renormalized guidance",
    "flow_shift": "a shift of the timesteps",
}
_RANGES = {
    "width": (1, LARGEST_PX),
    "height": (1, LARGEST_PX),
    "seed": (0, MOST_SEEDS - 1),
    "steps": (1, MOST_STEPS),
}
_WHOLE, _NUMBER = re.compile(r"[0-9]{1,20}"), re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}")


@dataclass(frozen=True)
class Said:
    """What a file says of one prompt; None where it is silent."""

    place: str
    """File and line, or file and number of the prompt in it."""
    text: str
    negative: str | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None


def read(path: Path) -> tuple[Said, ...]:
    """The prompts of a .txt, .toml or .json, in their order. Raises InputError, naming file and line."""
    readers = {".txt": _read_lines, ".toml": _read_toml, ".json": _read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: is no prompt file", hint="its name ends in .txt, .toml or .json")
    found = reader(path)
    if not found:
        raise InputError(f"{path}: there is no prompt in it", hint="write one a line; lines that begin with # are none")
    return tuple(found)


def line(text: str, place: str) -> Said:
    """A prompt and its options, as in `a cat --n blurry --w 768 --h 1024 --s 28 --l 5.5 --d 7`. Raises InputError."""
    prompt, *options = re.split(r"(?:^|\s)--", text.strip())
    if not prompt.strip():
        raise InputError(f"{place}: it begins with an option", hint="the prompt comes first, then its options")
    said: dict[str, Any] = {}
    for option in options:
        letter = re.split(r"\s", option, maxsplit=1)[0]
        value = option[len(letter) :].strip()
        field = _LETTERS.get(letter.lower())
        if field is None:
            raise _unknown(place, letter.lower(), known=_LETTERS, dashes="--")
        said[field] = value if field == "negative" else _parsed(value, field, name=f"{place}: --{letter}")
    return Said(place, prompt.strip(), **said)


def _read_lines(path: Path) -> list[Said]:
    rows = read_text(path, error=InputError).replace("\r\n", "\n").split("\n")
    return [
        line(row, f"{path}: line {number}")
        for number, row in enumerate(rows, start=1)
        if row.strip() and not row.lstrip().startswith("#")
    ]


def _read_toml(path: Path) -> list[Said]:
    data = read_toml(path, error=InputError)
    table = data.get("prompt")
    subsets = table.get("subset") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(subsets, list):
        raise InputError(f"{path}: there is no [[prompt.subset]]", hint="write one for each prompt")
    if strange := sorted(data.keys() - {"prompt"}):
        raise _unknown(str(path), strange[0], known=("prompt",))
    shared = {key: value for key, value in table.items() if key != "subset"}
    found = []
    for number, subset in enumerate(subsets, start=1):
        place = f"{path}: subset {number}"
        if not isinstance(subset, dict):
            raise InputError(f"{place}: is no table", hint="write [[prompt.subset]] above each prompt")
        found.append(_of_table({**shared, **subset}, place))
    return found


def _read_json(path: Path) -> list[Said]:
    try:
        rows = json.loads(read_text(path, error=InputError))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON: {error}", hint="write a list of prompts") from None
    if not isinstance(rows, list):
        raise InputError(f"{path}: is no list", hint='write a list: ["a cat --d 1", {"prompt": "a dog", "seed": 1}]')
    found = []
    for number, row in enumerate(rows, start=1):
        place = f"{path}: prompt {number}"
        if isinstance(row, str):
            found.append(line(row, place))
        elif isinstance(row, dict):
            found.append(_of_table(row, place))
        else:
            raise InputError(f"{place}: is neither text nor an object", hint='write {"prompt": "a cat"}')
    return found


def _of_table(table: Mapping[str, Any], place: str) -> Said:
    said: dict[str, Any] = {"text": ""}
    for key, value in table.items():
        if value is None:
            continue
        field = _KEYS.get(key)
        if field is None:
            raise _unknown(place, key, known=_KEYS)
        said[field] = _checked(value, field, name=f"{place}: {key}")
    return Said(place, **said)


def _parsed(text: str, field: str, *, name: str) -> float:
    """The number that an option's text is. Raises InputError."""
    if field == "guidance":
        if not _NUMBER.fullmatch(text):
            raise InputError(f"{name}: {text!r} is no number", hint="write it as in `--l 5.5`")
        return float(text)
    if not _WHOLE.fullmatch(text):
        raise InputError(f"{name}: {text!r} is no whole number", hint="write digits alone")
    return _in_range(int(text), field, name=name)


def _checked(value: object, field: str, *, name: str) -> object:
    """A value of a table, if it is of its field's kind. Raises InputError."""
    if field in ("text", "negative"):
        if not isinstance(value, str):
            raise InputError(f"{name}: is no text", hint="put it in quotes")
        return value.strip()
    if field == "guidance":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise InputError(f"{name}: is no number of at least 0", hint="1 is no guidance, 5 is usual")
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name}: is no whole number", hint="write digits alone")
    return _in_range(value, field, name=name)


def _in_range(value: int, field: str, *, name: str) -> int:
    least, most = _RANGES[field]
    if not least <= value <= most:
        raise InputError(f"{name}: is not between {least} and {most}", hint="choose another")
    return value


def _unknown(place: str, name: str, *, known: Mapping[str, str] | tuple[str, ...], dashes: str = "") -> InputError:
    if name in _LACKING:
        return InputError(f"{place}: {dashes}{name}, {_LACKING[name]}, has no effect here", hint="take it out")
    if not name.strip():
        return InputError(f"{place}: `--` stands alone", hint="options are --n, --w, --h, --s, --l, --d")
    if dashes:
        # Of single letters none is near another; words of sd-scripts' tables are what a person may have had in mind.
        meant = next((f"--{letter}" for letter, field in _LETTERS.items() if _is_like(name, field)), "")
        hint = f"did you mean {meant}?" if meant else "known: --n, --w, --h, --s, --l, --d"
    else:
        hint = nearest(name, known)
    return InputError(f"{place}: there is no {dashes}{name}", hint=hint)


def _is_like(name: str, field: str) -> bool:
    keys = {key for key, one in _KEYS.items() if one == field}
    return nearest(name, {field, *keys}).startswith("did you mean")
