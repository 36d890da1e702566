"""dsk allow."""

from pathlib import Path

import click

from datakit.actions.linting.allowing import allow, allowances
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json


@click.command("allow")
@click.argument("rule", required=False, default="")
@click.argument("items", nargs=-1, metavar="[ITEM]...")
@click.option("--where", metavar="QUERY", default="", help="For the items that a query finds.")
@click.option("--reason", metavar="TEXT", default="", help="Why it is right as it is; it stands in dsk.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print what is allowed as JSON.")
def command(rule: str, items: tuple[str, ...], where: str, reason: str, as_json: bool) -> None:
    """Say that findings of a lint RULE are right as they are: of all items, or of some.

    Without a rule, lists what is allowed. It is written to dsk.toml as a table [[lint.allow]].
    """
    project = open_project(Path.cwd())
    if not rule:
        rows = allowances(project)
        if as_json:
            say_json(rows)
            return
        for row in rows:
            say(f"{row.rule}{f' where {row.where}' if row.where else ''}: {row.reason}")
        if not rows:
            say('nothing is allowed; dsk allow RULE --reason "…" does')
        return
    done = allow(project, rule, items, where=where, reason=reason)
    if as_json:
        say_json(done)
    else:
        say(done.subject)
