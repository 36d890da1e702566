"""Items become subsets: none is lost, names are unique on any file system, what is trained alike is together."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from datakit.exports.arranging import UNSORTED, Treatment, arrange, subset_names, treat, unique_names
from datakit.exports.model import ExportItem
from datakit.exports.settings import Common, Concept
from datakit.model.item import ImageRef
from datakit.model.naming import MAX_NAME_BYTES, safe_name

STEMS = st.sampled_from(
    ["a", "A", "b", "a-1", "ß", "SS", "con", "aux", ".x", "é", "e\u0301", "x" * 200, "x" * 199, "日本"]
)
CONCEPTS = st.sampled_from(
    ["", "aria", "Aria", "beth", "a/b", "a_b", "unsorted", "aria-validation", "aria-x2", "x" * 150]
)
KEYS = st.builds(lambda concept, stem: f"{concept}/{stem}" if concept else stem, CONCEPTS, STEMS)
COMMON = Common(
    repeats=2,
    concepts={
        "beth": Concept(repeats=5, class_tokens="girl", is_reg=True),
        "a/b": Concept(is_validation=True, loss_weight=0.5),
    },
)


def item(key: str) -> ExportItem:
    return ExportItem(key=key, name=key, image=ImageRef("0" * 64, 1, "png"), size_px=(8, 8), caption="")


@given(
    st.lists(KEYS, unique=True, min_size=1),
    st.dictionaries(KEYS, st.integers(1, 4)),
    st.dictionaries(KEYS, st.sampled_from([0.5, 1.0, 2.0])),
    st.frozensets(KEYS),
)
def test_no_item_is_lost_and_no_two_files_share_a_name(
    keys: list[str], repeats: dict[str, int], weights: dict[str, float], held: frozenset[str]
) -> None:
    treatments = treat(keys, COMMON, repeats=repeats, weights=weights, held_back=held)
    subsets = arrange([item(key) for key in keys], treatments, COMMON)
    assert sorted(one.key for subset in subsets for one in subset.items) == sorted(keys)
    assert len({subset.name.casefold() for subset in subsets}) == len(subsets)
    assert [subset.name for subset in subsets] == sorted(subset.name for subset in subsets)
    for subset in subsets:
        assert subset.items
        assert safe_name(subset.name) == subset.name
        assert len({one.name.casefold() for one in subset.items}) == len(subset.items)
        for one in subset.items:
            assert safe_name(one.name) == one.name
            treated = treatments[one.key]
            assert (treated.concept, treated.repeats, treated.loss_weight, treated.is_validation) == (
                *(subset.concept, subset.repeats, subset.loss_weight, subset.is_validation),
            )
        assert subset.repeats >= 1
        assert not (subset.is_reg and subset.is_validation)


@given(st.lists(st.one_of(STEMS, st.text(max_size=300))))
@example(["a", "a-5feceb", "a"])
@example(["x" * 120, "X" * 120, "x" * 121])
def test_names_are_unique_without_regard_to_case_and_fit_every_file_system(stems: list[str]) -> None:
    names = unique_names(stems)
    assert len(names) == len(stems)
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert safe_name(name) == name
        assert len(name.encode()) <= MAX_NAME_BYTES


@given(st.lists(STEMS, unique=True), STEMS)
def test_who_comes_later_changes_no_name_before(stems: list[str], late: str) -> None:
    assert unique_names([*stems, late])[: len(stems)] == unique_names(stems)


@given(st.lists(STEMS, unique=True, min_size=1), st.data())
def test_a_clash_is_settled_alike_whoever_else_is_there(stems: list[str], data: st.DataObject) -> None:
    """A name made for a clash hangs on its own stem alone, so that a re-export renames nobody needlessly."""
    stems = sorted(stems)
    gone = data.draw(st.sampled_from(stems))
    before = dict(zip(stems, unique_names(stems), strict=True))
    left = [stem for stem in stems if stem != gone and safe_name(stem).casefold() != safe_name(gone).casefold()]
    after = dict(zip(left, unique_names(left), strict=True))
    assert after == {stem: before[stem] for stem in left}


def test_groups_of_a_concept_are_named_by_what_parts_them() -> None:
    plain = Treatment("aria", 1, 1.0, False)
    more = Treatment("aria", 3, 1.0, False)
    held = Treatment("aria", 1, 1.0, True)
    light = Treatment("", 1, 0.5, False)
    assert list(subset_names([plain, more, held, light]).values()) == [
        *("aria-x1", "aria-x3", "aria-validation", UNSORTED),
    ]
    assert subset_names([plain]) == {plain: "aria"}


def test_a_concept_that_is_named_like_a_group_of_another_stays_apart() -> None:
    names = subset_names(
        [Treatment("aria", 1, 1.0, False), Treatment("aria", 1, 1.0, True), Treatment("aria-validation", 1, 1.0, False)]
    )
    assert len({name.casefold() for name in names.values()}) == 3
