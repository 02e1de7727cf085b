"""Section 03's probes: values told from representations, on clusters that they were not fitted on.

Kernel ridge regression, so that several representations can be used at once: what a model's layer
adds to words, static embeddings and an untrained model is the section's estimand. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def held_out(
    kernel: Kernel,
    targets: Float[np.ndarray, "item target"],
    folds: Float[np.ndarray, " item"],
    fitted: Bool[np.ndarray, " item"],
) -> Float[np.ndarray, "item target"]:
    """Return ridge predictions of every item, fitted on the other folds' items.

    The penalty of a target is chosen on the fitting folds alone: each is predicted from the others,
    by the leave-one-fold-out identity of ridge regression. nan where there is nothing to fit on.

    Args:
        kernel: of all items.
        targets: what is predicted.
        folds: of every item; from `fold_of`.
        fitted: which items may be fitted on.

    Raises:
        ValueGateError: a single fold.
    """
    if len(set(folds.tolist())) < 3:
        raise ValueGateError("a nested probe needs items of three folds or more; take more items")
    found = np.full(targets.shape, np.nan)
    for fold in sorted(set(folds.tolist())):
        train, out = np.flatnonzero((folds != fold) & fitted), np.flatnonzero(folds == fold)
        if len(train) < 3:
            continue
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
        best = missed.argmin(0)
        for column in range(targets.shape[1]):
            penalty = PENALTIES[best[column]] * scale
            weights = vectors @ (rotated[:, column] / (roots + penalty))
            found[out, column] = across @ weights + means[column]
    return found


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
    kernel: Kernel,
    poles: Sequence[str],
    foundations: Sequence[str],
    folds: Float[np.ndarray, " item"],
    fitted: Bool[np.ndarray, " item"],
) -> Float[np.ndarray, " item"]:
    """Return how far each polar item is told to be a virtue, within its foundation.

    Ridge regression on the poles (1 and -1), a linear discriminant with a ridge; nan of items
    without a pole, and of a foundation with too few.

    Args:
        kernel: of all items.
        poles: "virtue", "vice" or "neutral".
        foundations: of every item.
        folds: of every item.
        fitted: which items may be fitted on.
    """
    sign = np.array([{"virtue": 1.0, "vice": -1.0}.get(pole, 0.0) for pole in poles])
    own, found = np.asarray(foundations), np.full(len(sign), np.nan)
    for foundation in dict.fromkeys(foundations):
        rows = np.flatnonzero((own == foundation) & (sign != 0))
        if len(set(sign[rows].tolist())) < 2 or len(set(folds[rows].tolist())) < 3:
            continue
        found[rows] = held_out(
            kernel[np.ix_(rows, rows)], sign[rows, None], folds[rows], fitted[rows]
        )[:, 0]
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
    its best state is not restored. Source: arXiv 2603.15615, sec. 4 and its release.
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
    best, waited = float("inf"), 0
    with torch.enable_grad():
        for _ in range(epochs):
            shuffled = train[torch.randperm(len(train), generator=rng)]
            for batch in shuffled.split(512):
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
