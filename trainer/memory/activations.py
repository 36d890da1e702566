"""What a training step takes beside weights, as measured by tests/benchmarks/measure_activations.py.

    python -m tests.benchmarks.measure_activations
"""

from __future__ import annotations

Line = tuple[int, int]
"""Fixed bytes, and bytes per latent pixel and picture."""
Key = tuple[str, str, str, bool, bool]
"""Family; lora or full; arithmetic and weights; checkpointing; fused."""

STEP: dict[Key, Line] = {
    ("sdxl", "lora", "bf16", False, False): (4_555_612_348, 422_502),
    ("sdxl", "lora", "bf16", True, False): (260_404_777, 46_425),
    ("sdxl", "lora", "bf16 weights", False, False): (155_256_508, 422_502),
    ("sdxl", "lora", "bf16 weights", True, False): (187_700_244, 41_349),
    ("sdxl", "lora", "fp32", True, False): (1_125_316, 95_066),
    ("sdxl", "full", "bf16", False, False): (15_185_484_071, 55_173),
    ("sdxl", "full", "bf16", True, False): (15_334_534_529, 17_295),
    ("sdxl", "full", "bf16 weights", False, False): (4_667_644_241, 140_171),
    ("sdxl", "full", "bf16 weights", False, True): (69_856_700, 420_798),
    ("sdxl", "full", "bf16 weights", True, False): (5_079_626_076, 19_882),
    ("sdxl", "full", "bf16 weights", True, True): (853_844, 44_202),
    ("sdxl", "full", "fp32", False, False): (9_363_249_745, 272_318),
    ("sdxl", "full", "fp32", True, False): (10_158_621_268, 39_722),
}
