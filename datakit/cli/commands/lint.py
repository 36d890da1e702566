"""dsk lint."""

from pathlib import Path

import click

from datakit.actions.linting import Linted, lint, lint_and_fix
from datakit.actions.project import open_project
from datakit.cli.output import Bar, say, say_json, table, width

_TABLE_WIDTH = 150


@click.command("lint")
@click.argument("stages", nargs=-1)
@click.option("--fix", is_flag=True, help="Apply the safe fixes as one operation.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix: also those that may change the meaning.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(stages: tuple[str, ...], fix: bool, unsafe_fixes: bool, as_json: bool) -> None:
    """Find what would go wrong in training, in all stages or in STAGES; exits with 1 when there are errors."""
    if unsafe_fixes and not fix:
        raise click.UsageError("--unsafe-fixes goes with --fix")
    project = open_project(Path.cwd())
    with Bar() as bar:
        if fix:
            linted = lint_and_fix(project, stages, unsafe=unsafe_fixes, progress=bar)
        else:
            linted = lint(project, stages, progress=bar)
    if as_json:
        say_json(linted.report.as_json())
    else:
        _print(linted)
    raise click.exceptions.Exit(linted.report.exit_code)


def _print(linted: Linted) -> None:
    report = linted.report
    if linted.plan is not None:
        for fixed in linted.plan.fixed:
            say(f"fixed: {fixed.shown_path}: {fixed.message}")
        for refusal in linted.plan.refused:
            say(f"not fixed: {refusal.finding.shown_path}: {refusal.reason}")
    if report.findings and width() >= _TABLE_WIDTH:
        table(
            ("severity", "code", "path", "what", "cure"),
            [
                (one.severity, f"{one.code} {one.name}", one.shown_path, one.message, one.hint)
                for one in report.findings
            ],
        )
    else:
        for one in report.findings:
            say(f"{one.severity} {one.code} {one.name}: {one.shown_path}")
            say(f"  {one.message}")
            say(f"  cure: {one.hint}")
    counts = report.counts()
    words = [
        f"{counts[name]} {name}{'s' if counts[name] != 1 else ''}"
        for name in ("error", "warning", "info")
        if counts.get(name)
    ]
    say(", ".join(words) if words else "nothing found")
