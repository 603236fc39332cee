"""Write the background's checks into the README: `python -m validation.background.update_readme`.

The two tables between the README's markers are those of ``library/diseases/sle/background_check.csv``, which
``stroma calibrate sle`` writes; the sentence above each counts what they hold.
"""

from __future__ import annotations

import re
from pathlib import Path

from stroma.library import library_root
from stroma.report.background import CheckSummary, markdown_table, read_background_check, summarise

README = Path(__file__).parents[2] / "README.md"


def counted(summary: CheckSummary) -> str:
    """Return what one check holds, in words."""
    text = (f"{summary.inside} of {summary.numbers} numbers inside their 90 % interval, {summary.inside_50} inside "
            f"the 50 %")
    if summary.check == "loto":
        text += (f"; mean interval score {summary.score:.0f}, against {summary.reference_score:.0f} (median "
                 f"{summary.reference_median:.0f}) for a random-effects prediction interval of the other trials' arms")
    return text + "."


def updated(text: str) -> str:
    """Return the README with today's tables between its markers."""
    rows = read_background_check(library_root() / "diseases" / "sle")
    for summary in summarise(rows):
        block = f"{counted(summary)}\n\n{markdown_table(rows, summary.check)}"
        mark = f"<!-- {summary.check} -->"
        text = re.sub(rf"(?s){mark}\n.*?\n{mark}", lambda _, b=block, m=mark: f"{m}\n{b}\n{m}", text)
    return text


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
