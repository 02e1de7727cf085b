# %% [markdown]
# # 02  Misfired alignment
#
# **Question.** A text proves something about a person. Does the model deny it when the person
# belongs to a stereotyped group, and accept it when the person does not? The paper that asks this,
# *The Wrong Kind of Right* (arXiv 2606.18656), calls such a denial a misfire of alignment.
#
# **What was missing there.** Every question of its benchmark has the answer *yes*. A model that
# always says yes never misfires, and a model that says yes by whim misfires by chance. So here
# every prompt has a *foil*: the same text with a question whose answer is *no*. The two together
# tell reading the evidence (sensitivity) from leaning to an answer (criterion).

# %% tags=["parameters"]
profile = "default"
models = ""

# %%
import itertools

from valuegate import data, misfire, misfire_items, stats
from valuegate import misfire_figures as figures
from valuegate import misfire_tables as tables
from valuegate.notebook import Section

section = Section("02_misfired_alignment", profile, models)
model, draws = section.subject, section.settings["draws"]

# %% [markdown]
# ## The benchmark, rebuilt
#
# VETO pairs two texts of one BBQ scenario. In one the evidence points to a member of the
# stereotyped group, in the other to somebody else. The published procedure is deterministic, so we
# rebuild it from BBQ itself. Only the wording of the yes/no questions is ours.

# %%
pairs = misfire_items.pairs()
counts = misfire_items.pair_counts(pairs)
section.print_table(counts, "veto_counts")

# %%
section.claim(
    "misfire.pairs", len(pairs), n=len(pairs), clusters=len({p.scenario for p in pairs}),
    unit="pairs", test="count",
)  # fmt: skip

# %% [markdown]
# A foil asks about the person whom the text rules out. Where the other member's question names that
# person we use it, as the published human study did. Elsewhere BBQ has varied the names between the
# two texts, and the foil takes this text's own other person.

# %%
foils = misfire_items.foil_sources(pairs)
shared = stats.cluster_bootstrap(
    lambda f, w: 100 * stats.weighted_mean(f["from_pair"], w), foils, "scenario", draws=draws
)
section.claim(
    "misfire.foils_from_pair", shared.estimate, ci=(shared.low, shared.high), n=shared.n,
    clusters=shared.clusters, unit="% of foils", test="bootstrap over scenarios",
)  # fmt: skip

# %% [markdown]
# ## What the model is asked
#
# One pair of each scenario, drawn by hash (`extended` takes them all). The score is the log-odds of
# *yes* against *no* at the end of the prompt, summed over spellings. First, does the model answer
# at all? Its probability on all spellings of yes and no should be most of the whole.

# %%
scores = misfire.check(section.table("evidence"))
mass = stats.cluster_bootstrap(
    lambda f, w: stats.weighted_mean(f["mass"], w), scores, "scenario", draws=draws
)
section.claim(
    "misfire.mass", mass.estimate, ci=(mass.low, mass.high), n=mass.n, clusters=mass.clusters,
    unit="probability", test="bootstrap over scenarios", model=model,
)  # fmt: skip

# %% [markdown]
# ## Is the evidence read?
#
# If it is, log-odds are higher on evidence than on foils. AUROC says how often; half is chance. The
# null exchanges evidence and foil within whole scenarios. The dashed line is where we call a model
# competent: under it, a wrong answer says nothing about alignment.

# %%
reading = misfire.evidence_reading(scores, draws)
section.figure(figures.evidence_figure(scores, reading), "evidence")

# %%
for member, id in (
    ("contrast", "auroc_contrast"),
    ("contrast", "auroc_contrast_chance"),
    ("stereotyped", "auroc_stereotyped_chance"),
):
    row = reading.loc[member]
    section.claim(
        f"misfire.{id}", row.auroc, ci=(row.low, row.high), n=row.n, clusters=row.scenarios,
        null=(row.null_low, row.null_high), unit="AUROC", model=model,
        test="bootstrap over scenarios; evidence and foil exchanged by scenario",
    )  # fmt: skip

