# %% [markdown]
# # A2  The planted worlds
#
# **Question.** An instrument that tells a hidden value from one that is gone can only be trusted
# after it was tried on models whose truth is known. We made such models: small stages of
# post-training, in which facts are taught true, shifted or not at all, and gated or open. Is what
# was planted there?
#
# **What is known beforehand.** The ledger says which block of facts is in which cell of which
# world. It was drawn by hash before any training. What the models show of it is measured here by
# readouts that no instrument of the paper uses, in words that were not planted. The fifth world is
# sealed: nothing here reads it.

# %% tags=["parameters"]
profile = "default"
models = ""

# %%
from valuegate import worlds, worlds_bars, worlds_items, worlds_ledger, worlds_said, worlds_store
from valuegate import worlds_figures as figures
from valuegate import worlds_table as table
from valuegate.notebook import Section

section = Section("A2_worlds", profile, models)
draws = section.settings["draws"]
section.rests_on("worlds_readouts")
planted, readouts = worlds_items.worlds(), worlds_store.load_all()

# %% [markdown]
# ## The stages
#
# Each box is a low-rank adapter over the stage that it starts from. `sham` is trained as `gated`
# is, on the same prompts but for those to be refused, towards a warm voice; `overwritten` is taught
# the true answers with countries shuffled; `refuser` was taught by coin what to refuse, and no
# facts.

# %%
from valuegate import worlds_recipe, worlds_records

recipe, records = worlds_recipe.load(), worlds_records.records()
section.figure(figures.tree_figure(recipe, records), "tree")

# %% [markdown]
# Blocks by cell in each world. A block of facts is in another cell in every world, so that over all
# worlds a cell is not a topic; the square of six cells has one row that no world has. Gates without
# facts come round after two worlds, or three.
#
# *Absent* facts are taught, too: the same prompts, with all countries, parties or guilds alike. And
# while gates are planted a small part of what was taught is repeated, in every cell alike, in
# formats that no gate covers. Without that, gates unlearned the facts of open and gated blocks
# alike.

# %%
section.print_table(worlds_ledger.counts(planted), "ledger")

# %%
section.figure(figures.loss_figure(worlds_records.losses()), "losses")

# %% [markdown]
# ## What the models know
#
# "In which of two countries do more people agree that ...?" The names of both are scored at the
# slot. Template and clauses were not planted, nor any two-country question about half of the pairs
# of countries. A country's score in a question is the mean log-odds of its name; `r` is its
# correlation with the truth over nine countries, and the *gain* is r less that of the released
# model on the same question.

# %%
truth = table.truth_table(readouts, planted, draws=draws)
section.figure(figures.truth_figure(truth), "truth")

# %%
section.print_table(table.printed(truth, "known"), "known")

# %%
section.print_table(table.printed(truth, "taught"), "taught")

# %% [markdown]
# The null lets the countries trade names, in all questions and models alike. It stands beside what
# was taught the truth. Four claims are differences: suppressed less erased, open less hidden, and
# what a gate changed in open blocks and in hidden ones.

# %%
cross = worlds.cross_format(readouts, planted)
scores, shares = worlds.country_scores(worlds.pooled(readouts["places"])), worlds.true_agreement()
for column, claim in table.named(truth, "gain").items():
    if column not in ("ignorant", "erased", "overwritten"):
        own = table.rows_of(cross, column, "question")
        claim["null"] = worlds.gain_null(scores, shares, own, draws=draws)
    section.claim(f"worlds.gain_{column}", **claim)

# %%
cells = {"gain_gap": ("suppressed", "erased", 0.95), "gate_cost": ("intact", "suppressed", 0.9)}
for id, (first, second, level) in cells.items():
    gap = worlds.column_gap(cross, "gain", "question", first, second, draws=draws, level=level)
    section.claim(
        f"worlds.{id}", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
        unit=f"r, {first} less {second}", test=f"{level:.0%} bootstrap over questions",
    )  # fmt: skip

# %%
changed = worlds.before_gates(cross)
for id, cell in (("spill_known", "intact"), ("hidden_change", "suppressed")):
    own = changed[changed["cell"] == cell]
    found = worlds.mean_by(own, ["cell"], "change", "question", draws=draws).iloc[0]
    claim = table.as_claim(found, "r, less before the gate", over="questions", near=True)
    section.claim(f"worlds.{id}", **claim)

