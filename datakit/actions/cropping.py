"""dsk crop: which part of its image an item is, in its record; or new items made of parts of images.

The record in raw says what is wanted and the stage `edited` does it, so a crop survives every rebuild, is merged as
any fact is, and can be changed later without loss: raw keeps the image as it was scraped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from typing import Final, NamedTuple

import msgspec

from datakit.actions.deciding import Skipped
from datakit.actions.placing import portable, wanted_names
from datakit.actions.project import Counted, Project
from datakit.errors import DskError, InputError, RepositoryError, StateError, UsageError
from datakit.images.colour import format_colour, parse_colour
from datakit.images.cutting import cut_png
from datakit.images.decode import BYTE_LIMIT, UnreadableImage
from datakit.images.measure import ImageFacts, probe
from datakit.model.item import ImageRef, concept_of, is_image, split_path, stem_of
from datakit.model.order import RAW
from datakit.model.record import Box, Derived, Edits, Record, decode_record, encode_json
from datakit.repo.dataset import Dataset
from datakit.repo.items import (
    STAGES_OF_ITEMS,
    Address,
    has_item,
    item_files,
    known_keys,
    resolve,
    typed,
)
from datakit.repo.operations.transaction import Transaction, transaction

_SUFFIX: Final = "-crop"


class Cut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wanted of one item's image now."""

    key: str
    size_px: tuple[int, int]
    """(width, height) of the upright image that `crop_px` lies in."""
    crop_px: Box | None = None
    background: str = ""
    source: str = ""
    """Key of the item that a new item was taken from."""
    is_same: bool = False
    """Whether it was so before."""


class Cropped(msgspec.Struct, frozen=True, kw_only=True):
    """What `dsk crop` did."""

    commit: str
    """40 hex digits; '' when nothing changed."""
    subject: str
    items: tuple[Cut, ...]
    skipped: tuple[Skipped, ...] = ()


class _Picture(NamedTuple):
    """An item's image and record in raw."""

    key: str
    path: str
    ref: ImageRef
    facts: ImageFacts
    record: Record
    caption: bytes | None


def crop(
    project: Project, words: Sequence[str], box: Box | None = None, *, background: str = "", clear: bool = False
) -> Cropped:
    """Write into the records which part of their images items are, and the colour behind transparent ones.

    Of several items, those whose image the part does not lie in are left alone. With `clear` nothing is wanted of the
    images any more, neither part nor colour, except what is given beside it.

    Raises:
        UsageError: no such item, no wish, or no such colour.
        StateError: raw has the image of none of the items.
        InputError: the part does not lie in the image, or the image or the record cannot be read.
    """
    if box is None and not background and not clear:
        raise UsageError("which part? X Y WIDTH HEIGHT are missing", hint="dsk crop ITEM 10 20 512 768")
    colour = _colour(background)

    def wish(txn: Transaction, picture: _Picture) -> Cut:
        _check_box(picture, box)
        old = Edits() if clear or picture.record.edits is None else picture.record.edits
        edits = Edits(crop_px=box or old.crop_px, background=colour or old.background)
        new = msgspec.structs.replace(picture.record, edits=None if edits == Edits() else edits)
        if new.edits != picture.record.edits:
            txn.put(f"{RAW}/{picture.key}.json", encode_json(new))
        return Cut(
            key=picture.key,
            size_px=picture.facts.oriented_size_px,
            crop_px=edits.crop_px,
            background=edits.background,
            is_same=new.edits == picture.record.edits,
        )

    return _run(project, words, wish, lambda cuts: f"crop: {_things(cuts)}{_wished(box, colour, clear=clear)}")


