"""The dsk.toml of the demonstration: the one place that says what the stages, the export and the bake do there."""

from __future__ import annotations

from typing import Final

STEPS: Final = 120
QUICK_STEPS: Final = 12

_TEMPLATE: Final = """\
[filtered.too-small]
min_side_px = 128            # smaller pictures are dropped

[edited]
background = "#ffffff"       # what shows where a picture is transparent

[cleaned]
blacklist = ["lowres", "head_only", "no_nose"]

[cleaned.triggers]           # concept = the word that calls it
aria = "aria_dsk"
hana = "hana_dsk"
mika = "mika_dsk"
sora = "sora_dsk"

[export.kohya]
resolution = 160
min_bucket_reso = 64
bucket_reso_steps = 32
batch_size = 4
shuffle_caption = true
keep_tokens = 1              # the trigger stays in front

[bake.optimizer]
learning_rate = 1e-3

[bake.train]
steps = {steps}

[bake.sample]
prompts = ["aria_dsk, 1girl, smile", "mika_dsk, 1girl, closed eyes", "sora_dsk, 1boy, grin"]
"""


def dsk_toml(*, quick: bool) -> str:
    """The file's text; `quick` bakes a tenth of the steps."""
    return _TEMPLATE.format(steps=QUICK_STEPS if quick else STEPS)
