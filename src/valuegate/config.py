"""Profiles and runs: how much is measured, of which sections, on which models.

Knows names and numbers; what a section does with its settings is the section's business.
"""

from __future__ import annotations

from pydantic import Field

from valuegate import paths, registry
from valuegate.errors import unknown
from valuegate.schema import Strict, read_yaml

SECTIONS = {
    "01": "01_alignment_veto",
    "02": "02_misfired_alignment",
    "03": "03_moral_indifference",
    "04": "04_neutral_mask",
    "05": "05_refusal_geometry",
    "06": "06_calibration",
    "07": "07_one_gate",
    "A1": "A1_items",
    "A2": "A2_worlds",
}


class Profile(Strict):
    """How much is measured: which sections, which models, how many items of each."""

    name: str = Field(pattern=r"^[a-z_]+$")
    title: str
    budget_tokens: int = Field(gt=0, description="most forward tokens that the plan may cost")
    models: tuple[str, ...] = Field(min_length=1)
    sections: dict[str, dict[str, int | float | str | bool | None]]


class Run(Strict):
    """One run of a profile: chosen sections and models, and the folder that it writes under.

    With other models than the profile's the run has a folder of its own, so that it never mixes
    with the run that is published.
    """

    profile: Profile
    sections: tuple[str, ...]
    models: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the folder name under `build/`."""
        if self.models == self.profile.models:
            return self.profile.name
        return f"{self.profile.name}+{'+'.join(self.models)}"

    def settings(self, section: str) -> dict[str, int | float | str | bool | None]:
        """Return the profile's settings of a section."""
        return self.profile.sections[section]


def run(profile_name: str, chosen: str = "", models: str = "") -> Run:
    """Return the run that the command line or a notebook asks for; checks every name.

    Args:
        profile_name: a file of `notebooks/profiles/`.
        chosen: sections ("02,05"), all when empty.
        models: registered models, the profile's when empty.
    """
    found = profile(profile_name)
    names = tuple(dict.fromkeys(models.replace(",", " ").split())) or found.models
    for name in names:
        registry.model(name)
    return Run(profile=found, sections=tuple(sections(chosen, found)), models=names)


def profile(name: str) -> Profile:
    """Return the profile stored as `notebooks/profiles/<name>.yml`."""
    known = [path.stem for path in paths.PROFILES.glob("*.yml")]
    if name not in known:
        raise unknown("profile", name, known)
    found = read_yaml(paths.PROFILES / f"{name}.yml", Profile)
    for section in found.sections:
        if section not in SECTIONS.values():
            raise unknown("section", section, SECTIONS.values())
    return found


def sections(chosen: str, within: Profile) -> list[str]:
    """Return the full names of the sections in `chosen` ("02,05" or full names; "" is all)."""
    if not chosen.strip():
        return sorted(within.sections)
    names = []
    for part in chosen.replace(",", " ").split():
        name = SECTIONS.get(part, part)
        if name not in within.sections:
            raise unknown("section", part, [*within.sections, *(s[:2] for s in within.sections)])
        names.append(name)
    return sorted(set(names))
