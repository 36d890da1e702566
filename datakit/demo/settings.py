"""The dsk.toml of the demonstration: the one place that says what the stages, the export and the bake do there."""

from __future__ import annotations

from typing import Final

STEPS: Final = 500
QUICK_STEPS: Final = 50

TRIGGER: Final = "aria_dsk"
"""The word that is to call the character whose traits are pruned."""
STYLE_TRIGGER: Final = "lorelei_dsk"

_TEMPLATE: Final = """\
[filtered.too-small]
min_side_px = 64             # smaller pictures are dropped

[edited]
background = "#ffffff"       # what shows where a picture is transparent

[cleaned]
blacklist = ["lowres", "no_nose", "lorelei_(style)"]
replace = {{spiked_hair = "spiky_hair"}}   # as the base model calls it

[cleaned.triggers]           # concept = the word that calls it
aria = "aria_dsk"
lorelei = "lorelei_dsk"      # a style has a trigger too

[cleaned.prune]              # no caption says these, so they are left to the trigger
aria = ["blue_hair", "braid", "glasses"]

[export.kohya]
resolution = 64
min_bucket_reso = 32
bucket_reso_steps = 16
batch_size = 4
shuffle_caption = true
keep_tokens = 1              # the trigger stays in front
validation_split = 0.15      # held out, to tell learning from memorizing

[export.concepts.aria]
repeats = 4                  # as often as all others together

[bake.model]
base = "dsk-tiny"            # comes with dsk

[bake.adapter]
rank = 16
alpha = 16
conv_rank = 8
text_targets = "attention+mlp"   # the text encoder too: it has to tell the trigger from other words

[bake.optimizer]
learning_rate = 2e-3
text_encoder_rate = 1e-3

[bake.schedule]
name = "cosine"
warmup = 10

[bake.train]
steps = {steps}
threads = 1                  # so small a network is slower on two

[bake.sample]
prompts = [
  "aria_dsk, 1girl, solo",
  "aria_dsk, 1girl, solo, open mouth, pink background",
  "lorelei_dsk, 1girl, solo, long hair, red hair, smile",
  "1girl, solo, hair bun, red hair, smile",
]
guidance = 4
guidance_rescale = 0.5
"""


def dsk_toml(*, quick: bool) -> str:
    """The file's text; `quick` bakes a tenth of the steps."""
    return _TEMPLATE.format(steps=QUICK_STEPS if quick else STEPS)
