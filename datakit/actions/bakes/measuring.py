"""dsk bakes measure: what a bake learnt, by drawing without and with it and letting the tagger look.

The trainer draws, at equal seeds, with the bake's own settings; the dataset's taggers, and for style a network of its
own, look at the pictures; the figures go into the ledger.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.bakes import styling
from datakit.actions.bakes.judging import Judge
from datakit.actions.bakes.ledger import Bake, enter_measured, find_bake
from datakit.actions.bakes.measured import Losses, Measured, Share, Sides, share_of
from datakit.actions.bakes.pairs import Picture, sheet
from datakit.actions.bakes.subjects import (
    Subject,
    bare_prompts,
    known_concepts,
    other_tags,
    subject_of,
    trigger_prompts,
)
from datakit.actions.project import Project
from datakit.actions.trainerprogram import CONFIG, InterruptedBakeError, require_trainer, run_trainer
from datakit.config import read_toml
from datakit.errors import InputError, StateError, UsageError
from datakit.model.progress import Progress, silent
from datakit.store.durable import replace_file
from datakit.store.lock import exclusive
from datakit.tags.names import to_canonical, to_prompt

FOLDER: Final = "measured"
"""Of the pictures, beside the weights."""
GRID: Final = "before-after.png"
_JOBS: Final = "jobs.json"
_LOCK: Final = "measuring.lock"
_SIDES: Final = ("without", "with")
_ON_GRID: Final = {"trigger": 8, "bare": 4, "other": 4}


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks for; what is empty is found out."""

    trigger: str = ""
    traits: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Tags to ask for without the trigger."""
    prompts: tuple[str, ...] = ()
    count: int = 24
    """Pictures of each kind and side."""
    style_of: str = ""
    """A stage or a folder whose style is to be learnt; '' leaves style out."""
    seed: int = 0
    """Of the first picture of each kind; the next ones count up."""
    tagger: str = ""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    bake: str
    measured: Measured
    notes: tuple[str, ...] = ()
    """What a person should know of the figures, a sentence each."""
    seconds: float


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn and looked for."""

    trigger: str
    traits: tuple[str, ...]
    others: tuple[str, ...]
    prompts: dict[str, tuple[str, ...]]
    """Kind of picture → its prompts, which take turns."""
    left_out: tuple[str, ...]


class _Drawn(msgspec.Struct, frozen=True):
    """The pictures of one kind: without, with, pair by pair."""

    sides: tuple[list[Path], list[Path]]
    prompts: list[str]


def measure(project: Project, wanted: str, wishes: Wishes, *, progress: Progress = silent) -> Measurement:
    """Draw, look, and write the figures into the ledger; goes on where it was stopped.

    Raises:
        UsageError: no such bake; a trait or tag that the tagger does not know, or a prompt that says a trait.
        StateError: no bake at all, its weights are not here, no tagger, nothing to measure, no package for style.
        LockedError: somebody else measures this bake.
        TrainerError: the trainer is not installed, or stopped.
    """
    began = time.monotonic()
    require_trainer()
    done = find_bake(project, wanted)
    lora, config = _weights(project, done)
    validation = losses_of(lora.parent)
    wanted_style, damaged = _style_pictures(project, wishes)
    judge = None if _is_style_alone(wishes) else Judge(project, wishes.tagger)
    plan = _plan(project, wishes, judge, progress=progress)
    folder = lora.parent / FOLDER
    grid = folder / GRID
    with exclusive(folder / _LOCK, wait_s=0.0):
        drawn = _draw(folder, lora, config, plan=plan, wishes=wishes)
        found = _looked(judge, plan, drawn, progress=progress)
        if wanted_style:
            found["style"] = _style(drawn["trigger"], wanted_style, progress=progress)
        replace_file(grid, sheet(f"{done.id}: without and with, at equal seeds", _pairs(drawn)))
    root = project.dataset.root
    measured = Measured(
        trigger=plan.trigger,
        traits=plan.traits,
        others=plan.others,
        prompts=plan.prompts.get("trigger", ()),
        count=wishes.count,
        seed=wishes.seed,
        tagger=judge.name if judge else "",
        style_of=wishes.style_of,
        validation=validation,
        pictures=_shown(folder, root),
        grid=_shown(grid, root),
        **found,
    )
    enter_measured(project, done.id, measured)
    seconds = round(time.monotonic() - began, 2)
    return Measurement(bake=done.id, measured=measured, notes=(*damaged, *_notes(judge, plan)), seconds=seconds)


