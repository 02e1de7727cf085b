"""Profiles and runs: names, settings, and what a plan may cost."""

from __future__ import annotations

import re

import pytest

from valuegate import config, paths, results
from valuegate.errors import ValueGateError
from valuegate.sections import MODULES, plan

PROFILES = sorted(path.stem for path in paths.PROFILES.glob("*.yml"))
TINY = """\
name: tiny
title: Tiny
budget_tokens: 10
models: [smollm2-135m-instruct]
sections:
  02_misfired_alignment: {draws: 5}
  04_neutral_mask: {draws: 6}
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return a function that writes the profile `tiny`, changed, as the only one."""
    monkeypatch.setattr(paths, "PROFILES", tmp_path)

    def write(before: str = "", after: str = "") -> None:
        assert before in TINY
        (tmp_path / "tiny.yml").write_text(TINY.replace(before, after, 1), encoding="utf-8")

    write()
    return write


def test_the_profiles_of_the_design_exist():
    assert {"smoke", "default", "extended", "public", "full"} <= set(PROFILES)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile(name):
    found = config.profile(name)
    assert found.name == name
    assert found.title.startswith(name)
    assert set(found.sections) <= set(MODULES), "a section that has no module cannot be planned"
    run = config.run(name)
    assert run.name == name
    assert run.sections == tuple(sorted(found.sections))
    for section in run.sections:
        assert (paths.NOTEBOOKS / f"{section}.py").exists()


def test_the_default_profile_needs_nothing_but_the_package_index():
    for name in ("smoke", "default"):
        for model in config.profile(name).models:
            assert config.registry.model(model).source.kind in ("wheel", "adapter")


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ("", ["02_misfired_alignment", "04_neutral_mask"]),
        (" ", ["02_misfired_alignment", "04_neutral_mask"]),
        ("02", ["02_misfired_alignment"]),
        ("04,02", ["02_misfired_alignment", "04_neutral_mask"]),
        ("04 02", ["02_misfired_alignment", "04_neutral_mask"]),
        ("04_neutral_mask, 04", ["04_neutral_mask"]),
    ],
)
def test_sections_by_number_and_by_name(tiny, chosen, found):
    assert list(config.run("tiny", chosen).sections) == found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tinny",), "unknown profile 'tinny'; nearest: tiny"),
        (("../tiny",), "unknown profile '../tiny'; nearest: tiny"),
        (("tiny", "2"), "unknown section '2'; nearest: 02"),
        (("tiny", "03"), "unknown section '03'; nearest: 0"),  # exists, but not in this profile
        (("tiny", "02 neutral_mask"), "unknown section 'neutral_mask'; nearest: 04_neutral_mask"),
        (("tiny", "", "smolm2-135m"), "unknown model 'smolm2-135m'; nearest: smollm2-135m"),
        (("tiny", "", "smollm2-135m,qwen"), "unknown model 'qwen'; nearest: qwen3-8b"),
    ],
)
def test_unknown_names_are_answered_with_near_ones(tiny, arguments, message):
    with pytest.raises(ValueGateError) as error:
        config.run(*arguments)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("models", "name", "found"),
    [
        ("", "tiny", ["smollm2-135m-instruct"]),
        ("smollm2-135m-instruct", "tiny", ["smollm2-135m-instruct"]),
        ("smollm2-135m-instruct smollm2-135m-instruct", "tiny", ["smollm2-135m-instruct"]),
        ("qwen3-8b", "tiny+qwen3-8b", ["qwen3-8b"]),
        ("qwen3-8b, smollm2-135m", "tiny+qwen3-8b+smollm2-135m", ["qwen3-8b", "smollm2-135m"]),
    ],
)
def test_a_run_on_other_models_has_a_folder_of_its_own(tiny, models, name, found):
    run = config.run("tiny", models=models)
    assert run.name == name
    assert list(run.models) == found


def test_settings_are_a_sections_own(tiny):
    run = config.run("tiny")
    assert run.settings("02_misfired_alignment") == {"draws": 5}
    assert run.settings("04_neutral_mask") == {"draws": 6}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("04_neutral_mask", "04_neutral", r"^unknown section '04_neutral'; nearest: 04_neutral_"),
        ("budget_tokens: 10", "budget_tokens: 0", r"tiny\.yml:3: budget_tokens: "),
        ("budget_tokens: 10\n", "", r"tiny\.yml:1: budget_tokens: Field required"),
        ("title: Tiny", "title: Tiny\nseed: 3", r"tiny\.yml:3: seed: Extra inputs"),
        ("[smollm2-135m-instruct]", "[]", r"tiny\.yml:4: models: Tuple should have at least 1"),
        ("name: tiny", "name: Tiny Profile", r"tiny\.yml:1: name: String should match"),
        ("{draws: 5}", "{draws: [5]}", r"tiny\.yml:6: sections.02_misfired_alignment.draws"),
    ],
)
def test_a_broken_profile_is_one_line_with_its_place(tiny, before, after, message):
    tiny(before, after)
    with pytest.raises(ValueGateError, match=message) as error:
        config.run("tiny")
    assert "\n" not in str(error.value)


# What a plan costs --------------------------------------------------------------------------------


@pytest.mark.model  # the items are BBQ's
@pytest.mark.parametrize("name", PROFILES)
def test_a_plan_is_within_its_budget(name):
    run = config.run(name)
    planned = plan(run)
    assert {m.section for m in planned} == set(run.sections)
    assert {m.model for m in planned} >= set(run.models)
    # These run nothing forward: the one counts tokens, the other's residuals "fit" has run.
    assert all(m.tokens > 0 for m in planned if m.name not in ("tokens", "latents"))
    assert sum(m.tokens for m in planned) <= run.profile.budget_tokens


def test_the_default_budget_is_the_designs():
    assert config.profile("default").budget_tokens <= 1_200_000
    assert config.profile("smoke").budget_tokens * 6 <= 1_200_000


@pytest.mark.model
def test_the_estimate_is_what_was_counted():
    recorded = results.manifest(paths.RESULTS)
    planned = {m.label: m.tokens for m in plan(config.run("default"))}
    assert planned.keys() == recorded.keys()
    for label, tokens in planned.items():
        # A handful of rows shares no prefixes, and generated text is not counted.
        if tokens > 1000 and "/answers/" not in label:
            assert tokens == pytest.approx(recorded[label]["tokens"], rel=0.15), label


def test_the_sections_are_numbered_by_their_names():
    for number, name in config.SECTIONS.items():
        assert re.fullmatch(rf"{number}_[a-z_]+", name)
