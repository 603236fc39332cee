"""What is said about the conflict between the studies of one disease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stroma.calibration.posterior import Posterior
from stroma.disease import Disease
from stroma.explanation.parts import Settings

CHANCE, REST = "chance", "unexplained"


@dataclass(frozen=True)
class Estimate:
    """A number over the posterior: mean, 50 and 90 % interval."""

    mean: float
    pi50: tuple[float, float]
    pi90: tuple[float, float]


@dataclass(frozen=True)
class Component:
    """One part of the spread between studies.

    Parameters
    ----------
    factor_id, label : str
    levels : mapping of str to int
        Studies at each level; empty for chance and the rest.
    store : mapping of str to int
        Arms of the whole store at each level, where it files them.
    note : str
        Why there is no number, or what the factor cannot be told from.
    variance : Estimate or None
        Logits squared; the means of all components sum to the variance between the published numbers. None
        where the factor does not vary or cannot be told apart.
    published : Estimate or None
        The same as a share of the published variance, in percent; a negative share narrows the spread.
    predicted : Estimate or None
        Its share of the variance between the predicted numbers, in percent; None for chance and the rest.
    without_one : (float, float) or None
        Least and largest share of the published variance when one study is left out.
    """

    factor_id: str
    label: str
    levels: Mapping[str, int]
    store: Mapping[str, int]
    note: str
    variance: Estimate | None = None
    published: Estimate | None = None
    predicted: Estimate | None = None
    without_one: tuple[float, float] | None = None


@dataclass(frozen=True)
class StudyDeviation:
    """How far one study lies from what the reference study would have published, logits of improvement.

    Parameters
    ----------
    family : str
        Studies of one family may share patients.
    numbers : int
        Published numbers averaged.
    published, predicted : Estimate
    chance_sd : float
        Sampling standard deviation of the published average.
    parts : mapping of str to float
        Mean of what each factor adds to the prediction.
    """

    study_id: str
    year: int
    family: str
    numbers: int
    published: Estimate
    predicted: Estimate
    chance_sd: float
    parts: Mapping[str, float]


@dataclass(frozen=True)
class Conflict:
    """The spread between the studies of a disease taken apart.

    Parameters
    ----------
    studies : tuple of StudyDeviation
    components : tuple of Component
        All factors, then chance and the rest.
    reference : mapping of str to str
        Level of each factor in the reference study.
    published_sd, predicted_sd : Estimate or None
        Between studies, logits; None with fewer than two studies.
    left_out : tuple of (str, str)
        Studies with cells none of whose listed numbers can be compared, and why.
    effective : float
        Effective number of distinct background draws.
    """

    disease: Disease
    studies: tuple[StudyDeviation, ...]
    components: tuple[Component, ...]
    reference: Mapping[str, str]
    published_sd: Estimate | None
    predicted_sd: Estimate | None
    left_out: tuple[tuple[str, str], ...]
    posterior: Posterior
    settings: Settings
    effective: float
