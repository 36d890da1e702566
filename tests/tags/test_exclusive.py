"""Tags that cannot be true together."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from datakit.tags.exclusive import NEVER_WITH, ONE_OF, conflicts, rivals_of

DANBOORU = Path(__file__).parents[3] / "shared" / "data" / "danbooru.csv"
RIVALS = rivals_of()


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("1girl solo", []),
        ("1girl 1boy", []),
        ("1girl 2boys", []),
        ("2girls multiple_girls", []),
        ("2girls multiple_girls 1boy solo_focus", []),
        ("1girl 2girls", [("1girl", "2girls")]),
        ("hat 6+girls coat 5girls", [("6+girls", "5girls")]),
        ("solo 3boys", [("solo", "3boys")]),
        ("solo multiple_others", [("solo", "multiple_others")]),
        ("1boy multiple_boys", [("1boy", "multiple_boys")]),
        ("no_humans 1girl solo", [("no_humans", "1girl")]),
        ("solo solo_focus", [("solo", "solo_focus")]),
        ("highres lowres", [("highres", "lowres")]),
        ("1girl 2girls solo", [("1girl", "2girls"), ("2girls", "solo")]),
        ("", []),
    ],
)
def test_conflicts(tags: str, found: list[tuple[str, str]]) -> None:
    assert conflicts(tags.split(), RIVALS) == found


def test_rows_of_ones_own() -> None:
    rivals = rivals_of([("day", "night", "sunset"), ("day", "1girl")])
    assert conflicts(["night", "1girl", "day"], rivals) == [("night", "day"), ("1girl", "day")]
    assert conflicts(["night", "sunset"], rivals) == [("night", "sunset")]


def test_it_is_mutual_and_nobody_is_his_own_rival() -> None:
    for tag, others in RIVALS.items():
        assert tag not in others
        assert all(tag in RIVALS[other] for other in others)


def test_the_table_has_names_that_exist() -> None:
    if not DANBOORU.is_file():
        pytest.skip(f"no {DANBOORU.name} to compare with")
    with DANBOORU.open(encoding="utf-8", newline="") as file:
        known = {row[0] for row in csv.reader(file)}
    ours = {tag for row in ONE_OF for tag in row} | {tag for pair in NEVER_WITH for side in pair for tag in side}
    assert ours - known <= {"lowres", "highres", "absurdres", "incredibly_absurdres"}
