"""Vectors that lie as those of texts do: in clusters, and of length 1."""

from typing import Final

import numpy as np

_SEED: Final = 6
_PER_CLUSTER: Final = 100
_QUERY_NOISE: Final = 0.5


def clustered(count: int, dimension: int, *, seed: int = _SEED) -> np.ndarray:
    """Directions drawn at random, and about a hundred vectors around each.

    The noise is as long as the direction itself, so the cosine of two of a cluster is about 0.5.
    """
    numbers = np.random.default_rng(seed)
    centres = uniform(max(count // _PER_CLUSTER, 1), dimension, seed=seed)
    matrix = numbers.standard_normal((count, dimension), dtype=np.float32)
    matrix /= np.float32(np.sqrt(dimension))
    matrix += centres[numbers.integers(0, len(centres), count)]
    return _of_length_1(matrix)


def uniform(count: int, dimension: int, *, seed: int = _SEED) -> np.ndarray:
    """Vectors that point anywhere."""
    numbers = np.random.default_rng(seed)
    return _of_length_1(numbers.standard_normal((count, dimension), dtype=np.float32))


def near(matrix: np.ndarray, count: int) -> np.ndarray:
    """Queries: some of the vectors, moved by half their length."""
    numbers = np.random.default_rng(_SEED + 1)
    chosen = matrix[numbers.integers(0, len(matrix), count)]
    noise = numbers.standard_normal(chosen.shape, dtype=np.float32)
    return _of_length_1(chosen + noise * np.float32(_QUERY_NOISE / np.sqrt(chosen.shape[1])))


def _of_length_1(matrix: np.ndarray) -> np.ndarray:
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix
