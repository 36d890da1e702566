"""Report formats: what their readers need, and that no file name gets out of its place."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from datakit.lint.engine import CRASH_CODE, CRASH_NAME, RULES, Allowed, Report
from datakit.lint.formats.model import FORMATS, View
from datakit.lint.model import Finding
from datakit.lint.pages import doc_of

WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "
HOSTILE = [
    "a/<script>alert(1)</script>.txt",
    "a/\"><img src=x onerror='alert(1)'>.txt",
    "a/x\r\n::error file=y::z, 50%: q.txt",
    "a/\x1b[31m\u202etxt.png",
    "a/\udcff bytes.txt",
    "a/数 据 #1?.png",
    '=cmd|"/c calc"!A1.txt',
]


def finding(path: str, *, message: str = "is off", severity: Any = "error", **more: Any) -> Finding:
    said = {"code": "P001", "name": "missing-caption", "stage": "wip", "hint": "cure it"} | more
    return Finding(path=path, message=message, severity=severity, item=path.rpartition(".")[0], **said)


def report(*findings: Finding, allowed: tuple[Allowed, ...] = ()) -> Report:
    rules = tuple(RULES.all())
    return Report(findings=findings, rules=rules, num_images=3, num_captions=2, allowed=allowed)


EVERYTHING = report(
    *(finding(path, message=f"{path} is off") for path in HOSTILE),
    finding("", code="D001", name="leaking-tag", severity="warning"),
    finding("a/x.txt", code=CRASH_CODE, name=CRASH_NAME, evidence={"rule": "x", "n": [1, 0.5]}),
    finding("a/x.txt", severity="info", fixable=True, fix_safety="safe"),
    finding("", stage="", severity="info", fixable=True, fix_safety="unsafe"),
    allowed=(Allowed(finding=finding("a/y.txt"), reason="<b>meant</b>"),),
)


def rendered(name: str, of: Report = EVERYTHING, *, thumbnail: Any = lambda path: None) -> str:
    return FORMATS.load(name).render(of, View(root="<my> set", version="1.2.3", thumbnail=thumbnail, docs=doc_of))


@pytest.mark.parametrize("name", FORMATS.names())
def test_every_format_writes_any_name_as_utf_8_and_the_same_twice(name: str) -> None:
    assert FORMATS.load(name).name == name
    text = rendered(name)
    assert text.encode("utf-8")
    assert rendered(name) == text
    assert rendered(name, report()).encode("utf-8") or name == "github"


def test_json_has_what_programs_read() -> None:
    found = json.loads(rendered("json"))
    row = found["findings"][8]
    assert row == {
        "code": CRASH_CODE,
        "name": CRASH_NAME,
        "severity": "error",
        "stage": "wip",
        "item": "a/x",
        "path": "wip/a/x.txt",
        "message": "is off",
        "hint": "cure it",
        "fixable": False,
        "fix_safety": "none",
        "evidence": {"rule": "x", "n": [1, 0.5]},
    }
    assert [one["reason"] for one in found["allowed"]] == ["<b>meant</b>"]
    assert (found["counts"]["error"], found["counts"]["fixable"], found["counts"]["allowed"]) == (8, 2, 1)
    rules = {rule["code"]: rule for rule in found["rules"]}
    assert rules["P001"]["summary"] == "An image has no caption."
    assert rules[CRASH_CODE]["group"] == "engine"


def test_github_commands_stay_on_one_line_each() -> None:
    lines = rendered("github").splitlines()
    assert len(lines) == len(EVERYTHING.findings)
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)
    assert lines[2] == (
        "::error file=wip/a/x%0D%0A%3A%3Aerror file=y%3A%3Az%2C 50%25%3A q.txt,title=P001 missing-caption::"
        "a/x%0D%0A::error file=y::z, 50%25: q.txt is off%0Acure: cure it"
    )
    assert lines[-1] == "::notice title=P001 missing-caption::is off%0Acure: cure it"


def test_csv_reads_back_and_computes_nothing() -> None:
    text = rendered(
        "csv", report(finding("=1+1.txt", stage="", message='says "a, b"\r\nand more'), *map(finding, HOSTILE))
    )
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 1 + len(HOSTILE)
    assert (rows[0]["path"], rows[0]["message"]) == ("'=1+1.txt", 'says "a, b"\r\nand more')
    assert text.count("\r\n") == len(rows) + 4  # the header, and inside three cells
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


RESULT = {"ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints", "properties"}
RULE = {"id", "name", "shortDescription", "fullDescription", "help", "defaultConfiguration", "properties"}


def test_sarif_has_the_parts_that_the_schema_asks() -> None:
    log = json.loads(rendered("sarif"))
    assert {*log} == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert {*run} == {"tool", "automationDetails", "invocations", "columnKind", "results"}
    assert run["invocations"] == [{"executionSuccessful": False}], "a rule crashed"
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"], {*driver}) == ("dsk", "1.2.3", {"name", "version", "rules"})
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len({*ids}) == len(EVERYTHING.rules) + 1
    for rule in driver["rules"]:
        assert {*rule} == RULE
        assert rule["shortDescription"]["text"]
        assert rule["help"]["markdown"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    assert len(run["results"]) == len(EVERYTHING.findings) + len(EVERYTHING.allowed)
    for result in run["results"]:
        check_result(result, ids)
    assert json.loads(rendered("sarif", report()))["runs"][0]["results"] == []


def check_result(result: dict[str, Any], ids: list[str]) -> None:
    assert {*result} - {"suppressions"} == RESULT
    assert ids[result["ruleIndex"]] == result["ruleId"]
    assert result["level"] in ("error", "warning", "note")
    assert result["message"]["text"].endswith("cure: cure it")
    (location,) = result["locations"]
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii()
    assert not {*uri} & {*' <>"#?\\^`{|}'}
    assert len(result["partialFingerprints"]["dskFinding/v1"]) == 32


def test_sarif_paths_lead_to_the_files_and_suppressions_have_reasons() -> None:
    results = json.loads(rendered("sarif"))["runs"][0]["results"]
    uris = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results]
    paths = [one.shown_path.encode("utf-8", "surrogateescape") for one in EVERYTHING.findings]
    assert [unquote_to_bytes(uri) for uri in uris[: len(paths)]] == [path or b"./" for path in paths]
    suppressed = [one["suppressions"] for one in results if "suppressions" in one]
    assert suppressed == [[{"kind": "external", "status": "accepted", "justification": "<b>meant</b>"}]]


def test_sarif_knows_a_finding_again_when_its_numbers_changed() -> None:
    both = report(finding("a/x.txt", message="3 of 40"), finding("a/x.txt", message="4 of 41"), finding("a/y.txt"))
    prints = [one["partialFingerprints"] for one in json.loads(rendered("sarif", both))["runs"][0]["results"]]
    assert prints[0] == prints[1] != prints[2]


class Page(HTMLParser):
    """What a browser makes of a page: its elements, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_no_name_becomes_markup() -> None:
    page = Page(rendered("html"))
    assert len(page.all("script")) == 1
    assert page.all("script") == [{}]
    assert not page.all("img")
    assert not [one for _, attributes in page.elements for one in attributes if one.startswith("on")]
    assert "<script>alert(1)</script>.txt is off" in page.words
    assert "<b>meant</b>" in page.words
    assert "\x1b" not in page.words
    assert "\u202e" not in page.words


