"""docs/experiments.md and its plots, from the results alone: a figure that nobody measured is not there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from textwrap import fill

from . import design, facts, plots, verdicts
from .contract import Arm, Claim, Measure
from .facts import Oracle, Run
from .intervals import Interval
from .judging import Trust
from .plots import Column, Panel
from .verdicts import Verdict

PAGE, PLOTS = "experiments.md", "images/experiments"
_SHARED = ("base", "tagger", "settings")
_VERSIONS = ("python", "torch", "diffusers", "transformers", "onnxruntime")
_NONE = "–"
_LINE = 120
_SIDES = {1: "claimed to be more", -1: "claimed to be less", 0: "no side is taken"}
_HEAD = """<!-- Written by `python -m tests.experiments --report` from results. -->

# Experiments

Claims that people who train LoRAs argue about, tried on the [sample world](sample-world.md): a base model of 28
megabytes at 64 px, drawn portraits whose tags are known, and a tagger that was made for them. What is seen here is seen
on this world; a large model may do otherwise. What is not seen may be too small for so few pictures.

```sh
make experiments                                # all claims; goes on where it was stopped
make experiments ARGS="rank negation --budget-minutes 30"
make experiments ARGS="--report"                # this page, from the results that are there
```

Every run trains one arm of one claim with one seed, paints pictures and lets the tagger say what they show. Its result
is a small JSON file in `made/experiments`, with the pictures beside it; this page is worked out from those files. The
claims, their arms, measures and comparisons are data in `tests/experiments/claims`.

## The rule

Written before these runs. A first round, on a base that could not tell a trigger from no trigger, had shown all arms
of missing captions, rank, kinds and tag dropout at the end of their scale: since then these are compared after few
steps too, regularization at equal doses, and the noisy end with a real share of it left out.

