"""dsk allow: what is written to dsk.toml, and what an allowance covers."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
from hands import again

from datakit.actions.linting.allowing import allow, allowances
from datakit.actions.linting.lint import Request, lint
from datakit.actions.project import Project
from datakit.errors import ConfigError, StateError, UsageError
from datakit.repo.operations.undo import undo

Dsk = Callable[..., "CompletedProcess[str]"]
CAPTION = "wip/aria/danbooru_0.txt"


def settings(project: Project, text: str) -> Project:
    (project.dataset.root / "dsk.toml").write_bytes(text.encode())
    return again(project)


def unused(project: Project, request: Request) -> list[str]:
    found = lint(again(project), request).report.findings
    return [finding.evidence["rule"] for finding in found if finding.name == "unused-allow"]


@pytest.mark.parametrize(
    "text", ["", "# mine\r\n[lint]\r\npreview = false\r\n", "\ufeff[cleaned]", "[lint.severity]\n"]
)
def test_a_table_is_added_and_what_stood_there_stays(empty: Project, text: str) -> None:
    reason = 'said "so"\n\tby \\ née 帽'
    project = settings(empty, text)
    done = allow(project, "stray-comma", where="1girl", reason=reason)
    new = (empty.dataset.root / "dsk.toml").read_bytes().decode()
    assert new.startswith(text.lstrip("\ufeff").rstrip())
    assert tomllib.loads(new)["lint"]["allow"] == [{"rule": "stray-comma", "reason": reason, "where": "1girl"}]
    assert ("\r\n" in new) == ("\r\n" in text)
    assert allowances(again(empty)) == (done.allow,)
    assert not allow(again(empty), "stray-comma", where="1girl", reason=reason).commit
    undo(again(empty).dataset)
    assert (empty.dataset.root / "dsk.toml").read_bytes() == text.encode()


@pytest.mark.parametrize("text", ["lint = {}", "[lint]\nallow = []"])
def test_what_cannot_be_added_to_is_left_as_it_is(empty: Project, text: str) -> None:
    with pytest.raises(StateError, match="cannot be added to"):
        allow(settings(empty, text), "stray-comma", reason="x")
    assert (empty.dataset.root / "dsk.toml").read_text() == text


def test_what_is_no_allowance_is_refused(advanced: Project) -> None:
    before = (advanced.dataset.root / "dsk.toml").read_bytes()
    with pytest.raises(UsageError, match="UTF-8"):
        allow(advanced, "stray-comma", reason="\udcff")
    with pytest.raises(UsageError, match="at once"):
        allow(advanced, "stray-comma", ["aria/danbooru_0"], where="1girl", reason="x")
    with pytest.raises(UsageError, match="nowhere"):
        allow(advanced, "stray-comma", ["aria/nowhere"], reason="x")
    with pytest.raises(ConfigError, match="--where"):
        allow(advanced, "stray-comma", where="(((", reason="x")
    assert (advanced.dataset.root / "dsk.toml").read_bytes() == before


def test_only_a_whole_run_knows_what_is_not_used(advanced: Project) -> None:
    allow(advanced, "stray-comma", reason="ours")
    assert unused(advanced, Request()) == ["stray-comma"]
    assert unused(advanced, Request(ignore=("stray-comma",))) == []
    assert unused(advanced, Request(stages=("wip",))) == []
    assert unused(advanced, Request(resolution_px=256)) == []


def test_the_command_lists_what_is_allowed(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    assert "nothing is allowed" in dsk(root, "allow").stdout
    assert dsk(root, "allow", "stray-comma", "aria/danbooru_0", "--reason", "ours").returncode == 0
    assert dsk(root, "allow").stdout == 'stray-comma where item:"aria/danbooru_0": ours\n'
    assert json.loads(dsk(root, "allow", "--json").stdout)[0]["rule"] == "stray-comma"
    assert dsk(root, "allow", "stray-comma").returncode == 2
