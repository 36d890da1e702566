"""Commands that take a query: its words may begin with `-`, which is no option then."""

from __future__ import annotations

import click


class QueryCommand(click.Command):
    """Takes what begins with a single `-`, and is none of its options, as a word of the query."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the query's words behind `--`."""
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        valued = {name for one in options if not one.is_flag and not one.count for name in one.opts}
        known = {name for one in options for name in (*one.opts, *one.secondary_opts)}
        chosen: list[str] = []
        words: list[str] = []
        rest = list(args)
        while rest:
            word = rest.pop(0)
            if word == "--":
                words += rest
                break
            if word in valued:
                chosen += [word, *rest[:1]]
                del rest[:1]
            elif word in known or word.startswith("--"):
                chosen.append(word)
            else:
                words.append(word)
        return super().parse_args(ctx, [*chosen, "--", *words])
