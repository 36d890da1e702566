"""Which tags describe what a concept always looks like, and not what it does in one picture.

Two things together make a fixed trait: the tag belongs to a family of such tags, and nearly all of the concept's
pictures have it. Poses, clothes, faces and backgrounds are in no family, however frequent they are: to bind them to a
trigger is a choice that only a person can make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, Literal

import msgspec

from datakit.tags.patterns import TagPatterns

Kind = Literal["trait", "particular", "frequent"]
MIN_ITEMS: Final = 5
"""Fewer items of a concept say nothing about what is fixed."""
PARTICULAR: Final = 2.0
"""Lift from which a tag of no family is the concept's own, such as a uniform."""
_COLOURS: Final = (
    *("aqua", "black", "blonde", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "silver"),
    *("white", "yellow", "dark_blue", "dark_green", "light_blue", "light_brown", "light_green", "light_purple"),
    *("amber", "dark_brown", "dark_red", "gold", "platinum_blonde", "multicolored", "two-tone", "gradient", "rainbow"),
)


def _coloured(*parts: str) -> tuple[str, ...]:
    return tuple(f"{colour}_{part}" for part in parts for colour in _COLOURS)


FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "hair colour": (*_coloured("hair"), "streaked_hair", "split-color_hair", "colored_inner_hair", "*_colored_hair"),
    "hair length": ("*long_hair", "*short_hair", "medium_hair", "bald", "big_hair"),
    "hair style": (
        *("bangs", "*_bangs", "ahoge", "antenna_hair", "sidelocks", "*_sidelocks", "*twintails", "*ponytail", "*braid"),
        *("*braids", "drill_hair", "*_drills", "hair_bun", "*_bun", "double_bun", "*_updo", "*_side_up", "hime_cut"),
        *("bob_cut", "*_cut", "wavy_hair", "curly_hair", "straight_hair", "spiked_hair", "messy_hair", "flipped_hair"),
        *("hair_between_eyes", "hair_over_one_eye", "hair_intakes", "hair_flaps", "curtained_hair", "pointy_hair"),
        *("asymmetrical_hair", "tentacle_hair", "parted_hair", "mohawk", "afro", "dreadlocks", "widow's_peak"),
        *("short_hair_with_long_locks", "cornrows", "side_shave", "undercut", "hair_rings", "hair_ears"),
    ),
    "eyes": (
        *_coloured("eyes", "pupils"),
        *("heterochromia", "*-shaped_pupils", "slit_pupils", "white_pupils", "ringed_eyes", "third_eye", "tsurime"),
        *("tareme", "jitome", "sanpaku", "solid_circle_eyes", "solid_oval_eyes", "bags_under_eyes", "extra_eyes"),
        *("colored_sclera", "black_sclera", "mechanical_eye", "no_eyes", "one-eyed", "cyclops"),
    ),
    "face": (
        *("mole", "mole_*", "freckles", "scar", "scar_*", "facial_mark", "forehead_mark", "whisker_markings", "fang"),
        *("fangs", "skin_fang", "skin_fangs", "sharp_teeth", "thick_eyebrows", "short_eyebrows", "forked_eyebrows"),
        *("colored_eyelashes", "facial_hair", "*beard", "mustache", "*_mustache", "stubble", "goatee", "sideburns"),
        *("facial_tattoo", "long_eyelashes", "dark-skinned_*"),
    ),
    "skin": (*_coloured("skin"), "dark_skin", "very_dark_skin", "pale_skin", "colored_skin", "tattoo", "*_tattoo"),
    "animal parts": (
        *("animal_ears", "*_ears", "tail", "*_tail", "horns", "*_horns", "single_horn", "wings", "*_wings", "halo"),
        *("antennae", "gills", "scales", "hooves", "*_girl", "*_boy", "furry_female", "furry_male"),
        *("elf", "fairy", "oni", "harpy", "lamia", "centaur", "mermaid", "robot", "android", "robot_joints"),
    ),
    "body": (
        *("flat_chest", "breasts", "small_breasts", "medium_breasts", "large_breasts", "huge_breasts"),
        *("gigantic_breasts", "muscular", "muscular_female", "muscular_male", "plump", "fat", "petite", "tall_female"),
        *("mechanical_arms", "mechanical_legs", "prosthetic_arm", "prosthetic_leg", "missing_limb", "cyborg"),
    ),
}
"""Family → its tags and patterns of tags."""
NEVER: Final = (
    *("fake_*", "anal_tail", "no_tail", "no_wings", "spread_wings", "magical_*", "paper_cut", "diamond_cut"),
    *("holding_*", "hand_*", "hands_*", "hiding_*", "covering_*", "alternate_*", "wet_hair", "floating_hair"),
    *("heart-shaped_pupils", "star-shaped_pupils", "constricted_pupils", "wiping_tears", "scar_removed"),
    *("solo", "solo_focus", "multiple_*", "*_focus", "1girl", "1boy", "1other", "gym_*", "pubic_*", "*_pubic_hair"),
)
"""In no family, whatever the patterns say."""


