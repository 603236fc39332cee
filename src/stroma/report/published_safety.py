"""Who was harmed in published studies of the cells in this disease: counted, never simulated."""

from __future__ import annotations

from dataclasses import dataclass

from stroma.evidence.records import Evidence
from stroma.evidence.safety import CATEGORIES, one_per_family, safety_counts


@dataclass(frozen=True)
class Harm:
    """Patients with one kind of event, study by study.

    Parameters
    ----------
    counts : tuple of (study_id, events, n)
        One study a cohort family, so that no patient counts twice.
    """

    category: str
    counts: tuple[tuple[str, int, int], ...]


def published_harms(evidence: Evidence, disease_id: str) -> tuple[Harm, ...]:
    """Return what is published for each category of harm; an empty count says that nothing usable is."""
    wanted = evidence.vocabulary.covered(disease_id)
    out = []
    for category in CATEGORIES:
        own = [c for c in safety_counts(evidence, category).counts if wanted & set(c.arm.study.diseases)]
        out.append(Harm(category.replace("_", " "),
                        tuple((c.arm.study.study_id, c.events, c.n) for c in one_per_family(own))))
    return tuple(out)
