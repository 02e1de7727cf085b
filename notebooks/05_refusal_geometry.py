# %% [markdown]
# # 05  Refusal geometry
#
# **Question.** Models refuse for many reasons: harm, missing facts, false premises, being no
# person. Is each kind of refusal a direction of its own, and do these directions steer differently?
# The paper that asks this (arXiv 2602.02132) finds eleven directions that differ, and one knob:
# whichever is added, refusal and over-refusal rise together, in different words.
#
# **What was missing there.** Ten of its eleven directions subtract the same harmless prompts, which
# makes them alike. Its trade-offs are read at fixed strengths, without intervals. How a model
# refuses along a direction is shown by one example each. And lists of latents have a fixed length,
# which what scores nothing may fill.

# %% tags=["parameters"]
profile = "default"
models = ""

# %%
import numpy as np
import pandas as pd

from valuegate import data, refusal_curves, refusal_geometry, refusal_items, refusal_tells, stats
from valuegate import refusal_figures as figures
from valuegate import refusal_plan as plan
from valuegate import refusal_said as said
from valuegate import refusal_tables as tables
from valuegate.notebook import Section

# %%
section = Section("05_refusal_geometry", profile, models)
draws, permutations = section.settings["draws"], section.settings["permutations"]
kinds = refusal_items.kinds(section.settings["requests"])
steer = plan.steered(section.run)[0]

# %% [markdown]
# ## Who refuses what
#
# A request counts as refused if the first tokens of the bank's refusals are likelier than those of
# its plain answers. By kind, on requests that nothing was fitted on: what is to be refused, and
# look-alikes that are to be answered.

# %%
asked = plan.asked(section.run)
test = {model: section.table("test", model) for model in asked}
section.print_table(tables.rates_table(test, draws=draws), "rates")

# %% [markdown]
# The first-token form beside the whole bank of openings, of all styles.

# %%
bank = section.table("bank", steer)
agrees = refusal_tells.agreement(bank["refusing"], bank["bank"], bank["unit"], draws=draws)
section.claim(
    "refusal.bank_agrees", agrees.estimate, ci=(agrees.low, agrees.high), n=agrees.n,
    clusters=agrees.clusters, unit="rank correlation", model=steer,
    test="bootstrap over requests",
)  # fmt: skip

# %% [markdown]
# ## Which layer, which position
#
# As Arditi et al. choose them: of directions that induce refusals of everyday requests and, taken
# out, leave these alone, the one that bypasses refusal best. Where none does, the one that comes
# nearest to inducing them.

# %%
selected = refusal_tells.selection(section.table("select", steer))
section.figure(figures.select_figure(selected), "select")

# %%
table, chosen = section.table("curves", steer), selected[selected["chosen"]].iloc[0]
used = (table["layer"].iloc[0], section.settings["position"])
section.claim(
    "refusal.layer", chosen["layer"] - used[0] if chosen["position"] == used[1] else np.nan,
    n=len(selected), unit="layers", model=steer, test="chosen less used, at the same position",
)  # fmt: skip
section.claim(
    "refusal.admitted", selected["admitted"].sum(), n=len(selected), unit="layers and positions",
    model=steer, test="induce above 0, KL below .1",
)  # fmt: skip

# %% [markdown]
# ## One direction a kind
#
# A direction is the difference of mean residuals between requests to refuse and others: everyday
# requests, the same for every kind, as published; or each kind's own look-alikes. No two can be
# more alike than each is with itself, fitted on one half of its requests and on the other.

# %%
fit = {model: section.table("fit", model) for model in asked}
by_kind = {
    model: refusal_geometry.by_kind(table, np.stack(table["residual"].to_list()), kinds)
    for model, table in fit.items()
}
for own, _ in by_kind.values():
    refusal_geometry.check(own)
refusal_items.left_out(section.settings["requests"])  # kinds and roles with too few requests