def cut_out(project: Project, words: Sequence[str], box: Box, *, name: str = "", background: str = "") -> Cropped:
    """Make a new item of raw from a part of each item's image: `<concept>/<stem>-crop`, or `name` for a single one.

    It has the tags, the rating, the score and the scraped caption of its origin, and is no post of any site.

    Raises:
        UsageError: no such item, one name for several, a name that is taken, or no such colour.
        StateError: raw has the image of none of the items.
        InputError: the part does not lie in the image, or the image or the record cannot be read.
    """
    colour = _colour(background)
    made: set[str] = set()

    def take(txn: Transaction, picture: _Picture) -> Cut:
        _check_box(picture, box)
        data = _cut(txn.dataset, picture, box)
        ref = txn.dataset.lfs.ingest_bytes(data, "png")
        key, is_same = _new_key(txn, picture.key, name, ref, made)
        if not is_same:
            record = _derived(picture, ref, box, colour, original=f"{key}.png")
            made.add(key.casefold())
            txn.put_image(f"{RAW}/{key}.png", ref)
            txn.put(f"{RAW}/{key}.json", encode_json(record))
            if picture.caption is not None:
                txn.put_blob(f"{RAW}/{key}.txt", picture.caption)
        return Cut(key=key, size_px=picture.facts.oriented_size_px, crop_px=box, source=picture.key, is_same=is_same)

    def told(cuts: Sequence[Cut]) -> str:
        if len(cuts) == 1:
            return f"crop: {cuts[0].key}, {_spelled(box)} of {cuts[0].source}"
        return f"crop: {Counted(len(cuts), 'new item')}, {_spelled(box)} of others"

    return _run(project, words, take, told, is_single=bool(name))


def _run(
    project: Project,
    words: Sequence[str],
    work: Callable[[Transaction, _Picture], Cut],
    told: Callable[[Sequence[Cut]], str],
    *,
    is_single: bool = False,
) -> Cropped:
    """Do the work for every item as one operation; `told` gives its subject."""
    dataset = project.dataset
    with transaction(dataset, "crop") as txn:
        addresses = resolve(dataset, txn.base_tree, words)
        if is_single and len(addresses) > 1:
            raise UsageError(f"one name for {len(addresses):,} items", hint="leave it out: each gets a name of its own")
        cuts: list[Cut] = []
        skipped: list[Skipped] = []
        failure: DskError | None = None
        for address in addresses:
            try:
                cuts.append(work(txn, _picture(dataset, txn.base_tree, address)))
            except (StateError, InputError, RepositoryError) as error:
                failure = failure or error
                skipped.append(Skipped(key=address.key, why=error.message.removeprefix(f"{address.key}: ")))
        if failure is not None and not cuts:
            if len(skipped) == 1:
                raise failure
            raise type(failure)(f"none of the {len(skipped):,} items: {failure.message}", hint=failure.hint)
        new = [cut for cut in cuts if not cut.is_same]
        txn.args = {"items": [cut.key for cut in new], "crop_px": list(cuts[0].crop_px or ())}
        subject = told(new) if new else ""
        commit = txn.commit(subject, trailers={"Stage": RAW}) if new else None
        return Cropped(commit=commit or "", subject=subject, items=tuple(cuts), skipped=tuple(skipped))


def _picture(dataset: Dataset, root: bytes | None, address: Address) -> _Picture:
    key = address.key
    files = item_files(dataset, root, RAW, key)
    if not files.images:
        here = [stage for stage in STAGES_OF_ITEMS if item_files(dataset, root, stage, key).images]
        stage = f" --stage {here[-1]}" if here else ""
        raise StateError(
            f"{key}: {RAW} has no image of it, so no stage could crop it",
            hint=f"dsk edit {typed(key)} --with gimp{stage}",
        )
    path, blob = min(files.images.items())
    ref = dataset.image_ref(f"{RAW}/{path}", blob)
    if ref is None:
        raise InputError(f"{RAW}/{path}: git has no image for it", hint="dsk verify")
    facts = probe(_data(dataset, ref, path), pixels=False)
    if facts.unreadable:
        raise InputError(f"{RAW}/{path}: {facts.unreadable}", hint=f"dsk drop {typed(key)} --reason 'unreadable'")
    if files.record is not None:
        record = decode_record(dataset.objects.read(files.record), path=f"{RAW}/{key}.json")
    else:  # added by hand: what there is to know of it begins with this wish
        record = _bare(ref, facts, original=path)
    return _Picture(key, path, ref, facts, record, files.caption)


