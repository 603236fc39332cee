"""The logit of a share of few patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def empirical_logit(share: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log odds of a share, with half a patient added on both sides.

    To first order in 1/n its mean over repeated samples is the logit of the true share, of all such constants only
    with this one; it stays finite at none and at all.

    Parameters
    ----------
    share : ndarray, shape (...)
        From 0 to 1.
    n : ndarray, shape (...)
        Patients; where they are weighted, the effective number.

    References
    ----------
    Haldane JBS. The estimation and significance of the logarithm of a ratio of frequencies. Ann Hum Genet
    1956;20:309-311. doi 10.1111/j.1469-1809.1955.tb01285.x.
    """
    count = np.asarray(share) * n
    return np.log((count + 0.5) / (n - count + 0.5))
