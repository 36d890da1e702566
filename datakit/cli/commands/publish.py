"""dsk publish."""

from pathlib import Path
from typing import Any

import click

from datakit.actions.project import open_project
from datakit.actions.publishing import Published, Wish, publish
from datakit.cli.output import Bar, amount, note, say, say_json
from datakit.exports.settings import Flags


@click.command("publish")
@click.option("--repo", default="", metavar="OWNER/NAME", help="Dataset repository; default: as in dsk.toml.")
@click.option("--format", "format_name", type=click.Choice(["imagefolder", "parquet"]), help="Default: as in dsk.toml.")
@click.option("--to", metavar="DIR", type=click.Path(path_type=Path), help="Write the folder there, and keep it.")
@click.option("--push", is_flag=True, help="Really send it to the hub; without this nothing leaves this computer.")
@click.option("--where", default="", metavar="QUERY", help="Only the items that the query finds.")
@click.option("--stage", default="", metavar="STAGE", help="Images and captions of another stage than wip.")
@click.option("--force", is_flag=True, help="Go past lint errors, an edited card, files of others in the repository.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(as_json: bool, **said: Any) -> None:
    """Make a dataset card, and send an export with it to the Hugging Face hub.

    Without --push nothing is sent: the card is written and the files are counted. `[publish]` in dsk.toml has the
    repository, the licence and what else the card says. A repository that is not there is made, and is private.
    """
    project = open_project(Path.cwd())
    project.check_settings()
    flags = Flags(where=said.pop("where"), stage=said.pop("stage"))
    wish = Wish(format=said.pop("format_name") or "", flags=flags, **said)
    with Bar() as bar:
        done = publish(project, wish, progress=bar)
    for warning in () if as_json else done.notes:
        note(f"note: {warning}")
    if as_json:
        say_json(done)
    else:
        _tell(done)


def _tell(done: Published) -> None:
    groups: dict[str, tuple[int, int]] = {}
    for path, size in done.files.items():
        name = f"{path.partition('/')[0]}/" if "/" in path else path
        number, size_bytes = groups.get(name, (0, 0))
        groups[name] = (number + 1, size_bytes + size)
    for name, (number, size_bytes) in groups.items():
        say(
            f"{name}: {number:,} files, {amount(size_bytes)}" if name.endswith("/") else f"{name}: {amount(size_bytes)}"
        )
    if done.card:
        say(f"card: {done.card}")
    if done.pushed is None:
        say(f"nothing was sent: dsk publish --push sends it to {done.repo or 'the repository of --repo'}")
    else:
        made = "made and written" if done.pushed.is_new else "written"
        gone = f", {done.pushed.num_removed:,} files removed" if done.pushed.num_removed else ""
        say(f"{done.pushed.url}: {made}{gone}")
