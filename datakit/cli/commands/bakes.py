"""dsk bakes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from datakit.actions.bakes.comparing import BakeComparison, DataDifference, Difference, compare_bakes, flat
from datakit.actions.bakes.hard import hard_images
from datakit.actions.bakes.ledger import Bake, Ledger, annotate, find_bake, read_ledger
from datakit.actions.bakes.measured import figures
from datakit.actions.bakes.tables import LISTED, as_csv, as_xlsx, sheet_of, sort_bakes, values_of
from datakit.actions.project import Counted, Project, open_project
from datakit.cli.commands.measuring import measure_command
from datakit.cli.output import note, say, say_block, say_json, table
from datakit.errors import UsageError

_FILE = click.Path(path_type=Path, dir_okay=False)
_FAILED = 1
_SHOWN = 10
_SHOWN_TAGS = 8
_RIGHT = ("images", "steps", "loss", "validation", "rating")


@click.group("bakes", invoke_without_command=True)
@click.option("--sort", "key", default="", metavar="KEY", help="By a column or a setting, train.seed; -KEY: falling.")
@click.option("--csv", "comma", metavar="FILE", help="Write all of it as CSV; - is standard output.")
@click.option("--xlsx", "book", type=_FILE, metavar="FILE", help="Write all of it as an Excel workbook.")
@click.option("--json", "as_json", is_flag=True, help="Print the ledger as JSON.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """List the bakes, newest first; show, compare and rate them.

    A sheet (--csv, --xlsx) has a row for each, and a column for each setting that was ever asked for, or that is not
    the same in all of them.
    """
    if context.invoked_subcommand:
        if any(options.values()):
            raise click.UsageError(f"the list's options say nothing of {context.invoked_subcommand}")
        return
    project = open_project(Path.cwd())
    ledger = read_ledger(project)
    bakes = sort_bakes(ledger.bakes, options["key"]) if ledger.bakes else []
    _give(project, bakes, options)
    context.exit(_failures(ledger))


def _give(project: Project, bakes: Sequence[Bake], options: dict[str, Any]) -> None:
    comma, book = options["comma"], options["book"]
    if options["as_json"] and comma == "-":
        raise click.UsageError("--json and --csv - both write to standard output")
    _refuse_nowhere([Path(one) for one in (comma if comma != "-" else None, book) if one])
    if options["as_json"]:
        say_json(bakes)
    elif comma == "-":
        say_block(as_csv(sheet_of(bakes)).rstrip("\n"))
    elif not (comma or book):
        _list(bakes)
    from datakit.store.durable import replace_file

    if comma and comma != "-":
        replace_file(Path(comma), as_csv(sheet_of(bakes)).encode())
    if book:
        folder = book.absolute().parent
        replace_file(book, as_xlsx(sheet_of(bakes), root=project.dataset.root, folder=folder))
    for written in [comma if comma != "-" else None, book]:
        if written:
            note(f"wrote {written}: {Counted(len(bakes), 'bake')}")


def _refuse_nowhere(files: Sequence[Path]) -> None:
    for file in files:
        if not file.absolute().parent.is_dir():
            raise UsageError(f"{file}: there is no folder {file.parent}", hint="make it, or name another")
        if file.is_dir():
            raise UsageError(f"{file}: is a folder", hint=f"name a file in it, such as {file / 'bakes'}{file.suffix}")


def _failures(ledger: Ledger) -> int:
    for failure in ledger.failures:
        note(f"left out: {failure.message}")
    return _FAILED if ledger.failures else 0


def _list(bakes: Sequence[Bake]) -> None:
    if not bakes:
        say("nothing baked yet: dsk bake")
        return
    rows = []
    for one in bakes:
        values = values_of(one)
        rows.append([_cell(values[name]) for name in LISTED])
    kept = [at for at, name in enumerate(LISTED) if name == "id" or any(row[at] for row in rows)]
    table([LISTED[at] for at in kept], [[row[at] for at in kept] for row in rows], right=_RIGHT)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


@command.command("show")
@click.argument("bake", default="")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def show_command(bake: str, as_json: bool) -> None:
    """Show all that the ledger says of BAKE (default: the newest)."""
    done = find_bake(open_project(Path.cwd()), bake)
    if as_json:
        say_json(done)
        return
    _rows(_facts(done))
    if done.measured:
        say("")
        of = f" of {done.measured.trigger}" if done.measured.trigger else ""
        say(f"measured, without → with the bake: {Counted(done.measured.count, 'picture')}{of}")
        _rows({**figures(done.measured), "side by side": done.measured.grid}, indent="  ")
    for name, values in (("asked for", done.config), ("resolved", done.resolved), ("versions", done.versions)):
        if values:
            say("")
            say(f"{name}:")
            _rows(flat(values), indent="  ")


def _facts(done: Bake) -> dict[str, Any]:
    looked = done.validation
    again = {"repeats": done.repeats} if done.repeats else {}
    return {
        "id": done.id,
        **again,
        "started": done.started,
        "note": done.note,
        "rating": f"{done.rating} of 5" if done.rating else "",
        "commit": done.commit,
        "manifest": done.manifest_sha256,
        "images": f"{done.images}, {done.held_out} held out" if done.held_out else done.images,
        "steps": f"{done.steps}, {Counted(done.epochs, 'epoch')}" if done.epochs else done.steps,
        "loss": f"{done.first_loss:.4f} → {done.final_loss:.4f}",
        "held out": f"{looked.held_out:.4f} at step {looked.step}" if looked and looked.held_out is not None else "",
        "trained": f"{looked.trained:.4f} at the same noise" if looked and looked.trained is not None else "",
        "seconds": f"{done.seconds:.0f} on {done.device}",
        "memory": f"{done.peak_memory_bytes / 2**30:.1f} GiB at most" if done.peak_memory_bytes else "",
        "seed": done.seed,
        "made": done.lora,
        "weights": done.weights_sha256,
        "pictures": done.grid,
        "samples": Counted(len(done.samples), "picture") if done.samples else "",
        "ignored": f"{Counted(len(done.ignored), 'error')} of lint, by --force" if done.ignored else "",
    }


def _rows(values: dict[str, Any], *, indent: str = "") -> None:
    shown = {name: value for name, value in values.items() if value is not None and value != ""}
    longest = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        say(f"{indent}{name:<{longest}}  {value}")


@command.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print all that differs as JSON.")
def diff_command(first: str, second: str, as_json: bool) -> None:
    """Show two bakes side by side: settings, images and captions, versions, results."""
    found = compare_bakes(open_project(Path.cwd()), first, second)
    if as_json:
        say_json(found)
    else:
        _print_comparison(found)


def _print_comparison(found: BakeComparison) -> None:
    names = found.before.id, found.after.id
    title = "settings" if found.is_resolved else "settings, as they were asked for"
    _sides(title, names, found.config, nothing="the same settings")
    say("")
    _print_data(found.data)
    _sides("versions", names, found.versions, nothing="the same device and versions")
    results = [Difference(one.name, _measured(one.before), _measured(one.after)) for one in found.results]
    _sides("results", names, results, nothing="the ledger tells no results")


def _sides(title: str, names: tuple[str, str], rows: Sequence[Difference], *, nothing: str) -> None:
    say("")
    if not rows:
        say(nothing)
        return
    table((title, *names), [(one.name, _side(one.before), _side(one.after)) for one in rows])


def _side(value: object) -> str:
    """As it was set, and nothing rounded: 1e-05 and 2e-05 are two rates."""
    return "–" if value is None or value == "" else str(value)


def _measured(value: object) -> object:
    """Five places are enough of a loss, or of seconds."""
    return f"{value:.5g}" if isinstance(value, float) else value


def _print_data(data: DataDifference) -> None:
    if data.stages[0] != data.stages[1]:
        say(f"data: the first was exported from {data.stages[0]}, the second from {data.stages[1]}")
    if data.unknown:
        say(f"data: {data.unknown}")
        return
    if data.is_empty:
        say("the same data")
        return
    counts = {"added": len(data.added), "dropped": len(data.dropped), "moved": len(data.moved)}
    counts |= {"with another image": len(data.images), "with another caption": len(data.captions)}
    told = ", ".join(f"{number:,} {word}" for word, number in counts.items() if number)
    say(f"data: {told or 'the same items, exported otherwise'}")
    _some("+", data.added)
    _some("-", data.dropped)
    _some("→", [f"{old} → {new}" for old, new in data.moved])
    _some("~", [f"{key}: another image" for key in data.images])
    _some("~", [f"{one.key}: {_caption(one.change.tags_added, one.change.tags_removed)}" for one in data.captions])
    for word, tags in (("tags added", data.tags_added), ("tags removed", data.tags_removed)):
        if tags:
            more = f" and {len(tags) - _SHOWN_TAGS:,} more" if len(tags) > _SHOWN_TAGS else ""
            say(f"  {word}: {', '.join(f'{tag} ({num})' for tag, num in list(tags.items())[:_SHOWN_TAGS])}{more}")
    for one in data.settings:
        say(f"  export {one.name}: {_side(one.before)} → {_side(one.after)}")


def _caption(added: Sequence[str], removed: Sequence[str]) -> str:
    words = [*(f"+{tag}" for tag in added), *(f"-{tag}" for tag in removed)]
    more = f" and {len(words) - _SHOWN_TAGS:,} more" if len(words) > _SHOWN_TAGS else ""
    return ", ".join(words[:_SHOWN_TAGS]) + more if words else "the same tags, written or ordered otherwise"


def _some(mark: str, lines: Sequence[str]) -> None:
    for line in lines[:_SHOWN]:
        say(f"  {mark} {line}")
    if len(lines) > _SHOWN:
        say(f"  {mark} … and {len(lines) - _SHOWN:,} more (--json shows all)")


@command.command("note")
@click.argument("bake")
@click.argument("text", required=False)
@click.option("--rating", type=click.IntRange(0, 5), metavar="N", help="1 to 5; 0 takes it away.")
@click.option("--json", "as_json", is_flag=True, help="Print the bake as JSON.")
def note_command(bake: str, text: str | None, rating: int | None, as_json: bool) -> None:
    """Keep what you think of BAKE: a note, a rating, or both; one operation, undoable."""
    done = annotate(open_project(Path.cwd()), bake, text, rating=rating)
    if as_json:
        say_json(done)
        return
    rated = f"{done.rating} of 5" if done.rating else "not rated"
    say(f"{done.id}: {rated}{f', {done.note}' if done.note else ''}")


@command.command("losses")
@click.argument("bake", default="")
@click.option("-n", "number", type=click.IntRange(min=0), default=20, show_default=True, help="How many; 0 for all.")
@click.option("--json", "as_json", is_flag=True, help="Print them all as JSON.")
def losses_command(bake: str, number: int, as_json: bool) -> None:
    """Show which images stayed hard in BAKE (default: the newest): outliers, and often what is mislabelled.

    `loss` is the image's, times that of the middle image at the same noise; `late` is that of the second half. A `z`
    above 3 is no accident: look at the image and its caption.
    """
    found = hard_images(open_project(Path.cwd()), bake)
    if as_json:
        say_json(found.images)
        return
    rows = [
        (one.item or one.path, f"{one.ratio:.2f}", _times(one.late_ratio), f"{one.z:+.1f}", one.draws, one.caption)
        for one in found.images[: number or None]
    ]
    table(("image", "loss", "late", "z", "draws", "caption"), rows, right=("loss", "late", "z", "draws"))
    if number and len(found.images) > number:
        say(f"… and {len(found.images) - number:,} more (-n 0 shows all)")


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


command.add_command(measure_command)
