"""Points in time as sites write them: ISO 8601 with or without a zone, Unix seconds, gelbooru's words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORDS: Final = re.compile(r"\w{3} (\w{3}) +(\d{1,2}) (\d\d:\d\d:\d\d) ([+-]\d\d):?(\d\d) (\d{4})", re.ASCII)
"""`Mon Apr 13 20:25:01 -0500 2015`; read without strptime, whose names of months are the locale's."""
_ZONE: Final = re.compile(r" ?(?:UTC|GMT)$")
_MILLISECONDS: Final = 1e11
"""Unix times from here on, the year 5138 in seconds, are milliseconds."""


def moment(value: object) -> str:
    """A point in time as UTC with seconds, `2015-04-14T01:25:01Z`; '' where it is none. Without a zone it is UTC."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return ""
        text = value.strip() if isinstance(value, str) else ""
        found = _from_words(text) if text and not text.isdecimal() else _from_number(float(value))
        return f"{found.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()}Z" if found.year >= 1000 else ""
    except (ValueError, OverflowError, OSError):
        return ""


def _from_number(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds / 1000 if seconds >= _MILLISECONDS else seconds, UTC)


def _from_words(text: str) -> datetime:
    if match := _WORDS.fullmatch(text):
        month, day, clock, hours, minutes, year = match.groups()
        number = _MONTHS.index(month.lower()) + 1
        text = f"{year}-{number:02}-{int(day):02}T{clock}{hours}:{minutes}"
    found = datetime.fromisoformat(_ZONE.sub("+00:00", text))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