def _notes(judge: Judge | None, plan: _Plan) -> Iterator[str]:
    if plan.left_out:
        yield f"left out, for the tagger does not know it: {', '.join(plan.left_out)}"
    if judge is not None and not judge.is_told:
        yield f"no tagger is configured: {judge.name} looked, a small one for the sample world's portraits alone"


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _weights(project: Project, done: Bake) -> tuple[Path, Path]:
    lora = project.dataset.root / done.lora
    config = lora.parent / CONFIG
    if not lora.exists() or not config.is_file():
        hint = f"dsk bake --repeat {done.id} makes them again"
        raise StateError(f"{done.lora}: the weights of bake {done.id} are not here", hint=hint)
    return lora, config


def _style_pictures(project: Project, wishes: Wishes) -> tuple[list[Path], list[str]]:
    """Those to be compared with, and a note for each that is left out: better now than after all is drawn."""
    if not wishes.style_of:
        return [], []
    styling.require_style()
    wanted, damaged = styling.readable(styling.pictures_of(project.dataset.root, wishes.style_of))
    if not wanted:
        raise InputError(f"--style-of {wishes.style_of}: {damaged[0]}", hint="no picture in it can be read; dsk lint")
    return wanted, [f"left out of the style: {text}" for text in damaged]


def _is_style_alone(wishes: Wishes) -> bool:
    """Whether nobody has to look for tags."""
    return bool(wishes.style_of) and not (wishes.traits or wishes.others or wishes.tagger)


def _plan(project: Project, wishes: Wishes, judge: Judge | None, *, progress: Progress) -> _Plan:
    asked = tuple(dict.fromkeys(map(to_canonical, wishes.traits)))
    others = tuple(dict.fromkeys(map(to_canonical, wishes.others)))
    subject = subject_of(project, wishes.trigger, needs_traits=judge is not None and not asked, progress=progress)
    traits = asked
    left_out: tuple[str, ...] = ()
    if judge is not None:
        judge.require_known(asked, option="--trait")
        judge.require_known(others, option="--other")
        if not asked:
            known = judge.known()
            traits = tuple(tag for tag in subject.traits if tag in known)
            left_out = tuple(tag for tag in subject.traits if tag not in known)
    if not (traits or others or wishes.style_of):
        raise _nothing(project, subject, left_out)
    if judge is not None and not others:
        others = other_tags(judge.general_tags(), without={*traits, *subject.frame})
    prompts = {"trigger": trigger_prompts(subject, wishes.prompts, traits)} if traits or wishes.style_of else {}
    if prompts and not all(prompts["trigger"]):
        raise UsageError("no trigger, and no prompt", hint="--trigger WORD, or --prompt TEXT")
    if traits and subject.trigger:
        prompts["bare"] = bare_prompts(subject.trigger, prompts["trigger"])
    if others:
        frame = [to_prompt(tag) for tag in subject.frame]
        prompts["other"] = tuple(", ".join([*frame, to_prompt(tag)]) for tag in others)
    return _Plan(trigger=subject.trigger, traits=traits, others=others, prompts=prompts, left_out=left_out)


def _nothing(project: Project, subject: Subject, left_out: Sequence[str]) -> StateError:
    if left_out:
        return StateError(f"nothing to measure: the tagger knows none of {', '.join(left_out)}", hint="--trait TAG")
    whose = f"'{subject.trigger}' stands for no trait" if subject.trigger else "the dataset has no trigger"
    return StateError(f"nothing to measure: {whose}", hint=f"{known_concepts(project)}; --style-of wip measures style")


