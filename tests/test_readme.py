"""The README's shell blocks name only commands, options and make targets that exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from datakit.cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")

_BLOCK = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SEPARATORS = {"&&", "||", ";", "|"}
_WITH_VALUE = {"-C"}
"""Options of `dsk` itself that take the next word."""


def shell_commands(markdown: str) -> Iterator[list[str]]:
    """Every command of every shell block, as words; in console blocks only the lines with a prompt."""
    for match in _BLOCK.finditer(markdown):
        lines = match[1].replace("\\\n", " ").splitlines()
        prompted = [line[2:] for line in lines if line.startswith("$ ")]
        for line in prompted or lines:
            lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
            lexer.whitespace_split = True
            words: list[str] = []
            for word in lexer:
                if word in _SEPARATORS:
                    yield words
                    words = []
                else:
                    words.append(word)
            if words:
                yield words


def dsk_words(words: list[str]) -> list[str]:
    """The words from dsk's command on; empty when it is another program or has no command."""
    words = without_environment(words)
    if not words or words[0] != "dsk":
        return []
    i = 1
    while i < len(words) and words[i].startswith("-"):
        i += 2 if words[i] in _WITH_VALUE else 1
    return words[i:]


def make_targets(words: list[str]) -> list[str]:
    """What `make` is asked for."""
    words = without_environment(words)
    if not words or words[0] != "make":
        return []
    return [word for word in words[1:] if "=" not in word and not word.startswith("-")]


def without_environment(words: list[str]) -> list[str]:
    """Drop `NAME=value` in front of a command."""
    i = 0
    while i < len(words) and re.match(r"[A-Za-z_]\w*=", words[i]):
        i += 1
    return words[i:]


DSK = [found for found in map(dsk_words, shell_commands(README)) if found]
MAKE = [target for words in shell_commands(README) for target in make_targets(words)]


@pytest.mark.parametrize("words", DSK, ids=" ".join)
def test_dsk_command_and_its_options_exist(words: list[str]) -> None:
    name, *rest = words
    assert name in COMMANDS
    command = cli.get_command(click.Context(cli), name)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        command = command.get_command(click.Context(command), rest.pop(0))
    assert command is not None
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    given = {word.partition("=")[0] for word in rest if re.match(r"--?[A-Za-z]", word)}
    assert given <= known | {"-h", "--help"}


@pytest.mark.parametrize("target", sorted(set(MAKE)))
def test_make_target_exists(target: str) -> None:
    assert re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE)


def test_the_reader_of_shell_blocks_finds_commands() -> None:
    text = "```sh\nPYTHON=python3.12 make demo ARGS=--quick\ncd x && dsk -C set lint --fix  # why\n```\n"
    found = list(shell_commands(text + "```toml\ndsk no\n```\n"))
    assert [make_targets(words) for words in found] == [["demo"], [], []]
    assert [dsk_words(words) for words in found] == [[], [], ["lint", "--fix"]]
    console = "```console\n$ dsk status \\\n  --json\ndsk printed this\n```\n"
    assert [dsk_words(words) for words in shell_commands(console)] == [["status", "--json"]]
