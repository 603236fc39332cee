"""`stroma list`: every name that a command or a study file understands."""

from __future__ import annotations

from typing import Annotated

import typer

from stroma.cli.artefacts import print_rows, say
from stroma.errors import EXIT_USAGE, fail, nearest

Rows = list[dict[str, object]]


def list_names(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=(
        "records, diseases, populations, products, drugs, measures, rules, parameters or scenarios; "
        "without it: how many of each there are."))] = "",
    disease: Annotated[str, typer.Option("--disease", help="Only what this disease can use.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the names that commands and study files understand: records, products, drugs, measures, rules.

    Raises
    ------
    StromaError
        U007 for a kind that is none; D001 unknown disease.
    """
    from stroma.disease import known_diseases

    if kind and kind not in _KINDS:
        raise fail("U007", f"there is no list of `{kind}`", hint=nearest(kind, _KINDS), exit_code=EXIT_USAGE)
    diseases = [disease] if disease else known_diseases()
    if kind:
        print_rows(_KINDS[kind](diseases), as_json)
        return
    print_rows([{"kind": k, "names": len(make(diseases))} for k, make in _KINDS.items()], as_json)
    if not as_json:
        say("one of them: stroma list rules --disease sle")


def _records(diseases: list[str]) -> Rows:
    from stroma.library import library_root
    from stroma.registry import read_record

    found = (read_record(p) for p in sorted((library_root() / "registry").glob("NCT*.json")))
    return [{"record": r.nct_id, "title": r.title} for r in found]


def _diseases(diseases: list[str]) -> Rows:
    from stroma.disease import load_disease

    loaded = [load_disease(d) for d in diseases]
    return [{"disease": d.disease_id, "name": d.name, "populations": d.config["populations"],
             "days": d.config["horizon_day"]} for d in loaded]


def _populations(diseases: list[str]) -> Rows:
    from stroma.disease import load_disease

    return [{"disease": d, "population": p} for d in diseases for p in load_disease(d).config["populations"]]


def _therapies(diseases: list[str], cells: bool) -> Rows:
    from stroma.disease import load_disease
    from stroma.therapy import known_therapies, load_therapy

    states = {d: frozenset(load_disease(d).model.states) for d in diseases}
    found = [t for t in map(load_therapy, known_therapies()) if (t.kind == "cells") == cells]
    usable = {t.therapy_id: [d for d in diseases if t.states <= states[d]] for t in found}
    return [{"product" if cells else "drug": t.therapy_id, "diseases": usable[t.therapy_id], "name": t.name}
            for t in found if usable[t.therapy_id]]


def _products(diseases: list[str]) -> Rows:
    return _therapies(diseases, cells=True)


def _drugs(diseases: list[str]) -> Rows:
    return _therapies(diseases, cells=False)


def _measures(diseases: list[str]) -> Rows:
    from stroma.disease import load_disease
    from stroma.trial.observe import simulated_quantities

    loaded = [load_disease(d) for d in diseases]
    return [{"disease": d.disease_id, "measure": m.outcome_id, "better": m.better}
            for d in loaded for m in d.measures.values() if m.outcome_id in simulated_quantities(d)]


def _rules(diseases: list[str]) -> Rows:
    from stroma.disease import load_disease
    from stroma.evidence.vocabulary import load_vocabulary
    from stroma.library import library_root
    from stroma.trial.observe import simulated_quantities
    from stroma.trial.rules import ResponseRule, known_quantities, load_rules

    root = library_root()
    rules, quantities, vocabulary = (load_rules(root / "evidence" / "response_rules.csv"), known_quantities(root),
                                     load_vocabulary(root))
    simulated = {d: simulated_quantities(load_disease(d)) for d in diseases}
    others = vocabulary.allowed("disease")

    def fits(rule: ResponseRule, disease: str) -> bool:
        own, of = vocabulary.covered(disease), rule.disease.lower()
        return (of in own or of not in others) and rule.names(quantities) <= simulated[disease]

    usable = {r: [d for d in diseases if fits(rule, d)] for r, rule in rules.items()}
    return [{"rule": r, "diseases": usable[r], "certainty": rule.certainty, "definition": rule.definition}
            for r, rule in rules.items() if usable[r]]


def _parameters(diseases: list[str]) -> Rows:
    from stroma.disease import load_disease

    return [{"disease": d, "parameter": p.parameter_id, "value": p.value, "unit": p.unit,
             "distribution": p.distribution} for d in diseases for p in load_disease(d).parameters.values()]


def _scenarios(diseases: list[str]) -> Rows:
    from stroma.disease import load_disease
    from stroma.trial.ready import read_ready, scenarios_of

    return [{"disease": d, "scenario": n, "title": read_ready(n, load_disease(d)).title}
            for d in diseases for n in scenarios_of(d)]


_KINDS = {"records": _records, "diseases": _diseases, "populations": _populations, "products": _products,
          "drugs": _drugs, "measures": _measures, "rules": _rules, "parameters": _parameters,
          "scenarios": _scenarios}
