"""Posts and prompts for tests of prompt profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from datakit.actions.profilefiles import built_in_text
from datakit.config import decode
from datakit.errors import ConfigError
from datakit.model.item import ImageRef
from datakit.model.record import Record
from datakit.model.stage import Keep, Prepared, Resources, Subject, surveyed
from datakit.tags.vocabulary.relations import implied_by
from stages.cleaned import STAGE, Settings

CASES = Path(__file__).parent / "cases" / "profiles"
KEY = "c/a"


class Known:
    """A small vocabulary: name → category."""

    def __init__(
        self,
        categories: dict[str, str] | None = None,
        blacklist: tuple[str, ...] = (),
        aliases: dict[str, str] | None = None,
        implications: dict[str, set[str]] | None = None,
        counts: dict[str, int] | None = None,
    ) -> None:
        self._categories = categories or {}
        self._blacklist = frozenset(blacklist)
        self._aliases = aliases or {}
        self._implications = implications or {}
        self._counts = counts or {}

    def canonical(self, tag: str) -> str:
        return self._aliases.get(tag, tag)

    def category(self, tag: str) -> str:
        return self._categories.get(tag, "")

    def count(self, tag: str) -> int:
        return self._counts.get(tag, 0)

    def implied(self, tag: str) -> frozenset[str]:
        return implied_by(tag, self._implications)

    def blacklist(self) -> frozenset[str]:
        return self._blacklist


def record(**fields: Any) -> Record:
    tags = {name: tuple(some) for name, some in fields.pop("tags", {}).items()}
    made = "2024-01-01T00:00:00Z"
    return Record(sha256="a" * 64, size_bytes=3, original="a.png", imported_at=made, tags=tags, **fields)


def subject(key: str = KEY, *, caption: str | None = None, known: Record | None = None) -> Subject:
    return Subject(key=key, image=ImageRef("a" * 64, 3, "png"), caption=caption, record=known)


def prepared(table: dict[str, Any], *, text: str = "", vocabulary: Known | None = None) -> Prepared:
    """`text` stands for the profile's file."""
    resources = Resources(
        vocabulary=lambda: vocabulary or Known(),
        vocabulary_digest=lambda: "v" if vocabulary else "",
        profile_text=lambda name: text or built_in_text(name, []),
        tagger=_no_tagger,
    )
    assert STAGE.prepare is not None
    settings: Settings = decode(table, Settings, where="cleaned")
    return STAGE.prepare(settings, resources)


def _no_tagger(name: str) -> Any:
    raise ConfigError(f"there is no tagger '{name}'")


def prompts(subjects: list[Subject], given: Any) -> dict[str, str | None]:
    """What the stage makes of them all."""
    outcomes = STAGE.decide(subjects, surveyed(STAGE, subjects, given))
    assert all(isinstance(outcome, Keep) for outcome in outcomes)
    return {outcome.key: outcome.caption for outcome in outcomes if isinstance(outcome, Keep)}


def others(like: dict[str, Any] | None, number: int) -> list[Subject]:
    """Posts of the same site and rating with scores and favorites from 0 up, all of 2023."""
    same = {name: (like or {}).get(name, "") for name in ("site", "rating")}
    made = "2023-05-01T10:00:00Z"
    posts = (record(**same, created_at=made, score=value, favorites=value) for value in range(number))
    return [subject(f"others/{place:03}", known=post) for place, post in enumerate(posts)]


def read_case(path: Path) -> tuple[list[Subject], Prepared, dict[str, Any]]:
    """(The item and the others, the settings, the case as written)."""
    case = json.loads(path.read_text("utf-8"))
    known = record(**case["record"]) if case["record"] else None
    vocabulary = Known(case["vocabulary"]) if "vocabulary" in case else None
    given = prepared({"profile": path.parent.name, **case["settings"]}, vocabulary=vocabulary)
    item = subject(caption=case["caption"], known=known)
    return [item, *others(case["record"], case["others"])], given, case
