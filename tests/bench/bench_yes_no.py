"""Yes/no prompts per second: valuegate, lm-evaluation-harness, a plain loop, the machine's limit.

One process, one loaded model (SmolLM2-135M-Instruct, float32, CPU, threads = cores), the same 96
VETO prompts as strings that already carry the chat template. Four arms:

1. valuegate: `scoring.log_odds`, ten spellings of yes and no, with the last token's residual of
   every layer kept.
2. lm-eval 0.4.13: its own `HFLM` around the very same model and tokenizer, one pair of
   `loglikelihood` requests a prompt ("Yes" and "No"). It captures nothing.
3. plain loop: transformers, one prompt at a time, all hidden states and all logits returned.
4. GEMM limit: nothing but the model's float32 matrix products, for every token of every prompt and
   one unembedding a prompt: what no program that runs each token once can pass.

Why it is fair. Every arm starts from strings, so each pays for its own tokenizing. The token ids of
lm-eval are checked to be ours, none added; its log-odds of Yes against No are checked to be ours to
1e-3, and so are the loop's log-odds and residuals. lm-eval gets the batch size that a warm-up on
these prompts finds fastest, and its shortcut for one-token answers is checked to be on: a pair of
requests runs one row. Its requests are built, and its progress bar is off, outside the clock.
Nothing is remembered from one call to the next in any arm. Repeats are interleaved and the order of
the arms rotates, so that a machine that slows down slows all of them; the ratio is taken within
each repeat, and the median is reported beside every value. Two busy threads suffer much from a
third: what other processes used meanwhile is measured, and the table says when it was too much.

What the ratio does not say: valuegate is faster because these prompts share beginnings and because
only the positions that are read get logits. Prompts that share nothing gain only the second, and
prompts whose instruction comes last (`--instruction last`) gain less than those where it is first.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from valuegate import data, models, veto_pairs
from valuegate.models import LanguageModel
from valuegate.scoring import NO, YES, answer_ids, log_odds

MODEL = "smollm2-135m-instruct"
# Where the instruction stands decides how much the prompts share: the first form shares it in all.
FORMS = {
    "first": "Read the text and answer the question with yes or no.\n\n{text}",
    "last": "{text}\nAnswer with yes or no.",
}
TARGET = 1.8  # times the prompts per second of lm-eval
OURS, HARNESS, LOOP, LIMIT = "valuegate", "lm_eval", "plain_loop", "gemm_limit"
LABELS = {
    OURS: "valuegate, every layer captured",
    HARNESS: "lm-eval",
    LOOP: "plain transformers loop",
    LIMIT: "float32 GEMM limit, no sharing",
}

ANSWERS = ("Yes", "No")  # the pair that lm-eval scores: one token each for this model
BATCH_SIZES = (1, 4, 8, 16, 32)
WARM_UP_PROMPTS = 32
WARM_UP_ROUNDS = 2
GEMM_ROWS = 1536  # enough for the matrix products to be at full speed
# float32 sums in another order: 1e-5 is usual, 1e-3 nats changes no answer.
TOLERANCE = 1e-3
QUIET = 0.1  # cores that other processes may use, in the mean of a timed run
PACKAGES = ("valuegate", "lm_eval", "torch", "transformers", "tokenizers", "numpy")


def veto_texts(lm: LanguageModel, count: int, form: str = "first") -> list[str]:
    """Return the first `count` templated prompts, four a pair, one pair a scenario.

    `form` is a key of `FORMS`: whether the instruction comes first or last.
    """
    records = {}
    for category in veto_pairs.CATEGORIES:
        with data.file("bbq", category).open(encoding="utf-8") as lines:
            records[category] = [json.loads(line) for line in lines]
    pairs = veto_pairs.one_per_scenario(veto_pairs.build_pairs(records))
    rows = [row for pair in pairs for row in veto_pairs.prompts(pair)][:count]
    texts = [lm.chat(FORMS[form].format(text=row["text"])) for row in rows]
    assert len(set(texts)) == count, f"{len(set(texts))} distinct prompts where {count} were asked"
    return texts


def pair_requests(texts: Sequence[str]) -> list[Instance]:
    """Return lm-eval's requests: each prompt with each of the two answers, in turn."""
    return [
        Instance(request_type="loglikelihood", doc={}, arguments=(text, answer), idx=i)
        for text in texts
        for i, answer in enumerate(ANSWERS)
    ]


