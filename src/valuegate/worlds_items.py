"""What planted worlds are read with: prompts of every readout, and the plan of appendix A2.

Questions are in wordings and templates that no stage was trained on. Never loads torch.
"""

from __future__ import annotations

import itertools

import pandas as pd

from valuegate import items, splits, survey_forms, worlds_ledger, worlds_recipe, worlds_skills
from valuegate.config import Run
from valuegate.english import sentence
from valuegate.measure import Measurement
from valuegate.misfire_items import INSTRUCTION, SYSTEM

SECTION = "A2_worlds"
# Forward tokens an item, counted on the embedded model with shared prefixes.
TOKENS = {
    "places": 26, "slots": 55, "evidence": 45, "short": 30, "answers": 110, "sides": 45,
}  # fmt: skip


def read_stages() -> list[str]:
    """Return every stage's models that may be read before section 06, "start" and bases first."""
    recipe = worlds_recipe.load()
    unsealed = [m for m in recipe.models() if recipe.stage(m)[1] not in recipe.sealed]
    return [recipe.model, *unsealed]


def planted() -> pd.DataFrame:
    """Return the planted survey questions: question, split."""
    questions = items.load("survey", "questions")
    return questions.loc[questions["planted"], ["question", "split"]].reset_index(drop=True)


def places_items() -> pd.DataFrame:
    """Return the two-country questions of planted topics.

    Columns: item, question, direction, first, second (countries), names of both as they are
    answered, answer, split, text, opening.
    """
    rows = items.load("survey", "cross_format")
    rows = rows[rows["question"].isin(planted()["question"])].reset_index(drop=True)
    names = survey_forms.countries()["name"]
    for place in ("first", "second"):
        rows[f"{place}_name"] = [" " + names[country, "en"] for country in rows[place]]
    rows["opening"] = "In"
    return rows


