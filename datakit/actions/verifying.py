"""dsk verify: every byte of the dataset read and compared, and what is damaged made anew where a good copy stands."""

from __future__ import annotations

from collections.abc import Sequence

from datakit.actions.project import Project
from datakit.errors import UsageError
from datakit.model.order import ORDER
from datakit.model.progress import Progress, silent
from datakit.registry import nearest
from datakit.repo.care.healing import Verified, verify


def verify_dataset(
    project: Project, stages: Sequence[str] = (), *, repair: bool = True, progress: Progress = silent
) -> Verified:
    """Verify everything, or what some stages consist of.

    Raises:
        UsageError: no such stage.
        LockedError: another process is writing.
    """
    for stage in stages:
        if stage not in ORDER:
            like = nearest(stage, list(ORDER))
            hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(ORDER)}"
            raise UsageError(f"no stage '{stage}' to verify", hint=hint)
    return verify(project.dataset, repair=repair, stages=stages, progress=progress)