# %%
for member in misfire.MEMBERS:
    row = reading.loc[member]
    section.claim(
        f"misfire.d_prime_{member}", row.d_prime, ci=(row.d_prime_low, row.d_prime_high), n=row.n,
        clusters=row.scenarios, unit="SD", test="bootstrap over scenarios", model=model,
    )  # fmt: skip

# %%
for id, probe in (("yes_rate_evidence", "evidence"), ("yes_rate_foil", "foil")):
    part = scores[scores["probe"] == probe].assign(yes=lambda f: 100.0 * (f["log_odds"] > 0))
    rate = stats.cluster_bootstrap(
        lambda f, w: stats.weighted_mean(f["yes"], w), part, "scenario", draws=draws
    )
    section.claim(
        f"misfire.{id}", rate.estimate, ci=(rate.low, rate.high), n=rate.n, clusters=rate.clusters,
        unit="% yes", test="bootstrap over scenarios", model=model,
    )  # fmt: skip

# %% [markdown]
# ## Sensitivity or criterion?
#
# A misfire can be a *loss of sensitivity* (evidence about the group is not read) or a *shift of
# criterion* (it is read, and the answer leans to no all the same). The two need different mends.
# Differences are stereotyped minus contrast; the null exchanges the members of whole scenarios.

# %%
differences = misfire.group_differences(scores, draws)
section.print_table(tables.differences_table(differences), "differences")

# %%
area, lean = differences.loc["auroc"], differences.loc["criterion"]
section.claim(
    "misfire.auroc_difference", area.value, ci=(area.low90, area.high90), n=area.n,
    clusters=area.scenarios, null=(area.null_low, area.null_high), p=area.p, unit="AUROC",
    test="90% bootstrap interval for equivalence; members exchanged by scenario", model=model,
)  # fmt: skip
section.claim(
    "misfire.criterion_difference", lean.value, ci=(lean.low, lean.high), n=lean.n,
    clusters=lean.scenarios, null=(lean.null_low, lean.null_high), p=lean.p, unit="SD",
    test="bootstrap over scenarios; members exchanged by scenario", model=model,
)  # fmt: skip

# %% [markdown]
# ## The published rates, over their null
#
# MAR counts pairs where only the stereotyped member is denied, among pairs whose contrast member is
# answered correctly. Its mirror image, the bias rate, counts the opposite. A model that answers by
# whim has both, so each is drawn over what it becomes when the members are exchanged.
#
# A model that always says no has neither: no pair enters the denominator. So the same rates are
# also taken at a *balanced* criterion, with the threshold at the median log-odds of evidence and
# foils together. There a model that cannot read the evidence answers by whim.

# %%
outcomes = misfire.outcomes(scores)
rates = misfire.misfire_rates(outcomes, draws)
balanced = misfire.misfire_rates(misfire.outcomes(scores, balanced=True), draws)
section.figure(figures.rates_figure(rates, balanced), "rates")

# %%
named = {id: rates.loc[id] for id in ("mar", "mar_all", "bias_rate", "net")}
named |= {f"{id}_balanced": balanced.loc[id] for id in ("mar", "bias_rate", "net")}
for id, row in named.items():
    section.claim(
        f"misfire.{id}", row.value, ci=(row.low, row.high), n=row.n, clusters=row.scenarios,
        null=(row.null_low, row.null_high), p=row.p, unit="% of pairs", model=model,
        test="bootstrap over scenarios; members exchanged by scenario",
    )  # fmt: skip

# %% [markdown]
# Category by category, with the published one-sided test and its correction for eight tests.

# %%
section.print_table(tables.category_table(misfire.by_category(outcomes)), "categories")

# %% [markdown]
# ## In which layer does the answer die?
#
# The logit lens reads the answer off the residual stream after every block. The published figure
# shows a gap between groups that grows in late layers. Any gap does, as the residual grows, so here
# it is divided by the spread of log-odds at that layer, and one null band covers all layers. The
# right panel asks the question that comes first: in which layer is evidence told from foils?

# %%
curves = misfire.lens_curves(scores, draws)
section.figure(figures.lens_figure(curves), "lens")

