"""The sheet of pictures before and after, for adapters that can be switched off and for networks that changed.

Where the change cannot be taken back, the pictures before it are made at the start and kept, as PNG, beside the
request that they answer.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from trainer.atomic import remove_folder, write_folder
from trainer.contracts.adapter import Attached
from trainer.contracts.model import Model
from trainer.plan import Plan
from trainer.recipe import Recipe
from trainer.sampling import ddim, grid

_REQUEST = "request.txt"


def request(plan: Plan) -> ddim.Request:
    """The sample pictures that the config asks for."""
    wanted = plan.config.sample
    return ddim.Request(
        plan.prompts(),
        wanted.negative,
        plan.sample_size_px,
        wanted.steps,
        wanted.guidance,
        wanted.seed,
        wanted.guidance_rescale,
    )


def pictures(plan: Plan, model: Model, recipe: Recipe, *, wanted: ddim.Request) -> list[Image.Image]:
    """One picture per prompt, of the model as it is now."""
    return ddim.pictures(model, recipe.objective, recipe.path, request=wanted, stride_px=plan.family.latent_stride_px)


def both(
    plan: Plan, model: Model, recipe: Recipe, *, adapter: Attached, wanted: ddim.Request
) -> tuple[list[Image.Image], list[Image.Image]]:
    """Pictures without and with the adapter, from the same noise."""
    adapter.enable(False)
    before = pictures(plan, model, recipe, wanted=wanted)
    adapter.enable(True)
    return before, pictures(plan, model, recipe, wanted=wanted)


def drawn(
    plan: Plan, columns: Sequence[tuple[str, Sequence[Image.Image]]], *, wanted: ddim.Request, title: str
) -> Image.Image:
    """The sheet with these columns, each a name and a picture per prompt."""
    base = Path(plan.config.model.base).name or f"{plan.family.name}, random weights, so it paints noise"
    footer = f"base: {base}   seed {wanted.seed}   {wanted.steps} steps   guidance {wanted.guidance:g}"
    rows = tuple(zip(*(made for _, made in columns), strict=True))
    return grid.render(grid.Sheet(title, footer, tuple(name for name, _ in columns), wanted.prompts, rows))


def keep(folder: Path, made: Sequence[Image.Image], wanted: ddim.Request) -> None:
    """Writes the pictures before the first step, and what was asked. Raises WriteError."""
    files = {f"{number:03d}.png": _png(picture) for number, picture in enumerate(made)}
    if folder.is_dir():
        remove_folder(folder)
    write_folder(folder, {**files, _REQUEST: repr(wanted).encode()})


def kept(folder: Path, wanted: ddim.Request) -> list[Image.Image] | None:
    """The pictures of `keep`, or None where there are none that answer this request."""
    try:
        if (folder / _REQUEST).read_text("utf-8") != repr(wanted):
            return None
        found = []
        for path in sorted(folder.glob("*.png")):
            with Image.open(path) as picture:
                found.append(picture.convert("RGB"))
    except OSError:
        return None
    return found if len(found) == len(wanted.prompts) else None


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
