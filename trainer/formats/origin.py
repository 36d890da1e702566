"""`dsk_*`: which dataset a result was made of, and with which settings; nothing of the computer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from string import ascii_letters
from typing import Any

import msgspec

from trainer.config import Config

_PLACES = (
    ("model", "base"),
    ("model", "vae"),
    ("dataset", "config"),
    ("dataset", "train_dir"),
    ("dataset", "reg_dir"),
    ("dataset", "cache"),
    ("sample", "prompt_file"),
    ("output", "dir"),
)
"""Fields that name a place on this computer."""
_WHOLE = ("/", "~", "\\\\", *(f"{letter}:\\" for letter in ascii_letters), *(f"{letter}:/" for letter in ascii_letters))
"""How whole paths begin."""


def origin(config: Config) -> dict[str, str]:
    """Commit and digest of the dataset's manifest, where there is one, and the config."""
    return {f"dsk_{key}": value for key, value in {**_manifest(config), "config": _dumps(portable(config))}.items()}


def portable(config: Config) -> dict[str, Any]:
    """The config without what names a place: file names are kept, folders above them are not."""
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    for section, key in _PLACES:
        plain[section][key] = Path(str(plain[section][key])).name
    plain["dataset"]["general"] = {key: _nameless(value) for key, value in plain["dataset"]["general"].items()}
    return plain


def _nameless(value: Any) -> Any:
    """The last word of what looks like a whole path, at any depth."""
    if isinstance(value, dict):
        return {key: _nameless(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_nameless(one) for one in value]
    # Not by expanduser, which fails where there is no such user: a caption may begin with a tilde.
    if isinstance(value, str) and value.startswith(_WHOLE):
        return value.replace("\\", "/").rpartition("/")[2]
    return value


def _manifest(config: Config) -> dict[str, str]:
    """Of the manifest.json beside the dataset TOML, or in the folder of folders."""
    if not (config.dataset.config or config.dataset.train_dir):
        return {}
    folder = Path(config.dataset.config).parent if config.dataset.config else Path(config.dataset.train_dir)
    try:
        content = (folder / "manifest.json").read_bytes()
        manifest = json.loads(content)
    except (OSError, ValueError):
        return {}
    found = {"manifest_sha256": hashlib.sha256(content).hexdigest()}
    if isinstance(manifest, dict) and isinstance(manifest.get("commit"), str):
        found["dataset_commit"] = manifest["commit"]
    return found


def _dumps(value: object) -> str:
    return json.dumps(value, sort_keys=True)
