"""Writes docs/reference/ from the code: `python docs/generate.py`, or `--check` to see whether it is up to date."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from datakit.actions.project import PUBLISH, STAGES
from datakit.actions.starting import toml_value
from datakit.cli.main import COMMANDS, cli
from datakit.config import field_docs, inner_tables
from datakit.exports.expressing import FEATURES
from datakit.exports.model import EXPORTS
from datakit.exports.publishing import PublishSettings
from datakit.exports.settings import Common, Concept, Weight
from datakit.lint.engine import RULES
from datakit.lint.model import LETTERS, Rule
from datakit.lint.pages import page_of, severities_of, summary_of_rule, table, titles
from datakit.lint.settings import Allow, LintSettings, TrainingSettings
from datakit.model.order import EXPORT, ORDER
from datakit.repo.vocabularies import VOCAB, VocabSettings
from trainer.config import PRESET_SENTENCE, defaults

FOLDER = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate.py from the code. -->\n"

_GROUPS: Final = {
    "pairs": "images and captions that do not go together, and bytes of captions",
    "images": "files and pixels",
    "tags": "what captions say",
    "dataset": "the whole",
}
_SIGNS: Final = {"error": "**E**", "warning": "W", "info": "i", "off": "·"}


def pages() -> dict[str, str]:
    """Path in docs/reference → content of every generated page."""
    made = {
        "cli.md": cli_page(),
        "config.md": config_page(),
        "trainer.md": trainer_page(),
        "formats.md": formats_page(),
    }
    made |= {f"rules/{name}": text for name, text in rule_pages().items()}
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
        parts += _export_sections() if name == EXPORT else []
        parts += _inner_sections(name, stage.settings)
    parts.append(f"\n## [{PUBLISH}]\n\nSee [publishing](../publishing.md).\n\n{_table(PublishSettings)}")
    parts.append(
        f"\n## [{VOCAB}]\n\nWhat is known of tags: see [vocabulary](../vocabulary.md).\n\n{_table(VocabSettings)}"
    )
    parts += _lint_sections()
    parts.append("\n## [bake]\n\nTables of the trainer, passed on to it: see [trainer](trainer.md).\n")
    return "".join(parts)


def formats_page() -> str:
    """Every export format: what each holds, and its module's own words."""
    names = EXPORTS.names()
    parts = [
        "\n# Export formats\n\nSee [exports](../exports.md). What a format does not hold is told when it is asked for.",
        "\n\n",
    ]
    heads = ("", *names)
    rows = [
        (feature.words, *("yes" if key in EXPORTS.load(name).can else "" for name in names))
        for key, feature in FEATURES.items()
    ]
    starter = ("starter config", *("yes" if EXPORTS.load(name).configure else "" for name in names))
    parts.append(table(heads, [*rows, starter]) + "\n")
    for name in names:
        page = (sys.modules[EXPORTS.load(name).settings.__module__].__doc__ or "").strip()
        parts.append(f"\n## {name}\n\n{page}\n\nSettings: [export.{name}](config.md).\n")
    return "".join(parts)


def _export_sections() -> Iterator[str]:
    """What all formats are asked, the tables inside, and one for each format."""
    yield "\nSettings of all formats; each may stand in `[export.<format>]` too, for that one alone.\n\n" + _table(
        Common
    )
    yield f"\n### [export.concepts.<name>]\n\n{' '.join((Concept.__doc__ or '').split())}\n\n{_table(Concept)}"
    yield f"\n### [[export.weights]]\n\n{' '.join((Weight.__doc__ or '').split())}\n\n{_table(Weight)}"
    for name in EXPORTS.names():
        yield f"\n### [export.{name}]\n\n{EXPORTS.summary(name)}.\n\n{_table(EXPORTS.load(name).settings)}"


def _lint_sections() -> Iterator[str]:
    """`[lint]`, its tables, and one for each rule that has settings."""
    yield f"\n## [lint]\n\nSee [lint](../lint.md).\n\n{_table(LintSettings)}"
    yield f"\n### [[lint.allow]]\n\n{' '.join((Allow.__doc__ or '').split())}\n\n{_table(Allow)}"
    yield f"\n### [lint.training]\n\n{' '.join((TrainingSettings.__doc__ or '').split())}\n\n{_table(TrainingSettings)}"
    for name, kind in rule_options().items():
        yield f"\n### [lint.rules.{name}]\n\nSee [{name}](rules/{name}.md).\n\n{_table(kind)}"