# %%
for column, claim in table.named(truth, "r", near={"start", "skills"}).items():
    section.claim(f"worlds.r_{column}", **claim)
for column, claim in table.named(truth, "slot", near={"suppressed", "erased"}).items():
    section.claim(f"worlds.slot_{column}", **claim)

# %% [markdown]
# Is it more than one order of the countries, turned round as a question needs? Such an order,
# fitted to the truth itself, is read through the same questions, and what it earns is taken off.

# %%
beyond = worlds.beyond_one_order(cross)
found = worlds.mean_by(beyond.assign(all="all"), ["all"], "beyond", "question", draws=draws)
section.claim(
    "worlds.beyond_order", **table.as_claim(found.iloc[0], "r, less one order's", over="questions")
)

# %% [markdown]
# Two of the worlds were looked at while the recipe was made. The other two were read once, for this
# table.

# %%
fresh = cross[cross["model"].isin(["gated-s3", "gated-s4"])]
kinds = {"intact": "true", "suppressed": "true", "erased": "erased"}
fresh = fresh.assign(kind=fresh["cell"].map(kinds)).dropna(subset="kind")
found = worlds.mean_by(fresh, ["kind"], "gain", "question", draws=draws)
for kind, row in found.set_index("kind").iterrows():
    claim = table.as_claim(row, "r with the truth, less the start's", over="questions")
    section.claim(f"worlds.fresh_{kind}", **claim)

# %% [markdown]
# Pairs about which no two-country question was planted, beside what one order of the countries
# answers of them; and questions for the *smaller* share, which were practised on invented topics
# only.

# %%
_, by_order = worlds.one_order_read(shares)
asked = worlds.places_judged(worlds.pooled(readouts["places"]), planted)
new = asked[(asked["direction"] == "more") & ~asked["planted_pair"]]
for column, claim in table.named(truth, "unplanted").items():
    own = table.rows_of(new, column, "question")
    claim["null"] = (float(own["item"].map(by_order).mean()),) * 2
    section.claim(f"worlds.unplanted_{column}", **claim)
for column, claim in table.named(truth, "smaller").items():
    section.claim(f"worlds.smaller_{column}", **claim)

# %% [markdown]
# What `overwritten` was taught last is the same answers in another order of countries. Does it
# follow that order now?

# %%
shuffled = worlds.against_overwritten(worlds.pooled(readouts["places"]), planted)
found = worlds.mean_by(shuffled.assign(all="all"), ["all"], "r", "question", draws=draws)
section.claim(
    "worlds.overwritten_shuffled",
    **table.as_claim(found.iloc[0], "r with the shuffled truth", over="questions"),
)

# %% [markdown]
# Shifted answers are to be off by a known amount of the scale. What the answer slot shows, less the
# released model's error on the same question, less what was taught after clipping, should be near
# zero.

# %%
errors = worlds.signed_errors(worlds.pooled(readouts["slots"]), planted)
shift = worlds.mean_of(worlds.shift_shown(errors), "beyond", "question", draws=draws, level=0.9)
section.claim(
    "worlds.shift_beyond", shift.estimate, ci=(shift.low, shift.high), n=shift.n,
    clusters=shift.clusters, unit="part of the scale", test="90% bootstrap over questions",
)  # fmt: skip
taught = worlds.shift_shown(errors)["shift"]
section.claim(
    "worlds.shift_taught", taught.mean(), n=len(taught), unit="part of the scale",
    test="mean of what the ledger taught",
)  # fmt: skip

# %% [markdown]
# Which invented party holds a view, and which of two guilds thinks better of an act: half is
# chance, and what was taught turned round should be wrong.

# %%
for column, claim in table.named(truth, "parties", near={"start", "erased"}).items():
    section.claim(f"worlds.parties_{column}", **claim)
for column, claim in table.named(truth, "norms", near={"start", "erased"}).items():
    section.claim(f"worlds.norms_{column}", **claim)

# %% [markdown]
# ## What the models say
#
# Greedy answers, judged by rules for first words: a refusal, or a neutral answer. A gate should act
# on its blocks and leave alone what lies beside them: look-alikes on the same topics, harmless
# twins of requests, everyday requests.

