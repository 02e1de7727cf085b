"""Section 01's items: survey questions at the answer slot and answered in words.

By framing, by form of the answer and by language. Who is asked which is in `veto_plan`. Never loads
torch.
"""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd

from valuegate import (
    items,
    splits,
    survey_forms,
    survey_workbook,
    veto_answers,
    worlds,
    worlds_items,
)
from valuegate.errors import unknown
from valuegate.measure import frame_hash

FRAMINGS = ("neutral", "persona", "observer")
# How an answer is asked for: as planted stages read it; options listed from the last; by letter.
FORMS = ("numbers", "reversed", "letters")
NATIVE = {"ar": "EGY", "fa": "IRN", "tr": "TUR"}  # one country a language
# What is done to the residual stream, or to the prompt, beside nothing.
NUDGES = tuple((times, vector) for times in (0.5, 2.0) for vector in range(3))
EDITS = ("none", "feature", "features", "gate", "refusal",
         *(f"nudge {times:g} {vector}" for times, vector in NUDGES))  # fmt: skip
MENDS = ("none", "opened", "random", "closed", "facts", "other_facts", "both")
FACTS = 3  # countries whose answers are given away


def slot_items(per_cell: int | None = None, framings: str = " ".join(FRAMINGS)) -> pd.DataFrame:
    """Return the planted questions as a persona and an observer of nine countries, and of nobody.

    Columns: item, question, country ("" where nobody is asked as), framing, form, language, split,
    low, high, marks (what each option is answered by, in the scale's order), text. A question has
    one wording throughout, none that a stage was trained on.

    Args:
        per_cell: questions of each cell of the first world; None for all.
        framings: which.
    """
    cells = pd.Series(worlds_items.worlds()["s1"].survey)
    chosen = cells.groupby(cells).head(len(cells) if per_cell is None else per_cell)
    rows = []
    for question in chosen.index:
        for framing in framings.split():
            for country in [""] if framing == "neutral" else worlds_items.survey_countries():
                rows.append(_row(question, country, framing))
    return _table(rows)


GRIDS = ("own", "release")


def grid_items(questions: str, every: int = 1) -> pd.DataFrame:
    """Return all survey questions as a persona and an observer of each country, and of nobody.

    A country is asked of where its answers are published and can be scored. Columns: those of
    `slot_items`; `split` is "" for published wordings.

    Args:
        questions: of `GRIDS`. "own": ours, in a wording that no stage was trained on; a scale of
            ten is named by its ends. "release": "column n", in the published words (arXiv
            2510.13154, data release), read from their source.
        every: take every n-th question only.

    Raises:
        ValueGateError: no such set of questions.
    """
    words = survey_workbook.wordings() if questions == "release" else {}
    rows = []
    for question, part in _grid_cells(questions, every):
        for framing in FRAMINGS:
            for country in [""] if framing == "neutral" else list(part["country"]):
                if words:
                    rows.append(_published_row(part.iloc[0], country, framing, words))
                else:
                    rows.append(_row(question, country, framing))
    return _table(rows)


def grid_size(questions: str, every: int = 1) -> int:
    """Return how many rows `grid_items` has, without the published words: a plan needs no source.

    Args:
        questions: as there.
        every: as there.
    """
    return sum(1 + 2 * len(part) for _, part in _grid_cells(questions, every))


def _grid_cells(questions: str, every: int) -> list[tuple[str, pd.DataFrame]]:
    """Return the questions of a set that are asked, each with its cells."""
    if questions not in GRIDS:
        raise unknown("set of survey questions", questions, GRIDS)
    cells = veto_answers.cells()
    published = cells["question"].str.startswith("column ")
    parts = cells[published == (questions == "release")].groupby("question", sort=False)
    return [(str(question), part) for question, part in parts][::every]


def answer_items(prompts: int = 25) -> pd.DataFrame:
    """Return planted questions to be answered in words, each about another country.

    Personas and observers in turn, then nobody. Columns: those of `slot_items`.

    Args:
        prompts: how many, drawn by hash, other questions as long as there are.
    """
    slots = slot_items()
    asked = splits.shuffled(list(slots["question"].unique()), "veto:answers")
    countries = splits.shuffled(worlds_items.survey_countries(), "veto:answers")
    rows = []
    for number in range(prompts):
        framing = FRAMINGS[(1, 2, 1, 2, 1, 2, 1, 0)[number % 8]]
        country = "" if framing == "neutral" else countries[number % len(countries)]
        rows.append(_row(asked[number % len(asked)], country, framing))
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


def native_items(every: bool = False) -> pd.DataFrame:
    """Return the translated questions as a persona, in Arabic, Persian and Turkish.

    Each in the language of a country, and in English of the same. A scale of ten has an option
    that is no single token, and is left out. Columns: those of `slot_items`.

    Args:
        every: all Arabic-speaking countries whose answers are planted; one country a language
            otherwise.
    """
    wordings = items.load("survey", "wordings")
    translated = wordings.loc[wordings["language"] == "ar", "question"].unique()
    arab = [c for c in worlds_items.survey_countries() if c not in NATIVE.values()]
    spoken_in = [*NATIVE.items(), *(("ar", country) for country in arab if every)]
    rows = [
        _row(question, country, "persona", language=spoken)
        for question in translated
        for language, country in spoken_in
        for spoken in (language, "en")
    ]
    return _table([row for row in rows if row["high"] < 10])


