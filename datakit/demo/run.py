"""The user's way, from a scraped folder to a baked LoRA, as real commands one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from datakit.demo.figures import write_figures
from datakit.demo.folder import fresh
from datakit.demo.page.record import LINT_BEFORE, Recorder
from datakit.demo.page.writing import write_page
from datakit.demo.portraits.styles import STYLES, TAUGHT_STYLE
from datakit.demo.scrape import SEED, Scrape, write_scrape
from datakit.demo.settings import STYLE_TRIGGER, TRIGGER, dsk_toml
from datakit.demo.styleset import SEED as STYLE_SEED
from datakit.demo.styleset import write_style
from datakit.demo.terminal import command_line, heading, say

SET: Final = "my-set"
SCRAPE: Final = "scrape"
DRAWINGS: Final = "drawings"
TAGGER: Final = "dsk-tiny-tagger"
INTERRUPTED: Final = 130


@dataclass(frozen=True)
class Step:
    """A dsk command, and what its end means here."""

    words: tuple[str, ...]
    about: str
    """Said before it."""
    codes: Mapping[int, str]
    """Exit codes that are right here, each with a remark, or '' where there is nothing to remark."""
    report: str = ""
    """File in the demonstration's folder that the answer with --json is kept in, for the page."""


_OK: Final[Mapping[int, str]] = {0: ""}
_FINDINGS: Final = {1: "(exit code 1: lint found errors. They were planted, so this is right.)"}
_LEFT: Final = {0: "", 1: "(exit code 1: what is left needs a person, or a stage that leaves it out.)"}

MEASURED: Final = 24
"""Pictures of each kind that a bake is measured by."""
MEASURED_QUICKLY: Final = 4
PEOPLE: Final = "people"
"""The concept of the regularization pictures."""
PEOPLE_COUNT: Final = 48
PEOPLE_QUICKLY: Final = 4
_ANY: Final = "{black|blonde|brown|green|pink|purple|red|white} hair, {smile|frown|open mouth}"
_BEFORE: Final = "simple background, {white|blue|pink|yellow|green} background"
_HAIR: Final = "{long hair|medium hair|blunt bangs|ponytail|twintails|hair bun}"
PEOPLE_PROMPTS: Final = (
    "1girl, solo",
    f"1girl, solo, {_HAIR}, {_ANY}",
    f"1girl, solo, {_HAIR}, {_ANY}, {_BEFORE}",
    f"1boy, solo, short hair, {{beard|glasses|closed eyes|dark skin}}, {_ANY}, {_BEFORE}",
)
"""From the barest to what the captions say, so that no kind of prompt comes to mean a trigger."""
STYLE_PROMPTS: Final = (
    "1girl, solo",
    "1girl, solo, long hair, red hair, smile, closed mouth, simple background, blue background",
    "1boy, solo, short hair, black hair, open mouth, simple background, yellow background",
    "1girl, solo, double bun, hair bun, brown hair, glasses, frown, closed mouth, simple background, white background",
    "1girl, solo, ponytail, blonde hair, smile, open mouth, simple background, pink background",
)
"""What a style is measured by, its trigger before each: the barest prompt, and whole descriptions."""

STEPS: Final = (
    Step(("import", f"../{SCRAPE}"), "Bring the scrape in: nothing is overwritten, nothing is guessed.", _OK),
    Step(("lint",), "What is wrong with it?", _FINDINGS, LINT_BEFORE),
    Step(("lint", "--fix"), "Repair what can be repaired without a question.", _LEFT),
    Step(("import", f"../{DRAWINGS}"), "Drawings in one style come beside it, as a concept of their own.", _OK),
    Step(("status",), "Where does the dataset stand?", _OK),
)


def bakes(*, quick: bool) -> Iterator[Step]:
    """Two bakes, each on its part of the dataset: a character; a style; both with people for regularization."""
    count = str(MEASURED_QUICKLY if quick else MEASURED)
    measure = ("bakes", "measure", "--tagger", TAGGER, "--count", count)
    prompts = (word for prompt in PEOPLE_PROMPTS for word in ("--prompt", prompt))
    some = str(PEOPLE_QUICKLY if quick else PEOPLE_COUNT)
    people = ("classgen", PEOPLE, *prompts, "--count", some, "--batch", "8")
    yield Step(people, "Let the base draw people of its own, so that a trigger does not take hold of everybody.", _OK)
    yield Step(("advance",), "Run all stages: raw, filtered, edited, captioned, cleaned, wip, export.", _OK)
    yield Step(_export(f"-concept:{TAUGHT_STYLE}"), "Write what a trainer eats, without the drawings.", _OK)
    yield Step(("lint",), "Is the dataset ready to bake?", _LEFT)
    yield Step(("bake", "--note", f"character: {TRIGGER}"), "Train a LoRA on it.", _OK)
    yield Step(
        (*measure, "--trigger", TRIGGER), "What does the trigger call now, and what does all else still call?", _OK
    )
    yield Step(_export(f"concept:{TAUGHT_STYLE},{PEOPLE}"), "Now the drawings, without the characters.", _OK)
    yield Step(("bake", "--note", f"style: {STYLE_TRIGGER}"), "Train another LoRA, of the style.", _OK)
    drawn = (word for prompt in STYLE_PROMPTS for word in ("--prompt", prompt))
    seen = ("--trait", STYLES[TAUGHT_STYLE].tag, "--style-of", f"wip/{TAUGHT_STYLE}")
    yield Step(
        (*measure, "--trigger", STYLE_TRIGGER, *drawn, *seen),
        "Is what it draws in the style, without it and with it?",
        _OK,
    )
    yield Step(("log",), "All of this is history, one commit for each change.", _OK)


