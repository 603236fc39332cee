"""A registry record in, an honest forecast out, next to what was published."""

from __future__ import annotations

import csv

from stroma.calibration.posterior import load_posterior
from stroma.calibration.predict import predict_trial
from stroma.calibration.prediction import Forecast, Progress, Settings
from stroma.calibration.targets import Target, load_targets
from stroma.disease import Disease, load_disease
from stroma.engine.ensemble import Backend
from stroma.library import library_root
from stroma.registry import find_record, read_record
from stroma.therapy import CellDose
from stroma.trial.registration import read_design

_GIVEN = "the dose was given by hand: the published result belongs to another one and is not compared"


def forecast(nct_id: str, settings: Settings | None = None, dose: CellDose | None = None,
             backend: Backend | None = None, progress: Progress | None = None) -> Forecast:
    """Forecast a registered trial.

    Parameters
    ----------
    nct_id : str
        A record of ``library/registry``.
    settings : Settings, optional
    dose : CellDose, optional
        Replaces or supplies the dose of the cells.
    backend : Backend, optional
        The engine; ``cpu`` by default.
    progress : callable, optional
        Called with (stage, done, total).

    Returns
    -------
    Forecast

    Raises
    ------
    StromaError
        E401-E404 the record, T201-T208 the design, C020-C021 the posterior, S051 failed subjects.
    """
    root = library_root()
    record = read_record(find_record(nct_id, root / "registry"))
    supplement = root / "registry" / f"{record.nct_id}.toml"
    designs = read_design(record, supplement if supplement.is_file() else None, dose)
    disease = load_disease(designs[0].disease)
    published = [] if dose else _published(disease, record.nct_id)
    return predict_trial(record.nct_id, record.title, disease, designs, load_posterior(disease), published,
                         settings or Settings(), backend, progress, (_GIVEN,) if dose else (), dose is not None)


def _published(disease: Disease, nct_id: str) -> list[Target]:
    """Return the published numbers of a trial: shown beside the forecast, never fitted."""
    with (library_root() / "evidence" / "studies.csv").open(encoding="utf-8", newline="") as stream:
        studies = {r["study_id"] for r in csv.DictReader(stream) if nct_id in (r["registry_id"] or "").split(";")}
    return [t for t in load_targets(disease).of("validate_msc", "validate_background") if t.study_id in studies]
