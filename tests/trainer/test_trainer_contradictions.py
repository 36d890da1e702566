"""Settings without effect are refused before anything is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from trainer_sets import write_set

from trainer import plan
from trainer.errors import ConfigError

WORD = '[adapter]\nname = "textual_inversion"\nword = "sks"\n'
REFUSED = {
    "word": ('[adapter]\nword = "sks"', "adapter.word means nothing for lora", "textual_inversion"),
    "factor": ("[adapter]\nfactor = 4", "adapter.factor means nothing for lora", "lokr"),
    "full_matrix": ('[adapter]\nname = "loha"\nfull_matrix = true', "adapter.full_matrix means nothing", "lokr"),
    "constraint": ('[adapter]\nname = "lokr"\nconstraint = 0.1', "adapter.constraint means nothing", "oft"),
    "conv_rank of a word": (f"{WORD}conv_rank = 4", "adapter.conv_rank means nothing", "lora"),
    "targets of a word": (f'{WORD}targets = "attention"', "adapter.targets means nothing", "full"),
    "text_targets of a word": (f'{WORD}text_targets = "full"', "adapter.text_targets means nothing", "full"),
    "rules of a word": (f'{WORD}[[adapter.rules]]\nmatch = ".*"\nlearning_rate = 0.0', "adapter.rules means", "full"),
    "no word": ('[adapter]\nname = "textual_inversion"', "adapter.word is empty", "sks"),
    "dropout of the network": ('[adapter]\nname = "full"\ndropout = 0.1', "adapter.dropout means nothing", "lora"),
    "rank of a frozen block": (
        '[adapter]\nname = "full"\n[[adapter.rules]]\nmatch = ".*"\nrank = 4',
        "adapter.rules[0]: full has no rank",
        "learning_rate",
    ),
    "rank_stabilized": ('[adapter]\nname = "oft"\nrank_stabilized = true', "adapter.rank_stabilized means", "lora"),
    "conv_alpha alone": ("[adapter]\nconv_alpha = 4", "adapter.conv_alpha is of convolutions", "conv_rank"),
    "tucker alone": ("[adapter]\ntucker = true", "adapter.tucker is of convolutions", "conv_rank"),
    "lora_plus": ('[adapter]\nname = "oft"\n[optimizer]\nlora_plus = 16', "optimizer.lora_plus means nothing", "out"),
    "text rate alone": ("[optimizer]\ntext_encoder_rate = 1e-5", "no text encoder is trained", "text_targets"),
    "second text encoder": (
        '[adapter]\ntext_targets = "full"\n[optimizer]\ntext_encoder_2_rate = 1e-5',
        "tiny has no such text encoder",
        "leave",
    ),
    "limit of a fused pass": (
        "[optimizer]\nmax_grad_norm = 0.5\n[memory]\nfused_backward = true",
        "optimizer.max_grad_norm: memory.fused_backward knows",
        "fused_backward = false",
    ),
    "offset_random": ("[noise]\noffset_random = true", "noise.offset is 0", "noise.offset"),
    "perturbation": ("[noise]\ninput_perturbation_random = true", "noise.input_perturbation is 0", "largest"),
    "mean of uniform": ("[timesteps]\nmean = 0.5", "mean nothing for uniform", "logit_normal"),
    "vae alone": ('[model]\nvae = "vae"', "model.vae is set, but model.base is not", "base"),
    "layout of a LoRA": ('[output]\nlayout = "diffusers"', "lora is always written as one file", "full"),
    "unfit weighting": ('[objective]\nweighting = "scale_v"', "scale_v is not defined for epsilon", "min_snr"),
    "v_pred_like_loss": (
        '[objective]\nname = "v_prediction"\nv_pred_like_loss = 0.1',
        "v_pred_like_loss is for epsilon",
        "0",
    ),
    "two datasets": ('[dataset]\nconfig = "a.toml"\ntrain_dir = "b"', "are both set", "one of them"),
    "reg_dir alone": ('[dataset]\nreg_dir = "b"', "dataset.reg_dir is set without dataset.train_dir", "is_reg"),
    "common_tag_dropout alone": (
        "[captions]\ncommon_tag_dropout = 0.5",
        "no subset has a caption_tag_dropout_rate",
        "dataset TOML",
    ),
    "own folder": ('[output]\nname = "checkpoints"', "a folder of the run's own", "another"),
}
ALLOWED = {
    "rank of the network": '[adapter]\nname = "full"\nrank = 16',
    "frozen block": '[adapter]\nname = "full"\n[[adapter.rules]]\nmatch = "unet.mid_block.*"\nrank = 0',
    "rate of a word": f"{WORD}[optimizer]\ntext_encoder_rate = 1e-3",
    "conv_alpha by rule": '[adapter]\nconv_alpha = 2\n[[adapter.rules]]\nmatch = "unet.*conv1"\nrank = 4',
    "gamma alone": "[objective]\ngamma = 1.0",
}


def made(root: Path, text: str) -> plan.Plan:
    write_set(root)
    path = root / "bake.toml"
    path.write_text(text + "\n")
    return plan.make(path)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    text, message, hint = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, text)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_harmless_is_let_be(name: str, tmp_path: Path) -> None:
    assert made(tmp_path, ALLOWED[name]).steps > 0


def test_all_of_it_without_torch(tmp_path: Path) -> None:
    write_set(tmp_path)
    path = tmp_path / "bake.toml"
    path.write_text('[objective]\nname = "rectified_flow"\nweighting = "min_snr"\n')
    code = "import sys; sys.modules['torch'] = None; from trainer import plan; from pathlib import Path; "
    code += f"print(plan.make(Path({str(path)!r})).objective)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("rectified_flow\n", "")
