"""Section 03's probes: values told from representations, on clusters that they were not fitted on.

Kernel ridge regression, so that several representations can be used at once: what a model's layer
adds to words, static embeddings and an untrained model is the section's estimand. Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from sklearn.feature_extraction.text import TfidfVectorizer

from valuegate import splits
from valuegate.errors import ValueGateError

Kernel = Float[np.ndarray, "item item"]
FOLDS = 5
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the kernel's mean diagonal


def fold_of(clusters: Sequence[str]) -> Float[np.ndarray, " item"]:
    """Return every item's fold: whole clusters, in turn in an order by hash."""
    order = splits.shuffled(sorted(set(clusters)), "moral:folds")
    numbers = {cluster: n % FOLDS for n, cluster in enumerate(order)}
    return np.array([numbers[cluster] for cluster in clusters])


def kernel(features: Float[np.ndarray, "item feature"]) -> Kernel:
    """Return inner products of standardised features, with a mean diagonal of one.

    Dimensions of a residual stream differ in size by orders of magnitude, hence the standard units.
    All zero where nothing varies.
    """
    own = features.astype(float)
    own = own - own.mean(0)
    spread = own.std(0)
    varies = spread > 1e-9
    own = own[:, varies] / spread[varies]
    found = own @ own.T
    return found / max(float(np.trace(found)) / len(found), 1e-12)


def text_kernel(texts: Sequence[str]) -> Kernel:
    """Return a kernel of TF-IDF weights of words and of letters, two to four in a row."""
    found = np.zeros((len(texts), len(texts)))
    for analyzer, lengths in (("word", (1, 2)), ("char_wb", (2, 4))):
        own = TfidfVectorizer(analyzer=analyzer, ngram_range=lengths, sublinear_tf=True)
        weights = own.fit_transform(texts)
        weights = np.asarray(weights.todense())
        weights = weights - weights.mean(0)
        products = weights @ weights.T
        found += products / (np.trace(products) / len(products))
    return found / 2


@dataclass(frozen=True)
class Held:
    """Predictions of every item, fitted on the other folds' items.

    Attributes:
        found: predictions.
        picks: of every fold, the number of the kernel that its fitting folds chose.
    """

    found: Float[np.ndarray, "item target"]
    picks: dict[int, int]


def held_out(
    kernels: Sequence[Kernel],
    targets: Float[np.ndarray, "item target"],
    folds: Float[np.ndarray, " item"],
    fitted: Bool[np.ndarray, " item"],
    *,
    layer: Kernel | None = None,
    picks: Mapping[int, int] | None = None,
) -> Held:
    """Return ridge predictions of every item, fitted on the other folds' items.

    A kernel for all targets, and a penalty for each, are chosen on the fitting folds alone: each is
    predicted from the others, by the leave-one-fold-out identity of ridge regression. nan where
    there is nothing to fit on.

    Args:
        kernels: to choose from, of all items.
        targets: what is predicted.
        folds: of every item; from `fold_of`.
        fitted: which items may be fitted on.
        layer: a kernel to be set beside the chosen one: used where the fitting folds are told
            better by it, or by the mean of both.
        picks: the chosen kernels, where they are known.

    Raises:
        ValueGateError: a single fold.
    """
    if len(set(folds.tolist())) < 3:
        raise ValueGateError("a nested probe needs items of three folds or more; take more items")
    found, picked = np.full(targets.shape, np.nan), {}
    for fold in sorted(set(folds.tolist())):
        train, out = np.flatnonzero((folds != fold) & fitted), np.flatnonzero(folds == fold)
        if len(train) < 3:
            continue
        numbers = range(len(kernels)) if picks is None else [picks[fold]]
        tried = [_ridge(kernels[n], targets, folds, train, out) for n in numbers]
        best = int(np.argmin([missed for missed, _ in tried]))
        picked[fold] = numbers[best]
        if layer is not None:
            both = (kernels[numbers[best]] + layer) / 2
            tried = [tried[best], *(_ridge(k, targets, folds, train, out) for k in (both, layer))]
            best = int(np.argmin([missed for missed, _ in tried]))
        found[out] = tried[best][1]
    return Held(found, picked)


def _ridge(
    kernel: Kernel, targets: np.ndarray, folds: np.ndarray, train: np.ndarray, out: np.ndarray
) -> tuple[float, Float[np.ndarray, "out target"]]:
    """Return the share of the fitting items' variance that is missed, and the predictions."""
    middle = kernel[np.ix_(train, train)].mean(0)
    inside = kernel[np.ix_(train, train)] - middle - middle[:, None] + middle.mean()
    across = kernel[np.ix_(out, train)]
    across = across - across.mean(1, keepdims=True) - middle + middle.mean()
    roots, vectors = np.linalg.eigh(inside)
    roots = np.maximum(roots, 0.0)
    scale = max(float(roots.sum()) / len(roots), 1e-12)
    means = targets[train].mean(0)
    centred = targets[train] - means
    rotated = vectors.T @ centred
    missed = np.empty((len(PENALTIES), targets.shape[1]))
    for n, penalty in enumerate(PENALTIES):
        shrunk = roots / (roots + penalty * scale)
        fit = vectors @ (shrunk[:, None] * rotated)
        missed[n] = _missed(vectors, shrunk, centred - fit, folds[train])
    penalties = np.array(PENALTIES)[missed.argmin(0)] * scale
    weights = vectors @ (rotated / (roots[:, None] + penalties))
    spread = np.maximum((centred**2).sum(0), 1e-12)
    return float((missed.min(0) / spread).mean()), across @ weights + means