def rule_options() -> dict[str, type[msgspec.Struct]]:
    """Rule → the type of its settings, of those that have some."""
    return {rule.name: rule.options for rule in RULES.all() if rule.options is not None}


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
    rows = (f"| `{field.encode_name}` | {_shown_default(field)} | {docs[field.name]} |" for field in fields)
    return "| key | default | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _shown_default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return f"`{toml_value(default)}`"


def rule_pages() -> dict[str, str]:
    """File name → content: a page for each lint rule, an index, and what each trainer makes of what they find."""
    rules = sorted(RULES.all(), key=lambda rule: rule.code)
    made = {f"{rule.name}.md": f"\n{page_of(rule)}\n[All rules](README.md)" for rule in rules}
    return {**made, "README.md": "".join(_rule_index(rules)), "trainers.md": "".join(_rules_by_trainer(rules))}


def _rule_index(rules: Sequence[Rule]) -> Iterator[str]:
    yield "\n# Lint rules\n\n`dsk rule NAME` shows a page in the terminal; [lint](../../lint.md) says how rules are "
    yield "chosen, and how findings are let stand. [By trainer](trainers.md): what each makes of what they find.\n"
    for group in LETTERS:
        rows = (
            (rule.code, _rule_link(rule), _severity_words(rule), _fix_word(rule), summary_of_rule(rule))
            for rule in rules
            if rule.group == group
        )
        yield f"\n## {group}: {_GROUPS[group]}\n\n{table(('code', 'rule', 'severity', 'fix', 'finds'), rows)}\n"


def _severity_words(rule: Rule) -> str:
    words = severities_of(rule) if rule.severity_in else rule.severity
    notes = [word for word, holds in (("preview", rule.preview), ("only with `--for`", rule.needs_target)) if holds]
    return "; ".join([words, *notes])


def _fix_word(rule: Rule) -> str:
    return "" if rule.fix_safety == "none" else rule.fix_safety


def _rules_by_trainer(rules: Sequence[Rule]) -> Iterator[str]:
    known = [rule for rule in rules if rule.effects]
    names = sorted({*titles(), *(name for rule in known for name in rule.effects)})
    yield "\n# Rules by trainer\n\nWith `--for TRAINER` a finding weighs what it does to that trainer. "
    yield "**E** error, W warning, i info, · does no harm there; empty: as without `--for`.\n\n"
    rows = ((_rule_link(rule), *(_sign(rule, name) for name in names)) for rule in known)
    yield table(("rule", *names), rows) + "\n"
    for name in names:
        effects = [(rule, rule.effects[name]) for rule in known if name in rule.effects]
        rows = (
            (_rule_link(rule), effect.level, effect.what, f"`{effect.source}`" if effect.source else "")
            for rule, effect in effects
        )
        yield f"\n## {titles().get(name, name)}\n\n`--for {name}`\n\n"
        yield f"{table(('rule', 'weighs', 'what it does', 'source'), rows)}\n" if effects else "Nothing of its own.\n"


def _sign(rule: Rule, name: str) -> str:
    return _SIGNS[rule.effects[name].level] if name in rule.effects else ""


def _rule_link(rule: Rule) -> str:
    return f"[{rule.name}]({rule.name}.md)"


def trainer_page() -> str:
    """Every setting of a training run."""
    parts = [
        "\n# Settings of a training run\n\nIn dsk.toml each table is `[bake.<table>]`; `dsk bake` itself sets where "
        "the data, the caches and the results lie. What they mean: [training](../training.md).\n\n"
        f"`preset`: {PRESET_SENTENCE[0].lower()}{PRESET_SENTENCE[1:]}\n"
    ]
    section = ""
    for section_name, name, default, text in defaults():
        if section_name != section:
            section = section_name
            parts.append(f"\n## [{section}]\n\n| key | default | |\n|---|---|---|\n")
        parts.append(f"| `{name}` | `{toml_value(default)}` | {text.replace('|', chr(92) + '|')} |\n")
    return "".join(parts)


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check compare them; returns the exit code."""
    made = pages()
    stale = [name for name, text in made.items() if not _same(FOLDER / name, text)]
    gone = gone_pages(made)
    if "--check" in arguments:
        sys.stderr.writelines(
            f"docs/reference/{name} is out of date: python docs/generate.py\n" for name in stale + gone
        )
        return 1 if stale or gone else 0
    for name in stale:
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(made[name], "utf-8")
    for name in gone:
        (FOLDER / name).unlink()
    return 0


def gone_pages(made: Mapping[str, str]) -> list[str]:
    """Pages in the folder that nothing generates any more, such as that of a rule that is gone."""
    there = (path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.md"))
    return sorted(name for name in there if name not in made)


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