def test_the_page_asks_nothing_of_the_network() -> None:
    page = Page(rendered("html", thumbnail=lambda path: WEBP))
    links = [one["href"] for one in page.all("a")]
    assert links
    assert all(link and link.startswith("#") for link in links)
    assert not page.all("link")
    assert all((one["src"] or "").startswith("data:image/webp;base64,") for one in page.all("img"))
    policy = next(one["content"] or "" for one in page.all("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]


def test_each_picture_is_in_the_page_once_and_each_finding() -> None:
    rows = [
        finding("a/x.png"),
        finding("a/x.txt"),
        finding("a/x.png", stage="raw"),
        finding("b/y.png", severity="info"),
    ]
    page = Page(rendered("html", report(*rows), thumbnail=lambda path: WEBP if path.endswith(".png") else None))
    assert [one["alt"] for one in page.all("img")] == ["a/x", "b/y"]
    assert sum((one.get("class") or "").startswith("f s-") for one in page.all("div")) == 4
    assert [one.get("id") for one in page.all("input")] == ["search", "s-all", "s-error", "s-info", "r-all", "r-P001"]
    assert "rule-P001" in [one.get("id") for one in page.all("div")]


def test_a_page_of_nothing_says_so() -> None:
    assert "Nothing found" in Page(rendered("html", report())).words
