"""The sheets of pictures: before and after, and the one that grows while a bake goes on.

Of the growing one every column is a folder `step-<number>` of PNGs, one a row, beside the request that they answer;
`step-00000000` are the pictures before the first step. What is drawn of them can be drawn again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from PIL import Image

from trainer import due
from trainer.atomic import make_folder, remove_folder, remove_leftovers, write_file, write_folder
from trainer.contracts.adapter import Attached
from trainer.contracts.model import Model
from trainer.plan import Plan
from trainer.recipe import Recipe
from trainer.sampling import ddim, grid, legend
from trainer.sampling.prompts import Prompt
from trainer.signals import never

GRID = "grid.png"
MOST_COLUMNS = 12
_REQUEST, _ASIDE = "request.json", "earlier"
_LARGEST_PX, _ALL_COLUMNS_PX, _SMALLEST_PX = 512, 3600, 256
_STEP = re.compile(r"step-([0-9]{8,})")


def request(plan: Plan) -> ddim.Request:
    """The sample pictures that the config asks for. Raises InputError where its prompt file is wrong."""
    return ddim.Request(plan.sample_prompts(), plan.config.sample.guidance_rescale)


def is_due(plan: Plan, step: int) -> bool:
    """Whether pictures are made after this step; at the end they are in any case."""
    wanted = plan.config.sample
    return due.at(plan, step, steps=wanted.every, epochs=wanted.every_epochs)


def grows(plan: Plan) -> bool:
    """Whether pictures are made during training."""
    return bool(plan.config.sample.every or plan.config.sample.every_epochs)


def pictures(
    plan: Plan, model: Model, recipe: Recipe, *, wanted: ddim.Request, stop: Callable[[], bool] = never
) -> list[Image.Image]:
    """One picture per prompt, of the model as it is now; none where `stop()` came true meanwhile."""
    stride_px = plan.family.latent_stride_px
    return ddim.pictures(model, recipe.objective, recipe.path, request=wanted, stride_px=stride_px, stop=stop)


def without(
    plan: Plan,
    model: Model,
    recipe: Recipe,
    *,
    adapter: Attached,
    wanted: ddim.Request,
    stop: Callable[[], bool] = never,
) -> list[Image.Image]:
    """The same without the adapter. Raises StateError where it cannot be switched off."""
    adapter.enable(False)
    try:
        return pictures(plan, model, recipe, wanted=wanted, stop=stop)
    finally:
        adapter.enable(True)


def both(
    plan: Plan, model: Model, recipe: Recipe, *, adapter: Attached, wanted: ddim.Request
) -> tuple[list[Image.Image], list[Image.Image]]:
    """Pictures without and with the adapter, from the same noise."""
    before = without(plan, model, recipe, adapter=adapter, wanted=wanted)
    return before, pictures(plan, model, recipe, wanted=wanted)


def drawn(
    plan: Plan, columns: Sequence[tuple[str, Sequence[Image.Image]]], *, wanted: ddim.Request, title: str
) -> Image.Image:
    """The sheet with these columns, each a name and a picture per prompt."""
    names = tuple(name for name, _ in columns)
    rows = tuple(zip(*(made for _, made in columns), strict=True))
    footer = legend.footer(wanted.prompts, base_of(plan))
    return grid.render(grid.Sheet(title, footer, names, legend.rows(wanted.prompts), rows))


def base_of(plan: Plan) -> str:
    """What sheets call the base model."""
    return Path(plan.config.model.base).name or f"{plan.family.name}, random weights, so it paints noise"


def growing(plan: Plan, wanted: ddim.Request) -> Growing:
    """The sheet of this run."""
    return Growing(plan.output / "samples", wanted, plan.config.output.name, base_of(plan))


@dataclass(frozen=True)
class Growing:
    """The sheet of a run that goes on: a column for every step that pictures were made after, the newest right."""

    folder: Path
    wanted: ddim.Request
    name: str
    """Of the run, for the title."""
    base: str

    def begin(self, step: int) -> None:
        """Makes ready for a run that goes on from `step`: columns after it go, for those steps are done again.

        At step 0 every column goes. Columns of other prompts are put aside into `earlier-<number>`. Raises WriteError.
        """
        for name in ("step-*", GRID, "*.png"):
            remove_leftovers(self.folder, name)
        others = []
        for number in self._numbers():
            if number > step or step == 0:
                remove_folder(self._path(number))
            elif not self.has(number):
                others.append(number)
        if others:
            aside = self._free_name()
            make_folder(aside)
            for number in others:
                self._path(number).rename(aside / self._path(number).name)
        # The pictures before the first step are no sheet: they are kept for the one at the end, too.
        if any(self.steps()):
            self.draw()
        else:
            (self.folder / GRID).unlink(missing_ok=True)

    def steps(self) -> list[int]:
        """The columns that are there, in order."""
        return [number for number in self._numbers() if self.has(number)]

    def has(self, step: int) -> bool:
        """Whether this column is there and answers the request."""
        try:
            return (self._path(step) / _REQUEST).read_bytes() == _as_json(self.wanted)
        except OSError:
            return False

    def pictures(self, step: int) -> list[Image.Image] | None:
        """The pictures of a column, or None where it is not there whole."""
        if not self.has(step):
            return None
        found = []
        try:
            for row in range(len(self.wanted.prompts)):
                with Image.open(self._path(step) / f"{row:03d}.png") as picture:
                    found.append(picture.convert("RGB"))
        except (OSError, SyntaxError):
            return None
        return found

    def keep(self, step: int, made: Sequence[Image.Image]) -> Path:
        """Writes a column and returns its folder; 0 are the pictures before. Raises WriteError."""
        prompts = zip(self.wanted.prompts, made, strict=True)
        files = {
            f"{row:03d}.png": grid.png(picture, _facts(prompt, step)) for row, (prompt, picture) in enumerate(prompts)
        }
        write_folder(self._path(step), {**files, _REQUEST: _as_json(self.wanted)})
        return self._path(step)

    def add(self, step: int, made: Sequence[Image.Image]) -> Path:
        """Writes a column, draws the sheet anew and returns its path. Raises WriteError."""
        self.keep(step, made)
        return self.draw()

    def draw(self) -> Path:
        """Draws the sheet: all columns, or the first, the last and some evenly between. Raises WriteError."""
        steps = self.steps()
        shown = [steps[place] for place in spread(len(steps), MOST_COLUMNS)]
        read = ((number, self.pictures(number)) for number in shown)
        columns = [(str(number) if number else "before", made) for number, made in read if made is not None]
        path = self.folder / GRID
        if columns:
            title = f"{self.name}, step {steps[-1]}"
            sheet = self._sheet(columns, title=title, left_out=len(steps) - len(shown))
            write_file(path, grid.png(grid.render(sheet), [("Title", title)]))
        return path

    def _sheet(self, columns: Sequence[tuple[str, Sequence[Image.Image]]], *, title: str, left_out: int) -> grid.Sheet:
        more = f"{left_out} steps between are not shown; their pictures lie beside this sheet" if left_out else ""
        prompts = self.wanted.prompts
        return grid.Sheet(
            title,
            legend.footer(prompts, self.base, more=more),
            tuple(name for name, _ in columns),
            legend.rows(prompts),
            tuple(zip(*(made for _, made in columns), strict=True)),
            largest_px=max(_SMALLEST_PX, min(_LARGEST_PX, _ALL_COLUMNS_PX // len(columns))),
        )

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _numbers(self) -> list[int]:
        """Of all columns, whatever they answer."""
        if not self.folder.is_dir():
            return []
        matches = (_STEP.fullmatch(path.name) for path in self.folder.iterdir() if path.is_dir())
        return sorted(int(match[1]) for match in matches if match)

    def _free_name(self) -> Path:
        number = 1
        while (path := self.folder / f"{_ASIDE}-{number}").exists():
            number += 1
        return path


def spread(num: int, most: int) -> list[int]:
    """At most `most` places of 0..num-1: the first, the last, and others evenly between."""
    if num <= most:
        return list(range(num))
    return [round(place * (num - 1) / (most - 1)) for place in range(most)]


def _facts(prompt: Prompt, step: int) -> list[tuple[str, str]]:
    """What a picture's PNG says of it."""
    facts = {
        "prompt": prompt.text,
        "negative": prompt.negative,
        "seed": prompt.seed,
        "draw": prompt.draw,
        "sampler_steps": prompt.steps,
        "guidance": f"{prompt.guidance:g}",
        "step": step,
    }
    return [(name, str(value)) for name, value in facts.items()]


def _as_json(wanted: ddim.Request) -> bytes:
    return msgspec.json.format(msgspec.json.encode(wanted), indent=1) + b"\n"
