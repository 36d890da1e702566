"""Brings a tagger's files from the Hugging Face hub, once: when a stage first needs them, or somebody asks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from datakit.errors import StateError
from datakit.taggers.finding import Found, find_named, how_to_get, models_folder

Progress = Callable[[str, int, int], None]
"""(what, bytes done, bytes in all)"""


def fetch(found: Found, *, progress: Progress | None = None) -> Found:
    """Download what is missing or newer: into `$DSK_MODELS/NAME`, or into the hub's own cache.

    Raises:
        StateError: the hub cannot be reached, or does not have the files.
    """
    spec, files = found.spec, found.spec.files
    if found.is_path or not spec.repository:
        reason = "it is a path" if found.is_path else "its spec names no repository"
        raise StateError(f"tagger {found.name}: nothing can be fetched, since {reason}", hint=how_to_get(found))
    for path in (files.labels, files.model, *files.more):
        is_elsewhere = path == files.labels and bool(files.labels_repository)
        repository = files.labels_repository if is_elsewhere else spec.repository
        try:
            _download(found, repository, "main" if is_elsewhere else spec.revision, path=path, progress=progress)
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
            message = f"tagger {found.name}: {path} of {repository} cannot be downloaded: {reason.rstrip(': ')}"
            raise StateError(message, hint=how_to_get(found)) from error
    return find_named(found.name, spec)


def _download(found: Found, repository: str, revision: str, *, path: str, progress: Progress | None) -> None:
    import huggingface_hub.utils as hub
    from huggingface_hub import hf_hub_download

    hub.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    folder = models_folder()
    options: dict[str, Any] = {"local_dir": folder / found.name} if folder is not None else {}
    if "tqdm_class" in inspect.signature(hf_hub_download).parameters:
        options["tqdm_class"] = _bar(path, progress)
    hf_hub_download(repository, path, revision=revision, **options)


def _bar(path: str, progress: Progress | None) -> type[Any]:
    """The hub's own progress bar, which tells `progress` and draws nothing."""
    import huggingface_hub.utils as hub

    base: Any = hub.tqdm  # type: ignore[attr-defined]

    class Silent(base):  # type: ignore[misc]
        """Counts bytes."""

        def __init__(self, *args: Any, **options: Any) -> None:
            self.counted = int(options.get("initial") or 0)
            self.whole = int(options.get("total") or 0)
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.counted += int(n or 0)
            if progress is not None:
                progress(f"fetching {path}", self.counted, max(self.whole, self.counted))

    return Silent
