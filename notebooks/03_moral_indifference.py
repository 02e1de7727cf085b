# %% [markdown]
# # 03  Moral indifference and its repair
#
# **Question.** Do a model's representations keep virtue and vice, and how typical an act is of
# either, apart? The paper that asks this (arXiv 2603.15615) says no by four diagnoses, re-aligns
# features of an autoencoder with people's values, blends its reconstruction into the stream, and
# finds that a judge prefers what is then said.
#
# **What was missing there.** Whether a plain probe tells virtue from vice was not tried. Centres of
# a few items are long by chance; items were scored against centres that they are part of; topics
# and near-copies stood on both sides; what words alone tell was not asked. The repair had no arm
# but itself: no tuning on shuffled values, no noise of the same length, no plain direction.

# %% tags=["parameters"]
profile = "default"
models = ""

# %%
import numpy as np
import pandas as pd

from valuegate import moral_arms, moral_likeness, moral_norms, moral_public, moral_told, stats
from valuegate import moral_figures as figures
from valuegate import moral_geometry as geometry
from valuegate import moral_plan as plan
from valuegate import moral_tables as tables
from valuegate.notebook import Section

# %%
section = Section("03_moral_indifference", profile, models)
draws = section.settings["draws"]
valued, every, repaired = plan.valued(section.run), plan.read(section.run), plan.repair(section.run)
before, after = valued[0], valued[-1]
public = ("social", "stories") if section.settings["source"] == "public" else ()
values = {
    (name, model): section.table(name, model)
    for name in ("words", "actions", *public) for model in valued
}  # fmt: skip
tagged = {key: table for key, table in values.items() if key[0] in ("words", "actions")}
if public:  # what is at hand of Social-Chem-101 is good or okay: not representative, no vices
    section.print_table(moral_public.coverage(), "social_chem")

# %% [markdown]
# ## Can virtue be told from vice?
#
# A ridge probe is fitted within each foundation, on stems or topics that it is not read on. The
# layer is the one where the fit half is told best; the numbers are of the test half. What the layer
# adds is counted over words and letters (TF-IDF), static embeddings, and an untrained model.

# %%
poled = {key: table for key, table in values.items() if key[0] != "social"}  # it holds no vice
alone = {key: moral_told.separated(t, "apart_alone", draws=draws) for key, t in poled.items()}
joint = {key: moral_told.separated(t, "apart", draws=draws) for key, t in poled.items()}
section.print_table(tables.told_table(poled, alone, joint), "poles")

# %%
section.figure(figures.diagnoses_figure(tagged), "diagnoses")

# %%
for id, found, model in (
    ("separable_actions", alone["actions", before].test, before),
    ("separable_words", alone["words", before].test, before),
    ("added_actions", joint["actions", before].more, before),
    ("added_words", joint["words", before].more, before),
):  # fmt: skip
    section.claim(
        f"moral.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="AUROC", model=model, test="bootstrap over topics or stems",
    )  # fmt: skip

# %%
gap = moral_norms.less(
    (values["actions", after], alone["actions", after]),
    (values["actions", before], alone["actions", before]), draws=draws, level=0.9,
)  # fmt: skip
section.claim(
    "moral.separable_actions_after", gap.estimate, ci=(gap.low, gap.high), n=gap.n,
    clusters=gap.clusters, unit="AUROC", test="paired bootstrap over topics, 90%",
)  # fmt: skip
texts = moral_told.bare(values["actions", before], "apart_alone", draws=draws)
section.claim(
    "moral.texts_actions", texts.estimate, ci=(texts.low, texts.high), n=texts.n,
    clusters=texts.clusters, unit="AUROC", test="TF-IDF; bootstrap over topics",
)  # fmt: skip

# %% [markdown]
# ## Verdicts that were planted
#
# Guilds were invented and their verdicts taught; some were then gated. A probe is fitted on some
# norms and read on others: what it tells there is not the act, it is who judges it how.

# %%
norms = {model: section.table("norms", model) for model in every}
planted = {model: moral_norms.planted(table, draws=draws) for model, table in norms.items()}
section.print_table(tables.norms_table(planted), "norms")

# %%
unread = stats.Interval(np.nan, np.nan, np.nan, 0, 0)  # of a stage that this run does not read
stages = {
    "norms_before": before, "norms_knowledge": "knowledge-s1", "norms_control": "sham-s1",
    "norms": after,
}  # fmt: skip
for id, model in stages.items():
    found = planted[model].told.test if model in planted else unread
    section.claim(
        f"moral.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="AUROC", model=model if model in planted else after,
        test="bootstrap over norms",
    )  # fmt: skip

