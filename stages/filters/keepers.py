"""Which of several equal images stays."""

from __future__ import annotations

from datakit.model.stage import Subject


def worth(subject: Subject) -> tuple[bool, bool, str]:
    """Smallest for the image that is worth keeping: with tags, then with a caption that came along, then by name."""
    has_tags = subject.record is not None and any(subject.record.tags.values())
    return not has_tags, not subject.scraped_caption, subject.key
