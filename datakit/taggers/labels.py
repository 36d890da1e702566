"""The names of a tagger's outputs, from the files that taggers come with.

| format       | file                                                                                            |
|--------------|-------------------------------------------------------------------------------------------------|
| `csv`        | a header, then a row for each output in order; names and categories by column (WD, PixAI, e621) |
| `cl-json`    | `{"0": {"tag": …, "category": "General"}, …}`, or `idx_to_tag` beside `tag_to_category` (cl_tagger) |
| `camie-json` | the latter within `dataset_info.tag_mapping` (Camie)                                            |
| `lines`      | a name a line (JoyTag, DeepDanbooru)                                                            |

Names become canonical; the rows keep their order, which is that of the outputs. These files come from strangers: a
mistake in one is an error that names it, never a crash.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.errors import InputError
from datakit.taggers.spec import LABEL_CATEGORIES, RATING, LabelFile
from datakit.tags.names import to_canonical

_MOST_BYTES: Final = 256 << 20
_MOST_LABELS: Final = 1 << 20
_DOWNLOAD: Final = "download the file again, or write its format into the tagger's spec"
_RATING_PREFIXES: Final = ("rating:", "rating_")


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """What each output of a tagger means, in their order."""

    names: tuple[str, ...]
    """Canonical; of a rating `general`, `sensitive`, … Two outputs may share a name, and one may have none: ''."""
    categories: tuple[str, ...]
    """Of `spec.LABEL_CATEGORIES`; '' for a label that is never taken."""
    thresholds: tuple[float, ...] | None = None
    """Each label's own threshold, where the file has them; NaN for a label without."""
    series: dict[str, tuple[str, ...]] = {}
    """Character → copyright tags that go with it, where the file knows."""


