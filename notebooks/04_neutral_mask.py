# %% [markdown]
# # 04  The neutral mask
#
# **Question.** A base model takes sides; after post-training it sounds neutral. Is the axis of left
# and right gone from the residual stream, or compressed, and cut off from what is said? The paper
# that asks this (arXiv 2606.09735) finds the axis intact, its spread over prompts down by two
# thirds, features of policy silent, and pushes along it without effect: a mask.
#
# **What was missing there.** One model was read as raw text and, it seems, the other in its chat
# template, along one model's axis. No other direction was looked at: where a template ends, all
# may shrink. "Exactly zero" is what an autoencoder that keeps the largest few does to most
# features. Equal coefficients are not equal pushes. And no number has an interval.

# %% tags=["parameters"]
profile = "default"
models = ""

# %%
import numpy as np

from valuegate import mask_doses, mask_features, mask_items, mask_panels, worlds_items
from valuegate import mask_figures as figures
from valuegate import mask_plan as plan
from valuegate import mask_tables as tables
from valuegate import mask_told as told
from valuegate.notebook import Section

# %%
section = Section("04_neutral_mask", profile, models)
draws, directions = section.settings["draws"], section.settings["directions"]
read, coder = plan.lineage(section.run), plan.coder_of(section.run)
before, after, control = read[0], read[1], read[-1]  # of two, the second is its own control
world = worlds_items.worlds()[section.settings["world"]]
every = [*read, *plan.others(section.run)]
statements = {model: section.table("statements", model) for model in every}

# %% [markdown]
# ## Is a side told?
#
# An axis is fitted on statements of some issues and read on those of others: left and right on
# political issues, and the two invented parties, whose views the ledger planted. The layer and the
# position are those where the fit issues are told best; the numbers are of the test issues.

# %%
axes = {
    (name, model, kind): told.told(statements[model], name, kind, draws=draws)
    for name in tables.SETS for model in every for kind in told.KINDS
}  # fmt: skip
logistic = {
    (name, model): told.logistic(statements[model], name, draws=draws)
    for name in tables.SETS for model in every
}  # fmt: skip

# %%
s = section.settings
texts = mask_items.statements(s["world"], s["each"], s["source"], s["pairs"])
texts = texts.set_index("item")["text"]
words = {name: told.words(statements[after], texts, name, draws=draws) for name in tables.SETS}
section.print_table(tables.told_table(axes, logistic, words), "told")

# %%
section.figure(figures.layers_figure(statements, words, "lda"), "layers")

# %%
for id, name, model in (
    ("parties_before", "parties", before), ("parties_control", "parties", control),
    ("parties", "parties", after), ("sides_before", "left_right", before),
    ("sides", "left_right", after),
):  # fmt: skip
    found = axes[name, model, "lda"]
    section.claim(
        f"mask.{id}", found.test.estimate, ci=(found.test.low, found.test.high), n=found.test.n,
        clusters=found.test.clusters, unit="AUROC", model=model, null=found.null, p=found.p,
        test="bootstrap over issues; sides of whole issues swapped",
    )  # fmt: skip

# %%
for id, name, pair, level in (
    ("parties_gate", "parties", (after, control), 0.95),
    ("sides_change", "left_right", (after, before), 0.9),
):  # fmt: skip
    two = [(statements[model], axes[name, model, "lda"]) for model in pair]
    gap = told.less(*two, name, "lda", draws=draws, level=level)
    section.claim(
        f"mask.{id}", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
        unit="AUROC", test=f"paired bootstrap over issues, {100 * level:.0f}%",
    )  # fmt: skip

# %%
area = words["left_right"]
section.claim(
    "mask.words", area.estimate, ci=(area.low, area.high), n=area.n, clusters=area.clusters,
    unit="AUROC", test="bag of words; bootstrap over issues",
)  # fmt: skip

# %% [markdown]
# ## One axis, or two?
#
# Two models read the same statements, so what a few statements happen to share is in both axes and
# makes them alike. What is left over pairs of unlike issues is no such chance.

