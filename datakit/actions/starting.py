"""dsk init: an empty dataset with its settings written out and explained."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.project import PUBLISH, STAGES
from datakit.config import CONFIG_NAME, field_docs, inner_tables
from datakit.exports.model import EXPORTS
from datakit.exports.publishing import PublishSettings
from datakit.exports.settings import Common
from datakit.model.item import is_image
from datakit.model.order import EXPORT, ORDER
from datakit.repo.dataset import Dataset, create_repository
from datakit.repo.layout import GITATTRIBUTES, GITIGNORE
from datakit.repo.operations.transaction import transaction
from datakit.repo.vocabularies import VOCAB, VocabSettings

_HEAD: Final = """\
# Settings of this dataset. Each line shows its default; take the # away to change it.
"""
_BAKE: Final = """
[bake]
# Settings of the trainer, passed on to it: a preset to begin with, and tables model, text, dataset, captions, adapter,
# objective, timesteps, noise, loss, optimizer, schedule, memory, ema, train, validation, sample, log and output.
# `python -m trainer fields` lists them all.
"""


def start_dataset(root: Path) -> Path:
    """Make a dataset of an empty or new folder; files that are in it stay.

    Raises:
        RepositoryError: a foreign git repository.
        WriteError: the folder cannot be written.
    """
    root = root.absolute()
    texts = {CONFIG_NAME: settings_template(), ".gitattributes": GITATTRIBUTES, ".gitignore": GITIGNORE}
    dataset = Dataset(root, create_repository(root))
    with transaction(dataset, "init") as txn:
        for path, text in texts.items():
            old = (root / path).read_text("utf-8", "surrogateescape") if (root / path).is_file() else ""
            txn.put(path, (_joined(old, text, path) if old else text).encode("utf-8", "surrogateescape"))
        for stage in ORDER:
            (root / stage).mkdir(exist_ok=True)
        txn.commit("init: a new dataset")
    return root


def _joined(old: str, new: str, path: str) -> str:
    """A file that was there before keeps its lines; settings are never overwritten."""
    if path == CONFIG_NAME or new in old:
        return old
    return old.rstrip("\n") + "\n" + new


def settings_template() -> str:
    """dsk.toml with every setting commented out, explained by its own docstring."""
    parts = [_HEAD]
    for name in ORDER:
        stage = STAGES.load(name)
        parts += sections(name, stage.settings)
        parts += [_fields(Common)] if name == EXPORT else []
    parts += [f"\n[export.{export.name}]\n{_fields(export.settings)}" for export in EXPORTS.all()]
    parts.append(f"\n[{PUBLISH}]\n{_fields(PublishSettings)}")
    parts.append(f"\n[{VOCAB}]\n{_fields(VocabSettings)}")
    return "".join([*parts, _BAKE])


def sections(name: str, settings: type[msgspec.Struct]) -> Iterator[str]:
    """`[name]` with its settings, then each of its tables with the page's first line; nothing where it has none."""
    tables = inner_tables(settings)
    if len(tables) < len(msgspec.structs.fields(settings)):
        yield f"\n[{name}]\n{_fields(settings)}"
    docs = field_docs(settings) if tables else {}
    for field in msgspec.structs.fields(settings):
        if field.encode_name in tables:
            yield f"\n# {docs[field.name]}\n[{name}.{field.encode_name}]\n{_fields(tables[field.encode_name])}"


def _fields(settings: type[msgspec.Struct]) -> str:
    docs = field_docs(settings)
    tables = inner_tables(settings)
    lines = []
    for field in msgspec.structs.fields(settings):
        if field.encode_name in tables:
            continue
        default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
        lines.append(f"# {docs[field.name]}\n# {field.encode_name} = {toml_value(default)}\n")
    return "".join(lines)


def toml_value(value: Any) -> str:
    """A default as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml_value(one)}' for key, one in value.items())}}}"
    return msgspec.json.encode(value).decode()


def stray_image(root: Path) -> str:
    """An image that lies in a dataset's folder and outside its stages, relative to it; '' where there is none."""
    for folder, names, found in os.walk(root):
        inside = Path(folder).relative_to(root)
        names[:] = [name for name in sorted(names) if not name.startswith(".") and (inside.parts or name not in ORDER)]
        image = next((name for name in sorted(found) if is_image(name)), "")
        if image:
            return (inside / image).as_posix()
    return ""
