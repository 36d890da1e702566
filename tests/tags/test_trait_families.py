"""Fixed traits of a concept, found by family and frequency."""

from __future__ import annotations

import pytest

from datakit.tags.traits import Counts, Trait, family_of, find_traits

CATEGORIES = {"miku": "character", "wlop": "artist"}


def found(
    here: dict[str, int], num_here: int, elsewhere: dict[str, int] | None = None, num_elsewhere: int = 0, **how: float
) -> dict[str, Trait]:
    counts = Counts(here=here, num_here=num_here, elsewhere=elsewhere or {}, num_elsewhere=num_elsewhere)
    rows = find_traits(
        counts,
        at_least=how.get("at_least", 0.8),
        category_of=lambda tag: CATEGORIES.get(tag, "general" if len(tag) % 2 else ""),
        is_pruned={"fang"}.__contains__,
    )
    return {row.tag: row for row in rows}


@pytest.mark.parametrize(
    ("tag", "family"),
    [
        ("aqua_hair", "hair colour"),
        ("multicolored_hair", "hair colour"),
        ("very_long_hair", "hair length"),
        ("twintails", "hair style"),
        ("low_twintails", "hair style"),
        ("hair_between_eyes", "hair style"),
        ("blue_eyes", "eyes"),
        ("heterochromia", "eyes"),
        ("cat_ears", "animal parts"),
        ("fox_girl", "animal parts"),
        ("mole_under_eye", "face"),
        ("dark_skin", "skin"),
        ("large_breasts", "body"),
        *((tag, "") for tag in ("1girl", "2girls", "solo", "multiple_girls", "closed_eyes", "half-closed_eyes")),
        *((tag, "") for tag in ("floating_hair", "wet_hair", "holding_own_hair", "hand_in_own_hair", "magical_girl")),
        *((tag, "") for tag in ("fake_animal_ears", "pubic_hair", "smile", "school_uniform", "hair_bow", "sitting")),
        *((tag, "") for tag in ("looking_at_viewer", "covering_own_eyes", "long_sleeves", "rating_safe", "male_focus")),
    ],
)
def test_families(tag: str, family: str) -> None:
    assert family_of(tag) == family


def test_a_trait_is_of_a_family_and_in_nearly_all_pictures() -> None:
    rows = found(
        {"aqua_hair": 19, "twintails": 15, "1girl": 20, "necktie": 18, "miku": 20, "smile": 17, "fang": 20},
        20,
        {"1girl": 80, "smile": 60, "fang": 1},
        80,
    )
    assert {tag: row.kind for tag, row in rows.items()} == {
        "aqua_hair": "trait", "fang": "trait", "necktie": "particular", "1girl": "frequent", "smile": "frequent",
    }  # fmt: skip
    assert list(rows)[:2] == ["aqua_hair", "fang"]
    assert rows["aqua_hair"].share == 0.95
    assert rows["aqua_hair"].elsewhere == 0
    assert rows["aqua_hair"].lift == pytest.approx(19.5 / 21 * 81 / 0.5)
    assert rows["fang"].is_pruned
    assert not rows["aqua_hair"].is_pruned
    assert "twintails" in found({"twintails": 15}, 20, at_least=0.75)


def test_what_the_rest_has_oftener_is_no_trait() -> None:
    rows = found({"long_hair": 9}, 10, {"long_hair": 10}, 10)
    assert rows["long_hair"].kind == "frequent"
    assert found({"long_hair": 9}, 10, {"long_hair": 9}, 10)["long_hair"].kind == "trait"


def test_one_concept_alone_has_traits_and_no_lift() -> None:
    row = found({"long_hair": 9}, 10)["long_hair"]
    assert (row.kind, row.elsewhere, row.lift) == ("trait", None, None)


def test_few_items_say_nothing() -> None:
    assert found({"long_hair": 4}, 4)["long_hair"].kind == "frequent"
    assert found({"long_hair": 5}, 5)["long_hair"].kind == "trait"