# %%
gaps = {
    "norms_gated": planted[after].gap, "norms_absent": planted[after].absent, "norms_gate": unread,
}  # fmt: skip
if stages["norms_control"] in planted:
    one, other = ((norms[m], planted[m].told) for m in (after, stages["norms_control"]))
    gaps["norms_gate"] = moral_norms.less(one, other, draws=draws)
for id, found in gaps.items():
    section.claim(
        f"moral.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="AUROC", model=after, test="bootstrap over norms",
    )  # fmt: skip

# %% [markdown]
# ## How much of the values is there?
#
# Ten slots an item, a foundation's virtue and its vice, are predicted from a layer; and one number,
# from vice to virtue. The published probe stands beside: it is a linear layer trained by gradient
# steps on residuals as they are, and its test rows share topics with its training rows. It reads
# means of all tokens, as published, and the same means as the ridge.

# %%
kinds = ("slots", "slots_alone", "slots_published", "slots_stepped")
slots = {
    key: {kind: moral_told.dimensions(table, kind, draws=draws) for kind in kinds}
    for key, table in values.items() if "slots" in table
}  # fmt: skip
stored = range(0, moral_told.layers(tagged["words", before]), geometry.SLOT_STEP)
section.print_table(tables.dimensions_table(slots, list(stored)), "dimensions")

# %%
signed = {key: moral_told.valued(t, "signed_alone", draws=draws) for key, t in values.items()}
both = {key: moral_told.valued(t, "signed", draws=draws) for key, t in values.items()}
section.print_table(tables.told_table(values, signed, both), "values")

# %%
section.print_table(tables.raters_table(tagged), "raters")

# %%
own = slots["words", before]
ridge_less = moral_told.probe_gap(tagged["words", before], draws=draws)
for id, found in (
    ("dimensions", own["slots_alone"].test), ("dimensions_added", own["slots"].more),
    ("dimensions_probe", ridge_less), ("value_words", signed["words", before].test),
    ("value_added", both["words", before].more),
):  # fmt: skip
    section.claim(
        f"moral.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="R2", test="bootstrap over stems",
    )  # fmt: skip

# %% [markdown]
# ## Centres, gradients, clusters
#
# The published diagnoses, each as it was made and as it can be made without its fault: means that
# leave out a text's first token, an attention sink; centres' lengths and products from pairs of
# items of unlike topics; nearness to centres of other clusters' items; and clusters against labels
# that are exchanged between topics, whose best layer is taken, too.

# %%
section.print_table(tables.centres_table(tagged), "centres")

# %%
cosines = {
    "centres": ("actions", False), "centres_corrected": ("actions", True),
    "centres_words": ("words", True),
}  # fmt: skip
for id, (name, corrected) in cosines.items():
    table = tagged[name, before]
    at_half = geometry.half_depth(table, published=not corrected)
    found = geometry.centre_cosine(table, at_half, corrected=corrected)
    section.claim(
        f"moral.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="cosine", test="influences, Student's interval",
    )  # fmt: skip

# %%
ways = {"left out": {}, "published": {"published": True}, "polar": {"neutral": False}}
gradients = {
    (*key, way): geometry.best_gradient(table, draws=draws, **how)
    for key, table in tagged.items() for way, how in ways.items()
}  # fmt: skip
section.print_table(tables.gradients_table(tagged, gradients), "gradients")
section.figure(figures.gradients_figure(tagged, before), "nearness")

# %%
place, found = gradients["words", before, "left out"]
itself = geometry.gradient_gap(tagged["words", before], place, draws=draws)
for id, own in (("gradient", found), ("gradient_self", itself)):
    section.claim(
        f"moral.{id}", own.estimate, ci=(own.low, own.high), n=own.n, clusters=own.clusters,
        unit="Spearman", test="bootstrap over stems",
    )  # fmt: skip

