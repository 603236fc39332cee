"""The conflict between studies in words."""

from __future__ import annotations

from collections.abc import Mapping

from stroma.explanation.conflict_parts import CHANCE, REST, Component, Conflict, Estimate
from stroma.report.explain_words import number

METHOD = ("Each published number is compared with what one reference study would have published on the same statistic "
          "on the same day, by the model, in logits of improvement: the log odds of a response, or as much of a mean "
          "change as goes with them. What the model says of the difference is averaged over all orders in which the "
          "reference can be turned into the study (Shapley). The variance between studies is the sum of the rows; a "
          "negative row narrows the spread. Chance is the sampling of as many patients as were in the study; the rest "
          "is what neither explains. Every split rests on the model; intervals are over its posterior and not over "
          "which studies were done, for which the last column leaves one study out at a time.")


def per_cent(estimate: Estimate | None) -> str:
    """Write a share."""
    return "" if estimate is None else f"{_whole(estimate.mean)} %"


def range_of(estimate: Estimate | None) -> str:
    """Write the 90 % interval of a share."""
    return "" if estimate is None else share_range(estimate.pi90)


def share_range(ends: tuple[float, float]) -> str:
    """Write the two ends of a share in percent."""
    return f"{_whole(ends[0])} to {_whole(ends[1])}"


def _whole(share: float) -> str:
    digits = 1 if 0.05 <= abs(share) < 0.95 else 0
    return f"{round(share, digits) + 0.0:.{digits}f}".replace("-", "−")


def levels_words(levels: Mapping[str, int], unit: str = "") -> str:
    """Write how many studies or arms have each level."""
    return "; ".join(f"{name.replace('_', ' ')}: {n}{unit}" for name, n in levels.items())


def headline(found: Conflict) -> str:
    """Say what the spread is made of."""
    n = len(found.studies)
    name = found.disease.name
    if found.published_sd is None or found.predicted_sd is None:
        return (f"One study with cells ({found.studies[0].study_id}) has a number that can be compared in {name}: "
                "one study is no conflict, and there is no spread to take apart.")
    by_id = {c.factor_id: c for c in found.components}
    low, high = found.published_sd.pi90
    known = [c for c in found.components if c.factor_id not in (CHANCE, REST)]
    share = sum(c.published.mean for c in known if c.published)
    sd = number(found.published_sd.mean, False)
    return (f"What the arms with cells of {n} studies in {name} reported, not their difference from control, differs "
            f"by a standard deviation of {sd} logits "
            f"({number(low, False)} to {number(high, False)}). What is known to differ between them makes "
            f"{_whole(share)} % of that variance by the model, the sampling of few patients "
            f"{per_cent(by_id[CHANCE].published)}, and {per_cent(by_id[REST].published)} stays unexplained.")


def families_words(found: Conflict) -> str:
    """Say which studies may share patients; empty where none do."""
    members: dict[str, list[str]] = {}
    for s in found.studies:
        members.setdefault(s.family, []).append(s.study_id)
    shared = [f"{', '.join(own)} ({name})" for name, own in members.items() if len(own) > 1]
    return f"Of one family, and so perhaps of the same patients: {'; '.join(shared)}." if shared else ""


def left_out_words(found: Conflict) -> list[str]:
    """Return each reason why studies with cells are not compared, and those studies."""
    by_reason: dict[str, list[str]] = {}
    for study, why in found.left_out:
        by_reason.setdefault(why, []).append(study)
    return [f"{why}: {', '.join(studies)}" for why, studies in by_reason.items()]


def measured(found: Conflict) -> list[Component]:
    """Return the components that have numbers."""
    return [c for c in found.components if c.published is not None]


def silent(found: Conflict) -> list[Component]:
    """Return the factors without a number."""
    return [c for c in found.components if c.published is None]
