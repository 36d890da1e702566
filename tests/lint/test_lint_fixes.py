"""Fixes: nothing lost, nothing overwritten, done once; conflicts are left alone and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lint_cases import Tree, apply, collection_of

from datakit.lint.collection import Collection
from datakit.lint.engine import RULES, run
from datakit.lint.fixes import AMBIGUOUS, LATER, Plan, plan_fixes
from datakit.lint.model import Change, Delete, Finding, Rename, Rule, Write

stems = st.one_of(
    st.sampled_from(["image123", "imag123", "imagee123", "Image123", "IMAGE-123", "image124", "image123.png"]),
    st.text("abA1_", min_size=1, max_size=4).map(lambda text: f"image{text}"),
)
paths = st.builds(
    lambda folder, stem, extension: f"{folder}{stem}.{extension}",
    st.sampled_from(["", "aria/", "rei/"]),
    stems,
    st.sampled_from(["png", "jpg", "txt", "txt", "TXT", "json"]),
)
trees = st.lists(paths, unique=True, max_size=12).map(
    lambda found: {path: str(number).encode() for number, path in enumerate(found)}
)


def pair_rules() -> list[Rule]:
    return [rule for rule in RULES.all() if rule.group == "pairs"]


def planned(tree: Tree, stage: str) -> Plan:
    collection = collection_of(stage, tree)
    return plan_fixes(run(pair_rules(), [collection]), [collection])


@given(trees, st.sampled_from(["raw", "wip", ""]))
def test_fixes_lose_no_file_and_are_done_once(tree: Tree, stage: str) -> None:
    plan = planned(tree, stage)
    fixed = apply(tree, plan.changes, stage=stage)
    assert Counter(fixed.values()) == Counter(tree.values())
    assert len({path.casefold() for path in fixed}) >= len({path.casefold() for path in tree}), "no new case twins"
    assert not planned(fixed, stage).changes


@given(trees)
def test_fixes_touch_captions_only(tree: Tree) -> None:
    fixed = apply(tree, planned(tree, "wip").changes, stage="wip")
    assert {p: d for p, d in fixed.items() if not p.lower().endswith("txt")} == {
        p: d for p, d in tree.items() if not p.lower().endswith("txt")
    }


def proposing(changes: dict[str, Sequence[Change]], *, safety: str = "safe", code: str = "D900") -> Rule:
    """A rule that finds the given paths and has these changes for them."""

    def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
        return changes[finding.path]

    return Rule(
        code=code,
        name=f"planned-{code.lower()}",
        group="dataset",
        severity="warning",
        stages=("wip",),
        check=lambda collection: [Finding(path=path, message="wrong", fixable=True) for path in changes],
        fix=fix,
        fix_safety=safety,  # type: ignore[arg-type]
    )


def plan_of(*rules: Rule, held: Sequence[str], **options: Any) -> Plan:
    collection = collection_of("wip", dict.fromkeys(held, b""))
    return plan_fixes(run(rules, [collection]), [collection], **options)


def test_changes_are_told_from_the_datasets_root() -> None:
    changes: dict[str, Sequence[Change]] = {
        "a": [Rename("a", "b")],
        "c": [Write("c", b"new")],
        "d": [Delete("d")],
    }
    plan = plan_of(proposing(changes), held=["a", "c", "d"])
    assert plan.changes == (Rename("wip/a", "wip/b"), Write("wip/c", b"new"), Delete("wip/d"))
    assert [finding.path for finding in plan.fixed] == ["a", "c", "d"]


def test_a_name_in_use_is_not_taken() -> None:
    plan = plan_of(proposing({"a": [Rename("a", "B")]}), held=["a", "b"])
    assert not plan.changes
    assert [refusal.reason for refusal in plan.refused] == ["wip/B exists"]


def test_a_file_may_change_its_case() -> None:
    assert plan_of(proposing({"a": [Rename("a", "A")]}), held=["a"]).changes == (Rename("wip/a", "wip/A"),)


def test_two_files_that_want_one_name_get_neither() -> None:
    plan = plan_of(proposing({"a": [Rename("a", "x")], "b": [Rename("b", "X")]}), held=["a", "b"])
    assert not plan.changes
    assert [refusal.reason for refusal in plan.refused] == [AMBIGUOUS, AMBIGUOUS]


def test_of_two_changes_to_one_file_the_first_is_made() -> None:
    first = proposing({"a": [Write("a", b"1")]})
    second = proposing({"a": [Write("a", b"2")]}, code="D901")
    plan = plan_of(second, first, held=["a"])
    assert plan.changes == (Write("wip/a", b"1"),)
    assert [(refusal.finding.code, refusal.reason) for refusal in plan.refused] == [("D901", LATER)]


def test_one_change_for_two_findings_is_made_once() -> None:
    plan = plan_of(proposing({"a": [Delete("a")]}), proposing({"a": [Delete("a")]}, code="D901"), held=["a"])
    assert plan.changes == (Delete("wip/a"),)
    assert len(plan.fixed) == 2


def test_a_findings_changes_are_made_all_or_none() -> None:
    plan = plan_of(proposing({"a": [Rename("a", "x"), Rename("b", "c")]}), held=["a", "b", "c"])
    assert not plan.changes


def test_what_is_not_there_is_not_changed() -> None:
    plan = plan_of(proposing({"a": [Delete("gone")]}), held=["a"])
    assert [refusal.reason for refusal in plan.refused] == ["wip/gone is not there"]


def test_unsafe_fixes_are_made_on_request_only() -> None:
    rule = proposing({"a": [Delete("a")]}, safety="unsafe")
    assert not plan_of(rule, held=["a"]).changes
    assert plan_of(rule, held=["a"], unsafe=True).changes


def test_a_fix_that_crashes_is_refused_and_the_others_are_made() -> None:
    crashing = Rule(
        code="D901",
        name="crashing",
        group="dataset",
        severity="error",
        stages=("wip",),
        check=lambda collection: [Finding(path="a", message="wrong", fixable=True)],
        fix=lambda finding, collection: [Delete(finding.evidence["nowhere"])],
        fix_safety="safe",
    )
    plan = plan_of(crashing, proposing({"b": [Delete("b")]}), held=["a", "b"])
    assert plan.changes == (Delete("wip/b"),)
    assert "KeyError" in plan.refused[0].reason
