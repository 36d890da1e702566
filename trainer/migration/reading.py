"""Reads a configuration of sd-scripts, whoever wrote it: its own TOML, what two GUIs save, or a command line."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.config import read_text, read_toml
from trainer.errors import ConfigError
from trainer.migration import guis
from trainer.migration.desk import Row, Script, shown
from trainer.migration.options import OPTIONS

_SCRIPT = re.compile(r"([\w.-]*train[\w]*)\.py$")
SCRIPTS: Mapping[str, tuple[Script, bool | None]] = {
    # Name of the script: what it trains, and whether SDXL.
    "train_network": ("network", False),
    "sdxl_train_network": ("network", True),
    "sdxl_train": ("finetune", True),
    "fine_tune": ("finetune", False),
    "train_db": ("dreambooth", False),
    "train_textual_inversion": ("word", False),
    "sdxl_train_textual_inversion": ("word", True),
}
_TEXTS = frozenset({".txt", ".sh", ".bat", ".cmd", ".ps1"})


@dataclass(frozen=True)
class Given:
    """What a file says."""

    options: dict[str, Any]
    """By the names of sd-scripts."""
    script: Script | None = None
    is_sdxl: bool | None = None
    dataset: dict[str, Any] | None = None
    """Tables of a dataset TOML, where the file holds those too."""
    rows: list[Row] = field(default_factory=list)
    """Of what is no option of sd-scripts."""


def read(path: Path) -> Given:
    """Raises ConfigError where the file cannot be read, or is none of what is known."""
    suffix = path.suffix.lower()
    if suffix in _TEXTS:
        return _of_words(path, _words(path))
    if suffix == ".json":
        return _of_gui(_json(path))
    data = read_toml(path)
    if guis.is_easy(data):
        return _of_easy(data)
    if isinstance(data.get("datasets"), list):
        raise ConfigError(f"{path}: is a dataset TOML", hint=f"give it as --dataset {path.name}, beside the config")
    return _of_tables(data)


def _of_tables(data: Mapping[str, Any]) -> Given:
    """One level of sections is of no meaning: sd-scripts reads it so (library/train_util.py, read_config_from_file)."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return _sorted(flat)


def _of_gui(data: Mapping[str, Any]) -> Given:
    options, rows, is_sdxl, script = guis.kohya(data)
    extra = str(options.pop("additional_parameters", "") or "")
    more = _of_words(Path(), shlex.split(extra)) if extra else Given({})
    made = _sorted(options | more.options)
    return Given(made.options, script, is_sdxl, rows=[*made.rows, *rows, *more.rows])


def _of_easy(data: Mapping[str, Any]) -> Given:
    options, dataset, script, is_sdxl = guis.easy(data)
    made = _sorted(options)
    return Given(made.options, script, is_sdxl, dataset, made.rows)


def _sorted(flat: Mapping[str, Any]) -> Given:
    known = {name: value for name, value in flat.items() if name in OPTIONS}
    rows = [
        Row(name, shown(value), "", "no effect", "no option of sd-scripts' for these models")
        for name, value in flat.items()
        if name not in OPTIONS and value not in (None, False, "", 0, [], {})
    ]
    return Given(known, rows=rows)


def _of_words(path: Path, words: list[str]) -> Given:
    """A command line; what stands before the script's name is accelerate's."""
    script: Script | None = None
    is_sdxl: bool | None = None
    for place, word in enumerate(words):
        name = Path(word.replace("\\", "/")).stem
        if word.endswith(".py") and name in SCRIPTS:
            script, is_sdxl = SCRIPTS[name]
            words = words[place + 1 :]
            break
        if _SCRIPT.search(word):
            raise ConfigError(f"{path}: {name} trains other models", hint=f"known: {', '.join(SCRIPTS)}")
    options: dict[str, Any] = {}
    current, rows = "", []
    for word in words:
        if word.startswith("--"):
            current, sign, value = word[2:].partition("=")
            options.setdefault(current, [])
            if sign:
                options[current].append(value)
        elif current:
            options[current].append(word)
        else:
            rows.append(Row(word, "", "", "no effect", "no option"))
    made = _sorted({name: _value(name, values) for name, values in options.items()})
    found = Given(made.options, script, is_sdxl, rows=[*rows, *made.rows])
    return _with_file(path, found)


def _with_file(path: Path, found: Given) -> Given:
    """With what the --config_file of a command line says, where it lies beside; the command line goes first."""
    named = found.options.get("config_file")
    if not named:
        return found
    file = path.parent / (named if named.endswith(".toml") else f"{named}.toml")
    if not file.is_file():
        raise ConfigError(f"{path}: --config_file {file} is not there", hint="give that file itself")
    below = _of_tables(read_toml(file))
    return Given(below.options | found.options, found.script, found.is_sdxl, rows=[*found.rows, *below.rows])


def _value(name: str, values: list[str]) -> Any:
    kind = OPTIONS.get(name, "text")
    if kind == "switch":
        return True
    return values if kind in ("words", "numbers") else " ".join(values)


def _words(path: Path) -> list[str]:
    text = read_text(path)
    # Lines that go on: \ of shells, ^ of Windows, ` of PowerShell.
    text = re.sub(r"[\\^`][ \t]*\r?\n", " ", text)
    lines = [
        line for line in text.splitlines() if "--" in line and not re.match(r"\s*(#|::|rem )", line, re.IGNORECASE)
    ]
    if not lines:
        raise ConfigError(f"{path}: there is no command line in it", hint="it has the script's name and its --options")
    line = max(lines, key=lambda one: one.count("--"))
    is_windows = path.suffix.lower() in (".bat", ".cmd", ".ps1") or re.search(r"[A-Za-z]:\\", line)
    try:
        return [word.strip("\"'") for word in shlex.split(line, posix=not is_windows)]
    except ValueError as error:
        raise ConfigError(f"{path}: cannot be taken apart ({error})", hint="close every quote") from None


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid JSON: {error}", hint="save the config in the GUI again") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: is no config of a GUI", hint="it is one table of settings")
    return data
