"""dsk filter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datakit.cli.output import Bar, say, say_json
from datakit.cli.transitions import run_stage_command

if TYPE_CHECKING:
    from datakit.actions.trying import Trial

_SHOWN = 20


@click.command("filter")
@click.option("--try", "rules", metavar="RULE[,RULE…]", help="Only show what these rules would find; or all.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(rules: str | None, as_json: bool) -> None:
    """Run the stage filtered: drop unreadable images, exact duplicates, what is too small, and what your rules find.

    Nothing is deleted: raw keeps every image, and filtered/stage.json says why each one was dropped. Rules are turned
    on in dsk.toml, each to flag or to drop; --try shows beforehand what they find with their settings.
    """
    if rules is None:
        run_stage_command("filtered", as_json=as_json)
        return
    from datakit.actions.project import open_project
    from datakit.actions.trying import try_rules

    names = [name.strip() for name in rules.split(",") if name.strip()]
    with Bar() as bar:
        trial = try_rules(open_project(Path.cwd()), names, progress=bar)
    if as_json:
        say_json(trial)
    else:
        _tell(trial)


def _tell(trial: Trial) -> None:
    for tried in trial.rules:
        if tried.problem:
            say(f"{tried.rule}: cannot be asked: {tried.problem}")
            continue
        say(f"{tried.rule}: {len(tried.found):,} of {trial.num_items - trial.num_dropped:,} ({tried.action})")
        for one in tried.found[:_SHOWN]:
            say(f"  - {one.item}: {one.reason}")
        if len(tried.found) > _SHOWN:
            say(f"  … and {len(tried.found) - _SHOWN:,} more (--json lists all)")
    is_off = any(tried.action == "off" and tried.found for tried in trial.rules)
    say("nothing was changed" + ('; action = "flag" or "drop" in [filtered.RULE] turns a rule on' if is_off else ""))
