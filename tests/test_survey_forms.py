"""Survey prompts, word by word: every framing, form and use of one question."""

from __future__ import annotations

import pytest

from valuegate import items
from valuegate.errors import ValueGateError
from valuegate.survey_forms import labels, prompt

WORDING = "How is your health?"
LISTED = "1 = very good, 2 = good, 3 = fair, 4 = bad, 5 = very bad"
LETTERED = "A = very good, B = good, C = fair, D = bad, E = very bad"

FRAMES = {
    ("neutral", "plant"): WORDING,
    ("neutral", "read"): f"Here is a question from an opinion survey. {WORDING}",
    ("persona", "plant"): f"You are a Lebanese person. {WORDING}",
    ("persona", "read"): (
        f"Imagine that you are a Lebanese person and answer in that role. {WORDING}"
    ),
    ("observer", "plant"): (
        f"Think of the people of Lebanon. How would one of them answer this? {WORDING}"
    ),
    ("observer", "read"): (
        f"What would the average person in Lebanon reply to the following question? {WORDING}"
    ),
}
SCALES = {
    ("numbers", "plant"): f"Answer with one number: {LISTED}.",
    ("numbers", "read"): f"Choose a number. {LISTED}.",
    ("ends", "plant"): "Answer with a number from 1 (very good) to 5 (very bad).",
    ("ends", "read"): "Your number can be anything between 1, very good, and 5, very bad.",
    ("letters", "read"): f"Choose a letter. {LETTERED}.",
}


def asked(**changes):
    settings = {"framing": "neutral", "form": "numbers", "use": "read"} | changes
    question = settings.pop("question", "health")
    return prompt(question, settings.pop("wording", WORDING), **settings)


@pytest.mark.parametrize(("framing", "use"), FRAMES)
@pytest.mark.parametrize("form", ["numbers", "ends", "letters"])
def test_texts(framing, form, use):
    country = None if framing == "neutral" else "LBN"
    settings = {"framing": framing, "form": form, "use": use, "country": country}
    if (form, use) not in SCALES:  # letters are read and never planted
        with pytest.raises(ValueGateError, match=r"^survey frames: no template for \('letters', "):
            asked(**settings)
        return
    assert asked(**settings) == f"{FRAMES[framing, use]} {SCALES[form, use]}"


def test_neutral_names_no_country():
    assert asked(country="LBN") == asked()


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        # A number keeps its meaning; a letter is a place in the list.
        (
            "numbers",
            "Choose a number. 5 = very bad, 4 = bad, 3 = fair, 2 = good, 1 = very good.",
        ),
        (
            "letters",
            "Choose a letter. A = very bad, B = bad, C = fair, D = good, E = very good.",
        ),
        ("ends", "Your number can be anything between 5, very bad, and 1, very good."),
    ],
)
def test_reversed_order(form, expected):
    found = asked(form=form, reversed_order=True)
    assert found == f"{FRAMES['neutral', 'read']} {expected}"


def test_a_scale_that_starts_at_nought():
    found = asked(question="immigrants_useful_jobs", form="ends")
    options = labels("immigrants_useful_jobs")
    assert list(options) == [0, 1, 2]
    assert found.endswith(f"between 0, {options[0]}, and 2, {options[2]}.")


def test_practice_questions_have_labels_of_their_own():
    assert labels("practice_songbird") == {
        1: "very good idea", 2: "rather good idea", 3: "rather bad idea", 4: "very bad idea",
    }  # fmt: skip
    found = asked(question="practice_songbird", wording="A bird?", use="plant", form="ends")
    assert found == "A bird? Answer with a number from 1 (very good idea) to 4 (very bad idea)."


def test_the_arabic_template():
    """Template, country and labels are Arabic; letters have no Arabic template."""
    wording = "سؤال؟"
    question = "neighbours_aids"
    first, second = labels(question, "ar").values()
    assert (first, second) != tuple(labels(question).values())
    settings = {"question": question, "wording": wording, "language": "ar", "country": "LBN"}
    found = asked(framing="observer", **settings)
    start = f"بماذا يجيب الشخص العادي في لبنان عن السؤال الآتي؟ {wording} "
    assert found == start + f"أجب برقم واحد: 1 = {first}, 2 = {second}."
    found = asked(framing="persona", form="ends", **settings)
    start = f"تخيّل أنك شخص لبناني وأجب برأيك الشخصي. {wording} "
    assert found == start + f"أجب برقم من 1 ({first}) إلى 2 ({second})."
    with pytest.raises(ValueGateError, match=r"no template for \('letters', 'ar', 'read'\)"):
        asked(form="letters", **settings)


def test_native_templates_exist_where_labels_do():
    for language in ("ar", "fa", "tr"):
        country = {"ar": "EGY", "fa": "IRN", "tr": "TUR"}[language]
        for framing in ("neutral", "persona", "observer"):
            settings = {"framing": framing, "language": language, "country": country}
            found = asked(question="neighbours_aids", wording="Q", **settings)
            assert "Q" in found
            assert "{" not in found


@pytest.mark.parametrize("framing", ["persona", "observer"])
@pytest.mark.parametrize("country", [None, ""])
def test_a_framing_without_its_country(framing, country):
    with pytest.raises(ValueGateError, match=f"^survey frames: {framing} needs a country$"):
        asked(framing=framing, country=country)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"framing": "enemy", "country": "EGY"}, "survey frames: no template for ('enemy', "),
        ({"use": "plant", "language": "ar"}, "survey frames: no template for ('neutral', 'ar', "),
        ({"question": "helth"}, "survey options: no labels of helth in en"),
        ({"question": "strong_leader", "language": "tr"}, "survey options: no labels of strong_"),
    ],
)
def test_names_that_do_not_exist(changes, message):
    with pytest.raises(ValueGateError) as caught:
        asked(**changes)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("country", "language"), [("ATL", "en"), ("TUR", "ar")])
def test_a_country_that_does_not_exist(country, language):
    with pytest.raises(ValueGateError, match=country):
        asked(framing="persona", country=country, language=language)


def test_every_planted_question_can_be_asked_of_every_country():
    """No brace is left over, and each label is in the list under its own number."""
    questions = items.load("survey", "questions")
    countries = items.load("survey", "countries")
    named = countries[countries["language"] == "en"]
    for question in questions.loc[questions["planted"], "question"]:
        for country, name, native, *_ in named[["country", "name", "native"]].itertuples(
            index=False
        ):
            persona = asked(question=question, framing="persona", country=country)
            assert f"you are {native} and" in persona
            assert f"person in {name} reply" in asked(
                question=question, framing="observer", country=country
            )
            for option, label in labels(question).items():
                assert f"{option} = {label}" in persona
            assert "{" not in persona