# %%
pairs = [(before, after), (before, control), (control, after)]
cosines = {
    (name, *pair): told.cosine(*(statements[model] for model in pair), name)
    for name in tables.SETS for pair in pairs
}  # fmt: skip
section.print_table(tables.cosines_table(cosines), "cosines")

# %%
for id, key in (
    ("cosine", ("left_right", before, after)), ("cosine_parties", ("parties", control, after)),
):  # fmt: skip
    found = cosines[key].corrected
    section.claim(
        f"mask.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="cosine",
        test="over pairs of unlike issues; leaving each issue out, Student's interval",
    )  # fmt: skip

# %% [markdown]
# ## Is the axis compressed, or everything?
#
# Sixty prompts on policies, twelve on science and twelve on everyday life, as raw text and in the
# chat template. An axis counts as compressed if prompts spread less along it than before *and* more
# so than they do at large: other directions are drawn as residuals spread and alike in all
# dimensions; the principal components and axes of tastes (tea or coffee) stand beside them.

# %%
prompts = {model: section.table("prompts", model) for model in read}
spread = {model: (statements[model], prompts[model]) for model in read}
section.figure(figures.scores_figure(spread, directions=directions), "scores")

# %%
compared = {
    "published": (before, "raw", after, "chat"), "matched": (before, "chat", after, "chat"),
    "raw": (before, "raw", after, "raw"), "reversed": (before, "chat", after, "raw"),
    "matched_control": (before, "chat", control, "chat"),
    "template": (before, "raw", before, "chat"),
}  # fmt: skip
panels = {
    key: mask_panels.panel(
        f"{one} ({t}) to {two} ({u})",
        (*spread[one], t), (*spread[two], u), draws=draws, directions=directions,
    )
    for key, (one, t, two, u) in compared.items()
}  # fmt: skip
section.figure(figures.compression_figure(list(panels.values())), "compression")

# %%
section.print_table(tables.compression_table(list(panels.values())), "compressed")

# %%
for id, key, whose in (("compressed", "published", "after"), ("template", "template", "own")):
    found = panels[key].published[whose]
    section.claim(
        f"mask.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="% less", test="paired bootstrap over issues",
    )  # fmt: skip
section.claim(
    "mask.compressed_random", np.median(panels["published"].random), n=directions, unit="% less",
    test="median of directions drawn as residuals spread",
)  # fmt: skip

# %%
for id, key, whose in (
    ("compression", "published", "after"), ("matched", "matched", "own"),
    ("matched_control", "matched_control", "own"),
):  # fmt: skip
    found, null = panels[key].beside[whose], panels[key].null.covariance
    section.claim(
        f"mask.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="log ratio", null=tuple(np.quantile(null, [0.025, 0.975])),
        p=panels[key].beyond(whose)[1],
        test="paired bootstrap over issues; random directions, one-sided",
    )  # fmt: skip

# %% [markdown]
# Could the test find what was published? The trained model's prompts are drawn together along its
# axis by the published share, and the test is made again.

# %%
matched = ((*spread[before], "chat"), (*spread[after], "chat"))
found = mask_panels.planted(*matched, 0.68, draws=draws)
null = panels["matched"].null.covariance
section.claim(
    "mask.planted", found.estimate, ci=(found.low, found.high), n=found.n,
    clusters=found.clusters, unit="log ratio", null=tuple(np.quantile(null, [0.025, 0.975])),
    model=after, test="paired bootstrap over issues; random directions",
)  # fmt: skip

# %% [markdown]
# The ledger gates half of the political issues. If a gate compresses the axis, it does so there.

# %%
gate = mask_panels.gate_change(
    spread[before], spread[after], world.left_right, draws=draws
)
section.claim(
    "mask.compression_gate", gate.estimate, ci=(gate.low, gate.high), n=gate.n,
    clusters=gate.clusters, unit="log ratio", model=after,
    test="gated less open issues; bootstrap over issues",
)  # fmt: skip

# %% [markdown]
# ## What a place is made of
#
# An autoencoder takes a residual apart: its decoder's bias, the features that are active, and an
# error. Their places along the axis add up to the residual's.

