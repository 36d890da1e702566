"""DreamBooth's regularization pictures: what the base model makes of a class prompt, without any adapter.

Ruiz et al. 2023 (arXiv 2208.12242), section 3.2: trained beside the subject's pictures, they keep what the model
knew of the class. A picture follows from (seed, its number) and the settings alone, and says so in its PNG text;
its caption lies beside it. A folder that was begun is finished: whole pictures of the same request are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from PIL import Image

from trainer import assembling
from trainer.atomic import make_folder, remove_leftovers, write_file
from trainer.contracts.model import Model
from trainer.contracts.objective import NoisePath, Objective
from trainer.data.wildcards import chosen
from trainer.errors import InterruptedRun, StateError
from trainer.lock import exclusive
from trainer.memory.placing import using
from trainer.plan import Plan
from trainer.registry import OBJECTIVES
from trainer.sampling import batches, ddim, grid
from trainer.sampling.batches import Brush
from trainer.sampling.prompts import Prompt
from trainer.seeds import seed_for, unit
from trainer.tools.asking import ClassRequest

MARK, SUBSET = "classgen.json", "dataset.toml"
"""Files of the folder beside the pictures: what they are, and how they are trained with."""
GENERATOR = "dsk classgen"
_SLUG_LETTERS = 40


@dataclass(frozen=True)
class Painter:
    """A base model, ready to be asked."""

    model: Model
    objective: Objective
    path: NoisePath
    stride_px: int
    base: str
    """How the pictures' texts call it."""


@dataclass(frozen=True)
class Wanted:
    """One picture to be made."""

    number: int
    """From 1."""
    prompt: str
    size_px: tuple[int, int]
    seed: int
    """With it `sample` makes the same picture."""

    @property
    def name(self) -> str:
        """Of its files, without extension."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.prompt.lower())[:_SLUG_LETTERS].strip("-")
        return f"{slug or 'picture'}_{self.number:04}"


@dataclass(frozen=True)
class Made:
    """What a folder holds now."""

    new: int
    kept: int


def wanted(request: ClassRequest) -> list[Wanted]:
    """Every picture of a request: the first ones of a longer request are those of a shorter one."""
    made = []
    for place in range(request.count):
        number = place + 1
        prompt = request.prompts[place % len(request.prompts)]
        drawn = chosen(prompt, partial(unit, request.seed, number, "choice"))
        size_px = request.sizes_px[place // len(request.prompts) % len(request.sizes_px)]
        made.append(Wanted(number, drawn, size_px, seed_for(request.seed, number, "class") >> 31))
    return made


def painter(made: Plan) -> Painter:
    """Loads the base. Raises ConfigError, BaseModelError."""
    objective = OBJECTIVES.load(made.objective, field="objective.name")
    noise_path = objective.path(made.zero_terminal_snr)
    given = made.config.model
    base = Path(given.base).name or f"{made.family.name}, random weights of seed {given.seed}"
    return Painter(assembling.load_model(made), objective, noise_path, made.family.latent_stride_px, base)


def make(
    painter: Painter, request: ClassRequest, *, folder: Path, stop: Callable[[], bool], tell: Callable[[int], None]
) -> Made:
    """Writes what the folder lacks; `tell` hears of each new picture's number.

    Raises StateError where another request's pictures lie there, InterruptedRun where `stop` says so, WriteError.
    """
    make_folder(folder)
    with exclusive(folder), using(painter.model, (*painter.model.parts, "vae")):
        for name in ("*.png", "*.txt", MARK, SUBSET):
            remove_leftovers(folder, name)
        every = wanted(request)
        todo = [one for one in every if not _is_there(folder, one, facts=_facts(painter, request, one))]
        done = 0
        for batch in _batches(todo, request.batch_size):
            if stop():
                left = len(todo) - done
                raise InterruptedRun(f"stopped, {left} pictures to go", hint="the same command goes on")
            for one, picture in zip(batch, _paint(painter, request, batch), strict=True):
                _write(folder, one, picture, facts=_facts(painter, request, one))
                done += 1
                tell(one.number)
        _describe(painter, request, folder, every=every)
    return Made(done, len(every) - done)


def _facts(painter: Painter, request: ClassRequest, one: Wanted) -> dict[str, str]:
    """What decides the picture, as its PNG says it."""
    return {
        "Software": GENERATOR,
        "prompt": one.prompt,
        "negative": request.negative,
        "seed": str(one.seed),
        "steps": str(request.steps),
        "guidance": f"{request.guidance:g}",
        "objective": painter.objective.name,
        "base": painter.base,
    }


def _is_there(folder: Path, one: Wanted, *, facts: dict[str, str]) -> bool:
    path = folder / f"{one.name}.png"
    try:
        with Image.open(path) as picture:
            picture.load()
            said, size_px = dict(getattr(picture, "text", {})), picture.size
    except FileNotFoundError:
        return False
    except (OSError, SyntaxError):
        return False  # cut short: it is made again
    if said != facts or size_px != one.size_px:
        differing = next((name for name in facts if said.get(name) != facts[name]), "size")
        raise StateError(
            f"{path}: is a picture of another request (its {differing} differs)",
            hint="choose another folder with --out",
        )
    try:
        return path.with_suffix(".txt").read_text("utf-8") == one.prompt
    except (OSError, UnicodeDecodeError):
        return False


def _batches(todo: Sequence[Wanted], size: int) -> Iterator[list[Wanted]]:
    """Pictures of one size."""
    by_size = sorted(todo, key=lambda one: one.size_px)
    for _, group in groupby(by_size, key=lambda one: one.size_px):
        rows = list(group)
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _paint(painter: Painter, request: ClassRequest, batch: Sequence[Wanted]) -> list[Image.Image]:
    """One picture for each, in their order."""
    brush = Brush(painter.model, painter.objective, painter.path, painter.stride_px)
    prompts = [
        Prompt(one.prompt, request.negative, one.size_px, request.steps, request.guidance, one.seed) for one in batch
    ]
    texts = batches.read(painter.model, prompts)
    pictures: dict[int, Image.Image] = {}
    for rows in batches.alike(prompts, texts, size=len(prompts)):
        made = batches.pixels(brush, [prompts[row] for row in rows], texts)
        pictures |= zip(rows, map(ddim.to_picture, made), strict=True)
    return [pictures[row] for row in range(len(batch))]


def _write(folder: Path, one: Wanted, picture: Image.Image, *, facts: dict[str, str]) -> None:
    # The caption first: a picture that is there has one.
    write_file(folder / f"{one.name}.txt", one.prompt.encode(), durable=False)
    write_file(folder / f"{one.name}.png", grid.png(picture, list(facts.items())), durable=False)


def _describe(painter: Painter, request: ClassRequest, folder: Path, *, every: Sequence[Wanted]) -> None:
    told = {
        f"{one.name}.png": {name: value for name, value in _facts(painter, request, one).items() if name != "Software"}
        for one in every
    }
    mark = {"generator": GENERATOR, "pictures": told}
    write_file(folder / MARK, (json.dumps(mark, ensure_ascii=False, indent=1) + "\n").encode())
    write_file(folder / SUBSET, subset(folder, every[0].prompt).encode())


def subset(folder: Path, class_tokens: str) -> str:
    """The rows of a dataset TOML that train beside others with these pictures."""
    rows = {"image_dir": str(folder.absolute()), "class_tokens": class_tokens, "caption_extension": ".txt"}
    text = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in rows.items()]
    return "\n".join(["[[datasets]]", "[[datasets.subsets]]", *text, "is_reg = true", "num_repeats = 1", ""])
