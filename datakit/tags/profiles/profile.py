"""Prompt profiles: how a family of models wants its prompts, as data.

A profile is a TOML file: the order in which the parts of a prompt come (`order`), and the words that it has for
rating, year and quality. Those of `datakit/tags/profiles/` are built in; a dataset's own lie in `vocab/profiles/`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from math import isfinite
from typing import Any, Final, Literal, get_args

import msgspec

from datakit.config import check_keys, decode
from datakit.errors import ConfigError
from datakit.registry import nearest
from datakit.tags.names import to_canonical

Category = Literal["artist", "character", "copyright", "species", "general", "meta"]
Word = Literal["extra", "quality", "rating", "year"]
Slot = Literal["trigger", "people", Category, Word, "separator"]
Measure = Literal["favorites", "score"]

WORDS: Final[tuple[Word, ...]] = get_args(Word)
"""Slots that a profile has words of its own for."""
PEOPLE: Final = tuple(
    name
    for one, some in (("girl", "girls"), ("boy", "boys"), ("other", "others"))
    for name in (f"1{one}", *(f"{number}{some}" for number in ("2", "3", "4", "5", "6+")), f"multiple_{some}")
)
"""How many people there are: Danbooru's tags (KohakuBlueleaf/HakuBooru:hakubooru/metainfo.py)."""
_YEAR: Final = "{year}"
_SEPARATES: Final = re.compile(r"[,\r\n]")


class Affixes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written before, or behind, each tag of a category."""

    artist: str = ""
    character: str = ""
    copyright: str = ""
    species: str = ""
    general: str = ""
    meta: str = ""


class Dropped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By category, what a tag's name contains that is left out; with spaces or underscores."""

    artist: tuple[str, ...] = ()
    character: tuple[str, ...] = ()
    copyright: tuple[str, ...] = ()
    species: tuple[str, ...] = ()
    general: tuple[str, ...] = ()
    meta: tuple[str, ...] = ()


class SiteWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words for what comes from one site, in the place of those for all."""

    site: str
    words: tuple[str, ...]


class Extra(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words that every prompt has."""

    words: tuple[str, ...] = ()
    sites: tuple[SiteWords, ...] = ()


class Ratings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words for each rating; a post without a rating gets none."""

    general: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    questionable: tuple[str, ...] = ()
    explicit: tuple[str, ...] = ()


class Years(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words for posts of the years `first` to `last`."""

    words: tuple[str, ...]
    first: int = 0
    last: int = 9999

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"the years {self.first} to {self.last} are none")


