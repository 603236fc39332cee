"""A study of the evidence store, each published change taken apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from stroma.calibration.posterior import distinct_size, load_posterior
from stroma.calibration.predict import take_draws
from stroma.calibration.targets import Target, TargetList, load_targets
from stroma.disease import Disease, known_diseases, load_disease
from stroma.engine.backends import backend as engine
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.evidence.store import load_evidence
from stroma.explanation.arm import ORDER, Game
from stroma.explanation.causes import read_mechanisms
from stroma.explanation.parts import ExplainedOutcome, Explanation, Settings
from stroma.library import library_root
from stroma.trial.rules import load_rules

if TYPE_CHECKING:
    from stroma.calibration.simulate import Progress


def explain_study(study_id: str, settings: Settings | None = None, backend: Backend | None = None,
                  progress: Progress | None = None) -> Explanation:
    """Take the published changes of a study apart.

    Parameters
    ----------
    study_id : str
        A study of the evidence store.
    settings : Settings, optional
    backend : Backend, optional
        The engine; ``cpu`` by default.
    progress : callable, optional
        Called with (stage, done, total).

    Raises
    ------
    StromaError
        E104 an unknown study, C061 a study without a published change that can be explained (the message says
        why), C020-C021 the posterior, C060 a disease that does not name its causes.
    """
    sizes = settings or Settings()
    citation = load_evidence().study(study_id).citation
    disease, listed = _home(study_id)
    mechanisms = read_mechanisms(disease)
    own = [t for t in listed.targets if t.study_id == study_id]
    left_out = [(e.target_id, e.reason) for e in listed.excluded if e.target_id.split("|")[0] == study_id]
    left_out += [(t.target_id, "in the model a hazard of its own sets the flares: no cause that is told apart here "
                               "changes it") for t in own if t.kind == "hazard"]
    targets = [t for t in own if t.kind != "hazard"]
    if not targets:
        raise fail("C061", f"nothing of `{study_id}` can be taken apart",
                   hint="; ".join(f"{name}: {why}" for name, why in left_out))
    posterior = load_posterior(disease)
    drawn = take_draws(posterior, sizes.draws, sizes.seed)
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    arms: dict[tuple, list[Target]] = defaultdict(list)
    for t in targets:
        arms[t.regimen, t.dose, t.population, t.region].append(t)
    outcomes: list[ExplainedOutcome] = []
    for number, members in enumerate(arms.values()):
        report = None if progress is None else _counting(progress, number, len(arms))
        game = Game(disease, members, drawn, mechanisms, rules, sizes, backend or engine("cpu"), report)
        outcomes += game.play(posterior.manifest["target_ids"])
    arm_of = {label: i for i, label in enumerate(dict.fromkeys(t.arm_label for t in targets))}
    outcomes.sort(key=lambda o: (arm_of[o.target.arm_label], targets.index(o.target)))
    return Explanation(study_id, citation, disease, tuple(outcomes), tuple(left_out), posterior,
                       sizes, distinct_size(drawn.weights["current"], drawn.group), ORDER)


def _home(study_id: str) -> tuple[Disease, TargetList]:
    """Return the disease whose target list has the study, and that list."""
    for disease_id in known_diseases():
        disease = load_disease(disease_id)
        listed = load_targets(disease)
        if any(t.study_id == study_id for t in listed.targets) or any(
                e.target_id.split("|")[0] == study_id for e in listed.excluded):
            return disease, listed
    later = Counter(o.outcome_id for o in load_evidence().outcomes_of(study_id))
    has = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in later.items()) or "no numbers"
    raise fail("C061", f"no published number of `{study_id}` is in the target list of a disease",
               hint=f"the store has of it: {has}; none is a simulated quantity or a share by a rule, with its day, "
                    "in patients the model describes")


def _counting(progress: Progress, arm: int, arms: int) -> Progress:
    return lambda stage, done, total: progress(stage, arm * total + done, arms * total)
