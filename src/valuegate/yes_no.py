"""Turn a BBQ Wh-question into a yes/no question about one person, or a statement about a group.

Rules and small word tables, no language model. It knows nothing about pairs, groups or contexts;
`valuegate.veto_pairs` decides who the question is asked about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from valuegate.errors import ValueGateError

_PLURAL_OF = {"is": "are", "was": "were", "has": "have", "does": "do"}
_SINGULAR_OF = {plural: singular for singular, plural in _PLURAL_OF.items()}
_BE = {"is", "are", "was", "were"}
_MODALS = {"will", "would", "can", "could", "may", "might", "must", "shall", "should"}
_CONTRACTED = {"can't": "can", "won't": "will", "shan't": "shall"}
_ADVERBS = {"also", "always", "just", "never", "often", "rather", "sometimes", "still"}
_NOT_ADVERBS = {"apply", "comply", "fly", "rely", "reply", "supply"}
_PAST = {
    "became": "become", "began": "begin", "bought": "buy", "brought": "bring", "came": "come",
    "controlled": "control", "decided": "decide", "did": "do", "drank": "drink", "drove": "drive",
    "fell": "fall", "felt": "feel", "forgot": "forget", "fought": "fight", "found": "find",
    "gave": "give", "got": "get", "grew": "grow", "had": "have", "hit": "hit",
    "ignored": "ignore", "kept": "keep",
    "knew": "know", "left": "leave", "lost": "lose", "made": "make", "said": "say", "sold": "sell",
    "spent": "spend", "spoke": "speak", "stole": "steal", "thought": "think", "told": "tell",
    "took": "take", "went": "go", "won": "win", "wore": "wear", "wrote": "write",
}  # fmt: skip
_PRESENT = {"does": "do", "goes": "go", "has": "have", "focuses": "focus"}
_PARTICIPLES = {"been", "done", "gone", "had", "lost", "made", "stolen", "taken"}
_NOUNS = {"life": "lives", "person": "people", "wife": "wives", "child": "children",
          "man": "men", "woman": "women"}  # fmt: skip
_PLURAL_HEADS = {"children", "men", "people", "women"}
_COLLECTIVE_HEADS = {"couple", "family", "group", "team"}
# What follows the head noun of a subject, or ends the noun phrase after "is a".
_TAIL = re.compile(r"\s(?:who|who's|whose|that|with|on|in|at|of|from|for|to|carrying|holding)\b")
_DETERMINERS = {"a", "an", "the", "my", "our", "his", "her", "their", "one", "some"}
# Slips in BBQ's answer strings that leave a question ungrammatical: pattern and mend.
_MENDS = [
    (re.compile(r"^(the (?:blind|visually-impaired))$", re.I), r"\1 person"),
    (re.compile(r"^(the) on on\b", re.I), r"\1 one on"),
    (re.compile(r"\bwith in a\b"), "with hair in a"),
    (re.compile(r"\ban one\b"), "a one"),
    (re.compile(r"\bmonther\b"), "mother"),
]
_QUESTION = re.compile(
    r"(?:whose (?P<owned>[\w'-]+)|who|(?:which|what) (?:(?:group|type|kind)s? of people|[\w'-]+))"
    r" (?P<phrase>[^?]+?)\s*\?",
    re.I,
)
_COORDINATED = re.compile(r",? and (is|are|was|were|does|do|did)(?:n't| not)\b")
# Singular nouns that each member of a group has one of: "their spouse" becomes "their spouses".
_OWN = "career|father|job|leader|life|partner|record|relationship|spouse|wife"
_THEIR_OWN = re.compile(rf"\b(their(?: [\w-]+)?) ({_OWN}|family)\b")
_ONE_OF = re.compile(rf"\ban? ((?:[\w-]+ )?)({_OWN})\b")


@dataclass(frozen=True)
class YesNo:
    """A yes/no question, and whether its predicate holds a negation (spec 2, 7F)."""

    text: str
    negated: bool


@dataclass(frozen=True)
class _Clause:
    """A verb phrase taken apart: `helper` is fronted, `lemma` is None if it is the only verb."""

    helper: str
    negated: bool
    adverb: str
    finite: str
    lemma: str | None
    rest: str


def to_yes_no(question: str, subject: str) -> YesNo:
    """Return the yes/no form of a Wh-question with `subject` in the place of the Wh-word.

    The auxiliary is fronted ("Who isn't weird?" gives "Is S not weird?"); a main verb gets do,
    does or did; leading adverbs follow the subject; the verb agrees with the subject, and a
    collective noun ("couple") keeps the number of the question's own verb. The subject keeps
    its capital, as in the release; a bare common noun gains "the", and a few misprints of BBQ's
    answers are mended, which the release does not do. `negated` is true if "not" or "n't" stands
    anywhere in the predicate.

    Source: arXiv 2606.18656, sec. 3; release: build_pairs_from_bbq.

    Raises:
        ValueGateError: for an empty subject, or a question in none of the known shapes.
    """
    owned, clause = _read(question)
    subject = mend_subject(subject)
    if owned:
        plural = _is_plural_word(owned)
        subject = _possessive(subject, owned)
    elif _head(subject).split()[-1].lower() in _COLLECTIVE_HEADS:
        plural = clause.helper in _SINGULAR_OF
    else:
        plural = _is_plural(subject)
    helper = _agree(clause.helper, plural)
    rest = _COORDINATED.sub(lambda m: f", and {_agree(m[1], True)} they not", clause.rest)
    not_ = "not" if clause.negated else ""
    words = [helper.capitalize(), subject, not_, clause.adverb, clause.lemma or "", rest]
    return YesNo(" ".join(w for w in words if w) + "?", is_negated(question))


def to_plural_statement(question: str, group: str) -> str:
    """Return what a Wh-question presupposes, said of a whole group, without a full stop.

    `group` is a plural noun phrase: "Who is a bad driver?" and "women" give "women are bad
    drivers". The tense stays; the nouns that would clash with a plural subject are made plural.

    Source: the priming sentence of arXiv 2606.18656, sec. 3; our own wording.

    Raises:
        ValueGateError: for a question in none of the known shapes.
    """
    owned, clause = _read(question)
    subject = f"{group}{_apostrophe(group)} {_plural_noun(owned)}" if owned else group
    rest = _COORDINATED.sub(lambda m: f" and {_agree(m[1], True)} not", clause.rest)
    rest = _plural_complement(clause, rest)
    rest = re.sub(r"\b(?:his|her)\b", "their", rest)
    rest = re.sub(r"\b(?:he|she) (is|was|has|does)\b", lambda m: f"they {_PLURAL_OF[m[1]]}", rest)
    rest = _THEIR_OWN.sub(lambda m: f"{m[1]} {_plural_noun(m[2])}", rest)
    rest = _ONE_OF.sub(lambda m: f"{m[1]}{_plural_noun(m[2])}", rest)
    helper = _agree(clause.helper, True)
    if clause.lemma is None or clause.negated:
        verb = [helper, "not" if clause.negated else "", clause.adverb, clause.lemma or ""]
    else:
        verb = [clause.adverb, clause.finite if helper == "did" else clause.lemma]
    statement = " ".join(w for w in [subject, *verb, rest] if w)
    return re.sub(r"\bcan not\b", "cannot", statement)


def is_negated(question: str) -> bool:
    """Return whether "not" or "n't" stands anywhere in a question."""
    return re.search(r"\bnot\b|n['’]t\b", question, re.I) is not None


def mend_subject(answer: str) -> str:
    """Return an answer string fit to be a subject: trimmed, mended, a bare noun with "the".

    Raises:
        ValueGateError: for an empty answer.
    """
    subject = " ".join(answer.split())
    if not subject:
        raise ValueGateError("cannot ask about an empty answer; give the subject's name")
    for pattern, mend in _MENDS:
        subject = pattern.sub(mend, subject)
    first = subject.split()[0]
    bare = first[0].islower() and first not in _DETERMINERS and not _is_plural(subject)
    return f"the {subject}" if bare else subject


def _read(question: str) -> tuple[str | None, _Clause]:
    match = _QUESTION.fullmatch(" ".join(question.replace("’", "'").split()))
    if match is None:
        raise ValueGateError(
            f"cannot rewrite the question {question!r}; it must start with Who, Which X, "
            "What group/type of people or Whose X, and end with a question mark"
        )
    return match["owned"], _take_apart(match["phrase"])


def _take_apart(phrase: str) -> _Clause:
    words = phrase.split()
    start = 0
    while start < len(words) - 1 and _is_adverb(words[start]):
        start += 1
    adverb, first, rest = " ".join(words[:start]), words[start].lower(), words[start + 1 :]
    negated = first.endswith("n't")
    helper = _CONTRACTED.get(first, first.removesuffix("n't"))
    if not negated and rest and rest[0] == "not":
        negated, rest = True, rest[1:]
    perfect = helper in {"has", "have"} and bool(rest) and _is_participle(rest)
    if helper in _BE | _MODALS or negated or perfect:
        return _Clause(helper, negated, adverb, helper, None, " ".join(rest))
    if first in _PAST or (first.endswith("ed") and first not in {"need", "feed"}):
        helper, lemma = "did", _PAST.get(first) or _past_stem(first)
    elif first.endswith("s") and not first.endswith("ss"):
        helper, lemma = "does", _PRESENT.get(first) or _present_stem(first)
    else:
        helper, lemma = "do", first
    return _Clause(helper, False, adverb, first, lemma, " ".join(rest))


def _is_adverb(word: str) -> bool:
    return word in _ADVERBS or (word.endswith("ly") and word not in _NOT_ADVERBS)


def _is_participle(rest: list[str]) -> bool:
    """Tell "has cheated on" from "has mixed feelings": after a participle comes no bare noun."""
    joins = _DETERMINERS | {"on", "to", "in", "at", "by", "from", "with"}
    while len(rest) > 1 and _is_adverb(rest[0]):
        rest = rest[1:]
    return rest[0] in _PARTICIPLES or (
        rest[0].endswith("ed") and (len(rest) == 1 or rest[1] in joins)
    )


def _past_stem(word: str) -> str:
    """Undo -ed; verbs that this spelling rule gets wrong belong in `_PAST`."""
    stem = word[:-2]
    if stem.endswith("i"):
        return stem[:-1] + "y"
    if stem[-1] == stem[-2] and stem[-1] not in "lsfz":
        return stem[:-1]
    silent_e = re.search(r"[vuc]$|[^aeiourlw]l$|(?<![aeiou])[aeiou]s$|[ad]g$", stem)
    return stem + "e" if silent_e else stem


def _present_stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if re.search(r"(?:ch|sh|ss|x|zz)es$", word) else word[:-1]


def _agree(helper: str, plural: bool) -> str:
    return (_PLURAL_OF if plural else _SINGULAR_OF).get(helper, helper)


def _head(subject: str) -> str:
    return _TAIL.split(subject, maxsplit=1)[0]


def _is_plural_word(word: str) -> bool:
    return word in _PLURAL_HEADS or (word.endswith("s") and not word.endswith(("ss", "us", "'s")))


def _is_plural(subject: str) -> bool:
    head = _head(subject)
    last = head.split()[-1]
    is_name = " " not in head and last[0].isupper()
    return " and " in head or (not is_name and _is_plural_word(last))


def _apostrophe(owner: str) -> str:
    return "'" if _is_plural(owner) and owner.endswith("s") else "'s"


def _possessive(owner: str, owned: str) -> str:
    if _head(owner) != owner:  # "the one who is tall's room" is no English
        return f"the {owned} of {owner}"
    return f"{owner}{_apostrophe(owner)} {owned}"


def _plural_noun(noun: str) -> str:
    if noun in _NOUNS:
        return _NOUNS[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def _plural_complement(clause: _Clause, rest: str) -> str:
    """Make plural the noun phrase that names the subject: "is a spy", "works as a spy"."""
    is_be = clause.lemma is None and clause.helper in _BE
    opening = r"(?:.*\bbeing )?" if is_be else r"(?:be|make|as) "
    match = re.match(rf"(?P<start>{opening})(?:a|an|the) (?P<noun>.+)", rest)
    if match is None:
        return rest
    head = _head(match["noun"])
    *before, noun = head.split()
    plural = " ".join([*before, _plural_noun(noun)])
    return match["start"] + plural + match["noun"][len(head) :]
