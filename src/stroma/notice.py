"""What stands on every artefact."""

NOTICE = "SIMULATED, not medical advice"
