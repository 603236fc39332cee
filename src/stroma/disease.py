"""A disease folder read and checked: model text, parameters, baselines, observables, items, regimens."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from stroma.configuration import check_formulas, check_keys, check_names
from stroma.errors import Problems, StromaError, fail, nearest
from stroma.expression import parse
from stroma.library import library_root
from stroma.measures import COLUMNS as MEASURE_COLUMNS
from stroma.measures import Measure, read_measures
from stroma.model.load import LoadedModel, load_model
from stroma.model.ode_model import OdeModel
from stroma.model.text import check_text, gather
from stroma.tables import Column, Row, scan_table
from stroma.units import load_units

_NUMBER = Column("number")
_TEXT = Column(required=True)
_SOURCE = Column()  # needed, too; asked for once the tables are read, so that a row without one is still a row
PRIORS = frozenset({"lognormal", "logitnormal", "normal", "uniform"})
SWITCH = "switch"
DISTRIBUTIONS = PRIORS | {SWITCH, "fixed", "subject", "product"}

_PARAMETERS = {
    "scope": Column(required=True, allowed=frozenset({"model", "population"})), "parameter_id": _TEXT,
    "value": Column("number", required=True), "unit": _TEXT, "lower": Column("number", required=True),
    "upper": Column("number", required=True), "distribution": Column(required=True, allowed=DISTRIBUTIONS),
    "spread": _NUMBER, "fitted_in": Column(allowed=frozenset({"background", "msc", "nothing"})),
    "source": _SOURCE, "confidence": Column(
        required=True, allowed=frozenset({"high", "medium", "low", "assumed"})), "note": Column()}
_BASELINES = {
    "covariate": _TEXT, "population": _TEXT,
    "distribution": Column(required=True, allowed=frozenset({"normal", "lognormal", "bernoulli"})),
    "location": Column("number", required=True), "scale": _NUMBER, "lower": Column("number", required=True),
    "upper": Column("number", required=True), "parameter_id": Column(), "source": _SOURCE,
    "confidence": Column(required=True), "note": Column()}
_CORRELATIONS = {"first": _TEXT, "second": _TEXT, "r": Column("number", required=True), "source": _SOURCE,
                 "note": Column()}
_VARIABILITY = {"parameter_id": _TEXT, "transform": Column(required=True, allowed=frozenset({"log", "logit"})),
                "spread": _TEXT, "shift": Column(), "source": _SOURCE, "note": Column()}
_OBSERVABLES = {"outcome_id": _TEXT, "formula": _TEXT,
                "noise": Column(required=True, allowed=frozenset({"none", "normal", "lognormal"})),
                "noise_sd": Column("number", required=True), "wander": Column("integer", required=True),
                "source": _SOURCE}
_ITEMS = {"item": _TEXT, "driver": Column(), "prevalence": _NUMBER, "spread": Column(), "rule": Column(),
          "grade": Column(allowed=frozenset({"A", "B"})), "source": _SOURCE}
_INSTRUMENTS = {"outcome_id": _TEXT, "lower": Column("number", required=True), "upper": _NUMBER, "step": _NUMBER,
                "source": _SOURCE}
_PLACEBO = {"outcome_id": _TEXT, "parameter_id": _TEXT, "source": _SOURCE}
_SCALES = {"outcome_id": _TEXT, "formula": _TEXT, "source": _SOURCE}


@dataclass(frozen=True)
class Parameter:
    """One row of a ``parameters.csv``: of the modules, for every disease, or of a disease, which goes before.

    Parameters
    ----------
    scope : {"model", "population"}
        A symbol of the model text, or a number of the population and observation layers.
    distribution : str
        ``fixed``; a prior (``lognormal``, ``logitnormal``, ``normal``, ``uniform``: median ``value``, SD
        ``spread`` on the transformed scale, truncated to ``lower``-``upper``); ``switch`` (a structural
        alternative, 0 or 1 in each draw: ``spread`` is the prior weight of 1, ``value`` what holds where nothing
        is drawn); ``subject`` (set from a baseline or by variability); ``product`` (set by the cell product).
    fitted_in : {"", "background", "msc", "nothing"}
        The stage of calibration that informs an uncertain parameter; ``nothing``: the prior is integrated over.
    """

    parameter_id: str
    scope: str
    value: float
    unit: str
    lower: float
    upper: float
    distribution: str
    spread: float
    fitted_in: str
    source: str
    confidence: str
    note: str
    file: Path
    line: int

    @property
    def uncertain(self) -> bool:
        """Return whether the value is integrated over."""
        return self.distribution in PRIORS or self.distribution == SWITCH


@dataclass(frozen=True)
class Disease:
    """Everything one disease folder says.

    Parameters
    ----------
    disease_id, name : str
    folder : Path
    loaded : LoadedModel
    parameters : dict of str to Parameter
    baselines, correlations, variability, observables, items : tuple of Row
        The tables of the same names, checked.
    instruments, placebo, scales : tuple of Row
        Optional tables of what is measured: the range and step an instrument can show, what taking part in a
        trial does to it, and scales composed of measured quantities.
    measures : dict of str to Measure
        ``measures.csv`` by quantity.
    config : dict
        ``disease.toml``.
    regimens : dict
        ``regimens.toml``: therapies behind each therapy code of the target list.
    """

    disease_id: str
    name: str
    folder: Path
    loaded: LoadedModel
    parameters: Mapping[str, Parameter]
    baselines: tuple[Row, ...]
    correlations: tuple[Row, ...]
    variability: tuple[Row, ...]
    observables: tuple[Row, ...]
    items: tuple[Row, ...]
    instruments: tuple[Row, ...]
    placebo: tuple[Row, ...]
    scales: tuple[Row, ...]
    measures: Mapping[str, Measure]
    config: Mapping = field(repr=False)
    regimens: Mapping = field(repr=False)

    @property
    def model(self) -> OdeModel:
        """Return the checked model."""
        return self.loaded.model

    @cached_property
    def uncertain(self) -> tuple[str, ...]:
        """Return the parameters with a prior, in the order of the table."""
        return tuple(p.parameter_id for p in self.parameters.values() if p.uncertain)

    def fitted_in(self, stage: str) -> tuple[str, ...]:
        """Return the uncertain parameters that a stage of calibration informs."""
        return tuple(n for n in self.uncertain if self.parameters[n].fitted_in == stage)

    @cached_property
    def defaults(self) -> np.ndarray:
        """Return the table's value of every model parameter, shape (n_parameter,)."""
        return np.array([self.parameters[p].value for p in self.model.parameters])

    @property
    def switches(self) -> tuple[str, ...]:
        """Return the structural alternatives, in the order of the table."""
        return tuple(n for n in self.uncertain if self.parameters[n].distribution == SWITCH)

    @property
    def shown(self) -> tuple[str, ...]:
        """Return the quantities whose course a forecast draws, in the order of the table."""
        return tuple(m.outcome_id for m in self.measures.values() if m.shown)

    @property
    def severity(self) -> str:
        """Return the quantity by which arms are compared at entry."""
        return self.config["severity"]["quantity"]

    @property
    def amplitude(self) -> str:
        """Return the parameter that scales the effect of the cells."""
        return self.config["msc_amplitude"]

    def region(self, label: str) -> str:
        """Return the region a published label stands for, ``""`` for the reference."""
        return self.config.get("region_of", {}).get(label, "")