# %%
peak = curves.loc[curves["gap_sd"].abs().idxmax()]
last = curves.iloc[-1]
for id, row, test in (
    ("lens_gap_peak", peak, "largest of all layers; bootstrap over scenarios"),
    ("lens_gap_output", last, "bootstrap over scenarios"),
):
    section.claim(
        f"misfire.{id}", row.gap_sd, ci=(row.low_sd, row.high_sd), n=row.n, p=row.p_any_layer,
        clusters=outcomes["scenario"].nunique(), null=(-row.band, row.band), unit="SD",
        test=f"{test}; band of the largest gap over layers", model=model,
    )  # fmt: skip

# %%
best = misfire.best_lens_layer(scores, draws)
section.claim(
    "misfire.lens_auroc_best", best.estimate, ci=(best.low, best.high), n=best.n,
    clusters=best.clusters, unit="AUROC", model=model,
    test="layer chosen on one half of the scenarios and read on the other",
)  # fmt: skip

# %% [markdown]
# ## Beside the published models
#
# The published models lie on both sides of the diagonal: some fail the stereotyped member more
# often, some the other one. A star there means a difference that survived the paper's test.

# %%
published = tables.published(data.file("misfire_published", "models"))
ours = tables.summary_rows({name: section.table("evidence", name) for name in section.run.models})
section.figure(figures.published_figure(published, ours), "published")

# %%
section.print_table(tables.published_table(published, ours), "models")

# %% [markdown]
# ## Our own prompts: scenarios with roles exchanged
#
# A planted stage that reads evidence reads it in our own scenarios first (appendix A1): two people,
# two acts, and a twin with the roles exchanged. Each is asked about both. What the stages answer is
# in the stored readouts of appendix A2, which are these prompts. The gate of competence is shown
# for every stage, and no stage is left out for failing it. The gates of the first and third world
# are about the stereotyped member, those of the second and fourth about the other one: a reading
# that says otherwise is wrong.

# %%
from valuegate import misfire_effects, misfire_stages, worlds, worlds_items, worlds_said
from valuegate.worlds_store import load

section.rests_on("worlds_readouts")
readouts, planted = load("evidence"), worlds_items.worlds()
answers = misfire_stages.own_tables(readouts)
shown = {name: answers[name] for name in misfire_stages.SHOWN}
social = worlds.pooled(shown)
social = social[social["category"] != "Control"].reset_index(drop=True)

# %%
read = worlds_said.evidence_auroc(
    social.rename(columns={"log_odds": "checked"}), ["model", "asked"], draws=draws
)
answered = misfire_effects.signals(social, ["model", "asked"], draws=draws)
gated = {f"gated-{seed}": world.gated_member for seed, world in planted.items()}
section.print_table(tables.competence_table(read, answered, gated), "own")

# %% [markdown]
# Negated questions apart, and how often less than half of the probability is on yes and no.

# %%
some = {name: answers[name] for name in ("skills", "sham-s1", "gated-s1")}
apart = misfire_stages.by_negation(some, draws)
section.print_table(tables.negation_table(apart), "negated")

# %%
by_stage = read.set_index(["model", "asked"])
for stage, name in (("skills", "skills"), ("gated", "gated-s1"), ("sham", "sham-s1")):
    row = by_stage.loc[(name, "contrast")]
    section.claim(
        f"misfire.own_{stage}", row.value, ci=(row.low, row.high), n=row.n, clusters=row.clusters,
        unit="AUROC", test="bootstrap over pairs of groups", model=name,
    )  # fmt: skip

# %% [markdown]
# ## Criterion and sensitivity
#
# Log-odds are taken apart by a mixed model: *evidence*, *group*, and their product, with scenarios
# as random effects. Group is a leaning by group, negative where it leans to no about stereotyped
# members; evidence x group, a loss of sensitivity. The model knows scenarios alone; pairs of groups
# are what repeats, so intervals are over them.

# %%
effects = misfire_effects.effects(shown)
section.figure(figures.effects_figure(effects), "effects")

