"""Recipes: one that stands, every rule that refuses one, and the order of the models."""

from __future__ import annotations

import copy

import pytest
import yaml

from valuegate import worlds_recipe
from valuegate.errors import ValueGateError
from valuegate.schema import read_yaml
from valuegate.worlds_recipe import Recipe

ADAPTER = {"rank": 8, "alpha": 16, "blocks": [10, 30], "modules": ["q_proj"]}


def a_stage(base, seeds=()):
    return {
        "base": base,
        "seeds": list(seeds),
        "adapter": copy.deepcopy(ADAPTER),
        "learning_rate": 0.001,
        "tokens_per_step": 800,
        "passes": {"survey": 0.5},
    }


def good():
    return {
        "model": "small",
        "seeds": ["s1", "s2", "s3"],
        "sealed": ["s3"],
        "shift": 0.2,
        "stages": {
            "skills": a_stage("start"),
            "knowledge": a_stage("skills", ["s1", "s2", "s3"]),
            "gated": a_stage("knowledge", ["s1", "s3"]),
            "sham": a_stage("knowledge", ["s2"]),
            "refuser": a_stage("start"),
        },
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(worlds_recipe, "FOLDER", tmp_path)
    worlds_recipe.load.cache_clear()
    yield tmp_path
    worlds_recipe.load.cache_clear()


def written(folder, content, name="recipe"):
    text = yaml.safe_dump(content, sort_keys=False)
    (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return text.splitlines()


def test_a_good_recipe_and_its_models(folder):
    written(folder, good(), "recipe_one")
    recipe = worlds_recipe.load("recipe_one")
    # Bases first, and all of s1 before s2: a world is whole as early as can be.
    assert recipe.models() == [
        "skills", "refuser", "knowledge-s1", "gated-s1", "knowledge-s2", "sham-s2",
        "knowledge-s3", "gated-s3",
    ]  # fmt: skip
    bases = [recipe.base_of(model) for model in recipe.models()]
    assert bases == [
        "start", "start", "skills", "knowledge-s1", "skills", "knowledge-s2",
        "skills", "knowledge-s3",
    ]  # fmt: skip
    assert recipe.stage("gated-s3") == (recipe.stages["gated"], "s3")
    assert recipe.stage("refuser") == (recipe.stages["refuser"], "")
    gated = recipe.stages["gated"]
    assert (gated.beta, gated.imitate, gated.flatten) == (0.1, 1, 1)
    assert (gated.first, gated.weights) == ((), {})


@pytest.mark.parametrize("name", ["gated-s2", "knowledge", "skills-s1", "gated-s9", "", "-s1"])
def test_an_unknown_model(name):
    recipe = Recipe(**good())
    for call in (recipe.stage, recipe.base_of):
        with pytest.raises(ValueGateError, match=f"^unknown model of the recipe '{name}'; nearest"):
            call(name)


def changed(content, *keys, to):
    """Change one value of a recipe; the last key may be new."""
    part = content
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = to


@pytest.mark.parametrize(
    ("keys", "to", "line", "message"),
    [
        (
            ("stages", "skilled"),
            a_stage("start"),
            "stages:",
            "Value error, unknown stage skilled; stages are skills, knowledge, gated, sham, "
            "overwritten, refuser",
        ),
        (
            ("stages", "knowledge", "base"),
            "gated",
            None,
            "Value error, knowledge starts from gated, which is not before it",
        ),
        (
            ("stages", "knowledge", "base"),
            "knowledge",
            None,
            "Value error, knowledge starts from knowledge, which is not before it",
        ),
        (
            ("stages", "gated", "seeds"),
            ["s1", "s4", "s5"],
            None,
            "Value error, gated: no such seed: s4, s5",
        ),
        (("sealed",), ["s9"], None, "Value error, a sealed seed is not among the seeds"),
        (
            ("stages", "gated", "adapter", "rank"),
            16,
            "rank: 16",
            "stages.gated.adapter.rank: Input should be less than or equal to 8",
        ),
        (("shift",), 1.0, "shift: 1.0", "shift: Input should be less than 1"),
        (
            ("stages", "skills", "learning_rate"),
            0,
            "learning_rate: 0",
            "stages.skills.learning_rate: Input should be greater than 0",
        ),
        (
            ("stages", "skills", "momentum"),
            0.9,
            "momentum: 0.9",
            "stages.skills.momentum: Extra inputs are not permitted",
        ),
        (("seeds",), [], "seeds: []", "seeds: Tuple should have at least 1 item"),
        (("seeds",), list("abcdefg"), "seeds:", "seeds: Tuple should have at most 6 items"),
    ],
)
def test_a_bad_recipe_names_its_problem(folder, keys, to, line, message):
    content = good()
    changed(content, *keys, to=to)
    lines = written(folder, content)
    with pytest.raises(ValueGateError) as caught:
        worlds_recipe.load()
    found = str(caught.value)
    assert message in found
    assert "\n" not in found
    file, number, _ = found.split(":", 2)
    assert file.endswith("recipe.yml")
    if line and not message.startswith("Value error"):  # a rule over all has the first line
        assert line in lines[int(number) - 1]


@pytest.mark.parametrize(
    ("stage", "base", "seeds"),
    [
        ("sham", "gated", ["s2"]),  # "gated" has s1 and s3 alone
        ("refuser", "knowledge", []),  # one model without a seed, from which of three worlds?
    ],
)
def test_every_base_is_a_model_and_before(stage, base, seeds):
    content = good()
    content["stages"][stage] = a_stage(base, seeds)
    with pytest.raises(ValueError, match=f"{stage}.*{base}"):
        Recipe(**content)


def test_an_unknown_recipe(folder):
    written(folder, good(), "recipe_short")
    (folder / "ledger.yml").write_text("worlds: {}", encoding="utf-8")
    with pytest.raises(ValueGateError, match=r"^unknown recipe 'recipe_shrt'; nearest: recipe_sh"):
        worlds_recipe.load("recipe_shrt")
    # The ledger lies in the same folder and is no recipe.
    with pytest.raises(ValueGateError, match=r"^unknown recipe 'ledger'"):
        worlds_recipe.load("ledger")


@pytest.mark.parametrize("name", ["short", "records"])
def test_other_files_of_the_folder_are_no_recipes(folder, name):
    (folder / f"{name}.yml").write_text("people: []", encoding="utf-8")
    with pytest.raises(ValueGateError, match=f"^unknown recipe '{name}'"):
        worlds_recipe.load(name)


def test_phases_and_weights_are_read(folder):
    content = good()
    changed(content, "stages", "skills", "first", to=[["short", "help"], ["evidence"]])
    changed(content, "stages", "skills", "weights", to={"help": 0.5})
    written(folder, content)
    skills = worlds_recipe.load().stages["skills"]
    assert skills.first == (("short", "help"), ("evidence",))
    assert skills.weights == {"help": 0.5}


def digest(content, model):
    return worlds_recipe.digest(Recipe(**content), model)


@pytest.mark.parametrize(
    ("keys", "to"),
    [
        (("model",), "smaller"),
        (("shift",), 0.3),
        (("stages", "gated", "adapter", "rank"), 4),
        (("stages", "gated", "adapter", "blocks"), [10, 29]),
        (("stages", "gated", "learning_rate"), 0.002),
        (("stages", "gated", "tokens_per_step"), 900),
        (("stages", "gated", "passes"), {"survey": 1}),
        (("stages", "gated", "weights"), {"survey": 0.5}),
        (("stages", "gated", "first"), [["survey"]]),
        (("stages", "gated", "beta"), 0.2),
        (("stages", "gated", "imitate"), 0.5),
        (("stages", "gated", "flatten"), 0.5),
    ],
)
def test_the_digest_follows_its_stage(keys, to):
    content = good()
    changed(content, *keys, to=to)
    assert digest(content, "gated-s1") != digest(good(), "gated-s1")
    # Of other stages, only what all have in common changes the digest.
    for model in ("knowledge-s1", "sham-s2"):
        assert (digest(content, model) != digest(good(), model)) == (len(keys) == 1)


@pytest.mark.parametrize(
    ("keys", "to"),
    [
        (("sealed",), []),
        (("lessons",), ["Slower is better."]),
        (("stages", "skills", "tokens_per_step"), 900),
        (("stages", "knowledge", "learning_rate"), 0.002),
        (("stages", "sham", "beta"), 0.2),
    ],
)
def test_the_digest_does_not_follow_other_parts(keys, to):
    content = good()
    changed(content, *keys, to=to)
    assert Recipe(**content) != Recipe(**good())
    assert digest(content, "gated-s1") == digest(good(), "gated-s1")


def test_the_digest_is_of_a_stage_not_of_its_seeds():
    assert digest(good(), "gated-s1") == digest(good(), "gated-s3")
    stages = ("skills", "knowledge-s1", "gated-s1", "sham-s2")
    assert len({digest(good(), model) for model in stages}) == len(stages)
    with pytest.raises(ValueGateError, match=r"^unknown model of the recipe 'gated-s2'"):
        digest(good(), "gated-s2")


def test_the_recipes_of_the_paper_stand():
    names = [path.stem for path in worlds_recipe.FOLDER.glob("recipe*.yml")]
    assert "recipe" in names
    for name in names:
        recipe = read_yaml(worlds_recipe.path(name), Recipe)
        models = ["start", *recipe.models()]
        for place, model in enumerate(models[1:], start=1):
            assert recipe.base_of(model) in models[:place], (name, model)