def known_diseases(library: Path | None = None) -> list[str]:
    """Return the ids of the diseases that the library holds."""
    root = (library or library_root()) / "diseases"
    return sorted(p.parent.name for p in root.glob("*/disease.toml"))


def load_disease(disease_id: str, library: Path | None = None) -> Disease:
    """Read and check a disease folder.

    Raises
    ------
    StromaError
        D001 unknown disease, D002 malformed table or configuration, M0xx model text; all at once.
    """
    root = library or library_root()
    folder = root / "diseases" / disease_id
    if not (folder / "disease.toml").is_file():
        raise fail("D001", f"the library knows no disease `{disease_id}`",
                   hint=f"{nearest(disease_id, known_diseases(root))}; a disease is one folder: docs/add-a-disease.md")
    problems = Problems()

    def table(name: str, columns: dict[str, Column], key: tuple[str, ...], place: Path = folder) -> tuple[Row, ...]:
        try:
            return tuple(scan_table(place / name, columns, "D002", problems, key))
        except StromaError:  # no rows at all; the problems are in the list
            return ()

    config = _toml(folder / "disease.toml", problems)
    regimens = _toml(folder / "regimens.toml", problems)
    rows = table("parameters.csv", _PARAMETERS, ("parameter_id",))
    common = table("parameters.csv", _PARAMETERS, ("parameter_id",), root / "modules")
    baselines = table("baselines.csv", _BASELINES, ("covariate", "population"))
    correlations = table("correlations.csv", _CORRELATIONS, ("first", "second"))
    variability = table("variability.csv", _VARIABILITY, ("parameter_id",))
    observables = table("observables.csv", _OBSERVABLES, ("outcome_id",))

    def optional(name: str, columns: dict[str, Column], key: str) -> tuple[Row, ...]:
        return table(name, columns, (key,)) if (folder / name).is_file() else ()

    items = optional("sledai_items.csv", _ITEMS, "item")
    instruments = optional("instruments.csv", _INSTRUMENTS, "outcome_id")
    placebo = optional("placebo.csv", _PLACEBO, "outcome_id")
    scales = optional("scales.csv", _SCALES, "outcome_id")
    measured = table("measures.csv", MEASURE_COLUMNS, ("outcome_id",))
    if config:
        check_keys(config, folder / "disease.toml", problems)
    units = load_units(root)
    if problems.found:  # rows are missing: only what needs no row is checked
        check_text(gather(folder / "model.ant", problems), units, problems)
        problems.raise_if_any()
    _check_sources((*common, *rows, *baselines, *correlations, *variability, *observables, *items, *instruments,
                    *placebo, *scales), problems)
    measures = read_measures(measured, problems)
    parameters = {r.text("parameter_id"): _parameter(r, problems) for r in (*common, *rows)}
    model_rows = {p.parameter_id: (p.unit, p.file, p.line) for p in parameters.values() if p.scope == "model"}
    loaded = load_model(folder / "model.ant", units, model_rows, problems,
                        {r.text("parameter_id") for r in common})
    if loaded:
        parameters = {n: p for n, p in parameters.items() if p.scope != "model" or n in loaded.model.parameters}
    _check_links(parameters, baselines, correlations, variability, items, problems)
    _check_measures(measured, measures, parameters, problems)
    _check_observation(parameters, baselines, observables, instruments, placebo, config, problems)
    _check_scales(scales, observables, config, problems)
    if loaded:
        check_formulas(observables, loaded.model.outputs, problems)
        quantities = {r.text("outcome_id") for r in (*observables, *scales)}
        check_names(config, regimens, folder, root, parameters, loaded.model.outputs, quantities, problems)
    problems.raise_if_any()
    assert loaded is not None
    return Disease(disease_id, config["name"], folder, loaded, parameters, baselines, correlations, variability,
                   observables, items, instruments, placebo, scales, measures, config, regimens)


