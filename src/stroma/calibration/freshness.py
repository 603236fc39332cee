"""Whether a posterior belongs to the tables as they are now."""

from __future__ import annotations

from stroma.calibration.fingerprint import data_hash
from stroma.calibration.posterior import Posterior
from stroma.disease import Disease


def stale_words(disease: Disease, posterior: Posterior) -> tuple[str, ...]:
    """Say that the tables of a disease changed since its posterior was fitted; empty where they did not."""
    if posterior.manifest["data_hash"] == data_hash(disease):
        return ()
    name = disease.disease_id
    return (f"{name}: its tables changed since its posterior was fitted, whose draws know nothing of the change; run "
            f"`stroma calibrate {name}`",)
