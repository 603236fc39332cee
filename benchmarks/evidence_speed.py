"""How long a store of 10,000 studies takes to read, check and pool. Run: python benchmarks/evidence_speed.py

Two stores: the shipped studies repeated (every column in use), for reading and checking; and 10,000 two-arm trials
of one outcome, so that a single pooling really has 10,000 rows to find, turn into effects and pool.
"""

from __future__ import annotations

import csv
import shutil
import sys
import tempfile
import time
from pathlib import Path

from stroma.evidence.checks import check_evidence
from stroma.evidence.meta_analysis import analyse
from stroma.evidence.store import load_evidence
from stroma.library import library_root

STUDIES = 10_000
TRIAL, OUTCOME = "deng2017", "overall_remission"
_UNIQUE = ("doi", "pmid", "registry_id")


def grow(root: Path, studies: int) -> None:
    """Repeat the shipped studies under new ids until the store has at least ``studies`` of them."""
    folder = root / "evidence"
    tables = {}
    for name in ("studies.csv", "arms.csv", "outcomes.csv"):
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
    for name in ("risk_of_bias.csv", "registrations.csv", "seed_claims.csv", "not_loaded.csv", "ln_targets.csv"):
        header = (folder / name).read_text(encoding="utf-8").splitlines()[0]
        (folder / name).write_text(header + "\n", encoding="utf-8")
    for name in ("studies.csv", "arms.csv", "outcomes.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if _kept(name, row)]
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            for copy in range(studies):
                for row in rows:
                    new = renamed(row, copy)
                    if name == "outcomes.csv":
                        events = copy * 5 % 12 if row["arm_id"].endswith(".msc") else int(row["value"])
                        new |= {"value": str(10 * events), "n_analysed": str(10 * int(row["n_analysed"]))}
                    writer.writerow(new)


def _kept(table: str, row: dict[str, str]) -> bool:
    study = row.get("study_id") or row["arm_id"].split(".")[0]
    wanted = (OUTCOME, "180", "count")
    return study == TRIAL and (
        table != "outcomes.csv" or (row["outcome_id"], row["time_day"], row["statistic"]) == wanted
    )


def time_pooling() -> str:
    """Return what one pooling over ``STUDIES`` trials takes, and its answer."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("vocabulary", "evidence"):
            shutil.copytree(library_root() / folder, root / folder)
        one_outcome(root, STUDIES)
        evidence = load_evidence(root)
        begun = time.perf_counter()
        answer = analyse(evidence, OUTCOME, "log_odds_ratio")
        took = time.perf_counter() - begun
        pooled = answer.pooled["controlled", ""]
        return f"one outcome: found, measured, pooled {pooled.k} trials in {took:.2f} s (REML, tau2 {pooled.tau2:.3g})"


def main() -> None:
    """Print studies, results and seconds."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("vocabulary", "evidence", "registry"):
            shutil.copytree(library_root() / folder, root / folder)
        grow(root, STUDIES)
        begun = time.perf_counter()
        load_evidence(root)
        read = time.perf_counter()
        evidence = check_evidence(root)
        done = time.perf_counter()
        answer = analyse(evidence, "overall_response", "logit_proportion")
        pooled = time.perf_counter()
        sys.stdout.write(
            f"studies {len(evidence.studies)}  results {len(evidence.outcomes)}  "
            f"read {read - begun:.2f} s  read and check {done - read:.2f} s\n"
            f"found and pooled {len(answer.comparisons.rows)} studies in {pooled - done:.2f} s\n"
        )
    sys.stdout.write(time_pooling() + "\n")


if __name__ == "__main__":
    main()
