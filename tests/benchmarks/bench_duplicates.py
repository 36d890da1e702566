"""Near-duplicates: what is found of seven transforms, what of unrelated images, and how fast.

    python -m tests.benchmarks.bench_duplicates FOLDER... [--peers PYTHON] [--rounds N]

FOLDER... hold unrelated images. Files that belong together (the same scene, another expression) have names that begin
alike up to the first blank, `-`, `_` or digit; pairs of them count neither as found nor as false. PYTHON is that of an
environment with `imagehash` and `czkawka` 0.1.2, which runs beside dsk on the same files.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from datakit.images.convert import to_srgb_rgb
from datakit.images.decode import UnreadableImage, open_bounded
from datakit.images.hashes import hash_file, hashes_of
from datakit.images.lookalikes import MIN_DETAIL, Limits, Picture, group

MOST_PX: Final = 1216
LEAST_PX: Final = 100
DISTANCES: Final = (4, 6, 8, 10, 12)
NUM_HASHES: Final = 100_000
MARK: Final = (0.2, 0.05)
"""Width and height of the watermark's box, as parts of the image."""

_PHASH: Final = """
import sys, time, imagehash
from PIL import Image
start = time.process_time()
for path in sys.argv[1:]:
    imagehash.phash(Image.open(path))
print(time.process_time() - start)
"""
_CZKAWKA: Final = """
import sys, time, pathlib
from czkawka import ImageSimilarity
start = time.perf_counter()
finder = ImageSimilarity()
finder.set_directories([pathlib.Path(sys.argv[1])])
finder.set_similarity(5)
finder.find_similar()
print(time.perf_counter() - start)
"""


def _watermarked(image: Image.Image, opacity: int) -> Image.Image:
    """A white box with a name in it, at the lower right."""
    layer = Image.new("RGBA", image.size)
    draw = ImageDraw.Draw(layer)
    width, height = image.size
    left, top = width * (0.97 - MARK[0]), height * (0.97 - MARK[1])
    draw.rectangle((left, top, width * 0.97, height * 0.97), fill=(255, 255, 255, opacity))
    draw.text((left + 2, top + 1), "artist.example", fill=(0, 0, 0, 255), font_size=max(6, int(height * MARK[1] * 0.6)))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def _recompressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return open_bounded(file.getvalue())


def _cropped(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    x, y = width * share / 2, height * share / 2
    return image.crop((int(x), int(y), int(width - x), int(height - y)))


TRANSFORMS: Final[dict[str, Callable[[Image.Image], Image.Image]]] = {
    "resize to half": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC),
    "recompress, JPEG 50": lambda image: _recompressed(image, 50),
    "brightness + 20 %": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "watermark box, half opaque": lambda image: _watermarked(image, 128),
    "watermark box, opaque": lambda image: _watermarked(image, 255),
    "mirrored": ImageOps.mirror,
    "contrast + 30 %": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "crop by 5 %": lambda image: _cropped(image, 0.05),
}
"""The watermark is measured twice: seven in all."""