def _export(where: str) -> tuple[str, ...]:
    return ("export", "--format", "kohya", "--where", where)


def run(folder: Path, *, quick: bool) -> int:
    """Play the demonstration in `folder`; the exit code of the command that stopped it, or 0.

    Raises:
        DskError: the folder is not ours, or the drawing packages are missing.
    """
    home = fresh(folder)
    heading("A scrape, as gallery-dl would have left it")
    _tell_scrape(home, write_scrape(home / SCRAPE))
    count = write_style(home / DRAWINGS)
    say(f"{count} pictures in {_short(home / DRAWINGS)}, in a style that the base model was never shown")
    try:
        return _play(home, quick=quick)
    except KeyboardInterrupt:
        say("stopped")
        return INTERRUPTED


def _play(home: Path, *, quick: bool) -> int:
    dataset = home / SET
    recorder = Recorder(home, {"scrape": SEED, "drawings": STYLE_SEED})
    code = _run(Step(("init", SET), "A dataset is a git repository.", _OK), home, recorder)
    if code is not None:
        return code
    command_line(["cd", SET])
    _write_settings(dataset, quick=quick)
    for step in (*STEPS, *bakes(quick=quick)):
        code = _run(step, dataset, recorder)
        if code is not None:
            return code
        if step.report:
            _keep_report(step, dataset, home / step.report)
    tell_bakes(dataset)
    write_figures(home, SET)
    written = write_page(home)
    say(f"page      {_short(written.path)}: all of this in one file ({written.size_bytes / 1e6:.1f} MB)")
    return 0


def _run(step: Step, cwd: Path, recorder: Recorder) -> int | None:
    """None when the command ended as it should, else the exit code to stop with."""
    heading(step.about)
    command_line(["dsk", *step.words])
    begun = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "datakit", *step.words], cwd=cwd, check=False).returncode
    recorder.add(cwd, ["dsk", *step.words], code=code, seconds=time.monotonic() - begun)
    if code not in step.codes:
        say(f"dsk {' '.join(step.words)} ended with exit code {code}: the demonstration stops here", style="31")
        return code if code > 0 else 1
    if step.codes[code]:
        say(step.codes[code], style="2")
    return None


def _keep_report(step: Step, cwd: Path, path: Path) -> None:
    """What the command says to programs, kept for the page; the page does without where there is nothing to keep."""
    command = [sys.executable, "-m", "datakit", *step.words, "--json"]
    path.write_bytes(subprocess.run(command, cwd=cwd, check=False, stdout=subprocess.PIPE).stdout)


def _write_settings(dataset: Path, *, quick: bool) -> None:
    text = dsk_toml(quick=quick)
    (dataset / "dsk.toml").write_text(text, "utf-8")
    command_line(["cat", "dsk.toml"])
    say(text.rstrip())


def _tell_scrape(home: Path, scrape: Scrape) -> None:
    planted = scrape.planted
    say(f"{len(scrape.images)} pictures in {_short(home / SCRAPE)}, with these faults planted:")
    faults = (
        f"{planted.orphaned_caption}: a caption that belongs to {Path(planted.orphans_image).name}",
        f"{' and '.join(planted.same_name)}: two pictures, one name",
        f"{planted.duplicate[1]}: an exact copy of {Path(planted.duplicate[0]).name}",
        f"{planted.truncated}: cut off in the middle",
        f"{len(planted.transparent)} pictures with a transparent background",
    )
    for fault in faults:
        say(f"  - {fault}")


def tell_bakes(dataset: Path) -> None:
    """Say what was baked, from which commit, and where its pictures are, as the ledger's files have it."""
    heading("Done")
    ledgers = sorted((dataset / "bakes").glob("*.toml"))
    if not ledgers:
        say("no bake left an entry in bakes/", style="31")
    for ledger in ledgers:
        baked = tomllib.loads(ledger.read_text("utf-8"))
        say(f"baked     {_short(dataset / baked['lora'])}: {baked['images']} images, {baked['steps']} steps")
        say(f"from      commit {baked['commit']} of {_short(dataset)}")
        for picture in filter(None, (baked.get("grid"), baked.get("measured", {}).get("grid"))):
            say(f"pictures  {_short(dataset / picture)}")


def _short(path: Path) -> str:
    """Relative to where the person stands, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
