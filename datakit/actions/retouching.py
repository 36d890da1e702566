"""dsk edit ITEM --with PROGRAM: an item's image in a painting program, and back.

The program gets a private copy under `.dsk/retouch`. Nothing holds the dataset meanwhile, so other commands work; the
copy is taken back in an operation of its own. A copy that was not taken back stays, whatever ended the program, dsk
or the computer, and the next time it is gone on with.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from datakit.actions.copies import (
    Made,
    Note,
    Place,
    end_copy,
    file_of,
    find_made,
    make_copy,
    place_of,
    read_note,
    set_aside,
    write_note,
)
from datakit.actions.project import Project
from datakit.errors import InputError, LockedError, RepositoryError, StateError, UsageError
from datakit.images.decode import read_bounded
from datakit.images.measure import probe
from datakit.model.item import ImageRef, split_path
from datakit.model.order import COMPUTED
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.repo.items import item_files, renamed_to, resolve_one, typed
from datakit.repo.operations.transaction import Transaction, session, transaction
from datakit.store.lock import exclusive

_EDITED: Final = "edited"
_HERE: Final = "{}"
"""Where the file stands in a command."""
_AT_ONCE_S: Final = 2.0
"""A program that ends sooner, with nothing changed, has perhaps only told a running one to open the file."""
_EXTENSIONS: Final = {"jpeg": ("jpg", "jpeg"), "tiff": ("tif", "tiff")}
"""Format as decoded → the extensions that say it; of any other its own name."""


class Retouched(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an image in a painting program."""

    key: str
    stage: str
    path: str
    """Of the image now, from the dataset's root."""
    commit: str = ""
    """40 hex digits; '' when nothing changed."""
    subject: str = ""
    notes: tuple[str, ...] = ()
    """What a person should know: exit codes, files that stay."""


class _Target(NamedTuple):
    """An image of a stage."""

    stage: str
    key: str
    path: str
    blob: bytes
    ref: ImageRef


def retouch(
    project: Project,
    word: str,
    program: str,
    *,
    stage: str = "",
    is_anew: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Retouched:
    """Open an item's image in a program, wait for it, and take back what it saved: into edited, or `stage`.

    With no program, take back what an earlier one saved. A copy that was left is gone on with; `is_anew` sets it
    aside. `tell` hears what a person should know before the program starts.

    Args:
        program: words as in a shell; the file stands where `{}` does, else at the end.

    Raises:
        UsageError: no such item, stage or program.
        StateError: the stage has no such image; the program failed; the image changed meanwhile, or is open already.
        InputError: what was saved is no image that can be read.
    """
    words = _command(program)
    dataset = project.dataset
    with session(dataset):
        target = _target(dataset, word, stage)
    place = place_of(dataset, target.stage, target.key)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive(place.lock, wait_s=0))
        except LockedError as error:
            raise StateError(
                f"{target.stage}/{target.path} is open in another dsk edit", hint="close that program first"
            ) from error
        note = _begin(dataset, place, target, words, is_anew=is_anew, tell=tell)
        notes, is_quick = _run(words, file_of(place, note)) if words else ((), False)
        return _take_back(dataset, place, note, notes, is_quick=is_quick)


def _command(program: str) -> list[str]:
    if not program:
        return []
    try:
        words = shlex.split(program)
    except ValueError as error:
        raise UsageError(f"--with {program}: {error}", hint="quote it as a shell wants it") from error
    if not words or shutil.which(words[0]) is None:
        raise UsageError(
            f"no program '{words[0] if words else ''}' here", hint="its name, or its path: --with '/opt/krita/krita'"
        )
    return words


def _target(dataset: Dataset, word: str, stage: str) -> _Target:
    if stage and stage not in COMPUTED:
        like = nearest(stage, list(COMPUTED))
        hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(COMPUTED)}"
        raise UsageError(f"no stage '{stage}' to edit images in", hint=hint)
    item = resolve_one(dataset, dataset.head_tree, word)
    place = stage or (item.stage if item.stage in COMPUTED else _EDITED)
    images = item_files(dataset, dataset.head_tree, place, item.key).images
    if not images:
        raise StateError(f"{item.key} has no image in {place}", hint=f"dsk why {typed(item.key)}; dsk advance {place}")
    path, blob = min(images.items())
    ref = dataset.image_ref(f"{place}/{path}", blob)
    if ref is None or not dataset.lfs.has(ref):
        raise RepositoryError(f"{place}/{path}: its image is not in this clone", hint="dsk pull brings it")
    return _Target(place, item.key, path, blob, ref)


def _begin(
    dataset: Dataset,
    place: Place,
    target: _Target,
    words: list[str],
    *,
    is_anew: bool,
    tell: Callable[[str], None],
) -> Note:
    """The note of the copy to open: of one that was left and changed, else of a new one."""
    program = os.path.basename(words[0]) if words else ""  # noqa: PTH119  a word of a command, no path of ours
    left = read_note(place)
    if left is not None and (made := find_made(place, left)).image is not None:
        if not is_anew:
            _check_unchanged(dataset, dataset.head_tree, place, left)
            if words:
                tell(f"going on with {made.image}, which {left.program} left")
                left = msgspec.structs.replace(left, program=program)
                write_note(place, left)
            return left
        tell(f"what {left.program} left is in {set_aside(place)} now")
    elif not words:
        raise StateError(
            f"{target.stage}/{target.path}: no program left anything to take back",
            hint=f"dsk edit {typed(target.key)} --with PROGRAM",
        )
    note = Note(
        stage=target.stage,
        key=target.key,
        path=target.path,
        blob=target.blob.hex(),
        sha256=target.ref.sha256,
        program=program,
        begun_ns=time.time_ns(),
    )
    make_copy(place, note, dataset.lfs.path(target.ref.sha256))
    return note


