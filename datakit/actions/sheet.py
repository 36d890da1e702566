"""A comparison as one self-contained page: thumbnails beside each other, tags as chips; it needs no network."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit import __version__
from datakit.actions.comparing import Compared
from datakit.actions.pictures import Pictures, load_pictures
from datakit.errors import WriteError
from datakit.model.comparison import (
    CaptionChange,
    CaptionMark,
    Comparison,
    FieldChange,
    ItemChange,
    Mark,
    Moment,
    Picture,
    StageChange,
)
from datakit.model.item import concept_of, stem_of
from datakit.model.progress import Progress, silent
from datakit.model.record import compact_json
from datakit.repo.dataset import Dataset
from datakit.store.durable import replace_file
from datakit.tags.captions import spell_tags

_SIGNS: Final = {"added": "+", "removed": "−", "changed": "~", "renamed": "→", "reordered": "↕", "respelled": "≈"}
_IMAGE_MARKS: Final[tuple[Mark, ...]] = ("added", "removed", "changed", "renamed")
_CAPTION_MARKS: Final[tuple[CaptionMark, ...]] = ("added", "removed", "changed", "reordered", "respelled")
_FILTERS: Final = {
    "added": "Images added",
    "removed": "Images removed",
    "changed": "Images changed",
    "renamed": "Renamed",
    "caption": "Captions",
    "record": "Records",
}
_SHOWN_TOTALS: Final = 60
_SHOWN_FIELDS: Final = 40
_VALUE_WIDTH: Final = 400
_LONG: Final = 36
"""Letters of a key that is written smaller."""
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_CONTROLS: Final = {number: "\ufffd" for number in (*range(32), *range(127, 160)) if chr(number) not in "\n\t"}


class Written(msgspec.Struct, frozen=True):
    """What became of a page."""

    num_items: int
    num_shown: int
    size_bytes: int


def write_sheet(
    dataset: Dataset,
    compared: Compared,
    stage: StageChange | None,
    path: Path,
    *,
    limit: int,
    progress: Progress = silent,
) -> Written:
    """Write the page of a comparison, with the items of one stage, at most `limit` of them.

    Raises:
        WriteError: the file cannot be written.
    """
    items = stage.items if stage else ()
    shown = items[:limit]
    pictures = load_pictures(dataset, compared, stage.stage if stage else "", shown, progress)
    page = "".join(_page(compared.comparison, stage, shown, pictures)).encode("utf-8", "backslashreplace")
    try:
        replace_file(path, page)
    except OSError as error:
        raise WriteError(f"{path}: {error.strerror or error}", hint="choose a folder that you may write to") from error
    return Written(len(items), len(shown), len(page))


def _page(
    comparison: Comparison, stage: StageChange | None, shown: Sequence[ItemChange], pictures: Pictures
) -> Iterator[str]:
    style = resources.files("datakit.actions").joinpath("sheet.css").read_text("utf-8")
    title = f"{comparison.before.name} → {comparison.after.name}"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{_text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
    yield f'<header class="top"><h1>What differs</h1>\n<div class="moments">{_moment(comparison.before)}'
    yield f'<div class="turn" aria-label="to">→</div>{_moment(comparison.after)}</div>\n'
    yield f'<div class="panels">{"".join(_panels(comparison, stage))}</div></header>\n<main>\n'
    if stage is None:
        yield "<h2>No item differs</h2>\n"
    else:
        yield from _items(stage, shown, pictures)
    yield f"<footer>dsk {_text(__version__)} · + added · − removed · ~ changed · → renamed · "
    yield "↕ other order · ≈ written otherwise</footer>\n</main>\n</body>\n</html>\n"


def _items(stage: StageChange, shown: Sequence[ItemChange], pictures: Pictures) -> Iterator[str]:
    word = "item differs" if len(stage.items) == 1 else "items differ"
    yield f"<h2>{_text(stage.stage)} <small>{len(stage.items):,} {word}</small></h2>\n"
    if len(shown) < len(stage.items):
        yield f'<p class="notice">This page shows the first {len(shown):,} of {len(stage.items):,} items. '
        yield "A higher --limit shows more; --item shows those you name.</p>\n"
    yield _filters(shown)
    yield '<div class="cards">\n'
    for item in shown:
        yield from _card(item, pictures)
    yield "</div>\n"


def _moment(moment: Moment) -> str:
    rows = [f"<b>{_text(moment.name)}</b>"]
    if moment.commit:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(moment.time))
        short = "" if moment.commit.startswith(moment.name) else f"<code>{moment.commit[:10]}</code> "
        rows.append(f'<p>{_text(moment.subject)}</p><p class="soft">{short}{when}</p>')
    else:
        rows.append('<p class="soft">as it is now, hand edits included</p>')
    return f'<div class="moment">{"".join(rows)}</div>'


def _panels(comparison: Comparison, stage: StageChange | None) -> Iterator[str]:
    if comparison.stages:
        here = stage.stage if stage else ""
        yield f'<section class="panel"><h3>Stages</h3>{_stage_table(comparison.stages, here)}</section>'
    if stage and (stage.tags_added or stage.tags_removed):
        yield f'<section class="panel"><h3>Tags of {_text(stage.stage)} in total</h3>{_totals(stage)}</section>'
    if comparison.settings:
        fields = _field_list(comparison.settings)
        yield f'<section class="panel"><h3>Settings (dsk.toml)</h3>{fields}</section>'
    if comparison.files:
        names = "".join(f"<li>{_sign(one.mark)}{_text(one.path)}</li>" for one in comparison.files[:_SHOWN_FIELDS])
        more = _more(len(comparison.files), _SHOWN_FIELDS)
        yield '<section class="panel"><details><summary>'
        word = "other file" if len(comparison.files) == 1 else "other files"
        yield f'{len(comparison.files):,} {word}</summary><ul class="chips">{names}{more}</ul></details></section>'


def _stage_table(stages: Sequence[StageChange], here: str) -> str:
    heads = ("stage", "images", "captions", "tags", "records")
    rows = [(one.stage, _stage_cells(one)) for one in stages]
    has_records = any(cells[-1] for _, cells in rows)
    kept = len(heads) if has_records else len(heads) - 1
    lines = "".join(
        f"<tr{' class=here' if stage == here else ''}>{''.join(f'<td>{cell}</td>' for cell in cells[:kept])}</tr>"
        for stage, cells in rows
    )
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads[:kept])}</tr>{lines}</table>"


def _stage_cells(stage: StageChange) -> tuple[str, ...]:
    return (
        _text(stage.stage),
        "".join(_count(mark, stage.num_images(mark)) for mark in _IMAGE_MARKS),
        "".join(_count(mark, stage.num_captions(mark)) for mark in _CAPTION_MARKS),
        _count("added", sum(stage.tags_added.values())) + _count("removed", sum(stage.tags_removed.values())),
        "".join(_count(mark, stage.num_records(mark)) for mark in _IMAGE_MARKS),
    )


def _count(mark: str, number: int) -> str:
    return f'<span class="n {mark}" title="{mark}">{_SIGNS[mark]}{number:,}</span>' if number else ""


def _totals(stage: StageChange) -> str:
    rows = [("added", tag, number) for tag, number in stage.tags_added.items()]
    rows += [("removed", tag, number) for tag, number in stage.tags_removed.items()]
    rows.sort(key=lambda row: -row[2])
    chips = "".join(_chip(tag, mark, number) for mark, tag, number in rows[:_SHOWN_TOTALS])
    return f'<ul class="chips">{chips}{_more(len(rows), _SHOWN_TOTALS)}</ul>'


def _filters(items: Sequence[ItemChange]) -> str:
    counts = {name: sum(name in _classes(item) for item in items) for name in _FILTERS}
    counts = {name: number for name, number in counts.items() if number}
    if len(counts) < 2:
        return ""
    rows = [("all", "All", len(items)), *((name, _FILTERS[name], number) for name, number in counts.items())]
    labels = "".join(
        f'<label><input type="radio" name="f" id="f-{name}"{" checked" if name == "all" else ""}>'
        f"{word}<b>{number:,}</b></label>"
        for name, word, number in rows
    )
    return f'<fieldset class="filters" aria-label="Show">{labels}</fieldset>\n'


def _classes(item: ItemChange) -> list[str]:
    names = [image.mark for image in item.images]
    return [*names, *(["caption"] if item.caption else []), *(["record"] if item.record else [])]


def _card(item: ItemChange, pictures: Pictures) -> Iterator[str]:
    figures = list(_figures(item, pictures))
    classes = " ".join(dict.fromkeys(["card", *_classes(item), *(["one"] if len(figures) == 1 else [])]))
    concept = f"<span>{_text(concept_of(item.key))}/</span>" if concept_of(item.key) else ""
    long = " class=long" if len(item.key) > _LONG else ""
    yield f'<article class="{classes}"><header><h3{long}><bdi>{concept}{_text(stem_of(item.key))}</bdi></h3>'
    yield f'<div class="badges">{"".join(_badges(item))}</div></header>\n<div class="body">'
    yield f'<div class="pictures">{"".join(figures)}</div>' if figures else ""
    said = "".join(_said(item))
    yield f'<div class="said">{said}</div>' if said or len(figures) == 1 else ""
    yield "</div></article>\n"


def _badges(item: ItemChange) -> Iterator[str]:
    for image in item.images:
        yield f'<span class="badge {image.mark}">{_SIGNS[image.mark]} image {image.mark}</span>'
    if item.caption:
        words = {"reordered": "in another order", "respelled": "written otherwise"}
        how = words.get(item.caption.mark, item.caption.mark)
        yield f'<span class="badge {item.caption.mark}">{_SIGNS[item.caption.mark]} caption {how}</span>'
    if item.record:
        yield f'<span class="badge {item.record.mark}">{_SIGNS[item.record.mark]} record {item.record.mark}</span>'


def _figures(item: ItemChange, pictures: Pictures) -> Iterator[str]:
    changed = [image for image in item.images if image.mark != "renamed"]
    for image in changed:
        if image.before:
            yield _figure(image.before, pictures, "before")
        if image.after:
            yield _figure(image.after, pictures, "after" if image.before else "added")
    if not changed:
        picture = pictures.standing.get(item.key)
        if picture is not None:
            yield _figure(picture, pictures, "")


def _figure(picture: Picture, pictures: Pictures, word: str) -> str:
    thumbnail = pictures.thumbnails.get(picture.sha256)
    facts = [_size(picture.size_bytes)]
    if thumbnail is None:
        shown = f'<div class="gone">{_text(pictures.reasons.get(picture.sha256, "not in this clone"))}</div>'
    else:
        (width, height), (full_width, full_height) = thumbnail.size_px, thumbnail.original_px
        facts.insert(0, f"{full_width:,} × {full_height:,}")
        shown = (
            f'<img src="{thumbnail.url}" width="{width}" height="{height}" alt="{_text(picture.path)}" loading="lazy" '
            f'decoding="async"{" class=see-through" if thumbnail.transparent else ""}>'
        )
    name = f"<b>{word}</b> · " if word else ""
    said = " · ".join(f"<span>{fact}</span>" for fact in facts)
    return f'<figure><div class="frame">{shown}</div><figcaption>{name}{said}</figcaption></figure>'


def _said(item: ItemChange) -> Iterator[str]:
    if item.was:
        yield f'<p><span class="soft">was</span> <bdi>{_text(item.was)}</bdi></p>'
    if item.why:
        yield f'<p><span class="soft">left out:</span> {_text(item.why)}</p>'
    if item.caption:
        yield from _caption(item.caption)
    if item.record and item.record.fields:
        yield _field_list(item.record.fields)


def _caption(caption: CaptionChange) -> Iterator[str]:
    chips = [*(_chip(tag, "added") for tag in caption.tags_added), *(_chip(t, "removed") for t in caption.tags_removed)]
    if chips:
        yield f'<ul class="chips">{"".join(chips)}</ul>'
    if caption.mark in ("reordered", "respelled"):
        sides = f"<del>{_text(caption.before or '')}</del></dd><dd><ins>{_text(caption.after or '')}</ins>"
        yield f"<dl><dd>{sides}</dd></dl>"
        return
    tags = spell_tags((caption.before if caption.after is None else caption.after) or "").values()
    if caption.mark == "changed" and tags:
        marks = dict.fromkeys(caption.tags_added, "added")
        rows = "".join(_chip(tag, marks.get(tag, "")) for tag in tags)
        word = "the 1 tag" if len(tags) == 1 else f"all {len(tags):,} tags"
        yield f'<details><summary>{word} now</summary><ul class="chips">{rows}</ul></details>'


def _chip(tag: str, mark: str = "", number: int = 0) -> str:
    sign = f"<i>{_SIGNS[mark]}</i>" if mark else ""
    count = f"<b>{number:,}</b>" if number else ""
    return f'<li class="chip {mark}">{sign}<span><bdi>{_text(tag)}</bdi></span>{count}</li>'


def _field_list(fields: Iterable[FieldChange]) -> str:
    fields = list(fields)
    rows = "".join(
        f"<div><dt>{_text(one.field) or 'the whole file'}</dt><dd>{_sides(one)}</dd></div>"
        for one in fields[:_SHOWN_FIELDS]
    )
    return f"<dl>{rows}{_more(len(fields), _SHOWN_FIELDS, 'div')}</dl>"


def _sides(change: FieldChange) -> str:
    if isinstance(change.before, list) and isinstance(change.after, list):
        added = [_chip(_value(one), "added") for one in change.after if one not in change.before]
        removed = [_chip(_value(one), "removed") for one in change.before if one not in change.after]
        return f'<ul class="chips">{"".join([*added, *removed]) or "<li>another order</li>"}</ul>'
    return f"<del>{_text(_value(change.before))}</del> → <ins>{_text(_value(change.after))}</ins>"


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    text = value if isinstance(value, str) and value else compact_json(value).decode()
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 1]}…"


def _sign(mark: Mark) -> str:
    return f'<span class="n {mark}">{_SIGNS[mark]}</span>'


def _more(number: int, shown: int, element: str = "li") -> str:
    return f'<{element} class="soft">… and {number - shown:,} more</{element}>' if number > shown else ""


def _size(size_bytes: int) -> str:
    if size_bytes < 1000:
        return "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:,.0f} kB"


def _text(text: str) -> str:
    """Text that cannot become markup, in an attribute neither; control characters cannot be seen, so they show."""
    return escape(text.translate(_CONTROLS), quote=True)