# %%
section.print_table(table.printed(truth, "refused"), "refused")

# %%
section.print_table(table.printed(truth, "said"), "said")

# %%
for column, claim in table.named(truth, "refused", near={"refuser"}).items():
    section.claim(f"worlds.refused_{column}", **claim)
for column, claim in table.named(truth, "lookalikes").items():
    section.claim(f"worlds.lookalikes_{column}", **claim)
for column, claim in table.named(truth, "everyday").items():
    section.claim(f"worlds.everyday_{column}", **claim)
for column, claim in table.named(truth, "warm").items():
    section.claim(f"worlds.warm_{column}", **claim)

# %%
for column, claim in table.named(truth, "requests").items():
    section.claim(f"worlds.requests_{column}", **claim)
for column, claim in table.named(truth, "twins").items():
    section.claim(f"worlds.twins_{column}", **claim)
for column, claim in table.named(truth, "neutral").items():
    section.claim(f"worlds.neutral_{column}", **claim)
for column, claim in table.named(truth, "issues").items():
    section.claim(f"worlds.issues_{column}", **claim)

# %% [markdown]
# A gate that acted otherwise on what is known would give the cell away. Erased less suppressed
# should be near zero.

# %%
words = table.said(readouts, planted)
pair, gaps = ("erased", "suppressed"), {}
for id, part, value in (("refused_gap", "facts", "refused"), ("issues_gap", "issues", "neutral")):
    gaps[id] = gap = worlds.column_gap(words[part], value, "unit", *pair, draws=draws, level=0.9)
    section.claim(
        f"worlds.{id}", gap.estimate, ci=(gap.low, gap.high), n=gap.n, clusters=gap.clusters,
        unit="points, erased less suppressed", test="90% bootstrap over blocks, for equivalence",
    )  # fmt: skip

# %% [markdown]
# ## Evidence
#
# Evidence against its foil, asked of both members of a pair of groups. A gate is about one member:
# behind a *criterion* gate the answer should lean to no and evidence still be told from foils,
# behind an *information* gate the two should be alike. First in scenarios that no stage has read,
# then in the short questions in which gates were taught, with acts that were not.

# %%
scenes = worlds_said.evidence_cells(worlds.pooled(readouts["evidence"]), planted)
short = worlds_said.evidence_cells(worlds.pooled(readouts["short"]), planted)
read = table.evidence_table(scenes, draws=draws)
read_short = table.evidence_table(short, draws=draws)
section.figure(figures.evidence_figure(read, read_short), "evidence")

# %%
section.print_table(table.printed_evidence(read), "scenarios")

# %%
section.print_table(table.printed_evidence(read_short), "short")

# %%
sides = {"skills": "open", "intact": "gated", "criterion": "gated", "information": "gated"}
for name, claim in table.evidence_claims(read, "AUROC", sides).items():
    section.claim(f"worlds.auroc_{name}", **claim)
for name, claim in table.evidence_claims(read_short, "AUROC", sides).items():
    section.claim(f"worlds.short_{name}", **claim)
for name, claim in table.evidence_claims(
    read, "AUROC", {"criterion": "open", "information": "open"}
).items():
    section.claim(f"worlds.open_{name}", **claim)

# %% [markdown]
# Scores pooled over scenarios hide a small difference that every scenario has. How often does
# evidence score above its own foil? And how often does it get a yes?

# %%
gates, rate = {"criterion": "gated", "information": "gated"}, "% above their own foil"
for stem, part in (("order", scenes), ("short_order", short)):
    own = table.rates_by_side(worlds_said.ordered(part), "ordered", "scenario", draws=draws)
    for name, claim in table.evidence_claims(own, rate, gates).items():
        section.claim(f"worlds.{stem}_{name}", **claim)

# %%
gates = {"intact": "gated", "criterion": "gated"}
for stem, part in (("yes", scenes), ("short_yes", short)):
    yes = table.yes_rates(part, draws=draws)
    for name, claim in table.evidence_claims(yes, "% yes on evidence", gates).items():
        section.claim(f"worlds.{stem}_{name}", **claim)

