"""``python -m benchmarks engine [--json] [--model NAME ...] [--rounds N] [--figure PATH]``, or ``forecast``,
``million`` or ``evidence``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.cases import MODELS, first_result


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    verbs = parser.add_subparsers(dest="verb", required=True)
    race = verbs.add_parser("engine", help="throughput at equal delivered error, beside other engines")
    race.add_argument("--json", action="store_true", help="print data instead of a table")
    race.add_argument("--model", action="append", choices=list(MODELS), help="all when not given")
    race.add_argument("--rounds", type=int, default=3, help="rounds; the best of each is kept")
    race.add_argument("--figure", type=Path, help="write the work-precision figure to this file (svg, png, pdf)")
    first = verbs.add_parser("first-result", help="solve eight subjects and stop (for timing a start)")
    first.add_argument("model", choices=list(MODELS))
    verbs.add_parser("forecast", help="the forecast's pool with the fast and with the plain engine")
    many = verbs.add_parser("million", help="time and memory of a streamed run on all cores")
    many.add_argument("--subjects", type=int, default=1_000_000)
    store = verbs.add_parser("evidence", help="time to read, check and pool a store of 10,000 studies")
    store.add_argument("--json", action="store_true", help="print data instead of lines")
    asked = parser.parse_args()
    if asked.verb == "first-result":
        first_result(asked.model)
        return
    if asked.verb == "forecast":
        from benchmarks import forecast

        print(json.dumps(forecast.run(), indent=1))
        return
    if asked.verb == "million":
        from benchmarks import million

        print(json.dumps(million.run(asked.subjects), indent=1))
        return
    if asked.verb == "evidence":
        from benchmarks import evidence_speed

        found = evidence_speed.run()
        print(json.dumps(found, indent=1) if asked.json else evidence_speed.render(found))
        return
    from benchmarks import engine

    report = engine.run(asked.model or list(MODELS), asked.rounds)
    if asked.figure:
        from benchmarks.figure import draw

        draw(report, asked.figure)
    print(json.dumps(report, indent=1) if asked.json else engine.render(report))


main()