class Year(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words for when a post was made; one without a date gets none."""

    template: str = ""
    """Such as `year {year}`."""
    ranges: tuple[Years, ...] = ()

    def __post_init__(self) -> None:
        if self.template and _YEAR not in self.template:
            raise ValueError(f"template '{self.template}' has no {_YEAR}")

    def word(self, year: int) -> str:
        """The template's word for a year."""
        return self.template.replace(_YEAR, f"{year:04}")


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words for the posts above a bound, up to that of the level before."""

    words: tuple[str, ...]
    above: float | None = None
    """None for all that are left: the last level."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For each rating, the value that each level with a bound begins above; `all` is for ratings that have none."""

    general: tuple[float, ...] = ()
    sensitive: tuple[float, ...] = ()
    questionable: tuple[float, ...] = ()
    explicit: tuple[float, ...] = ()
    all: tuple[float, ...] = ()

    def of(self, rating: str) -> tuple[float, ...]:
        """Those of a rating; empty where there are none."""
        own: tuple[float, ...] = getattr(self, rating, ()) if rating in Ratings.__struct_fields__ else ()
        return own or self.all


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words for how a post was received."""

    measure: tuple[Measure, ...] = ("favorites", "score")
    """The first of these that a post has."""
    scale: Literal["percentile", "value"] = "percentile"
    """What `above` counts: the place among the dataset's posts, 0 to 100, or the measure itself."""
    by: tuple[Literal["site", "rating"], ...] = ("site",)
    """Only posts that have these in common are compared."""
    half_life_days: float = 0
    """How much older than the newest post halves a measure; 0: age plays no part."""
    min_posts: int = 20
    """Fewer are not compared: `fallback` holds, or there is no word."""
    cumulative: bool = False
    """Whether a post also gets the words of the levels below its own."""
    levels: tuple[Level, ...] = ()
    """Highest first."""
    fallback: Bounds = Bounds()

    def __post_init__(self) -> None:
        bounds = [level.above for level in self.levels]
        if None in bounds[:-1]:
            raise ValueError("only the last level goes without 'above'")
        numbers = [bound for bound in bounds if bound is not None]
        if not all(map(isfinite, (*numbers, self.half_life_days))):
            raise ValueError("'above' and half_life_days are plain numbers")
        if self.scale == "percentile" and not all(0 <= number < 100 for number in numbers):
            raise ValueError("of a percentile, 'above' is at least 0 and less than 100")
        if any(high <= low for high, low in pairwise(numbers)):
            raise ValueError("levels: the highest 'above' comes first, and none twice")
        for rating in Bounds.__struct_fields__:
            values = getattr(self.fallback, rating)
            if values and (len(values) != len(numbers) or any(high < low for high, low in pairwise(values))):
                raise ValueError(f"fallback.{rating} needs {len(numbers)} numbers, one a level, highest first")
        if not self.measure or self.min_posts < 1 or self.half_life_days < 0:
            raise ValueError("measure names one at least, min_posts is 1 or more, half_life_days 0 or more")


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How prompts are written."""

    order: tuple[Slot, ...]
    """What comes after what. Tags of a category that is not named stand with the general ones."""
    summary: str = ""
    """One line for lists."""
    people: tuple[str, ...] = PEOPLE
    """Tags of the slot `people`, in their order."""
    prefix: Affixes = Affixes()
    suffix: Affixes = Affixes()
    drop: Dropped = Dropped()
    keep_underscores: tuple[str, ...] = ()
    """Tags that are never written with spaces; the profile's own words are written as they stand here anyway."""
    separator: str = "|||"
    """What the slot `separator` writes."""
    extra: Extra = Extra()
    rating: Ratings = Ratings()
    year: Year = Year()
    quality: Quality = Quality()

    def __post_init__(self) -> None:
        twice = next((slot for slot in self.order if self.order.count(slot) > 1), "")
        if twice:
            raise ValueError(f"order has '{twice}' twice")
        for slot in ("trigger", "general"):
            if slot not in self.order:
                raise ValueError(f"order lacks '{slot}'")
        bad = next((text for text in self._texts() if _SEPARATES.search(text) or not to_canonical(text)), None)
        if bad is not None:
            raise ValueError(f"'{bad}' is no single word for a prompt: it is empty, or has a comma or a line's end")
        if not all(part for name in get_args(Category) for part in getattr(self.drop, name)):
            raise ValueError("drop has an empty text, which is in every tag's name")
        affixes = (getattr(part, name) for part in (self.prefix, self.suffix) for name in part.__struct_fields__)
        if any(_SEPARATES.search(text) for text in affixes):
            raise ValueError("a prefix or suffix has a comma or a line's end")

    def _texts(self) -> Iterator[str]:
        yield self.separator
        yield from filter(None, (self.year.template,))
        yield from (*self.people, *self.keep_underscores)
        for slot in WORDS:
            yield from self.words_of(slot)

    def words_of(self, slot: Word) -> Iterator[str]:
        """Every word that the profile may write in a slot; of a template the words of no year."""
        if slot == "extra":
            yield from self.extra.words
            yield from (word for site in self.extra.sites for word in site.words)
        elif slot == "rating":
            yield from (word for rating in Ratings.__struct_fields__ for word in getattr(self.rating, rating))
        elif slot == "year":
            yield from (word for years in self.year.ranges for word in years.words)
        else:
            yield from (word for level in self.quality.levels for word in level.words)

    @cached_property
    def spelling(self) -> dict[str, str]:
        """Canonical name → how it is written, of what is not written as other tags are."""
        words = [*self.keep_underscores, *(word for slot in WORDS for word in self.words_of(slot))]
        return {to_canonical(word): word for word in reversed(words)}

    @cached_property
    def slots(self) -> dict[str, Word]:
        """Canonical name → slot, of the profile's own words."""
        return {to_canonical(word): slot for slot in WORDS if slot in self.order for word in self.words_of(slot)}

    @cached_property
    def places(self) -> dict[str, Slot]:
        """Category → slot of its tags."""
        return {name: name if name in self.order else "general" for name in get_args(Category)}

    @cached_property
    def affixes(self) -> dict[str, tuple[str, str]]:
        """Category → what is written before and behind its tags, of those that have something."""
        found = {name: (getattr(self.prefix, name), getattr(self.suffix, name)) for name in get_args(Category)}
        return {name: both for name, both in found.items() if any(both)}

    @cached_property
    def drops(self) -> bool:
        """Whether any tag is left out."""
        return self.drop != Dropped()

    @cached_property
    def _dropped(self) -> dict[str, dict[str, str]]:
        """Category → as it stands in canonical names → as it is written in `drop`."""
        parts = {name: getattr(self.drop, name) for name in get_args(Category)}
        return {name: {part.lower().replace(" ", "_"): part for part in some} for name, some in parts.items() if some}

    @cached_property
    def asks_categories(self) -> bool:
        """Whether it matters which category a tag is of, or where it comes from."""
        sorts = set(self.places.values()) != {"general"} or bool(self.affixes) or self.drops
        return sorts or any(slot in self.order for slot in WORDS)

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Canonical name → place, of the tags that count people."""
        return {to_canonical(tag): place for place, tag in enumerate(self.people)} if "people" in self.order else {}

    @cached_property
    def _year_word(self) -> re.Pattern[str] | None:
        if not self.year.template or "year" not in self.order:
            return None
        before, _, behind = to_canonical(self.year.word(0)).partition("0000")
        return re.compile(f"{re.escape(before)}[0-9]{{4}}{re.escape(behind)}")

    def word_slot(self, tag: str) -> Word | None:
        """The slot of a tag that is one of the profile's own words."""
        if tag in self.slots:
            return self.slots[tag]
        return "year" if self._year_word is not None and self._year_word.fullmatch(tag) else None

    def dropped_for(self, tag: str, category: str) -> str:
        """What a tag's name contains that the profile leaves out; ''."""
        parts = self._dropped.get(category)
        return next((part for name, part in parts.items() if name in tag), "") if parts else ""

    @property
    def needs_ranking(self) -> bool:
        """Whether a prompt depends on the other posts of the dataset."""
        is_asked = "quality" in self.order and bool(self.quality.levels)
        return is_asked and (self.quality.scale == "percentile" or self.quality.half_life_days > 0)


PLAIN: Final = Profile(order=("trigger", "general"))
"""The trigger and the tags in their order: the built-in profile `plain`."""


def parse_profile(text: str, name: str) -> Profile:
    """A profile from its TOML; `name` is for messages, which name a dataset's own file: none built in is wrong.

    Raises:
        ConfigError: not TOML, an unknown key (the nearest is named), or a value that is wrong.
    """
    where = f"vocab/profiles/{name}.toml"
    try:
        table = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not valid TOML: {error}", hint="correct that line") from error
    _check_rows(table, where)
    if isinstance(slots := table.get("order"), list):
        _check_slots(slots, where)
    return decode(table, Profile, where=where)


def _check_rows(table: dict[str, Any], where: str) -> None:
    for section, name, kind in (("quality", "levels", Level), ("year", "ranges", Years), ("extra", "sites", SiteWords)):
        inner = table.get(section)
        rows = inner.get(name) if isinstance(inner, dict) else None
        for number, row in enumerate(rows if isinstance(rows, list) else (), 1):
            if isinstance(row, dict):
                check_keys(row, list(kind.__struct_fields__), where=f"{where} {section}.{name}, entry {number}")


def _check_slots(slots: Iterable[object], where: str) -> None:
    known: list[str] = list(get_args(Slot))
    for slot in slots:
        if slot not in known:
            like = nearest(str(slot), known)
            hint = f"did you mean '{like}'?" if like else f"known are: {', '.join(known)}"
            raise ConfigError(f"{where}: order: there is no '{slot}'", hint=hint)
