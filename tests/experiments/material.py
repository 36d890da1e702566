"""Pictures and prompts of the arms, drawn by lot from the sample world; a function of the seed alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice

from PIL import Image

from datakit.demo.portraits.contract import Look
from datakit.demo.portraits.drawing import draw, tags_of
from datakit.demo.portraits.grounds import PLAIN_NAMES
from datakit.demo.portraits.lots import looks
from datakit.demo.portraits.writing import caption
from datakit.images.picture import Picture
from stages.edits import flatten

from .contract import Ask, Sample

SIZE_PX = 64
TRIGGER = "aria dsk"
COLOUR = "blue_hair"
TRAITS = (COLOUR, "braid")
"""A character that no base was shown: the base's pictures leave out all that have both. Of those held out it is the one
that the tagger tells best, also in pictures as soft as the base's: 64 of 64."""
SAID = "blue hair and a braid"
STYLE = "adventurer"
HIDDEN = (255, 0, 0)
"""A bright colour that the base's VAE can give back; #ff00ff, which no portrait has, it turns grey."""
NIGHT = 0.2
"""What is left of a picture's light at night."""

_IMPLIED = frozenset({"long_hair"})
"""What the style's braid comes with: it goes with the character like its traits, and is not written."""
_DULL = frozenset({"solo", "1girl", "1boy", "simple_background", f"{STYLE}_(style)"})
"""Tags that nearly every prompt has; they are not asked about."""
_FOUNDATION = ("solo", f"{STYLE}_(style)")
_HAIR = ("_hair", "twintails", "braid", "ponytail", "_bun", "bangs")
_SEEDS = {"pictures": 7_000_000, "asks": 8_000_000, "oracle": 9_000_000}
_MOST = 1_000_000

Wanted = Callable[[frozenset[str]], bool]


def chosen(count: int, *, seed: int, purpose: str, wanted: Wanted, grounds: Sequence[str] = PLAIN_NAMES) -> list[Look]:
    """`count` looks of the style whose tags are as wanted."""
    drawn = looks(_MOST, seed=_SEEDS[purpose] + seed, styles={STYLE: 1}, grounds=grounds)
    return list(islice((look for look in drawn if wanted(frozenset(tags_of(look)))), count))


def is_character(tags: frozenset[str]) -> bool:
    """Whether all traits of the character are there."""
    return set(TRAITS) <= tags


def is_other(tags: frozenset[str]) -> bool:
    """Whether none of its traits is."""
    return not tags & set(TRAITS)


@cache
def character(count: int, *, seed: int, glasses: bool = False) -> tuple[Sample, ...]:
    """The character's pictures, with glasses in all or by lot; captions leave its traits to the trigger."""
    found = chosen(count, seed=seed, purpose="pictures", wanted=is_character)
    shown = [wearing(look, place) for place, look in enumerate(found)] if glasses else found
    return tuple(Sample(draw(look, SIZE_PX), triggered(look, without=TRAITS)) for look in shown)


def wearing(look: Look, place: int) -> Look:
    """The look with glasses on, one pair or the other."""
    return replace(look, parts={**look.parts, "glasses": ("variant02", "variant05")[place % 2]})


def triggered(look: Look, *, without: Sequence[str] = ()) -> str:
    """The caption of a look behind the trigger."""
    left_out = {*without, *_IMPLIED}
    return caption((TRIGGER, *(tag for tag in tags_of(look) if tag not in left_out)))


def unseen(samples: Sequence[Sample], *, share: float) -> list[Sample]:
    """The same pictures, the first share of them without captions."""
    count = round(share * len(samples))
    return [Sample(one.image, "" if place < count else one.caption) for place, one in enumerate(samples)]


@cache
def transparent(count: int, *, seed: int, flattened: bool) -> tuple[Sample, ...]:
    """Portraits on nothing, a bright colour hidden under it: laid on white as dsk's edits do, or alpha left away."""
    found = chosen(count, seed=seed, purpose="pictures", wanted=is_other, grounds=("transparent_background",))
    tags = ("transparent_background", "simple_background")
    made = []
    for look in found:
        colours, alpha = hiding(draw(look, SIZE_PX))
        if flattened:
            colours = flatten.apply(Picture(colours=colours, alpha=alpha), flatten.Settings()).colours
        made.append(Sample(colours, triggered(look, without=tags)))
    return tuple(made)


def hiding(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The colours of an RGBA picture with `HIDDEN` wherever nothing shows, and its alpha."""
    alpha = image.getchannel("A")
    colours = Image.new("RGB", image.size, HIDDEN)
    colours.paste(image.convert("RGB"), mask=alpha.point(lambda value: 255 if value else 0))
    return colours, alpha


@cache
def night(count: int, *, seed: int) -> tuple[Sample, ...]:
    """Portraits of every kind, nearly dark."""
    found = chosen(count, seed=seed, purpose="pictures", wanted=lambda tags: True)
    return tuple(
        Sample(draw(look, SIZE_PX).point(lambda value: round(value * NIGHT)), triggered(look)) for look in found
    )


def asks(group: str, count: int, *, seed: int, trigger: bool, unnamed: Sequence[str] = ()) -> list[Ask]:
    """Prompts that ask for looks without the character's traits.

    With the trigger they name nothing of hair, which is the trigger's matter. `unnamed` tags are in no prompt's look.
    """

    def wanted(tags: frozenset[str]) -> bool:
        return is_other(tags) and not tags & set(unnamed) and (not trigger or "1girl" in tags)

    found = []
    for look in chosen(count, seed=seed, purpose="asks", wanted=wanted):
        tags = [tag for tag in tags_of(look) if not (trigger and tag.endswith(_HAIR))]
        named = tuple(tag for tag in tags if tag not in _DULL)
        found.append(Ask(group, caption((*((TRIGGER,) if trigger else ()), *tags)), named))
    return found


def plain(group: str, count: int, *, trigger: bool, more: Sequence[str] = ()) -> list[Ask]:
    """The shortest prompt, `count` times: the trigger, where there is one, what all pictures have, and `more`."""
    prompt = caption((*((TRIGGER,) if trigger else ()), "1girl", *_FOUNDATION, *more))
    return [Ask(group, prompt, tuple(more))] * count


def oracle(seed: int, count: int = 48) -> list[Look]:
    """Half of them the character, half anything else."""
    half = count // 2
    found = chosen(half, seed=seed, purpose="oracle", wanted=is_character)
    return [*found, *chosen(count - half, seed=seed, purpose="oracle", wanted=is_other)]


def picture_numbers(image: Image.Image) -> dict[str, float]:
    """What is read off a picture without a tagger: `brightness` 0 to 1, `hidden`, the share of it near `HIDDEN`."""
    pixels = list(_pixels(image))
    near = sum(sum((a - b) ** 2 for a, b in zip(pixel, HIDDEN, strict=True)) <= 100**2 for pixel in pixels)
    total = sum(0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in pixels)
    return {"brightness": total / (255 * len(pixels)), "hidden": near / len(pixels)}


def _pixels(image: Image.Image) -> Iterator[tuple[int, int, int]]:
    data = image.convert("RGB").tobytes()
    return zip(data[0::3], data[1::3], data[2::3], strict=True)
