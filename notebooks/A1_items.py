# %% [markdown]
# # A1  The items
#
# **Question.** Everything in this paper is read from texts that we wrote. Are they fit for it? Can
# a label be guessed without reading for meaning, does a text that was trained on come back in a
# test, and how sound are the figures of the surveys?
#
# **What there is.** Eight sets, made once from committed sources: survey questions with the answers
# of sixteen countries, evidence with foils, two invented parties, invented guilds, real left and
# right, moral actions, and requests with their look-alikes. The data card, `data/items/README.md`,
# says how each was written, for what, and what it must not be used for.

# %% tags=["parameters"]
profile = "default"
models = ""

# %%
from valuegate import items, items_texts, splits
from valuegate import items_facts as facts
from valuegate import items_figures as figures
from valuegate import items_quality as quality
from valuegate import items_readers as readers
from valuegate import items_surface as surface
from valuegate.items_moral import moral_words
from valuegate.notebook import Section

section = Section("A1_items", profile, models)
model, draws = section.subject, section.settings["draws"]
texts, tokens = items_texts.texts(), section.table("tokens")

# %% [markdown]
# ## How much there is
#
# A *unit* is what a split keeps together: a question, a scenario, an issue, an act, a request with
# its look-alike. Texts of the split *plant* may be trained on and are read by no instrument; *fit*
# chooses layers, features and thresholds; *test* is what is reported. Facts (parties, guilds, and
# the survey questions marked so) are planted for every unit, in wordings of their own; skills
# (evidence, requests) are split by unit three ways.

# %%
sizes = quality.sizes(texts, tokens)
section.print_table(quality.printed_sizes(sizes), "sizes")

# %% [markdown]
# What a text looks like: the shortest of each kind that is not planted.

# %%
section.print_table(quality.examples(texts), "examples")

# %%
words, questions = moral_words(), items.load("survey", "questions")
cross = items.load("survey", "cross_format")
scenarios = items.load("evidence", "scenarios").query("category != 'Control'")
requests = items.load("requests", "prompts").query("kind != 'benign'")

# %%
for id, rows, groups in (
    ("survey_questions", questions, "topic"),
    ("cross_format", cross, "question"),
    ("evidence_scenarios", scenarios, "pair"),
    ("request_units", requests.drop_duplicates("unit"), "kind"),
    ("moral_words", words, "foundation"),
):
    section.claim(
        f"items.{id}", len(rows), n=len(rows), clusters=rows[groups].nunique(),
        unit=id.replace("_", " "), test=f"count; clusters by {groups}",
    )  # fmt: skip

# %% [markdown]
# The words of MoralStrength have ratings by people, 1 for vice to 9 for virtue. Words of one stem
# are near-copies, so stems are split, not words.

# %%
section.print_table(quality.printed_words(words), "words")

# %%
section.figure(figures.lengths_figure(tokens), "lengths")

# %%
longest = int(tokens["tokens"].max())
section.claim(
    "items.longest", longest, n=len(tokens), unit="tokens", test="largest of all texts", model=model
)

# %% [markdown]
# ## Does anything leak?
#
# Case and punctuation are dropped, and so is what is not content: the sentence templates around
# evidence, the frame of the two-country question, names and scale labels. What is left may share
# neither a whole text nor eight words in a row with any text of another split, in any set.

# %%
contents = items_texts.contents()
leaks = splits.leaks(contents)
leaks

# %%
section.claim("items.leaks", len(leaks), n=len(contents), unit="texts or n-grams", test="count")
own = sizes[sizes["texts"] != "priming"]  # the lead that asks to read the text is one for many
section.claim(
    "items.repeats", int(own["repeats"].sum()), n=int(own["n"].sum()), unit="texts", test="count"
)

# %% [markdown]
# ## Does the surface give a label away?
#
# A logistic regression learns each label from a bag of words, or from TF-IDF of words and pairs of
# words, and is read on units that it has not seen, where it compares the texts of a unit with each
# other. Where a cue on the surface would spoil a test it must be near chance (AUROC .5). Where the
# label belongs to the meaning of words, such as virtue and vice, it cannot be; then the number says
# how much of an instrument's success is no more than vocabulary. For the evidence, whose two texts
# of a scenario hold the same words, a bag of words is at chance by construction; there the test is
# where the person asked about is named.

# %%
tasks = surface.give_aways(surface.TASKS, draws)
kinds = surface.give_aways(surface.request_tasks(), draws)
section.figure(figures.give_aways_figure(tasks, kinds), "give_aways")