"""


@dataclass(frozen=True)
class Found:
    """A claim and what there is of it."""

    claim: Claim
    runs: tuple[Run, ...]
    oracle: Oracle | None

    @property
    def verdicts(self) -> list[Verdict]:
        """One for each comparison."""
        return verdicts.of_claim(self.claim, self.runs, self.oracle)

    def of(self, arm: Arm) -> list[Run]:
        """The runs of an arm."""
        return [run for run in self.runs if run.arm == arm.name]


def read(folder: Path, claims: Sequence[Claim]) -> list[Found]:
    """What a folder of results holds.

    Raises:
        ValueError: a file is no result, the setups are several, or a claim was designed otherwise when it was run.
    """
    found = []
    for claim in claims:
        paths = sorted((folder / claim.name).glob("*-*.json"))
        runs = [_run(path) for path in paths]
        known = {arm.name for arm in claim.arms}
        oracle = facts.load_oracle(folder / claim.name / facts.ORACLE)
        found.append(Found(claim, tuple(run for run in runs if run.arm in known), oracle))
        _refuse_other(folder, found[-1])
    _refuse_mixed(folder, found)
    return found


def _run(path: Path) -> Run:
    found = facts.load_run(path)
    if found is None:
        raise ValueError(f"{path}: no result that can be read; remove it, or run {path.parent.name} again")
    return found


def write(docs: Path, found: Sequence[Found]) -> list[Path]:
    """Writes the page and a plot for each claim that has results; the paths."""
    (docs / PLOTS).mkdir(parents=True, exist_ok=True)
    made = []
    for one in found:
        path = docs / PLOTS / f"{one.claim.name}.svg"
        if one.runs:
            path.write_text(plots.svg(_panels(one)), "utf-8")
            made.append(path)
        else:
            path.unlink(missing_ok=True)
    page = docs / PAGE
    page.write_text(markdown(found), "utf-8")
    return [*made, page]


def markdown(found: Sequence[Found]) -> str:
    """The page."""
    parts = [_HEAD + verdicts.RULE]
    if any(one.runs for one in found):
        parts += ["## What was run", *_setup(found), "## What was seen", "\n".join(_summary(found))]
    else:
        parts.append("No results are there yet, so there are no figures.")
    for one in found:
        parts += _section(one)
    return "\n\n".join(parts) + "\n"


def number(value: float) -> str:
    """As the page writes it."""
    return f"{value:.2f}" if math.isfinite(value) else "?"


def interval(found: Interval | None) -> str:
    """`0.83 (0.70 to 0.96)`; the middle alone where one value says nothing of the rest."""
    if found is None:
        return _NONE
    if not math.isfinite(found.low):
        return number(found.middle)
    return f"{number(found.middle)} ({number(found.low)} to {number(found.high)})"


def _refuse_mixed(folder: Path, found: Sequence[Found]) -> None:
    for name in _SHARED:
        values = sorted({run.setup.get(name, "?") for one in found for run in one.runs})
        if len(values) > 1:
            kinds = f"{name}: {'; '.join(values)}"
            raise ValueError(f"{folder}: results of several kinds ({kinds}); run the older ones again")


def _refuse_other(folder: Path, found: Found) -> None:
    """Raises ValueError where results are of another design than the claim has today."""
    claim, cure = found.claim, f"run {found.claim.name} again"
    for arm in claim.arms:
        runs = found.of(arm)
        if runs and {run.setup.get("design") for run in runs} != {design.of_arm(claim, arm)}:
            raise ValueError(f"{folder}: {claim.name}, {arm.name} was run differently; {cure}")
    if found.oracle and found.oracle.setup.get("design") != design.of_check(claim):
        raise ValueError(f"{folder}: the tagger was checked differently for {claim.name}; {cure}")


def _setup(found: Sequence[Found]) -> Iterator[str]:
    runs = [run for one in found for run in one.runs]
    first, seeds = runs[0].setup, sorted({run.seed for run in runs})
    trained = [run for run in runs if run.parameters]
    cpu = median(run.seconds["train"] + run.seconds["paint"] for run in trained) if trained else 0.0
    versions = ", ".join(
        f"{name} {' or '.join(sorted({run.setup.get(name, '?') for run in runs}))}" for name in _VERSIONS
    )
    yield "\n".join(
        [
            f"- base: weights of sha256 `{first['base']}`…; tagger: `{first['tagger']}`…",
            f"- settings where an arm says nothing else: {first['settings']}",
            f"- {len(runs)} runs, seeds {', '.join(map(str, seeds))}; {cpu:.0f} s of processor time each (median)",
            f"- {versions}",
        ]
    )


def _summary(found: Sequence[Found]) -> Iterator[str]:
    yield "| claim | measure | compared | difference | level | seeds | verdict |"
    yield "|---|---|---|---|---|---|---|"
    for one in found:
        for verdict in one.verdicts:
            compared = f"{verdict.comparison.arm} − {verdict.comparison.against}"
            words = one.claim.measure(verdict.comparison.measure).words
            link = f"[{one.claim.title}](#{_anchor(one.claim.title)})"
            cells = (link, words, compared, interval(verdict.difference), _percent(verdict.level), str(verdict.seeds))
            yield f"| {' | '.join(cells)} | **{verdict.word}** |"


def _section(one: Found) -> Iterator[str]:
    claim = one.claim
    yield f"## {claim.title}"
    yield fill(f"**Claim.** {claim.says}", _LINE)
    yield fill(f"**Here.** {claim.how}", _LINE)
    if not one.runs:
        yield "\n".join(f"- `{arm.name}`: {arm.words}" for arm in claim.arms)
        yield "Compared:"
        yield "\n".join(f"- {text}" for text in _plan(claim))
        return
    yield f"![{claim.title}]({PLOTS}/{claim.name}.svg)"
    yield "\n".join(_table(one))
    yield "Means over seeds with 95 % intervals (Student's t); behind the dot all of them counted together (Wilson)."
    yield "\n".join(f"- {_words(claim, verdict)}" for verdict in one.verdicts)
    if one.oracle:
        yield "The tagger on portraits of known tags: " + "; ".join(_oracle(claim, one.oracle)) + "."


def _plan(claim: Claim) -> Iterator[str]:
    for one in claim.comparisons:
        words = claim.measure(one.measure).words
        yield f"{words}, `{one.arm}` against `{one.against}` ({_SIDES[one.expected]}; {one.smallest:g} would matter)"


def _table(one: Found) -> Iterator[str]:
    measures = one.claim.measures
    yield f"| arm | {' | '.join(measure.words for measure in measures)} | loss | trained | CPU s |"
    yield "|---|" + "---|" * (len(measures) + 3)
    for arm in one.claim.arms:
        runs = one.of(arm)
        cells = [_cell(one, arm, measure) for measure in measures]
        if runs:
            ends = [sum(run.loss[end] for run in runs) / len(runs) for end in (0, 1)]
            loss = f"{ends[0]:.3f} → {ends[1]:.3f}" if arm.trains else _NONE
            seconds = median(run.seconds["train"] + run.seconds["paint"] for run in runs)
            cells += [loss, f"{runs[0].parameters:,}", f"{seconds:.0f}"]
        else:
            cells += [_NONE] * 3
        yield f"| `{arm.name}`: {arm.words} | {' | '.join(cells)} |"


def _cell(one: Found, arm: Arm, measure: Measure) -> str:
    mean, share = (of(one.runs, arm.name, measure) for of in (verdicts.mean_of, verdicts.share_of))
    return interval(mean) + (f" · {number(share.low)} to {number(share.high)}" if share else "")


def _words(claim: Claim, verdict: Verdict) -> str:
    comparison = verdict.comparison
    compared = f"{claim.measure(comparison.measure).words}: `{comparison.arm}` less `{comparison.against}`"
    found = f"{interval(verdict.difference)} at {_percent(verdict.level)}"
    return (
        f"{compared}, {_SIDES[comparison.expected]}: {found}, {comparison.smallest:g} would matter: **{verdict.word}**"
    )


def _oracle(claim: Claim, oracle: Oracle) -> Iterator[str]:
    for name, (yes, no) in oracle.measures.items():
        of_yes, of_no = Trust(yes, no).intervals()
        yield f"{claim.measure(name).words}: true {interval(of_yes)}, untrue {interval(of_no)}"


def _panels(one: Found) -> list[Panel]:
    made = []
    for measure in one.claim.measures:
        columns = []
        for arm in one.claim.arms:
            mean = verdicts.mean_of(one.runs, arm.name, measure)
            if mean is not None:
                values = tuple(verdicts.by_seed(one.runs, arm.name, measure).values())
                columns.append(Column(arm.name, values, mean))
        made.append(Panel(measure.name, tuple(columns), measure.is_share))
    return made


def _percent(level: float) -> str:
    return f"{100 * level:.1f} %"


def _anchor(title: str) -> str:
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -")
    return kept.replace(" ", "-")
