"""Does what is not done yet: every arm of a claim with every seed, and the check of the tagger."""

from __future__ import annotations

import hashlib
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

from PIL import Image

from datakit.demo.portraits.drawing import draw, tags_of
from trainer import embedded

from . import design, facts, judging, learning
from .contract import Arm, Baking, Claim, Painting, Sample
from .design import FIRST_SEED
from .facts import Oracle, Run, Seen
from .judging import Judge
from .learning import Learnt
from .material import SIZE_PX, picture_numbers


@dataclass(frozen=True)
class Lab:
    """What all runs have in common."""

    folder: Path
    """Of the results."""
    judge: Judge
    baking: Baking
    painting: Painting

    def setup(self, claim: Claim, arm: Arm | None) -> dict[str, str]:
        """What decides a result beside claim, arm and seed. A result of another setup is not this one's."""
        settings = {name: value for name, value in asdict(self.baking).items() if name != "base"}
        return {
            "base": base_digest(self.baking.base),
            "tagger": self.judge.digest[:12],
            "settings": _line({**settings, **{f"sample {k}": v for k, v in asdict(self.painting).items()}}),
            "design": design.of_arm(claim, arm) if arm else design.of_check(claim),
        }


@cache
def base_digest(base: str) -> str:
    """Of a base folder's weights, by its name or path. Raises ValueError where there are none."""
    folder = embedded.path_of(base) or Path(base)
    files = sorted(folder.glob("*/*.safetensors"))
    if not files:
        raise ValueError(f"{base}: no base model is there; name a folder in diffusers' layout with --base")
    sums = hashlib.sha256()
    for path in files:
        sums.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return sums.hexdigest()[:12]


def versions() -> dict[str, str]:
    """Of what the numbers come from."""
    found = {"python": platform.python_version()}
    return found | {name: version(name) for name in ("torch", "diffusers", "transformers", "onnxruntime")}


def todo(claim: Claim, lab: Lab, seeds: Sequence[int]) -> list[tuple[Arm, int]]:
    """The runs that have no result yet, seed by seed: an early end leaves whole pairs."""
    found = []
    setups = {arm.name: lab.setup(claim, arm) for arm in claim.arms}
    for seed in seeds:
        for arm in claim.arms:
            kept = facts.load_run(facts.path_of(lab.folder, claim.name, arm=arm.name, seed=seed))
            if kept is None or not _same(kept.setup, setups[arm.name]):
                found.append((arm, seed))
    return found


def run(claim: Claim, arm: Arm, seed: int, lab: Lab) -> Run:
    """Trains, paints, judges and keeps the result. Raises TrainerError, DskError."""
    began, start = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="experiment-") as place:
        learnt = learning.learn(Path(place), arm, baking=lab.baking, painting=lab.painting, seed=seed)
    trained = time.process_time()
    asks = list(claim.asks(seed))
    images = learning.paint(learnt, asks, painting=lab.painting, seed=seed)
    tags = lab.judge.tags(images)
    seconds = {"train": trained - start, "paint": time.process_time() - trained}
    made = Run(
        claim=claim.name,
        arm=arm.name,
        seed=seed,
        setup={**lab.setup(claim, arm), **versions()},
        pictures=tuple(
            Seen(ask.group, ask.prompt, ask.asked, tuple(seen), picture_numbers(image))
            for ask, seen, image in zip(asks, tags, images, strict=True)
        ),
        data=_means(arm.samples(seed)),
        loss=_ends(learnt),
        parameters=learnt.parameters,
        seconds={name: round(value, 1) for name, value in {**seconds, "wall": time.perf_counter() - began}.items()},
    )
    path = facts.path_of(lab.folder, claim.name, arm=arm.name, seed=seed)
    _keep_sheet(path.with_suffix(".png"), images)
    facts.save(path, made)
    return made


def check(claim: Claim, lab: Lab) -> Oracle | None:
    """Asks the tagger about portraits of known tags, as soft as the base's VAE makes them; kept like a run."""
    if claim.looks is None:
        return None
    setup, path = lab.setup(claim, None), lab.folder / claim.name / facts.ORACLE
    kept = facts.load_oracle(path)
    if kept is not None and _same(kept.setup, setup):
        return kept
    looks = list(claim.looks(FIRST_SEED))
    images = [draw(look, SIZE_PX).convert("RGB") for look in looks]
    said = lab.judge.tags(_softened(claim, lab, images))
    truth, asks = [tags_of(look) for look in looks], list(claim.asks(FIRST_SEED))
    found = {}
    for measure in claim.measures:
        if measure.is_share:
            trust = judging.trust(measure, judging.asked_tags(measure, asks), truth=truth, said=said)
            found[measure.name] = (trust.yes, trust.no)
    made = Oracle(claim.name, {**setup, **versions()}, found)
    facts.save(path, made)
    return made


def all_of(
    claims: Sequence[Claim], lab: Lab, seeds: Sequence[int], *, until: float, tell: Callable[[str], None]
) -> bool:
    """Runs what is left to do until `until` on the monotonic clock; whether everything is done. Raises as `run`."""
    for claim in claims:
        unknown = judging.unknown_tags(claim, lab.judge, seed=FIRST_SEED)
        if unknown:
            tell(f"{claim.name}: the tagger cannot tell {', '.join(unknown)}; they count as never shown")
        left = todo(claim, lab, seeds)
        if time.monotonic() < until:
            check(claim, lab)
        for number, (arm, seed) in enumerate(left):
            if time.monotonic() >= until:
                tell(f"the time is up; {len(left) - number} runs of {claim.name} are left. The same command goes on.")
                return False
            made = run(claim, arm, seed, lab)
            took = ", ".join(f"{name} {value:g} s" for name, value in made.seconds.items())
            tell(f"{claim.name}: {arm.name}, seed {seed}: {took}; loss {made.loss[0]:.3f} to {made.loss[1]:.3f}")
    return True


def _softened(claim: Claim, lab: Lab, images: Sequence[Image.Image]) -> list[Image.Image]:
    with tempfile.TemporaryDirectory(prefix="experiment-") as place:
        bare = Arm("oracle", "", lambda seed: [Sample(images[0], "1girl")], trains=False)
        learnt = learning.learn(Path(place), bare, baking=lab.baking, painting=lab.painting, seed=0)
    return learning.softened(learnt.model, images)


def _keep_sheet(path: Path, images: Sequence[Image.Image]) -> None:
    """The pictures themselves, for a person who wants to see what the figures say."""
    columns = 8
    width, height = images[0].size
    sheet = Image.new("RGB", (columns * width, -(-len(images) // columns) * height), "white")
    for place, image in enumerate(images):
        sheet.paste(image, (place % columns * width, place // columns * height))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _means(samples: Sequence[Sample]) -> dict[str, float]:
    numbers = [picture_numbers(sample.image) for sample in samples]
    return {name: fmean(one[name] for one in numbers) for name in numbers[0]}


def _ends(learnt: Learnt) -> tuple[float, float]:
    if not learnt.losses:
        return (0.0, 0.0)
    tenth = max(1, len(learnt.losses) // 10)
    return (fmean(learnt.losses[:tenth]), fmean(learnt.losses[-tenth:]))


def _same(kept: Mapping[str, str], setup: Mapping[str, str]) -> bool:
    return all(kept.get(name) == value for name, value in setup.items())


def _line(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
