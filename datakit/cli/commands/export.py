"""dsk export."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from datakit.cli.output import Bar, note, say, say_json

_KINDS = ("zip", "tar")


@click.command("export")
@click.option("--format", "formats", multiple=True, metavar="NAME", help="Format to write; default: as in dsk.toml.")
@click.option("--list", "show", is_flag=True, help="List the formats.")
@click.option("--where", default="", metavar="QUERY", help="Only the items that the query finds.")
@click.option("--stage", default="", metavar="STAGE", help="Images and captions of another stage than wip.")
@click.option(
    "--balance", default="", metavar="HOW", help="Work repeats out: concepts, tags, or images=N of each concept."
)
@click.option(
    "--with-config", "config", default="", metavar="NAME", help="Write a starter config too, such as sdxl-lora."
)
@click.option(
    "--vram", type=click.IntRange(1, 1024), default=None, metavar="GB", help="Memory that the config must fit into."
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Write into a folder outside the dataset; of several formats each into its own folder there.",
)
@click.option("--copy", "copies", is_flag=True, help="With --to: copy each image, and link none.")
@click.option(
    "--archive",
    type=click.Choice(_KINDS),
    default=None,
    help="With --to: write one archive, of that name or in that folder.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written; nothing is.")
@click.option("--check", is_flag=True, help="Compare the export that is there with what it would be now.")
@click.option("--force", is_flag=True, help="Go past the errors that lint finds for the trainer; they are recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(**said: Any) -> None:
    """Write wip as the files that a trainer reads, into export/FORMAT, linked and with a manifest.

    Where lint finds errors in wip for that trainer, nothing is written: `dsk lint --for sd-scripts wip` shows them.

    With --to only what changed is written, and only what dsk wrote before is removed; the dataset takes no note of it.
    --check exits with 1 where the export is out of date.
    """
    _check(said)
    if said["show"]:
        _list(as_json=said["as_json"])
        return
    from datakit.actions.exporting.writing import stale_before_wip
    from datakit.actions.project import open_project
    from datakit.exports.settings import Flags

    project = open_project(Path.cwd())
    project.check_settings()
    flags = Flags(
        where=said["where"],
        stage=said["stage"],
        balance=said["balance"],
        config=said["config"],
        vram_gb=said["vram"] or 0,
    )
    run = _checked if said["check"] else _previewed if said["dry_run"] else _written
    code = run(project, _formats(project, said), flags, said)
    for stage, reason in stale_before_wip(project).items():
        note(f"note: {stage} is out of date ({reason}): dsk advance, to export that too")
    if code:
        raise click.exceptions.Exit(code)


def _check(said: dict[str, Any]) -> None:
    """Words that contradict each other."""
    for name, words in (("copies", "--copy"), ("archive", "--archive")):
        if said[name] and said["to"] is None:
            raise click.UsageError(f"{words} goes with --to DIR")
    if said["copies"] and said["archive"]:
        raise click.UsageError("--archive holds copies anyway: leave out --copy")
    if said["dry_run"] and said["check"]:
        raise click.UsageError("--dry-run shows what would be, --check what is: one of them")
    if said["force"] and (said["dry_run"] or said["check"]):
        raise click.UsageError(f"{'--check' if said['check'] else '--dry-run'} only looks: leave out --force")
    if said["vram"] and not said["config"]:
        raise click.UsageError("--vram goes with --with-config NAME")


def _list(*, as_json: bool) -> None:
    from datakit.exports.model import EXPORTS

    listed = {EXPORTS.load(name).name: EXPORTS.summary(name) for name in EXPORTS.names()}
    if as_json:
        say_json(listed)
    for name, summary in () if as_json else listed.items():
        say(f"{name}: {summary}")


def _formats(project: Any, said: dict[str, Any]) -> list[str]:
    """Those that were named, else those of dsk.toml; '' for what lies where --check is pointed to."""
    if not said["formats"] and said["check"] and said["to"] is not None and not _is_parted(said["to"]):
        return [""]
    names = list(dict.fromkeys(said["formats"] or project.settings("export").formats))
    if len(names) > 1 and said["archive"] and said["to"].suffix.lower() == f".{said['archive']}":
        raise click.UsageError(
            f"{said['to']} is one archive, and there are {len(names)} formats: name a folder, or one --format"
        )
    return names


def _is_parted(folder: Path) -> bool:
    """Whether several formats lie in folders of their own: there is no manifest in the folder around them."""
    return folder.is_dir() and not (folder / "manifest.json").exists()


def _target(said: dict[str, Any], name: str, *, num_formats: int) -> Any:
    """Where a format goes; None for the dataset's own folder."""
    from datakit.actions.exporting.outside import Target

    if said["to"] is None:
        return None
    folder = Path(os.path.abspath(said["to"]))  # noqa: PTH100  links stay as they are named
    if num_formats > 1 and not said["archive"]:
        folder /= name
    return Target(folder=folder, copies=said["copies"], archive=said["archive"] or "")


