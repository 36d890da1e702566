"""Digests of networks: of every weight, whatever the threads and the device, and of what else decides the output."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn

_THREADS = 8
# Differs between a file and a folder of the same model, and changes nothing that the networks say here.
_NO_EFFECT = {"sample_size", "force_upcast", "architectures", "bos_token_id", "eos_token_id", "pad_token_id"}


def settings_of(network: nn.Module) -> dict[str, Any]:
    """A network's configuration, without the libraries' notes to themselves, such as their versions."""
    config: Any = network.config
    known = config.to_dict() if hasattr(config, "to_dict") else config
    notes = {"transformers_version", "dtype", "torch_dtype"}
    return {key: value for key, value in known.items() if not key.startswith("_") and key not in notes}


def network_digest(network: nn.Module) -> str:
    """Of a network's weights and of the settings that change what it says."""
    settings = {key: value for key, value in settings_of(network).items() if key not in _NO_EFFECT}
    sums = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    tensors = sorted(network.state_dict().items())
    # Hashing lets go of the interpreter, so a few threads are a few times as fast.
    with ThreadPoolExecutor(_THREADS) as pool:
        for (name, tensor), digest in zip(tensors, pool.map(_tensor_digest, (t for _, t in tensors)), strict=True):
            sums.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode() + digest)
    return sums.hexdigest()


def joined(parts: Mapping[str, str]) -> str:
    """One digest of several texts by name."""
    return hashlib.sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()


def _tensor_digest(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    content: Any = flat.numpy()
    return hashlib.sha256(content).digest()