# %%
means = {
    model: refusal_geometry.mean_cosines(own, plain, draws=draws)
    for model, (own, plain) in by_kind.items()
}
halves = {
    model: refusal_geometry.halves(own, plain, "everyday", draws=100)
    for model, (own, plain) in by_kind.items()
}
ceilings = {model: refusal_geometry.ceilings(found) for model, found in halves.items()}
ranks = {model: refusal_geometry.effective_rank(found) for model, found in halves.items()}

# %%
corrected = {
    model: refusal_geometry.corrected(
        refusal_geometry.cosines(refusal_geometry.directions(own, plain, "everyday")),
        ceilings[model],
    )
    for model, (own, plain) in by_kind.items()
}
section.print_table(tables.geometry_table(means, ceilings, ranks, corrected), "geometry")

# %%
own, plain = by_kind[steer]
panels, tops = {}, {}
for against, name in (("everyday", "less everyday"), ("lookalikes", "less look-alikes")):
    panels[name] = refusal_geometry.cosines(refusal_geometry.directions(own, plain, against))
    halved = refusal_geometry.halves(own, plain, against, draws=100)
    tops[name] = refusal_geometry.ceilings(halved)
section.figure(figures.cosines_figure(panels, tops, kinds), "cosines")

# %%
for id, key in (("cosine", "everyday"), ("cosine_change", "difference")):
    mean = means[steer][key]
    section.claim(
        f"refusal.{id}", mean.estimate, ci=(mean.low, mean.high), n=mean.n, clusters=mean.clusters,
        unit="cosine", model=steer, test="bootstrap over requests within kinds",
    )  # fmt: skip
section.claim(
    "refusal.ceiling", ceilings[steer].mean(), n=means[steer]["everyday"].n, unit="cosine",
    model=steer, test="mean over kinds; halves of the requests, a hundred times",
)  # fmt: skip
section.claim(
    "refusal.rank", ranks[steer], n=means[steer]["everyday"].n, unit="directions", model=steer,
    test="participation ratio of the cross-covariance of halves",
)  # fmt: skip

# %% [markdown]
# Is that what refusing makes of them? The same in the run's own model, before any training of ours;
# by layer and position; and with directions taken by what the model does, not by labels.

# %%
before = means[section.run.models[0]]["everyday"]
section.claim(
    "refusal.cosine_start", before.estimate, ci=(before.low, before.high), n=before.n,
    clusters=before.clusters, unit="cosine", model=section.run.models[0],
    test="bootstrap over requests within kinds",
)  # fmt: skip
layers = {model: section.table("layers", model) for model in asked}
section.figure(figures.layers_figure(layers), "layers")

# %%
stream = np.stack(fit[steer]["residual"].to_list())
behaved = refusal_tells.behaviour(fit[steer], stream, kinds)
alike = refusal_tells.mean_cosine(behaved)
section.claim(
    "refusal.behaviour", alike.estimate, ci=(alike.low, alike.high), n=alike.n,
    clusters=alike.clusters, unit="cosine", model=steer, test="Student's interval over kinds",
)  # fmt: skip
section.print_table(tables.behaviour_table(behaved), "behaviour")

# %% [markdown]
# Centring directions on their mean turns them against one another, by -1 / (kinds - 1) on average
# whatever they are. How far pairs differ from each other is no matter of construction, and has a
# null: the same with the kinds of requests dealt anew.

# %%
null = refusal_geometry.cosine_null(own, plain, "everyday", draws=permutations)
whole = refusal_geometry.directions(own, plain, "everyday")
spread, band, p = refusal_geometry.beyond_null(whole, null)
section.claim(
    "refusal.spread", spread - null[:, *np.triu_indices(len(kinds), 1)].std(axis=1).mean(),
    n=means[steer]["everyday"].n, p=p, unit="SD of cosines", model=steer,
    test="centred, less the mean with kinds dealt anew",
)  # fmt: skip

# %% [markdown]
# What does a direction tell? Each is tried on other requests: those of its own kind and of others.