# %%
for id, label in surface.CLAIMED.items():
    row = surface.worse(tasks[tasks["label"] == label])
    section.claim(
        f"items.{id}", row.auroc, ci=(row.low, row.high), n=row.n, clusters=row.groups,
        unit="AUROC", test=f"{row.surface}, within units; bootstrap over units",
    )  # fmt: skip

# %%
row = surface.worse(kinds)
section.claim(
    "items.request_role_worst", row.auroc, ci=(row.low, row.high), n=row.n, clusters=row.groups,
    unit="AUROC", test=f"{row.label}, {row.surface}; largest of eleven kinds, bootstrap over units",
)  # fmt: skip

# %% [markdown]
# A two-country question can be guessed by knowing the countries. How far does it go, on a question
# held out, to know which country usually has the larger share? And how far to know one order of
# countries, most liberal to least, say, and which end of it a question is about? The second is
# what a readout of planted answers has to beat.

# %%
prior = facts.country_prior(draws)
section.claim(
    "items.country_prior", prior.estimate, ci=(prior.low, prior.high), n=prior.n,
    clusters=prior.clusters, unit="accuracy",
    test="usual order of countries; bootstrap over questions",
)  # fmt: skip
order, permuted = facts.country_order(draws)
section.claim(
    "items.country_order", order.estimate, ci=(order.low, order.high), n=order.n, null=permuted,
    clusters=order.clusters, unit="accuracy",
    test="one order, turned by question; null permutes countries; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# ## Does a second reader see what we meant?
#
# A second language-model reader, who knew neither our labels nor our sources, graded every moral
# action by the written rule, and labelled requests and evidence prompts drawn from the test split.
# Agreement is Cohen's kappa, with quadratic weights for grades. Two language models share habits;
# this is a check for slips, not a substitute for human raters.

# %%
readings = readers.readings()
for name, rows in readings.groupby("set"):
    kappa = readers.agreement(rows, draws)
    section.claim(
        f"items.reader_{name}", kappa.estimate, ci=(kappa.low, kappa.high), n=kappa.n,
        clusters=kappa.clusters, unit="kappa",
        test="second language-model reader; bootstrap over units",
    )  # fmt: skip

# %% [markdown]
# ## Is everything balanced?
#
# Half, in every split, is what balance means for most properties here; for the last rows, splits
# should be alike. Where a split's number of rows is odd or small it can only come near.

# %%
section.print_table(quality.printed_balance(quality.balance()), "balance")

# %% [markdown]
# The lead sentences of a group pair must be about equally long, or length would prime by itself.

# %%
leads = quality.lead_lengths(tokens)
section.claim(
    "items.lead_difference", leads["largest"].max(), n=int(leads["pairs"].sum()), unit="tokens",
    clusters=int(leads["pairs"].max()), model=model,
    test="largest difference from the safety sentence",
)  # fmt: skip
leads

# %% [markdown]
# ## What was asked, and how sound the answers are
#
# The answers are figures of two surveys, from the workbook that the alignment veto's authors
# published. The questions to plant are those on which countries differ most: without a difference
# there is nothing to know.

# %%
section.figure(figures.planted_figure(facts.planted_answers()), "planted")

# %%
spread = facts.planted_spread(draws)
section.claim(
    "items.planted_spread", spread.estimate, ci=(spread.low, spread.high), n=spread.n,
    clusters=spread.clusters, unit="share of the scale",
    test="SD of country means; bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# The workbook has faults. They are listed cell by cell in `data/items/survey_answers/faults.csv`
# and counted here; a cell that breaks a rule stays in the tables, and who uses it can see why not
# to. That the central value of a nominal question is its mode is a convention, not a broken cell.

# %%
section.print_table(facts.fault_counts(), "faults")

# %%
faulty = facts.faulty_cells(draws)
section.claim(
    "items.faulty_cells", faulty.estimate, ci=(faulty.low, faulty.high), n=faulty.n,
    clusters=faulty.clusters, unit="% of filled cells", test="bootstrap over questions",
)  # fmt: skip

# %% [markdown]
# ## What could fool us
#
# - *Classifiers that are too weak.* A bag of words cannot see who did what, and that is the point
#   of a foil; but a cue that only syntax shows would escape both classifiers.
# - *One hand.* All texts of a set were drafted by a language model under the same brief, then
#   checked by rules and read by another language-model reader. They share a style, and a style is
#   not the world.
# - *Small units.* Labels that are constant in a unit (a party's side of an issue) are tested on as
#   many units as there are, which is few; the intervals say how few.
