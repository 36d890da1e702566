"""dsk find."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any, Final

import click

from datakit.cli.leaks import command as leaks
from datakit.cli.queries import QueryCommand
from datakit.repo.finding.looking import begin_look

_HELP = """Words side by side mean and, - not, | or `or` either; parentheses group.

\b
  hat, tag:hat, blue_*, /^blue_/, untagged, num-tags<5, caption:"a hat"
  rating:g,s  score:10..50  date>=2023-06  artist:none  site:danbooru
  width>=1024  mp>=1  ratio<3:4  size<100kb  format:png  has:conflict
  concept:aria  name:*_0  -in:wip  near-duplicate-of:aria/x~4

docs/queries.md has them all. Write the query in single quotes, so that the shell leaves it alone.

dsk find leaks is a command of its own: see dsk find leaks --help. A tag of that name is found by tag:leaks."""


class _FindCommand(QueryCommand):
    """Words of a query, unless the first one names another thing to find."""

    commands: Final = {"leaks": leaks}

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of that other command, where it is meant."""
        inner = self.commands.get(args[0]) if args else None
        if inner is None:
            return super().make_context(info_name, args, parent, **extra)
        return inner.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command of the context."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)


@click.command("find", cls=_FindCommand, epilog=_HELP)
@click.argument("query", nargs=-1)
@click.option("--stage", default="", metavar="STAGE", help="Of this stage, not of the last that has captions.")
@click.option(
    "--committed", is_flag=True, help="As of the last operation: do not look for hand edits, which is faster."
)
@click.option("--count", "only_count", is_flag=True, help="Print only how many there are.")
@click.option("-0", "--null", "null", is_flag=True, help="Print a NUL behind each item, for xargs -0.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(query: tuple[str, ...], stage: str, committed: bool, only_count: bool, null: bool, as_json: bool) -> None:
    """List the items that QUERY finds, one a line; without QUERY, all of them.

    Captions count as they stand, hand edits included; images and records as of the last operation.
    """
    gc.disable()  # what is loaded and read stays until the end, which is near
    # A large stage is looked at by other processes while the rest of dsk loads.
    begun = None if committed else begin_look(Path.cwd(), stage)
    from datakit.actions.finding import find_items, open_to_look
    from datakit.cli.output import Bar, note, plain, say, say_block, say_json, say_words

    with Bar() as bar:
        dataset = open_to_look(Path.cwd())
        found = find_items(dataset, " ".join(query), stage=stage, begun=begun, looks=not committed, progress=bar)
    if as_json:
        say_json(found)
    elif only_count:
        say(str(len(found.items)))
    elif null:
        say_words(found.items, end="\0")
    else:
        is_plain = "".join(found.items).isprintable()
        if found.items:
            say_block("\n".join(found.items if is_plain else map(plain, found.items)))
        edited = f"; {found.num_edited:,} edited by hand" if found.num_edited else ""
        note(f"{len(found.items):,} of {found.num_items:,} items in {found.stage}{edited}")