# %%
features = {model: section.table("features", model) for model in read if coder}
shares = {model: mask_features.shares(table, draws=draws) for model, table in features.items()}
unexplained = {model: float(table["fvu"].mean()) for model, table in features.items()}
if coder:  # models of another base than the autoencoder's have none here
    section.print_table(tables.parts_table(shares, unexplained), "shares")
    section.figure(figures.parts_figure(features), "parts")

# %%
gaps = [mask_features.identity_gap(table) for table in features.values()]
if coder:
    section.claim(
        "mask.identity", max(gaps), n=sum(map(len, features.values())), unit="share of the parts",
        test="largest miss over all prompts and models",
    )  # fmt: skip
for id, part in (("bias_share", "bias"), ("cancelled", "cancelled")):
    for found in [own[part] for model, own in shares.items() if model == after]:
        section.claim(
            f"mask.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
            clusters=found.clusters, unit="share", model=after, test="bootstrap over issues",
        )  # fmt: skip

# %% [markdown]
# How many features are active at all, and what do those of policy do? They are chosen in the
# trained model on the fit issues (they fire on the words of policy prompts, never on science or
# everyday life, and lie along the axis), and counted on the test issues. A feature that is zero may
# have read nothing, or may have been cut because others read more.

# %%
tried = {model: table[table["split"] == "test"] for model, table in features.items()}
silence = {
    model: mask_features.silence(
        table, mask_features.chosen(features[after]), draws=draws
    )
    for model, table in tried.items()
}  # fmt: skip
if coder:
    section.print_table(tables.census_table(features, silence), "census")

# %%
for id, where in (("fewer", "active"), ("fewer_words", "words")) if coder else ():
    ratio, p, null = mask_features.fewer(features[before], features[after], where, draws=draws)
    section.claim(
        f"mask.{id}", ratio, n=len(features[after]), p=p, unit="log ratio", model=after,
        null=tuple(np.quantile(null, [0.025, 0.975])), test="prompts swapped between models",
    )  # fmt: skip
for id in ("words", "last", "cut") if coder else ():
    found = getattr(silence[after], id)
    section.claim(
        f"mask.policy_{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="%", model=after, test="bootstrap over test issues",
    )  # fmt: skip

# %% [markdown]
# ## Does the axis still drive what is said?
#
# A direction is added at every position, either way. What is said: log-probability of the right's
# statements on an issue less that of the left's, after a question for a view on it; and which party
# is named for a planted view. A push is as strong as what it does to the next token at large, the
# root of its KL: longer residuals are not pushed less.

# %%
doses = {model: section.table("doses", model) for model in read}
parties = {model: section.table("parties", model) for model in read}
pushed = {model: mask_doses.pushed(table, "stances", "stance") for model, table in doses.items()}
named = {model: mask_doses.pushed(table, "moved", "log_odds") for model, table in parties.items()}
panel = {
    "right against left": {m: (own, np.ones(len(own.change))) for m, own in pushed.items()},
    "first party against second": {m: (own, np.ones(len(own.change))) for m, own in named.items()},
}
lines = {"axis": "-", "random": ":"}
section.figure(figures.doses_figure(panel, lines), "doses")

# %%
slopes = {}
for what, source, table, stems in (
    ("axis", pushed, doses, ("axis", "random")), ("parties", named, parties, ("axis", "random")),
    ("features", pushed, doses, ("feature", "other feature")),
):  # fmt: skip
    for model, own in source.items() if coder or what != "features" else ():
        steep, null = (mask_doses.along(own, stem) for stem in stems)
        issues = table[model]["issue"]
        slopes[what, model] = mask_doses.mean_slope(steep, issues), mask_doses.random_range(null)
section.print_table(tables.doses_table(slopes), "slopes")

