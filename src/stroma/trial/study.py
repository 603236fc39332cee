"""A study of one's own, as a TOML file: any arms, outcomes and patients that the library can simulate."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from stroma.disease import Disease, known_diseases, load_disease
from stroma.errors import Problems, StromaError, fail, nearest
from stroma.expression import parse
from stroma.library import library_root
from stroma.therapy import known_therapies, load_therapy
from stroma.trial.countries import known_countries, response_notes
from stroma.trial.design import (
    Arm,
    ArmTreatment,
    EntryCriteria,
    EntryCriterion,
    Fact,
    PlannedOutcome,
    TrialDesign,
)
from stroma.trial.dose import parse_dose
from stroma.trial.observe import simulated_quantities
from stroma.trial.rules import ResponseRule, known_quantities, load_rules

TEMPLATE = "new_study.toml"
BLINDING = ("none", "single", "double")
THAW = ("fresh", "thawed", "unknown")
PROPORTION, MEAN_CHANGE = "proportion", "mean_change"
_MONTHLY = (0.0, 30.0, 60.0, 90.0, 180.0, 270.0, 365.0)
_TOP = {"id": str, "title": str, "disease": str, "population": str, "countries": list, "blinding": str,
        "visits": list, "entry": list, "outcome": list, "arm": list}
_OPTIONAL = ("countries", "visits", "entry", "control", "background", "cells", "rule", "measure")
_ENTRY = {"condition": str, "words": str}
_OUTCOME = {"name": str, "day": float, "statistic": str, "rule": str, "measure": str}
_ARM = {"label": str, "control": bool, "n": int, "background": list, "cells": list}
_CELLS = {"product": str, "route": str, "dose": str, "days": list, "thaw": str}
_KIND = {str: "text", float: "a number", int: "a whole number", bool: "true or false", list: "a list"}
Place = tuple[str | int, ...]


def template_text() -> str:
    """Return the commented study file that ``stroma new study`` writes."""
    return (files("stroma.trial") / TEMPLATE).read_text(encoding="utf-8")


def read_study(path: Path) -> tuple[TrialDesign, Disease]:
    """Read a study file.

    Raises
    ------
    StromaError
        T230 for what is not written as declared, T231 for what the library does not know or cannot simulate, E301 to
        E305 for an entry criterion; everything at once, with file and line. D001-D004 the disease itself.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise fail("T230", f"cannot read the study: {why}", file=path,
                   hint="`stroma new study` writes one to start from") from None
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+), column (\d+)", str(error))
        line, column = (int(at[1]), int(at[2])) if at else (None, None)
        raise fail("T230", f"the study is not TOML: {error}", file=path, line=line, column=column) from None
    reader = _Reader(path, lines_of(text))
    design, disease = reader.study(content)
    reader.problems.found.sort(key=lambda d: d.line or 0)
    reader.problems.raise_if_any()
    assert design is not None and disease is not None
    return design, disease