# %%
shuffled = max(20, draws // 50)
section.print_table(tables.clusters_table(tagged, draws=shuffled), "clusters")
table = tagged["actions", before]
best = {
    id: geometry.best_agreement(table, method, labels, draws=shuffled)
    for id, method, labels in (
        ("pole", "hdbscan", "pole"), ("foundation", "hdbscan", "foundation"),
        ("kmeans", "kmeans_5", "foundation"),
    )
}  # fmt: skip

# %%
for id in ("pole", "foundation"):
    _, found, null = best[id]
    section.claim(
        f"moral.clusters_{id}", found, n=len(table), unit="adjusted Rand index",
        null=tuple(np.nanquantile(null, [0.025, 0.975])), test="best layer; labels exchanged",
    )  # fmt: skip
gaps = best["kmeans"][2] - best["foundation"][2]
section.claim(
    "moral.clusters_kmeans", best["kmeans"][1] - best["foundation"][1], n=len(table),
    null=tuple(np.nanquantile(gaps, [0.025, 0.975])), unit="adjusted Rand index",
    test="best layers; labels exchanged",
)  # fmt: skip

# %% [markdown]
# ## The repair, and its controls
#
# An autoencoder is tuned so that pools of its latents follow values, and its reconstruction is
# blended into the stream. The arms beside it are autoencoders not tuned, tuned on shuffled values,
# or with latents drawn at random; noise and a plain direction, as long at every position.

# %%
readouts = {model: section.table("readouts", model) for model in repaired}
pools = {model: section.table("pools", model) for model in repaired}
for model, own in readouts.items():
    section.print_table(tables.losses_table(pools[model]), "losses")
    section.print_table(tables.quality_table(own, pools[model], draws=draws), "quality")
    section.print_table(tables.arms_table(own, draws=draws), "arms")

# %%
for own in readouts.values():
    section.figure(figures.arms_figure(own, draws=draws), "readouts")
    section.figure(figures.doses_figure(own, draws=draws), "doses")

# %%
for model, own in pools.items():
    mono = moral_arms.latents(own)[:, 1]
    section.claim(
        "moral.mono", mono[0] - mono[1], n=int(np.sum(own["latents"].iloc[0][:3])),
        unit="% of latents", model=model, test="values as they are, less values shuffled",
    )  # fmt: skip

# %%
for model, own in readouts.items():
    most = moral_arms.strengths(own)[-1]
    found = {
        "fvu_tokens": moral_arms.unexplained(own, 0, draws=draws),
        "fvu_tuned": moral_arms.more_unexplained(own, draws=draws),
        "recovered": moral_arms.recovered(own, f"pretrained {most}", draws=draws),
    }
    for id, value in found.items():
        section.claim(
            f"moral.{id}", value.estimate, ci=(value.low, value.high), n=value.n,
            clusters=value.clusters, unit="share", model=model, test="bootstrap over texts' topics",
        )  # fmt: skip

# %%
for model, own in pools.items():
    for id, against in (("typicality", ""), ("typicality_shuffled", "shuffled")):
        value = moral_arms.typicality_change(own, "tuned", against, draws=draws)
        section.claim(
            f"moral.{id}", value.estimate, ci=(value.low, value.high), n=value.n,
            clusters=value.clusters, unit="Spearman", model=model, test="bootstrap over topics",
        )  # fmt: skip

# %%
compared = {
    "verdict": ("verdict", "tuned", ""), "verdict_pretrained": ("verdict", "tuned", "pretrained"),
    "verdict_shuffled": ("verdict", "tuned", "shuffled"),
    "verdict_direction": ("verdict", "direction", "tuned"), "choice": ("choice", "tuned", ""),
    "norm_verdict": ("norm", "tuned", ""), "cost_text": ("text", "tuned", ""),
    "cost_request": ("request", "tuned", ""),
}  # fmt: skip

# %%
for model, own in readouts.items():
    most = moral_arms.strengths(own)[-1]
    for id, (readout, arm, against) in compared.items():
        other = f"{against} {most}" if against else "plain"
        value = moral_arms.effect(own, readout, f"{arm} {most}", other, draws=draws)
        section.claim(
            f"moral.{id}", value.estimate, ci=(value.low, value.high), n=value.n,
            clusters=value.clusters, unit="nats", model=model, test="paired bootstrap",
        )  # fmt: skip

# %% [markdown]
# **An option, off in the profiles that ship.** Representations themselves can be trained to follow
# values, by triplets (arXiv 2609.04022): set `triplets` to a number of steps. What is compared is
# how far likeness in the stream follows likeness in value, on actions that were not trained on.

# %%
if section.settings["triplets"]:
    for model in repaired:
        own = section.table("triplets", model)
        likeness = {name: moral_likeness.similarity(own, name) for name in moral_likeness.WHEN}
        section.print_table(pd.DataFrame([{"model": model, **likeness}]), "triplets")
