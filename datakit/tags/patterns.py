"""Lists of tags as people write them: names, and patterns such as `*_request`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from datakit.tags.names import to_canonical

ANY = "*"
"""Of a pattern: any letters, also none. No booru allows it in a name."""


class TagPatterns:
    """Which tags a list means; a container of canonical names."""

    def __init__(self, spelled: Iterable[str], *, canonical: Callable[[str], str] | None = None) -> None:
        """`spelled`: with spaces or underscores. `canonical`: also the tag that a name stands for is meant."""
        self._entries: dict[str, str] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        self._seen: dict[str, str] = {}
        for text in spelled:
            name = to_canonical(text)
            if ANY in name:
                self._patterns.append((_compiled(name), text))
            elif name:
                self._entries.setdefault(name, text)
                if canonical is not None:
                    self._entries.setdefault(canonical(name), text)

    def __bool__(self) -> bool:
        return bool(self._entries or self._patterns)

    def __contains__(self, tag: object) -> bool:
        return tag in self._entries or (bool(self._patterns) and isinstance(tag, str) and bool(self.which(tag)))

    def which(self, tag: str) -> str:
        """The entry that means a tag, as it is written; '' where none does."""
        if not self._patterns:
            return self._entries.get(tag, "")
        found = self._seen.get(tag)
        if found is None:
            fits = (text for pattern, text in self._patterns if pattern.fullmatch(tag))
            found = self._seen[tag] = self._entries.get(tag) or next(fits, "")
        return found


def is_pattern(text: str) -> bool:
    """Whether an entry may mean several tags."""
    return ANY in text


def _compiled(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, name.split(ANY))), re.DOTALL)