def _missed(
    vectors: np.ndarray, shrunk: np.ndarray, residual: np.ndarray, folds: np.ndarray
) -> Float[np.ndarray, " target"]:
    """Return the squared error of every target where each fold is left out, from the whole fit."""
    total = np.zeros(residual.shape[1])
    for fold in set(folds.tolist()):
        own = folds == fold
        hat = (vectors[own] * shrunk) @ vectors[own].T
        left = np.linalg.solve(np.eye(own.sum()) - hat, residual[own])
        total += (left**2).sum(0)
    return total


def separated(
    kernels: Sequence[Kernel],
    poles: Sequence[str],
    foundations: Sequence[str],
    folds: Float[np.ndarray, " item"],
    fitted: Bool[np.ndarray, " item"],
    *,
    layer: Kernel | None = None,
) -> Float[np.ndarray, " item"]:
    """Return how far each polar item is told to be a virtue, within its foundation.

    Ridge regression on the poles (1 and -1), a linear discriminant with a ridge; nan of items
    without a pole, and of a foundation with too few.

    Args:
        kernels: to choose from, of all items.
        poles: "virtue", "vice" or "neutral".
        foundations: of every item.
        folds: of every item.
        fitted: which items may be fitted on.
        layer: as in `held_out`.
    """
    sign = np.array([{"virtue": 1.0, "vice": -1.0}.get(pole, 0.0) for pole in poles])
    names, found = np.asarray(foundations), np.full(len(sign), np.nan)
    for foundation in dict.fromkeys(foundations):
        rows = np.flatnonzero((names == foundation) & (sign != 0))
        if len(set(sign[rows].tolist())) < 2 or len(set(folds[rows].tolist())) < 3:
            continue
        square = np.ix_(rows, rows)
        found[rows] = held_out(
            [own[square] for own in kernels], sign[rows, None], folds[rows], fitted[rows],
            layer=None if layer is None else layer[square],
        ).found[:, 0]  # fmt: skip
    return found


def published_probe(
    features: Float[np.ndarray, "item feature"],
    targets: Float[np.ndarray, "item target"],
    *,
    epochs: int = 100,
    seed: int = 42,
) -> Float[np.ndarray, "item target"]:
    """Return predictions of the test rows by the published probe, nan elsewhere.

    A linear layer on residuals as they are, rows (not clusters) split 70, 10 and 20; AdamW, the
    rate halved where validation does not gain, stopped after ten epochs without gain. As released,
    its best state is not restored. Batches are scaled to the items, so that an epoch has as many
    steps as there (512 of 11,420 rows). Source: arXiv 2603.15615, sec. 4 and its release.
    """
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(features), generator=rng)
    ends = [int(0.7 * len(order)), int(0.8 * len(order))]
    train, check, test = order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :]
    x, y = torch.tensor(features, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    probe = torch.nn.Linear(x.shape[1], y.shape[1])
    with torch.no_grad():
        bound = x.shape[1] ** -0.5
        for weights in probe.parameters():
            weights.uniform_(-bound, bound, generator=rng)
    probe.requires_grad_(True)
    optimiser = torch.optim.AdamW(probe.parameters(), lr=1e-3, weight_decay=1e-4)
    slower = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=5)
    best, waited, batch_size = float("inf"), 0, max(1, round(512 * len(train) / 11420))
    with torch.enable_grad():
        for _ in range(epochs):
            shuffled = train[torch.randperm(len(train), generator=rng)]
            for batch in shuffled.split(batch_size):
                loss = torch.nn.functional.mse_loss(probe(x[batch]), y[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            with torch.no_grad():
                missed = float(torch.nn.functional.mse_loss(probe(x[check]), y[check]))
            slower.step(missed)
            waited = 0 if missed < best else waited + 1
            best = min(best, missed)
            if waited >= 10:
                break
    found = np.full(targets.shape, np.nan)
    with torch.no_grad():
        found[test.numpy()] = probe(x[test]).numpy()
    return found


def clusters(
    features: Float[np.ndarray, "item feature"], kinds: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return cluster numbers of every item, by method; -1 is noise (HDBSCAN).

    Features are centred and cut to 95% of their variance, as published; HDBSCAN's sizes are those
    of the paper, scaled to so many items (a hundred in 16,315, but three at the least).

    Args:
        features: mean residuals.
        kinds: "hdbscan", "kmeans-K" or "gmm-K".
    """
    from sklearn.cluster import HDBSCAN, KMeans
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    own = features.astype(float) - features.mean(0)
    if float(own.std()) < 1e-9:
        return {kind: np.zeros(len(own), int) for kind in kinds}
    cut = PCA(0.95, svd_solver="full").fit_transform(own)
    found = {}
    for kind in kinds:
        name, _, many = kind.partition("-")
        if name == "hdbscan":
            size = max(3, round(100 * len(own) / 16315))
            model = HDBSCAN(min_cluster_size=size, min_samples=max(2, size // 5), copy=True)
        elif name == "kmeans":
            model = KMeans(int(many), n_init=4, random_state=0)
        else:
            model = GaussianMixture(int(many), covariance_type="diag", random_state=0)
        found[kind] = model.fit_predict(cut)
    return found