def _bare(ref: ImageRef, facts: ImageFacts, *, original: str) -> Record:
    """The record of an image of which nothing is known but the file."""
    return Record(
        sha256=ref.sha256,
        size_bytes=ref.size_bytes,
        original=original,
        imported_at=_now(),
        format=facts.format,
        size_px=facts.size_px,
    )


def _data(dataset: Dataset, ref: ImageRef, path: str) -> bytes:
    try:
        return dataset.lfs.read(ref.sha256, most_bytes=BYTE_LIMIT + 1)
    except RepositoryError as error:
        raise RepositoryError(f"{RAW}/{path}: its image is not in this clone", hint="dsk pull brings it") from error


def _check_box(picture: _Picture, box: Box | None) -> None:
    if box is None:
        return
    width, height = picture.facts.oriented_size_px
    x, y, wide, high = box
    if x < 0 or y < 0 or wide < 1 or high < 1 or x + wide > width or y + high > height:
        raise InputError(
            f"{picture.key}: {_spelled(box)} does not lie in the image, which is {width} x {height} px",
            hint="X Y WIDTH HEIGHT count from the upper left corner of the image as people see it",
        )


def _cut(dataset: Dataset, picture: _Picture, box: Box) -> bytes:
    try:
        return cut_png(_data(dataset, picture.ref, picture.path), box)
    except UnreadableImage as error:
        raise InputError(f"{RAW}/{picture.path}: {error.reason}") from error


def _new_key(txn: Transaction, source: str, name: str, ref: ImageRef, made: Set[str]) -> tuple[str, bool]:
    """(Key for a new item, whether it is there already with this very image); `made` has what this operation makes.

    Raises:
        UsageError: the name that was asked for is taken.
    """
    dataset, root = txn.dataset, txn.base_tree
    stem = split_path(name)[0] if is_image(name) else name
    wanted = (stem if "/" in stem else f"{concept_of(source)}/{stem}") if stem else f"{source}{_SUFFIX}"
    key = portable(concept_of(wanted) or concept_of(source), stem_of(wanted))
    pointer = dataset.pointer_blob(ref)
    taken = {known.casefold() for known in known_keys(dataset, root)} | made
    for candidate in (key,) if name else wanted_names(key, ref.sha256):
        files = item_files(dataset, root, RAW, candidate)
        if pointer in files.images.values():
            return candidate, True
        if candidate.casefold() not in taken and not has_item(files):
            return candidate, False
    raise UsageError(f"there is an item {key} already", hint="give another name, or none")


def _derived(picture: _Picture, ref: ImageRef, box: Box, colour: str, *, original: str) -> Record:
    """The record of a part, which knows what its origin shows and nothing of where that was posted."""
    source = picture.record
    background = colour or (source.edits.background if source.edits is not None else "")
    return Record(
        sha256=ref.sha256,
        size_bytes=ref.size_bytes,
        original=original,
        imported_at=_now(),
        format="png",
        size_px=(box[2], box[3]),
        rating=source.rating,
        score=source.score,
        tags=source.tags,
        edits=Edits(background=background) if background else None,
        derived=Derived(item=picture.key, sha256=picture.ref.sha256, crop_px=box),
    )


def _colour(text: str) -> str:
    if not text:
        return ""
    try:
        return format_colour(parse_colour(text))
    except ValueError as error:
        raise UsageError(str(error), hint="#rrggbb, #rgb or a name such as white") from error


def _spelled(box: Box) -> str:
    x, y, width, height = box
    return f"{width} x {height} at {x}, {y}"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _things(cuts: Sequence[Cut]) -> str:
    return cuts[0].key if len(cuts) == 1 else str(Counted(len(cuts), "item"))


def _wished(box: Box | None, colour: str, *, clear: bool) -> str:
    parts = [f" to {_spelled(box)}"] if box else [" as scraped"] if clear else []
    return "".join(parts) + (f"{',' if parts else ''} on {colour}" if colour else "")
