"""What `[cleaned]` of dsk.toml says of prompts, lint's rules take into account."""

from __future__ import annotations

from pathlib import Path

from hands import again

from datakit.actions.linting.lint import Request, lint
from datakit.actions.project import Project

CAPTION = "wip/aria/danbooru_0.txt"


def told(project: Project, name: str, *, stage: str = "wip") -> list[str]:
    """The messages of one rule."""
    report = lint(again(project), Request(stages=(stage,), select=(name,))).report
    return [finding.message for finding in report.findings]


def configured(project: Project, text: str) -> Path:
    """The dataset's root, with these settings."""
    (project.dataset.root / "dsk.toml").write_text(text)
    return project.dataset.root


def test_tags_that_exclude_each_other_by_the_users_word_are_told(advanced: Project) -> None:
    root = configured(advanced, "")
    (root / CAPTION).write_text("aria, 1girl, day, night")
    (root / "captioned/aria/danbooru_0.txt").write_text("1girl, day, night")
    assert not told(advanced, "conflicting-tags")
    configured(advanced, '[cleaned]\nexclusive = [["day", "night"]]\n')
    assert told(advanced, "conflicting-tags") == ["cannot both be true: day and night"]
    assert told(advanced, "conflicting-tags", stage="captioned") == ["cannot both be true: day and night"]
    configured(
        advanced,
        '[cleaned]\nexclusive = [["day", "dusk"]]\n[lint.rules.conflicting-tags]\nexclusive = [["night", "day"]]\n',
    )
    assert told(advanced, "conflicting-tags") == ["cannot both be true: day and night"]


def test_the_users_rows_go_by_the_names_that_the_vocabulary_has(advanced: Project) -> None:
    root = configured(advanced, '[cleaned]\nexclusive = [["daytime", "night"]]\n')
    (root / "vocab").mkdir(exist_ok=True)
    (root / "vocab/aliases.csv").write_text("daytime,day\n")
    (root / CAPTION).write_text("aria, 1girl, day, night")
    assert told(advanced, "conflicting-tags") == ["cannot both be true: day and night"]


def test_underscores_that_the_user_keeps_are_no_fault(advanced: Project) -> None:
    root = configured(advanced, "")
    (root / CAPTION).write_text("aria, 1girl, long_hair, red hat")
    assert told(advanced, "underscore-in-tag") == ["underscores for spaces: long_hair"]
    configured(advanced, "[cleaned]\nkeep_underscores = true\n")
    assert not told(advanced, "underscore-in-tag")
    own = '[lint.rules.underscore-in-tag]\nspelling = "spaces"\n'
    configured(advanced, f"[cleaned]\nkeep_underscores = true\n{own}")
    assert told(advanced, "underscore-in-tag") == ["underscores for spaces: long_hair"]