def _run(words: list[str], file: Path) -> tuple[tuple[str, ...], bool]:
    """(What to tell of the way the program ended, whether it ended at once)."""
    named = [word.replace(_HERE, str(file)) for word in words]
    if named == words:
        named.append(str(file))
    began = time.monotonic()
    try:
        code = subprocess.run(named, check=False).returncode
    except OSError as error:
        raise StateError(f"{words[0]}: {error.strerror}", hint=f"the copy is {file}") from error
    how = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
    return (f"{words[0]} ended {how}",) if code else (), time.monotonic() - began < _AT_ONCE_S


def _take_back(dataset: Dataset, place: Place, note: Note, notes: tuple[str, ...], *, is_quick: bool) -> Retouched:
    made = find_made(place, note)
    stay = tuple(f"{path} stays; it is no part of the dataset" for path in made.others)
    if made.image is None:
        told = _unchanged(place, note, made, is_quick=is_quick)
        if notes:
            raise StateError(f"{'; '.join(notes)}, and {note.stage}/{note.path} is unchanged")
        return Retouched(key=note.key, stage=note.stage, path=f"{note.stage}/{note.path}", notes=(*told, *stay))
    data = read_bounded(made.image)  # once: the program may still be there, and save again
    facts = probe(data)
    if facts.unreadable:
        raise InputError(
            f"{made.image}: {facts.unreadable}; {note.stage}/{note.path} stays as it was",
            hint=f"save it there again, then {_again(note)} --take",
        )
    with transaction(dataset, "edit") as txn:
        key = _check_unchanged(dataset, txn.base_tree, place, note)
        path = _goal(key, note, made.image, facts.format)
        done = _commit(txn, note, data, key, path)
    saved = (f"{made.image.name} is what {note.program} saved",) if made.image != file_of(place, note) else ()
    end_copy(place, note)
    return msgspec.structs.replace(done, notes=(*notes, *saved, *stay))


def _unchanged(place: Place, note: Note, made: Made, *, is_quick: bool) -> tuple[str, ...]:
    """What to tell where no picture changed; the copy stays where it may still be open, or its export is missing."""
    file = file_of(place, note)
    if made.others:
        return (f"{file.name} is unchanged: export the picture as {file}, then {_again(note)} --take",)
    if is_quick:
        return (f"{note.program} ended at once: if it has {file} open, save there, then {_again(note)} --take",)
    end_copy(place, note)
    return ()


def _again(note: Note) -> str:
    stage = "" if note.stage == _EDITED else f" --stage {note.stage}"
    return f"dsk edit {typed(note.key)}{stage}"


def _check_unchanged(dataset: Dataset, root: bytes | None, place: Place, note: Note) -> str:
    """The item's key now; its image has to be the one that the copy was made from.

    Raises:
        StateError: somebody else changed it meanwhile.
    """
    blob = bytes.fromhex(note.blob)
    keys = list(dict.fromkeys(filter(None, (note.key, renamed_to(dataset, note.key)))))
    for key in keys:
        if blob in item_files(dataset, root, note.stage, key).images.values():
            return key
    made = find_made(place, note).image or file_of(place, note)
    goal = dataset.root / note.stage / f"{keys[-1]}.{split_path(made.name)[1]}"
    raise StateError(
        f"{note.stage}/{note.path} changed, or went, since {note.program} opened it; what was saved is {made}",
        hint=f"cp {typed(str(made), str(goal))} takes it all the same; {_again(note)} --anew --with … begins again",
    )


def _goal(key: str, note: Note, image: Path, image_format: str) -> str:
    """Path inside the stage, with an extension that fits what was saved."""
    extension = split_path(image.name)[1]
    fitting = _EXTENSIONS.get(image_format, (image_format,))
    if extension.lower() not in fitting:
        extension = fitting[0]
    elif extension.lower() == split_path(note.path)[1].lower():
        extension = split_path(note.path)[1]
    return f"{key}.{extension}"


def _commit(txn: Transaction, note: Note, image: bytes, key: str, path: str) -> Retouched:
    dataset = txn.dataset
    for old in item_files(dataset, txn.base_tree, note.stage, key).images:
        txn.put_blob(f"{note.stage}/{old}", None)
    txn.put_image(f"{note.stage}/{path}", dataset.lfs.ingest_bytes(image, split_path(path)[1]))
    txn.args = {"items": [f"{note.stage}/{key}"], "program": note.program}
    subject = f"edit: {key} by {note.program}" + ("" if note.stage == _EDITED else f" in {note.stage}")
    commit = txn.commit(subject, trailers={"Stage": note.stage})
    return Retouched(key=key, stage=note.stage, path=f"{note.stage}/{path}", commit=commit or "", subject=subject)
