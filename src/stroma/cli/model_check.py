"""What `stroma model check` counts, and the one check that spans diseases and therapies."""

from __future__ import annotations

from stroma.disease import Disease
from stroma.errors import Problems, StromaError, nearest
from stroma.library import library_root
from stroma.therapy import known_therapies, load_therapy
from stroma.trial.scenario import read_expectations, read_mechanisms


def summarise(disease: Disease) -> dict:
    """Return the counts of a disease that has no problems.

    Raises
    ------
    StromaError
        D010 to D012 for therapies that cannot be read or that no disease has a state for; D020 for a scenario
        of an expectation or mechanism that names what does not exist.
    """
    therapies = check_therapies(disease)
    model = disease.model
    rows = list(disease.parameters.values())
    assumed = [p for p in rows if "assumed" in (p.source, p.confidence)]
    return {
        "disease": disease.disease_id,
        "states": len(model.states),
        "parameters": len(model.parameters),
        "assignments": len(model.assignments),
        "fluxes": len(model.fluxes),
        "equations_with_units": _equations(disease),
        "uncertain": len(disease.uncertain),
        "parameters_and_population": len(rows),
        "assumed": len(assumed),
        "assumed_share": len(assumed) / len(rows),
        "therapies": therapies,
        "switches": list(disease.switches),
        "expectations": len(read_expectations(disease)),
        "mechanisms": len({row.text("term") for row in read_mechanisms(disease)}),
    }


def check_therapies(disease: Disease) -> int:
    """Count the therapies whose every dose enters a state of the disease.

    Raises
    ------
    StromaError
        D010, D011 for a therapy that cannot be read, D012 for one that a regimen of the disease names although
        the model lacks its state; all at once.
    """
    problems, states = Problems(), set(disease.model.states)
    named = {name for entry in disease.regimens.values() for name in entry["therapies"]}
    fitting = 0
    for therapy_id in known_therapies():
        try:
            therapy = load_therapy(therapy_id)
        except StromaError as error:
            problems.extend(error)
            continue
        missing = sorted(therapy.states - states)
        fitting += not missing
        for state in missing if therapy_id in named else ():
            problems.add(
                "D012",
                f"`{disease.disease_id}` has no state `{state}`",
                file=library_root() / "therapies" / f"{therapy_id}.toml",
                hint=nearest(state, disease.model.states),
            )
    problems.raise_if_any()
    return fitting


def _equations(disease: Disease) -> int:
    """Return how many equations libSBML compared the units of."""
    import libsbml

    model = libsbml.readSBMLFromString(disease.loaded.sbml).getModel()
    return model.getNumRules() + model.getNumInitialAssignments() + model.getNumReactions()
