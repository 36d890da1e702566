"""Running the stage `filtered` over images that a test makes."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from PIL import Image

from datakit.config import decode
from datakit.model.item import ImageRef
from datakit.model.record import Record
from datakit.model.stage import Drop, Keep, Outcome, Subject
from stages import filtered


def saved(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def record(**fields: Any) -> Record:
    return Record(sha256="a" * 64, size_bytes=3, original="a.png", imported_at="2024-01-01T00:00:00Z", **fields)


def subject(key: str, data: bytes = b"", **fields: Any) -> Subject:
    image = ImageRef(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), extension="png")
    return Subject(key=key, image=image, **fields)


def run(subjects: list[Subject], table: dict[str, Any] | None = None) -> list[Outcome]:
    """The outcomes for subjects that have their facts."""
    outcomes = filtered.decide(subjects, decode(table or {}, filtered.STAGE.settings, where="dsk.toml [filtered]"))
    assert [outcome.key for outcome in outcomes] == [item.key for item in subjects]
    return outcomes


def look_and_run(files: dict[str, bytes], table: dict[str, Any], **records: Record) -> list[Outcome]:
    """The outcomes for files, each looked at as the pipeline does; `records` are by key."""
    settings = decode(table, filtered.STAGE.settings, where="dsk.toml [filtered]")
    subjects = []
    for key, data in sorted(files.items()):
        plain = subject(key, data, record=records.get(key))
        looks = filtered.looks(plain, settings)
        facts = {look.name: one.facts for look, one in zip(looks, filtered.inspect(data, looks), strict=True)}
        subjects.append(subject(key, data, record=records.get(key), facts=facts))
    return run(subjects, table)


def found(outcomes: list[Outcome]) -> dict[str, str]:
    """Key → `drop RULE`, or `flag RULE, RULE`; what went on without a flag is not named."""
    told = {}
    for outcome in outcomes:
        if isinstance(outcome, Drop):
            told[outcome.key] = f"drop {outcome.rule}"
        elif isinstance(outcome, Keep) and outcome.flags:
            told[outcome.key] = "flag " + ", ".join(flag.rule for flag in outcome.flags)
    return told