def harness_log_odds(harness: HFLM, requests: Sequence[Instance]) -> np.ndarray:
    """Return lm-eval's log-odds of the first answer against the second, one a prompt."""
    found = harness.loglikelihood(list(requests), disable_tqdm=True)
    scores = np.array([score for score, _ in found]).reshape(-1, 2)
    return scores[:, 0] - scores[:, 1]


def plain_loop(lm: LanguageModel, texts: Sequence[str]) -> tuple[np.ndarray, torch.Tensor]:
    """Return log-odds and last-token hidden states [prompt, layer, d_model], a prompt at a time."""
    yes, no = answer_ids(lm, YES), answer_ids(lm, NO)
    values, states = [], []
    for text in texts:
        with torch.inference_mode():
            out = lm.model(torch.tensor([lm.encode(text)]), output_hidden_states=True)
        logits = out.logits[0, -1].double()
        values.append(float(logits[yes].logsumexp(0) - logits[no].logsumexp(0)))
        states.append(torch.stack([hidden[0, -1] for hidden in out.hidden_states]))
    return np.array(values), torch.stack(states)


def gemm_seconds(lm: LanguageModel, tokens: int, prompts: int) -> tuple[float, float]:
    """Return the seconds that the matrix products alone need, and their GFLOP/s.

    Every linear layer of the blocks for `tokens` rows, the unembedding for `prompts` rows.
    """
    modules = (module for block in lm.blocks for module in block.modules())
    linear = [module.weight for module in modules if isinstance(module, torch.nn.Linear)]
    blocks, flops = _product_seconds(linear, GEMM_ROWS)
    head, _ = _product_seconds([lm.unembedding.weight], prompts)
    return blocks * tokens / GEMM_ROWS + head, flops / blocks / 1e9


def _product_seconds(weights: Sequence[torch.Tensor], rows: int) -> tuple[float, float]:
    """Return the seconds for one product with each weight, and its floating-point operations."""
    inputs = {width: torch.randn(rows, width) for width in {w.shape[1] for w in weights}}
    outputs = {width: torch.empty(rows, width) for width in {w.shape[0] for w in weights}}
    with torch.inference_mode():
        start = time.perf_counter()
        for weight in weights:
            torch.mm(inputs[weight.shape[1]], weight.T, out=outputs[weight.shape[0]])
        return time.perf_counter() - start, 2.0 * rows * sum(w.numel() for w in weights)


@contextmanager
def counting(lm: LanguageModel) -> Iterator[dict[str, int]]:
    """Yield the rows and positions (padding too) that enter the model while the block runs."""
    seen = {"rows": 0, "positions": 0}

    def hook(_module: Any, args: tuple[torch.Tensor, ...]) -> None:
        seen["rows"] += args[0].shape[0]
        seen["positions"] += args[0].numel()

    handle = lm.model.get_input_embeddings().register_forward_pre_hook(hook)
    try:
        yield seen
    finally:
        handle.remove()


def check_agreement(
    lm: LanguageModel, harness: HFLM, texts: Sequence[str]
) -> tuple[dict[str, float], dict[str, int]]:
    """Return the largest differences between arms, and the positions that each arm runs.

    Raises:
        AssertionError: other token ids, no shortcut for one-token answers, or numbers that differ.
    """
    answers = [lm.single_token(answer) for answer in ANSWERS]
    for text in texts:
        for answer, token in zip(ANSWERS, answers, strict=True):
            context, continuation = harness._encode_pair(text, answer)
            assert context + continuation == [*lm.encode(text), token], f"other tokens: {text!r}"
    with counting(lm) as in_harness:
        theirs = harness_log_odds(harness, pair_requests(texts))
    assert in_harness["rows"] == len(texts), "lm-eval ran a row for each answer, not each prompt"
    with counting(lm) as in_loop:
        values, states = plain_loop(lm, texts)
    with counting(lm) as in_ours:
        ours = log_odds(lm, texts, layers=range(lm.n_layers + 1))
    same_pair = log_odds(lm, texts, positive=ANSWERS[:1], negative=ANSWERS[1:]).log_odds
    # transformers returns its last hidden state after the final norm: not the residual.
    residual, states = ours.residual[:, :-1], states[:, :-1]
    difference = {
        "lm_eval_log_odds": float(np.abs(theirs - same_pair).max()),
        "plain_loop_log_odds": float(np.abs(values - ours.log_odds).max()),
        "plain_loop_residual_relative": float((residual - states).abs().max() / states.abs().max()),
    }
    assert max(difference.values()) < TOLERANCE, f"the arms disagree: {difference}"
    counts = {OURS: in_ours, HARNESS: in_harness, LOOP: in_loop}
    return difference, {arm: seen["positions"] for arm, seen in counts.items()}


