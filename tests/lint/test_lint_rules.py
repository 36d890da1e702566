"""Every rule of the family against its cases, and against what is promised of all rules."""

from __future__ import annotations

import ast
import re

import pytest
from lint_cases import CASES, Case, apply, cases_of, linted

from datakit.lint.engine import RULES, run
from datakit.lint.fixes import plan_fixes
from datakit.lint.model import Rule

NAMES = [name.replace("_", "-") for name in RULES.names()]
HEADINGS = ["What it does", "Why is this bad?", "Example", "Use instead", "Fix"]


def rule_named(name: str) -> Rule:
    return RULES.load(name.replace("-", "_"))


def every_case() -> list[object]:
    return [
        pytest.param(name, case, stage, id=f"{name}, {case.name}, {stage or 'folder'}")
        for name in NAMES
        for case in cases_of(name)
        for stage in case.stages
    ]


@pytest.mark.parametrize(("name", "case", "stage"), every_case())
def test_the_rule_finds_what_the_case_says_and_nothing_else(name: str, case: Case, stage: str) -> None:
    report = run([rule_named(name)], [linted(rule_named(name), case, stage)])
    assert [finding.path for finding in report.findings] == [said["path"] for said in case.findings]
    for finding, said in zip(report.findings, case.findings, strict=True):
        assert said["message"] in finding.message
        assert said.get("hint", "") in finding.hint
        assert finding.severity == said.get("severity", finding.severity)
        assert finding.fixable == said.get("fixable", False)
        assert finding.hint, "a finding says what to do"


@pytest.mark.parametrize(("name", "case", "stage"), every_case())
def test_the_fixes_give_the_tree_that_the_case_says(name: str, case: Case, stage: str) -> None:
    rule = rule_named(name)
    collection = linted(rule, case, stage)
    report = run([rule], [collection])
    plan = plan_fixes(report, [collection], unsafe=True)
    fixed = apply(case.tree(), plan.changes, stage=stage)
    assert fixed == case.fixed_tree()
    after = linted(rule, case, stage, fixed)
    again = run([rule], [after])
    assert not plan_fixes(again, [after], unsafe=True).changes
    assert len(again.findings) == len(report.findings) - len(plan.fixed), "a fix makes no new findings"


@pytest.mark.parametrize("name", NAMES)
def test_the_rule_has_cases_of_every_kind(name: str) -> None:
    rule, cases = rule_named(name), cases_of(name)
    assert any(not case.findings for case in cases), f"{CASES / name} has no look-alike that passes"
    assert any(case.findings for case in cases), f"{CASES / name} has no case with findings"
    linted = {stage for case in cases if case.findings for stage in case.stages}
    assert linted >= set(rule.stages), "a stage where it looks has no case"
    if rule.fix is not None:
        assert any(case.fixed for case in cases), f"{CASES / name} has no case of its fix"


@pytest.mark.parametrize("name", NAMES)
def test_the_rule_declares_its_fix(name: str) -> None:
    rule = rule_named(name)
    for case in cases_of(name):
        for stage in case.stages:
            for finding in run([rule], [linted(rule, case, stage)]).findings:
                assert rule.fix is not None or not finding.fixable


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_is_a_page(name: str) -> None:
    doc = ast.get_docstring(ast.parse(RULES.files[name.replace("-", "_")].read_text("utf-8"))) or ""
    first = doc.partition("\n")[0]
    assert re.fullmatch(r"An? .{5,70}\.|Several .{5,70}\.", first)
    has_options = rule_named(name).options is not None
    assert re.findall(r"^## (.+)$", doc, re.MULTILINE) == [*HEADINGS, *(["Options"] if has_options else [])]
    assert re.search(r"\w+/[\w.-]+:[\w/]+\.py", doc), "names the trainer's source file"
    fix = doc.partition("## Fix\n")[2]
    expected = {"none": "None", "safe": "Safe: ", "unsafe": "Unsafe: "}[rule_named(name).fix_safety]
    assert fix.startswith(expected)


def test_codes_and_names_are_each_given_once() -> None:
    rules = list(RULES.all())
    assert len({rule.code for rule in rules}) == len(rules)
    assert [rule.name for rule in rules] == NAMES, "a rule is named like its module"


def test_no_cases_without_a_rule() -> None:
    assert sorted(path.name for path in CASES.iterdir()) == NAMES
