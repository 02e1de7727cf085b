"""Section 01's items: planted survey questions at the answer slot, and its plan.

By framing, by form of the answer and by language. Never loads torch.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from valuegate import items, splits, survey_forms, worlds_items
from valuegate.config import Run
from valuegate.measure import Measurement

SECTION = "01_alignment_veto"
FRAMINGS = ("neutral", "persona", "observer")
# How an answer is asked for: as planted stages read it; options listed from the last; by letter.
FORMS = ("numbers", "reversed", "letters")
NATIVE = {"ar": "EGY", "fa": "IRN", "tr": "TUR"}  # one country a language
# Forward tokens a prompt, counted on the embedded model with shared prefixes.
TOKENS = {"slots": 60, "forms": 47, "native": 136}


def slot_items(per_cell: int | None = None) -> pd.DataFrame:
    """Return the planted questions as a persona and an observer of nine countries, and of nobody.

    Columns: item, question, country ("" where nobody is asked as), framing, form, language, split,
    low, high, marks (what each option is answered by, in the scale's order), text. A question has
    one wording throughout, none that a stage was trained on.

    Args:
        per_cell: questions of each cell of the first world; None for all.
    """
    cells = pd.Series(worlds_items.worlds()["s1"].survey)
    chosen = cells.groupby(cells).head(len(cells) if per_cell is None else per_cell)
    rows = []
    for question in chosen.index:
        for framing in FRAMINGS:
            for country in [""] if framing == "neutral" else worlds_items.survey_countries():
                rows.append(_row(question, country, framing))
    return _table(rows)


def form_items(questions: int = 8) -> pd.DataFrame:
    """Return planted test questions as a persona with the options reversed, and with letters.

    Columns: those of `slot_items`. The same questions in plain form are among those.

    Args:
        questions: how many, drawn by hash.
    """
    planted = worlds_items.planted()
    test = planted.loc[planted["split"] == "test", "question"]
    chosen = splits.shuffled(list(test), "veto:forms")[:questions]
    countries = worlds_items.survey_countries()
    return _table(
        [_row(q, c, "persona", form) for q in chosen for form in FORMS[1:] for c in countries]
    )


def native_items() -> pd.DataFrame:
    """Return the translated questions as a persona, in Arabic, Persian and Turkish.

    Each in the language of one country, and in English of the same. A scale of ten has an option
    that is no single token, and is left out. Columns: those of `slot_items`.
    """
    wordings = items.load("survey", "wordings")
    translated = wordings.loc[wordings["language"] == "ar", "question"].unique()
    rows = [
        _row(question, country, "persona", language=spoken)
        for question in translated
        for language, country in NATIVE.items()
        for spoken in (language, "en")
    ]
    return _table([row for row in rows if row["high"] < 10])


def _row(
    question: str, country: str, framing: str, form: str = "numbers", language: str = "en"
) -> dict[str, Any]:
    options = list(survey_forms.labels(question, language))
    letters = form == "letters"
    return {
        "question": question, "country": country, "framing": framing, "form": form,
        "language": language, "low": options[0], "high": options[-1],
        "marks": " ".join(survey_forms.LETTERS[: len(options)] if letters else map(str, options)),
        "text": survey_forms.prompt(
            question, worlds_items.slot_wording(question, language), framing=framing,
            form="letters" if letters else "numbers", use="read", country=country or None,
            language=language, reversed_order=form == "reversed",
        ),
    }  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    found = pd.DataFrame(rows)
    split = items.load("survey", "questions").set_index("question")["split"]
    found.insert(5, "split", found["question"].map(split))
    parts = ["question", "country", "framing", "form", "language"]
    found.insert(0, "item", found[parts].agg(lambda row: "_".join(filter(None, row)), axis=1))
    return found


def plan(run: Run) -> list[Measurement]:
    """Return the section's measurements: planted stages at the answer slot.

    Those of `stages` are asked all planted questions in every framing ("slots"), those of
    `form_stages` some in other forms ("forms"), those of `native_stages` in other languages
    ("native"). The published scores need no model.
    """
    settings = run.settings(SECTION)
    counted = {"questions": settings["form_questions"]}
    chosen = {"per_cell": settings["per_cell"]}
    asked = [("slots", "slot_items", model, chosen) for model in stages(run)]
    asked += [("forms", "form_items", model, counted) for model in stages(run, "form_stages")]
    asked += [("native", "native_items", model, {}) for model in stages(run, "native_stages")]
    rows = {"slots": slot_items, "forms": form_items, "native": native_items}
    return [
        Measurement(
            section=SECTION, name=name, model=model, function="veto_run:slots",
            load_items=f"veto_items:{load}", item_settings=options, checked="expected",
            tokens=len(rows[name](**options)) * TOKENS[name],
        )
        for name, load, model, options in asked
    ]  # fmt: skip


def stages(run: Run, which: str = "stages") -> list[str]:
    """Return the planted stages that a run of this section reads, whichever its own models are."""
    return str(run.settings(SECTION)[which]).split()
