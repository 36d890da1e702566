"""The captions of pictures: read from the files beside them, and judged.

A picture without caption has its subset's class_tokens; where there are none either, nothing is trained: an empty
prompt is seldom meant, and almost always a wrong caption_extension.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.data.subsets import Subset
from trainer.errors import DatasetError, some

_USUAL = (".txt", ".caption")


def read(subset: Subset, paths: Sequence[Path]) -> dict[Path, tuple[str, ...]]:
    """Each picture's lines of text that are not blank; none where it has no caption file. Raises DatasetError."""
    return {path: _lines(source, subset) if (source := _source(subset, path)) else () for path in paths}


def judged(subset: Subset, texts: Mapping[Path, tuple[str, ...]], *, notes: list[str]) -> dict[Path, tuple[str, ...]]:
    """Each picture's captions: every line, or the first. Raises DatasetError where some lack."""
    missing = [path for path, lines in texts.items() if not lines]
    end = "" if subset.metadata_file else subset.caption_extension
    longer = [path.stem + end for path, lines in texts.items() if len(lines) > 1]
    if missing:
        _judge_missing(subset, missing, notes=notes)
    if longer and not subset.captions.enable_wildcard:
        notes.append(f"{subset.image_dir}: only the first line is used of {some(longer)}")
    chosen = {path: lines or (subset.class_tokens,) for path, lines in texts.items()}
    return chosen if subset.captions.enable_wildcard else {path: lines[:1] for path, lines in chosen.items()}


def _source(subset: Subset, path: Path) -> Path | None:
    """The picture's caption file, or that of the picture whose face it is."""
    stems = [path.stem]
    parts = path.stem.split("_")
    if len(parts) > 4 and all(part.isdigit() for part in parts[-4:]):
        stems.append("_".join(parts[:-4]))
    candidates = [path.with_name(stem + subset.caption_extension) for stem in stems]
    return next((one for one in candidates if one.is_file()), None)


def _lines(path: Path, subset: Subset) -> tuple[str, ...]:
    text = _read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = [line.strip() for line in text.split("\n")]
    is_empty = not any(lines) if subset.captions.enable_wildcard else not lines[0]
    if is_empty:
        raise DatasetError(f"{path}: the caption is empty", hint="write one, or delete the file to use class_tokens")
    return tuple(line for line in lines if line)


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: the caption is not UTF-8 text (byte {error.start})", hint="save it as UTF-8"
        ) from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})", hint="check its permissions") from None


def _judge_missing(subset: Subset, missing: Sequence[Path], *, notes: list[str]) -> None:
    names = some(path.name for path in missing)
    where, what, hint = _missing_words(subset)
    beside = Counter(
        extension
        for path in missing
        for extension in _USUAL
        if extension != subset.caption_extension and path.with_suffix(extension).is_file()
    )
    if beside and not subset.metadata_file:
        suffix, count = beside.most_common(1)[0]
        hint = f'{count} of them have a {suffix} file: set caption_extension = "{suffix}"'
    if not subset.class_tokens:
        raise DatasetError(f"{where}: {len(missing)} pictures have no {what}: {names}", hint=hint)
    note = f"{where}: class_tokens stand in for {len(missing)} missing captions: {names}"
    notes.append(f"{note} ({hint})" if beside else note)


def _missing_words(subset: Subset) -> tuple[Path, str, str]:
    """Where captions were looked for, what they would be, and how to cure their lack."""
    if subset.metadata_file:
        return subset.metadata_file, "caption and no tags", 'give them a "caption", or set class_tokens in [general]'
    extension = subset.caption_extension
    return subset.image_dir, f"{extension} caption", f"write captions as <name>{extension}, or set class_tokens"
