"""dsk diff."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from datakit.actions.comparing import Compared, choose_stage, compare_states
from datakit.actions.project import Counted, Project, open_project
from datakit.cli.output import Bar, say, say_json, table, when
from datakit.model.comparison import Comparison, FieldChange, ImageChange, ItemChange, Moment, StageChange
from datakit.model.order import EXPORT

_SHOWN_ITEMS = 20
_SHOWN_TAGS = 15
_SHOWN_FIELDS = 8
_VALUE_WIDTH = 60
_MARKS = {"added": "+", "removed": "-", "changed": "~", "renamed": "→", "reordered": "↕", "respelled": "≈"}


class _Command(click.Command):
    """Takes the words behind `--` as items."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Turn them into --item options."""
        if "--" in args:
            at = args.index("--")
            args = [*args[:at], *(f"--item={word}" for word in args[at + 1 :])]
        return super().parse_args(ctx, args)


@click.command(
    "diff", cls=_Command, options_metavar="[OPTIONS]", epilog="Words behind -- are items: dsk diff HEAD~3 -- aria/x"
)
@click.argument("revisions", nargs=-1, metavar="[A [B]]")
@click.option("--stage", default="", metavar="STAGE", help="Show this stage's items, not the last one's that differs.")
@click.option("--item", "items", multiple=True, metavar="ITEM", help="Only this item, or those of a pattern.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a page with thumbnails; it needs no network.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="At most so many items on the page.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything that differs as JSON.")
def command(
    revisions: tuple[str, ...], stage: str, items: tuple[str, ...], page: Path | None, limit: int, as_json: bool
) -> None:
    """Show what differs between A and B: images, captions tag by tag, records, settings.

    A and B are branches, tags, commits, HEAD~2 or a bake's id. Without B, the work tree as it is now; without A too,
    what you changed since the last operation.
    """
    if len(revisions) > 2:
        raise click.UsageError("there are two states at most; items go behind --")
    project = open_project(Path.cwd())
    compared = compare_states(project, *revisions, items=items)
    chosen = choose_stage(compared.comparison, stage)
    if as_json:
        say_json(compared.comparison)
    else:
        _print(compared.comparison, chosen, stage)
    if page is not None:
        _write(project, compared, chosen, page=page, limit=limit, is_told=not as_json)


def _write(
    project: Project, compared: Compared, chosen: StageChange | None, *, page: Path, limit: int, is_told: bool
) -> None:
    from datakit.actions.sheet import write_sheet

    with Bar() as bar:
        written = write_sheet(project.dataset, compared, chosen, page, limit=limit, progress=bar)
    if is_told:
        cut = f" of {written.num_items:,}" if written.num_items > written.num_shown else ""
        word = "item" if written.num_items == 1 else "items"
        say(f"wrote {page}: {written.num_shown:,}{cut} {word}, {written.size_bytes / 1e6:.1f} MB")


def _print(comparison: Comparison, chosen: StageChange | None, stage: str) -> None:
    say(f"from {_moment(comparison.before)}")
    say(f"to   {_moment(comparison.after)}")
    if not (comparison.stages or comparison.settings or comparison.files):
        say("nothing differs")
        return
    if comparison.stages:
        say("")
        table(("stage", "images", "captions", "tags", "records"), map(_row, comparison.stages))
        say("(+ added, - removed, ~ changed, → renamed, ↕ reordered, ≈ written otherwise)")
    _print_settings(comparison.settings)
    _print_files(comparison)
    if chosen is not None:
        others = len(comparison.stages) > 1 and not stage
        say("")
        say(chosen.stage + (", the last stage that differs (--stage shows another):" if others else ":"))
        _print_items(chosen)
    elif stage:
        say("")
        say(f"nothing differs in {stage}")


def _moment(moment: Moment) -> str:
    if not moment.commit:
        return moment.name
    short = moment.commit[:10]
    name = f"{short} " if moment.commit.startswith(moment.name) else f"{moment.name} ({short}) "
    return f"{name}{when(moment.time)} {moment.subject}"


def _row(stage: StageChange) -> tuple[str, ...]:
    return (
        stage.stage,
        _counts((mark, stage.num_images(mark)) for mark in ("added", "removed", "changed", "renamed")),
        _counts((mark, stage.num_captions(mark)) for mark in ("added", "removed", "changed", "reordered", "respelled")),
        _counts((("added", sum(stage.tags_added.values())), ("removed", sum(stage.tags_removed.values())))),
        _counts((mark, stage.num_records(mark)) for mark in ("added", "removed", "changed")),
    )


def _counts(rows: Iterable[tuple[str, int]]) -> str:
    return " ".join(f"{_MARKS[mark]}{number:,}" for mark, number in rows if number)


def _print_settings(settings: Sequence[FieldChange]) -> None:
    if settings:
        say("")
        say("dsk.toml:")
    for change in settings:
        say(f"  {_field(change)}")


def _print_files(comparison: Comparison) -> None:
    """Other files; those of an export as one line."""
    rows: dict[str, Counter[str]] = {}
    for change in comparison.files:
        top, name, *rest = [*change.path.split("/"), ""]
        place = f"{top}/{name}" if top == EXPORT and rest else change.path
        rows.setdefault(place, Counter())[change.mark] += 1
    if rows:
        say("")
        say("other files:")
    for place, counts in islice(rows.items(), _SHOWN_FIELDS):
        say(f"  {place}: {', '.join(f'{number:,} {mark}' for mark, number in sorted(counts.items()))}")
    _more(len(rows), _SHOWN_FIELDS)


def _print_items(stage: StageChange) -> None:
    totals = [*_signed("+", stage.tags_added), *_signed("-", stage.tags_removed)]
    totals.sort(key=lambda row: -row[1])
    if len(stage.items) > 1 and totals:
        more = f" … and {len(totals) - _SHOWN_TAGS:,} more" if len(totals) > _SHOWN_TAGS else ""
        say("tags in total: " + ", ".join(f"{tag} ({number:,})" for tag, number in totals[:_SHOWN_TAGS]) + more)
    for item in stage.items[:_SHOWN_ITEMS]:
        say(item.key + (f" (was {item.was})" if item.was else ""))
        for line in _lines(item):
            say(f"  {line}")
    _more(len(stage.items), _SHOWN_ITEMS, "items")


def _signed(sign: str, tags: dict[str, int]) -> list[tuple[str, int]]:
    return [(sign + tag, number) for tag, number in tags.items()]


def _lines(item: ItemChange) -> Iterable[str]:
    for image in item.images:
        why = f": {item.why}" if item.why and image.mark == "removed" else ""
        was = f" (was left out: {item.why})" if item.why and image.mark == "added" else ""
        yield f"{_image(image)}{why}{was}"
    if item.caption is not None:
        words = [*(f"+{tag}" for tag in item.caption.tags_added), *(f"-{tag}" for tag in item.caption.tags_removed)]
        more = f" … and {len(words) - _SHOWN_TAGS:,} more" if len(words) > _SHOWN_TAGS else ""
        how = {"respelled": "written otherwise"}.get(item.caption.mark, item.caption.mark)
        yield f"caption {how}" + (f": {', '.join(words[:_SHOWN_TAGS])}{more}" if words else "")
    if item.record is not None:
        fields = item.record.fields
        yield f"record {item.record.mark}" + (":" if fields else "")
        yield from (f"  {_field(change)}" for change in fields[:_SHOWN_FIELDS])
        if len(fields) > _SHOWN_FIELDS:
            yield f"  … and {len(fields) - _SHOWN_FIELDS:,} more"


def _image(image: ImageChange) -> str:
    if image.before is None or image.after is None:
        return f"image {image.mark}"
    if image.mark == "renamed":
        return f"image renamed: {image.before.path} → {image.after.path}"
    return f"image changed: {image.before.size_bytes:,} → {Counted(image.after.size_bytes, 'byte')}"


def _field(change: FieldChange) -> str:
    if not change.field:
        return "changed, and cannot be read on one side"
    if all(isinstance(side, list) for side in (change.before, change.after)):
        added = [f"+{_value(one)}" for one in change.after if one not in change.before]
        removed = [f"-{_value(one)}" for one in change.before if one not in change.after]
        return f"{change.field}: {', '.join([*added, *removed]) or 'another order'}"
    return f"{change.field}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Any) -> str:
    from datakit.model.record import compact_json

    if value is None:
        return "(not set)"
    text = value if isinstance(value, str) and value else compact_json(value).decode()
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 1]}…"


def _more(number: int, shown: int, what: str = "") -> None:
    if number > shown:
        say(f"  … and {number - shown:,} more{f' {what}' if what else ''} (--json lists them)")
