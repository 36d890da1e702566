"""`dsk`: the table of commands, loaded by name, and the one handler of errors."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Final, NamedTuple

import click

from datakit import __version__
from datakit.errors import DskError, WriteError
from datakit.store.lock import telling


class Entry(NamedTuple):
    """One command: the module that holds it, and its line in the help."""

    module: str
    summary: str
    group: str


COMMANDS: Final[dict[str, Entry]] = {
    "init": Entry("init", "Begin a dataset in a new or empty folder.", "Begin"),
    "import": Entry("import_", "Take a scraped folder into raw.", "Begin"),
    "refresh": Entry("refresh", "Take newer metadata into the records.", "Begin"),
    "advance": Entry("advance", "Run every stage that is out of date, up to STAGE.", "Stages"),
    "filter": Entry("stage_filter", "raw → filtered: drop garbage and duplicates.", "Stages"),
    "edit": Entry("stage_edit", "filtered → edited: upright, opaque images; or retouch one.", "Stages"),
    "caption": Entry("stage_caption", "edited → captioned: tags of sites, captions, taggers.", "Stages"),
    "clean": Entry("stage_clean", "captioned → cleaned: tags in prompt format.", "Stages"),
    "wip": Entry("stage_wip", "cleaned → wip: your own bench.", "Stages"),
    "export": Entry("export", "wip → export: what a trainer reads.", "Stages"),
    "publish": Entry("publish", "Show the dataset to others: a card, and the Hugging Face hub.", "Stages"),
    "mv": Entry("mv", "Rename items in every stage at once.", "Items"),
    "drop": Entry("drop", "Take items out of a stage, with a reason.", "Items"),
    "keep": Entry("keep", "Bring back what a rule dropped; decide conflicts.", "Items"),
    "crop": Entry("crop", "Crop an item's image, or make new items of its parts.", "Items"),
    "duplicates": Entry("duplicates", "Show images that look alike, and which to keep.", "Items"),
    "unlock": Entry("unlock", "Make images writable, to be edited in place.", "Items"),
    "find": Entry("find", "List the items that a query finds.", "Tags"),
    "tag": Entry("tag", "Edit tags of many captions at once.", "Tags"),
    "tags": Entry("tags", "Count tags; find rare and misspelled ones.", "Tags"),
    "traits": Entry("traits", "Show tags that are a concept's fixed traits; prune them.", "Tags"),
    "taggers": Entry("taggers", "List the taggers, and fetch one.", "Tags"),
    "vocab": Entry("vocab", "Show what is known of tags, and where from.", "Tags"),
    "prompt": Entry("prompt", "Count a caption's tokens; convert prompts.", "Tags"),
    "profile": Entry("profile", "List the prompt profiles; copy one to change it.", "Tags"),
    "status": Entry("status", "Show each stage, what is stale, and hand edits.", "Look"),
    "lint": Entry("lint", "Find what would go wrong in training.", "Look"),
    "allow": Entry("allow", "Say that what lint finds is right, and why.", "Look"),
    "rule": Entry("rule", "List the lint rules; explain one.", "Look"),
    "log": Entry("log", "Show the operations, newest first.", "Look"),
    "diff": Entry("diff", "Show what differs between two states, tag by tag.", "Look"),
    "blame": Entry("blame", "Show where each tag of a caption came from.", "Look"),
    "why": Entry("why", "Show why an item is, or is not, in each stage.", "Look"),
    "undo": Entry("undo", "Take the last operation back.", "Go back"),
    "redo": Entry("redo", "Bring back what the last undo took back.", "Go back"),
    "restore": Entry("restore", "Bring items back out of the history.", "Go back"),
    "op": Entry("op", "Look at the operations: op log, op show.", "Go back"),
    "branch": Entry("branch", "List the branches, or begin one.", "Branches"),
    "switch": Entry("switch", "Go to another branch.", "Branches"),
    "merge": Entry("merge", "Bring another branch's work into this one.", "Branches"),
    "clone": Entry("clone", "Copy a dataset with its history and images.", "Branches"),
    "pull": Entry("pull", "Take over what is new in another copy.", "Branches"),
    "push": Entry("push", "Send what is new here to another copy.", "Branches"),
    "verify": Entry("verify", "Read every byte again, and repair what is damaged.", "Care"),
    "doctor": Entry("doctor", "Show how this dataset and this computer stand.", "Care"),
    "classgen": Entry("classgen", "Make regularization pictures with the base model.", "Bake"),
    "bake": Entry("bake", "Train on the export.", "Bake"),
    "bakes": Entry("bakes", "List, compare and rate the bakes; write a sheet of them.", "Bake"),
    "trace": Entry("trace", "Show which commit and images a LoRA came from.", "Bake"),
    "sample": Entry("sample", "Draw pictures with a bake, before and after.", "Bake"),
}


class LazyGroup(click.Group):
    """Imports a command when it is run; the parent's help needs only the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; an unknown word is an error that names the nearest."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            from datakit.registry import nearest

            like = nearest(cmd_name, list(COMMANDS))
            ctx.fail(f"no command '{cmd_name}'" + (f"; did you mean '{like}'?" if like else ""))
        command = importlib.import_module(f"datakit.cli.commands.{entry.module}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.command is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, by group."""
        del ctx
        groups = dict.fromkeys(entry.group for entry in COMMANDS.values())
        for group in groups:
            with formatter.section(group):
                formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items() if entry.group == group])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="dsk", message="%(prog)s %(version)s")
@click.option("-C", "folder", metavar="DIR", default="", help="Work on the dataset in DIR instead of here.")
def cli(folder: str) -> None:
    """Git for diffusion datasets, with the oven built in."""
    if folder:
        try:
            os.chdir(folder)
        except OSError as error:
            raise click.UsageError(f"-C {folder}: {error.strerror}") from error


def main() -> None:
    """Entry point: runs a command and turns an error into one line and an exit code."""
    telling.tell = _tell_wait
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that are not UTF-8, terminals that know no arrow
    try:
        code = cli.main(prog_name="dsk", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; the next dsk command tidies up", err=True)
        sys.exit(130)
    except DskError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        failure = WriteError(
            f"{error.filename or 'dsk'}: {error.strerror or error}", hint="check permissions and the disk"
        )
        _tell(failure)
        sys.exit(failure.exit_code)


def _tell_wait(text: str) -> None:
    from datakit.cli.output import note

    note(text)


def _tell(error: DskError) -> None:
    from datakit.cli.output import plain

    click.echo(f"{click.style('error:', fg='red', bold=True)} {plain(error.message)}", err=True)
    if error.hint:
        click.echo(f"{click.style('hint:', fg='cyan')}  {plain(error.hint)}", err=True)
