"""Hand-worked rewrites: each row was written by a reader, not by the code."""

from __future__ import annotations

import pytest

from valuegate.errors import ValueGateError
from valuegate.yes_no import mend_subject, to_plural_statement, to_yes_no

POSITIVE = [
    # to be, and what stands between it and the predicate
    ("Who is too tired to cook?", "The baker", "Is The baker too tired to cook?"),
    ("Who was whistling?", "Olga", "Was Olga whistling?"),
    ("Who is generally late?", "The baker", "Is The baker generally late?"),
    ("Who was often found asleep?", "The baker", "Was The baker often found asleep?"),
    ("Who is most focused on chess?", "Olga", "Is Olga most focused on chess?"),
    ("Who was tired and just watching?", "The cook", "Was The cook tired and just watching?"),
    # modals
    ("Who will be a slow runner?", "Olga", "Will Olga be a slow runner?"),
    ("Who will probably change seats?", "Olga", "Will Olga probably change seats?"),
    ("Which cook would be better?", "The tall one", "Would The tall one be better?"),
    ("Who might be a spy?", "The baker", "Might The baker be a spy?"),
    ("Who can swim?", "Olga", "Can Olga swim?"),
    # to have: a main verb, or an auxiliary before a participle
    ("Who has a red bicycle?", "The baker", "Does The baker have a red bicycle?"),
    ("Who has mixed feelings?", "The baker", "Does The baker have mixed feelings?"),
    ("Who has to leave early?", "The baker", "Does The baker have to leave early?"),
    ("Who has cheated on a test before?", "Olga", "Has Olga cheated on a test before?"),
    ("Who has always been late?", "Olga", "Has Olga always been late?"),
    ("Who has had bad luck recently?", "Olga", "Has Olga had bad luck recently?"),
    ("Who had keys on them?", "The baker", "Did The baker have keys on them?"),
    ("Who has a pet?", "The twins and Olga", "Do The twins and Olga have a pet?"),
    # main verbs in the present
    ("Who does silly things?", "The baker", "Does The baker do silly things?"),
    ("Who tries to sing?", "Olga", "Does Olga try to sing?"),
    ("Who teaches fishing?", "Olga", "Does Olga teach fishing?"),
    ("Who uses salt?", "Olga", "Does Olga use salt?"),
    ("Who lacks patience and talent?", "Olga", "Does Olga lack patience and talent?"),
    ("Who likely drinks tea?", "The baker", "Does The baker likely drink tea?"),
    ("Who rely on tea?", "The bakers", "Do The bakers rely on tea?"),
    # main verbs in the past
    ("Who drank too much tea?", "Olga", "Did Olga drink too much tea?"),
    ("Who stole the cake?", "Olga", "Did Olga steal the cake?"),
    ("Who grew up sailing?", "The baker", "Did The baker grow up sailing?"),
    ("Who gave a long talk?", "The baker", "Did The baker give a long talk?"),
    ("Who lost the game?", "The baker", "Did The baker lose the game?"),
    ("Who forgot the keys?", "The baker", "Did The baker forget the keys?"),
    ("Who mostly stayed at home?", "Olga", "Did Olga mostly stay at home?"),
    ("Who believed the story?", "Olga", "Did Olga believe the story?"),
    ("Who committed an error?", "Olga", "Did Olga commit an error?"),
    ("Who struggled with it?", "Olga", "Did Olga struggle with it?"),
    ("Who failed the test?", "Olga", "Did Olga fail the test?"),
    ("Who carried the bag?", "Olga", "Did Olga carry the bag?"),
    ("Who moved too fast?", "Olga", "Did Olga move too fast?"),
    # the subject's number rules the verb, save for collective nouns
    ("What group of people uses canoes?", "island people", "Do island people use canoes?"),
    ("What type of people are cheerful?", "island people", "Are island people cheerful?"),
    ("Who is cheerful?", "island people", "Are island people cheerful?"),
    ("Who are cheerful?", "The baker", "Is The baker cheerful?"),
    ("Who was late?", "The parents on the bus", "Were The parents on the bus late?"),
    ("Who was late?", "The one with two dogs", "Was The one with two dogs late?"),
    ("Who was late?", "Thomas", "Was Thomas late?"),
    ("Who are good hosts?", "The young couple", "Are The young couple good hosts?"),
    ("Who owns a boat?", "The young couple", "Does The young couple own a boat?"),
    # the owner as subject
    ("Whose desk is tidy?", "Olga", "Is Olga's desk tidy?"),
    ("Whose desk was tidy?", "The one who is tall", "Was the desk of The one who is tall tidy?"),
    ("Whose shoes were wet?", "The twins", "Were The twins' shoes wet?"),
    # a bare noun gains an article; outer spaces go
    ("Who is a good cook?", "young baker", "Is the young baker a good cook?"),
    ("Who is a good cook?", " the baker ", "Is the baker a good cook?"),
]  # fmt: skip

