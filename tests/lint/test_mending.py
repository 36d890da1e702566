"""Fixing in rounds comes to the same as applying each round's plan to the tree itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st
from lint_cases import Tree, apply, collection_of

from datakit.lint.collection import Collection
from datakit.lint.engine import RULES, run
from datakit.lint.fixes import plan_fixes
from datakit.lint.mending import MOST_ROUNDS, Mended, mend
from datakit.lint.model import Change, Delete, Finding, Rename, Rule, Write
from datakit.lint.severities import Level

NAMES = (
    "a/one.png",
    "a/one.txt",
    "a/two.png",
    "a/two.png.txt",
    "a/two.caption",
    "b/one.txt",
    "b/.DS_Store",
    "b/One.png",
)
TEXTS = (
    b"",
    b"  ",
    b"1girl",
    b"1girl, red_hat,, red hat\r\n",
    b"\xef\xbb\xbfhat &amp; coat",
    b"a\x00b, \xe2\x80\x8bhat",
)
trees = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TEXTS), max_size=6)


def fixing() -> list[Rule]:
    return [rule for rule in RULES.all() if rule.fix is not None and not rule.looks]


def after(tree: Tree, mended: Mended) -> Tree:
    """The tree as `mended` says that it becomes."""
    made = {path: mended.contents.get(path, tree.get(old, b"")) for path, old in mended.before.items()}
    return {path: data for path, data in tree.items() if path not in mended.removed} | made


def by_rounds(rules: Sequence[Rule], tree: Tree, *, unsafe: bool) -> Tree:
    for _ in range(MOST_ROUNDS):
        now = [collection_of("", tree)]
        changes = plan_fixes(run(rules, now), now, unsafe=unsafe).changes
        if not changes:
            break
        tree = apply(tree, changes, stage="")
    return tree


@given(trees, st.booleans())
def test_mending_is_what_the_rounds_make(tree: Tree, unsafe: bool) -> None:
    mended = mend(fixing(), [collection_of("", tree)], unsafe=unsafe)
    assert after(tree, mended) == by_rounds(fixing(), tree, unsafe=unsafe)
    assert {*mended.removed} <= {*tree}
    assert {*mended.before.values()} - {""} <= {*tree}


changes = st.one_of(
    st.builds(Rename, st.sampled_from("abcd"), st.sampled_from("abcdef")),
    st.builds(Write, st.sampled_from("abcdef"), st.sampled_from([b"1", b"2"])),
    st.builds(Delete, st.sampled_from("abcdef")),
)


@given(st.sets(st.sampled_from("abcd")), st.lists(st.tuples(st.sampled_from("abcdef"), changes), max_size=6))
def test_chains_of_any_changes_come_to_one(names: set[str], wishes: list[tuple[str, Change]]) -> None:
    """Each wish is a change that is made once its trigger is there, as one rule's output is the next one's input."""
    tree = {name: name.encode() for name in sorted(names)}

    def rule(number: int, trigger: str, change: Change) -> Rule:
        def check(collection: Collection) -> Iterator[Finding]:
            if trigger in collection.held and _is_new(change, collection):
                yield Finding(path=trigger, message="", fixable=True)

        return Rule(
            code=f"D{number:03}",
            name=f"wish-{number}",
            group="dataset",
            severity="info",
            stages=("",),
            check=check,
            fix=lambda finding, collection: [change],
            fix_safety="safe",
        )

    rules = [rule(number, trigger, change) for number, (trigger, change) in enumerate(wishes)]
    assert after(tree, mend(rules, [collection_of("", tree)])) == by_rounds(rules, tree, unsafe=False)


def _is_new(change: Change, collection: Collection) -> bool:
    match change:
        case Rename(old, new):
            return old in collection.held and old != new
        case Write(path, data):
            return path not in collection.held or collection.read(path) != data
        case Delete(path):
            return path in collection.held


def test_a_rule_that_is_off_fixes_nothing() -> None:
    tree = {"a/one.txt": b"1girl, red_hat"}
    off: dict[str, Level] = {"underscore-in-tag": "off"}
    assert mend(fixing(), [collection_of("", tree)]).contents == {"a/one.txt": b"1girl, red hat"}
    assert not mend(fixing(), [collection_of("", tree)], severities=off).before
