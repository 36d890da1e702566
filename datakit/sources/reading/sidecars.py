"""The bytes of untrusted text and JSON files, read without ever raising anything but one plain error.

What programs in fact write is understood: a byte order mark, UTF-16 with its mark, Python's `NaN` and `Infinity`
(read as null), line breaks inside of texts, halves of surrogate pairs (shown as U+FFFD).
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, Final

import msgspec

from datakit.errors import InputError

MAX_DEPTH: Final = 64
"""How deep the objects and lists of a JSON file may lie in one another; sites send less than ten."""

_UTF_16: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_HINT: Final = "repair the file, or scrape it again"
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")


def decode_text(data: bytes) -> tuple[str, str]:
    """(text, problem) of a text file; the problem is '' where the encoding was certain.

    A byte order mark is taken away. What is neither UTF-8 nor marked as UTF-16 is read as Windows-1252.
    """
    for mark, name in _UTF_16:
        if data.startswith(mark):
            text = data[len(mark) :].decode(name, "replace")
            return text, "is broken UTF-16; what could not be read is shown as U+FFFD" if "\ufffd" in text else ""
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode(), ""
    except UnicodeDecodeError:
        return _windows(data), "is not UTF-8; read as Windows-1252"


def parse_json(data: bytes) -> Any:
    """The value of a JSON file, made of dict, list, str, int, float, bool and None, which can be written again.

    Raises:
        InputError: it is no JSON, or its objects lie too deep in one another; the message has no file name.
    """
    try:
        value = msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))
    except RecursionError as error:
        raise _too_deep() from error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        value = _parse_slowly(data)
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    return value


def _parse_slowly(data: bytes) -> Any:
    """What msgspec refuses and Python's own parser reads."""
    text, problem = decode_text(data)
    if problem:
        raise InputError(f"not JSON (it {problem.partition(';')[0]})", hint=_HINT)
    decoder = json.JSONDecoder(strict=False, parse_constant=lambda word: None, parse_float=_finite)
    try:
        return _whole(decoder.decode(text))
    except RecursionError as error:
        raise _too_deep() from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        reason = f"{error.msg} at {where}" if text.strip("\x00 \t\r\n") else "it is empty"
        raise InputError(f"not JSON ({reason})", hint=_HINT) from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError("not JSON (a number is too long)", hint=_HINT) from error


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if abs(number) != float("inf") else None


def _whole(value: Any) -> Any:
    """With halves of surrogate pairs, which no file can hold, replaced."""
    if isinstance(value, str):
        return _HALF_PAIR.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        children = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [one for row in children for one in row if isinstance(one, dict | list)]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> InputError:
    return InputError(f"not JSON that can be read (objects lie more than {MAX_DEPTH} deep in one another)", hint=_HINT)


def _windows(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:  # five bytes have no meaning there
        return data.decode("latin-1")
