"""dsk publish: an export with a card beside it, in a folder, and from there on the Hugging Face hub."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit import __version__
from datakit.actions.cardfacts import chosen_for_sheet, counted, features_in
from datakit.actions.exporting.elsewhere import Target, export_elsewhere
from datakit.actions.exporting.making import make
from datakit.actions.exporting.manifests import decode_manifest
from datakit.actions.hub import Hub, Pushed, Remote, refuse_foreign
from datakit.actions.project import PUBLISH, Project
from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError, WriteError
from datakit.exports.asking import NO_FLAGS, source_stage
from datakit.exports.card import CARD_NAME, SHEET_NAME, CardFacts, card_text
from datakit.exports.model import EXPORTS, MANIFEST_NAME, Material, Plan
from datakit.exports.publishing import PublishSettings
from datakit.exports.settings import Flags
from datakit.images.contactsheet import contact_sheet
from datakit.images.decode import UnreadableImage
from datakit.model.progress import Progress, silent
from datakit.repo.operations.transaction import session
from datakit.store.durable import replace_file

_MARK: Final = "<!-- Written by dsk publish"
_DRAFT: Final = "publish"
"""Folder in .dsk where the card lies when nothing else is written."""
_OWN: Final = (CARD_NAME, SHEET_NAME)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says."""

    repo: str = ""
    format: str = ""
    to: Path | None = None
    """Folder that is written and stays; None for one that is gone afterwards."""
    push: bool = False
    force: bool = False
    flags: Flags = NO_FLAGS


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What was made, and where it is."""

    format: str
    repo: str
    card: str
    """Path of the card."""
    folder: str
    """Where the dataset lies; '' where it was not written, or not kept."""
    files: dict[str, int]
    """Path → bytes, of all that is published; of tables, which are not written yet, about."""
    is_adult: bool
    pushed: Pushed | None = None
    notes: tuple[str, ...] = ()


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that is ready to be written."""

    settings: PublishSettings
    material: Material
    plan: Plan
    facts: CardFacts
    notes: tuple[str, ...]


def publish(project: Project, wish: Wish, *, progress: Progress = silent) -> Published:
    """Make the card, the folder if it is wanted, and push it if that is wanted.

    Raises:
        UsageError, ConfigError: words or settings that are off.
        StateError: nothing to publish; lint finds errors; nobody is logged in; the hub refuses.
        WriteError: the disk does.
    """
    settings = _settings(project, wish)
    if settings.format == "parquet" and (wish.push or wish.to is not None):
        from datakit.exports.formats.parquet import refuse_without_pyarrow

        refuse_without_pyarrow()
    hub = Hub(settings.repo) if wish.push else None
    settings = msgspec.structs.replace(settings, repo=hub.repo) if hub else settings
    draft = _draft(project, settings, wish, progress)
    if hub is None and wish.to is None:
        folder = project.dataset.private / _DRAFT
        notes = (*draft.notes, *_write_card(project, draft, folder, may_replace=True))
        return _published(draft, folder, sizes=_planned(draft, folder), notes=notes)
    with _folder(project, wish) as folder:
        remote = _looked_at(hub, wish, draft) if hub else None
        notes = (*draft.notes, *_export(project, draft, wish, folder=folder, progress=progress))
        notes += _write_card(project, draft, folder, may_replace=wish.force)
        notes += _keep_remote_card(remote, folder)
        done = _published(draft, folder, sizes=_sizes(folder), notes=notes, is_kept=wish.to is not None)
        if hub is None or remote is None:
            return done
        message = f"dsk {__version__}: {draft.facts.num_images:,} images, {draft.facts.commit[:12]}"
        pushed = hub.push(folder, remote, files=done.files, first=CARD_NAME, private=settings.private, message=message)
        return msgspec.structs.replace(done, pushed=pushed)


