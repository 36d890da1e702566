"""A caption has several lines, of which trainers may read one.

## What it does
Finds captions in which text stands on more than one line. In a dataset's stages tags, a blank line and
prose are dsk's own layout and pass, and other lines are merely told, since `dsk export` joins them. In a
folder that belongs to no dataset they are what the trainer gets.

## Why is this bad?
sd-scripts reads the first line and leaves the others out (kohya-ss/sd-scripts:library/train_util.py,
`read_caption`), unless `enable_wildcard` is set, which draws one line a step; dsk reads the first line and
says so. For OneTrainer and SimpleTuner each line is a caption of its own, so with one tag a line an image
trains with one tag at a time. ai-toolkit, diffusion-pipe and naifu take the whole text, line ends and all.
Lines that are meant as variants are right for some trainers: allow the rule then.

## Example

```
aria/image1.txt     1girl
                    red hair
                    smile
```

## Use instead

```
aria/image1.txt     1girl, red hair, smile
```

## Fix
Safe: joins the lines with commas, and only where it is clear that they are one list of tags. That is so
when there are at least three lines of one tag each, all of at most four words, or when every line but the
last ends with a comma. What may be variants or sentences is left to you.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.captions import Caption
from datakit.lint.collection import CAPTION_STAGES, FOLDER, Collection
from datakit.lint.facts.characters import is_blank, rewritten, written_captions
from datakit.lint.model import Change, Effect, Finding, Rule
from datakit.lint.words import counted
from datakit.tags.captions import looks_like_prose

_LEAST_LINES: Final = 3
_MOST_WORDS: Final = 4


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption with text on several lines."""
    is_folder = collection.stage == FOLDER
    for caption in written_captions(collection):
        text = caption.text if is_folder or not caption.prose else caption.listed
        if "\n" not in text and "\r" not in text:
            continue
        lines = _lines(text)
        if len(lines) < 2:
            continue
        fixable = _is_one_list(caption, lines)
        effect = "sd-scripts and dsk train the first alone" if is_folder else "dsk export joins them"
        yield Finding(
            path=caption.path,
            message=f"{counted(len(lines), 'line')} of text; {effect}",
            hint="dsk lint --fix makes one list of them"
            if fixable
            else "write it as one line; allow it if it is meant",
            fixable=fixable,
            evidence={"num_lines": len(lines)},
        )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the tags as one line."""
    lines = _lines(collection.read_captions[finding.path].text)
    return rewritten(finding.path, ", ".join(filter(None, (line.strip(" \t,") for line in lines))))


def _lines(text: str) -> list[str]:
    """Lines with text, as trainers take them apart: at `\\n`, `\\r\\n` and `\\r`."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.strip() for line in lines if line.strip()]


def _is_one_list(caption: Caption, lines: list[str]) -> bool:
    if caption.prose or looks_like_prose(caption.text):
        return False
    if all(line.endswith(",") for line in lines[:-1]):
        return not is_blank(" ".join(lines).replace(",", " "))
    tags = [line.strip(" \t,") for line in lines]
    one_each = all(tag and "," not in tag and len(tag.split()) <= _MOST_WORDS for tag in tags)
    return one_each and len(tags) >= _LEAST_LINES


RULE = Rule(
    code="P008",
    name="multi-line-caption",
    group="pairs",
    severity="warning",
    severity_in={"captioned": "info", "cleaned": "info", "wip": "info"},
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    effects={
        "sd-scripts": Effect("warning", "trains the first line alone", "library/train_util.py, read_caption"),
        "onetrainer": Effect("warning", "trains each line as a caption of its own"),
        "simpletuner": Effect("warning", "trains each line as a caption of its own", "simpletuner/helpers/prompts.py"),
        "ai-toolkit": Effect("off", "trains the whole text", "toolkit/dataloader_mixins.py"),
        "diffusion-pipe": Effect("off", "trains the whole text", "utils/dataset.py"),
        "naifu": Effect("off", "trains the whole text", "data/image_storage.py"),
        "dsk": Effect("warning", "trains the first line alone and says so", "trainer/data/caption_files.py"),
    },
)
