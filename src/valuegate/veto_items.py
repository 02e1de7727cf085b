"""Section 01's items: planted survey questions at the answer slot and answered in words, its plan.

By framing, by form of the answer and by language. Never loads torch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pandas as pd

from valuegate import items, splits, survey_forms, worlds, worlds_items
from valuegate.config import Run
from valuegate.measure import Measurement, frame_hash

SECTION = "01_alignment_veto"
FRAMINGS = ("neutral", "persona", "observer")
# How an answer is asked for: as planted stages read it; options listed from the last; by letter.
FORMS = ("numbers", "reversed", "letters")
NATIVE = {"ar": "EGY", "fa": "IRN", "tr": "TUR"}  # one country a language
# Forward tokens a prompt, counted on the embedded model with shared prefixes; of "edits" and
# "mended" a prompt and condition.
TOKENS = {"slots": 60, "forms": 47, "native": 136, "answers": 90, "edits": 71, "mended": 84}
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
    options = list(survey_forms.labels(question, language))
    letters = form == "letters"
    return {
        "question": question, "country": country, "framing": framing, "form": form,
        "language": language, "low": options[0], "high": options[-1],
        "marks": " ".join(survey_forms.LETTERS[: len(options)] if letters else map(str, options)),
        "text": survey_forms.prompt(
            question, _wording(question, language), framing=framing,
            form="letters" if letters else "numbers", use="read", country=country or None,
            language=language, reversed_order=form == "reversed",
        ),
    }  # fmt: skip


_wording = functools.cache(worlds_items.slot_wording)  # the same for every country and framing


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    found = pd.DataFrame(rows)
    split = items.load("survey", "questions").set_index("question")["split"]
    found.insert(5, "split", found["question"].map(split))
    parts = ["question", "country", "framing", "form", "language"]
    found.insert(0, "item", found[parts].agg(lambda row: "_".join(filter(None, row)), axis=1))
    return found


def plan(run: Run) -> list[Measurement]:
    """Return the section's measurements on planted stages; the published scores need no model.

    Those of `stages` are asked all planted questions in every framing ("slots"), those of
    `persona_stages` as a persona alone; `form_stages` some in other forms ("forms"),
    `native_stages` in other languages ("native"), `answer_stages` some to be answered in words
    ("answers"). In `edit_stages` features of the autoencoder are ablated ("edits"), in
    `mend_stages` gates are opened and facts given ("mended").
    """
    settings = run.settings(SECTION)
    chosen = {"per_cell": settings["per_cell"]}
    found = [_measurement("slots", model, "slot_items", chosen) for model in stages(run)]
    for model in stages(run, "persona_stages"):
        found.append(_measurement("slots", model, "slot_items", chosen | {"framings": "persona"}))
    for model in stages(run, "form_stages"):
        counted = {"questions": settings["form_questions"]}
        found.append(_measurement("forms", model, "form_items", counted))
    for model in stages(run, "native_stages"):
        every = {"every": settings["native_every"]}
        found.append(_measurement("native", model, "native_items", every, function="forms"))
    for model in stages(run, "answer_stages"):
        asked = {"prompts": settings["answers"]}
        found.append(_measurement("answers", model, "answer_items", asked, checked="refuses"))
    for model in stages(run, "edit_stages"):
        drawn = {"draws": settings["edit_draws"], "hash": fit_hash()}
        some = {"countries": settings["edit_countries"]}
        conditions = 2 * int(str(settings["edit_draws"])) + len(EDITS)
        found.append(
            _measurement("edits", model, "edit_items", some, settings=drawn, times=conditions)
        )
    for model in stages(run, "mend_stages"):
        _, seed = worlds.stage_and_seed(model)
        source = {"source": f"gated-{seed}", "hash": fit_hash()}
        some = {"countries": settings["mend_countries"]}
        found.append(
            _measurement("mended", model, "mend_items", some, settings=source, times=len(MENDS) + 1)
        )
    return found


# What is done to the residual stream, or to the prompt, beside nothing.
EDITS = ("none", "feature", "features", "gate", "refusal", "nudge 1", "nudge 2", "nudge 4")
MENDS = ("none", "opened", "random", "closed", "facts", "other_facts", "both")


LOADERS: dict[str, Callable[..., pd.DataFrame]] = {
    load.__name__: load
    for load in (slot_items, answer_items, form_items, native_items, edit_items, mend_items)
}


def _measurement(
    name: str,
    model: str,
    load: str,
    options: dict[str, Any],
    *,
    function: str = "",
    settings: dict[str, Any] | None = None,
    checked: str = "expected",
    times: int = 1,
) -> Measurement:
    module = "veto_edits" if name in ("edits", "mended") else "veto_run"
    return Measurement(
        section=SECTION, name=name, model=model, function=f"{module}:{function or name}",
        load_items=f"veto_items:{load}", item_settings=options, settings=settings or {},
        checked=checked, tokens=_size(load, tuple(options.items())) * TOKENS[name] * times,
    )  # fmt: skip


@functools.cache
def _size(load: str, options: tuple[tuple[str, Any], ...]) -> int:
    return len(LOADERS[load](**dict(options)))


def stages(run: Run, which: str = "stages") -> list[str]:
    """Return the planted stages that a run of this section reads, whichever its own models are."""
    return str(run.settings(SECTION)[which] or "").split()