class Trait(msgspec.Struct, frozen=True, kw_only=True):
    """A frequent tag of a concept."""

    tag: str
    kind: Kind
    """`trait`: a fixed trait, as far as frequency and family tell. `particular`: the concept's own, but of no such
    family: clothes, or what its pictures have in common. `frequent`: neither."""
    count: int
    """Items of the concept that have it."""
    share: float
    """Of the concept's items, 0 to 1."""
    elsewhere: float | None
    """Of all other items; None where there are none."""
    lift: float | None
    """How many times as often as elsewhere, each count taken half an item larger; None where nothing is elsewhere."""
    family: str = ""
    """Of FAMILIES; '' for none."""
    is_pruned: bool = False
    """Whether `[cleaned.prune]` takes it out already."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How often tags occur in a concept, and in everything else."""

    here: Mapping[str, int]
    num_here: int
    elsewhere: Mapping[str, int]
    num_elsewhere: int


def find_traits(
    counts: Counts, *, at_least: float, category_of: Callable[[str], str], is_pruned: Callable[[str], bool]
) -> list[Trait]:
    """The tags that at least so many of a concept's items have: traits first, each kind by lift and share.

    Args:
        counts: of tags.
        at_least: the share of items, 0 to 1.
        category_of: a tag's category, '' for one that nobody knows; only general tags are looked at.
        is_pruned: whether a tag is taken out already.
    """
    found = []
    for tag, count in counts.here.items():
        share = count / counts.num_here
        if share < at_least or category_of(tag) not in ("general", ""):
            continue
        other = counts.elsewhere.get(tag, 0) / counts.num_elsewhere if counts.num_elsewhere else None
        lift = _lift(counts, tag) if counts.num_elsewhere else None
        family = family_of(tag)
        kind: Kind = "particular" if lift is not None and lift >= PARTICULAR else "frequent"
        if family:
            kind = "trait" if counts.num_here >= MIN_ITEMS and share >= (other or 0) else "frequent"
        found.append(
            Trait(
                tag=tag, kind=kind, count=count, share=share, elsewhere=other, lift=lift, family=family,
                is_pruned=is_pruned(tag),
            )
        )  # fmt: skip
    order: tuple[Kind, ...] = ("trait", "particular", "frequent")
    return sorted(found, key=lambda one: (order.index(one.kind), -(one.lift or 0), -one.share, one.tag))


@cache
def _families() -> tuple[TagPatterns, Mapping[str, TagPatterns]]:
    return TagPatterns(NEVER), {name: TagPatterns(tags) for name, tags in FAMILIES.items()}


def family_of(tag: str) -> str:
    """The family of identity traits that a tag belongs to; '' for one of none."""
    never, families = _families()
    return "" if tag in never else next((name for name, tags in families.items() if tag in tags), "")


def _lift(counts: Counts, tag: str) -> float:
    here = (counts.here[tag] + 0.5) / (counts.num_here + 1)
    return here * (counts.num_elsewhere + 1) / (counts.elsewhere.get(tag, 0) + 0.5)
