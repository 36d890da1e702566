"""The experiments' page from results written by hand: figures that are in them, and no others."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from experiments import design, facts, report, verdicts
from experiments.claims import rank
from experiments.claims.table import CLAIMS
from experiments.facts import Oracle, Run, Seen
from experiments.judging import Trust, trust

SETUP = {
    "base": "0123456789ab",
    "tagger": "ba9876543210",
    "settings": "steps 150",
    **dict.fromkeys(("python", "torch", "diffusers", "transformers", "onnxruntime"), "1.2.3"),
}
TRAITS = ("blue_hair", "braid")


def _seen(group: str, asked: tuple[str, ...], tags: tuple[str, ...]) -> Seen:
    return Seen(group, "a prompt", asked, tags, {"brightness": 0.5, "hidden": 0.0})


def _run(arm: str, seed: int, hits: int) -> Run:
    """`hits` of four pictures show the character; of two tags asked for one is there."""
    pictures = [_seen("trigger", (), TRAITS if place < hits else ("blue_hair",)) for place in range(4)]
    pictures += [_seen("trigger and others", ("smile", "hat"), ("smile",)), _seen("others", ("smile",), ("smile",))]
    pictures.append(_seen("class", (), ()))
    seconds = {"train": 20.0, "paint": 10.0, "wall": 31.0}
    setup = {**SETUP, "design": design.of_arm(rank.CLAIM, rank.CLAIM.arm(arm))}
    return Run("rank", arm, seed, setup, tuple(pictures), {"brightness": 0.25}, (0.5, 0.25), 1234, seconds)


def _oracle(wrong: int = 0) -> Oracle:
    counted = ((20 - wrong, 20), (0, 20))
    return Oracle(
        "rank",
        {**SETUP, "design": design.of_check(rank.CLAIM)},
        dict.fromkeys(("traits", "obeyed", "kept", "class"), counted),
    )


def _keep(folder: Path, runs: list[Run], oracle: Oracle | None) -> Path:
    for run in runs:
        facts.save(facts.path_of(folder, run.claim, arm=run.arm, seed=run.seed), run)
    if oracle:
        facts.save(folder / "rank" / facts.ORACLE, oracle)
    return folder


SEEN = [
    _run(f"{rank}{length}", seed, hits)
    for length in ("-early", "")
    for rank, of_seeds in (("4", (1, 1, 0)), ("64", (4, 4, 4)))
    for seed, hits in enumerate(of_seeds)
]


def test_without_results_the_page_has_claims_and_the_rule_and_no_figure(tmp_path: Path) -> None:
    made = report.write(tmp_path, report.read(tmp_path / "none", CLAIMS))
    assert [path.name for path in made] == ["experiments.md"]
    page = made[0].read_text("utf-8")
    assert "No results are there yet" in page
    assert all(f"## {claim.title}" in page for claim in CLAIMS)
    assert all(word in page for word in (verdicts.CONFIRMED, verdicts.UNDECIDED, verdicts.BLIND))
    assert not re.search(r"\d\.\d\d \(", page)
    assert ".svg" not in page


def test_results_come_back_as_they_were_kept(tmp_path: Path) -> None:
    folder = _keep(tmp_path, SEEN, _oracle())
    kept = facts.load_run(facts.path_of(folder, "rank", arm="64", seed=2))
    assert kept == SEEN[-1]
    assert facts.load_oracle(folder / "rank" / facts.ORACLE) == _oracle()


def test_a_file_that_was_cut_short_is_no_result(tmp_path: Path) -> None:
    path = facts.path_of(_keep(tmp_path, SEEN, None), "rank", arm="64", seed=2)
    path.write_bytes(path.read_bytes()[:99])
    assert facts.load_run(path) is None
    assert facts.load_run(tmp_path / "never.json") is None
    with pytest.raises(ValueError, match=r"64-2\.json: no result that can be read; .* run rank again"):
        report.read(tmp_path, CLAIMS)


def test_measures_are_worked_out_from_the_pictures() -> None:
    run, claim = _run("4", 0, 3), rank.CLAIM
    assert facts.of_run(run, claim.measure("traits")) == 0.75
    assert facts.counts(run, claim.measure("obeyed")) == (1, 2)
    assert facts.of_run(run, claim.measure("class")) == 0.0
    off = CLAIMS[3].measure("off")
    assert facts.of_run(run, off) == 0.25
    with pytest.raises(ValueError, match="no picture of the group"):
        facts.of_run(run, CLAIMS[0].measure("asked"))


def test_the_page_says_what_the_results_say(tmp_path: Path) -> None:
    found = report.read(_keep(tmp_path, SEEN, _oracle()), CLAIMS)
    page = report.markdown(found)
    # Means 1/6 and 1; differences 3/4, 3/4, 1, of which Student's t at 98.3 % gives 5/6 +- 7.6488 / 12.
    assert "| 64-early − 4-early |" in page
    assert "0.83 (0.20 to 1.47)" in page
    assert f"**{verdicts.CONFIRMED}**" in page
    assert f"**{verdicts.ALIKE}**" in page  # what is kept, to a hair the same
    assert "0.17 (-0.19 to 0.53) · 0.05 to 0.45" in page  # Student's t over three seeds; Wilson's of 2 in 12
    assert "| `16`: rank 16, alpha 16 | – | – |" in page
    assert "0123456789ab" in page
    assert "30 s of processor time" in page
    assert "true 1.00 (0.84 to 1.00)" in page


def test_a_tagger_that_is_often_wrong_judges_nothing(tmp_path: Path) -> None:
    (found,) = report.read(_keep(tmp_path, SEEN, _oracle(wrong=3)), [rank.CLAIM])
    assert {verdict.word for verdict in found.verdicts} == {verdicts.BLIND}
    (unchecked,) = report.read(_keep(tmp_path / "unchecked", SEEN, None), [rank.CLAIM])
    assert {verdict.word for verdict in unchecked.verdicts} == {verdicts.BLIND}


def test_two_seeds_are_too_few(tmp_path: Path) -> None:
    (found,) = report.read(_keep(tmp_path, [run for run in SEEN if run.seed < 2], _oracle()), [rank.CLAIM])
    assert {verdict.word for verdict in found.verdicts} == {verdicts.TOO_FEW}
    assert {verdict.difference for verdict in found.verdicts} == {None}


def test_results_of_two_bases_are_not_mixed(tmp_path: Path) -> None:
    mixed = msgspec.structs.replace(SEEN[0], seed=9, setup={**SEEN[0].setup, "base": "ffffffffffff"})
    with pytest.raises(ValueError, match="several kinds"):
        report.read(_keep(tmp_path, [*SEEN, mixed], None), CLAIMS)


def test_results_of_another_design_are_refused(tmp_path: Path) -> None:
    mixed = msgspec.structs.replace(SEEN[0], seed=9, setup={**SETUP, "design": "01"})
    with pytest.raises(ValueError, match="rank, 4-early was run differently; run rank again"):
        report.read(_keep(tmp_path / "one", [*SEEN, mixed], None), CLAIMS)
    oracle = msgspec.structs.replace(_oracle(), setup={**SETUP, "design": "01"})
    with pytest.raises(ValueError, match="the tagger was checked differently for rank"):
        report.read(_keep(tmp_path / "other", SEEN, oracle), CLAIMS)


def test_what_is_drawn_set_or_asked_otherwise_is_another_design() -> None:
    claim, arm = rank.CLAIM, rank.CLAIM.arm("4-early")
    others = [
        replace(arm, settings={**arm.settings, "train.steps": 60}),
        replace(arm, samples=lambda seed: arm.samples(seed)[1:]),
    ]
    asked = replace(claim, asks=lambda seed: claim.asks(seed)[1:])
    digests = [design.of_arm(claim, one) for one in (arm, *others)] + [design.of_arm(asked, arm)]
    assert len(set(digests)) == len(digests)
    looks = replace(claim, looks=lambda seed: claim.looks(seed)[1:])
    assert design.of_check(looks) != design.of_check(claim)


def test_the_plot_is_svg_and_has_every_seed(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    made = report.write(docs, report.read(_keep(tmp_path / "results", SEEN, _oracle()), CLAIMS))
    assert [path.name for path in made] == ["rank.svg", "experiments.md"]
    root = ElementTree.fromstring(made[0].read_text("utf-8"))
    circles = root.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(SEEN) * len(rank.CLAIM.measures)
    assert "images/experiments/rank.svg" in made[1].read_text("utf-8")
    # A plot whose results have gone goes too.
    report.write(docs, report.read(tmp_path / "none", CLAIMS))
    assert not made[0].exists()


def test_trust_counts_both_kinds_of_mistakes() -> None:
    measure = rank.CLAIM.measure("traits")
    truth = [TRAITS, TRAITS, ("blue_hair",), ()]
    said = [TRAITS, ("braid",), TRAITS, ()]
    assert trust(measure, (), truth=truth, said=said) == Trust((1, 2), (1, 2))
    asked = rank.CLAIM.measure("obeyed")
    assert trust(asked, ("blue_hair", "braid"), truth=truth, said=said) == Trust((4, 5), (1, 3))
    assert Trust((9, 10), (1, 10)).is_enough
    assert not Trust((8, 10), (0, 10)).is_enough
    assert not Trust((10, 10), (2, 10)).is_enough
    assert not Trust((0, 0), (0, 10)).is_enough, "nothing that shows it was tried"
    assert not Trust((10, 10), (0, 0)).is_enough
