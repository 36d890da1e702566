"""Images a second of a tagger: onnxruntime alone on prepared arrays, `pipeline.tag` from the files, sd-scripts' script.

    python -m tests.benchmarks.bench_tagging [--images N] [--rounds N] [--width W] [--depth D]
                                             [--provider NAME] [--sd-scripts FOLDER] [--peer-python PYTHON]

The model is a vision transformer at 448 px with random weights (tagger_models): by default 192 wide and 6 deep, a tenth
of a second an image on two idle cores, and so a tenth of `wd-vit-tagger-v3`; beside it the graph of the tests, which
costs next to nothing and shows what the pipeline itself can do. Images are JPEGs of about a megapixel. The contenders
run in turn, each in a process of its own that tells how long it took without its start. The first is also run with
onnxruntime's own settings, under which its threads spin.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/taggers"))


def main() -> None:
    """Measure and print Markdown."""
    options = _options()
    if options.role:
        print(json.dumps(_ROLES[options.role](options.model, options.folder, options)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        _make(work, options)
        print(f"{options.images} JPEGs of about a megapixel, {os.cpu_count()} cores, {options.provider}.\n")
        for name in ("vit", "cheap"):
            _race(work, work / name, options)


def _race(work: Path, model: Path, options: argparse.Namespace) -> None:
    contenders = {role: [sys.executable, "-m", "tests.benchmarks.bench_tagging", "--role", role] for role in _ROLES}
    rates: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for role, argv in contenders.items():
            words = [*argv, "--model", str(model), "--folder", str(work / "images"), "--batch", str(options.batch)]
            words += ["--provider", options.provider]
            done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
            rates.setdefault(role, []).append(options.images / json.loads(done.stdout.splitlines()[-1]))
        if options.sd_scripts:
            rates.setdefault("sd-scripts", []).append(options.images / _sd_scripts(work, model, options))
    pairs = [mine / other for mine, other in zip(rates["ours"], rates["pure"], strict=True)]
    print(f"| {model.name}: images/s | median | all rounds |\n|---|---|---|")
    for name, found in rates.items():
        print(f"| {name} | {statistics.median(found):.2f} | {', '.join(f'{one:.2f}' for one in found)} |")
    print(f"\nours / pure: {statistics.median(pairs):.1%} ({min(pairs):.1%} to {max(pairs):.1%})\n")


def _ours(model: Path, folder: Path, asked: argparse.Namespace) -> float:
    """Seconds from the files to packed scores."""
    from datakit.taggers.finding import find_tagger
    from datakit.taggers.pipeline import tag
    from datakit.taggers.session import Session

    batch = asked.batch
    session = Session(find_tagger(str(model), root=model.parent), provider=asked.provider)
    reads = [path.read_bytes for path in sorted(folder.iterdir())]
    list(tag(reads[:batch], session, batch=batch))
    began = time.perf_counter()
    found = list(tag(reads, session, batch=batch))
    seconds = time.perf_counter() - began
    if not all("scores" in facts for _, facts in found):
        raise RuntimeError("an image was not seen")
    return seconds


def _pure(model: Path, folder: Path, asked: argparse.Namespace) -> float:
    """Seconds of onnxruntime on arrays that are ready, with our session's settings."""
    return _on_arrays(model, folder, asked, {"session.intra_op.allow_spinning": "0"})


def _pure_spinning(model: Path, folder: Path, asked: argparse.Namespace) -> float:
    """As `_pure`, with onnxruntime's own settings."""
    return _on_arrays(model, folder, asked, {})


def _on_arrays(model: Path, folder: Path, asked: argparse.Namespace, entries: dict[str, str]) -> float:
    import numpy as np
    import onnxruntime

    from datakit.images.decode import open_bounded
    from datakit.taggers.preprocess import prepare
    from datakit.taggers.providers import PROVIDERS, choose
    from datakit.taggers.spec import Input

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    providers = [PROVIDERS[one] for one in choose(asked.provider)]
    session = onnxruntime.InferenceSession(str(model / "model.onnx"), options, providers=providers)
    name, batch = session.get_inputs()[0].name, asked.batch
    paths = sorted(folder.iterdir())
    arrays = np.stack([prepare(open_bounded(path.read_bytes()), Input(), 448) for path in paths])
    session.run(None, {name: arrays[:batch]})
    began = time.perf_counter()
    for at in range(0, len(arrays), batch):
        session.run(None, {name: arrays[at : at + batch]})
    return time.perf_counter() - began


def _sd_scripts(work: Path, model: Path, options: argparse.Namespace) -> float:
    """Seconds of its script, less those of its run over one image: its start and the model's loading."""
    seconds = [_sd_scripts_once(work / folder, work, model, options) for folder in ("images", "one")]
    return (seconds[0] - seconds[1]) * options.images / (options.images - 1)


def _sd_scripts_once(images: Path, work: Path, model: Path, options: argparse.Namespace) -> float:
    home = work / "sd-models" / model.name
    (home / "bench_tagger").mkdir(parents=True, exist_ok=True)
    for file in ("model.onnx", "selected_tags.csv"):
        place = home / "bench_tagger" / file
        if not place.exists():
            place.symlink_to(model / file)
    script = Path(options.sd_scripts) / "finetune/tag_images_by_wd14_tagger.py"
    words = [options.peer_python, str(script), "--onnx", "--repo_id", "bench/tagger", "--model_dir", str(home)]
    words += ["--batch_size", str(options.batch), "--max_data_loader_n_workers", "2", "--caption_extension", ".txt"]
    words += ["--character_threshold", "2"]  # its snapshot of 2026 stops at the first character that it sees
    environment = {**os.environ, "PYTHONPATH": options.sd_scripts}
    began = time.perf_counter()
    done = subprocess.run([*words, str(images)], env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode or not list(images.glob("*.txt")):
        raise RuntimeError(f"sd-scripts failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    for text in images.glob("*.txt"):
        text.unlink()
    return seconds


def _make(work: Path, options: argparse.Namespace) -> None:
    import numpy as np
    from onnx_graphs import labels_csv, write_wd
    from PIL import Image

    from tests.benchmarks.tagger_models import write_vit

    write_vit(work / "vit", labels_csv(), width=options.width, depth=options.depth)
    write_wd(work / "cheap")
    random = np.random.default_rng(11)
    for number in range(options.images):
        width, height = ((1216, 1216), (832, 1216), (1000, 1500), (1216, 832))[number % 4]
        colours = random.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
        image = Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC)
        for folder in ("images", "one")[: 2 if number == 0 else 1]:
            (work / folder).mkdir(exist_ok=True)
            image.save(work / folder / f"{number:05}.jpg", quality=92)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--provider", default="cpu", help="cuda, directml, coreml or cpu")
    parser.add_argument("--sd-scripts", default="", help="a checkout of kohya-ss/sd-scripts")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python with its requirements")
    parser.add_argument("--role", default="", choices=["", *_ROLES], help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


_ROLES: dict[str, Any] = {"pure": _pure, "pure-spinning": _pure_spinning, "ours": _ours}


if __name__ == "__main__":
    main()