def read_labels(path: Path, written: LabelFile) -> Labels:
    """The labels in a file.

    Raises:
        InputError: missing, unreadable, or not what `written` says; names the file.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: too large for a label file", hint=_DOWNLOAD)
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="dsk taggers lists what is here") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start})", hint=_DOWNLOAD) from error
    return parse_labels(text, written, where=str(path))


def parse_labels(text: str, written: LabelFile, *, where: str) -> Labels:
    """The labels in a file's text; `where` names it in messages.

    Raises:
        InputError: it is not what `written` says.
    """
    labels = _READERS[written.format](text, written, where)
    if not labels.names:
        raise InputError(f"{where}: no labels in it", hint=_DOWNLOAD)
    if len(labels.names) > _MOST_LABELS:
        raise InputError(f"{where}: {len(labels.names):,} labels are too many", hint=_DOWNLOAD)
    return labels


def check_width(labels: Labels, width: int, *, model: Path, file: Path) -> None:
    """Refuse labels that are not those of the model's output.

    Raises:
        InputError: names both files and both numbers.
    """
    if len(labels.names) != width:
        raise InputError(
            f"{model} gives {width:,} scores, and {file} names {len(labels.names):,}",
            hint="the two belong to different models, or the spec names another output: download both again",
        )


def _read_csv(text: str, written: LabelFile, where: str) -> Labels:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = list(reader.fieldnames or ())
        if written.name not in columns:
            hint = f"the columns are {', '.join(columns[:12])}; the spec's labels.name says which has the names"
            raise InputError(f"{where}: no column '{written.name}'", hint=hint)
        rows = list(reader)
    except csv.Error as error:
        raise InputError(f"{where}: line {reader.line_num}: {error}", hint=_DOWNLOAD) from error
    codes = [_cell(row, written.category) for row in rows] if written.category in columns else ["0"] * len(rows)
    own = written.threshold in columns
    return _labels(
        [_cell(row, written.name) for row in rows],
        [_category(code, written.categories if written.category in columns else {"0": "general"}) for code in codes],
        thresholds=tuple(_number(_cell(row, written.threshold)) for row in rows) if own else None,
        series=_series(rows, written, where) if written.series in columns else {},
    )


def _cell(row: Mapping[str, str | None], column: str) -> str:
    return (row.get(column) or "").strip()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _series(rows: list[dict[str, str | Any]], written: LabelFile, where: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for number, row in enumerate(rows, 2):
        text = _cell(row, written.series)
        if text in ("", "[]"):
            continue
        names = _json(text, f"{where}: row {number}: {written.series}")
        if not isinstance(names, list):
            raise InputError(f"{where}: row {number}: {written.series} is no list", hint=_DOWNLOAD)
        tags = tuple(filter(None, (_name(name) for name in names if isinstance(name, str))))
        if tags:
            found[_name(_cell(row, written.name))] = tags
    return found


def _read_cl(text: str, written: LabelFile, where: str) -> Labels:
    table = _table(_json(text, where), where)
    if "idx_to_tag" in table:
        return _by_two_tables(table, written, where)
    entries = _by_number(table, where)
    names, codes = [], []
    for number, entry in enumerate(entries):
        label = _table(entry, f"{where}: label {number}") if entry is not None else {}
        names.append(str(label.get("tag", "")))
        codes.append(str(label.get("category", "")))
    return _labels(names, [_category(code, written.categories) for code in codes])


def _read_camie(text: str, written: LabelFile, where: str) -> Labels:
    table = _table(_json(text, where), where)
    for name in ("dataset_info", "tag_mapping"):
        table = _table(table.get(name, table), f"{where}: {name}")
    return _by_two_tables(table, written, where)


def _by_two_tables(table: Mapping[str, Any], written: LabelFile, where: str) -> Labels:
    names = [name if isinstance(name, str) else "" for name in _by_number(table.get("idx_to_tag"), where)]
    codes = _table(table.get("tag_to_category"), f"{where}: tag_to_category")
    return _labels(names, [_category(str(codes.get(name, "")), written.categories) for name in names])


def _read_lines(text: str, written: LabelFile, where: str) -> Labels:
    del written, where
    names = [line.strip() for line in text.splitlines() if line.strip()]
    return _labels(names, ["general"] * len(names))


def _labels(
    names: list[str],
    categories: list[str],
    *,
    thresholds: tuple[float, ...] | None = None,
    series: dict[str, tuple[str, ...]] | None = None,
) -> Labels:
    kinds = [
        RATING if name.lower().startswith(_RATING_PREFIXES[0]) else category
        for name, category in zip(names, categories, strict=True)
    ]
    canonical = tuple(
        _rating(name) if category == RATING else _name(name) for name, category in zip(names, kinds, strict=True)
    )
    return Labels(names=canonical, categories=tuple(kinds), thresholds=thresholds, series=series or {})


def _name(text: str) -> str:
    """Canonical, without halves of characters, which JSON can escape and no caption can hold."""
    return to_canonical(text.encode("utf-8", "replace").decode())


def _rating(name: str) -> str:
    """`rating:safe`, `rating_general` and `General` as the words alone."""
    word = _name(name)
    for prefix in _RATING_PREFIXES:
        word = word.removeprefix(prefix)
    return word


def _category(code: str, known: Mapping[str, str]) -> str:
    """By the spec's map, or by its own name; '' for any other."""
    if code in known:
        return known[code]
    return code.lower() if code.lower() in LABEL_CATEGORIES else ""


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON: {error}", hint=_DOWNLOAD) from error


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: not a JSON object", hint=_DOWNLOAD)
    return value


def _by_number(value: Any, where: str) -> list[Any]:
    """A list, or an object whose keys are numbers, as a list; None where a number is left out."""
    if isinstance(value, list):
        return value
    table = _table(value, f"{where}: idx_to_tag")
    try:
        found = {int(key): entry for key, entry in table.items()}
    except ValueError as error:
        raise InputError(f"{where}: a label's number is none: {error}", hint=_DOWNLOAD) from error
    if any(not 0 <= number < _MOST_LABELS for number in found):
        raise InputError(f"{where}: a label's number is out of reach", hint=_DOWNLOAD)
    return [found.get(number) for number in range(max(found, default=-1) + 1)]


_READERS: Final[dict[str, Callable[[str, LabelFile, str], Labels]]] = {
    "csv": _read_csv,
    "cl-json": _read_cl,
    "camie-json": _read_camie,
    "lines": _read_lines,
}
