"""dsk profile."""

from pathlib import Path

import click

from datakit.actions.profiles import copy_profile, list_profiles, show_profile
from datakit.actions.project import open_project
from datakit.cli.output import say, say_block, say_json, table


@click.group("profile", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the prompt profiles: in which order, and with which words, a family of models wants its prompts.

    [cleaned] profile in dsk.toml says which one is used. A file of vocab/profiles stands for the built-in profile of
    its name.
    """
    if ctx.invoked_subcommand is not None:
        return
    rows = list_profiles(open_project(Path.cwd()))
    if as_json:
        say_json(rows)
        return
    table(
        ("profile", "used", "where", "for"),
        [(row.name, "yes" if row.in_use else "", row.place, row.problem or row.summary) for row in rows],
    )


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with every default.")
def show(name: str, as_json: bool) -> None:
    """Print the file of profile NAME."""
    found = show_profile(open_project(Path.cwd()), name)
    if as_json:
        say_json(found)
        return
    say_block(found.text.rstrip("\n"))


@command.command("copy")
@click.argument("name")
@click.argument("new", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def copy(name: str, new: str, as_json: bool) -> None:
    """Write profile NAME into vocab/profiles, as NEW, to be changed there."""
    done = copy_profile(open_project(Path.cwd()), name, new)
    if as_json:
        say_json(done)
        return
    say(done.subject)
    say(f'next: change {done.path}; profile = "{done.name}" in [cleaned] of dsk.toml uses it')
