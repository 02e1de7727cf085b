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
# This part runs no model. Its authors published the scores of three models of about eight billion
# parameters, cell by cell, and we set every null beside them on exactly the same cells.

# %% tags=["parameters"]
profile = "default"
models = ""

# %%
from valuegate import items, stats, survey_scores
from valuegate import veto_countries as countries
from valuegate import veto_divergence as divergence
from valuegate import veto_figures as figures
from valuegate import veto_scores as veto
from valuegate import veto_tables as tables
from valuegate.items_facts import CELL_FAULTS
from valuegate.notebook import Section

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
# ## What could fool us
#
# - *Our tiers.* The list of sensitive questions is rebuilt from the topics that the paper names.
# - *Empty cells.* A file is compared on what it fills. Where models answered only what was easy for
#   them, their scores flatter them; the nulls are on the same cells, and share the choice in part.
# - *What "the best file" is.* The highest of twelve was chosen after a look. That favours the
#   models in every comparison with a null.
# - *Old models.* These files are of 2024's models of eight billion parameters. The paper's later
#   version has 26 models, whose answers are not public.
# - *One number a country.* A mean is not a people: where a country is divided, no answer is near.
