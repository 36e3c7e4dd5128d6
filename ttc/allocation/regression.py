"""Two small regressions with a ridge: logistic and linear."""

import numpy as np

_STEPS = 30  # Newton's method needs fewer; a separable sample takes more


def logistic(
  features: np.ndarray, label: np.ndarray, ridge: float = 1.0
) -> np.ndarray:
  """Weights of a logistic regression, float [F].

  Maximises the log-likelihood less ridge / 2 times the squared weights, the
  first one, of a constant, excepted. Newton's method (Nelder and Wedderburn
  1972); the ridge keeps weights finite where a plane separates the labels.

  Args:
    features: float [n, F], the first column a constant.
    label: [n] in {0, 1}.
    ridge: strength of the penalty, in observations.
  """
  penalty = np.full(features.shape[1], ridge)
  penalty[0] = 1e-3  # labels may all be equal
  weights = np.zeros(features.shape[1])
  for _ in range(_STEPS):
    mean = sigmoid(features @ weights)
    gradient = features.T @ (label - mean) - penalty * weights
    curvature = (features * (mean * (1 - mean))[:, None]).T @ features
    step = np.linalg.solve(curvature + np.diag(penalty), gradient)
    # A bounded step: far from the optimum the curvature may be about 0.
    weights += step * min(1.0, 5.0 / max(np.abs(step).max(), 1e-12))
    if np.abs(step).max() < 1e-9:
      break
  return weights


def linear(
  features: np.ndarray, target: np.ndarray, ridge: float = 1.0
) -> np.ndarray:
  """Weights [F, ...] that minimise squared errors plus ridge times weights².

  Args:
    features: float [n, F].
    target: float [n, ...].
    ridge: strength of the penalty.
  """
  gram = features.T @ features + ridge * np.eye(features.shape[1])
  return np.linalg.solve(gram, features.T @ target)


def sigmoid(x: np.ndarray) -> np.ndarray:
  """1 / (1 + exp(-x)), without overflow."""
  return 0.5 * (1 + np.tanh(0.5 * x))