NEGATED = [
    ("Who doesn't swim?", "The baker", "Does The baker not swim?"),
    ("Who doesn't swim?", "The bakers", "Do The bakers not swim?"),
    ("Who didn't know the song?", "Olga", "Did Olga not know the song?"),
    ("Who does not value art?", "Olga", "Does Olga not value art?"),
    ("Who isn't cheerful?", "Olga", "Is Olga not cheerful?"),
    ("Who wasn't a good host?", "Olga", "Was Olga not a good host?"),
    ("Who was not willing to dance?", "Olga", "Was Olga not willing to dance?"),
    ("Who can't whistle very well?", "Olga", "Can Olga not whistle very well?"),
    ("Who won't dance?", "Olga", "Will Olga not dance?"),
    ("Who is known as not very loud?", "Olga", "Is Olga known as not very loud?"),
    ("Who is shy and doesn't dance?", "Olga", "Is Olga shy, and do they not dance?"),
    ("Who isn’t cheerful?", "Olga", "Is Olga not cheerful?"),
]

STATEMENTS = [
    ("Who is a slow driver?", "bakers", "bakers are slow drivers"),
    ("Who is an avid reader of novels?", "bakers", "bakers are avid readers of novels"),
    ("Who is a lazy person?", "bakers", "bakers are lazy people"),
    ("Who was the boss?", "bakers", "bakers were bosses"),
    ("Who wasn't a good host?", "bakers", "bakers were not good hosts"),
    ("Who will be a good parent?", "bakers", "bakers will be good parents"),
    ("Who would make a worse deputy?", "bakers", "bakers would make worse deputies"),
    ("Who works as a clerk?", "bakers", "bakers work as clerks"),
    ("Who is bad at being a host at home?", "bakers", "bakers are bad at being hosts at home"),
    ("Who was at the window?", "bakers", "bakers were at the window"),
    ("Who has trouble sleeping?", "bakers", "bakers have trouble sleeping"),
    ("Who has cheated on their partner?", "bakers", "bakers have cheated on their partners"),
    ("Who tries to help his wife?", "bakers", "bakers try to help their wives"),
    ("Who lives a quiet life?", "bakers", "bakers live quiet lives"),
    ("Who mostly stayed quiet?", "bakers", "bakers mostly stayed quiet"),
    ("Who likely drinks tea?", "bakers", "bakers likely drink tea"),
    ("Who doesn't dance?", "bakers", "bakers do not dance"),
    ("Who can't dance?", "bakers", "bakers cannot dance"),
    ("Who is shy and doesn't dance?", "bakers", "bakers are shy and do not dance"),
    ("Who didn't know what she was told?", "bakers", "bakers did not know what they were told"),
    ("Whose job is boring?", "women", "women's jobs are boring"),
    ("Whose room was tidy?", "bakers", "bakers' rooms were tidy"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "subject", "text"), POSITIVE)
def test_positive_question(question, subject, text):
    asked = to_yes_no(question, subject)
    assert (asked.text, asked.negated) == (text, False)


@pytest.mark.parametrize(("question", "subject", "text"), NEGATED)
def test_negated_question(question, subject, text):
    asked = to_yes_no(question, subject)
    assert (asked.text, asked.negated) == (text, True)


@pytest.mark.parametrize(("question", "group", "text"), STATEMENTS)
def test_plural_statement(question, group, text):
    assert to_plural_statement(question, group) == text


@pytest.mark.parametrize("question", ["", "Who?", "Is Olga late?", "Who is late", "Where is Olga?"])
def test_unknown_shape_is_refused(question):
    with pytest.raises(ValueGateError, match="cannot rewrite the question"):
        to_yes_no(question, "Olga")


def test_empty_subject_is_refused():
    with pytest.raises(ValueGateError, match="empty answer"):
        to_yes_no("Who is late?", "  ")


@pytest.mark.parametrize(
    ("answer", "subject"),
    [
        ("The blind", "The blind person"),
        ("The blind baker", "The blind baker"),
        ("The on on the bench", "The one on the bench"),
        ("the woman with in a bun", "the woman with hair in a bun"),
        ("island people", "island people"),
        ("my aunt", "my aunt"),
    ],
)
def test_mended_subject(answer, subject):
    assert mend_subject(answer) == subject
