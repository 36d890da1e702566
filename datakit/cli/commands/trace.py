"""dsk trace."""

from pathlib import Path
from typing import Any

import click

from datakit.actions.bakes.tracing import Trace, trace
from datakit.actions.project import Counted, Project, open_project
from datakit.cli.output import amount, note, say, say_json, when
from datakit.errors import DskError, RepositoryError

_SHOWN_FOLDERS = 8


@click.command("trace")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--images", "with_images", is_flag=True, help="List the images that it was trained on.")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known as JSON, with the images.")
def command(file: Path, with_images: bool, as_json: bool) -> None:
    """Show where a LoRA, a checkpoint or an embedding came from: bake, commit, images, base model, settings.

    FILE is any .safetensors file; of those that other trainers made, what their header tells. Only the header is read.
    Inside a dataset, the commit is looked up in its history.
    """
    project = _project()
    found = trace(file, project)
    if as_json:
        say_json(found)
    elif with_images:
        for key in found.origin.images:
            say(key)
        if not found.origin.images:
            note("which images it was trained on is not known here")
    else:
        _print(found, project)


def _project() -> Project | None:
    """The dataset around, where there is one."""
    try:
        return open_project(Path.cwd())
    except RepositoryError:
        return None
    except DskError as error:
        note(f"note: this dataset cannot be asked: {error.message}")
        return None


def _print(found: Trace, project: Project | None) -> None:
    rows = {**_origin(found, project), **_network(found)}
    shown = {name: value for name, value in rows.items() if value}
    for name, value in shown.items():
        say(f"{name:<9} {value}")
    folders = found.folders[:_SHOWN_FOLDERS]
    for at, one in enumerate(folders):
        told = f"{one.name}: {Counted(one.images, 'image')}, {Counted(one.repeats, 'time')}"
        say(f"{'folders' if not at else '':<9} {told}")
    if len(found.folders) > len(folders):
        say(f"{'':<9} … and {len(found.folders) - len(folders):,} more (--json shows all)")
    if found.tags:
        say(f"{'tags':<9} {', '.join(f'{tag} ({number})' for tag, number in found.tags.items())}")
    if not (found.trainer or found.is_ours or found.base or found.folders):
        say("its header says nothing of where it came from")


def _origin(found: Trace, project: Project | None) -> dict[str, Any]:
    origin = found.origin
    bake = f"{origin.bake}, in this ledger" if origin.bake else found.name if found.is_ours else ""
    return {
        "file": f"{found.file}, {amount(found.size_bytes)}, {Counted(found.num_tensors, 'tensor')}",
        "bake": bake,
        "title": "" if found.is_ours else found.name,
        "commit": _commit(found, project),
        "manifest": found.manifest_sha256,
        "images": _images(found),
        "trainer": found.trainer,
        "date": found.date,
    }


def _commit(found: Trace, project: Project | None) -> str:
    if not found.commit:
        return ""
    if found.origin.is_known:
        return f"{found.commit[:10]} {when(found.origin.time)} {found.origin.subject}"
    return found.commit + (", not in this repository" if project is not None else ", of a dataset that is not here")


def _images(found: Trace) -> str:
    if found.origin.images:
        return f"{len(found.origin.images):,} (--images lists them)"
    return f"{found.num_images:,}" if found.num_images else ""


def _network(found: Trace) -> dict[str, Any]:
    base = f"{found.base} sha256 {found.base_sha256}" if found.base_sha256 else found.base
    alpha = f", alpha {found.alpha}" if found.alpha else ""
    epochs = f", {found.epochs} {'epoch' if found.epochs == '1' else 'epochs'}" if found.epochs else ""
    return {
        "base": base,
        "model": ", ".join(word for word in (found.architecture, found.prediction_type) if word),
        "kind": found.kind,
        "rank": f"{found.rank}{alpha}" if found.rank else "",
        "steps": f"{found.steps}{epochs}" if found.steps else "",
        "rate": ", ".join(word for word in (found.learning_rate, found.optimizer) if word),
        "size": found.resolution,
    }