def lines_of(text: str) -> dict[Place, int]:
    """Return the line of every key and table of a TOML text, tables of a list numbered from 0."""
    found: dict[Place, int] = {}
    here: Place = ()
    counts: dict[Place, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        table = re.match(r"\s*(\[\[?)\s*([\w.-]+)\s*\]", line)
        key = re.match(r"\s*([\w-]+)\s*=", line)
        if table:
            here = ()
            parts = table[2].split(".")
            for depth, part in enumerate(parts):
                here = (*here, part)
                if depth == len(parts) - 1 and table[1] == "[[":
                    counts[here] = counts.get(here, -1) + 1
                if here in counts:
                    here = (*here, counts[here])
            found.setdefault(here, number)
        elif key:
            found.setdefault((*here, key[1]), number)
    return found


@dataclass(frozen=True)
class _Reader:
    file: Path
    lines: Mapping[Place, int]
    problems: Problems = field(default_factory=Problems)

    def wrong(self, code: str, place: Place, message: str, hint: str = "") -> None:
        """Report a problem at the line of a key, else of the table around it."""
        at = next((self.lines[place[:i]] for i in range(len(place), 0, -1) if place[:i] in self.lines), None)
        self.problems.add(code, message, file=self.file, line=at, hint=hint)

    def table(self, content: Mapping[str, Any], keys: Mapping[str, type], place: Place) -> dict[str, Any]:
        """Return the values of a table that are as declared; report unknown, missing and mistyped keys."""
        for key in content:
            if key not in keys:
                self.wrong("T230", (*place, key), f"unknown key `{key}`", nearest(key, keys))
        found = {}
        for key, kind in keys.items():
            value = content.get(key)
            if value is None:
                if key not in _OPTIONAL:
                    self.wrong("T230", place, f"`{key}` is missing", f"it takes {_KIND[kind]}")
            elif not _is_kind(value, kind):
                self.wrong("T230", (*place, key), f"`{key}` must be {_KIND[kind]}, not {value!r}")
            elif value == "" or (value == [] and key not in _OPTIONAL):
                self.wrong("T230", (*place, key), f"`{key}` is empty")
            else:
                found[key] = value
        return found

    def tables(self, content: Mapping[str, Any], key: str, place: Place = ()) -> list[tuple[dict[str, Any], Place]]:
        found = content.get(key, [])
        if not all(isinstance(one, dict) for one in found):
            self.wrong("T230", (*place, key), f"`{key}` must be written as [[{key}]]")
            return []
        return [(one, (*place, key, number)) for number, one in enumerate(found)]

    def one_of(self, value: str | None, known: Collection[str], place: Place, what: str) -> str:
        """Return a word that the library knows; report it otherwise."""
        if value is None:
            return ""
        if value not in known:
            self.wrong("T231", place, f"`{value}` is no {what}",
                       nearest(value, known) or "known: " + ", ".join(f"`{k}`" for k in sorted(known)))
            return ""
        return value

    def numbers(self, value: list | None, place: Place, what: str) -> tuple[float, ...]:
        """Return ascending days from a list."""
        if value is None:
            return ()
        good = [float(x) for x in value if _is_kind(x, float) and x >= 0]
        if len(good) < len(value) or good != sorted(set(good)):
            self.wrong("T230", place, f"{what} must be days that ascend from 0 on, not {value}")
            return ()
        return tuple(good)

    def study(self, content: Mapping[str, Any]) -> tuple[TrialDesign | None, Disease | None]:
        top = self.table(content, _TOP, ())
        if "id" in top and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", top["id"]):
            self.wrong("T230", ("id",), f"`id` may have letters, digits, `.`, `_` and `-` only, not `{top['id']}`")
        blinding = self.one_of(top.get("blinding"), BLINDING, ("blinding",), "kind of blinding")
        known = self.one_of(top.get("disease"), known_diseases(), ("disease",), "disease of the library")
        disease = load_disease(known) if known else None
        if disease is None:
            return None, None
        population = self.one_of(top.get("population"), disease.config["populations"], ("population",),
                                 f"population of `{known}`")
        countries = self.countries(top.get("countries", ()), disease)
        outcomes = [self.outcome(one, at, disease) for one, at in self.tables(top, "outcome")]
        entry = [c for one, at in self.tables(top, "entry") if (c := self.criterion(one, at)) is not None]
        arms = [self.arm(one, at, disease) for one, at in self.tables(top, "arm")]
        self.check_arms(arms)
        visits = self.visits(top, outcomes, disease)
        facts = (Fact("population", population, source=self.file.name), visits)
        return TrialDesign(
            top.get("id", ""), top.get("title", ""), "planned", known, population, countries, tuple(arms),
            visits.numbers(), tuple(outcomes), EntryCriteria(tuple(entry)), blinding != "none", facts,
            response_notes(countries, disease)), disease

    def countries(self, given: Sequence[object], disease: Disease) -> tuple[str, ...]:
        """Return the countries of the study, or regions that the disease names; report what is neither."""
        spellings, regions = known_countries(), disease.config.get("region_of", {})
        for name in map(str, given):
            if name not in regions and spellings.get(name) != name:
                hint = f"nearest: `{spellings[name]}`" if name in spellings else ""
                self.wrong("T231", ("countries",), f"`{name}` is no country of the library",
                           hint or nearest(name, {*spellings.values(), *regions})
                           or f"names stand in {library_root() / 'vocabulary' / 'countries.csv'}")
        return tuple(map(str, given))

    def visits(self, top: Mapping[str, Any], outcomes: list[PlannedOutcome], disease: Disease) -> Fact:
        """Return the visits; every outcome's day is one."""
        given = self.numbers(top.get("visits"), ("visits",), "`visits`")
        if given and given[0] != 0.0:
            self.wrong("T230", ("visits",), f"the first of `visits` must be day 0, not {given[0]:g}")
        if given and given[-1] > float(disease.config["horizon_day"]):
            self.wrong("T231", ("visits",), f"a visit on day {given[-1]:g} lies beyond the model's last day, "
                                            f"{disease.config['horizon_day']}")
        days = {o.day for o in outcomes}
        last = max(days, default=_MONTHLY[-1])
        if given:
            return Fact("visits", tuple(sorted({*given, *days})), source=self.file.name)
        return Fact("visits", tuple(sorted({d for d in _MONTHLY if d <= last} | days | {0.0})),
                    reason="`visits` is not given; monthly, then every three months")

    def outcome(self, content: dict[str, Any], place: Place, disease: Disease) -> PlannedOutcome:
        found = self.table(content, _OUTCOME, place)
        statistic = self.one_of(found.get("statistic"), (PROPORTION, MEAN_CHANGE), (*place, "statistic"), "statistic")
        day = float(found.get("day", 0.0))
        if "day" in found and not 0 < day <= float(disease.config["horizon_day"]):
            self.wrong("T231", (*place, "day"), f"day {day:g} lies outside the model's days, 1 to "
                                                f"{disease.config['horizon_day']}")
        needed, other = ("rule", "measure") if statistic == PROPORTION else ("measure", "rule")
        rule = quantity = ""
        if statistic and needed not in found:
            self.wrong("T230", place, f"a {statistic.replace('_', ' ')} needs `{needed}`")
        elif statistic and other in found:
            self.wrong("T230", (*place, other), f"a {statistic.replace('_', ' ')} has no `{other}`")
        elif statistic == PROPORTION:
            rule = self.rule(found["rule"], (*place, "rule"), disease)
        elif statistic == MEAN_CHANGE:
            own = disease.measures.keys() & simulated_quantities(disease)
            quantity = self.one_of(found["measure"], own, (*place, "measure"), f"measure of `{disease.disease_id}`")
        return PlannedOutcome(found.get("name", ""), f"day {day:g}", day, rule, self.file.name, quantity)

    def rule(self, name: str, place: Place, disease: Disease) -> str:
        """Return a response rule that the disease can be judged by."""
        root = library_root()
        rules, vocabulary = load_rules(root / "evidence" / "response_rules.csv"), known_quantities(root)
        simulated = simulated_quantities(disease)

        def lacking(rule: ResponseRule) -> list[str]:
            return sorted(rule.names(vocabulary) - simulated)

        usable = [r for r, rule in rules.items() if not lacking(rule)]
        if name in rules and lacking(rules[name]):
            self.wrong("T231", place, f"the rule `{name}` needs {', '.join(f'`{q}`' for q in lacking(rules[name]))}, "
                                      f"which `{disease.disease_id}` does not simulate", nearest(name, usable))
            return ""
        if name not in rules:
            hint = nearest(name, usable)
            self.wrong("T231", place, f"`{name}` is no response rule",
                       f"{hint}{'; ' if hint else ''}rules stand in {root / 'evidence' / 'response_rules.csv'}")
            return ""
        return name

    def criterion(self, content: dict[str, Any], place: Place) -> EntryCriterion | None:
        found = self.table(content, _ENTRY, place)
        if len(found) < len(_ENTRY):
            return None
        try:
            condition = parse(found["condition"], self.file, self.lines.get((*place, "condition")))
            condition.names(known_quantities(library_root()))
        except StromaError as error:
            self.problems.extend(error)
            return None
        if not condition.condition:
            self.wrong("T230", (*place, "condition"), f"`{condition.text}` is a number, not a condition",
                       "for example `upcr >= 0.5`")
        return EntryCriterion(condition, found["words"], self.file.name)

    def arm(self, content: dict[str, Any], place: Place, disease: Disease) -> Arm:
        found = self.table(content, _ARM, place)
        n = found.get("n", 1)
        if n < 1:
            self.wrong("T230", (*place, "n"), f"an arm of {n} patients")
        cells = [t for one, at in self.tables(found, "cells", place) if (t := self.cells(one, at, disease)) is not None]
        if len(cells) > 1:
            self.wrong("T231", (*place, "cells", 1), "an arm gets one cell product; give repeated infusions as `days`")
        drugs = {t for t in known_therapies() if load_therapy(t).kind != "cells"
                 and {s for s, _, _ in load_therapy(t).doses} <= set(disease.model.states)}
        background = [self.one_of(str(t), drugs, (*place, "background"), f"drug for `{disease.disease_id}`")
                      for t in found.get("background", ())]
        for drug in sorted({t for t in background if background.count(t) > 1 and t}):
            self.wrong("T230", (*place, "background"), f"`{drug}` stands twice")
        drawn = tuple(ArmTreatment(t, load_therapy(t).name, self.file.name) for t in background if t)
        return Arm(found.get("label", ""), found.get("control", False), n, (*cells, *drawn))

    def cells(self, content: dict[str, Any], place: Place, disease: Disease) -> ArmTreatment | None:
        found = self.table(content, _CELLS, place)
        products = [t for t in known_therapies() if load_therapy(t).kind == "cells"]
        product = self.one_of(found.get("product"), products, (*place, "product"), "cell product of the library")
        thaw = self.one_of(found.get("thaw"), THAW, (*place, "thaw"), "state")
        if product and "route" in found and found["route"] != load_therapy(product).product["route"]:
            self.wrong("T231", (*place, "route"), f"`{product}` is simulated by the route "
                                                  f"`{load_therapy(product).product['route']}`, not `{found['route']}`")
        days = self.numbers(found.get("days"), (*place, "days"), "`days`")
        dose = None
        try:
            dose = parse_dose(found["dose"]) if "dose" in found else None
        except StromaError as error:
            for d in error.diagnostics:
                self.wrong("T231", (*place, "dose"), d.message, "the cells of one infusion, for example 1e6/kg or 2e8")
        if "@" in found.get("dose", ""):
            self.wrong("T230", (*place, "dose"), "the days of the infusions stand in `days`, not in `dose`")
        if dose is None or not days or not product or not thaw:
            return None
        state = Fact(f"{product}.thaw_state", "thawed", reason="not known before the study: both are tried",
                     options=("fresh", "thawed")) if thaw == "unknown" else Fact(
                         f"{product}.thaw_state", thaw, source=self.file.name)
        own = type(dose)(dose.amount, dose.per_kg, days)
        return ArmTreatment(product, load_therapy(product).name, self.file.name, own,
                            (state, Fact(f"{product}.route", found.get("route", ""), source=self.file.name)))

    def check_arms(self, arms: list[Arm]) -> None:
        labels = [a.label for a in arms]
        for number, label in enumerate(labels):
            if label and label in labels[:number]:
                self.wrong("T230", ("arm", number, "label"), f"two arms are called `{label}`")
        controls = sum(a.control for a in arms)
        if len(arms) > 1 and controls != 1:
            self.wrong("T230", ("arm", 0), f"{controls} of {len(arms)} arms are `control = true`; mark the one "
                                           "that the others are compared with")


def _is_kind(value: object, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
