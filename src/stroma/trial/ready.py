"""Ready scenarios: comparisons that reviews make claims about, each with what the primary source says."""

from __future__ import annotations

import csv
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from stroma.disease import Disease
from stroma.errors import Problems, StromaError, fail, nearest
from stroma.library import library_root
from stroma.trial.changes import Scenario, read_scenario

_KEYS = {"title": str, "disease": str, "claims": list, "note": str, "variant": list}
_VARIANT = ("label", "changes")


@dataclass(frozen=True)
class Claim:
    """One claim of a review, and what the primary source says.

    Parameters
    ----------
    claim_id, claim, status : str
        A row of ``evidence/seed_claims.csv``; ``status`` says whether both agree.
    primary : str
        What the primary source says, or why nobody knows.
    studies : tuple of str
        Ids of the studies.
    """

    claim_id: str
    claim: str
    status: str
    primary: str
    studies: tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """A ready comparison.

    Parameters
    ----------
    name, title : str
    claims : tuple of Claim
        Empty where no review claims anything.
    note : str
        Why it is asked, and how it is translated into changes.
    scenarios : tuple of Scenario
        Its variants.
    """

    name: str
    title: str
    claims: tuple[Claim, ...]
    note: str
    scenarios: tuple[Scenario, ...]


def known_scenarios(library: Path | None = None) -> list[str]:
    """Return the names of the ready scenarios."""
    return sorted(p.stem for p in ((library or library_root()) / "scenarios").glob("*.toml"))


def scenarios_of(disease_id: str, library: Path | None = None) -> list[str]:
    """Return the names of the ready scenarios that ask about a disease."""
    root = library or library_root()
    texts = {n: (root / "scenarios" / f"{n}.toml").read_text(encoding="utf-8") for n in known_scenarios(root)}
    return [n for n, text in texts.items() if tomllib.loads(text).get("disease") == disease_id]


def read_ready(name: str, disease: Disease, library: Path | None = None) -> Ready:
    """Read ``scenarios/<name>.toml``.

    Raises
    ------
    StromaError
        T223 no such scenario, one of another disease, or a file that is not as declared; T221, T222 a change; all at
        once.
    """
    root = library or library_root()
    path = root / "scenarios" / f"{name}.toml"
    if not path.is_file():
        raise fail("T223", f"the library has no scenario `{name}`", hint=nearest(name, known_scenarios(root)))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise fail("T223", f"the scenario is not TOML: {error}", file=path) from None
    if content.get("disease", disease.disease_id) != disease.disease_id:
        own = ", ".join(scenarios_of(disease.disease_id, root)) or "none"
        raise fail("T223", f"`{name}` asks about `{content['disease']}`, this trial is of `{disease.disease_id}`",
                   file=path, hint=f"for `{disease.disease_id}` there is: {own}")
    problems = Problems()
    for key in content.keys() - _KEYS.keys():
        problems.add("T223", f"unknown key `{key}`", file=path, hint=nearest(key, _KEYS))
    for key, kind in _KEYS.items():
        if not isinstance(content.get(key), kind):
            problems.add("T223", f"`{key}` is missing or not a {kind.__name__}", file=path)
    problems.raise_if_any()
    claims = _claims(content["claims"], root, path, problems)
    scenarios = [s for v in content["variant"] if (s := _variant(v, disease, path, problems)) is not None]
    problems.raise_if_any()
    words = {key: re.sub(r"\s+", " ", content[key]).strip() for key in ("title", "note")}
    return Ready(name, words["title"], claims, words["note"], tuple(scenarios))


def _variant(written: object, disease: Disease, path: Path, problems: Problems) -> Scenario | None:
    if not isinstance(written, dict) or set(written) != set(_VARIANT):
        problems.add("T223", "each [[variant]] has `label` and `changes`, nothing else", file=path)
        return None
    try:
        return read_scenario(str(written["changes"]), disease, str(written["label"]))
    except StromaError as error:
        problems.extend(error)
        return None


def _claims(wanted: list, root: Path, path: Path, problems: Problems) -> tuple[Claim, ...]:
    with (root / "evidence" / "seed_claims.csv").open(encoding="utf-8", newline="") as stream:
        rows = {r["claim_id"]: r for r in csv.DictReader(stream)}
    for name in wanted:
        if name not in rows:
            problems.add("T223", f"no claim `{name}` in evidence/seed_claims.csv", file=path, hint=nearest(name, rows))
    found = [rows[name] for name in wanted if name in rows]
    return tuple(Claim(r["claim_id"], r["claim"], r["status"], r["primary_statement"] or r["reason"],
                       tuple(filter(None, r["study_ids"].split(";")))) for r in found)