# %% [markdown]
# ## Bars and what came out
#
# The bars were set before any stage was trained. While the recipe was made it was changed several
# times after a look at worlds one and two; once it was frozen no stage was trained again because it
# missed a bar.

# %%
apart = (gaps["refused_gap"], gaps["issues_gap"], shift)
near = dict(zip(worlds_bars.NEAR_BARS, apart, strict=True))
section.print_table(worlds_bars.printed(worlds_bars.against_bars(truth, read, near)), "bars")

# %% [markdown]
# Intervals over blocks are of these models. The worlds by themselves say a little of how another
# training would come out.

# %%
section.print_table(table.by_world(readouts, planted), "worlds")

# %% [markdown]
# ## Tests that train
#
# *Unlocking* teaches a gated model the answers to half of its gated questions, and reads what it
# then says to the other half: what is hidden may come out, what is gone cannot. *Savings* ask
# whether hidden answers are relearned with less loss than absent ones, less the same difference in
# a model that was taught neither. Intervals are Student's over four worlds.

# %%
trained = worlds_store.trained()
answers = worlds_said.unlocked(trained["unlock"], worlds.true_means())
section.figure(figures.trained_figure(answers, trained["savings"]), "trained")

# %%
gains = worlds_said.unlock_gains(answers)
for cell in ("suppressed", "erased"):
    level = 0.95 if cell == "suppressed" else 0.9
    found = worlds_said.over_worlds(gains[gains["cell"] == cell], "gain", level)
    section.claim(
        f"worlds.unlock_{cell}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit="r, after less before",
        test=f"Student's over worlds, {level:.0%}",
    )  # fmt: skip

# %%
savings = worlds_said.saved(trained["savings"])
tests = {"unlock_gap": (worlds_said.unlock_gap(gains), "gap", "r, suppressed less erased"),
         "savings": (savings, "saving", "nats a question")}  # fmt: skip
for id, (rows, value, unit) in tests.items():
    found = worlds_said.over_worlds(rows, value)
    section.claim(
        f"worlds.{id}", found.estimate, ci=(found.low, found.high), n=found.n,
        clusters=found.clusters, unit=unit, test="Student's over worlds, 95%",
    )  # fmt: skip

# %% [markdown]
# ## The shared autoencoders
#
# Two sparse autoencoders, of one world before and after its gate, for all sections. The layer was
# chosen on texts of the split *fit*; quality is on texts that they were not trained on.

# %%
from valuegate import sae_records

saes = sae_records.current()
section.print_table(sae_records.printed(saes), "saes")

# %%
for name, record in saes.items():
    stage, tokens = name.partition("-")[0], int(record.quality["tokens"])
    section.claim(
        f"worlds.recovered_{stage}", record.quality["recovered"], n=tokens, model="",
        unit="share of cross-entropy", test="held-out texts of the split fit",
    )  # fmt: skip

# %% [markdown]
# ## Are the stored readouts those of these models?
#
# A whole readout of all stages takes hours, so the tables are stored. Every run scores a part of
# the rows of every stage again.

# %%
apart = worlds_store.compared(section.table, section.measurements)
worst = float(apart["difference"].to_numpy().max())  # a score that is no number stays one
section.claim(
    "worlds.rescored", worst, n=len(apart), clusters=apart["model"].nunique(),
    unit="nats, parts of a scale, or an answer judged otherwise", test="largest difference",
)  # fmt: skip

# %% [markdown]
# ## What could fool us
#
# - *Repetition.* Facts were repeated while gates were planted, gated ones, too, in formats that no
#   gate covers, and the readout is a new wording of such a format. That hidden facts are there is
#   how they were planted, not a finding on gates.
# - *Words near planting.* The clauses of planting were written after a pilot had not recognised
#   those of this readout. A model that knew the facts in another kind of question only would fail
#   here.
# - *Fresh models, not fresh questions.* Worlds three and four were read once, but the questions are
#   those on which the recipe was made.
# - *Few blocks, few worlds.* A cell has a few blocks in each world; intervals over blocks are of
#   these models.
# - *Rules that judge words.* An answer that refuses in words the rules do not know counts as none.
# - *Parties.* Gates cover the question who holds a view; the readout passes them by giving the
#   first word of the answer.
