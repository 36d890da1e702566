"""Claims that users argue about, tried on the sample world.

    python -m tests.experiments [NAME...] [--seeds 5] [--base PATH] [--budget-minutes N] [--results FOLDER]
    python -m tests.experiments --report

Results that are there are not made again, so a stopped command goes on where it was. One process does all runs, on one
thread: several may share the work by naming other claims.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]

# Before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def main() -> int:
    """Run what is left, or write the page; the exit code."""
    asked = _options()
    signal.signal(signal.SIGTERM, _end)
    try:
        return _report(asked) if asked.report else _run(asked)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if asked.traceback:
            raise
        hint = getattr(error, "hint", "")
        print(f"error: {error}" + (f"\n  {hint}" if hint else ""), file=sys.stderr)
        return 1


def _end(number: int, frame: FrameType | None) -> None:
    """What was begun is tidied up on the way out."""
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    from .claims.table import CLAIMS
    from .contract import Baking, Painting

    usual, painting = Baking(""), Painting()
    parser = argparse.ArgumentParser(prog="python -m tests.experiments", description=(__doc__ or "").splitlines()[0])
    names = [claim.name for claim in CLAIMS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"claims, of {', '.join(names)}; default: all")
    parser.add_argument("--base", default="dsk-tiny", help="base model: a name or a folder")
    parser.add_argument("--tagger", default="dsk-tiny-tagger", help="tagger: a name or a folder")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each arm")
    parser.add_argument("--steps", type=int, default=usual.steps, help="of training")
    parser.add_argument("--batch", type=int, default=usual.batch, help="pictures of a step")
    parser.add_argument("--rate", type=float, default=usual.rate, help="learning rate")
    parser.add_argument("--sample-steps", type=int, default=painting.steps, help="of painting")
    parser.add_argument("--budget-minutes", type=float, default=float("inf"), help="begin no run after so long")
    parser.add_argument("--results", type=Path, default=ROOT / "made" / "experiments", help="folder of the results")
    parser.add_argument("--report", action="store_true", help="write docs/experiments.md from the results, run nothing")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the report goes")
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    found = parser.parse_args()
    if unknown := [name for name in found.names if name not in names]:
        parser.error(f"no claim {', '.join(unknown)}; there are {', '.join(names)}")
    found.claims = [claim for claim in CLAIMS if claim.name in found.names or not found.names]
    return found


def _report(asked: argparse.Namespace) -> int:
    from . import report
    from .claims.table import CLAIMS

    for path in report.write(asked.docs, report.read(asked.results, CLAIMS)):
        print(f"wrote {path}")
    return 0


def _run(asked: argparse.Namespace) -> int:
    import torch

    from .contract import Baking, Painting
    from .judging import Judge
    from .running import Lab, all_of

    until = time.monotonic() + 60 * asked.budget_minutes
    torch.set_num_threads(1)
    baking = Baking(asked.base, steps=asked.steps, batch=asked.batch, rate=asked.rate)
    lab = Lab(asked.results, Judge(asked.tagger, root=ROOT), baking, Painting(steps=asked.sample_steps))
    done = all_of(asked.claims, lab, range(asked.seeds), until=until, tell=lambda text: print(text, flush=True))
    if done:
        print(f"all runs are in {asked.results}; --report writes the page")
    return 0 if done else 3


if __name__ == "__main__":
    sys.exit(main())
