"""From the rows of the tables to records: ids, references, lists and amounts are read here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stroma.errors import Problems, nearest
from stroma.evidence.records import (
    Amount,
    Arm,
    Judgement,
    Outcome,
    Printed,
    Registration,
    RuleRow,
    SeedClaim,
    Study,
    parse_amount,
)
from stroma.evidence.vocabulary import Vocabulary
from stroma.tables import Row

_ID = re.compile(r"[a-z0-9_]+")
_ARM_ID = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")


def _listed(row: Row, column: str, allowed: frozenset[str], problems: Problems, mark: str = ";") -> tuple[str, ...]:
    parts = tuple(part.strip() for part in re.split(mark, row.text(column)) if part.strip())
    for part in parts:
        if part not in allowed:
            problems.add(
                "E101",
                f"`{part}` is not a `{column}`",
                file=row.file,
                line=row.line,
                hint=nearest(part, allowed),
            )
    return parts


def _whole(row: Row, column: str) -> int | None:
    value = row.number(column)
    return None if value is None else int(value)


def _known(row: Row, column: str, known: Mapping[str, object], what: str, problems: Problems) -> bool:
    name = row.text(column)
    if name in known:
        return True
    problems.add("E102", f"no {what} `{name}`", file=row.file, line=row.line, hint=nearest(name, known))
    return False


def build_study(row: Row, words: Vocabulary, problems: Problems) -> Study | None:
    """Read a study; None where its id is malformed."""
    if not _ID.fullmatch(row.text("study_id")):
        problems.add(
            "E103",
            f"`{row.text('study_id')}` is not a study id",
            file=row.file,
            line=row.line,
            hint="lower case letters, digits and _ only, so that no two ids differ by case alone",
        )
        return None
    return Study(
        row.text("study_id"),
        row.text("citation"),
        _whole(row, "published_year"),
        row.text("doi"),
        row.text("pmid"),
        row.text("registry_id"),
        row.text("same_report_as"),
        row.text("cohort_family"),
        row.text("split"),
        row.text("evidence_kind"),
        row.text("design"),
        row.text("blinding"),
        row.text("species"),
        _listed(row, "disease", words.allowed("disease"), problems),
        row.text("country"),
        _whole(row, "n_total"),
        row.number("follow_up_days"),
        row.text("inclusion_summary"),
        row.text("risk_of_bias_notes"),
        row.text("conclusion_direction"),
        row.text("evidence_level"),
        row.text("source_url"),
        row.text("note"),
        row.line,
    )


def _amount(row: Row, column: str, problems: Problems) -> Amount | None:
    try:
        return parse_amount(row.text(column))
    except ValueError:
        problems.add(
            "E103",
            f"`{row.text(column)}` is not a `{column}`",
            file=row.file,
            line=row.line,
            hint="write 1e6, 1e6-2e6 (range), 2e6|6e6 (alternatives) or 1e8+2e8 (successive)",
        )
        return None


def build_arm(row: Row, studies: Mapping[str, Study], words: Vocabulary, problems: Problems) -> Arm | None:
    """Read an arm and join it to its study; None where either id is wrong."""
    arm_id = row.text("arm_id")
    if not _known(row, "study_id", studies, "study", problems):
        return None
    if not _ARM_ID.fullmatch(arm_id) or arm_id.split(".")[0] != row.text("study_id"):
        problems.add(
            "E103",
            f"`{arm_id}` is not an arm of `{row.text('study_id')}`",
            file=row.file,
            line=row.line,
            hint="write study_id.name in lower case letters, digits and _",
        )
        return None
    study = studies[row.text("study_id")]
    _listed(row, "cell_source", words.allowed("cell_source"), problems, r"\|")
    _listed(row, "route", words.allowed("route"), problems, r"[|+]")
    return Arm(
        arm_id,
        study,
        row.text("arm_label"),
        row.text("arm_role"),
        row.text("overlaps"),
        _listed(row, "disease", words.allowed("disease"), problems) or study.diseases,
        _whole(row, "n_arm"),
        row.text("cell_source"),
        row.text("donor"),
        row.text("route"),
        _amount(row, "dose_value", problems),
        row.text("dose_unit"),
        _amount(row, "n_doses", problems),
        row.number("interval_days"),
        row.text("pretreatment"),
        row.text("background_therapy"),
        row.line,
    )


def whole_arms(rows: list[Row], arms: Mapping[str, Arm]) -> frozenset[tuple[str, str]]:
    """Return the arms and subgroups that are one and the same.

    A subgroup is the whole arm when it has no name, when the study knows no other, or when a row of it prints
    the arm's size as its denominator.
    """
    of_study: dict[str, set[str]] = {}
    whole: set[tuple[str, str]] = set()
    for row in rows:
        arm = arms.get(row.text("arm_id"))
        if arm is None or row.text("statistic") in ("individual", "individual_change"):
            continue
        of_study.setdefault(arm.study.study_id, set()).add(row.text("subgroup"))
        if row.text("subgroup") == "" or row.number("n_analysed") == arm.n_arm:
            whole.add((arm.arm_id, row.text("subgroup")))
    return frozenset(
        whole
        | {
            (arm.arm_id, name)
            for arm in arms.values()
            for name in of_study.get(arm.study.study_id, ())
            if len(of_study[arm.study.study_id]) == 1
        }
    )


def build_outcome(
    row: Row,
    arms: Mapping[str, Arm],
    rules: Mapping[str, RuleRow],
    whole: frozenset[tuple[str, str]],
    words: Vocabulary,
    problems: Problems,
) -> Outcome | None:
    """Read a result and join it to its arm; None where there is no such arm."""
    flags = frozenset(_listed(row, "flags", words.allowed("flag"), problems))
    if row.text("rule_id"):
        _known(row, "rule_id", rules, "response rule", problems)
    if not _known(row, "arm_id", arms, "arm", problems):
        return None
    unit = row.text("unit_as_printed")
    printed = (
        Printed(row.number("value_as_printed"), row.number("lo_as_printed"), row.number("hi_as_printed"), unit)
        if unit
        else None
    )
    arm, n = arms[row.text("arm_id")], _whole(row, "n_analysed")
    denominator = arm.n_arm if n is None and (arm.arm_id, row.text("subgroup")) in whole else n
    return Outcome(
        arm,
        row.text("subgroup"),
        row.text("outcome_id"),
        row.number("time_day"),
        row.text("statistic"),
        row.number("value"),
        row.text("text"),
        row.text("unit"),
        row.text("dispersion_type"),
        row.number("dispersion_lo"),
        row.number("dispersion_hi"),
        n,
        denominator,
        row.text("rule_id"),
        flags,
        printed,
        row.text("source_locator"),
        row.text("source_url"),
        row.text("note"),
        row.line,
    )


def build_rule(row: Row) -> RuleRow:
    """Read a response rule; its formula is parsed by the checks."""
    return RuleRow(
        row.text("rule_id"),
        row.text("outcome"),
        row.text("disease"),
        row.text("definition"),
        row.text("formula"),
        row.text("better"),
        row.text("kind"),
        row.text("source"),
        row.text("certainty"),
        row.line,
    )


def build_judgement(row: Row, studies: Mapping[str, Study], problems: Problems) -> Judgement | None:
    """Read one judgement; None where there is no such study."""
    if not _known(row, "study_id", studies, "study", problems):
        return None
    return Judgement(
        row.text("study_id"),
        row.text("tool"),
        row.text("domain"),
        row.text("judgement"),
        row.text("reason"),
        row.line,
    )


def build_claim(row: Row, studies: Mapping[str, Study], words: Vocabulary, problems: Problems) -> SeedClaim | None:
    """Read one statement of a seed."""
    named = _listed(row, "study_ids", frozenset(studies), problems)
    outcomes = _listed(row, "outcome_ids", frozenset(words.outcomes), problems)
    return SeedClaim(
        row.text("claim_id"),
        row.text("seed"),
        row.text("topic"),
        row.text("claim"),
        named,
        outcomes,
        row.text("primary_statement"),
        row.text("status"),
        row.text("reason"),
        row.line,
    )


def build_registration(row: Row, studies: Mapping[str, Study], words: Vocabulary, problems: Problems) -> Registration:
    """Read a registration and the studies that report it."""
    _listed(row, "cell_source", words.allowed("cell_source"), problems, r"\|")
    return Registration(
        row.text("nct_id"),
        row.text("title"),
        row.text("status"),
        row.text("disease"),
        row.text("cell_source"),
        row.text("donor"),
        row.text("route"),
        _whole(row, "enrolment"),
        row.text("enrolment_type"),
        row.text("start_date"),
        row.text("completion_date"),
        row.text("results_posted"),
        _listed(row, "study_ids", frozenset(studies), problems),
        row.text("linked_publication"),
        row.text("linkage_confidence"),
        row.text("linkage_reason"),
        row.text("note"),
        row.line,
    )
