"""The engine: stamping, order, crashes, the report's JSON."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from lint_cases import collection_of, tree_of

from datakit.images.looks import HASHED, MEASURED, PIXELS
from datakit.lint.collection import CONTENT, Collection
from datakit.lint.engine import RULES, run
from datakit.lint.fixes import plan_fixes
from datakit.lint.model import Effect, Finding, Rule
from datakit.lint.targets.model import TARGETS

EVERY_LOOK = (MEASURED, HASHED, PIXELS, CONTENT)


def rule(**changes: Any) -> Rule:
    return Rule(
        **{
            "code": "D900",
            "name": "any-file",
            "group": "dataset",
            "severity": "warning",
            "stages": ("raw", "wip"),
            "check": lambda collection: [Finding(path=path, message="is there") for path in collection.paths],
            **changes,
        }
    )


def failing(collection: Collection) -> Iterator[Finding]:
    yield Finding(path="a/x.png", message="found before")
    raise KeyError("width")


def test_the_whole_family_over_a_scrape_with_known_faults() -> None:
    files = {
        "aria/image123.png": "drawn 1024x1024",
        "aria/imag123.txt": "1girl",
        "aria/broken.jpg": "truncated-jpeg",
        "aria/glass.png": "rgba-transparent",
        "aria/twin.png": "drawn 1024x1000",
        "aria/twin.jpg": "jpeg 1024x1020",
    }
    raw = collection_of("raw", tree_of(files), looks=EVERY_LOOK)
    report = run((rule for rule in RULES.all() if not rule.preview), [raw])
    found = {(finding.name, finding.severity, finding.shown_path) for finding in report.findings}
    assert found >= {
        ("truncated-image", "warning", "raw/aria/broken.jpg"),
        ("transparent-image", "info", "raw/aria/glass.png"),
        ("orphaned-caption", "error", "raw/aria/imag123.txt"),
        ("shared-caption", "error", "raw/aria/twin.jpg"),
    }
    errors = {finding.name for finding in report.findings if finding.severity == "error"}
    assert errors == {"orphaned-caption", "shared-caption"}
    assert not [finding for finding in report.findings if finding.code == "E000"]
    assert report.exit_code == 1


def test_counts_are_by_severity() -> None:
    rules = [rule for rule in RULES.all() if rule.name == "double-extension-caption"]
    report = run(rules, [collection_of("raw", tree_of({"a/k.png": "rgb", "a/k.png.txt": "1girl"}))])
    (finding,) = report.findings
    assert (finding.item, finding.shown_path, finding.fixable) == ("a/k.png", "raw/a/k.png.txt", True)
    assert sum(report.counts()[severity] for severity in ("error", "warning", "info")) == 1
    assert {name: report.counts()[name] for name in ("fixable", "allowed", "images", "captions")} == {
        "fixable": 1,
        "allowed": 0,
        "images": 1,
        "captions": 1,
    }


def test_findings_come_by_stage_then_path_then_code() -> None:
    second = rule(code="D901", name="any-file-too")
    collections = [collection_of("wip", {"b": b"", "a": b""}), collection_of("raw", {"c": b""})]
    found = [(finding.stage, finding.path, finding.code) for finding in run([second, rule()], collections).findings]
    assert found == [
        ("wip", "a", "D900"),
        ("wip", "a", "D901"),
        ("wip", "b", "D900"),
        ("wip", "b", "D901"),
        ("raw", "c", "D900"),
        ("raw", "c", "D901"),
    ]


def test_a_rule_looks_only_into_its_stages_and_weighs_by_stage() -> None:
    mild = rule(severity="error", severity_in={"raw": "info"})
    collections = [collection_of(stage, {"a": b""}) for stage in ("raw", "edited", "wip")]
    assert [(f.stage, f.severity) for f in run([mild], collections).findings] == [("raw", "info"), ("wip", "error")]


def test_a_rule_that_crashes_is_a_finding_and_the_others_go_on() -> None:
    report = run([rule(code="D901", name="crashing", check=failing), rule()], [collection_of("raw", {"b": b""})])
    crash, before, other = report.findings
    assert (crash.code, crash.severity, crash.path, crash.shown_path) == ("E000", "error", "", "raw")
    assert "crashing stopped: KeyError: 'width' (line" in crash.message
    assert (before.message, other.message) == ("found before", "is there")
    assert report.exit_code == 1


def test_warnings_alone_do_not_fail() -> None:
    assert run([rule()], [collection_of("raw", {"b": b""})]).exit_code == 0


def test_two_collections_of_one_stage_are_refused() -> None:
    with pytest.raises(ValueError, match="one stage"):
        run([], [collection_of("raw", {}), collection_of("raw", {})])


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "P900"},
        {"code": "D9"},
        {"name": "Any_File"},
        {"fix": lambda finding, collection: []},
        {"fix_safety": "safe"},
        {"severity_in": {"edited": "info"}},
    ],
)
def test_a_rule_that_contradicts_itself_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="rule"):
        rule(**wrong)


def test_pairs_do_not_ask_for_pixels() -> None:
    def refuse(path: str, look: Any) -> Any:
        raise AssertionError(path)

    collection = Collection(stage="wip", paths=("a.png", "b.txt"), read=lambda path: b"x", looked=refuse)
    pairs = [rule for rule in RULES.all() if rule.group == "pairs"]
    report = run(pairs, [collection])
    assert [finding.code for finding in report.findings] == ["P001", "P002"]
    assert not plan_fixes(report, [collection]).changes


def test_levels_follow_the_trainers_that_are_aimed_at() -> None:
    sd_scripts, naifu = TARGETS.load("sd_scripts"), TARGETS.load("naifu")
    effects = {"sd-scripts": Effect("error", "stops"), "naifu": Effect("off", "reads it")}
    one = rule(effects=effects)
    assert one.severity_at("wip") == "warning"
    assert one.severity_at("wip", [sd_scripts]) == "error"
    assert one.severity_at("wip", [naifu]) == "off"
    assert one.severity_at("wip", [naifu, sd_scripts]) == "error", "the worst of them"
    assert one.severity_at("wip", [TARGETS.load("onetrainer")]) == "warning", "of a trainer that it does not know"
    narrow = rule(effects=effects, needs_target=True)
    assert narrow.severity_at("wip") == "off"
    assert narrow.severity_at("wip", [TARGETS.load("onetrainer")]) == "off"
    assert narrow.severity_at("wip", [sd_scripts]) == "error"


def test_a_rule_for_the_last_stage_looks_only_there() -> None:
    last = rule(last_only=True)
    collection = collection_of("wip", {"a": b""})
    assert len(run([last], [collection]).findings) == 1
    assert not run([last], [msgspec.structs.replace(collection, is_last=False)]).findings


def test_a_severity_that_was_chosen_counts_everywhere() -> None:
    collection = collection_of("raw", {"a": b""})
    (finding,) = run([rule()], [collection], severities={"any-file": "error"}).findings
    assert finding.severity == "error"
    assert not run([rule()], [collection], severities={"any-file": "off"}).findings


def test_importing_lint_imports_neither_numpy_nor_a_repository() -> None:
    code = (
        "import sys, datakit.lint.engine as e, datakit.lint.fixes; list(e.RULES.all());"
        "print([m for m in ('numpy', 'pygit2', 'onnxruntime', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
