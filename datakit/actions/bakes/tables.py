"""The ledger as one table: a row a bake, and a column for each setting that is worth one."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from datakit.actions.bakes.comparing import UNTOLD, flat
from datakit.actions.bakes.ledger import Bake, order_of
from datakit.errors import UsageError
from datakit.model.record import compact_json
from datakit.registry import nearest

LISTED: Final = ("id", "date", "images", "steps", "loss", "validation", "rating", "note", "base", "adapter")
"""Columns that matter, in their order."""
FACTS: Final = (*LISTED, "first_loss", "seconds", "device", "seed", "epochs", "held_out", "peak_memory_bytes")
ALSO: Final = ("commit", "repeats", "weights_sha256", "lora", "grid")
_WIDTHS: Final = {"note": 40, "grid": 44, "lora": 44, "base": 26, "adapter": 22, "id": 16, "date": 12}
_WIDEST: Final = 40
_LINK: Final = "grid"
_ESCAPED: Final = str.maketrans({mark: f"%{ord(mark):02X}" for mark in " #%"})
"""What a link may not hold as it is."""

Cell = str | int | float | bool | None


class Sheet(msgspec.Struct, frozen=True):
    """A table; None where a bake does not say."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def values_of(done: Bake) -> dict[str, Any]:
    """All that is known of a bake, by the names of columns and of settings."""
    settings = flat(done.config) | flat(done.resolved)
    facts = {
        "date": done.date,
        "loss": done.final_loss,
        "validation": done.validation.held_out if done.validation else None,
        "rating": done.rating or None,
        "base": _base(settings),
        "adapter": _adapter(settings),
        "peak_memory_bytes": done.peak_memory_bytes or None,
    }
    plain = {name: getattr(done, name) for name in (*FACTS, *ALSO) if name not in facts}
    return {**settings, **plain, **facts}


def _base(settings: dict[str, Any]) -> str:
    given = str(settings.get("model.base") or "")
    return PurePosixPath(given.replace("\\", "/")).name or str(settings.get("model.family") or "tiny")


def _adapter(settings: dict[str, Any]) -> str:
    name = str(settings.get("adapter.name", "lora"))
    if name in ("full", "textual_inversion"):
        return name
    return " ".join([name, *(str(settings[key]) for key in ["adapter.rank"] if key in settings)])


def sort_bakes(bakes: Sequence[Bake], key: str = "") -> list[Bake]:
    """Bakes by a column or a setting, `-KEY` the other way round; the newest first where there is no key.

    Bakes that do not say come last.

    Raises:
        UsageError: no bake has such a column or setting.
    """
    newest = sorted(bakes, key=lambda one: order_of(one.id), reverse=True)
    if not key:
        return newest
    name, is_falling = key.removeprefix("-"), key.startswith("-")
    values = {one.id: values_of(one) for one in newest}
    known = {*FACTS, *ALSO, *(other for row in values.values() for other in row)}
    if name not in known:
        like = nearest(name, sorted(known))
        hint = f"did you mean '{like}'?" if like else f"columns: {', '.join(FACTS)}; or a setting, train.seed"
        raise UsageError(f"--sort {key}: no bake has '{name}'", hint=hint)
    told = [one for one in newest if values[one.id].get(name) not in (None, "")]
    told.sort(key=lambda one: _rank(name, values[one.id][name]), reverse=is_falling)
    return told + [one for one in newest if one not in told]


def _rank(name: str, value: Any) -> tuple[Any, ...]:
    """Numbers before words, each among their like."""
    if name == "id":
        return order_of(value)
    if isinstance(value, bool | int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value))


def sheet_of(bakes: Sequence[Bake]) -> Sheet:
    """One row a bake; the settings that were asked for in any, or that are not the same in all that tell them."""
    rows = [values_of(one) for one in bakes]
    columns = (*FACTS, *sorted(set(_settings(bakes))), *ALSO)
    cells = tuple(tuple(_cell(row.get(name)) for name in columns) for row in rows)
    return Sheet(columns, cells)


def _settings(bakes: Sequence[Bake]) -> Iterator[str]:
    asked = {name for one in bakes for name in flat(one.config)}
    seen: dict[str, set[str]] = {}
    for one in bakes:
        for name, value in flat(one.resolved).items():
            seen.setdefault(name, set()).add(repr(value))
    yield from asked - UNTOLD
    yield from (name for name, values in seen.items() if len(values) > 1 and name not in UNTOLD)


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return compact_json(value).decode()


def as_csv(sheet: Sheet) -> str:
    """Comma-separated, the names first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(sheet.columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in sheet.rows)
    return out.getvalue()


def as_xlsx(sheet: Sheet, *, root: Path, folder: Path) -> bytes:
    """An Excel workbook; pictures are links.

    Args:
        sheet: the table.
        root: of the dataset, which paths in the table are relative to.
        folder: where the workbook will lie, which its links are relative to.
    """
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, {**options, "nan_inf_to_errors": True}) as book:
        page = book.add_worksheet("bakes")
        page.freeze_panes(1, 1)
        page.write_row(0, 0, sheet.columns, book.add_format({"bold": True, "bottom": 1}))
        for number, row in enumerate(sheet.rows, 1):
            for place, cell in enumerate(row):
                if sheet.columns[place] == _LINK and cell:
                    link = os.path.relpath(root / str(cell), folder).translate(_ESCAPED)
                    page.write_url(number, place, f"external:{link}", string=str(cell))
                elif cell is not None:
                    page.write(number, place, cell)
        for place, name in enumerate(sheet.columns):
            page.set_column(place, place, _width(name, [row[place] for row in sheet.rows]))
        if sheet.rows:
            page.autofilter(0, 0, len(sheet.rows), len(sheet.columns) - 1)
    return out.getvalue()


def _width(name: str, cells: Sequence[Cell]) -> int:
    longest = max((len(str(cell)) for cell in cells if cell is not None), default=0)
    return _WIDTHS.get(name, min(_WIDEST, max(len(name), longest) + 2))
