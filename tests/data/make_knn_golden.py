#!/usr/bin/env python3
"""Writes golden/knn.json: what scikit-learn answers where the premodel's vote is to answer the same.

    python make_knn_golden.py

Needs numpy and scikit-learn. 200 random points of seven features, of quite different ranges, 50
queries, some of them beyond the points' extremes; the five nearest by Euclidean distance after
min-max scaling; and a sequence of one binary 5-nearest-neighbour classifier for each of three
models, in which the first yes decides.
"""

import json
import pathlib

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import MinMaxScaler

POINTS, QUERIES, FEATURES, MODELS, K = 200, 50, 7, 3, 5


def main():
    random = np.random.default_rng(2018)
    spans = np.array([800.0, 1.0, 0.5, 1.0, 0.25, 6.0, 1.0])
    low = np.array([0.0, 0.0, 0.0, 0.0, 0.0, -3.0, 0.0])
    points = (low + spans * random.random((POINTS, FEATURES))).astype(np.float32)
    queries = (low + spans * (1.2 * random.random((QUERIES, FEATURES)) - 0.1)).astype(np.float32)
    # The optimum of a point depends on its first two features, with noise; 3 stands for none.
    sums = points[:, 0] / 800 + points[:, 1] + 0.3 * random.random(POINTS)
    optima = np.digitize(sums, [0.7, 1.2, 1.7])

    scaler = MinMaxScaler(clip=True).fit(points.astype(np.float64))
    scaled = scaler.transform(points.astype(np.float64))
    asked = scaler.transform(queries.astype(np.float64))
    search = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(scaled)
    distances, neighbours = search.kneighbors(asked)
    # Single precision must be enough to tell them apart.
    assert (np.diff(distances, axis=1) > 1e-5).all(), "two neighbours are equally near; change the seed"

    stages = [KNeighborsClassifier(K).fit(scaled, optima == model) for model in range(MODELS)]
    answers = np.array([stage.predict(asked) for stage in stages]).T
    chosen = [int(np.argmax(row)) if row.any() else None for row in answers]
    assert len(set(chosen)) == MODELS + 1, "an answer never comes; change the seed"

    golden = {
        "k": K,
        "points": points.tolist(),
        "optima": [int(model) if model < MODELS else None for model in optima],
        "queries": queries.tolist(),
        "neighbours": neighbours[:, :K].tolist(),
        "distances": np.round(distances[:, :K], 6).tolist(),
        "chosen": chosen,
    }
    path = pathlib.Path(__file__).parent / "golden" / "knn.json"
    lines = ",\n".join(f'"{key}":{json.dumps(value, separators=(",", ":"))}' for key, value in golden.items())
    path.write_text("{" + lines + "}\n")


if __name__ == "__main__":
    main()