# %%
tried, _ = refusal_geometry.by_kind(
    test[steer], np.stack(test[steer]["residual"].to_list()), kinds
)
moved = refusal_tells.transfer(whole, tried, draws=draws)
section.print_table(tables.transfer_table(moved), "transfer")

# %%
others = moved[moved["direction"] != moved["kind"]]
rates = others.groupby("kind")["value"].mean()
transfer = stats.student_mean(rates)
section.claim(
    "refusal.transfer", transfer.estimate, ci=(transfer.low, transfer.high), n=len(others),
    clusters=transfer.clusters, unit="AUROC", model=steer,
    test="directions of other kinds; Student's interval over kinds of requests",
)  # fmt: skip

# %% [markdown]
# ## One knob?
#
# Every direction is added to the residual at every position, as strong as a share of the residual's
# mean length. Refusal of what is to be refused is drawn against refusal of what is to be answered.
# Directions are compared where refusal reaches nine in ten; the band is as wide as the margin
# within which we would call them equal.

# %%
steered = refusal_curves.steered(table)
section.figure(figures.curves_figure(steered, kinds), "curves")

# %%
knob = refusal_curves.knob(steered, kinds, draws=draws)
section.print_table(tables.knob_table(knob), "knob")

# %%
section.claim(
    "refusal.reached", np.isfinite(knob.table["cost"][: len(kinds)]).sum(), n=len(kinds),
    unit="directions", model=steer, test="of the kinds, refusal .90 at any strength",
)  # fmt: skip
section.claim(
    "refusal.widest", knob.widest.estimate, ci=(knob.widest.low, knob.widest.high),
    n=knob.widest.n, clusters=knob.widest.clusters, unit="over-refusal", model=steer,
    null=(0.0, knob.null_high), test=f"{' and '.join(knob.pair)}; paired bootstrap over requests",
)  # fmt: skip
section.claim(
    "refusal.power", knob.power, n=knob.widest.n, unit="share of draws", model=steer,
    test="draws centred on no difference whose intervals all lie within the margin",
)  # fmt: skip

# %% [markdown]
# Random directions inside the span of the kinds and at right angles to it; and the pooled direction
# added only where a probe of the input calls for it.

# %%
for stem in ("outside", "inside"):
    highest = refusal_curves.reach(steered, stem, draws=draws)
    section.claim(
        f"refusal.{stem}", highest.estimate, ci=(highest.low, highest.high), n=highest.n,
        clusters=highest.clusters, unit="% refused", model=steer,
        test="highest at any strength; bootstrap over requests",
    )  # fmt: skip

# %%
gains = refusal_curves.gate_gain(steered, table["gate"].to_numpy(), "pooled", draws=draws)
for id, gain, unit in (
    ("gated", gains.cost, "over-refusal"), ("gated_area", gains.area, "mean refusal"),
):  # fmt: skip
    section.claim(
        f"refusal.{id}", gain.estimate, ci=(gain.low, gain.high), n=gain.n, unit=unit,
        clusters=gain.clusters, model=steer, test="less without the gate; paired bootstrap",
    )  # fmt: skip

# %% [markdown]
# Where a profile says so, the run's own models are steered, too, at the same share of their depth.

# %%
for model in plan.steered(section.run)[1:]:
    own_table = section.table("curves", model)
    costs = refusal_curves.knob(refusal_curves.steered(own_table), kinds, draws=draws)
    section.print_table(tables.knob_table(costs), f"knob_{model}")

# %% [markdown]
# ## Taken out
#
# Projected out at one layer, and at every layer; of the kinds that the ledger gates. And one kind's
# direction projected out where another's is added.

# %%
from valuegate import worlds_items

world = worlds_items.worlds()[steer.rpartition("-")[2]]
ablated = section.table("ablated", steer)
gated = ablated[ablated["kind"].map(world.requests)].reset_index(drop=True)
for id, how in (("ablated_all", "every"), ("ablated_one", "single")):
    change = refusal_tells.taken_out(gated, "pooled", how, draws=draws)
    section.claim(
        f"refusal.{id}", change.estimate, ci=(change.low, change.high), n=change.n,
        clusters=change.clusters, unit="points", model=steer, test="bootstrap over requests",
    )  # fmt: skip

