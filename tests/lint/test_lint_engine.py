"""The engine: stamping, order, crashes, the report's JSON."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from lint_cases import collection_of, tree_of

from datakit.lint.engine import RULES, run
from datakit.lint.fixes import plan_fixes
from datakit.lint.model import Collection, Finding, Rule


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
    raw = collection_of(
        "raw",
        tree_of(
            {
                "aria/image123.png": "rgb",
                "aria/imag123.txt": "1girl",
                "aria/broken.jpg": "truncated-jpeg",
                "aria/glass.png": "rgba-transparent",
                "aria/twin.png": "rgb",
                "aria/twin.jpg": "jpeg",
            }
        ),
    )
    report = run(RULES.all(), [raw])
    assert [(finding.code, finding.severity, finding.shown_path) for finding in report.findings] == [
        ("I001", "warning", "raw/aria/broken.jpg"),
        ("I002", "warning", "raw/aria/glass.png"),
        ("P002", "error", "raw/aria/imag123.txt"),
        ("P004", "error", "raw/aria/twin.jpg"),
    ]
    assert report.exit_code == 1


def test_json_has_paths_from_the_root_and_counts() -> None:
    report = run(RULES.all(), [collection_of("raw", tree_of({"a/k.png": "rgb", "a/k.png.txt": "1girl"}))])
    assert report.as_json() == {
        "findings": [
            {
                "code": "P002",
                "name": "orphaned-caption",
                "severity": "error",
                "stage": "raw",
                "item": "a/k.png",
                "path": "raw/a/k.png.txt",
                "message": "caption without an image; it most probably belongs to k.png",
                "hint": "dsk lint --fix renames it to k.txt",
                "fixable": True,
            }
        ],
        "counts": {"error": 1, "warning": 0, "info": 0, "fixable": 1, "images": 1, "captions": 1},
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
    def refuse(path: str) -> Any:
        raise AssertionError(path)

    collection = Collection(stage="wip", paths=("a.png", "b.txt"), read=lambda path: b"x", facts=refuse)
    pairs = [rule for rule in RULES.all() if rule.group == "pairs"]
    report = run(pairs, [collection])
    assert [finding.code for finding in report.findings] == ["P001", "P002"]
    assert not plan_fixes(report, [collection]).changes


def test_importing_lint_imports_no_imaging_library() -> None:
    code = (
        "import sys, datakit.lint.engine as e, datakit.lint.fixes; list(e.RULES.all());"
        "print([m for m in ('numpy', 'PIL', 'pygit2', 'datakit.images.measure') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