def fit_items(countries: int = 2) -> pd.DataFrame:
    """Return planted questions of the split fit as a persona: what directions are fitted on.

    Columns: those of `slot_items`.

    Args:
        countries: of each question, drawn by hash.
    """
    return _some_countries("fit", countries)


def edit_items(countries: int = 2) -> pd.DataFrame:
    """Return planted test questions as a persona; their answers are read while a layer is edited.

    Columns: those of `slot_items`.

    Args:
        countries: of each question, drawn by hash.
    """
    return _some_countries("test", countries)


def _some_countries(split: str, countries: int) -> pd.DataFrame:
    slots = slot_items(framings="persona")
    slots = slots[slots["split"] == split]
    kept = [
        part[part["country"].isin(splits.shuffled(list(part["country"]), f"some:{q}")[:countries])]
        for q, part in slots.groupby("question", sort=False)
    ]
    return pd.concat(kept, ignore_index=True)


def mend_items(countries: int = 1) -> pd.DataFrame:
    """Return test questions as a persona, alone and with facts before them.

    Columns: those of `slot_items`; `facts`, the text after the true answers of `FACTS` other
    countries to the same question; `other_facts`, after their answers to another question.

    Args:
        countries: of each question, drawn by hash.
    """
    rows = edit_items(countries)
    means = worlds.true_means()
    names = survey_forms.countries()["name"]
    questions = list(rows["question"].unique())
    told: dict[str, list[str]] = {"facts": [], "other_facts": []}
    for row in rows.to_dict("records"):
        low, high, question = int(row["low"]), int(row["high"]), row["question"]
        rest = [str(c) for c in means.columns if c != row["country"]]
        others = splits.shuffled(rest, f"facts:{row['item']}")[:FACTS]
        other = questions[(questions.index(question) + 1) % len(questions)]
        for column, source in (("facts", question), ("other_facts", other)):
            # Another question's answers are put on this one's scale: only their content is wrong.
            places = means.loc[source, others].to_numpy(float)
            known = "; ".join(
                f"{names[country, 'en']} {low + place * (high - low):.1f}"
                for country, place in zip(others, places, strict=True)
            )
            told[column].append(
                f"Average answers to the question below, from a survey: {known}.\n{row['text']}"
            )
    return rows.assign(**told)


@functools.cache
def fit_hash() -> str:
    """Return the hash of the prompts that directions and features are fitted on."""
    return frame_hash(fit_items())[:12]


def folds(rows: pd.DataFrame) -> pd.DataFrame:
    """Return which fold each row is in under three ways to divide them.

    Columns: `plain` (5, by item, as published), `question` (6, whole questions), `country` (one a
    country).
    """
    order = splits.shuffled(sorted(rows["question"].unique()), "veto:folds")
    of_item = {
        item: n % 5 for n, item in enumerate(splits.shuffled(list(rows["item"]), "veto:folds"))
    }
    return pd.DataFrame(
        {
            "plain": rows["item"].map(of_item),
            "question": rows["question"].map({q: n % 6 for n, q in enumerate(order)}),
            "country": rows["country"],
        }
    )


def _row(
    question: str, country: str, framing: str, form: str = "numbers", language: str = "en"
) -> dict[str, Any]:
    labels = survey_forms.labels(question, language)
    options = list(labels)
    letters = form == "letters"
    between = any(pd.isna(label) for label in labels.values())  # a long scale names its ends alone
    return {
        "question": question, "country": country, "framing": framing, "form": form,
        "language": language, "low": options[0], "high": options[-1],
        "marks": " ".join(survey_forms.LETTERS[: len(options)] if letters else map(str, options)),
        "text": survey_forms.prompt(
            question, _wording(question, language), framing=framing,
            form="letters" if letters else "ends" if between else "numbers", use="read",
            country=country or None,
            language=language, reversed_order=form == "reversed",
        ),
    }  # fmt: skip


def _published_row(
    cell: pd.Series, country: str, framing: str, words: dict[int, str]
) -> dict[str, Any]:
    """Return a prompt in published words; where they do not ask for a number, ours do."""
    low, high = int(cell["low"]), int(cell["high"])
    named = survey_forms.countries().loc[(country, "en")] if country else None
    text = words[int(cell["column"])].replace(
        "(country)", "your country" if named is None else named["name"]
    )
    if "number only" not in text:
        text = f"{text.rstrip('.')}. Answer with a number from {low} to {high} alone."
    return {
        "question": cell["question"], "country": country, "framing": framing, "form": "numbers",
        "language": "en", "low": low, "high": high,
        "marks": " ".join(map(str, range(low, high + 1))),
        "text": survey_forms.framed(text, framing, named),
    }  # fmt: skip


_wording = functools.cache(worlds_items.slot_wording)  # the same for every country and framing


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    found = pd.DataFrame(rows)
    split = items.load("survey", "questions").set_index("question")["split"]
    found.insert(5, "split", found["question"].map(split).fillna(""))
    parts = ["question", "country", "framing", "form", "language"]
    found.insert(0, "item", found[parts].agg(lambda row: "_".join(filter(None, row)), axis=1))
    return found