def _settings(project: Project, wish: Wish) -> PublishSettings:
    said = {name: value for name, value in (("repo", wish.repo), ("format", wish.format)) if value}
    settings: PublishSettings = msgspec.structs.replace(project.publish_settings, **said)
    for word in settings.language:
        if not (word.isascii() and word.replace("-", "").isalpha()):
            raise ConfigError(f"{CONFIG_NAME} [{PUBLISH}] language: '{word}' is no language", hint='as in ["en", "ja"]')
    return settings


def _draft(project: Project, settings: PublishSettings, wish: Wish, progress: Progress) -> Draft:
    """Everything that the card tells; writes nothing but images that had to be made anew, into the store."""
    dataset = project.dataset
    # A card needs the ratings, whatever columns the format is to have.
    export = msgspec.structs.replace(EXPORTS.load(settings.format), needs_records=lambda own: True)
    asked = project.export_asked(settings.format, wish.flags)
    with session(dataset):
        try:
            made = make(project, export, asked, root=dataset.head_tree, folder=None, progress=progress)
        finally:
            dataset.objects.discard()
        commit = dataset.head
    chosen = chosen_for_sheet(made.material, max(0, settings.thumbnails))
    facts: dict[str, Any] = {
        **counted(made.material),
        "settings": settings,
        "title": settings.title or dataset.root.name,
        "features": features_in(made.material, settings.format),
        "has_sheet": bool(chosen),
        "dsk": __version__,
        "commit": commit.hex() if commit else "",
        "stage": source_stage(wish.flags),
        "seen_as": settings.repo or dataset.root.name,
    }
    card = CardFacts(**facts)
    notes = (*made.notes, *_advice(settings, card))
    return Draft(settings=settings, material=made.material, plan=made.plan, facts=card, notes=notes)


def _advice(settings: PublishSettings, facts: CardFacts) -> Iterator[str]:
    if not settings.license:
        yield f"the card names no licence: say one as license in [{PUBLISH}] of {CONFIG_NAME}"
    if facts.is_adult:
        yield "images are rated questionable or explicit: the card says that it is not for all audiences"
    if unrated := facts.ratings.get("", 0):
        yield f"nobody rated {unrated:,} of {facts.num_images:,} images: look at them before others do"


@contextmanager
def _folder(project: Project, wish: Wish) -> Iterator[Path]:
    """The folder that was asked for; or one beside the dataset, where images can be linked, that is gone afterwards."""
    if wish.to is not None:
        yield wish.to.absolute()
        return
    beside = project.dataset.root.parent
    place = beside if os.access(beside, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=".dsk-publish-", dir=place) as name:
        yield Path(name)


def _looked_at(hub: Hub, wish: Wish, draft: Draft) -> Remote:
    """What the hub has, before an hour is spent on what it would refuse. Beside a card of ours, what would be written
    is ours too: a push was interrupted."""
    with tempfile.TemporaryDirectory(prefix="dsk-publish-") as scratch:
        remote = hub.look(_OWN, Path(scratch))
    if _MARK in remote.texts.get(CARD_NAME, ""):
        plan = draft.plan
        remote = msgspec.structs.replace(remote, ours=remote.ours.union(_OWN, plan.images, plan.texts, plan.packs))
    if not wish.force:
        refuse_foreign(remote, hub.repo)
    return remote


def _export(project: Project, draft: Draft, wish: Wish, *, folder: Path, progress: Progress) -> tuple[str, ...]:
    """Write the export; its notes, of which those are left out that the draft has, or that are about the card."""
    target = Target(folder=folder)
    done = export_elsewhere(
        project, draft.settings.format, target, flags=wish.flags, force=wish.force, progress=progress
    )
    about_card = f"not written by dsk, and left alone: {', '.join(sorted(_OWN))}"
    known = {*draft.notes, about_card, about_card.replace(f", {SHEET_NAME}", "")}
    return tuple(note for note in (done.notes if done else ()) if note not in known)


