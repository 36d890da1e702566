"""Writes docs/reference/ from the code: `python docs/generate.py`, or `--check` to see whether it is up to date."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from datakit.actions.project import STAGES
from datakit.actions.starting import toml_value
from datakit.cli.main import COMMANDS, cli
from datakit.config import field_docs, inner_tables
from datakit.exports.model import EXPORTS
from datakit.lint.engine import RULES
from datakit.model.order import ORDER
from datakit.repo.vocabularies import VOCAB, VocabSettings
from trainer.config import defaults

FOLDER = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate.py from the code. -->\n"


def pages() -> dict[str, str]:
    """File name → content of every generated page."""
    made = {"cli.md": cli_page(), "config.md": config_page(), "rules.md": rules_page(), "trainer.md": trainer_page()}
    return {name: _NOTE + text.rstrip() + "\n" for name, text in made.items()}


def cli_page() -> str:
    """Every command with its help, as the terminal shows it."""
    parts = ["\n# Commands\n", _help(cli, "dsk")]
    for name in COMMANDS:
        module = importlib.import_module(f"datakit.cli.commands.{COMMANDS[name].module}")
        parts += _sections(module.command, f"dsk {name}")
    return "\n".join(parts)


def _sections(command: click.Command, name: str) -> list[str]:
    """A command's help, then that of its subcommands."""
    inner = command.commands if isinstance(command, click.Group) else {}
    below = [part for word, one in inner.items() for part in _sections(one, f"{name} {word}")]
    return [f"\n## {name}\n{_help(command, name)}", *below]


def _help(command: click.Command, name: str) -> str:
    with click.Context(command, info_name=name, max_content_width=100, terminal_width=100) as context:
        return f"\n```\n{command.get_help(context)}\n```"


def config_page() -> str:
    """Every setting of dsk.toml."""
    parts = ["\n# Settings: dsk.toml\n\nAn unknown key is an error that names the nearest one.\n"]
    for name in ORDER:
        stage = STAGES.load(name)
        parts.append(f"\n## [{name}]\n\n{STAGES.summary(name)}.\n\n{_table(stage.settings)}")
        parts += _inner_sections(name, stage.settings)
    parts += [
        f"\n## [export.{name}]\n\n{EXPORTS.summary(name)}.\n\n{_table(EXPORTS.load(name).settings)}"
        for name in EXPORTS.names()
    ]
    parts.append(
        f"\n## [{VOCAB}]\n\nWhat is known of tags: see [vocabulary](../vocabulary.md).\n\n{_table(VocabSettings)}"
    )
    parts.append("\n## [bake]\n\nTables of the trainer, passed on to it: see [trainer](trainer.md).\n")
    return "".join(parts)


def _inner_sections(name: str, settings: type[msgspec.Struct]) -> Iterator[str]:
    """A section for each table inside, with the page of the plugin whose settings it holds."""
    for key, kind in inner_tables(settings).items():
        page = (sys.modules[kind.__module__].__doc__ or "").strip()
        yield f"\n### [{name}.{key}]\n\n{page}\n\n{_table(kind)}"


def _table(settings: type[msgspec.Struct]) -> str:
    inner = inner_tables(settings)
    fields = [field for field in msgspec.structs.fields(settings) if field.encode_name not in inner]
    if not fields:
        return "Its tables follow.\n" if inner else "No settings.\n"
    docs = field_docs(settings)
    rows = (f"| `{field.encode_name}` | `{toml_value(_default(field))}` | {docs[field.name]} |" for field in fields)
    return "| key | default | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def rules_page() -> str:
    """Every lint rule's own page, in the order of their codes."""
    parts = ["\n# Lint rules\n"]
    for rule, doc in sorted(_rules(), key=lambda row: row[0].code):
        text = doc.strip().replace("\n## ", "\n### ")
        parts.append(f"\n## {rule.code} {rule.name}\n\n{_severity(rule)}\n\n{text}\n")
    return "".join(parts)


def _rules() -> Iterator[tuple[Any, str]]:
    for name in RULES.names():
        module = importlib.import_module(f"datakit.lint.rules.{name}")
        yield RULES.load(name), module.__doc__ or ""


def _severity(rule: Any) -> str:
    levels = {stage or "any folder": rule.severity_at(stage) for stage in rule.stages}
    words = ", ".join(f"{stage}: {severity}" for stage, severity in levels.items())
    return f"Group {rule.group}; {words}; fix: {rule.fix_safety}."


def trainer_page() -> str:
    """Every setting of a training run."""
    parts = [
        "\n# Settings of a training run\n\nIn dsk.toml each table is `[bake.<table>]`; `dataset` and `output` are "
        "set by `dsk bake`.\n"
    ]
    section = ""
    for table, name, default, text in defaults():
        if table != section:
            section = table
            parts.append(f"\n## [{table}]\n\n| key | default | |\n|---|---|---|\n")
        parts.append(f"| `{name}` | `{toml_value(default)}` | {text.replace('|', chr(92) + '|')} |\n")
    return "".join(parts)


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check compare them; returns the exit code."""
    FOLDER.mkdir(exist_ok=True)
    stale = [name for name, text in pages().items() if not _same(FOLDER / name, text)]
    if "--check" in arguments:
        sys.stderr.writelines(f"docs/reference/{name} is out of date: python docs/generate.py\n" for name in stale)
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).write_text(pages()[name], "utf-8")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
