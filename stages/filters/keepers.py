"""Which of several equal images stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from datakit.model.stage import Subject
from stages.filters.model import Verdict


def worth(subject: Subject) -> tuple[bool, bool, str]:
    """Smallest for the image that is worth keeping: with tags, then with a caption that came along, then by name."""
    has_tags = subject.record is not None and any(subject.record.tags.values())
    return not has_tags, not subject.scraped_caption, subject.key


def all_but_one(
    subjects: Sequence[Subject], digest_of: Callable[[Subject], str], *, same: str, name: str
) -> dict[str, Verdict]:
    """A verdict on all but the keeper of each group of one digest: `the same <same> as …`, the digest by its name."""
    groups: dict[str, list[Subject]] = {}
    for subject in subjects:
        groups.setdefault(digest_of(subject), []).append(subject)
    found = {}
    for digest, group in groups.items():
        keeper = min(group, key=worth)
        verdict = Verdict(reason=f"the same {same} as {keeper.key}", evidence={"keeper": keeper.key, name: digest})
        found.update({subject.key: verdict for subject in group if subject is not keeper})
    return found
