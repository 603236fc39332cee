"""stroma: forecasts of mesenchymal stromal cell trials. SIMULATED, not medical advice.

Nothing heavy is imported before it is used: the names below load their module on first access.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stroma.calibration.cohort import simulate
    from stroma.calibration.forecast import forecast
    from stroma.disease import load_disease
    from stroma.evidence import effect_sizes
    from stroma.evidence.pooling import pool
    from stroma.evidence.store import load_evidence

__version__ = "0.1.0"
__all__ = ["effect_sizes", "forecast", "load_disease", "load_evidence", "pool", "simulate"]

_HOME = {"forecast": "stroma.calibration.forecast", "pool": "stroma.evidence.pooling",
         "load_disease": "stroma.disease", "load_evidence": "stroma.evidence.store",
         "simulate": "stroma.calibration.cohort"}


def __getattr__(name: str) -> object:
    """Load a public name from where it is defined; ``effect_sizes`` is a module with one function a measure."""
    if name == "effect_sizes":
        return import_module("stroma.evidence.effect_sizes")
    if name not in _HOME:
        raise AttributeError(f"module `stroma` has no attribute `{name}`")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """Return the public names, so that completion offers them before they are loaded."""
    return [*__all__, "__version__"]