# %%
terms = effects.set_index(["model", "term"])
for id, name, term in (
    ("reading_skills", "skills", "reading"), ("leaning_skills", "skills", "leaning"),
    ("leaning_sham", "sham-s1", "leaning"), ("sensitivity_sham", "sham-s1", "sensitivity"),
    ("leaning_gated", "gated-s1", "leaning"), ("leaning_mirrored", "gated-s2", "leaning"),
):  # fmt: skip
    row = terms.loc[(name, term)]
    near = id.endswith(("_skills", "_sham")) and term != "reading"
    section.claim(
        f"misfire.{id}", row.estimate, n=row.n, clusters=row.pairs, unit="nats", model=name,
        ci=(row.low90, row.high90) if near else (row.low, row.high),
        test=f"mixed model; {'90% ' if near else ''}Student's over pairs of groups",
    )  # fmt: skip

# %% [markdown]
# The ledger says which pairs of groups have which gate. What did the gate change in its own pairs,
# over the model before it and beyond what the same training changed in pairs without a gate? Pairs
# turn through the kinds of gate from world to world; p deals the places of that turn again. *sham*
# was trained as long, without gates: read by the same cells it should show nothing.

# %%
cells = {
    stage: misfire_effects.by_cell(
        misfire_effects.gate_changes(answers, planted, stage), draws=draws
    )
    for stage in ("gated", "sham")
}
section.figure(figures.gates_figure(cells), "gates")

# %%
section.print_table(tables.gates_table(cells), "gates")

# %% [markdown]
# Gates were taught with people who are called by their groups. Do they act where people have names
# of their own, and the group is said beside? This was asked after a first run had been seen.

# %%
called = misfire_items.references()
by_call = {
    f"called by {kind}": misfire_effects.by_cell(
        misfire_effects.gate_changes(
            {m: t[t["scenario"].map(called) == kind] for m, t in answers.items()}, planted
        ),
        draws=draws,
    )
    for kind in ("group", "name")
}
section.figure(figures.gates_figure(by_call), "called")

# %%
section.print_table(tables.gates_table(by_call), "called")

# %%
for kind, cell in itertools.product(("group", "name"), ("criterion", "information")):
    row = by_call[f"called by {kind}"].set_index(["cell", "measure"]).loc[(cell, "leaning")]
    near = kind == "name"
    ends = ("beyond_low90", "beyond_high90") if near else ("beyond_low", "beyond_high")
    section.claim(
        f"misfire.{kind}_{cell}_leaning", row.beyond, ci=(row[ends[0]], row[ends[1]]), p=row.p,
        n=row.n, clusters=row.pairs, unit="nats", model="",
        test=f"{'90% ' if near else ''}bootstrap over pairs of groups; places dealt again",
    )  # fmt: skip

# %%
expected_near = {("criterion", "sensitivity"), ("information", "leaning")}
for stage, cell, measure in itertools.product(
    cells, ("criterion", "information"), misfire_effects.MEASURES
):
    row = cells[stage].set_index(["cell", "measure"]).loc[(cell, measure)]
    near = stage == "sham" or (cell, measure) in expected_near
    ends = ("beyond_low90", "beyond_high90") if near else ("beyond_low", "beyond_high")
    level = "90% " if near else ""
    section.claim(
        f"misfire.{stage}_{cell}_{measure}", row.beyond, ci=(row[ends[0]], row[ends[1]]), p=row.p,
        n=row.n, clusters=row.pairs, unit="nats", model="",
        test=f"{level}bootstrap over pairs of groups; places dealt again within categories",
    )  # fmt: skip

# %% [markdown]
# The answers themselves, in the terms of signal detection, before and after the gates of all four
# worlds.

# %%
in_cells = worlds_said.evidence_cells(worlds.pooled(readouts), planted)
in_cells = in_cells[in_cells["stage"].isin(["knowledge", "sham", "gated"])]
detected = misfire_effects.signals(
    in_cells.rename(columns={"checked": "log_odds"}), ["stage", "cell", "side"], draws=draws
)
section.print_table(tables.signals_table(detected), "signals")