def best_batch_size(lm: LanguageModel, texts: Sequence[str]) -> tuple[int, dict[int, float]]:
    """Return lm-eval's fastest batch size, and the prompts per second of each that was tried."""
    step = max(1, len(texts) // WARM_UP_PROMPTS)
    sample = texts[::step][:WARM_UP_PROMPTS]
    requests = pair_requests(sample)
    fastest = dict.fromkeys(BATCH_SIZES, float("inf"))
    for size in BATCH_SIZES * WARM_UP_ROUNDS:
        harness = wrapped(lm, size)
        fastest[size] = min(fastest[size], seconds(lambda h=harness: harness_log_odds(h, requests)))
    speeds = {size: len(sample) / fastest[size] for size in BATCH_SIZES}
    return max(speeds, key=speeds.__getitem__), speeds


def wrapped(lm: LanguageModel, batch_size: int) -> HFLM:
    """Return lm-eval's wrapper of the same model; the template has already written its tokens."""
    return HFLM(
        pretrained=lm.model, tokenizer=lm.tokenizer, batch_size=batch_size, add_bos_token=False
    )


def seconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def others_seconds() -> float:
    """Return the CPU seconds that all other processes have used since the machine started."""
    everyone, own = psutil.cpu_times(), psutil.Process().cpu_times()
    return everyone.user + everyone.system - own.user - own.system


def measure(prompts: int, repeats: int, form: str) -> dict[str, Any]:
    """Return everything that goes into the report."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(cores)
    torch.manual_seed(0)
    lm = models.load(MODEL)
    if lm.device.type != "cpu":
        raise SystemExit("this benchmark is of float32 on a CPU: set CUDA_VISIBLE_DEVICES=-1")
    texts = veto_texts(lm, prompts, form)
    tokens = sum(len(lm.encode(text)) for text in texts)
    batch_size, tried = best_batch_size(lm, texts)
    harness, requests = wrapped(lm, batch_size), pair_requests(texts)
    difference, positions = check_agreement(lm, harness, texts)  # warms every arm up as well
    gigaflops = []

    def limit() -> float:
        needed, speed = gemm_seconds(lm, tokens, prompts)
        gigaflops.append(speed)
        return needed

    arms: dict[str, Callable[[], float]] = {
        OURS: lambda: seconds(lambda: log_odds(lm, texts, layers=range(lm.n_layers + 1))),
        HARNESS: lambda: seconds(lambda: harness_log_odds(harness, requests)),
        LOOP: lambda: seconds(lambda: plain_loop(lm, texts)),
        LIMIT: limit,
    }
    order = list(arms)
    taken: dict[str, list[float]] = {arm: [] for arm in arms}
    others: dict[str, list[float]] = {arm: [] for arm in arms}
    for repeat in range(repeats):
        first = repeat % len(order)
        for arm in order[first:] + order[:first]:
            before, start = others_seconds(), time.perf_counter()
            taken[arm].append(arms[arm]())
            elapsed = time.perf_counter() - start
            others[arm].append(max(0.0, others_seconds() - before) / elapsed)
    ratios = {
        arm: [theirs / own for own, theirs in zip(taken[arm], taken[HARNESS], strict=True)]
        for arm in arms
    }
    return {
        "model": MODEL,
        "instruction": form,
        "prompts": prompts,
        "tokens": tokens,
        "repeats": repeats,
        "target": TARGET,
        "ratio": statistics.median(ratios[OURS]),
        "arms": {
            arm: {
                "label": LABELS[arm] + (f", batch {batch_size}" if arm == HARNESS else ""),
                "prompts_per_second": statistics.median(prompts / s for s in taken[arm]),
                "tokens_per_second": statistics.median(tokens / s for s in taken[arm]),
                "ratio_to_lm_eval": statistics.median(ratios[arm]),
                "positions_run": positions.get(arm),
                "each_repeat": {
                    "seconds": taken[arm],
                    "prompts_per_second": [prompts / s for s in taken[arm]],
                    "ratio_to_lm_eval": ratios[arm],
                    "cores_used_by_others": others[arm],
                },
            }
            for arm in arms
        },
        "gemm_gigaflops": {"median": statistics.median(gigaflops), "each_repeat": gigaflops},
        "lm_eval_batch_size": {"used": batch_size, "prompts_per_second_tried": tried},
        "largest_difference": difference,
        "machine": {
            "cores": cores,
            "threads": torch.get_num_threads(),
            "architecture": platform.machine(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
    }


def table(report: dict[str, Any]) -> str:
    """Return the report as plain text."""
    head = f"{'':<36}{'prompts/s':>10}{'tokens/s':>10}{'to lm-eval':>12}{'positions':>11}"
    lines = [head + "  prompts/s of each repeat"]
    for arm in report["arms"].values():
        each = "  ".join(f"{value:.2f}" for value in arm["each_repeat"]["prompts_per_second"])
        run = "" if arm["positions_run"] is None else f"{arm['positions_run']:,}"
        lines.append(
            f"{arm['label']:<36}{arm['prompts_per_second']:>10.2f}"
            f"{arm['tokens_per_second']:>10,.0f}{arm['ratio_to_lm_eval']:>12.2f}{run:>11}  {each}"
        )
    batch, machine = report["lm_eval_batch_size"], report["machine"]
    tried = ", ".join(f"{n}: {v:.2f}" for n, v in batch["prompts_per_second_tried"].items())
    verdict = "met" if report["ratio"] >= report["target"] else "NOT met"
    each = ", ".join(f"{r:.2f}" for r in report["arms"][OURS]["each_repeat"]["ratio_to_lm_eval"])
    busiest = max(max(a["each_repeat"]["cores_used_by_others"]) for a in report["arms"].values())
    noise = "quiet" if busiest <= QUIET else "NOT quiet: stop what else runs and time it again"
    return "\n".join(
        [
            *lines,
            "",
            f"{report['model']}: {report['prompts']} prompts, {report['tokens']:,} tokens; "
            f"instruction {report['instruction']}; medians of {report['repeats']} interleaved "
            "repeats; positions include padding",
            f"valuegate / lm-eval: {report['ratio']:.2f} ({each}); "
            f"target {report['target']}: {verdict}",
            f"GEMM: {report['gemm_gigaflops']['median']:.0f} GFLOP/s at {GEMM_ROWS} rows",
            f"lm-eval batch sizes tried (prompts/s): {tried}",
            "largest differences: "
            + ", ".join(f"{k} {v:.1e}" for k, v in report["largest_difference"].items()),
            f"other processes: up to {busiest:.2f} cores during a timed run ({noise})",
            f"{machine['cores']} cores, {machine['threads']} threads, {machine['architecture']}, "
            f"{machine['instructions']}; "
            + ", ".join(f"{name} {version}" for name, version in report["versions"].items()),
        ]
    )


def main() -> None:
    """Run the benchmark, print its table and write its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=96, help="four a VETO pair (96)")
    parser.add_argument("--repeats", type=int, default=3, help="interleaved repeats (3)")
    parser.add_argument(
        "--instruction", choices=FORMS, default="last", help="its place in the prompt (last)"
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench/yes_no.json"))
    arguments = parser.parse_args()
    if min(arguments.prompts, arguments.repeats) < 1:
        parser.error("--prompts and --repeats must be at least 1")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    report = measure(arguments.prompts, arguments.repeats, arguments.instruction)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(table(report))


if __name__ == "__main__":
    main()