# %%
crossed = refusal_tells.crossed(ablated, draws=draws)
section.claim(
    "refusal.crossed", crossed.estimate, ci=(crossed.low, crossed.high), n=crossed.n,
    clusters=crossed.clusters, unit="%", model=steer, test="90% bootstrap over requests",
)  # fmt: skip

# %% [markdown]
# ## How it refuses
#
# Requests to refuse, answered along every direction at the strength that brings refusal to nine in
# ten. The style is told by rules from the first words. Directions are permuted within requests, so
# that what a request itself asks for is no part of the association.

# %%
answers = said.said(table, kinds)
bent = answers[answers["direction"] != "none"].reset_index(drop=True)
section.figure(figures.styles_figure(said.counts(answers)), "styles")

# %%
told = said.association(bent, permutations=permutations)
section.claim(
    "refusal.style", told["v"], n=told["n"], null=(0.0, told["null_high"]), p=told["p"],
    unit="Cramer's V", model=steer, test="directions permuted within requests",
)  # fmt: skip
found = said.recovered(bent, permutations=min(permutations, 200))
section.claim(
    "refusal.recovered", found["rate"], n=found["n"], null=(0.0, found["null_high"]),
    p=found["p"], unit="% right", model=steer, test="requests held out; permuted within requests",
)  # fmt: skip

# %% [markdown]
# Is a first-token score a refusal? Two language-model readers, who knew neither a request's kind
# nor a direction, said of a part of these answers whether they refuse. And the whole bank of
# openings, along the pooled direction.

# %%
section.rests_on("refusal_labels")
labelled = said.beside_labels(answers, pd.read_csv(data.file("refusal_labels", "labels")))
same, score = said.readers_agree(labelled, draws=draws), said.told(labelled, draws=draws)
for id, found, unit in (("readers", same, "kappa"), ("score_auroc", score, "AUROC")):
    section.claim(
        f"refusal.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit=unit, model=steer, test="bootstrap over requests",
    )  # fmt: skip

# %%
refuse = table[table["role"] == "refuse"]
first = refuse["scored"].str[-1]
agrees = refusal_tells.agreement(first, refuse["bank"], refuse["unit"], draws=draws)
section.claim(
    "refusal.bank_steered", agrees.estimate, ci=(agrees.low, agrees.high), n=agrees.n,
    clusters=agrees.clusters, unit="rank correlation", model=steer, test="bootstrap over requests",
)  # fmt: skip

# %% [markdown]
# Gated kinds were taught to refuse in a style of their own. Does a kind's direction bring it?

# %%
styles = {kind: world.styles[kind] for kind in kinds if world.requests[kind]}
planted, shares = said.planted_styles(bent, styles, draws=draws)
section.claim(
    "refusal.planted_style", planted.estimate, ci=(planted.low, planted.high), n=planted.n,
    clusters=planted.clusters, unit="points", model=steer,
    test="own style, own direction less others; bootstrap over requests",
)  # fmt: skip
shares.round(0)

# %% [markdown]
# Are they still sentences? Loss in the model that is not steered, and repetition.

# %%
coherence = said.coherence(answers[answers["role"] == "refuse"], draws=draws)
section.print_table(tables.coherence_table(coherence), "coherence")

# %%
gap = said.loss_gap(answers[answers["role"] == "refuse"], draws=draws)
section.claim(
    "refusal.loss", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
    unit="nats a token", model=steer, test="pooled less unsteered; paired bootstrap over requests",
)  # fmt: skip
looped = said.loops(bent, draws=draws)
section.claim(
    "refusal.loops", looped.estimate, ci=(looped.low, looped.high), n=looped.n,
    clusters=looped.clusters, unit="%", model=steer, test="bootstrap over requests",
)  # fmt: skip