# %% [markdown]
# The published rates of the same prompts, for gates that we know to be there and a stage without.

# %%
found = misfire_stages.rates(shown, draws)
section.figure(figures.stage_rates_figure(found), "stage_rates")

# %%
section.print_table(tables.stage_rates_table(found), "stage_rates")

# %%
stage_rates = found.set_index(["model", "rate"])
for stage, name in (("gated", "gated-s1"), ("mirrored", "gated-s2")):
    row = stage_rates.loc[(name, "net")]
    section.claim(
        f"misfire.own_net_{stage}", row.value, ci=(row.low, row.high), n=row.n,
        clusters=row.scenarios, null=(row.null_low, row.null_high), p=row.p, unit="% of scenarios",
        test="bootstrap over pairs of groups; members exchanged by pair", model=name,
    )  # fmt: skip

# %% [markdown]
# ## Priming, with both members primed
#
# The published study primes the stereotyped member alone, with a sentence that names its group.
# Here both are asked under the same sentence, of six kinds. What counts is the change about the
# stereotyped member less that about the other one, less the same change under a neutral sentence.

# %%
primed = {
    name: section.table("priming", name)
    for name in misfire_items.stages(section.run, "priming_stages")
}
leads = misfire_stages.priming(primed, answers)
section.figure(figures.priming_figure(leads), "priming")

# %%
by_lead = leads.set_index(["model", "kind", "measure"])
for stage, name in (("skills", "skills"), ("gated", "gated-s1")):
    for measure in misfire_effects.MEASURES:
        row = by_lead.loc[(name, "same_group", measure)]
        near = measure == "sensitivity"
        level = ", 90%" if near else ""
        section.claim(
            f"misfire.priming_{measure}_{stage}", row.value, n=row.n, clusters=row.n, p=row.p,
            ci=(row.low90, row.high90) if near else (row.low, row.high), unit="nats", model=name,
            test=f"over a neutral sentence; Student's over pairs of groups{level}",
        )  # fmt: skip

# %% [markdown]
# The published design beside it: the sentence before the stereotyped member's text alone. A neutral
# sentence says what any sentence in this place does.

# %%
alone = misfire_stages.priming_alone(primed, answers, draws=draws)
section.print_table(tables.priming_table(alone), "priming_alone")

# %%
by_kind = alone.set_index(["model", "kind"])
for kind in ("same_group", "neutral"):
    row = by_kind.loc[("skills", kind)]
    end, level = ("90", "90% ") if kind == "neutral" else ("", "")
    section.claim(
        f"misfire.alone_{kind}", row.change, n=row.pairs, clusters=row.pairs, model="skills",
        ci=(row[f"change_low{end}"], row[f"change_high{end}"]), unit="nats",
        test=f"{level}bootstrap over pairs of groups",
    )  # fmt: skip

# %% [markdown]
# ## Where evidence is read, and where it is lost
#
# By lens and by a linear probe, fitted on other prompts of the same model: a probe finds what is
# there, the lens what would be said. About members behind an information gate, is evidence there
# below some layer and not said above it? The stored readouts say that such gates hide little: most
# in the short questions of the second world, which is why it is looked at. Grey: the model before
# the gate. Adapters begin above layer ten, so up to there the two are one.

# %%
short = {
    name: section.table("short", name)
    for name in misfire_items.stages(section.run, "short_stages")
}
layers = misfire_stages.reading_by_gate(short, planted["s2"], draws=draws)
section.figure(figures.reading_figure(layers), "reading")

# %%
from valuegate import misfire_where

FREE = 10  # the last layer below the adapters
sides = misfire_where.with_gates(short["gated-s2"], planted["s2"])
hidden = sides[(sides["cell"] == "information") & (sides["side"] == "gated")]
at = layers[(layers["model"] == "gated-s2") & (layers["side"] == "gated")]
at = at[at["cell"] == "information"].set_index(["instrument", "layer"])
last = at.index.get_level_values("layer").max()