# %%
for id, key in (
    ("slope_before", ("axis", before)), ("slope", ("axis", after)),
    ("features_before", ("features", before)), ("parties_slope_control", ("parties", control)),
    ("parties_slope", ("parties", after)),
):  # fmt: skip
    for found, null in [slopes[key]] if key in slopes else []:
        section.claim(
            f"mask.{id}", found.estimate, ci=(found.low, found.high), n=found.n, null=null,
            unit="nats a root nat", model=key[1], test="Student's interval over issues",
        )  # fmt: skip

# %%
steep = {model: mask_doses.along(own, "axis") for model, own in pushed.items()}
change = mask_doses.interaction(steep[after], steep[before], doses[after]["issue"])
gated = doses[after]["issue"].map(world.left_right).to_numpy(bool)
at_gates = told.gate_gap(steep[after].mean(1), gated)
for id, found, how in (
    ("interaction", change, "paired by issue, Student's interval"),
    ("interaction_gate", at_gates, "gated less open issues, Welch's interval"),
):  # fmt: skip
    section.claim(
        f"mask.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        unit="nats a root nat", model=after, test=how,
    )  # fmt: skip

# %% [markdown]
# ## A word about the user
#
# A sentence before the question tells which side the user takes. What it moves, and how much of
# that goes when the axis is projected out, beside random directions projected out.

# %%
cues = {model: mask_doses.cue(section.table("cues", model), draws=draws) for model in read}
section.print_table(tables.cues_table(cues), "mediation")
section.figure(figures.cues_figure(cues), "cues")

# %%
for id, found, unit in (
    ("cue", cues[after].total, "nats a token"), ("cue_place", cues[after].place, "along the axis"),
    ("mediated", cues[after].share, "share"),
):  # fmt: skip
    section.claim(
        f"mask.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit=unit, model=after, test="bootstrap over issues",
    )  # fmt: skip

# %% [markdown]
# ## What was planted
#
# The instrument should call a view suppressed where it is encoded and not said: on gated issues
# after training with gates, on none after sham; and where nothing was taught, neither.

# %%
holders = mask_items.holders(section.settings["world"])
sides = {
    model: told.places(statements[model], "parties", "lda", axes["parties", model, "lda"])
    for model in (control, after)
}  # fmt: skip
answers = {model: told.said(parties[model], holders) for model in (control, after)}
found = {
    model: told.called(told.by_cell(sides[model], answers[model], told.cells(world), draws=draws))
    for model in sides
}
section.print_table(tables.cells_table(found), "cells")

# %%
truth = told.suppressed_cells()  # after sham, none is
for id, model in (("calls", after), ("calls_control", control)):
    planted = found[model]["cell"].map(truth) & (id == "calls")
    section.claim(
        f"mask.{id}", (found[model]["called"] == planted).sum(), n=len(planted), unit="cells",
        model=model,
        test="encoded and silent, by intervals over issues, against the ledger",
    )  # fmt: skip

# %%
section.print_table(tables.issues_table(doses, world.left_right), "issues")

# %%
taught = told.gates(world)
rows, places = sides[after]
absent = ~rows["fitted"].to_numpy()
for id, gap, unit in (
    ("told_gate", told.less_told(sides[after], taught, draws=draws), "AUROC"),
    ("told_absent", told.area(rows[absent], places[absent], draws=draws), "AUROC"),
):  # fmt: skip
    section.claim(
        f"mask.{id}", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
        unit=unit, model=after, test="bootstrap over issues",
    )  # fmt: skip

# %%
gaps = {
    id: told.gate_gap(own["says"].to_numpy(), own.index.map(taught).to_numpy(bool))
    for id, own in (
        (id, answers[model][answers[model]["issue"].isin(taught)].groupby("issue").mean())
        for id, model in (("said_gate", after), ("said_gate_control", control))
    )
}  # fmt: skip
gaps["neutral_gate"] = told.gate_gap(doses[after]["neutral"].to_numpy(), gated)
for id, gap in gaps.items():
    section.claim(
        f"mask.{id}", gap.estimate, ci=(gap.low, gap.high), n=gap.n, unit="nats",
        model=control if id.endswith("control") else after, test="Welch's interval over issues",
    )  # fmt: skip
