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
# ## Stages whose truth is known
#
# The planted stages (appendix A2) are asked of VETO's scenarios that none of them has read.
# `skills` was taught to read evidence in our texts, in BBQ and in other scenarios of VETO, in this
# form; the gates of `gated-s1` are about members of our own pairs of groups. Readings are by the
# person asked about: where a foil is the other member's question, evidence and foil are the same
# question of both texts of a pair, and a mere leaning to no about one of the two is no reading.

# %%
names = misfire_items.stages(section.run)
asked = {name: section.table("stages", name) for name in names}
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
#   which makes yes and no ambiguous. They are marked in the table and will be analysed apart.
# - *One pair a scenario.* BBQ's pairs are near-copies within a scenario. All intervals resample
#   scenarios, so taking more pairs would narrow them less than their number suggests.
# - *The lens.* It reads with the final norm and unembedding, which early layers were not trained
#   for: a flat curve early on is no proof that nothing is there.
