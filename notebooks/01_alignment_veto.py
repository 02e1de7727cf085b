# %% [markdown]
# # 01  The alignment veto
#
# **Question.** A model is asked what people of a country think, and its answer is scored by how
# near it comes to their own. The paper that does so for sixteen countries (arXiv 2510.13154) reads
# high scores as knowledge, low ones as its suppression, and differences between countries as
# inequity. What does an answer score that knows nothing?
#
# **What was missing there.** Nulls. Survey means lie towards the middle of their scales, so that
# the middle itself scores well. Countries resemble one another, so that one may be guessed from the
# others. And no question was asked in all sixteen countries, so that countries are compared on
# different questions.
#
# The first part runs no model. Its authors published the scores of three models of about eight
# billion parameters, cell by cell, and we set every null beside them on exactly the same cells. The
# second part asks the planted stages, of which we know what they know and what they hide.

# %% tags=["parameters"]
profile = "default"
models = ""

# %%
from valuegate import items, stats, survey_scores
from valuegate import veto_countries as countries
from valuegate import veto_divergence as divergence
from valuegate import veto_figures as figures
from valuegate import veto_inside_figures as inside_figures
from valuegate import veto_inside_tables as inside_tables
from valuegate import veto_planted_tables as planted_tables
from valuegate import veto_scores as veto
from valuegate import veto_tables as tables
from valuegate.items_facts import CELL_FAULTS
from valuegate.notebook import Section

# %%
section = Section("01_alignment_veto", profile, models)
draws, permutations = section.settings["draws"], section.settings["permutations"]
section.rests_on("survey_answers")
section.rests_on("survey_scores")

# %% [markdown]
# ## Which row is which question
#
# The files hold 879 numbered rows for 864 questions and no word of the questions. Fourteen rows are
# empty and one holds averages; are the others in the order of the benchmark's columns? A score is
# 100 (1 - |answer - people's mean| / range of the scale), and answers are whole numbers, so the
# right match can be known by its content: under it every score leads back to a whole answer.

# %%
columns, shares = items.load("survey_answers", "columns"), items.load("survey_answers", "shares")
cells = veto.benchmark(columns, items.load("survey_answers", "cells"), shares)
scores = survey_scores.load("scores")
section.print_table(tables.matching_table(scores, cells), "matching")

# %% [markdown]
# The faults of the files, by rule. An empty cell is one that the authors left empty. Whether the
# model refused there, or gave no number, or was not asked, the files do not say.

# %%
section.print_table(tables.fault_table(survey_scores.load("faults")), "score_faults")

# %% [markdown]
# What can be scored is a question with an order, asked in two countries or more, whose human mean
# lies on its scale. Nominal questions are left out: a distance between their codes means nothing,
# and the published "mean" of one is its most frequent code.

# %%
veto.exclusions(cells)

# %% [markdown]
# ## Scores beside what knows nothing
#
# The middle of the scale knows neither country nor question, but is no answer that can be given on
# most scales; the whole answers next to it are. The other countries' mean, rounded to a whole
# answer, knows the question but not the country. A random compatriot is a person of the country
# itself. Intervals are bootstrapped over questions.

# %%
table = veto.scored(cells, scores)
against = veto.against_nulls(table, cells, draws)
section.figure(figures.nulls_figure(against), "nulls")

# %%
section.print_table(tables.nulls_table(against), "published_nulls")

# %%
section.print_table(tables.beyond_table(against), "published_beyond")

# %% [markdown]
# The best file is Llama's as a persona, answering at once. It is above the whole answers next to
# the middle, and below the middle and the neighbours. Files that are nearly complete can be read
# as they are; a file that fills a quarter of the cells has chosen which.

# %%
best = against[against["file"] == "llama_persona_zero_shot"].set_index("null")
for id, null in (
    ("best_over_middle", "midpoint"),
    ("best_over_whole_middle", "middle_whole"),
    ("best_over_neighbours", "others_whole"),
):
    row = best.loc[null]
    section.claim(
        f"veto.{id}", row["beyond"], ci=(row["beyond_low"], row["beyond_high"]), n=row["n"],
        clusters=row["questions"], unit="points", test="same cells; bootstrap over questions",
    )  # fmt: skip

# %%
over = against[against["beyond_low"] > 0].groupby("null")["file"].nunique()
for id, null in (("files_over_middle", "midpoint"), ("files_over_whole_middle", "middle_whole")):
    section.claim(
        f"veto.{id}", over.get(null, 0), n=against["file"].nunique(), unit="files",
        test="count of files whose interval is above the null",
    )  # fmt: skip

# %% [markdown]
# A part of the cells breaks a rule of the survey tables (Appendix A1). Without them:

# %%
faults = items.load("survey_answers", "faults")
sound = veto.without(table[table["file"] == "llama_persona_zero_shot"], faults, CELL_FAULTS)
gap = stats.cluster_mean(sound["score"] - sound["midpoint"], sound["question"], draws=draws)
section.claim(
    "veto.sound_over_middle", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
    unit="points", test="cells without a fault; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# By tier. The authors' list of sensitive questions is not public; ours follows the topics that they
# name, 25 questions against their 29.

# %%
by_tier = table.sort_values("tier", kind="stable")
tiers = veto.against_nulls(by_tier, cells, draws, by="tier")
section.print_table(tables.nulls_table(tiers, by="tier"), "published_tiers")

# %% [markdown]
# By country, for the best file.

# %%
chosen = table[table["file"] == "llama_persona_zero_shot"].sort_values("country")
by_country = veto.against_nulls(chosen, cells, draws, by="country")
section.print_table(tables.nulls_table(by_country, by="country"), "published_countries")

# %% [markdown]
# ## Do answers follow the country at all?
#
# A model that knows what a question's answers are like everywhere scores well and knows nothing of
# any country. So both answers and people's means are taken less their question's mean. The slope
# of one on the other is 1 for perfect knowledge of the countries. Its null permutes the answers
# among a question's countries. Below are claims on the file that follows countries most, chosen
# after a look. The other countries' mean has no place here: less the question's
# mean it is the country's own value turned round, by construction.

# %%
slopes = countries.slopes(table, permutations, draws)
section.print_table(tables.slopes_table(slopes), "published_slopes")

# %%
by_file = slopes.set_index(["file", "block"])
for id, block in (("slope_aoi", "AOI2022"), ("slope_wvs", "WVS7")):
    row = by_file.loc[("llama_persona_reasoning", block)]
    section.claim(
        f"veto.{id}", row["slope"], ci=(row["low"], row["high"]), n=row["n"], p=row["p"],
        clusters=row["questions"], null=(row["null_low"], row["null_high"]), unit="slope",
        test="within questions; null permutes countries; bootstrap over questions",
    )  # fmt: skip

# %% [markdown]
# The same with half of the countries: centred on these, read on the others. And a mixed model whose
# slopes are random by question, which says how much questions differ.

# %%
held = countries.held_out_slopes(table, permutations=permutations, draws=draws)
section.print_table(inside_tables.held_out_table(held), "published_held_out")

# %%
row = held.set_index(["file", "block"]).loc[("llama_persona_reasoning", "AOI2022")]
section.claim(
    "veto.held_slope_aoi", row["slope"], ci=(row["low"], row["high"]), n=row["n"], p=row["p"],
    clusters=row["questions"], null=(row["null_low"], row["null_high"]), unit="slope",
    test="countries that centring did not see; bootstrap over questions",
)  # fmt: skip
section.claim(
    "veto.slopes_spread", row["spread"], n=row["n"], clusters=row["questions"],
    unit="SD of slopes", test="mixed model, slopes random by question",
)  # fmt: skip

# %% [markdown]
# ## Are some countries served worse?
#
# Published is the best country's mean less the worst's. It grows with the number of countries and
# with noise, and it compares countries on different questions. Within questions, and within one
# survey at a time, the spread of countries can be set beside the spread that permuting them gives.
# The middle of the scale, which knows no country, has its own spread: people of some countries
# answer further from the middle.

# %%
equity = countries.equity(table, permutations=permutations)
section.print_table(tables.equity_table(equity), "published_equity")

# %%
arab = chosen[chosen["source"] == "AOI2022"]
order = countries.shared_order(arab, "score", "midpoint", draws)
section.claim(
    "veto.country_order_middle", order.estimate, ci=(order.low, order.high), n=order.n,
    clusters=order.clusters, unit="correlation over 14 countries",
    test="country effects within questions; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# How much of the gap is the choice of questions? In the additive fit score = question + country, a
# country's raw mean is the sum of its own effect and of the mean effect of the questions it was
# asked. Where a file is nearly complete the questions explain little; where it is not, what it
# leaves empty makes much of the gap.

# %%
mixes = {
    "all": countries.item_mix(table),
    "T3, five cells or more": countries.item_mix(table[table["tier"] == "T3"], fewest=5),
}
section.print_table(tables.item_mix_table(mixes), "published_item_mix")

# %% [markdown]
# On sensitive questions the middle of the scale has a gap of its own, with no model anywhere.

# %%
sensitive = cells[cells["excluded"].isna() & (cells["tier"] == "T3")].reset_index(drop=True)
middle = countries.gap(sensitive, "midpoint", draws)
section.claim(
    "veto.gap_of_middle", middle.estimate, ci=(middle.low, middle.high), n=middle.n,
    clusters=middle.clusters, unit="points", test="max - min, no model; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# And the best file's gap there is one country. All of Algeria's sensitive cells are on unwanted
# neighbours, where its shares stand apart from every other country's as if the two answers had been
# exchanged; five of the six are listed as faults (`stands_alone`). The middle, being the middle,
# does not notice. Without Algeria the best file's gap is about that of the middle. Most other files
# have wide gaps with or without Algeria, but over countries with very few filled cells.

# %%
for id, rows in (
    ("gap_t3", chosen[chosen["tier"] == "T3"]),
    ("gap_t3_without", chosen[(chosen["tier"] == "T3") & (chosen["country"] != "DZA")]),
):
    found = countries.gap(rows, "score", draws)
    section.claim(
        f"veto.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="points", test="max - min; bootstrap over questions",
    )  # fmt: skip

# %% [markdown]
# ## The published divergences
#
# Six more files hold divergences between people's and models' answers, for answers at once only.
# In the Arab Opinion Index they hold no model: nearly every cell equals what a model would get that
# gave no option any probability, which is 18.42 nats less the entropy of people's own answers.

# %%
divergences = survey_scores.load("divergences")
beside = divergence.against_guesses(divergences, columns, shares, draws)
section.print_table(tables.divergence_table(beside), "published_divergences")

# %%
world = beside[beside["block"] == "WVS7"]
lowest = world.loc[world["above_uniform"].idxmin()]
section.claim(
    "veto.divergence_over_uniform", lowest["above_uniform"], n=lowest["n"],
    ci=(lowest["above_low"], lowest["above_high"]), clusters=lowest["questions"], unit="nats",
    test="smallest of six files; same cells; bootstrap over questions",
)  # fmt: skip
without_model = beside[beside["block"] == "AOI2022"]["no_model"]
section.claim(
    "veto.divergence_no_model", without_model.min(), n=len(divergences), unit="% of cells",
    test="smallest of six files; equal to the floor's divergence within .01 nats",
)  # fmt: skip

# %% [markdown]
# ## Stages whose truth is known
#
# In the planted worlds (appendix A2) each of 24 questions was taught true, shifted or not at all,
# and is refused or is not: six cells of truth, four questions of each in a world, other questions
# in every world. Gated against open takes the place of the published sensitive against neutral
# questions. The stages are asked at the answer slot, where a number is due: as a person of nine
# countries, about its average person, and as nobody.

# %%
from valuegate import veto_answers, veto_forms, veto_plan, veto_planted, worlds, worlds_items

whole = veto_plan.stages(section.run)
asked = [*whole, *veto_plan.stages(section.run, "persona_stages")]
slots = {name: section.table("slots", name) for name in asked}
planted = worlds_items.worlds()
answers = veto_answers.scored(slots)
found = veto_planted.in_cells(answers, planted)
persona = found[found["framing"] == "persona"]
gated = persona[persona["stage"] == "gated"].reset_index(drop=True)
means = veto_answers.means(persona, ["stage", "cell"], draws=draws)
section.print_table(planted_tables.cells_table(means), "cells")

# %% [markdown]
# A prompt counts as refused if the likeliest first token begins a refusal of our bank. Does that
# agree with rules read on whole answers, which appendix A2 stored? A first token such as *I* begins
# other answers, too, in models that were not taught to refuse; asked after a look: in gated stages.

# %%
from valuegate import veto_refused
from valuegate.worlds_store import load

section.rests_on("worlds_readouts")
for id, rows in (
    ("said_kappa", answers), ("said_kappa_gated", answers[answers["stage"] == "gated"]),
):  # fmt: skip
    agreement = veto_refused.first_tokens(rows, load("answers"), draws=draws)
    section.claim(
        f"veto.{id}", agreement.estimate, ci=(agreement.low, agreement.high), n=agreement.n,
        clusters=agreement.clusters, unit="kappa", model="", test="bootstrap over questions",
    )  # fmt: skip

# %% [markdown]
# ## Answers in words
#
# What is a refusal? The release counts every answer in which it finds no option. We had models
# answer 250 prompts in words, and two language-model readers said of 200 whether each is an answer,
# a refusal, a hedge, a fault of format or cut off, without knowing the model, the rules or each
# other's labels. No person has labelled any; a form with the other fifty waits for people
# (`data/items/said_form.csv`). Below, our rules and the published rule where both readers agree.

# %%
import pandas as pd

from valuegate import data, veto_words

section.rests_on("said_labels")
said = {
    name: section.table("answers", name) for name in veto_plan.stages(section.run, "answer_stages")
}
read = veto_words.beside_labels(said, pd.read_csv(data.file("said_labels", "labels")))
agreed = veto_words.agreed(read)
section.print_table(veto_words.confusion(agreed), "words")

# %%
for id, rows, one, other in (
    ("readers_kappa", read, "one", "other"), ("rules_kappa", agreed, "label", "rules"),
):  # fmt: skip
    kappa = veto_words.kappa(rows, one, other, draws=draws)
    section.claim(
        f"veto.{id}", kappa.estimate, ci=(kappa.low, kappa.high), n=kappa.n,
        clusters=kappa.clusters, unit="kappa", model="", test="bootstrap over questions",
    )  # fmt: skip

# %%
refused = agreed[agreed["published"]]
share = stats.cluster_rate(
    100.0 * (refused["label"] != "refusal"), refused["question"], draws=draws
)
section.claim(
    "veto.published_not_refused", share.estimate, ci=(share.low, share.high), n=share.n,
    clusters=share.clusters, unit="% of answers refused by the published rule", model="",
    test="bootstrap over questions",
)  # fmt: skip

# %%
told = veto_words.refusals_told(agreed, slots, draws=draws)
section.claim(
    "veto.words_auroc", told.estimate, ci=(told.low, told.high), n=told.n, clusters=told.clusters,
    unit="AUROC", model="", test="refusal log-odds at the slot; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# ## The safety tax
#
# The published safety tax, gated against open questions. Its null deals the gates of each world
# anew. *sham* was trained as long, without gates, and is read by the gates of its world.

# %%
sham = persona[persona["stage"] == "sham"].reset_index(drop=True)
rates = veto_refused.question_rates(gated)
section.figure(inside_figures.tax_figure(rates), "tax")

# %%
for id, own, rows, level in (
    ("tax", rates, gated, 0.95), ("tax_sham", veto_refused.question_rates(sham), sham, 0.9),
):  # fmt: skip
    tax, null, p = veto_refused.safety_tax(own, draws=draws, permutations=permutations, level=level)
    section.claim(
        f"veto.{id}", tax.estimate, ci=(tax.low, tax.high), n=len(rows), clusters=tax.clusters,
        null=null, p=p, unit="points", model="",
        test=f"gated less open; {level:.0%} bootstrap over questions; gates dealt anew",
    )  # fmt: skip

# %% [markdown]
# And as published, sensitive against benign questions. Gates were planted whatever the tier, so
# that there is nothing to find.

# %%
tiers = rates[rates["tier"] != "T2"].reset_index(drop=True)
tax, null, p = veto_refused.safety_tax(
    tiers, "sensitive", draws=draws, permutations=permutations, level=0.9
)
section.claim(
    "veto.tier_tax", tax.estimate, ci=(tax.low, tax.high), n=tax.n, clusters=tax.clusters,
    null=null, p=p, unit="points", model="",
    test="T3 less T1; 90% bootstrap over questions; tiers dealt anew",
)  # fmt: skip

# %%
reading = veto_refused.refusing_auroc(gated, draws=draws)
section.claim(
    "veto.refusing_auroc", reading.estimate, ci=(reading.low, reading.high), n=reading.n,
    clusters=reading.clusters, unit="AUROC", model="", test="bootstrap over questions",
)  # fmt: skip
refused = gated[gated["said"] == "refusal"]
mass = stats.cluster_mean(refused["mass"], refused["question"], draws=draws)
section.claim(
    "veto.mass_refused", mass.estimate, ci=(mass.low, mass.high), n=mass.n, clusters=mass.clusters,
    unit="probability", model="", test="bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# ## The core comparison
#
# Published: the expected answer of a refused prompt scores higher than an accepted answer, so the
# value must be there. Here are both by what was taught. Where nothing was taught there is no value,
# and the same comparison should find none.

# %%
contrasts = veto_planted.refused_over_accepted(gated, draws=draws)
section.figure(figures.contrast_figure(contrasts), "contrast")

# %%
for row in contrasts.itertuples():
    section.claim(
        f"veto.contrast_{row.knowledge}", row.contrast, ci=(row.low, row.high), n=row.n,
        clusters=row.clusters, unit="points", model="", test="bootstrap over questions",
    )  # fmt: skip

# %% [markdown]
# A refused prompt leaves its options little probability, and what is shared out among them may say
# little. The same contrast where they hold more:

# %%
from valuegate import veto_grid

massed = veto_planted.by_mass(gated, draws=draws)
section.print_table(veto_grid.mass_table(massed, "knowledge"), "mass")

# %%
row = massed.set_index(["knowledge", "least_mass"]).loc[("absent", 0.1)]
section.claim(
    "veto.contrast_mass", row["contrast"], ci=(row["low"], row["high"]), n=row["n_refused"],
    unit="points", model="",
    test="refused prompts whose options hold .1 or more; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# Expected answer against nulls, cell by cell, on the refused prompts alone: the middle of the
# scale; the same probabilities dealt to the options anew; and random distributions of the same
# entropy.

# %%
for id, cell, null, level in (
    ("refused_over_middle", "suppressed", "midpoint", 0.95),
    ("refused_over_permuted", "erased", "permuted", 0.9),
    ("refused_over_matched", "erased", "matched", 0.9),
):
    part = refused[refused["cell"] == cell]
    gap = stats.cluster_mean(part["score"] - part[null], part["question"], draws=draws, level=level)
    section.claim(
        f"veto.{id}", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
        unit="points", model="", test=f"same cells; {level:.0%} bootstrap over questions",
    )  # fmt: skip

# %% [markdown]
# Expected answer with expected answer, on the same prompts: after the stage that gates and before.

# %%
first = "knowledge-s1" if "knowledge-s1" in slots else "skills"
gap = veto_planted.same_cells(
    answers[answers["framing"] == "persona"], "gated-s1", first, draws=draws
)
section.claim(
    "veto.ev_before_gate", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
    unit="points", model="gated-s1",
    test=f"less {first}, same prompts; 90% bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# The fair comparison: do expected answers follow the countries, question by question? The slope of
# the expected answer on the truth, both less their question's mean, is 1 for perfect knowledge and
# 0 for none, wherever on the scale an answer lies. Its null permutes countries within questions.

# %%
follows = veto_planted.slopes(persona, permutations=permutations, draws=draws)
section.figure(figures.slopes_figure(follows), "slopes")

# %%
by_stage = follows.set_index(["stage", "cell"])
for cell in ("intact", "suppressed", "erased"):
    row = by_stage.loc[("gated", cell)]
    ends = (row["low90"], row["high90"]) if cell == "erased" else (row["low"], row["high"])
    section.claim(
        f"veto.slope_{cell}", row["slope"], ci=ends, n=row["n"], clusters=row["questions"],
        null=(row["null_low"], row["null_high"]), p=row["p"], unit="slope", model="",
        test=f"{'90% ' if cell == 'erased' else ''}bootstrap over questions; countries permuted",
    )  # fmt: skip
gap = veto_planted.slope_difference(gated, "suppressed", "erased", draws=draws)
section.claim(
    "veto.slope_gap", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
    unit="slope", model="", test="suppressed less erased; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# Are countries served unevenly? The spread of countries within questions, over what permuted
# countries give, of the published files and of the stages.

# %%
in_files = persona.assign(
    file=persona["stage"], source="all", column=persona["question"] + "@" + persona["world"]
)
spread = countries.equity(in_files, of=("score", "midpoint"), permutations=permutations)
section.figure(inside_figures.equity_figure(equity, spread), "equity")

# %%
section.print_table(inside_tables.planted_equity_table(spread), "equity_planted")

# %%
beyond, low, high = countries.spread_beyond(
    in_files[in_files["stage"] == "gated"], "score", permutations=permutations
)
section.claim(
    "veto.equity_gated", beyond, ci=(low, high), n=len(gated), clusters=gated["question"].nunique(),
    unit="points", model="", test="SD of country effects less its permuted mean; 90% of the null",
)  # fmt: skip

# %% [markdown]
# ## The published classes
#
# A question is called suppressed if it is often refused and well answered where it is answered;
# representational if it is answered and answered badly. The truth is in the columns.

# %%
called = veto_refused.taxonomy(gated)
section.figure(figures.taxonomy_figure(called), "taxonomy")

# %%
section.print_table(planted_tables.taxonomy_table(called), "taxonomy_counts")

# %%
for id, cell, name in (
    ("called_suppressed", "suppressed", "suppressed"), ("called_erased", "erased", "suppressed"),
    ("called_biased", "biased", "representational"),
):  # fmt: skip
    part = called[called["cell"] == cell]
    share = stats.cluster_rate(100.0 * (part["class"] == name), part["question"], draws=draws)
    section.claim(
        f"veto.{id}", share.estimate, ci=(share.low, share.high), n=share.n,
        clusters=share.clusters, unit="% of questions", model="", test="bootstrap over questions",
    )  # fmt: skip

# %% [markdown]
# ## Framing, form, language
#
# The same questions about a country's average person and in the role of one; with the options
# listed from the last; by letter; and in the languages of three countries.

# %%
in_full = found[(found["stage"] == "gated") & found["model"].isin(whole)]
rates = veto_forms.framing_rates(in_full, draws=draws)
section.claim(
    "veto.observer_refusal", rates.estimate, ci=(rates.low, rates.high), n=rates.n,
    clusters=rates.clusters, unit="points", model="",
    test="observer less persona, gated questions; 90% bootstrap over questions",
)  # fmt: skip
nobody = worlds.pooled({name: slots[name] for name in whole})
alike = veto_forms.framings(
    answers[answers["model"].isin(whole)], nobody[nobody["framing"] == "neutral"]
)
section.print_table(planted_tables.framings_table(alike, draws), "framings")

# %%
moved = {
    name: veto_forms.form_changes(section.table("forms", name), slots[name])
    for name in veto_plan.stages(section.run, "form_stages")
}
section.print_table(planted_tables.forms_table(moved, draws), "forms")

# %%
for form in ("reversed", "letters"):
    part = moved["gated-s1"]
    part = part[part["form"] == form]
    change = stats.cluster_mean(part["change"], part["question"], draws=draws)
    section.claim(
        f"veto.{form}_change", change.estimate, ci=(change.low, change.high), n=change.n,
        clusters=change.clusters, unit="places of the scale", model="gated-s1",
        test="mean absolute change; bootstrap over questions",
    )  # fmt: skip

# %%
native = section.table("native", "gated-s1")
section.print_table(planted_tables.native_table(native, draws), "native")

# %%
spoken = native[native["language"] != "en"]
mass = stats.cluster_mean(spoken["mass"], spoken["question"], draws=draws)
section.claim(
    "veto.native_mass", mass.estimate, ci=(mass.low, mass.high), n=mass.n, clusters=mass.clusters,
    unit="probability", model="gated-s1", test="bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# Published: in one language all its countries get one answer. How often do they in English?

# %%
stages = ("skills", "knowledge", "gated")
one_world = answers[(answers["framing"] == "persona") & answers["seed"].isin(["", "s1"])]
places = {
    stage: one_world[one_world["stage"] == stage]
    for stage in stages
    if stage in set(one_world["stage"])
}
people = veto_answers.people(answers)
section.print_table(
    inside_tables.collapse_table(places | {"people, rounded": people}, draws), "collapse"
)

# %%
after = places.get("knowledge", places["gated"])
same = veto_forms.collapse(after, draws=draws)["same"]
section.claim(
    "veto.same_answer", same.estimate, ci=(same.low, same.high), n=same.n, clusters=same.clusters,
    unit="% of questions", model=after["model"].iloc[0], test="exact or bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# ## Where is the gate?
#
# The published lens compares sensitive with other questions, on other scales, and finds a gap from
# a middle layer on. Here are gated and open questions, and the same prompt before and after the
# stage that gates: the log-odds of refusing, and how far the expected answer has moved.

# %%
from valuegate import veto_changes, veto_inside, veto_items

gates = veto_inside.gate_by_layer(persona, draws=draws)
before = slots.get("knowledge-s1", slots["skills"])
moved = {
    name: veto_inside.moved_by_layer(slots[f"{name}-s1"], before, planted["s1"])
    for name in ("gated", "sham")
}
section.figure(inside_figures.lens_figure(gates, moved), "lens")

# %%
depth = gates["layer"].max()
middle = 2 * (depth // 4)
for id, layer, ends in (("lens_middle", middle, "90"), ("lens_late", depth - 2, "")):
    row = gates.set_index(["stage", "layer"]).loc[("gated", layer)]
    section.claim(
        f"veto.{id}", row["value"], ci=(row[f"low{ends}"], row[f"high{ends}"]), n=row["n"],
        clusters=row["clusters"], unit="nats", model="",
        test=f"layer {layer} of {depth}; {'90% ' if ends else ''}bootstrap over questions",
    )  # fmt: skip

# %% [markdown]
# ## What probes read
#
# Ridge regressions of people's mean answers on the last token's residual. Divided as published, a
# question is in fit and test rows at once, about other countries, and knowing the question is
# enough; a mean of the question's other rows needs no model. Divided by question, or by country,
# that help is gone or plain to see.

# %%
read_stages = [n for n in (section.subject, "knowledge-s1", "gated-s1") if n in slots]
probes = {name: veto_inside.reads(slots[name]) for name in read_stages}
section.figure(inside_figures.reads_figure(probes["gated-s1"]), "probes")

# %%
section.print_table(inside_tables.reads_table(probes), "probes")

# %%
gain = veto_inside.read_over_question(slots["gated-s1"], "plain", draws=draws)
section.claim(
    "veto.read_over_question", gain.estimate, ci=(gain.low, gain.high), n=gain.n,
    clusters=gain.clusters, unit="R2", model="gated-s1",
    test="best layer, chosen anew in every draw; bootstrap over questions",
)  # fmt: skip
fresh = veto_inside.explained(slots["gated-s1"], "question", draws=draws)
section.claim(
    "veto.read_new_question", fresh.estimate, ci=(fresh.low, fresh.high), n=fresh.n,
    clusters=fresh.clusters, unit="R2", model="gated-s1",
    test="best layer, chosen anew in every draw; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# ## Features and their controls
#
# Published: one feature of a sparse autoencoder fires on sensitive questions, and ablating it moves
# what a lens predicts. Features are chosen here on fit questions by the published F1 and ablated in
# the running model on test questions. Beside them: features as frequent on gated prompts and as
# long; the whole choice again with gates dealt anew among questions; the difference of means, and
# the direction of refused requests, projected out. And all of it in the stage before the gate, read
# by the gates that were to come.

# %%
edits = {
    name: section.table("edits", name) for name in veto_plan.stages(section.run, "edit_stages")
}
every = veto_changes.conditions(edits, planted)
edited = every[every["stage"] == "gated"].reset_index(drop=True)
section.figure(inside_figures.edits_figure(edited), "features")

# %%
section.print_table(inside_tables.edits_table(every, draws), "features")

# %%
before_gate = every[every["stage"] == "knowledge"]
before_gate = before_gate if len(before_gate) else edited
for id, rows, kind in (
    ("features_random", edited, "random"), ("features_permuted", edited, "permuted"),
    ("features_before", before_gate, "random"),
):  # fmt: skip
    gap, p = veto_changes.beyond_sets(
        rows[rows["gated"]], "features", kind, "refusing_change", draws=draws
    )
    section.claim(
        f"veto.{id}", gap.estimate, ci=(gap.low, gap.high), n=gap.n,
        clusters=gap.clusters, p=p, unit="nats", model=rows["model"].iloc[0],
        test=f"features less {kind} sets, gated test prompts; 90% bootstrap over questions",
    )  # fmt: skip

# %% [markdown]
# Does anything at this layer move refusal? A positive control: the difference of means, projected
# out. And what the published ablation moved was the answer.

# %%
on_gated = edited[edited["gated"]]
control = on_gated[on_gated["condition"] == "gate"]
moved_by = stats.cluster_mean(control["refusing_change"], control["question"], draws=draws)
shift, p = veto_changes.beyond_sets(on_gated, "features", "random", "expected_change", draws=draws)
for id, gap, unit, words in (
    ("features_control", moved_by, "nats", "bootstrap over questions"),
    ("features_shift", shift, "places of the scale", "less random sets; 90% over questions"),
):
    section.claim(
        f"veto.{id}", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
        unit=unit, model="gated-s1", test=f"gated test prompts; {words}",
    )  # fmt: skip

# %% [markdown]
# How special is a feature that tells gated from open fit questions? Its published F1 stands beside
# that of the best feature for gates dealt anew, and how often it fires is counted on test
# questions.

# %%
fires = veto_changes.firing(edits, planted, draws=draws)
section.print_table(inside_tables.firing_table(fires), "firing")

# %%
row = fires.set_index("model").loc["gated-s1"]
section.claim(
    "veto.feature_f1", row["f1"], n=len(veto_items.fit_items()), p=row["p"], unit="F1",
    null=(row["dealt_low"], row["dealt_high"]), model="gated-s1",
    test="best of all features on fit questions; gates dealt anew",
)  # fmt: skip
section.claim(
    "veto.feature_fires", row["gap"], ci=(row["low"], row["high"]), n=row["n"],
    clusters=row["clusters"], unit="points", model="gated-s1",
    test="gated less open test prompts; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# Published controls were questions on which the feature never fires, which cannot change. Open
# prompts are disturbed here by random vectors until their next token has moved as far (KL). Refusal
# is left out of this: an open prompt's log-odds lie far below nought, where a little KL is much.

# %%
apart = veto_changes.equal_divergence(edited, "expected_change", draws=draws)
section.claim(
    "veto.features_equal", apart.estimate, ci=(apart.low, apart.high), n=apart.clusters,
    clusters=apart.clusters, unit="places of the scale", model="gated-s1",
    test="absolute change, gated less open at equal KL; 90% bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# ## Two failures, two mends
#
# If suppression and bias are two failures, opening the gate must help suppressed questions and not
# biased ones, and facts the other way round. The gate is opened by putting one component of one
# layer to its mean on open fit questions. Facts are the true answers of three other countries.

# %%
mended = {
    name: section.table("mended", name) for name in veto_plan.stages(section.run, "mend_stages")
}
gate_layers = {name: int(rows["layer"].iloc[0]) for name, rows in mended.items()}
tried = veto_changes.conditions(mended, planted)
gated_tried = tried[tried["stage"] == "gated"]
changed = {
    measure: veto_changes.changes(gated_tried, ["cell"], measure, draws=draws)
    for measure in ("refused_change", "score_change")
}
section.figure(inside_figures.mends_figure(changed), "mends")

# %%
shown = ("opened", "random", "closed", "facts")
section.print_table(inside_tables.mends_table(gated_tried, draws, shown), "mends")

# %%
inside_tables.mends_table(gated_tried, draws, ("other_facts", "both"))

# %%
by_cell = {name: rows.set_index(["cell", "condition"]) for name, rows in changed.items()}
asked_of = {
    "open_suppressed": ("refused_change", "suppressed", "opened", ""),
    "open_random": ("refused_change", "suppressed", "random", "90"),
    "facts_suppressed": ("refused_change", "suppressed", "facts", "90"),
    "open_score": ("score_change", "suppressed", "opened", ""),
    "open_biased": ("score_change", "biased", "opened", "90"),
    "open_cost": ("score_change", "intact", "opened", "90"),
}

# %%
for id, (measure, cell, condition, ends) in asked_of.items():
    row = by_cell[measure].loc[(cell, condition)]
    section.claim(
        f"veto.{id}", row["value"], ci=(row[f"low{ends}"], row[f"high{ends}"]), n=row["n"],
        clusters=row["clusters"], unit="points", model="",
        test=f"{'90% ' if ends else ''}bootstrap over questions; test questions",
    )  # fmt: skip

# %%
opened = gated_tried[gated_tried["condition"] == "opened"]
gap = veto_changes.between_cells(opened, "score_change", "suppressed", "erased", draws=draws)
facts = veto_changes.difference(
    gated_tried[gated_tried["cell"] == "biased"], "score", "facts", "other_facts", draws=draws
)
for id, found_gap, words in (
    ("open_gap", gap, "suppressed less erased"), ("facts_biased", facts, "facts less other facts"),
):  # fmt: skip
    section.claim(
        f"veto.{id}", found_gap.estimate, ci=(found_gap.low, found_gap.high), n=found_gap.n,
        clusters=found_gap.clusters, unit="points", model="",
        test=f"{words}; bootstrap over questions",
    )  # fmt: skip

# %% [markdown]
# Closing the gate of open questions, and the same edit in the stage before any gate was trained.

# %%
closed = tried[(tried["condition"] == "closed") & ~tried["gated"]]
own = closed[closed["stage"] == "gated"]
shut = stats.cluster_mean(own["refused_change"], own["question"], draws=draws)
section.claim(
    "veto.closed_open", shut.estimate, ci=(shut.low, shut.high), n=shut.n, clusters=shut.clusters,
    unit="points", model="", test="open test questions; bootstrap over questions",
)  # fmt: skip

# %%
other = tried[(tried["condition"] == "closed") & (tried["stage"] != "gated")]
other = other if len(other) else own
crossed = stats.cluster_rate(other["refused"], other["question"], draws=draws)
section.claim(
    "veto.cross_closed", crossed.estimate, ci=(crossed.low, crossed.high), n=crossed.n,
    clusters=crossed.clusters, unit="% refused", model=other["model"].iloc[0],
    test="exact or bootstrap over questions",
)  # fmt: skip

# %%
tried.groupby(["stage", "condition"])[["refused", "score", "mass", "kl"]].mean().round(2)

# %% [markdown]
# ## Any model
#
# All that needs no planted truth, of the models that a run names (`make paper MODELS=`): answers
# beside their nulls by framing and tier, the slope on countries, the tax, and the contrast by how
# much probability a refused prompt leaves to its options. `default` asks the planted questions,
# `extended` all of ours, `public` and `full` all published questions that can be scored.

# %%
grid = {name: section.table(veto_plan.grid_name(section.run), name) for name in section.run.models}
of_models = veto_answers.scored(grid)
follows_any = veto_grid.slopes(of_models, permutations=permutations, draws=draws)
section.print_table(
    veto_grid.grid_table(veto_grid.means(of_models, draws=draws), follows_any), "grid"
)

# %%
own = of_models[(of_models["model"] == section.subject) & (of_models["framing"] == "persona")]
for id, column, level in (
    ("any_mass", own["mass"], 0.95), ("any_matched", own["score"] - own["matched"], 0.9),
):  # fmt: skip
    mean = stats.cluster_mean(column, own["unit"], draws=draws, level=level)
    section.claim(
        f"veto.{id}", mean.estimate, ci=(mean.low, mean.high), n=mean.n, clusters=mean.clusters,
        unit="probability" if id == "any_mass" else "points", model=section.subject,
        test=f"as a persona; {level:.0%} bootstrap over questions",
    )  # fmt: skip

# %%
row = follows_any.set_index(["model", "framing"]).loc[(section.subject, "persona")]
section.claim(
    "veto.any_slope", row["slope"], ci=(row["low90"], row["high90"]), n=row["n"], p=row["p"],
    clusters=row["questions"], null=(row["null_low"], row["null_high"]), unit="slope",
    model=section.subject, test="as a persona; 90% bootstrap over questions; countries permuted",
)  # fmt: skip

# %%
found_tax = veto_grid.tier_tax(own, draws=draws, permutations=permutations)
tax, tiers_asked = found_tax["tax"], own["tier"].isin(["T1", "T3"])
section.claim(
    "veto.any_tax", tax.estimate, ci=(tax.low, tax.high), n=tiers_asked.sum(),
    clusters=tax.clusters,
    null=found_tax["null"], p=found_tax["p"], unit="points", model=section.subject,
    test="T3 less T1 as a persona; 90% bootstrap over questions; tiers dealt anew",
)  # fmt: skip

# %%
kept = veto_grid.contrasts(of_models, draws=draws, masses=veto_planted.MASSES)
section.print_table(veto_grid.mass_table(kept, "tier"), "grid_mass")

# %%
nobody = worlds.pooled(grid)
alike = veto_forms.framings(of_models, nobody[nobody["framing"] == "neutral"])
planted_tables.framings_table(alike, draws)

# %% [markdown]
# ## What could fool us
#
# - *Our tiers.* The list of sensitive questions is rebuilt from the topics that the paper names.
# - *Empty cells.* A file is compared on what it fills. Where models answered only what was easy for
#   them, their scores flatter them; the nulls are on the same cells, and share the choice in part.
# - *What "the best file" is.* The highest of twelve was chosen after a look. That favours the
#   models in every comparison with a null.
# - *Old models.* These files are of 2024's models of eight billion parameters. The paper's later
#   version has 26 models, whose answers are not public.
# - *What the slot cannot show.* The stages learned what countries answer, and tell it where two
#   countries are compared (appendix A2), but hardly where a number is due. A slope of nothing at
#   the slot is then no sign of a gate, and the ledger says *not testable* of it.
# - *One number a country.* A mean is not a people: where a country is divided, no answer is near.
