"""dsk lint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from datakit.actions.linting.lint import (
    Linted,
    Request,
    fixes_of_folder,
    fixes_of_stages,
    lint,
    lint_and_fix,
    lint_folder,
)
from datakit.actions.linting.places import Place, find_place
from datakit.actions.linting.reports import diff_of, formats, render
from datakit.cli.findings import print_mended, print_report
from datakit.cli.output import Bar, note, say, say_words

_LIMIT = 200


class _Words(click.ParamType[tuple[str, ...]]):
    """Words between commas."""

    name = "words"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The words, blanks around them left out.

        Raises:
            UsageError: there are none, which would mean everything.
        """
        if isinstance(value, tuple):
            return value
        words = tuple(filter(None, map(str.strip, value.split(","))))
        if not words:
            self.fail("names nothing; leave the option out to mean everything", param, ctx)
        return words


@click.command("lint")
@click.argument("places", nargs=-1, metavar="[STAGES | PATH]")
@click.option("--select", type=_Words(), multiple=True, metavar="RULES", help="Only these codes, names or groups.")
@click.option("--ignore", type=_Words(), multiple=True, metavar="RULES", help="Not these.")
@click.option("--where", metavar="QUERY", default="", help="Only findings of the items that a query finds.")
@click.option("--for", "targets", type=_Words(), multiple=True, metavar="TRAINERS", help="As these trainers fare.")
@click.option("--preview/--no-preview", default=None, help="Also the rules that are still being tried.")
@click.option("--resolution", type=click.IntRange(64, 8192), default=None, metavar="PX", help="Training resolution.")
@click.option("--fix", is_flag=True, help="Apply the safe fixes as one operation.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: also those that may change the meaning.")
@click.option("--diff", "shows_diff", is_flag=True, help="Print what --fix would change; nothing is written.")
@click.option("--format", "form", type=click.Choice(formats()), default=None, help="Print the report as this.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write it to a file.")
@click.option("--json", "as_json", is_flag=True, help="As --format json.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--all", "shows_all", is_flag=True, help="Print every finding, also when there are thousands.")
@click.option("--watch", is_flag=True, help="Lint again whenever a file changes, until Ctrl-C.")
def command(places: tuple[str, ...], **said: Any) -> None:
    """Find what would go wrong in training, in a dataset's stages or in any folder of images and captions.

    Exits with 1 when there are errors. A folder that is no dataset is only read.
    """
    _check(said)
    place = find_place(Path.cwd(), places)
    request = _request(place, said)
    if said["watch"]:
        from datakit.cli.watching import watch

        # The place is found anew each time: dsk.toml may say something else by then.
        watch(place, lambda: _run(find_place(Path.cwd(), places), request, said), output=said["output"])
        return
    code = _run(place, request, said)
    raise click.exceptions.Exit(code)


def _check(said: dict[str, Any]) -> None:
    if said["unsafe_fixes"] and not (said["fix"] or said["shows_diff"]):
        raise click.UsageError("--unsafe-fixes goes with --fix or --diff")
    if said["fix"] and said["shows_diff"]:
        raise click.UsageError("--diff shows what --fix would change: one of them")
    if said["as_json"] and said["form"] not in (None, "json"):
        raise click.UsageError(f"--json and --format {said['form']} exclude each other")
    if said["watch"] and (said["fix"] or said["shows_diff"]):
        raise click.UsageError("--watch only looks: leave out --fix and --diff")


def _request(place: Place, said: dict[str, Any]) -> Request:
    return Request(
        stages=place.stages,
        select=_joined(said["select"]),
        ignore=_joined(said["ignore"]),
        where=said["where"],
        inside=place.inside,
        targets=_joined(said["targets"]),
        preview=said["preview"],
        resolution_px=said["resolution"] or 0,
    )


def _joined(words: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return tuple(word for several in words for word in several)


def _run(place: Place, request: Request, said: dict[str, Any]) -> int:
    """Lint once and print it; the exit code."""
    if said["shows_diff"]:
        _print_diff(place, request, unsafe=said["unsafe_fixes"])
        return 0
    with Bar() as bar:
        if place.project is None:
            place.refuse_fix(said["fix"])
            linted = lint_folder(place.root, request, progress=bar)
        elif said["fix"]:
            linted = lint_and_fix(place.project, request, unsafe=said["unsafe_fixes"], progress=bar)
        else:
            linted = lint(place.project, request, progress=bar)
    _print(linted, place, said)
    report = linted.report
    return int(report.exit_code or (said["strict"] and any(one.severity == "warning" for one in report.findings)))


def _print_diff(place: Place, request: Request, *, unsafe: bool) -> None:
    with Bar() as bar:
        if place.project is None:
            fixes = fixes_of_folder(place.root, request, unsafe=unsafe, progress=bar)
        else:
            fixes = fixes_of_stages(place.project, request, unsafe=unsafe, progress=bar)
    for line in diff_of(fixes):
        say(line)
    for refusal in fixes.mended.refused:
        note(f"not fixed: {refusal.finding.shown_path}: {refusal.reason}")


def _print(linted: Linted, place: Place, said: dict[str, Any]) -> None:
    form = "json" if said["as_json"] else said["form"]
    if said["output"] is not None:
        text = render(linted.report, form or said["output"].suffix[1:] or "json", place.root)
        place.write(said["output"], text)
        note(f"{said['output']}: written")
        return
    if form is not None:
        say_words([render(linted.report, form, place.root)], end="")
        return
    if linted.mended is not None:
        print_mended(linted.mended)
    print_report(linted.report, limit=0 if said["shows_all"] else _LIMIT)
