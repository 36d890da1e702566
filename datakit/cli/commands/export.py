"""dsk export."""

from pathlib import Path

import click

from datakit.actions.exporting.writing import export_format, stale_before_wip
from datakit.actions.project import open_project
from datakit.cli.output import Bar, note, say, say_json
from datakit.exports.model import EXPORTS
from datakit.exports.settings import Flags


@click.command("export")
@click.option("--format", "formats", multiple=True, metavar="NAME", help="Format to write; default: as in dsk.toml.")
@click.option("--list", "show", is_flag=True, help="List the formats.")
@click.option("--where", default="", metavar="QUERY", help="Only the items that the query finds.")
@click.option("--stage", default="", metavar="STAGE", help="Images and captions of another stage than wip.")
@click.option(
    "--balance", default="", metavar="HOW", help="Work repeats out: concepts, tags, or images=N of each concept."
)
@click.option("--force", is_flag=True, help="Go past the errors that lint finds for the trainer; they are recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(
    formats: tuple[str, ...], show: bool, where: str, stage: str, balance: str, force: bool, as_json: bool
) -> None:
    """Write wip as the files that a trainer reads, into export/FORMAT, linked and with a manifest.

    Where lint finds errors in wip for that trainer, nothing is written: `dsk lint --for sd-scripts wip` shows them.
    """
    if show:
        listed = {name: EXPORTS.summary(name) for name in EXPORTS.names()}
        if as_json:
            say_json(listed)
        for name, summary in () if as_json else listed.items():
            say(f"{name}: {summary}")
        return
    project = open_project(Path.cwd())
    project.check_settings()
    done = []
    flags = Flags(where=where, stage=stage, balance=balance)
    with Bar() as bar:
        for name in formats or project.settings("export").formats:
            written = export_format(project, name, flags=flags, force=force, progress=bar)
            done.append({"format": name, "written": written})
            if not as_json:
                say(written.subject if written else f"export: {name} is up to date")
                for warning in written.notes if written else ():
                    note(f"note: {warning}")
    for stage_name, reason in stale_before_wip(project).items():
        note(f"note: {stage_name} is out of date ({reason}): dsk advance, to export that too")
    if as_json:
        say_json(done)
