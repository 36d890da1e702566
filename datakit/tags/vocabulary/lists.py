"""The files that a vocabulary is made of, read row by row: lists of tags, aliases, implications, a blacklist.

Every row that cannot be understood is told with its line; what else to do about it is the caller's choice.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from datakit.errors import ConfigError
from datakit.tags.names import to_canonical

_ODD: Final = re.compile(r"[^!-%'-+\--@\[\]-~]|^_|_$|__")
"""What a name may hold that is not canonical: anything but ASCII, capitals, `&`, `,`, `\\`, gaps."""
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}")
_COMMENT: Final = re.compile(r"(?:^|\s)#(?:\s|$)")
_MOST_LETTERS: Final = 1000
_PLAIN: Final = (0, 1, 2, 3)
"""Columns of a list of tags without a header."""
_ACTIVE: Final = "active"
_PAIR_HEADERS: Final = (
    ("antecedent_name", "consequent_name"),
    ("antecedent", "consequent"),
    ("alias", "canonical"),
    ("alias", "tag"),
    ("tag", "implies"),
)


class Fault(NamedTuple):
    """A row that was not understood."""

    line: int
    what: str


class Row(NamedTuple):
    """One row of a list of tags, its kind as the file has it."""

    line: int
    name: str
    kind: str
    posts: int
    aliases: str


class Pair(NamedTuple):
    """One row of a file of aliases (alias, tag) or implications (tag, what it implies)."""

    line: int
    left: str
    right: str


class TagTable(NamedTuple):
    """A list of tags as its rows have it."""

    rows: list[Row]
    faults: list[Fault]
    has_ids: bool
    """Whether its first column is a tag's number, as in taggers' and sites' own lists."""


def canonical_name(text: str) -> str:
    """As `to_canonical`, without its cost for the many that are canonical already."""
    return to_canonical(text) if _ODD.search(text) else text


def read_tag_rows(data: bytes, *, path: str) -> TagTable:
    """Rows `name,type,count,"alias,alias"`, or any columns under a header that names them.

    Raises:
        ConfigError: the file is no text, or no CSV; names the line.
    """
    columns: Sequence[int] = _PLAIN
    table = TagTable([], [], False)
    for place, (line, cells) in enumerate(_rows(data, path=path)):
        if place == 0 and (found := _tag_header(cells)):
            columns, has_ids = found
            table = table._replace(has_ids=has_ids)
            continue
        if columns is _PLAIN and len(cells) > 4 and any(cells[4:]):
            table.faults.append(Fault(line, 'more than four columns: several aliases are written "a,b"'))
            continue
        if columns is not _PLAIN or len(cells) != 4:
            cells = [_cell(cells, at) for at in columns]
        text, kind, count, aliases = cells[0], cells[1].strip(), cells[2].strip(), cells[3]
        name = canonical_name(text)
        if what := _name_fault(text, name) or _kind_fault(kind, count):
            table.faults.append(Fault(line, what))
        else:
            table.rows.append(Row(line, name, kind, max(0, int(count or 0)), aliases))
    return table


def read_pairs(data: bytes, *, path: str) -> tuple[list[Pair], list[Fault]]:
    """Rows of two tags, canonical; of a site's export those that are active.

    Raises:
        ConfigError: the file is no text, or no CSV; names the line.
    """
    pairs: list[Pair] = []
    faults: list[Fault] = []
    columns: tuple[int, int, int] | None = None
    for place, (line, cells) in enumerate(_rows(data, path=path)):
        if place == 0 and (columns := _pair_header(cells)):
            continue
        if columns and columns[2] >= 0 and _cell(cells, columns[2]).lower() != _ACTIVE:
            continue
        if columns is None and any(cells[2:]):
            faults.append(Fault(line, "more than two columns"))
            continue
        left, right = (_cell(cells, at) for at in (columns or (0, 1))[:2])
        pair = Pair(line, canonical_name(left), canonical_name(right))
        if what := _name_fault(left, pair.left) or _name_fault(right, pair.right):
            faults.append(Fault(line, what))
        else:
            pairs.append(pair)
    return pairs, faults


def read_blacklist(data: bytes, *, path: str) -> list[tuple[str, ...]]:
    """The tags of every line that is no comment: `# this` is one, and `#this` may be a tag.

    Raises:
        ConfigError: the file is no text; names the line.
    """
    found = []
    for text in decode_text(data, path=path).splitlines():
        pieces = _COMMENT.split(text, maxsplit=1)[0].split(",")
        if tags := tuple(filter(None, map(canonical_name, pieces))):
            found.append(tags)
    return found


def decode_text(data: bytes, *, path: str) -> str:
    """The text of a file that must be UTF-8, with or without byte order mark.

    Raises:
        ConfigError: another encoding; names the line.
    """
    if data.startswith(b"\x1f\x8b"):
        raise ConfigError(f"{path}: compressed", hint="unpack it with gunzip")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigError(f"{path}: line 1: UTF-16, not UTF-8", hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8", hint="save it as UTF-8") from error


def _rows(data: bytes, *, path: str) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of every row that has any."""
    reader = csv.reader(io.StringIO(decode_text(data, path=path), newline=""))
    line = 1
    try:
        for cells in reader:
            if reader.line_num > line and any("\n" in cell or "\r" in cell for cell in cells):
                raise ConfigError(f"{path}: line {line}: a quote that is not closed", hint='write a quote as """"')
            if any(map(str.strip, cells)):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{path}: line {line}: {error}", hint="a quote is not closed, or this is no CSV") from error


def _tag_header(cells: Sequence[str]) -> tuple[Sequence[int], bool] | None:
    """Where name, kind, count and aliases are (-1 for nowhere), and whether there are ids; None for a row of tags."""
    words = [cell.strip().lower() for cell in cells]
    columns = [
        _first(words, "name", "tag", "tag_name"),
        _first(words, "category", "type"),
        _first(words, "count", "post_count", "postcount"),
        _first(words, "aliases", "alias"),
    ]
    return (columns, _first(words, "tag_id", "id") >= 0) if columns[0] >= 0 and columns[1] >= 0 else None


def _pair_header(cells: Sequence[str]) -> tuple[int, int, int] | None:
    """Where left, right and status are; None for a row of tags."""
    words = [cell.strip().lower() for cell in cells]
    for left, right in _PAIR_HEADERS:
        if left in words and right in words:
            return words.index(left), words.index(right), _first(words, "status")
    return None


def _first(words: Sequence[str], *known: str) -> int:
    return next((words.index(word) for word in known if word in words), -1)


def _cell(cells: Sequence[str], at: int) -> str:
    return cells[at].strip() if 0 <= at < len(cells) else ""


def _kind_fault(kind: str, count: str) -> str:
    if not kind:
        return "no type: a row is name,type,count,aliases"
    return "" if not count or _NUMBER.fullmatch(count) else f"the count {_quoted(count)} is no number"


def _name_fault(text: str, name: str) -> str:
    if "," in text:
        return f"{_quoted(text)}: a tag has no comma"
    if len(text) > _MOST_LETTERS:
        return f"a tag of {len(text):,} letters"
    return "" if name else "a tag is missing"


def _quoted(text: str) -> str:
    return msgspec.json.encode(text[:60]).decode()