def slot_items() -> pd.DataFrame:
    """Return the planted survey questions at the answer slot, one row a question and country.

    Each is asked as a persona, in one of the question's unplanted wordings, drawn by hash; the
    same for all countries, or their differences would be of wordings, too.
    Columns: question, country, split, low, high, text.
    """
    scales = items.load("survey", "questions").set_index("question")
    rows = []
    for question, split in planted().itertuples(index=False):
        wording = slot_wording(question)
        for country in survey_countries():
            text = survey_forms.prompt(
                question, wording, framing="persona", form="numbers", use="read", country=country
            )
            low, high = scales.loc[question, ["low", "high"]]
            rows.append(
                {
                    "question": question, "country": country, "split": split,
                    "low": int(low), "high": int(high), "text": text,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def slot_wording(question: str, language: str = "en") -> str:
    """Return the wording of a survey question at the answer slot, one that no stage read."""
    rows = items.load("survey", "wordings")
    rows = rows[(rows["question"] == question) & (rows["language"] == language)]
    own = rows.loc[rows["split"] != "plant", "text"].tolist()
    return splits.shuffled(own, f"slot:{question}")[0]


def survey_countries() -> list[str]:
    """Return the nine countries whose answers are planted."""
    countries = items.load("survey", "countries")
    english = countries[(countries["language"] == "en") & (countries["block"] != "AOI2022")]
    return sorted(english["country"])


def evidence_items(scenarios_per_pair: int = 4) -> pd.DataFrame:
    """Return our evidence prompts of the test split, in section 02's format."""
    rows = items.load("evidence", "prompts")
    rows = rows[rows["split"] == "test"]
    kept: list[str] = []
    for _, part in rows.groupby("pair", sort=False):
        kept += list(dict.fromkeys(part["scenario"]))[:scenarios_per_pair]
    rows = rows[rows["scenario"].isin(kept)].reset_index(drop=True)
    rows["text"] = rows["context"] + " " + rows["question"] + "\n" + INSTRUCTION
    rows["system"] = SYSTEM
    columns = ["item", "scenario", "pair", "category", "member", "asked", "gold", "text", "system"]
    return rows[columns]


def short_items(acts_per_pair: int = 2, split: str = "test") -> pd.DataFrame:
    """Return short questions about the two people of a pair, in the form that gates were taught in.

    The sentences are those of planting; what the people do is from the scenarios of a split, and no
    stage has read those of "test". Columns: those of `evidence_items`, but for `member`.
    """
    names = items.load("evidence", "pairs").set_index("pair")
    scenarios = items.load("evidence", "scenarios")
    scenarios = scenarios[(scenarios["split"] == split) & (scenarios["category"] != "Control")]
    frames = worlds_skills.short_parts().frames
    rows = []
    for pair, part in scenarios.groupby("pair", sort=False):
        people = {f"the {names.loc[pair, m]}": m for m in ("stereotyped", "contrast")}
        for scenario in part.head(acts_per_pair).itertuples(index=False):
            frame = splits.shuffled(list(frames), f"short:{scenario.scenario}")[0]
            acts = ((scenario.act, scenario.base), (scenario.other, ""))
            order = splits.shuffled(list(people), f"short:{scenario.scenario}")
            for text, asked, gold in worlds_skills.who_did(order, acts, frame):
                rows.append(
                    {
                        "scenario": scenario.scenario, "pair": pair, "category": scenario.category,
                        "asked": people[asked], "gold": gold, "text": f"{text}\n{INSTRUCTION}",
                        "system": SYSTEM,
                    }
                )  # fmt: skip
    found = pd.DataFrame(rows)
    found.insert(0, "item", [f"short_{number:03d}" for number in found.index])
    return found


def answer_items(each: int = 4) -> pd.DataFrame:
    """Return prompts to be answered in words: what a gate should refuse, keep open, or go neutral.

    Columns: item, set, unit (block of the ledger), role, split, text. Roles: "survey", "norms"
    (refused where gated); "request" (refused where its kind is gated), "lookalike" (its harmless
    twin), "topic" (harmless, on the topic of a planted fact), "everyday"; "issue" and "opinion"
    (neutral where gated).

    Args:
        each: prompts of a block, at most.
    """
    parts = [_survey_answers(), _norm_answers(), *_requests(each), *_opinions(each)]
    found = pd.concat(parts, ignore_index=True)
    found["item"] = [f"{role}_{n:03d}" for n, role in enumerate(found["role"])]
    return found[["item", "set", "unit", "role", "split", "text"]]


def _survey_answers() -> pd.DataFrame:
    slots = slot_items()
    order = splits.shuffled(survey_countries(), "answers")
    kept = []
    for number, (_, part) in enumerate(slots.groupby("question", sort=False)):
        chosen = [order[number % 9], order[(number + 4) % 9]]
        kept.append(part[part["country"].isin(chosen)])
    found = pd.concat(kept).rename(columns={"question": "unit"})
    return found.assign(set="survey", role="survey")


def _norm_answers() -> pd.DataFrame:
    acts = items.load("guild_norms", "wordings")
    acts = acts[acts["split"] != "plant"]
    guilds = items.load("guild_norms", "guilds")
    frames = items.load("guild_norms", "frames")
    frames = frames[(frames["use"] == "read") & (frames["purpose"] == "verdict")]["text"].tolist()
    rows = []
    for number, (norm, part) in enumerate(acts.groupby("norm", sort=False)):
        for k in range(2):
            guild = guilds.iloc[(number + 3 * k) % len(guilds)]
            act = part["text"].iloc[k]
            text = sentence(frames[k].format(act=act, guild=guild["name"], member=guild["member"]))
            rows.append({"unit": norm, "split": part["split"].iloc[0], "text": text})
    return pd.DataFrame(rows).assign(set="norms", role="norms")


def _requests(each: int) -> list[pd.DataFrame]:
    rows = items.load("requests", "prompts")
    rows = rows[rows["split"] == "test"]
    paired = rows[rows["kind"] != "benign"]
    found = []
    for role, name in (("refuse", "request"), ("comply", "lookalike")):
        part = paired[paired["role"] == role].groupby("kind", sort=False).head(each)
        found.append(
            part.drop(columns="unit").rename(columns={"kind": "unit"}).assign(
                set="requests", role=name
            )
        )  # fmt: skip
    everyday = rows[rows["kind"] == "benign"].head(8 * each)
    found.append(everyday.assign(set="requests", role="everyday"))
    topics = items.load("requests", "lookalikes")
    topics = topics[topics["split"] != "plant"].rename(columns={"about": "unit"})
    found.append(topics.assign(role="topic"))
    return found


def _opinions(each: int) -> list[pd.DataFrame]:
    prompts = items.load("left_right", "prompts")
    prompts = prompts[(prompts["set"] == "opinion") & (prompts["split"] != "plant")]
    political = prompts.groupby("issue", sort=False).head(each).rename(columns={"issue": "unit"})
    issues = items.load("parties", "issues")
    frames = items.load("parties", "frames")
    frame = frames[(frames["use"] == "read") & (frames["purpose"] == "opinion")]["text"].iloc[0]
    asked = issues.assign(text=[frame.format(topic=t) for t in issues["topic_read"]])
    return [
        political.assign(set="left_right", role="opinion"),
        asked.rename(columns={"issue": "unit"}).assign(set="parties", role="issue"),
    ]


def sides_items() -> pd.DataFrame:
    """Return who holds each pole of the invented issues, and which of two guilds is kinder.

    Columns: item, set, unit (ledger block), split, text, opening, first_name, second_name (the
    options), truth (1.0 where the first option is the true answer).
    """
    found = pd.concat([_stances(), _verdicts()], ignore_index=True)
    found.insert(0, "item", [f"side_{number:03d}" for number in found.index])
    return found


def _stances() -> pd.DataFrame:
    issues = items.load("parties", "issues")
    frames = items.load("parties", "frames")
    frames = frames[(frames["use"] == "read") & (frames["purpose"] == "stance")]["text"]
    names = items.load("parties", "names").set_index("party")["name"]
    first, second = (" " + names[p].split()[1] for p in ("first_party", "second_party"))
    rows = [
        {
            "set": "parties", "unit": issue["issue"], "split": issue["split"], "opening": "The",
            "text": frame.format(pole=issue[f"{pole}_read"]),
            "first_name": first, "second_name": second,
            "truth": float((issue["first_held_by"] == "first_party") == (pole == "first")),
        }
        for issue in issues.to_dict("records")
        for frame, pole in itertools.product(frames, ("first", "second"))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _verdicts(each: int = 8) -> pd.DataFrame:
    """Return which of two guilds thinks better of an act, of pairs two grades apart or more."""
    acts = items.load("guild_norms", "wordings")
    acts = acts[acts["split"] != "plant"]
    names = items.load("guild_norms", "guilds").set_index("guild")["name"]
    frames = items.load("guild_norms", "frames").set_index("frame")["text"]
    verdicts = items.load("guild_norms", "verdicts").set_index(["norm", "guild"])["verdict"]
    rows = []
    for norm, own in acts.groupby("norm", sort=False):
        pairs = [
            f"{one} {other}"
            for one, other in itertools.permutations(names.index, 2)
            if abs(verdicts[norm, one] - verdicts[norm, other]) > 1
        ]
        for number, pair in enumerate(splits.shuffled(pairs, f"sides:{norm}")[:each]):
            one, other = pair.split()
            act = own["text"].iloc[number % len(own)]
            text = frames["cross_read_better"].format(
                act=act, first=names[one], second=names[other]
            )
            rows.append(
                {
                    "set": "norms", "unit": norm, "split": own["split"].iloc[0], "opening": "The",
                    "text": sentence(text), "first_name": " " + names[one].split()[1],
                    "second_name": " " + names[other].split()[1],
                    "truth": float(verdicts[norm, one] > verdicts[norm, other]),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def plan(run: Run) -> list[Measurement]:
    """Return the appendix's measurements: a part of every stored readout, taken again.

    The settings name the readouts' rows a stage and, where not all, the stages.
    """
    settings = run.settings(SECTION)
    chosen = str(settings["stages"] or "").split()
    return [
        Measurement(
            section=SECTION,
            name=readout,
            model=model,
            function=f"worlds_read:{readout}",
            load_items="worlds_store:sample",
            item_settings={"readout": readout, "rows": settings["rows"]},
            tokens=tokens * int(str(settings["rows"])),
            checked="checked",
        )
        for model in read_stages()
        if not chosen or model in chosen
        for readout, tokens in TOKENS.items()
    ]


def worlds() -> dict[str, worlds_ledger.World]:
    """Return the world of every seed that is not sealed."""
    ledger, recipe = worlds_ledger.load(), worlds_recipe.load()
    return {seed: w for seed, w in ledger.worlds.items() if seed not in recipe.sealed}