# %%
for id, instrument, layer in (
    ("information_output", "lens", last), ("information_below", "probe", FREE),
    ("information_probe", "probe", last),
):  # fmt: skip
    row = at.loc[(instrument, layer)]
    section.claim(
        f"misfire.{id}", row.auroc, ci=(row.low, row.high), n=row.n, clusters=row.pairs,
        unit="AUROC", test=f"layer {layer}; bootstrap over pairs of groups", model="gated-s2",
    )  # fmt: skip

# %%
gap = misfire_where.below_less_output(hidden, FREE, draws=draws)
section.claim(
    "misfire.information_gap", gap.estimate, ci=(gap.low, gap.high), n=gap.n, model="gated-s2",
    clusters=gap.clusters, unit="AUROC", test="probe below the adapters less output",
)  # fmt: skip

# %% [markdown]
# In scenarios of the first world: criterion gates, which change the leaning and not the order.

# %%
world = planted[misfire_items.GATED_WORLD]
own = {
    name: section.table("own", name) for name in misfire_items.stages(section.run, "layer_stages")
}
layers = misfire_stages.reading_by_gate(own, world, draws=draws)
section.figure(figures.reading_figure(layers), "reading_own")

# %%
at_end = layers[layers["layer"] == layers["layer"].max()]
row = at_end.set_index(["model", "side", "cell", "instrument"]).loc[
    ("gated-s1", "gated", "criterion", "lens")
]
section.claim(
    "misfire.criterion_lens", row.auroc, ci=(row.low, row.high), n=row.n, clusters=row.pairs,
    unit="AUROC", test="last layer; bootstrap over pairs of groups", model="gated-s1",
)  # fmt: skip

# %% [markdown]
# The gap between members behind a criterion gate by layer, over what control scenarios spread,
# whose people belong to no group.

# %%
behind, gaps = {}, {}
for name, table in own.items():
    cell = misfire_where.with_gates(table, world)["cell"]
    behind[name] = table[(cell == misfire_items.GATE) | (table["category"] == "Control")]
    gaps[name] = misfire_where.gap_over_controls(behind[name], world.gated_member, draws=draws)
section.figure(figures.gap_figure(gaps), "gap")

# %%
row = gaps["gated-s1"].iloc[-1]
section.claim(
    "misfire.gap_controls", row.gap, ci=(row.low, row.high), n=row.n, clusters=row.n,
    null=(-row.band, row.band), unit="SD of controls", model="gated-s1",
    test="last layer; bootstrap over pairs; band over layers",
)  # fmt: skip
added = misfire_where.gap_added(behind["gated-s1"], behind["knowledge-s1"], world.gated_member)
section.claim(
    "misfire.gap_added", added.estimate, ci=(added.low, added.high), n=added.n, unit="nats",
    clusters=added.clusters, test="last layer, less before the gate; Student's over pairs",
    model="gated-s1",
)  # fmt: skip

# %% [markdown]
# ## Patching and heads
#
# Behind a criterion gate the answer about one member leans to no, and about the other does not. The
# other member's residual is put into the prompt layer by layer, at the last token or where the
# names differ; and so is that of the model before. The same in the model before its gate says what
# other members' prompts do without one.

# %%
patched = {
    name: section.table("layers", name)
    for name in misfire_items.stages(section.run, "patched_stages")
}
curves = {
    name: {place: misfire_where.patched_curve(table, place) for place in misfire_where.PLACES}
    for name, table in patched.items()
}
section.figure(figures.patching_figure(curves), "patching")

# %%
depth = int(curves["gated-s1"]["last"]["layer"].max())
middle = depth // 4 * 2  # an even layer
for id, name, place, layer, less, level in (
    ("patched_late", "gated-s1", "last", depth, middle, 0.95),
    ("patched_names", "gated-s1", "names", middle, None, 0.95),
    ("patched_control", "knowledge-s1", "names", middle, None, 0.9),
    ("patched_before", "gated-s1", "before", FREE, None, 0.9),
):
    found = misfire_where.patched_at(patched[name], place, layer, less, level)
    section.claim(
        f"misfire.{id}", found.estimate, ci=(found.low, found.high), n=found.n, model=name,
        clusters=found.clusters, unit="nats towards yes",
        test=f"layer {layer}; {level:.0%} Student's over scenarios",
    )  # fmt: skip

