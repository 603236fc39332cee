"""One simulated trial as subject-level data sets with the names of CDISC ADaM; every label begins with SIMULATED."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from stroma.detail.look import Detail
from stroma.detail.one_trial import Patient
from stroma.report.labels import quantity_label, quantity_unit, rule_of, significant
from stroma.report.run_tables import Rows

MARK = "SIMULATED"
_LONGEST_CODE = 8
VARIABLES = {
    "STUDYID": "study", "USUBJID": "patient, unique over studies", "SUBJID": "patient within the study",
    "TRT01P": "planned treatment: the arm", "TRT01PN": "number of the arm, from 1",
    "AGE": "age at entry", "AGEU": "unit of AGE", "SEX": "sex", "WEIGHTBL": "weight at entry, kg",
    "ITTFL": "randomised", "SAFFL": "treated: cells at least once, or an arm without cells",
    "INFUSN": "doses of cells received", "EOSSTT": "status at the end of the study",
    "EOSDY": "study day of leaving or of the last visit", "DCSREAS": "reason for leaving",
    "RESCFL": "rescue treatment begun while observed", "RESCDY": "study day of the first visit after rescue began",
    "PARAMCD": "code of the quantity", "PARAM": "quantity with its unit", "AVISIT": "visit",
    "AVISITN": "visit: days since randomisation", "ADY": "study day; the day of randomisation is 1",
    "AVAL": "value as measured, with error; in ADTTE days", "BASE": "value at entry", "CHG": "AVAL less BASE",
    "ABLFL": "the visit of entry", "CNSR": "1 censored, 0 event"}
"""What each variable means; in the files each meaning stands behind the mark."""


def adam_tables(study: str, detail: Detail) -> dict[str, Rows]:
    """Return the data sets of the simulated trial that the report shows, and the list of their variables.

    Parameters
    ----------
    study : str
        Registry id, or id of the study.

    Returns
    -------
    dict
        ``adsl`` one row a patient; ``adeff`` one row a patient, quantity and visit that was kept; ``adtte`` one row
        a patient and kind of flare, where the disease has flares; ``adam_variables``.
    """
    names = list(dict.fromkeys(n for p in detail.patients for n in p.measured))
    flares = list(dict.fromkeys(n for p in detail.patients for n in p.flare))
    code, flare_code = parameter_codes(names), parameter_codes(flares)
    tables: dict[str, Rows] = {"adsl": [_subject(study, detail, p) for p in detail.patients]}
    tables["adeff"] = [row for p in detail.patients for n in names for row in _visits(study, detail, p, n, code[n])]
    tables["adtte"] = [{**_keys(study, detail, p), "PARAMCD": flare_code[n],
                        "PARAM": f"{MARK} days to first {flare_words(n)}", "AVAL": significant(p.flare[n][0]),
                        "CNSR": int(not p.flare[n][1])} for p in detail.patients for n in flares]
    tables = {name: rows for name, rows in tables.items() if rows}
    tables["adam_variables"] = [{"dataset": name.upper(), "variable": v, "meaning": variable_label(v)}
                                for name, rows in tables.items() for v in rows[0]]
    return tables


def variable_label(variable: str) -> str:
    """Return the label of a variable, the mark first."""
    return f"{MARK} {VARIABLES[variable]}"


def flare_words(hazard: str) -> str:
    """Return what a flare is called, by the parameter that is its hazard."""
    return hazard.removesuffix("_hazard").replace("_", " ")


def parameter_codes(names: Sequence[str]) -> dict[str, str]:
    """Return a code of at most eight letters and digits for each name, no two alike."""
    found: dict[str, str] = {}
    for name in names:
        stem = "".join(c for c in name.upper() if c.isalnum())[:_LONGEST_CODE]
        code, number = stem, 2
        while code in found.values():
            code = f"{stem[:_LONGEST_CODE - len(str(number))]}{number}"
            number += 1
        found[name] = code
    return found


def _keys(study: str, detail: Detail, patient: Patient) -> dict[str, str | float | int | bool | None]:
    return {"STUDYID": study, "USUBJID": f"{study}-{MARK}-{patient.number:04d}",
            "TRT01P": detail.design.arms[patient.arm].label}


def _subject(study: str, detail: Detail, patient: Patient) -> dict[str, str | float | int | bool | None]:
    gone = patient.leaves_day is not None
    last = detail.visit_day[-1] if patient.leaves_day is None else patient.leaves_day
    treated = patient.infusions > 0 or not any(t.dose for t in detail.design.arms[patient.arm].treatments)
    return {**_keys(study, detail, patient), "SUBJID": f"{patient.number:04d}", "TRT01PN": patient.arm + 1,
            "AGE": math.floor(patient.age), "AGEU": "YEARS", "SEX": "F" if patient.female else "M",
            "WEIGHTBL": significant(patient.weight), "ITTFL": "Y", "SAFFL": _yes(treated), "INFUSN": patient.infusions,
            "EOSSTT": "DISCONTINUED" if gone else "COMPLETED", "EOSDY": math.floor(last) + 1,
            "DCSREAS": "NOT TOLD APART BY THE MODEL" if gone else None,
            "RESCFL": _yes(patient.rescue_day is not None),
            "RESCDY": None if patient.rescue_day is None else math.floor(patient.rescue_day) + 1}


def _visits(study: str, detail: Detail, patient: Patient, name: str, code: str) -> Rows:
    rows: Rows = []
    values, label = patient.measured[name], _label(detail, name)
    base = significant(float(values[0]))
    for day, value in zip(detail.visit_day, values, strict=True):
        seen = significant(float(value))
        if seen is None:
            continue
        first = day == detail.visit_day[0]
        rows.append({**_keys(study, detail, patient), "PARAMCD": code, "PARAM": label,
                     "AVISIT": "Baseline" if first else f"Day {day:g}", "AVISITN": significant(day),
                     "ADY": math.floor(day) + 1, "AVAL": seen, "BASE": base,
                     "CHG": None if base is None else round(seen - base, 9), "ABLFL": "Y" if first else None})
    return rows


def _label(detail: Detail, name: str) -> str:
    if name == detail.design.outcomes[0].rule_id:
        return (f"{MARK} primary outcome reached, rescue not yet counted: {quantity_label(rule_of(name).outcome)} "
                f"(1 yes, 0 no)")
    unit = quantity_unit(name)
    return f"{MARK} {quantity_label(name)}{f' ({unit})' if unit else ''}"


def _yes(holds: bool) -> str:
    return "Y" if holds else "N"


def labelled(rows: Rows) -> Mapping[str, str]:
    """Return the label of every variable of a data set."""
    return {v: variable_label(v) for v in rows[0] if v in VARIABLES}
