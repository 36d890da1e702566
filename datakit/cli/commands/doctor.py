"""dsk doctor."""

from pathlib import Path

import click

from datakit.actions.examining import examine
from datakit.cli.output import say, say_json, table


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(as_json: bool) -> None:
    """Show how this dataset and this computer stand: versions, file system, linking, locks, leftovers, git.

    Changes nothing. Exits with 1 when there is a problem.
    """
    checks = examine(Path.cwd())
    if as_json:
        say_json(checks)
    else:
        table(
            ("", "what", "how it stands"),
            [(one.state, one.name, one.what + (f" → {one.cure}" if one.cure else "")) for one in checks],
        )
        problems = sum(one.state == "problem" for one in checks)
        say(f"{problems} problem{'s' if problems != 1 else ''}" if problems else "no problems")
    if any(one.state == "problem" for one in checks):
        raise click.exceptions.Exit(1)