def _write_card(project: Project, draft: Draft, folder: Path, *, may_replace: bool) -> tuple[str, ...]:
    """README.md and the picture of thumbnails; a card that somebody edited stays."""
    notes: list[str] = []
    path, picture = folder / CARD_NAME, folder / SHEET_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8", "replace") if path.exists() else ""
        is_foreign = picture.exists() and not (may_replace or (_MARK in before and f"({SHEET_NAME})" in before))
        if is_foreign:
            notes.append(f"{picture} is not of dsk, so it stays; remove it to have one of thumbnails")
        sheet = b"" if is_foreign else _sheet(project, draft, notes)
        if sheet:
            replace_file(picture, sheet)
        elif not is_foreign:
            picture.unlink(missing_ok=True)
        if before and not may_replace and is_edited(before):
            return (*notes, f"{path} was edited, so it stays; remove it to have it written anew")
        facts = draft.facts if sheet else msgspec.structs.replace(draft.facts, has_sheet=False)
        replace_file(path, marked(card_text(facts)).encode())
    except OSError as error:
        raise WriteError(f"{path}: {error.strerror or error}", hint="check the disk and the permissions") from error
    return tuple(notes)


def _sheet(project: Project, draft: Draft, notes: list[str]) -> bytes:
    chosen = chosen_for_sheet(draft.material, max(0, draft.settings.thumbnails))
    if not chosen:
        return b""
    try:
        return contact_sheet([project.dataset.lfs.read(member.item.image.sha256) for member in chosen])
    except UnreadableImage as error:
        notes.append(f"no picture of thumbnails: {error.reason}")
        return b""


def marked(text: str) -> str:
    """A card with a last line by which its edits are noticed."""
    return f"{text}\n{_MARK}; sha256 {hashlib.sha256(text.encode()).hexdigest()} -->\n"


def is_edited(card: str) -> bool:
    """Whether a card is not as dsk wrote it."""
    text, mark, _ = card.rpartition(f"\n{_MARK}")
    return not mark or marked(text) != card


def _keep_remote_card(remote: Remote | None, folder: Path) -> tuple[str, ...]:
    """A card of ours that somebody edited on the hub goes before the one that was made now."""
    card = remote.texts.get(CARD_NAME, "") if remote else ""
    if _MARK not in card or not is_edited(card):
        return ()
    replace_file(folder / CARD_NAME, card.encode())
    return (f"{CARD_NAME} was edited on the hub, so it stays there as it is",)


def _sizes(folder: Path) -> dict[str, int]:
    """Path → bytes of what lies in the folder and is published."""
    manifest = decode_manifest((folder / MANIFEST_NAME).read_bytes())
    names = sorted({*(manifest.files if manifest else ()), MANIFEST_NAME, *_OWN})
    return {name: (folder / name).stat().st_size for name in names if (folder / name).is_file()}


def _planned(draft: Draft, folder: Path) -> dict[str, int]:
    """Path → bytes of what would be published; tables are about as large as their images."""
    plan = draft.plan
    sizes = {path: ref.size_bytes for path, ref in plan.images.items()}
    sizes |= {path: len(data) for path, data in plan.texts.items()}
    sizes |= dict.fromkeys(plan.packs, 0)
    for subset in draft.material.subsets:
        for item in subset.items:
            if plan.items[item.key] in plan.packs:
                sizes[plan.items[item.key]] += item.image.size_bytes
    own = {name: (folder / name).stat().st_size for name in _OWN if (folder / name).is_file()}
    return dict(sorted((sizes | own).items()))


def _published(
    draft: Draft, folder: Path, *, sizes: dict[str, int], notes: Sequence[str], is_kept: bool = False
) -> Published:
    is_draft = folder.name == _DRAFT and not is_kept
    return Published(
        format=draft.settings.format,
        repo=draft.settings.repo,
        card=str(folder / CARD_NAME) if is_kept or is_draft else "",
        folder=str(folder) if is_kept else "",
        files=sizes,
        is_adult=draft.facts.is_adult,
        notes=tuple(dict.fromkeys(notes)),
    )
