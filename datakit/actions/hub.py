"""A folder into a dataset repository of the Hugging Face hub: what is there is looked at before anything is sent.

Whether somebody is logged in, and where the hub is, says huggingface_hub: `hf auth login`, `HF_TOKEN`, `HF_ENDPOINT`.
"""

from __future__ import annotations

import glob
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit import __version__
from datakit.actions.exporting.manifests import decode_manifest
from datakit.errors import StateError, UsageError
from datakit.exports.expressing import some
from datakit.exports.model import MANIFEST_NAME

_KIND: Final = "dataset"
_NAME: Final = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", re.ASCII)
_MOST_LETTERS: Final = 96
_TEXTS: Final = (".md", ".json")
_ALWAYS_THERE: Final = frozenset({".gitattributes"})
_NOT_LOGGED_IN: Final = "hf auth login, or set HF_TOKEN to a token that may write"


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository holds before it is written to."""

    exists: bool
    paths: frozenset[str] = frozenset()
    ours: frozenset[str] = frozenset()
    """What an earlier push wrote, as its manifest says."""
    texts: dict[str, str] = {}
    """Path → content of the card and the manifest."""

    @property
    def foreign(self) -> list[str]:
        """What dsk did not write."""
        return sorted(self.paths - self.ours - _ALWAYS_THERE)


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """What was done on the hub."""

    repo: str
    url: str
    is_new: bool
    num_removed: int = 0


class Hub:
    """The hub, as the person who is logged in."""

    def __init__(self, repo: str) -> None:
        """Asks who is logged in.

        Raises:
            UsageError: no name of a repository.
            StateError: nobody is logged in, or the hub cannot be reached.
        """
        from huggingface_hub import HfApi, get_token

        if not repo:
            raise UsageError("no repository to push to", hint="--repo OWNER/NAME, or repo in [publish] of dsk.toml")
        if not _NAME.fullmatch(repo) or len(repo) > _MOST_LETTERS or "--" in repo or ".." in repo:
            raise UsageError(f"'{repo}' is no name of a repository", hint="OWNER/NAME: letters, digits, - _ and .")
        if get_token() is None:
            raise StateError("nobody is logged in to the Hugging Face hub", hint=_NOT_LOGGED_IN)
        self._api: Any = HfApi(library_name="dsk", library_version=__version__)
        with refusals(repo):
            name = self._api.whoami()["name"]
        self.repo = repo if "/" in repo else f"{name}/{repo}"

    def look(self, own: tuple[str, ...], scratch: Path) -> Remote:
        """What the repository holds; `own` is written beside what manifests name, and its texts are read.

        Raises:
            StateError: the hub refuses, or cannot be reached.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        with refusals(self.repo):
            try:
                paths = frozenset(self._api.list_repo_files(self.repo, repo_type=_KIND))
            except RepositoryNotFoundError:
                return Remote(exists=False)
            read = {
                name: Path(
                    self._api.hf_hub_download(self.repo, name, repo_type=_KIND, local_dir=scratch / "remote")
                ).read_text("utf-8", "replace")
                for name in (*own, MANIFEST_NAME)
                if name in paths and name.endswith(_TEXTS)
            }
        manifest = decode_manifest(read.get(MANIFEST_NAME, "").encode())
        ours = frozenset({*manifest.files, MANIFEST_NAME, *own} if manifest else ())
        return Remote(exists=True, paths=paths, ours=ours, texts=read)

    def push(
        self, folder: Path, remote: Remote, *, files: Collection[str], first: str, private: bool, message: str
    ) -> Pushed:
        """Send `files` of the folder, and nothing else that lies there.

        The manifest comes last, with the removal of what an earlier push wrote and this one lacks.
        So a push that was interrupted is known as ours: in a new repository by the file `first`, which comes alone.

        Raises:
            StateError: the hub refuses, or cannot be reached; what was sent is not sent again the next time.
        """
        import huggingface_hub.utils as hub
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        if not sys.stderr.isatty():
            hub.disable_progress_bars()  # type: ignore[attr-defined]
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        gone = sorted((remote.ours & remote.paths) - set(files))
        others = [glob.escape(name) for name in sorted(found - set(files))]
        last = [CommitOperationAdd(MANIFEST_NAME, str(folder / MANIFEST_NAME))]
        with refusals(self.repo):
            if not remote.exists:
                self._api.create_repo(self.repo, repo_type=_KIND, private=private)
            if first not in remote.paths:
                self._commit([CommitOperationAdd(first, str(folder / first))], f"{message}: begun")
            self._api.upload_folder(
                repo_id=self.repo,
                repo_type=_KIND,
                folder_path=str(folder),
                commit_message=message,
                ignore_patterns=[MANIFEST_NAME, *others],
            )
            self._commit([*last, *(CommitOperationDelete(path) for path in gone)], f"{message}: complete")
        url = f"{self._api.endpoint}/datasets/{self.repo}"
        return Pushed(repo=self.repo, url=url, is_new=not remote.exists, num_removed=len(gone))

    def _commit(self, operations: list[Any], message: str) -> None:
        self._api.create_commit(self.repo, operations, repo_type=_KIND, commit_message=message)


def refuse_foreign(remote: Remote, repo: str) -> None:
    """A repository that holds somebody's other work is left alone.

    Raises:
        StateError: it does.
    """
    if remote.foreign:
        raise StateError(
            f"{repo} holds files that dsk did not write: {some(remote.foreign)}",
            hint="choose another --repo; or --force, which keeps them and writes beside them",
        )


@contextmanager
def refusals(repo: str) -> Iterator[None]:
    """Turn what the hub and the network say into a StateError with the cure."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        cure = _NOT_LOGGED_IN if status == 401 else "a token with the right to write there" if status == 403 else ""
        raise StateError(f"{repo}: the hub refuses: {said}", hint=cure or "try again later") from error
    except StateError:
        raise
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        reason = f"{type(error).__name__}: {said}".rstrip(": ")
        raise StateError(
            f"{repo}: the hub cannot be reached: {reason}", hint="check the network; dsk publish --to DIR works without"
        ) from error
