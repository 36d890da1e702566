"""What an export would be, and how one stands, as a person reads it."""

from __future__ import annotations

from datakit.actions.exporting.checking import Checked
from datakit.actions.exporting.previewing import PlannedSubset, Preview
from datakit.cli.output import note, say, table
from datakit.exports.expressing import left_out_in_words, some

_COLUMNS = ("subset", "images", "repeats", "an epoch", "loss weight", "for", "class tokens")
_NUMBERS = ("images", "repeats", "an epoch", "loss weight")
_BUCKETS = 8


def print_preview(preview: Preview) -> None:
    """The table of subsets, the totals, and what would be told of it."""
    say(f"{preview.format}, into {preview.place}: {_fate(preview)}")
    print_subsets(preview)
    say(
        f"{preview.num_images:,} images, {preview.num_per_epoch:,} in an epoch, "
        f"about {preview.steps_per_epoch:,} steps at batch size {preview.batch_size}; {preview.num_files:,} files"
    )
    say(f"buckets: {_buckets(preview)}")
    for line in left_out_in_words(preview.left_out):
        say(line)
    if preview.errors:
        named = some([f"{one.path}: {one.message}" for one in preview.errors])
        note(f"note: it would be refused for {len(preview.errors):,} errors that lint finds: {named}")
    for warning in preview.warnings:
        if not warning.startswith("left out: "):
            note(f"note: {warning}")


def print_subsets(preview: Preview) -> None:
    """The subsets with their repeats."""
    table(_COLUMNS, map(_row, preview.subsets), right=_NUMBERS)


def _fate(preview: Preview) -> str:
    return f"files would be written: {preview.reason}" if preview.reason else "up to date, nothing would be written"


def _row(subset: PlannedSubset) -> list[str]:
    purpose = "validation" if subset.is_validation else "regularization" if subset.is_reg else "training"
    return [
        subset.name,
        f"{subset.num_images:,}",
        str(subset.repeats),
        f"{subset.num_per_epoch:,}",
        f"{subset.loss_weight:g}",
        purpose,
        subset.class_tokens,
    ]


def _buckets(preview: Preview) -> str:
    """The fullest first."""
    ranked = sorted(preview.buckets.items(), key=lambda one: (-one[1], one[0]))
    shown = ", ".join(f"{size}: {number:,}" for size, number in ranked[:_BUCKETS])
    return shown + (f", and {len(ranked) - _BUCKETS:,} more" if len(ranked) > _BUCKETS else "")


def print_check(checked: Checked) -> None:
    """Whether it is up to date, and what differs."""
    told = "up to date" if checked.is_current else f"out of date: {checked.reason}"
    say(f"export: {checked.format + ' in ' if checked.format else ''}{checked.place}: {told}")
    for line in checked.in_words():
        say(f"  {line}")
