"""dsk prompt."""

import re
import sys
from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.actions.prompting import ShownPrompt, convert_prompt, show_prompt
from datakit.cli.output import note, say, say_block, say_json, table

_CUT = "<- cut"
_IS_WEIGHT = re.compile(r"-[\d.]")
_RULE = (
    "sd-scripts cuts here, and leaves out what max_token_length (75, 150 or 225) has no room for; "
    "A1111 moves a piece of at most 20 tokens whole into the next chunk"
)


@click.group("prompt")
def command() -> None:
    """Look at captions as CLIP reads them, and turn prompts from one program's language into another's."""


@command.command("show")
@click.argument("item")
@click.option("--stage", default="", metavar="STAGE", help="Of this stage, not of the last that has a caption of it.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show_command(item: str, stage: str, as_json: bool) -> None:
    """Show ITEM's caption in chunks of 75 tokens, and the tags that the border of a chunk cuts in two.

    ITEM is `concept/stem`, a file such as wip/concept/stem.txt, or a stem that only one item has.
    """
    shown = show_prompt(open_project(Path.cwd()), item, stage=stage)
    if as_json:
        say_json(shown)
        return
    num_tokens = "1 token" if shown.num_tokens == 1 else f"{shown.num_tokens} tokens"
    num_chunks = "1 chunk" if len(shown.chunks) == 1 else f"{len(shown.chunks)} chunks"
    say(f"{shown.key} in {shown.stage}: {num_tokens} in {num_chunks} of {shown.chunk}")
    _print_chunks(shown)
    if len(shown.chunks) > 1:
        say(_RULE)


def _print_chunks(shown: ShownPrompt) -> None:
    for number, chunk in enumerate(shown.chunks, 1):
        say("")
        say(f"chunk {number}: {chunk.num_tokens} of {shown.chunk}")
        if chunk.pieces:
            rows = [(piece.num_tokens, piece.text, _CUT if piece.cut else "") for piece in chunk.pieces]
            table(("tokens", "tag", ""), rows, right=("tokens",))
    say("")


class _Convert(click.Command):
    """Takes `-1::hat::` for a text, which begins with a blank then, not for options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f" {one}" if _IS_WEIGHT.match(one) else one for one in args])


@command.command("convert", cls=_Convert)
@click.option("--from", "source", required=True, metavar="LANGUAGE", help="a1111, comfyui, novelai (nai) or plain.")
@click.option("--to", "target", required=True, metavar="LANGUAGE", help="a1111, comfyui, novelai (nai) or plain.")
@click.option("--json", "as_json", is_flag=True, help="Print text and notes as JSON.")
@click.argument("text", nargs=-1)
def convert_command(source: str, target: str, as_json: bool, text: tuple[str, ...]) -> None:
    """Write the prompt TEXT, or standard input where none is given, in another program's language.

    Weights are kept; what the other language cannot say is told on standard error.
    """
    prompt = " ".join(word.removeprefix(" ") for word in text) if text else sys.stdin.read().rstrip("\r\n")
    written = convert_prompt(prompt, source, target=target)
    if as_json:
        say_json(written)
        return
    say_block(written.text)
    for sentence in written.notes:
        note(f"note: {sentence}")
