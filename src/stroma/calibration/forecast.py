"""A trial in, an honest forecast out, next to what was published: a registry record, or a study of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stroma.calibration.arm_pools import SolvedArms
from stroma.calibration.events import forecast_events
from stroma.calibration.plausible import doubts_of
from stroma.calibration.posterior import Posterior, choose_posterior
from stroma.calibration.predict import predict_trial
from stroma.calibration.prediction import Forecast, Progress, Settings
from stroma.calibration.published import compared_results, own_studies, published_results
from stroma.calibration.targets import Target
from stroma.calibration.what_if import Asked, compare, designs_of
from stroma.disease import Disease, load_disease
from stroma.engine.backends import backend as engine
from stroma.engine.backends import watched
from stroma.engine.ensemble import Backend
from stroma.errors import Problems, nearest
from stroma.evidence.store import load_evidence
from stroma.library import library_root
from stroma.registry import find_record, read_record
from stroma.therapy import CellDose
from stroma.trial.design import TrialDesign
from stroma.trial.registration import read_design
from stroma.trial.study import read_study

_GIVEN = "the dose was given by hand: the published result belongs to another one and is not compared"
_SEEN = "the fit has seen published results of this trial: those are not compared"


@dataclass(frozen=True)
class Trial:
    """A trial, ready to be forecast.

    Parameters
    ----------
    record, title : str
        Registry id, or id of the study.
    disease : Disease
    designs : tuple of TrialDesign
        As planned, then as conducted where that is reported.
    published : tuple of Target
        Shown beside the forecast, never fitted.
    files : tuple of Path
        What says what the trial does.
    dose_given : bool
        Whether the dose was given by hand.
    warnings : tuple of str
        What whoever wrote a study should know before they read its forecast.
    """

    record: str
    title: str
    disease: Disease
    designs: tuple[TrialDesign, ...]
    published: tuple[Target, ...] = ()
    files: tuple[Path, ...] = ()
    dose_given: bool = False
    warnings: tuple[str, ...] = ()


def read_registered(nct_id: str, dose: CellDose | None = None) -> Trial:
    """Read a record of ``library/registry``.

    Parameters
    ----------
    nct_id : str
    dose : CellDose, optional
        Replaces or supplies the dose of the cells.

    Raises
    ------
    StromaError
        E401-E404 the record, T080, T081, T201-T207 the design.
    """
    root = library_root()
    path = find_record(nct_id, root / "registry")
    record = read_record(path)
    supplement = root / "registry" / f"{record.nct_id}.toml"
    files = (path, supplement) if supplement.is_file() else (path,)
    designs = read_design(record, supplement if supplement.is_file() else None, dose)
    disease = load_disease(designs[0].disease)
    problems = Problems()
    for outcome in designs[0].outcomes:
        if outcome.quantity and outcome.quantity not in disease.measures:
            problems.add("T081", f"`{disease.disease_id}` has no measure `{outcome.quantity}`", file=supplement,
                         hint=nearest(outcome.quantity, disease.measures))
    problems.raise_if_any()
    published = () if dose else compared_results(disease, load_evidence(), record.nct_id)
    return Trial(record.nct_id, record.title, disease, tuple(designs), published, files, dose is not None)


def read_own(path: Path) -> Trial:
    """Read a study file.

    Raises
    ------
    StromaError
        T230, T231 for everything in the file that is not as declared; D001-D004 the disease.
    """
    design, disease = read_study(path)
    design = replace(design, doubts=doubts_of(design, load_evidence().arms.values()))
    return Trial(design.nct_id, design.title, disease, (design,), files=(path,),
                 warnings=(*design.notes, *design.doubts))


def forecast_trial(trial: Trial, settings: Settings | None = None, backend: Backend | None = None,
                   progress: Progress | None = None, asked: Sequence[Asked] = (),
                   posterior: Posterior | None = None, solved: SolvedArms | None = None) -> Forecast:
    """Forecast a trial, with scenarios beside it where some are asked for.

    Parameters
    ----------
    trial : Trial
    settings : Settings, optional
    backend : Backend, optional
        The engine; ``cpu`` by default.
    progress : callable, optional
        Called with (stage, done, total).
    asked : sequence of Asked
        Scenarios.
    posterior : Posterior, optional
        The retrospective one by default.
    solved : SolvedArms, optional
        Arms of this run, kept for a closer look at them.

    Raises
    ------
    StromaError
        T205, T208, T222 the design and its changes; C020-C022 the posterior; C080, C081 a harm as primary outcome;
        S051 failed subjects.
    """
    sizes, machine = settings or Settings(), backend or watched(engine("cpu"))
    designs = designs_of(trial.designs[0], asked, trial.disease)
    kept, chosen = solved or SolvedArms(), posterior or choose_posterior(trial.disease)
    seen = set(chosen.manifest["target_ids"])
    unseen = [t for t in trial.published if t.target_id not in seen]
    told = [*([_GIVEN] if trial.dose_given else []), *([_SEEN] if len(unseen) < len(trial.published) else [])]
    found = predict_trial(trial.record, trial.title, trial.disease, trial.designs,
                          chosen, unseen, sizes, machine, progress, told, trial.dose_given, trial.files, kept)
    found = _with_reports(found)
    return compare(found, asked, designs, sizes, machine, kept, progress) if asked else found


def forecast(nct_id: str, settings: Settings | None = None, dose: CellDose | None = None,
             backend: Backend | None = None, progress: Progress | None = None) -> Forecast:
    """Forecast a registered trial; see :func:`read_registered` and :func:`forecast_trial`."""
    return forecast_trial(read_registered(nct_id, dose), settings, backend, progress)


def _with_reports(found: Forecast) -> Forecast:
    """Return the forecast with the harms that are primary outcomes, and what was published of the trial."""
    evidence = load_evidence()
    own = own_studies(evidence, found.record)
    return replace(found, events=forecast_events(found.designs, evidence, own, found.settings),
                   reports=published_results(evidence, found.record))