def _draw(folder: Path, lora: Path, config: Path, *, plan: _Plan, wishes: Wishes) -> dict[str, _Drawn]:
    """The pictures by their kind; old ones that are no part of this go."""
    negative = str(read_toml(config).get("sample", {}).get("negative", ""))
    jobs: list[dict[str, Any]] = []
    drawn = {}
    for kind, prompts in plan.prompts.items():
        texts = [prompts[number % len(prompts)] for number in range(wishes.count)]
        names = [[f"{kind}-{number:03d}-{side}" for number in range(wishes.count)] for side in _SIDES]
        for scale, some in enumerate(names):
            rows = zip(some, texts, range(wishes.seed, wishes.seed + wishes.count), strict=True)
            jobs += [
                {"name": name, "prompt": text, "negative": negative, "seed": seed, "scale": float(scale)}
                for name, text, seed in rows
            ]
        without, with_ = ([folder / f"{name}.png" for name in some] for some in names)
        drawn[kind] = _Drawn((without, with_), texts)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"{job['name']}.png" for job in jobs}
    for path in folder.glob("*.png"):
        if path.name not in wanted:
            path.unlink()
    replace_file(folder / _JOBS, json.dumps(jobs, ensure_ascii=False, indent=1).encode())
    try:
        run_trainer(["pictures", str(config), "--lora", str(lora), "--jobs", str(folder / _JOBS), "--out", str(folder)])
    except InterruptedBakeError as error:
        raise InterruptedBakeError("stopped", hint="the same dsk bakes measure goes on where it stopped") from error
    return drawn


def _looked(judge: Judge | None, plan: _Plan, drawn: Mapping[str, _Drawn], *, progress: Progress) -> dict[str, Any]:
    """The figures that taggers give."""
    if judge is None:
        return {}
    found: dict[str, Any] = {"each_trait": {}}
    paths = [path for one in drawn.values() for side in one.sides for path in side]
    tags = dict(zip(paths, judge.look(paths, progress=progress), strict=True))
    if plan.traits:
        seen = [[tags[path] for path in side] for side in drawn["trigger"].sides]
        found["all_traits"] = _both([_num_with(plan.traits, side) for side in seen], len(seen[0]))
        for trait in plan.traits:
            found["each_trait"][trait] = _both([sum(trait in one for one in side) for side in seen], len(seen[0]))
    if "bare" in drawn:
        shown = [_num_with(plan.traits, [tags[path] for path in side]) for side in drawn["bare"].sides]
        found["leaked"] = _both(shown, len(drawn["bare"].prompts))
    if plan.others:
        asked = [plan.others[number % len(plan.others)] for number in range(len(drawn["other"].prompts))]
        hits = [sum(tag in tags[path] for tag, path in zip(asked, side, strict=True)) for side in drawn["other"].sides]
        found["kept"] = _both(hits, len(asked))
    return found


def _num_with(traits: Sequence[str], pictures: Sequence[frozenset[str]]) -> int:
    """How many pictures show all traits."""
    return sum(set(traits) <= one for one in pictures)


def _both(hits: Sequence[int], of: int) -> Sides:
    shares: list[Share] = [share_of(number, of) for number in hits]
    return Sides(before=shares[0], after=shares[1])


def _style(drawn: _Drawn, wanted: Sequence[Path], *, progress: Progress) -> Any:
    # At one size: the network sees how soft a small picture is when it is made large.
    size_px = styling.size_of(drawn.sides[0][0])
    vectors = styling.embeddings([*drawn.sides[0], *drawn.sides[1], *wanted], size_px=size_px, progress=progress)
    num = len(drawn.sides[0])
    return styling.distances(vectors[:num], vectors[num : 2 * num], vectors[2 * num :])


def _pairs(drawn: Mapping[str, _Drawn]) -> list[Picture]:
    found = []
    for kind, one in drawn.items():
        rows = list(zip(*one.sides, one.prompts, strict=True))[: _ON_GRID[kind]]
        found += [Picture(before=before, after=after, label=label) for before, after, label in rows]
    return found


def losses_of(folder: Path) -> Losses | None:
    """The first and the last validation in a bake's own log; None where it was not measured twice.

    Raises:
        InputError: its result.json is none.
    """
    path = folder / "result.json"
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=_Log).validation
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: not what the trainer writes: {error}", hint="bake again") from error
    for kind in ("held_out", "trained"):
        told = [(int(row["step"]), row[kind]) for row in rows if kind in row and "step" in row]
        if len(told) > 1:
            (first, before), (last, after) = told[0], told[-1]
            return Losses(kind=kind, steps=(first, last), before=before, after=after)
    return None


class _Log(msgspec.Struct, frozen=True):
    """What is needed of result.json."""

    validation: tuple[dict[str, float], ...] = ()