def _toml(path: Path, problems: Problems) -> dict:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.add("D002", f"missing {path.name}", file=path)
    except tomllib.TOMLDecodeError as error:
        problems.add("D002", f"not valid TOML: {error}", file=path)
    return {}


def _check_sources(rows: tuple[Row, ...], problems: Problems) -> None:
    for row in rows:
        if not row.text("source"):
            problems.add("D002", "`source` is empty", file=row.file, line=row.line,
                         hint="a publication, or `assumed` with its reason")


def _parameter(row: Row, problems: Problems) -> Parameter:
    parameter = Parameter(row.text("parameter_id"), row.text("scope"), row.known("value"), row.text("unit"),
                          row.known("lower"), row.known("upper"), row.text("distribution"),
                          row.number("spread") or 0.0, row.text("fitted_in"), row.text("source"),
                          row.text("confidence"), row.text("note"), row.file, row.line)
    if not parameter.lower <= parameter.value <= parameter.upper:
        problems.add("D003", f"`{parameter.parameter_id}` = {parameter.value:g} lies outside its own range "
                             f"{parameter.lower:g} to {parameter.upper:g}", file=row.file, line=row.line)
    if parameter.distribution in PRIORS - {"uniform"} and parameter.spread <= 0:
        problems.add("D003", f"`{parameter.parameter_id}` has a prior without spread", file=row.file, line=row.line)
    if parameter.distribution == SWITCH:
        _check_switch(parameter, problems)
    if parameter.uncertain != bool(parameter.fitted_in):
        problems.add("D003", f"`{parameter.parameter_id}` is {parameter.distribution} but fitted in "
                             f"`{parameter.fitted_in or 'no stage'}`", file=row.file, line=row.line,
                     hint="an uncertain parameter names its stage: background, msc or nothing")
    if "assumed" in (parameter.source, parameter.confidence) and not parameter.note:
        problems.add("D003", f"`{parameter.parameter_id}` is assumed without a reason", file=row.file, line=row.line,
                     hint="say why in `note`")
    return parameter


