"""Clones, pulls and pushes in words."""

from __future__ import annotations

from datakit.actions.cloning import Exchanged
from datakit.cli.output import amount, note, say


def print_exchange(done: Exchanged, what: str) -> None:
    """What moved, what is missing, and what to do about it."""
    images = done.images
    moved = f"{images.num_images:,} image{'' if images.num_images == 1 else 's'}, {amount(images.num_bytes)}"
    say(f"{what} ({moved})" if images.num_images else what)
    if done.merged is not None:
        say(done.merged.subject)
        for line in done.merged.notes:
            note(f"note: {line}")
        for path in done.merged.conflicts:
            note(f"conflict: {path}: changed in both copies; yours stays (dsk keep decides)")
    if images.damaged:
        note(f"note: {_count(len(images.damaged))} damaged in {done.remote} and not taken: dsk verify over there")
    if images.missing:
        note(
            f"note: {_count(len(images.missing))} not here, nor in {done.remote}: captions can be worked on, "
            "dsk status names the images; dsk pull fetches them once they are there"
        )


def _count(number: int) -> str:
    return "1 image is" if number == 1 else f"{number:,} images are"