# %% [markdown]
# ## Latents
#
# Latents of the shared autoencoder that fire more on requests to refuse, by Fisher's exact test
# with a false discovery rate in each kind; and how many kinds they are found in, with labels
# permuted. Against everyday requests, the same for all kinds, as published; and against each kind's
# own look-alikes. Then the published lists, as long for every kind, with ties broken by number and
# at random.

# %%
from valuegate import refusal_latents

active = section.table("latents", steer)
on = refusal_latents.fires(active["active"], int(active["latents"].iloc[0]))
refuse = (active["role"] == "refuse").to_numpy()
of_kind = {kind: (active["kind"] == kind).to_numpy() for kind in kinds}
everyday = (active["kind"] == refusal_items.EVERYDAY).to_numpy()
against = {
    "everyday requests": {k: (rows & refuse) | everyday for k, rows in of_kind.items()},
    "look-alikes": {k: rows for k, rows in of_kind.items() if (rows & ~refuse).any()},
}

# %%
shared = {
    name: refusal_latents.shared(
        {kind: (on[rows], refuse[rows]) for kind, rows in chosen.items()}, draws=permutations
    )
    for name, chosen in against.items()
}
section.figure(figures.latents_figure(shared), "latents")

# %%
published = against["everyday requests"].values()
gaps = np.stack([refusal_latents.rate_gaps(on[rows], refuse[rows]) for rows in published])
length = on.shape[1] // 16  # the published lists hold a sixteenth of the latents
lists = {
    "ties by number": refusal_latents.top_lists(gaps, length),
    "ties at random": refusal_latents.top_lists(gaps, length, np.random.default_rng(0)),
}
overlaps = {name: refusal_latents.overlap(own) for name, own in lists.items()}
section.print_table(tables.overlap_table(overlaps, length), "overlap")

# %%
own = shared["look-alikes"].counts
for id, count, test in (
    ("latents_any", own[1:].sum(), "found in any kind, against look-alikes"),
    ("latents_core", own[-1], "found in all kinds, against look-alikes"),
    ("latents_everyday", shared["everyday requests"].counts[-1], "in all kinds, against everyday"),
):
    section.claim(f"refusal.{id}", count, n=on.shape[1], unit="latents", model=steer, test=test)

# %%
section.claim(
    "refusal.latents_ties", 100 * overlaps["ties by number"]["pair"] / length, n=on.shape[1],
    unit="% of a list", model=steer, test="two lists, mean of all pairs",
)  # fmt: skip
section.claim(
    "refusal.latents_random", 100 * overlaps["ties at random"]["pair"] / length, n=on.shape[1],
    unit="% of a list", model=steer, test="two lists, mean of all pairs",
)  # fmt: skip

# %% [markdown]
# The published lists hold a thousand of sixteen thousand latents. If a hundred score in a kind, and
# a third of these in every kind, what do eleven such lists share?

# %%
simulated = [
    refusal_latents.filled(
        latents=16384, kinds=11, scored=100, common=33, length=1000, rng=np.random.default_rng(n)
    )
    for n in range(20)
]
shares = [made["pair"] / 10 for made in simulated]  # percent of a thousand
section.claim(
    "refusal.filled", np.mean(shares), ci=(np.min(shares), np.max(shares)), n=len(shares),
    unit="% of a list", test="mean and range of draws",
)  # fmt: skip
section.print_table(tables.overlap_table({"simulated": simulated[0]}, 1000), "filled")

# %% [markdown]
# ## What could fool us
#
# - *One rule for a layer.* Another layer, or another position, has other directions.
# - *First tokens.* A refusal is told by what is likelier first, over thirty requests a side.
# - *One world.* Directions are steered in one gated stage; four worlds were planted.
# - *Our kinds.* Requests and look-alikes are ours, named after the published splits.
# - *Loud directions.* What is added moves everything else, too; losses stand beside the styles.
