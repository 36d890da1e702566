"""dsk traits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datakit.cli.output import Bar, say, say_json, table

if TYPE_CHECKING:
    from datakit.actions.traits import ConceptTraits, Pruned
    from datakit.tags.traits import Trait

_COLUMNS = ("tag", "items", "share", "elsewhere", "lift", "what", "family")
_KINDS = {"trait": "trait", "particular": "its own; your choice", "frequent": "frequent"}


@click.command("traits")
@click.argument("concept", required=False, default="")
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option(
    "--at-least",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.8,
    show_default=True,
    help="Share of a concept's items that have the tag.",
)
@click.option("--apply", "applies", is_flag=True, help="Write the traits, or TAG..., into [cleaned.prune] of dsk.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(concept: str, tags: tuple[str, ...], at_least: float, applies: bool, as_json: bool) -> None:
    """Show the tags that nearly all items of CONCEPT have, or of every concept, and which are its fixed traits.

    What a caption says, the model ties to those words; what it does not say goes to what is left: the trigger. Tags of
    hair, eyes and body that a character always has are therefore pruned from its captions. `lift` is how many times as
    often a tag occurs in the concept as in the rest. Nothing changes without --apply.
    """
    from datakit.actions.project import open_project
    from datakit.actions.traits import apply_traits, list_traits

    if tags and not applies:
        raise click.UsageError("TAG... goes with --apply")
    with Bar() as bar:
        project = open_project(Path.cwd())
        if applies:
            done = apply_traits(project, concept, tags, at_least=at_least, progress=bar)
        else:
            rows = list_traits(project, concept, at_least=at_least, progress=bar)
    if as_json:
        say_json(done if applies else rows)
    elif applies:
        _print_pruned(done)
    else:
        _print(rows, is_one=bool(concept))


def _print(rows: list[ConceptTraits], *, is_one: bool) -> None:
    from datakit.tags.traits import MIN_ITEMS

    for place, row in enumerate(rows):
        if place:
            say("")
        say(_heading(row))
        if row.num_items < MIN_ITEMS:
            say(f"  fewer than {MIN_ITEMS} items say nothing about what is fixed")
        if row.tags:
            table(_COLUMNS, map(_cells, row.tags), right=_COLUMNS[1:5])
    number = sum(len(row.suggested) for row in rows)
    if number:
        words = f"dsk traits {rows[0].concept} --apply" if is_one else "dsk traits [CONCEPT] --apply"
        say(f"{number:,} to prune: {words}, then dsk clean")
    else:
        say("nothing to prune")
    _tell_missing([row.concept for row in rows if row.suggested and not row.trigger])


def _cells(one: Trait) -> tuple[str, ...]:
    elsewhere = "" if one.elsewhere is None else f"{one.elsewhere:.0%}"
    lift = "" if one.lift is None else f"{one.lift:.1f}"
    what = "pruned" if one.is_pruned else _KINDS[one.kind]
    return one.tag, f"{one.count:,}", f"{one.share:.0%}", elsewhere, lift, what, one.family


def _heading(row: ConceptTraits) -> str:
    trigger = f", trigger {row.trigger}" if row.trigger else ""
    return f"{row.concept or '(no folder)'}: {row.num_items:,} {'item' if row.num_items == 1 else 'items'}{trigger}"


def _tell_missing(missing: Sequence[str]) -> None:
    if missing:
        say(f"no trigger yet to take them over: {', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}")


def _print_pruned(done: Pruned) -> None:
    say(done.subject)
    for concept, tags in done.added.items():
        say(f"  {concept}: {', '.join(tags)}")
    if done.added:
        _tell_missing(done.without_trigger)
        say("next: dsk clean takes them out of the captions")