def _check_switch(parameter: Parameter, problems: Problems) -> None:
    at = {"file": parameter.file, "line": parameter.line}
    if (parameter.lower, parameter.upper) != (0.0, 1.0) or parameter.value not in (0.0, 1.0):
        problems.add("D003", f"the switch `{parameter.parameter_id}` is not 0 or 1 within 0 to 1", **at)
    if not 0 < parameter.spread < 1:
        problems.add("D003", f"the switch `{parameter.parameter_id}` has no prior weight", **at,
                     hint="`spread` of a switch is the prior weight of 1, above 0 and below 1")
    if parameter.fitted_in == "background":
        problems.add("D003", f"the switch `{parameter.parameter_id}` is fitted in `background`", **at,
                     hint="the background is emulated by a smooth surface, which a switch is not: msc or nothing")


def _check_links(parameters: Mapping[str, Parameter], baselines: tuple[Row, ...], correlations: tuple[Row, ...],
                 variability: tuple[Row, ...], items: tuple[Row, ...], problems: Problems) -> None:
    """Every name that one table takes from another exists there."""
    covariates = {r.text("covariate") for r in baselines}

    def need(row: Row, name: str, known: Collection[str], kind: str) -> None:
        if name and name not in known:
            problems.add("D004", f"unknown {kind} `{name}`", file=row.file, line=row.line,
                         hint=nearest(name, known))

    for row in baselines:
        need(row, row.text("parameter_id"), parameters, "parameter")
    for row in correlations:
        need(row, row.text("first"), covariates, "covariate")
        need(row, row.text("second"), covariates, "covariate")
    for row in variability:
        need(row, row.text("parameter_id"), parameters, "parameter")
        need(row, row.text("spread"), parameters, "parameter")
        for part in filter(None, row.text("shift").split(";")):
            need(row, part.partition(":")[2], parameters, "parameter")
    for row in items:
        need(row, row.text("spread"), parameters, "parameter")


def _check_measures(rows: tuple[Row, ...], measures: Mapping[str, Measure], parameters: Mapping[str, Parameter],
                    problems: Problems) -> None:
    for row in rows:
        measure = measures[row.text("outcome_id")]
        bias = measure.open_label
        if bias and not measure.is_read_blind and bias not in parameters:
            problems.add("D004", f"unknown parameter `{bias}`", file=row.file, line=row.line,
                         hint=nearest(bias, parameters))


def _check_observation(parameters: Mapping[str, Parameter], baselines: tuple[Row, ...], observables: tuple[Row, ...],
                       instruments: tuple[Row, ...], placebo: tuple[Row, ...], config: Mapping,
                       problems: Problems) -> None:
    """Instruments and placebo responses belong to what is measured."""
    measured = [r.text("outcome_id") for r in observables]
    for row in (*instruments, *placebo):
        if row.text("outcome_id") not in measured:
            problems.add("D004", f"unknown observable `{row.text('outcome_id')}`", file=row.file, line=row.line,
                         hint=nearest(row.text("outcome_id"), measured))
    for row in placebo:
        name = row.text("parameter_id")
        if name not in parameters:
            problems.add("D004", f"unknown parameter `{name}`", file=row.file, line=row.line,
                         hint=nearest(name, parameters))
    if not placebo:
        return
    entry, file = config.get("placebo", {}), placebo[0].file.with_name("disease.toml")
    if {"half_life_day", "covariate", "source"} - set(entry):
        problems.add("D002", "placebo.csv needs [placebo] with half_life_day, covariate and source", file=file)
    elif entry["covariate"] not in (covariates := {r.text("covariate") for r in baselines}):
        problems.add("D004", f"unknown covariate `{entry['covariate']}`", file=file,
                     hint=nearest(entry["covariate"], covariates))


def _check_scales(scales: tuple[Row, ...], observables: tuple[Row, ...], config: Mapping,
                  problems: Problems) -> None:
    """A scale is a number, new, and composed of what is measured or of scales above it."""
    known = {r.text("outcome_id") for r in observables} | set(config.get("laboratory", {}))
    for row in scales:
        name = row.text("outcome_id")
        if name in known:
            problems.add("D005", f"`{name}` is measured already", file=row.file, line=row.line)
        try:
            formula = parse(row.text("formula"), row.file, row.line)
            formula.names(known)
            if formula.condition:
                problems.add("D005", f"the formula of `{name}` is a condition, not a number", file=row.file,
                             line=row.line, text=formula.text, hint="a bare quantity reads as yes or no: write 1*name")
        except StromaError as error:
            problems.extend(error)
        known.add(name)
