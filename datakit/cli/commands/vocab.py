"""dsk vocab."""

from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.actions.vocabulary import KnownTag, VocabularyReport, look_up, report_vocabulary
from datakit.cli.output import say, say_json, table
from datakit.tags.names import to_canonical

_SHOWN_ALIASES = 12


@click.command("vocab")
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(tags: tuple[str, ...], as_json: bool) -> None:
    """Show what the dataset knows of tags, and where from; of each TAG its category, count, aliases and implications.

    The files are those in vocab/ and those that [vocab] in dsk.toml points at.
    """
    project = open_project(Path.cwd())
    if tags:
        found = look_up(project, tags)
        if as_json:
            say_json(found)
        else:
            for one in found:
                _print_tag(one)
        return
    report = report_vocabulary(project)
    if as_json:
        say_json(report)
    else:
        _print(report)


def _print(report: VocabularyReport) -> None:
    numbers = (
        (report.num_tags, "tag", "tags"),
        (report.num_aliases, "alias", "aliases"),
        (report.num_implications, "implication", "implications"),
        (report.num_blacklisted, "blacklisted tag", "blacklisted tags"),
    )
    say(", ".join(f"{number:,} {one if number == 1 else many}" for number, one, many in numbers))
    if report.sources:
        rows = (
            (one.role, one.path, f"{one.num_rows:,}", f"{one.num_overruled:,}" if one.num_overruled else "")
            for one in report.sources
        )
        table(("", "file", "rows", "known before"), rows, right=("rows", "known before"))
    else:
        say("no vocabulary: put files into vocab/, or name them in [vocab] of dsk.toml")
    for problem in report.problems:
        say(f"left out: {problem}")


def _print_tag(one: KnownTag) -> None:
    tag = to_canonical(one.asked)
    say(tag if tag == one.name else f"{tag} → {one.name}")
    posts = "1 post" if one.count == 1 else f"{one.count:,} posts"
    say(f"  {one.category}, {posts}" if one.is_known else "  not known; it is kept as it is")
    if one.aliases:
        more = len(one.aliases) - _SHOWN_ALIASES
        say(f"  aliases  {', '.join(one.aliases[:_SHOWN_ALIASES])}" + (f" and {more:,} more" if more > 0 else ""))
    if one.implies:
        say(f"  implies  {', '.join(one.implies)}")
    if one.is_blacklisted:
        say("  blacklisted")
    if one.near:
        say(f"  near     {', '.join(one.near)}")
