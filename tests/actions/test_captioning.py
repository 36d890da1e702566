"""dsk caption end to end: a tagger and a command in a dataset, blame, what is stale, and Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.blaming import blame
from datakit.actions.captioning import allow_command, caption
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.errors import StateError, UsageError
from datakit.repo.transitions.pipeline import Transition

TAGGERS = Path(__file__).parents[1] / "taggers"
sys.path.append(str(TAGGERS))
from onnx_graphs import probe_names, write_wd  # noqa: E402 - their folder is no package
from taggers import hub  # noqa: E402

Dsk = Callable[..., subprocess.CompletedProcess[str]]
COLOURS = {"one": "red", "two": "lime", "three": "blue"}
EACH = {"red": "red", "lime": "green", "blue": "blue"}


def scraped(folder: Path, names: dict[str, str] = COLOURS) -> Path:
    for name, colour in names.items():
        path = folder / "aria" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 280), colour).save(path)
    return folder


def configured(project: Project, text: str) -> Project:
    (project.dataset.root / "dsk.toml").write_text(f"[captioned]\n{text}\n")
    return open_project(project.dataset.root)


def text(project: Project, stem: str) -> str:
    return (project.dataset.root / "captioned/aria" / f"{stem}.txt").read_text("utf-8")


def ran(project: Project) -> Transition:
    advance(open_project(project.dataset.root), "edited")
    done = caption(open_project(project.dataset.root))
    assert done is not None
    return done


@pytest.fixture
def tagged(empty: Project, tmp_path: Path) -> Project:
    import_folder(empty, scraped(tmp_path / "scrape"))
    project = configured(empty, f'taggers = ["{write_wd(tmp_path / "wd")}"]')
    ran(project)
    return project


def test_colours_are_seen_and_blamed(tagged: Project) -> None:
    names = probe_names()
    for stem, colour in COLOURS.items():
        tags = text(tagged, stem).split(", ")
        probes = {probe for probe in ("red", "green", "blue") if names[probe] in tags}
        assert probes == {EACH[colour]}
        assert len(tags) == len(set(tags))
        assert not {"general", "sensitive", "questionable", "explicit"} & set(tags)
    told = {row.tag: row.cause for row in blame(tagged, "aria/one").tags}
    cause = told[names["red"]]
    assert (cause.kind, cause.score is not None and cause.score > 0.5) == ("tagger", True)


def test_the_summary_and_notes_tell_who_saw(tagged: Project, tmp_path: Path) -> None:
    import_folder(tagged, scraped(tmp_path / "more", {"four": "yellow"}))
    done = ran(tagged)
    assert done.subject.startswith("captioned: 1 changed: 1 caption, 1 seen by ")
    (line,) = [note for note in done.notes if "/s" in note]
    assert line.startswith("1 image by ")
    assert " on cpu, " in line


def test_thresholds_ask_no_model_again(tagged: Project, tmp_path: Path) -> None:
    before = text(tagged, "one")
    wd = tmp_path / "wd"
    again = configured(tagged, f'taggers = ["{wd}"]\nthresholds = {{general = 0.9}}')
    done = ran(again)
    assert len(text(again, "one")) < len(before)
    assert [note for note in done.notes if "/s" in note] == []


def test_another_label_file_makes_the_stage_stale(tagged: Project, tmp_path: Path) -> None:
    assert open_project(tagged.dataset.root).stale("captioned", tagged.dataset.head_tree) == ""
    labels, red = tmp_path / "wd/selected_tags.csv", probe_names()["red"]
    labels.write_text(labels.read_text("utf-8").replace(f",{red},", ",crimson_everywhere,"), "utf-8")
    assert "tagger" in open_project(tagged.dataset.root).stale("captioned", tagged.dataset.head_tree)
    done = ran(tagged)
    assert "crimson_everywhere" in text(tagged, "one")
    assert [note for note in done.notes if "/s" in note] == []


def test_missing_files_are_told_with_the_command(
    empty: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.delenv("DSK_MODELS", raising=False)
    import_folder(empty, scraped(tmp_path / "scrape"))
    project = configured(empty, 'taggers = ["wd-vit-tagger-v3"]')
    with pytest.raises(StateError) as caught:
        ran(project)
    assert "dsk taggers fetch wd-vit-tagger-v3" in caught.value.hint


def test_a_named_tagger_is_fetched_once_when_it_is_first_needed(empty: Project, tmp_path: Path, dsk: Dsk) -> None:
    import_folder(empty, scraped(tmp_path / "scrape"))
    project = configured(empty, 'taggers = ["wd-vit-tagger-v3"]')
    made = write_wd(tmp_path / "made")
    place = "SmilingWolf/wd-vit-tagger-v3/resolve/main"
    env = {"DSK_MODELS": str(tmp_path / "models"), "HF_HUB_OFFLINE": "0", "NO_PROXY": "*"}
    served = {f"{place}/{name}": made / name for name in ("model.onnx", "selected_tags.csv")}
    with hub.serve(served) as (address, asked):
        first = dsk(project.dataset.root, "advance", "wip", env={**env, "HF_ENDPOINT": address})
        num_asked = len(asked)
        configured(empty, 'taggers = ["wd-vit-tagger-v3"]\nthresholds = {general = 0.9}')
        again = dsk(project.dataset.root, "advance", "wip", env={**env, "HF_ENDPOINT": address})
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "3 seen by wd-vit-tagger-v3" in first.stdout
    assert num_asked == len(asked) > 0


def test_what_the_datasets_own_spec_names_is_not_fetched_by_itself(
    empty: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.delenv("DSK_MODELS", raising=False)
    import_folder(empty, scraped(tmp_path / "scrape"))
    own = empty.dataset.root / "vocab/taggers/wd-vit-tagger-v3.toml"
    own.parent.mkdir(parents=True)
    own.write_text('repository = "stranger/model"\n')
    with pytest.raises(StateError, match="is not on this computer") as caught:
        ran(configured(empty, 'taggers = ["wd-vit-tagger-v3"]'))
    assert "dsk taggers fetch wd-vit-tagger-v3" in caught.value.hint


def test_a_provider_that_is_not_here_is_refused(tagged: Project) -> None:
    with pytest.raises(UsageError, match="--provider cdua"):
        caption(tagged, provider="cdua")
    assert caption(tagged, provider="cpu") is None


def test_prose_by_a_command_and_hand_edits(empty: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    import_folder(empty, scraped(tmp_path / "scrape"))
    program = shlex.join([sys.executable, str(TAGGERS / "caption_program.py"), "plain", str(tmp_path / "log")])
    project = configured(empty, f"command = {json.dumps(program)}")
    with pytest.raises(StateError, match="wants to run"):
        ran(project)
    assert allow_command(project) == program
    done = ran(project)
    assert done.subject == "captioned: 3 captions, 3 described by the command"
    assert text(project, "one") == "\n\nA picture of something. It is aria/one."
    assert len((tmp_path / "log").read_text().splitlines()) == 3

    root = project.dataset.root
    (root / "captioned/aria/one.txt").write_text("hat\n\nMy own words here.")
    (root / "captioned/aria/two.txt").write_text("hat\n\nA picture of something. It is aria/two.")
    project = configured(project, f'command = {json.dumps(program)}\ncommand_version = "2"')
    log = tmp_path / "log"
    log.unlink()
    source = (TAGGERS / "caption_program.py").read_text().replace("A picture", "A photo")
    (tmp_path / "other.py").write_text(source)
    other = program.replace(str(TAGGERS / "caption_program.py"), str(tmp_path / "other.py"))
    project = configured(project, f"command = {json.dumps(other)}")
    allow_command(project)
    done = ran(project)
    assert text(project, "one") == "hat\n\nMy own words here."
    assert text(project, "two") == "hat\n\nA photo of something. It is aria/two."
    assert list(done.conflicts) == ["aria/one.txt"]


def test_what_taggers_saw_is_kept_when_the_command_dies(
    empty: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSK_ALLOW_COMMAND", "1")
    import_folder(empty, scraped(tmp_path / "scrape"))
    program = shlex.join([sys.executable, str(TAGGERS / "caption_program.py"), "dies", str(tmp_path / "log")])
    project = configured(empty, f'taggers = ["{write_wd(tmp_path / "wd")}"]\ncommand = {json.dumps(program)}')
    with pytest.raises(StateError, match="ended too early"):
        ran(project)
    assert remembered(project.dataset.root) == 3


def busy(folder: Path, number: int) -> Path:
    for at in range(number):
        colours = np.random.default_rng(at).integers(0, 256, (24, 20, 3), np.uint8)
        path = folder / "aria" / f"{at:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        Image.fromarray(colours).resize((900, 1100)).save(stream, "JPEG", quality=90)
        path.write_bytes(stream.getvalue())
    return folder


def test_ctrl_c_keeps_what_was_seen(empty: Project, tmp_path: Path) -> None:
    number = 150
    import_folder(empty, busy(tmp_path / "scrape", number))
    project = configured(empty, f'taggers = ["{write_wd(tmp_path / "wd")}"]')
    advance(project, "edited")
    root = project.dataset.root
    words = [sys.executable, "-m", "datakit", "-C", str(root), "caption"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ})
    until = time.monotonic() + 60
    while remembered(root) == 0 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    kept = remembered(root)
    if process.returncode == 0:
        pytest.skip("the computer saw all images before it could be stopped")
    assert process.returncode == 130, told
    assert 0 < kept < number
    done = caption(open_project(root))
    assert done is not None
    (line,) = [note for note in done.notes if "/s" in note]
    assert line.startswith(f"{number - kept} images by ")


def remembered(root: Path) -> int:
    """Scores that the dataset remembers."""
    from datakit.taggers.finding import find_tagger
    from datakit.taggers.preprocess import VERSION

    project = open_project(root)
    (name,) = project.settings("captioned").taggers
    key = f"tagger:{find_tagger(name, root=root).digest}:{VERSION}"
    lfs = root / ".git/lfs/objects"
    shas = [path.name for path in lfs.rglob("*") if path.is_file()]
    return len(project.dataset.memo.get({f"{key}:{sha}" for sha in shas}))


def test_the_command_line(tagged: Project, dsk: Dsk, tmp_path: Path) -> None:
    root = tagged.dataset.root
    import_folder(tagged, scraped(tmp_path / "more", {"four": "yellow"}))
    advance(open_project(root), "edited")
    done = dsk(root, "caption", "--provider", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert (told["stage"], told["num_computed"]) == ("captioned", 1)
    assert " on cpu, " in told["notes"][0]
    wrong = dsk(root, "caption", "--provider", "cude")
    assert (wrong.returncode, "did you mean 'cuda'?" in wrong.stderr) == (2, True)
    none = dsk(root, "caption", "--allow-command")
    assert none.returncode == 2
    light = "import sys; sys.argv = ['dsk', 'status']; from datakit.cli.main import cli; cli(standalone_mode=False)"
    (root / "dsk.toml").write_text("")
    shown = subprocess.run(
        [sys.executable, "-c", f"{light}; print('onnxruntime' in sys.modules)"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.splitlines()[-1] == "False"
