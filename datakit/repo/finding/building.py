"""Making tables of rows, and rows of tables."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from datakit.model.record import CATEGORIES
from datakit.repo.finding.facts import Facts
from datakit.repo.finding.segment import NUMBERS, pack_texts, pack_values

_SHARED: Final = ("tag", "has-tag", *CATEGORIES, "concept", "rating", "site", "format", "has")
_COLUMNS: Final = ("caption", "id", "md5", "parent")
_NO_BLOB: Final = bytes(20)


def pack(
    rows: Sequence[Facts], *, gone: Iterable[str] = (), folders: Mapping[str, int] | None = None
) -> dict[str, bytes]:
    """The sections of a table of rows that are sorted by key.

    `gone` are keys that the table below has otherwise; `folders` as `folder_times` gives them.
    """
    times = folders or {}
    stats = list(chain.from_iterable(row.stat for row in rows))
    found = {
        "keys": pack_texts(row.key for row in rows),
        "gone": pack_texts(gone),
        "folders": pack_texts(times),
        "folder-times": array("q", times.values()).tobytes(),
        "stat:time": array("q", stats[0::3]).tobytes(),
        "stat:size": array("q", stats[1::3]).tobytes(),
        "stat:inode": array("Q", stats[2::3]).tobytes(),
        "blob:caption": b"".join(row.caption_blob or _NO_BLOB for row in rows),
        "blob:image": b"".join(row.image_blob or _NO_BLOB for row in rows),
    }
    for name in NUMBERS:
        found[f"number:{name}"] = array("d", [row.numbers.get(name, math.nan) for row in rows]).tobytes()
    for name in _COLUMNS[1:]:
        found[f"column:{name}"] = pack_texts(row.columns.get(name, "") for row in rows)
    for word in _SHARED:
        found |= {f"{part}:{word}": data for part, data in pack_values(_rows_of(rows, word), len(rows)).items()}
    found["column:caption"] = pack_texts(row.caption or "" for row in rows)
    return found


def _rows_of(rows: Sequence[Facts], word: str) -> dict[str, array[int]]:
    found: dict[str, array[int]] = {}
    for number, row in enumerate(rows):
        for value in row.values.get(word, ()):
            there = found.get(value)
            if there is None:
                found[value] = array("I", (number,))
            else:
                there.append(number)
    return found
