"""Reads the metadata files of sd-scripts' fine-tuning: captions and tags of pictures, in one JSON or JSONL.

JSON: an object, path -> {"caption", "tags"}; JSONL: a line {"image_path", "caption", "tags"} each. A path is
absolute or counts from image_dir; one without extension, as old tools wrote, is looked for with each.
The text is the caption, the separator, and the tags (kohya-ss/sd-scripts:library/train_util.py, FineTuningDataset);
other than there, tags alone are a text with enable_wildcard too. What it says of sizes is not needed: pictures are
measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainer.data.dataset_toml import Subset, read_json
from trainer.data.decoding import extensions
from trainer.data.subsets import CaptionRule
from trainer.errors import DatasetError, some


def read(subset: Subset) -> dict[Path, tuple[str, ...]]:
    """Each picture's lines of text, none where it has neither caption nor tags; sorted. Raises DatasetError."""
    file = subset.metadata_file
    assert file is not None
    entries = _jsonl(file) if file.suffix.lower() == ".jsonl" else _json(file)
    found: dict[Path, tuple[str, ...]] = {}
    missing: list[str] = []
    for name, told in entries:
        path = _picture(subset.image_dir / name)
        if path is None:
            missing.append(name)
            continue
        if path in found:
            raise DatasetError(f"{file}: names {path} twice", hint="raise num_repeats instead")
        found[path] = texts(
            _text(file, name, told=told, key="caption"), _text(file, name, told=told, key="tags"), subset.captions
        )
    if missing:
        raise DatasetError(
            f"{file}: {len(missing)} pictures are not in {subset.image_dir}: {some(missing)}",
            hint="correct image_dir, or take them out of the metadata",
        )
    if not found:
        raise DatasetError(f"{file}: names no pictures", hint='expected {"picture.png": {"caption": "..."}}')
    return dict(sorted(found.items()))


def texts(caption: str, tags: str, rule: CaptionRule) -> tuple[str, ...]:
    """The lines of a picture's text; with enable_wildcard each has the tags."""
    if not rule.enable_wildcard:
        text = rule.caption_separator.join(part for part in (caption, tags) if part)
        return tuple(line.strip() for line in text.split("\n") if line.strip())
    flat = tags.replace("\n", rule.caption_separator)
    lines = [line.strip() for line in caption.split("\n") if line.strip()] or ([""] if flat.strip() else [])
    return tuple(rule.caption_separator.join(part for part in (line, flat) if part) for line in lines)


def _text(file: Path, name: str, *, told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DatasetError(f"{file}: {name}: {key} must be a text, not {value!r}", hint="put it in quotes")
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _json(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    data = read_json(file)
    if not isinstance(data, dict):
        raise DatasetError(f"{file}: must be an object", hint='expected {"picture.png": {"caption": "..."}}')
    for name, told in data.items():
        yield name, _entry(file, name, told=told)


def _jsonl(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read ({error.strerror})", hint="check its permissions") from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file}: is not UTF-8 text (byte {error.start})", hint="save it as UTF-8") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{file}: line {number} is not JSON: {error}", hint="one object a line") from None
        told = _entry(file, f"line {number}", told=told)
        name = told.get("image_path")
        if not isinstance(name, str) or not name:
            raise DatasetError(f"{file}: line {number} has no image_path", hint='add "image_path": "picture.png"')
        yield name, told


def _entry(file: Path, name: str, *, told: Any) -> Mapping[str, Any]:
    if not isinstance(told, dict):
        raise DatasetError(f"{file}: {name}: must be an object", hint='expected {"caption": "..."}')
    return told


def _picture(path: Path) -> Path | None:
    """The file at `path`, or there with the extension of a picture."""
    try:
        if path.is_file():
            return path
        beside = [path.with_name(path.name + extension) for extension in sorted(extensions())]
        return next((one for one in beside if one.is_file()), None)
    except (OSError, ValueError):
        return None
