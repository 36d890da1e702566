"""A tagger's model, loaded: from prepared images to probabilities.

What the model wants is read from its own input: the side of the square, and whether the number of images is fixed, as
the 1 of the WD v2 taggers is; the spec says what cannot be read from it.
"""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from datakit.errors import ConfigError, InputError, UsageError
from datakit.taggers.finding import Found, require
from datakit.taggers.labels import Labels, check_width, read_labels
from datakit.taggers.providers import PROVIDERS, choose, unavailable

Floats = NDArray[np.float32]

_ORT_ERRORS: Final = (
    *("EPFail", "EngineError", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "ModelLoaded", "NoModel"),
    *("NoSuchFile", "NotImplemented", "RuntimeException"),
)
_MOST_PX: Final = 4096
_AGAIN: Final = "download the file again; the spec says which one it is"


class Session:
    """One model in memory."""

    def __init__(self, found: Found, *, provider: str = "", threads: int = 0) -> None:
        """Load it; `provider` as in `providers.choose`, `threads` that work on one batch on the CPU, 0 for all cores.

        Raises:
            StateError: the files are not here.
            InputError: the model is no ONNX file, or not what the spec and the label file say.
            ConfigError: the spec leaves something open that the model leaves open too.
            UsageError: the provider is not here.
        """
        require(found)
        assert found.model is not None
        assert found.labels is not None
        self.found = found
        self.model, self._label_file = found.model, found.labels
        self.labels: Labels = read_labels(found.labels, found.spec.labels)
        self._errors = _errors()
        self._session = self._load(choose(provider), threads)
        names = {own: name for name, own in PROVIDERS.items()}
        self.provider = names.get(self._session.get_providers()[0], self._session.get_providers()[0])
        """What it runs on."""
        if provider and self.provider != provider:
            raise unavailable(provider, provider)
        self._read_input()
        self._output = self._choose_output()

    def _load(self, providers: list[str], threads: int) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised, and told by us
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        # Threads that wait for the next step give way: images are decoded on the same cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        own = [PROVIDERS[name] for name in dict.fromkeys([*providers, "cpu"])]
        if "cuda" in providers:
            _find_cuda()
        try:
            session = onnxruntime.InferenceSession(str(self.model), options, providers=own)
        except self._errors as error:
            raise InputError(
                f"{self.model}: no model that onnxruntime can load: {_short(error)}", hint=_AGAIN
            ) from error
        if len(providers) == 1 and PROVIDERS[providers[0]] not in session.get_providers():
            raise unavailable(providers[0], providers[0])
        return session

    def _read_input(self) -> None:
        """Take the number of images, the side of the square and the name from the model's one input."""
        inputs = self._session.get_inputs()
        written = self.found.spec.input
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
            told = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
            raise InputError(f"{self.model}: a tagger has one input of images as float32, this has {told}", hint=_AGAIN)
        self._input: str = inputs[0].name
        shape = inputs[0].shape
        self.fixed_batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else 0
        """Images that it takes at once; 0 for any number."""
        channels, sides = (shape[1], shape[2:]) if written.layout == "nchw" else (shape[3], shape[1:3])
        if isinstance(channels, int) and channels != 3:
            hint = f"the spec says layout {written.layout}: the other one may be right"
            raise InputError(f"{self.model}: {channels} colour channels in an input of {shape}", hint=hint)
        fixed = {side for side in sides if isinstance(side, int) and side > 0}
        size_px = written.size_px or (min(fixed) if fixed else 0)
        if not 0 < size_px <= _MOST_PX:
            raise ConfigError(f"{self.model}: takes images of any size", hint="write input.size_px into its spec")
        if fixed - {size_px}:
            raise InputError(f"{self.model}: takes images of {shape}, not squares of {size_px} px", hint=_AGAIN)
        self.size_px: int = size_px

    def _choose_output(self) -> str:
        """The name of the output that the spec means."""
        outputs, wanted = self._session.get_outputs(), self.found.spec.output
        names = [one.name for one in outputs]
        if (wanted.name and wanted.name not in names) or (not wanted.name and wanted.index >= len(names)):
            what = f"'{wanted.name}'" if wanted.name else f"number {wanted.index}"
            raise InputError(f"{self.model}: no output {what}; it has {', '.join(names)}", hint="correct the spec")
        at = names.index(wanted.name) if wanted.name else wanted.index
        width = outputs[at].shape[-1] if outputs[at].shape else None
        if len(outputs[at].shape) == 2 and isinstance(width, int):
            self._check_width(width)
        return str(names[at])

    def _check_width(self, width: int) -> None:
        check_width(self.labels, width, model=self.model, file=self._label_file)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one prepared image."""
        side = self.size_px
        return (3, side, side) if self.found.spec.input.layout == "nchw" else (side, side, 3)

    def run(self, images: Floats) -> Floats:
        """Probabilities [N, labels] of prepared images [N, …], in as many runs as a fixed batch needs.

        Raises:
            InputError: the model fails, or gives another number of scores than there are labels.
        """
        if not self.fixed_batch:
            return self._activated(self._scores(images))
        at_once = self.fixed_batch
        parts = [self._scores(_filled(images[at : at + at_once], at_once)) for at in range(0, len(images), at_once)]
        return self._activated(np.concatenate(parts)[: len(images)])

    def _scores(self, images: Floats) -> Floats:
        try:
            (scores,) = self._session.run([self._output], {self._input: images})
            flat: Floats = np.asarray(scores, np.float32).reshape(len(images), -1)
        except self._errors as error:
            hint = "a smaller batch may fit: set DSK_BATCH=1" if "alloc" in str(error).lower() else _AGAIN
            raise InputError(f"{self.model}: onnxruntime failed: {_short(error)}", hint=hint) from error
        if flat.shape[1] != len(self.labels.names):
            self._check_width(flat.shape[1])
        return flat

    def _activated(self, scores: Floats) -> Floats:
        return activate(scores, self.found.spec.output.activation)


def activate(scores: Floats, how: str) -> Floats:
    """Probabilities of scores [N, labels]; neither end overflows."""
    if how == "sigmoid":
        small = np.exp(-np.abs(scores))
        found: Floats = np.where(scores >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)
        return found
    if how == "softmax":
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares
    return scores


def default_batch(session: Session) -> int:
    """Images that are worth to be run at once: a fixed batch, `$DSK_BATCH`, or what suits the provider.

    Raises:
        UsageError: `$DSK_BATCH` is no number.
    """
    told = os.environ.get("DSK_BATCH", "")
    if told and not (told.isdecimal() and 0 < int(told) <= 4096):
        raise UsageError(f"DSK_BATCH={told}: not a number of images", hint="1 to 4096")
    if session.fixed_batch:
        return session.fixed_batch
    if told:
        return int(told)
    return _CPU_BATCH if session.provider == "cpu" else _DEVICE_BATCH


_CPU_BATCH: Final = 4
_DEVICE_BATCH: Final = 16


def _filled(images: Floats, number: int) -> Floats:
    """With empty images behind, where there are fewer than `number`."""
    if len(images) == number:
        return images
    filled = np.zeros((number, *images.shape[1:]), np.float32)
    filled[: len(images)] = images
    return filled


def _errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises, whose classes have no base, and what comes of outputs that are no numbers."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    named = (getattr(state, name, None) for name in _ORT_ERRORS)
    return (*(one for one in named if one is not None), RuntimeError, TypeError, ValueError)


def _find_cuda() -> None:
    """Load CUDA's libraries from where pip puts them; what is not there, the system may have."""
    import onnxruntime

    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
        getattr(onnxruntime, "preload_dlls", lambda: None)()  # since 1.21


def _short(error: Exception) -> str:
    """The first line of onnxruntime's message, without the model's path that it repeats."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]
