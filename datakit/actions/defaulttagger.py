"""The tagger that `dsk caption` takes where nobody configured one: it is written into dsk.toml, once, and told.

It is a small one for the sample world's portraits, so it is asked only about items that would have no tag at all, and
never where captions came along as prose. Written down, it is a setting like any other: `dsk undo` takes it back, and
what a stage makes still follows from dsk.toml alone.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from datakit.actions.project import STAGES, Counted, Project
from datakit.config import CONFIG_NAME
from datakit.errors import StateError
from datakit.model.order import before
from datakit.model.stage import Subject
from datakit.repo.operations.transaction import transaction
from datakit.repo.stagetree import read_items, stage_tree
from datakit.repo.transitions.subjects import read_subjects

DEFAULT: Final = "dsk-tiny-tagger"
BETTER: Final = "wd-eva02-large-tagger-v3"
"""What a person with real pictures wants."""
STAGE: Final = "captioned"
_RAW: Final = "raw"
_ASKING: Final = frozenset({"tagger", "fill-missing"})
"""Policies that somebody wrote down who meant to have a tagger."""


def adopt_default(project: Project) -> str:
    """Write the default tagger into dsk.toml where one is wanted and none is named; a note for the person, or ''.

    Raises:
        StateError: dsk.toml is written in a way that cannot be added to.
    """
    table = project.table(STAGE)
    settings = project.settings(STAGE)
    policy = table.get("policy", "")
    if "taggers" in table or settings.command or (policy and policy not in _ASKING):
        return ""
    number = 0 if policy == "tagger" else _num_bare(project, settings)
    if not number and policy != "tagger":
        return ""
    rows: dict[str, Any] = {"taggers": [DEFAULT]}
    if not policy:
        rows["policy"] = "fill-missing"
        rows.update({} if "fill_below" in table else {"fill_below": 1})
    with transaction(project.dataset, "caption", {"tagger": DEFAULT}) as txn:
        old = (project.dataset.root / CONFIG_NAME).read_bytes().decode("utf-8-sig")
        txn.put(CONFIG_NAME, _with(old, rows).encode())
        txn.commit(f"caption: {DEFAULT} in [{STAGE}]")
    return _told(number)


def _told(number: int) -> str:
    why = f"{Counted(number, 'item')} would have no tag" if number else "policy 'tagger' needs one"
    return (
        f"no tagger is configured and {why}: {DEFAULT} is now in [{STAGE}] of {CONFIG_NAME}, a small tagger for the "
        "sample world's portraits: not for real pictures. "
        f'For those: dsk taggers fetch {BETTER}, and taggers = ["{BETTER}"] there; taggers = [] for none'
    )


def _num_bare(project: Project, settings: Any) -> int:
    """Items that have no tag and no caption to come; 0 where some came with prose alone, which tags do not go with."""
    dataset, stage = project.dataset, STAGES.load(STAGE)
    items = read_items(dataset, stage_tree(dataset, dataset.head_tree, before(STAGE)))
    raw = read_items(dataset, stage_tree(dataset, dataset.head_tree, _RAW))
    subjects, _, _ = read_subjects(dataset, items, raw, is_raw=False)
    untagged = [subject for subject in subjects if not _has_tags(stage, subject, settings)]
    return 0 if any((subject.scraped_caption or "").strip() for subject in untagged) else len(untagged)


def _has_tags(stage: Any, subject: Subject, settings: Any) -> bool:
    return any(not origin.removed for origin in stage.origins(subject, settings).values())


def _with(text: str, rows: dict[str, Any]) -> str:
    """The settings with these keys in `[captioned]`."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    meant = tomllib.loads(text)
    meant.setdefault(STAGE, {}).update(rows)
    try:
        document: Any = tomlkit.parse(text)
        place = document.setdefault(STAGE, tomlkit.table())
        for key, value in rows.items():
            place[key] = value
        new = tomlkit.dumps(document)
        new = re.sub(r"(?<!\r)\n", "\r\n", new) if "\r\n" in text else new
        is_meant = tomllib.loads(new) == meant
    except (TOMLKitError, ValueError):
        is_meant = False
    if not is_meant:
        lines = "; ".join(f"{key} = {value!r}" for key, value in rows.items())
        raise StateError(f"{CONFIG_NAME}: [{STAGE}] cannot be added to", hint=f"write it yourself: {lines}")
    return new
