"""One training run in a process of its own, ours or sd-scripts', with the time of each step and the peak of memory.

    train_process.py ANSWER ours CONFIG
    train_process.py ANSWER sd-scripts CHECKOUT ARGUMENTS...

A step lasts from the end of one update of the weights to the end of the next: sd-scripts' call of AdamW's `step`, our
updater's `update`. The answer is JSON: `steps_s`, without the first; `processor_s`, the same in time of all cores
together; `peak_bytes` of the GPU, or of the process where there is none; `device`; `torch`.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import runpy
import sys
import time
from itertools import pairwise
from pathlib import Path


def main(answer: str, who: str, *arguments: str) -> None:
    if who == "sd-scripts":
        sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))
        from stand_ins import stand_in

        # Only pictures that are augmented need it, and it drags another torch along.
        stand_in(arguments[0], "torchvision")
    else:
        sys.path.insert(0, str(Path(__file__).parents[2]))
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    if who == "sd-scripts":
        moments = watched(torch.optim.AdamW, "step")
        sys.argv = list(arguments[1:])
        runpy.run_path(str(Path(arguments[0], arguments[1])), run_name="__main__")
    else:
        from trainer import plan
        from trainer.progress import PlainReporter
        from trainer.run import bake
        from trainer.updates.updater import Updater

        moments = watched(Updater, "update")
        bake(plan.make(Path(arguments[0])), PlainReporter(print))
    on_gpu = torch.cuda.is_available()
    peak = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told = {
        "steps_s": [after[0] - before[0] for before, after in pairwise(moments)],
        "processor_s": [after[1] - before[1] for before, after in pairwise(moments)],
        "peak_bytes": peak,
        "device": torch.cuda.get_device_name() if on_gpu else "CPU",
        "torch": torch.__version__,
    }
    Path(answer).write_text(json.dumps(told))


def watched(kind: type, name: str) -> list[tuple[float, float]]:
    """The moments at which this method of the class came to its end, and the processor time spent until then."""
    moments: list[tuple[float, float]] = []
    real = getattr(kind, name)

    @functools.wraps(real)
    def timed(self: object, *given: object, **named: object) -> object:
        found = real(self, *given, **named)
        moments.append((time.perf_counter(), time.process_time()))
        return found

    setattr(kind, name, timed)
    return moments


if __name__ == "__main__":
    main(*sys.argv[1:])
