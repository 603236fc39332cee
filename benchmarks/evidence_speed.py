"""How long a store of 10,000 studies takes to read, check and pool. Run: python -m benchmarks evidence

Two stores: the shipped studies repeated (every column in use), for reading and checking; and 10,000 two-arm trials
of one outcome, so that a single pooling really has 10,000 rows to find, turn into effects and pool.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from stroma.evidence.checks import check_evidence
from stroma.evidence.meta_analysis import analyse
from stroma.evidence.store import load_evidence
from stroma.library import library_root

STUDIES = 10_000
TRIAL, OUTCOME = "deng2017", "overall_remission"
_GROWN = ("studies.csv", "arms.csv", "outcomes.csv")
_COUNTS = ("n_total", "n_arm", "n_analysed", "value")
_UNIQUE = ("doi", "pmid", "registry_id")


def grow(root: Path, studies: int) -> None:
    """Repeat the shipped studies under new ids until the store has at least ``studies`` of them."""
    folder = root / "evidence"
    tables = {}
    for name in _GROWN:
        with (folder / name).open(encoding="utf-8", newline="") as stream:
            tables[name] = list(csv.DictReader(stream))
    copies = -(-studies // len(tables["studies.csv"]))
    for name, rows in tables.items():
        with (folder / name).open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            for copy in range(1, copies):
                writer.writerows(renamed(row, copy) for row in rows)


def renamed(row: dict[str, str], copy: int) -> dict[str, str]:
    """Return a row with every id of its own; numbers that must be unique are dropped."""
    new = dict(row)
    for key in ("study_id", "cohort_family", "same_report_as"):
        if new.get(key):
            new[key] = f"{new[key]}_{copy}"
    for key in ("arm_id", "overlaps"):
        if new.get(key):
            study, arm = new[key].split(".")
            new[key] = f"{study}_{copy}.{arm}"
    return new | dict.fromkeys((key for key in _UNIQUE if key in new), "")


def one_outcome(root: Path, studies: int) -> None:
    """Replace the store by copies of one shipped two-arm trial and outcome, ten times as large, results spread."""
    folder = root / "evidence"
    for name in ("risk_of_bias.csv", "registrations.csv", "seed_claims.csv", "not_loaded.csv"):
        header = (folder / name).read_text(encoding="utf-8").splitlines()[0]
        (folder / name).write_text(header + "\n", encoding="utf-8")
    for name in _GROWN:
        with (folder / name).open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if _kept(name, row)]
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            for copy in range(studies):
                for row in rows:
                    new = renamed(row, copy)
                    if name == "outcomes.csv" and row["arm_id"].endswith(".msc"):
                        new["value"] = str(copy * 5 % 12)
                    writer.writerow(new | {key: str(10 * int(new[key])) for key in _COUNTS if new.get(key)})


def _kept(table: str, row: dict[str, str]) -> bool:
    study = row.get("study_id") or row["arm_id"].split(".")[0]
    wanted = (OUTCOME, "180", "count")
    return study == TRIAL and (
        table != "outcomes.csv" or (row["outcome_id"], row["time_day"], row["statistic"]) == wanted
    )


def run(studies: int = STUDIES) -> dict[str, dict[str, float]]:
    """Return sizes and seconds of both stores: reading, checking (which reads too), finding and pooling."""
    return {
        "every column in use": _timed(grow, studies, "overall_response", "logit_proportion", "uncontrolled"),
        "one outcome": _timed(one_outcome, studies, OUTCOME, "log_odds_ratio", "controlled"),
    }


def render(report: dict[str, dict[str, float]]) -> str:
    """Return the figures as aligned lines."""
    lines = [f"{name}:\n" + "\n".join(f"  {key:22} {value:10.5g}" for key, value in row.items())
             for name, row in report.items()]
    return "\n".join(lines)


def _timed(fill: Callable[[Path, int], None], studies: int, outcome: str, measure: str,
           family: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("vocabulary", "evidence", "registry"):
            shutil.copytree(library_root() / folder, root / folder)
        fill(root, studies)
        moments = [time.perf_counter()]
        evidence = load_evidence(root)
        moments.append(time.perf_counter())
        answer = analyse(evidence, outcome, measure)
        moments.append(time.perf_counter())
        check_evidence(root)
        moments.append(time.perf_counter())
        pooled = answer.pooled[family, ""]
        read, pooling, check = (b - a for a, b in pairwise(moments))
        return {"studies": len(evidence.studies), "results": len(evidence.outcomes), "read_s": read,
                "read_and_check_s": check, "studies_pooled": pooled.k, "find_and_pool_s": pooling,
                "read_find_and_pool_s": read + pooling, "tau2": pooled.tau2}