def main() -> None:
    """Measure and print Markdown."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        originals = list(_originals(options.folders))
        _print_finding(originals)
        _print_speed(originals[:: max(1, len(originals) // 100)], Path(folder), options)
    _print_grouping()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_duplicates", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--peers", type=Path, help="python of an environment with imagehash and czkawka")
    parser.add_argument("--rounds", type=int, default=5, help="how often each speed is measured (5)")
    return parser.parse_args()


def _originals(folders: list[Path]) -> Iterator[tuple[str, Image.Image]]:
    """(path, image on white) of each image that is not nearly flat, in reading order of the folders."""
    for path in (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()):
        try:
            image = to_srgb_rgb(open_bounded(path.read_bytes()), background=(255, 255, 255))
        except UnreadableImage:
            continue
        image.thumbnail((MOST_PX, MOST_PX))
        if min(image.size) >= LEAST_PX and hashes_of(image).detail >= MIN_DETAIL:
            yield str(path), image


def _family(path: str) -> str:
    return re.split(r"[ _\-0-9]", Path(path).stem.lower())[0]


def _picture(key: str, image: Image.Image) -> Picture:
    return Picture(key=key, hashes=hashes_of(image), size_px=image.size, format="png")


def _print_finding(originals: list[tuple[str, Image.Image]]) -> None:
    bases = [_picture(path, image) for path, image in originals]
    print(f"{len(bases)} images\n\n| found | {' | '.join(f'{one} bits' for one in DISTANCES)} |")
    print("|---|" + "---|" * len(DISTANCES))
    for name, transform in TRANSFORMS.items():
        changed = [_picture(f"{path}\0", transform(image)) for path, image in originals]
        cells = []
        for distance in DISTANCES:
            limits = Limits(distance=distance)
            hits = sum(bool(group(list(pair), limits)) for pair in zip(bases, changed, strict=True))
            cells.append(f"{hits / len(bases):.1%}")
        print(f"| {name} | {' | '.join(cells)} |")
    false = {distance: _false(bases, Limits(distance=distance)) for distance in DISTANCES}
    print(f"| unrelated pairs | {' | '.join(str(len(one)) for one in false.values())} |\n")
    for distance, pairs in false.items():
        for left, right in pairs[:8]:
            print(f"{distance} bits: {Path(left).name}, {Path(right).name}")


def _false(bases: list[Picture], limits: Limits) -> list[tuple[str, str]]:
    """Pairs that look alike to dsk and are of other families."""
    found = group(bases, limits)
    pairs = [(one.keeper, member.key) for one in found for member in one.duplicates]
    return [pair for pair in pairs if _family(pair[0]) != _family(pair[1])]


def _print_speed(originals: list[tuple[str, Image.Image]], folder: Path, options: argparse.Namespace) -> None:
    print("\n| ms an image, one core | dsk | imagehash.phash | times | read and decode alone |\n|---|---|---|---|---|")
    for extension in ("jpg", "png"):
        place = folder / extension
        place.mkdir()
        for number, (_, image) in enumerate(originals):
            image.save(place / f"{number}.{extension}", **({"quality": 92} if extension == "jpg" else {}))
        paths = sorted(place.iterdir())
        ours, theirs, floor = [], [], []
        for _ in range(options.rounds):
            ours.append(_seconds(lambda path: hash_file(path.read_bytes()), paths))
            floor.append(_seconds(lambda path: open_bounded(path.read_bytes()), paths))
            if options.peers:
                theirs.append(_peer(options.peers, _PHASH, *map(str, paths)))
        _row(f"{extension}, from the file", ours, theirs, floor, len(paths))
    images = [image for _, image in originals]
    ours = [_seconds(hashes_of, images) for _ in range(options.rounds)]
    from imagehash import phash

    theirs = [_seconds(phash, images) for _ in range(options.rounds)]
    _row("the decoded image", ours, theirs, [], len(images))
    for extension in ("jpg", "png") if options.peers else ():
        place = folder / extension
        found = [
            (_everything(place), _peer(options.peers, _CZKAWKA, str(place), cache=folder))
            for _ in range(options.rounds)
        ]
        mine, other = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"\nhash and group {len(images)} {extension} files, all cores, start included: "
              f"dsk {mine:.2f} s, czkawka {other:.2f} s, {mine / other:.2f} times")  # fmt: skip


def _row(name: str, ours: list[float], theirs: list[float], floor: list[float], number: int) -> None:
    cells = [f"{1000 * statistics.median(one) / number:.1f}" if one else "" for one in (ours, theirs, floor)]
    times = f"{statistics.median(theirs) / statistics.median(ours):.1f}" if theirs else ""
    print(f"| {name} | {cells[0]} | {cells[1]} | {times} | {cells[2]} |")


def _seconds(function: Callable[..., object], rows: list[Path] | list[Image.Image]) -> float:
    start = time.process_time()
    for row in rows:
        function(row)
    return time.process_time() - start


def _peer(python: Path, program: str, *words: str, cache: Path | None = None) -> float:
    home = {"XDG_CACHE_HOME": tempfile.mkdtemp(dir=cache)} if cache else {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **home}
    done = subprocess.run([python, "-c", program, *words], capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.split()[-1])


def _everything(folder: Path) -> float:
    """Seconds to hash a folder's files on all cores and to group them."""
    from datakit.store.parallel import spread

    start = time.perf_counter()
    paths = sorted(folder.iterdir())
    hashes = spread(lambda path: hash_file(path.read_bytes()), paths)
    pictures = [
        Picture(key=path.name, hashes=one, size_px=(1, 1), format="png")
        for path, one in zip(paths, hashes, strict=True)
    ]
    group(pictures, Limits())
    return time.perf_counter() - start


def _print_grouping() -> None:
    print(f"\n| {NUM_HASHES:,} images grouped, one core | seconds | groups |\n|---|---|---|")
    draw = np.random.default_rng(7)
    base = hashes_of(Image.fromarray(draw.integers(0, 256, (64, 64), np.uint8)))
    kinds: dict[str, Callable[[], np.ndarray]] = {
        "nothing alike": lambda: draw.integers(0, 2**64, (NUM_HASHES, 4), np.uint64),
        "five of each": lambda: _jittered(
            np.repeat(draw.integers(0, 2**64, (NUM_HASHES // 5, 4), np.uint64), 5, 0), draw
        ),
        "all equal": lambda: np.zeros((NUM_HASHES, 4), np.uint64),
        "all nearly equal": lambda: _jittered(np.zeros((NUM_HASHES, 4), np.uint64), draw),
        "a tenth of the bits set": lambda: np.packbits(draw.random((NUM_HASHES, 4, 64)) < 0.1, axis=-1).view(">u8")[
            ..., 0
        ],
    }
    for name, make in kinds.items():
        names = ("phash", "dhash", "phash_mirrored", "dhash_mirrored")
        pictures = [
            Picture(
                key=f"{number:06}",
                hashes=type(base)(**dict(zip(names, row, strict=True)), detail=50),
                size_px=(1, 1),
                format="png",
            )
            for number, row in enumerate(make().tolist())
        ]
        start = time.process_time()
        found = group(pictures, Limits())
        print(f"| {name} | {time.process_time() - start:.1f} | {len(found):,} |", flush=True)


def _jittered(rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Each with up to two other bits."""
    for _ in range(2):
        rows = rows ^ np.uint64(1) << draw.integers(0, 64, rows.shape, np.uint64)
    return rows


if __name__ == "__main__":
    main()