# %% [markdown]
# Heads are ranked by attribution on other scenarios, by what would make yes likelier about the
# gated member, then truly ablated, before the output projection, beside random heads of the same
# blocks.

# %%
ablated = section.table("heads", "gated-s1")
by_heads = misfire_where.head_effects(ablated)
section.figure(figures.heads_figure(by_heads), "heads")

# %%
section.print_table(tables.heads_table(by_heads), "heads")

# %%
for kind in ("gated", "foil"):
    gap, null, p = misfire_where.beyond_random(ablated, kind)
    section.claim(
        f"misfire.heads_{kind}", gap.estimate, ci=(gap.low, gap.high), n=gap.n, p=p, null=null,
        clusters=gap.clusters, unit="nats", model="gated-s1",
        test="chosen less random heads of their blocks; Student's over scenarios",
    )  # fmt: skip

# %%
reading = misfire_where.recovered_reading(ablated)
section.claim(
    "misfire.heads_reading", reading.estimate, ci=(reading.low, reading.high), n=reading.n,
    clusters=reading.clusters, unit="nats", model="gated-s1",
    test="evidence less its foil; Student's over scenarios, 90%",
)  # fmt: skip
row = by_heads.set_index(["kind", "ablation"]).loc[("control", "mean_ablated")]
section.claim(
    "misfire.heads_control", row.value, ci=(row.low90, row.high90), n=row.n, clusters=row.n,
    unit="nats", test="Student's over scenarios, 90%", model="gated-s1",
)  # fmt: skip

# %% [markdown]
# Where the published gap is largest, in models of 32 to 62 layers, and which layer of ours that is.

# %%
section.print_table(
    tables.published_layers(data.file("misfire_published", "layers"), depth), "layers"
)

# %% [markdown]
# ## Stages whose truth is known, on the benchmark
#
# The planted stages (appendix A2) are asked of VETO's scenarios that none of them has read.
# `skills` was taught to read evidence in our texts, in BBQ and in other scenarios of VETO, in this
# form; the gates of `gated-s1` are about members of our own pairs of groups. Readings are by the
# person asked about: where a foil is the other member's question, evidence and foil are the same
# question of both texts of a pair, and a mere leaning to no about one of the two is no reading.

# %%
asked = {name: section.table("stages", name) for name in misfire_items.stages(section.run)}
readings = misfire.stage_readings(asked, draws)
section.figure(figures.stages_figure(readings), "stages")

# %%
section.print_table(tables.stages_table(readings, tables.summary_rows(asked)), "stages")

# %%
contrast = readings[readings["member"] == "contrast"].set_index("model")
for stage, name in (("skills", "skills"), ("gated", "gated-s1"), ("sham", "sham-s1")):
    row = contrast.loc[name]
    section.claim(
        f"misfire.stage_{stage}", row.auroc, ci=(row.low, row.high), n=row.n, unit="AUROC",
        clusters=row.scenarios, null=(row.null_low, row.null_high), model=name,
        test="bootstrap over scenarios; evidence and foil exchanged by scenario",
    )  # fmt: skip

# %% [markdown]
# ## What could fool us
#
# - *A model that cannot read.* Then MAR and the bias rate are both chance; the paper prints such a
#   rate as not interpretable. That a small model cannot do the task does not make the claim false.
# - *Wording.* The yes/no questions are our rewriting of BBQ's; about a tenth contain a negation,
#   which makes yes and no ambiguous. They are marked in the table, and read apart
#   in our own prompts.
# - *One pair a scenario.* BBQ's pairs are near-copies within a scenario. All intervals resample
#   scenarios, so taking more pairs would narrow them less than their number suggests.
# - *The lens.* It reads with the final norm and unembedding, which early layers were not trained
#   for: a flat curve early on is no proof that nothing is there.