def _written(project: Any, names: list[str], flags: Any, said: dict[str, Any]) -> int:
    """A format that is refused stops no other; the first refusal is raised when all are done."""
    from datakit.errors import DskError

    done: list[dict[str, Any]] = []
    refused: list[DskError] = []
    with Bar() as bar:
        for name in names:
            target = _target(said, name, num_formats=len(names))
            try:
                if flags.balance and not said["as_json"]:
                    _show_repeats(project, name, target, flags=flags, bar=bar)
                written = _write(project, name, target, flags=flags, force=said["force"], bar=bar)
            except DskError as error:
                done += [{"format": name, "written": None, "refused": error.message}]
                refused.append(error)
                continue
            done.append({"format": name, "written": written})
            if not said["as_json"]:
                place = f" in {target.place(name)}" if target else ""
                say(written.subject if written else f"export: {name}{place} is up to date")
                for warning in written.notes if written else ():
                    note(f"note: {warning}")
    if said["as_json"] and len(refused) < len(names):
        say_json(done)
    for other in refused[1:]:
        note(f"error: {other.message}")
    if refused:
        raise refused[0]
    return 0


def _write(project: Any, name: str, target: Any, *, flags: Any, force: bool, bar: Bar) -> Any:
    from datakit.actions.exporting.elsewhere import export_elsewhere
    from datakit.actions.exporting.writing import export_format

    if target is None:
        return export_format(project, name, flags=flags, force=force, progress=bar)
    return export_elsewhere(project, name, target, flags=flags, force=force, progress=bar)


def _show_repeats(project: Any, name: str, target: Any, *, flags: Any, bar: Bar) -> None:
    """The table of what is worked out, before it is written; nothing where nothing will be."""
    from datakit.actions.exporting.previewing import preview_export
    from datakit.cli.exports import print_subsets

    preview = preview_export(project, name, target, flags=flags, progress=bar)
    if preview.reason:
        print_subsets(preview)


def _previewed(project: Any, names: list[str], flags: Any, said: dict[str, Any]) -> int:
    from datakit.actions.exporting.previewing import preview_export
    from datakit.cli.exports import print_preview

    found = []
    with Bar() as bar:
        for name in names:
            target = _target(said, name, num_formats=len(names))
            found.append(preview_export(project, name, target, flags=flags, progress=bar))
    if said["as_json"]:
        say_json(found)
    for preview in () if said["as_json"] else found:
        print_preview(preview)
    return 0


def _checked(project: Any, names: list[str], flags: Any, said: dict[str, Any]) -> int:
    from datakit.actions.exporting.checking import check_export
    from datakit.cli.exports import print_check
    from datakit.exports.settings import Flags

    found = []
    with Bar() as bar:
        for name in names:
            target = _target(said, name, num_formats=len(names))
            asked = None if flags == Flags() else flags  # without any, those that it was written with
            found.append(check_export(project, name, target, flags=asked, progress=bar))
    if said["as_json"]:
        say_json(found)
    for checked in () if said["as_json"] else found:
        print_check(checked)
    return int(not all(checked.is_current for checked in found))
