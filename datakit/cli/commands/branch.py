"""dsk branch."""

from pathlib import Path

import click

from datakit.actions.branching import branch_at
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json, table, when
from datakit.repo.branches.switching import delete_branch, list_branches
from datakit.repo.dataset import Dataset


@click.command("branch")
@click.argument("name", default="")
@click.option("--from", "revision", default="HEAD", metavar="REV", show_default=True, help="Where the branch begins.")
@click.option("-d", "--delete", is_flag=True, help="Forget the branch NAME.")
@click.option("--force", is_flag=True, help="With --delete: also one whose operations no other branch has.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(name: str, revision: str, delete: bool, force: bool, as_json: bool) -> None:
    """List the branches; with NAME, begin one and stay where you are (dsk switch -c begins one and goes there).

    A branch is an experiment: other settings, other captions, another selection. It takes no space for images that
    it has in common with others, and dsk merge brings two of them together.
    """
    if (delete or force) and not name:
        raise click.UsageError("--delete needs the branch's NAME")
    project = open_project(Path.cwd())
    if delete:
        gone = delete_branch(project.dataset, name, force=force)
        say_json(gone) if as_json else say(f"forgot {gone.name}; it stood at {gone.commit[:10]}: {gone.subject}")
    elif name:
        made = branch_at(project, name, revision)
        say_json(made) if as_json else say(f"{made.name} begins at {made.commit[:10]}: {made.subject}")
    elif as_json:
        say_json(list_branches(project.dataset))
    else:
        _print(project.dataset)


def _print(dataset: Dataset) -> None:
    rows = [
        ("*" if one.is_current else "", one.name, one.commit[:10], when(one.time), one.subject)
        for one in list_branches(dataset)
    ]
    table(("", "branch", "commit", "when", "newest operation"), rows)
