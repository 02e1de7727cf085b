"""A sweep over steering strengths: what lies below the layer run once, beside running it all again.

Three ways to the same first-token scores, which must agree to 1e-4: `steering.Above`; the same
batches with a hook that adds the vector, whole each time; and a loop over single prompts, as
published code steers. Run with `python tests/bench/bench_steering.py`.
"""

from __future__ import annotations

import time

import torch

from valuegate import hooks, models, refusal_items
from valuegate.residual import capture
from valuegate.scoring import prompt_rows
from valuegate.steering import Above

MODEL, LAYER, STRENGTHS, PROMPTS = "smollm2-135m-instruct", 15, 10, 60


def whole(lm: models.LanguageModel, texts: list[str]) -> torch.Tensor:
    """Return the last logits of one batch, padded at its ends, run through all layers."""
    rows = prompt_rows(lm, texts)
    ends = torch.tensor([row.reads[0] for row in rows])
    ids = torch.zeros(len(rows), int(ends.max()) + 1, dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
    mask = (torch.arange(ids.shape[1]) <= ends[:, None]).long()
    with torch.no_grad():
        out = lm.decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return lm.unembedding(out[torch.arange(len(rows)), ends])


def main() -> None:
    """Print seconds of the three ways, and their ratios."""
    lm = models.load(MODEL)
    rows = refusal_items.curve_items(PROMPTS // 2)
    texts = [lm.chat(text) for text in rows["text"]]
    stream = capture(lm, texts, [LAYER])[:, 0, 0]
    vector = stream[: PROMPTS // 2].mean(0) - stream[PROMPTS // 2 :].mean(0)
    strengths = torch.linspace(0.25, 2.25, STRENGTHS)
    whole(lm, texts)  # what is loaded late is loaded now

    start = time.perf_counter()
    above = Above(lm, texts, LAYER)
    ours = [above.logits(lambda residual, s=s: residual + s * vector) for s in strengths]
    swept = time.perf_counter() - start

    start = time.perf_counter()
    again = []
    for s in strengths:
        with hooks.adding(lm, {LAYER: s * vector}):
            again.append(whole(lm, texts))
    batched = time.perf_counter() - start

    start = time.perf_counter()
    alone = []
    for s in strengths:
        with hooks.adding(lm, {LAYER: s * vector}):
            alone.append(torch.cat([whole(lm, [text]) for text in texts]))
    looped = time.perf_counter() - start

    for other in (again, alone):
        for one, two in zip(ours, other, strict=True):
            torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)
    limit = lm.n_layers / (lm.n_layers - LAYER)
    print(f"{PROMPTS} prompts, {STRENGTHS} strengths, layer {LAYER} of {lm.n_layers}")
    print(
        f"below run once {swept:.2f} s; all again {batched:.2f} s; prompt by prompt {looped:.2f} s"
    )
    print(f"ratio to the loop {looped / swept:.1f}; to the same batches {batched / swept:.2f},")
    print(f"{100 * batched / swept / limit:.0f}% of {limit:.1f}")


if __name__ == "__main__":
    main()
