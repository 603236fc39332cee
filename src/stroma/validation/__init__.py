"""Forecasts judged on what was published later: origins, scores, baselines."""
