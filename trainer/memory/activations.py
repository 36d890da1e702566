"""What a training step takes beside weights, as measured by tests/benchmarks/measure_activations.py.

python -m tests.benchmarks.measure_activations
"""

from __future__ import annotations

Line = tuple[int, int]
"""Fixed bytes, and bytes per latent pixel and picture."""
Key = tuple[str, str, str, bool]
"""Family; lora or full; arithmetic and weights; checkpointing. Gradients of a full finetune's weights are not in it."""

STEP: dict[Key, Line] = {
    ("sdxl", "lora", "bf16", False): (4_555_612_348, 422_502),
    ("sdxl", "lora", "bf16", True): (212_590_623, 44_268),
    ("sdxl", "lora", "bf16 weights", False): (155_256_508, 422_502),
    ("sdxl", "lora", "bf16 weights", True): (102_900_756, 41_449),
    ("sdxl", "lora", "fp32", False): (35_674_684, 845_964),
    ("sdxl", "lora", "fp32", True): (1_125_316, 95_066),
    ("sdxl", "full", "bf16", False): (5_203_584_700, 420_798),
    ("sdxl", "full", "bf16", True): (5_133_755_804, 37_768),
    ("sdxl", "full", "bf16 weights", False): (69_856_700, 420_798),
    ("sdxl", "full", "bf16 weights", True): (853_844, 44_202),
    ("sdxl", "full", "fp32", False): (52_027_356, 840_630),
    ("sdxl", "full", "fp32", True): (1_076_804, 88_362),
    ("sd15", "lora", "bf16", False): (1_644_276_996, 239_348),
    ("sd15", "lora", "bf16", True): (218_539_388, 65_957),
    ("sd15", "lora", "bf16 weights", False): (21_213_956, 239_348),
    ("sd15", "lora", "bf16 weights", True): (2_247_548, 65_957),
    ("sd15", "lora", "fp32", False): (8_119_995, 478_097),
    ("sd15", "lora", "fp32", True): (494_252, 131_810),
    ("sd15", "full", "bf16", False): (1_726_321_156, 228_987),
    ("sd15", "full", "bf16", True): (1_717_607_428, 48_608),
    ("sd15", "full", "bf16 weights", False): (7_701_644, 231_555),
    ("sd15", "full", "bf16 weights", True): (348_348, 58_944),
    ("sd15", "full", "fp32", False): (8_085_187, 462_511),
    ("sd15", "full", "fp32", True): (460_076, 117_784),
    ("tiny", "lora", "bf16", False): (9_643_476, 25_834),
    ("tiny", "lora", "bf16", True): (1_829_052, 10_116),
    ("tiny", "lora", "bf16 weights", False): (1_166_292, 25_834),
    ("tiny", "lora", "bf16 weights", True): (700_092, 9_630),
    ("tiny", "lora", "fp32", False): (488_847, 51_437),
    ("tiny", "lora", "fp32", True): (99_116, 20_160),
    ("tiny", "full", "bf16", False): (10_003_516, 23_257),
    ("tiny", "full", "bf16", True): (9_554_564, 6_224),
    ("tiny", "full", "bf16 weights", False): (472_732, 23_598),
    ("tiny", "full", "bf16 weights", True): (61_948, 8_400),
    ("tiny", "full", "fp32", False): (433_175, 46_965),
    ("tiny", "full", "fp32", True): (84_396, 16_728),
}
"""SDXL at 512 and 1024 px, SD 1.5 at 384 and 512, tiny at 64 and 128, batch 1; a LoRA has rank 16. Linear: SDXL's LoRA
in float32 at 512, 768 and 1024 px and with two pictures is off its line by 0.3 % at most. What LyCORIS' kinds take more
was measured on SD 1.5, without and with checkpointing: LoKr 0.50 and 0.22 GB, LoHa 0.62 and 0.39, DoRA 3.7 and 0.81,
OFT 1.6 without; 267 million numbers are adapted there."""
