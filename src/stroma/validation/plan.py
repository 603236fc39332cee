"""Which trial is forecast from where: origins and cut-offs computed from the list of targets."""

from __future__ import annotations

from dataclasses import dataclass

from stroma.calibration.origin import RETROSPECTIVE, Origin, fit_side, rolling_origin
from stroma.calibration.targets import Excluded, Target, TargetList
from stroma.disease import Disease
from stroma.errors import fail, nearest
from stroma.evidence.store import parse_day

ROLLING, STRESS = "rolling", "stress-2014"
STRESS_DATE = "2014-01-01"


@dataclass(frozen=True)
class Task:
    """Targets to forecast from one posterior."""

    origin: Origin
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Plan:
    """What a scheme forecasts, and what it cannot, with reasons."""

    scheme: str
    tasks: tuple[Task, ...]
    excluded: tuple[Excluded, ...]

    def only(self, study: str) -> Plan:
        """Return the part of the plan that forecasts one study or trial."""
        kept = [Task(task.origin, tuple(t for t in task.targets if study in (t.study_id, t.trial)))
                for task in self.tasks]
        excluded = tuple(e for e in self.excluded if e.target_id.split("|")[0] == study)
        return Plan(self.scheme, tuple(task for task in kept if task.targets), excluded)


def rolling_plan(disease: Disease, listed: TargetList) -> Plan:
    """Forecast each trial from everything published in earlier years, cohort families whole."""
    tasks, excluded = [], list(listed.excluded)
    for year in sorted({t.year for t in listed.targets}):
        due = tuple(t for t in listed.targets if t.year == year)
        origin = rolling_origin(year, listed.targets)
        if year == 0:
            excluded += [_left(t, "no year of publication is known: it is in no rolling forecast") for t in due]
        elif not fit_side(disease, listed, origin)[0]:
            excluded += [_left(t, "nothing earlier is in the store: it would be a forecast from priors alone")
                         for t in due]
        else:
            tasks.append(Task(origin, due))
    return Plan(ROLLING, tuple(tasks), tuple(excluded))


def stress_plan(listed: TargetList) -> Plan:
    """Forecast every row of the validation side from the retrospective fit of 2014."""
    due = listed.of("validate_background", "validate_msc")
    return Plan(STRESS, (Task(RETROSPECTIVE, tuple(due)),), listed.excluded)


def cutoff_plan(disease: Disease, listed: TargetList, date: str) -> Plan:
    """Forecast everything published from a date on, by year, from the posterior before it.

    Raises
    ------
    StromaError
        E106 when the text is no date, C040 when no posterior of that year is kept.
    """
    if date == STRESS_DATE:
        return stress_plan(listed)
    origin = rolling_origin(parse_day(date).year, listed.targets)
    kept = {path.stem for path in (disease.folder / "posteriors").glob("before-*.parquet")}
    if origin.label not in kept:
        raise fail("C040", f"no posterior of `{disease.disease_id}` before {origin.before} is kept",
                   hint=f"run `stroma calibrate {disease.disease_id} --before {origin.before}`; "
                        + nearest(origin.before, {STRESS_DATE, *(name.removeprefix("before-") for name in kept)}))
    due = tuple(t for t in listed.targets if t.year >= (origin.year or 0))
    return Plan(f"cutoff-{date}", (Task(origin, due),), listed.excluded)


def _left(target: Target, reason: str) -> Excluded:
    return Excluded(target.target_id, reason, target.role, target.line)
