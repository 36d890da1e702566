"""Where the words of a prompt come from, and why tags of the caption are not in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from datakit.model.item import concept_of
from datakit.model.stage import Origin, Subject
from datakit.tags.captions import parse_tags
from datakit.tags.names import to_canonical
from datakit.tags.prompt import Piece
from stages.cleaning.steps import Tags
from stages.cleaning.writing import Job, Read, Writer, field_of

_PROFILE = "profile"


def tell_origins(subject: Subject, job: Job) -> dict[str, Origin]:
    """Canonical name → where it comes from, or why it is left out; what is only passed on is not named."""
    writer = Writer(job)
    read = writer.read(subject)
    stripped = dict(_stripped(writer.parts(subject)[0], read.names))
    found = dict(stripped)
    tags = writer.begun(read)
    for step in writer.steps:
        after = step.run(tags, read.item)
        for name, origin in step.tell(tags, after, read.item):
            was = stripped[origin.was].was if origin.was in stripped else origin.was
            found[name] = msgspec.structs.replace(origin, was=was)
        tags = after
    found |= _left_out_by_profile(tags, read, job, writer)
    fields = writer.template.fields if writer.template is not None else None
    pieces = writer.pieces(tags, subject, read)
    shown = [piece for piece in pieces if fields is None or field_of(piece) in fields]
    _tell_pieces(found, shown, subject, job)
    for piece in pieces:
        if piece.tag and piece not in shown:
            detail = f"cleaned.template has no {{{field_of(piece)}}}"
            found[piece.tag] = Origin(kind="template", detail=detail, removed=True)
    for name in parse_tags(read.prose):
        found.setdefault(name, Origin(kind="prose", detail="prose of the caption"))
    if fields is not None:
        _tell_parts(found, shown, parse_tags(writer.write(tags, subject, read)))
    return found


def _tell_parts(found: dict[str, Origin], pieces: Sequence[Piece], written: Sequence[str]) -> None:
    """What a template writes together with words of its own, such as `by wlop`."""
    own = {to_canonical(piece.text) for piece in pieces}
    joined = [name for name in written if name not in own and (name not in found or found[name].removed)]
    for piece in pieces:
        name = to_canonical(piece.text)
        whole = next((one for one in joined if name in one), "") if name not in written else ""
        if not whole:
            continue
        before = found.get(name)
        if whole not in found:
            was = before.was if before is not None and before.was else piece.tag
            kind = "template" if piece.tag or before is None else before.kind
            found[whole] = Origin(kind=kind, detail="cleaned.template", was=was)
        if piece.tag:
            found[piece.tag] = Origin(kind="template", detail=f"written as {whole}", removed=True)
    for name in joined:
        found.setdefault(name, Origin(kind="template", detail="cleaned.template"))


def _tell_pieces(found: dict[str, Origin], pieces: Sequence[Piece], subject: Subject, job: Job) -> None:
    settings = job.settings
    concept = concept_of(subject.key)
    named = f"cleaned.triggers.{concept}" if concept in settings.triggers else "cleaned.trigger"
    for piece in pieces:
        name = to_canonical(piece.text)
        if piece.slot == "trigger":
            found[name] = Origin(kind="trigger", detail=named)
        elif not piece.tag:
            found[name] = Origin(kind=_PROFILE, detail=f"{settings.profile}: {piece.reason}")
        elif name != piece.tag:
            was = found[piece.tag].was if piece.tag in found else piece.tag
            found[name] = Origin(kind=_PROFILE, detail=f"{settings.profile}: prefix or suffix", was=was)
            found[piece.tag] = msgspec.structs.replace(found[name], was="", removed=True)


def _left_out_by_profile(tags: Tags, read: Read, job: Job, writer: Writer) -> dict[str, Origin]:
    found: dict[str, Origin] = {}
    for name, was in tags.items() if job.profile.drops else ():
        category = writer.category(name, was, read.item)
        if part := job.profile.dropped_for(name, category):
            detail = f"{job.settings.profile}: {category} tags with '{part}'"
            found[name] = Origin(kind=_PROFILE, detail=detail, removed=True)
    return found


def _stripped(caption: str, after: Sequence[str]) -> Iterator[tuple[str, Origin]]:
    """Tags whose emphasis is taken off, and what stood there before."""
    before = parse_tags(caption)
    if before == tuple(after):
        return
    pairs = dict(zip(after, before, strict=True)) if len(before) == len(after) else {}
    for name in before:
        if name not in after:
            yield name, Origin(kind="emphasis", detail="taken off", removed=True)
    for name in after:
        if name not in before:
            yield name, Origin(kind="emphasis", detail="taken off", was=pairs.get(name, ""))
