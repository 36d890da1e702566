"""Which of two groups of vectors one more belongs to: Fisher's discriminant, with a covariance that is shrunk.

A picture's style vector has more numbers than a measurement has pictures, and most of what they say is what pictures
show. Distance is taken in units of how much the groups' own members differ (Mahalanobis), direction by direction; that
covariance is drawn towards a sphere as far as Ledoit and Wolf's estimate says (Journal of Multivariate Analysis 88,
2004), so that it stands with few members too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def is_like(one: Floats, these: Floats, those: Floats) -> bool:
    """Whether a vector [D] is nearer to the mean of `these` [N, D] than to that of `those` [M, D]; N + M of 2 or more.

    Where no group has two different members, nearer is meant as the crow flies.
    """
    import numpy as np

    here, there = these.mean(axis=0), those.mean(axis=0)
    covariance = shrunk(np.concatenate([these - here, those - there]))
    direction = np.linalg.solve(covariance, here - there)
    return bool((one - (here + there) / 2.0) @ direction > 0.0)


def shrunk(residuals: Floats) -> Floats:
    """Ledoit and Wolf's covariance [D, D] of centred rows [N, D]; the identity where all rows are 0."""
    import numpy as np

    count, size = residuals.shape
    sample = residuals.T @ residuals / count
    scale = float(np.trace(sample)) / size
    if scale <= 0.0:
        return np.eye(size)
    spread = float(((sample - scale * np.eye(size)) ** 2).sum())
    noise = float(((residuals**2).sum(axis=1) ** 2).sum()) / count**2 - float((sample**2).sum()) / count
    share = min(max(noise / spread, 0.0), 1.0) if spread > 0.0 else 1.0
    found: Floats = (1.0 - share) * sample + share * scale * np.eye(size)
    return found
