"""Everything that the page shows, from the demonstration's folder: files as they lie there, and what dsk answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from datakit.demo.page.asking import Asker
from datakit.demo.page.bakefiles import read_bakes, read_measured
from datakit.demo.page.diffs import changes, weight
from datakit.demo.page.facts import Cause, Dataset, Facts, Scores, Stage
from datakit.demo.page.record import LINT_BEFORE, number, read_json, read_record
from datakit.demo.page.stagefiles import read_posted, read_stages, read_text
from datakit.errors import InputError

SETTINGS: Final = "dsk.toml"
_CAPTIONED: Final = ("captioned", "cleaned", "wip")
_SHOWN: Final = 3
_LOOKED_AT: Final = 4
_OWN_TAGGER: Final = "dsk-tiny-tagger"


def gather(home: Path) -> Facts:
    """All of it.

    Raises:
        InputError: there is no dataset in the folder.
    """
    home = home.absolute()
    roots = sorted((path.parent for path in home.glob(f"*/{SETTINGS}")), key=lambda root: (root.name != "my-set", root))
    if not roots:
        raise InputError(f"{home}: no dataset is in it", hint="name the folder of a demonstration that has run")
    measured = read_measured(home)
    return Facts(
        home=home,
        datasets=tuple(_dataset(home, root, is_first=root == roots[0]) for root in roots),
        bakes=tuple(bake for root in roots for bake in read_bakes(root, measured)),
        record=read_record(home),
    )


def _dataset(home: Path, root: Path, *, is_first: bool) -> Dataset:
    stages, posted = read_stages(root), read_posted(root)
    shown = choose(stages, posted)
    before = read_json(home / LINT_BEFORE) if is_first else None
    asker = Asker(root)
    taggers, scores = _scores(asker, stages, shown)
    dataset = Dataset(
        root=root,
        settings=read_text(root / SETTINGS) or "",
        stages=stages,
        posted=posted,
        lint_before=before if isinstance(before, dict) else asker.ask_table("lint", "raw"),
        lint_now=asker.ask_table("lint"),
        tags=asker.ask_table("tags", "-n", "0"),
        taggers=taggers,
        scores=scores,
        shown=shown,
        causes=tuple(cause for key in shown for cause in _causes(asker, key)),
        operations=asker.ask_rows("log", "-n", "0"),
    )
    return replace(dataset, unanswered=tuple(dict.fromkeys(asker.unanswered)))


def choose(stages: Sequence[Stage], posted: Mapping[str, str]) -> tuple[str, ...]:
    """Items whose captions changed most on the way, of different concepts as far as there are."""
    weights: dict[str, int] = {}
    before = dict(posted)
    for stage in stages:
        if stage.name in _CAPTIONED:
            for key, item in stage.items.items():
                weights[key] = weights.get(key, 0) + weight(changes(before.get(key, ""), item.caption or ""))
            before = {key: item.caption or "" for key, item in stage.items.items()}
    best = sorted(weights, key=lambda key: (-weights[key], key))
    first_of = {PurePosixPath(key).parent: key for key in reversed(best)}
    firsts = [key for key in best if first_of[PurePosixPath(key).parent] == key]
    return tuple([*firsts, *(key for key in best if key not in firsts)][:_SHOWN])


def _causes(asker: Asker, key: str) -> Iterator[Cause]:
    found = asker.ask_table("blame", key, "--removed") or {}
    for name in ("tags", "removed"):
        for row in found.get(name, ()):
            cause = row["cause"]
            score = number(cause.get("score"))
            words = (cause.get("detail") or cause["kind"], f"score {score:.2f}" if score is not None else "")
            yield Cause(
                key=key,
                stage=str(cause["stage"]),
                tag=str(row["tag"]),
                is_removed=name == "removed",
                why=", ".join(filter(None, map(str, words))),
            )


def _scores(asker: Asker, stages: Sequence[Stage], shown: Sequence[str]) -> tuple[tuple[str, ...], tuple[Scores, ...]]:
    """The taggers' names and what they saw in the items shown, and one more; nothing where no tagger is here."""
    captioned = next((stage.items for stage in reversed(stages) if stage.name in _CAPTIONED and stage.items), {})
    keys = [*shown, *(key for key in captioned if key not in shown)][:_LOOKED_AT]
    if not keys:
        return (), ()
    where = "item:" + ",".join(f'"{_quoted(key)}"' for key in keys)
    for tagger in ((), ("--tagger", _OWN_TAGGER)):
        words = ("find", "leaks", "--items", "--where", where, *tagger)
        said = asker.ask_table(*words, "--unseen", "--max-score", "1")
        unsaid = asker.ask_table(*words, "--min-score", "0") if said else None
        if said and unsaid:
            rows = (Scores(key, said["items"].get(key, {}), unsaid["items"].get(key, {})) for key in keys)
            return tuple(said["taggers"]), tuple(row for row in rows if row.said or row.unsaid)
    return (), ()


def _quoted(key: str) -> str:
    return key.replace("\\", "\\\\").replace('"', '\\"')
