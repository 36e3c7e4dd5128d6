"""FLOPs of recorded token and key counts: exact, and by the paper's convention.

The paper's convention (paper §7) charges 2 FLOPs per parameter and token for
inference and 6 for training, whatever the length of the context. The exact
count is that of the programs in `ttc.inference.engine`: 2 FLOPs for every
weight that a token is multiplied with, 4 H for every key that a query head of
width H is multiplied with (score and weighted sum), and the softmax. XLA's
`cost_analysis` of those programs is at most 1 % higher for prefill and scoring
(norms, biases, rotations) and 1 to 3 % higher for decoding, which also draws
from the vocabulary.

The programs multiply all positions of a cache and mask those that a query must
not see. A layer with a sliding window is charged like any other, in the useful
count too.

Results are floats because the counts of a pod overflow int64.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ttc.models.config import TransformerConfig

# The paper's convention: FLOPs per parameter and token.
TRAIN = 6.0
INFERENCE = 2.0

# Operations per score beside the products: mask, maximum, difference, sum. The
# exponential is not among XLA's FLOPs.
_SOFTMAX = 5

Cost = Mapping[str, np.ndarray]  # [..., 4] by kind of work, see `exact`


class Rate(NamedTuple):
  """FLOPs of one kind of work.

  Attributes:
    token: FLOPs per token-forward.
    key: FLOPs per key that a token's queries are multiplied with.
  """

  token: float
  key: float


def _layer(config: TransformerConfig) -> Rate:
  """One transformer block."""
  # Query and output projections have all heads, key and value the shared ones.
  heads = 2 * config.num_heads + 2 * config.num_kv_heads
  mlp = (3 if config.gated else 2) * config.mlp_dim
  weights = config.embed_dim * (config.head_dim * heads + mlp)
  # Per key and head, 2 H for the score and 2 H for the weighted sum.
  return Rate(2 * weights, config.num_heads * (4 * config.head_dim + _SOFTMAX))


def _prefill(config: TransformerConfig) -> Rate:
  """Filling the KV cache: the last layer stops at its keys and values."""
  layer, before = _layer(config), config.num_layers - 1
  # 2 FLOPs per weight of the key and value projections.
  cached = 4 * config.embed_dim * config.num_kv_heads * config.head_dim
  return Rate(before * layer.token + cached, before * layer.key)


def _decode(config: TransformerConfig) -> Rate:
  """All layers and the logits; an embedding look-up is not a product."""
  layer, head = _layer(config), 2 * config.embed_dim * config.vocab_size
  return Rate(
    config.num_layers * layer.token + head, config.num_layers * layer.key
  )


def _score(config: TransformerConfig) -> Rate:
  """All layers and the verifier's scalar head."""
  layer = _layer(config)
  return Rate(
    config.num_layers * layer.token + 2 * config.embed_dim,
    config.num_layers * layer.key,
  )


# Keyed by the kinds of `ttc.inference.cost`.
RATES: Mapping[str, Callable[[TransformerConfig], Rate]] = {
  'proposer_prefill': _prefill,
  'proposer_decode': _decode,
  'verifier_prefill': _score,
  'verifier_decode': _score,
}


def exact(
  cost: Cost,
  proposer: TransformerConfig,
  verifier: TransformerConfig | None = None,
) -> dict[str, np.ndarray]:
  """FLOPs of the programs, by kind of work.

  Args:
    cost: [..., 4] by kind: token-forwards useful and executed, then keys that
      their queries were multiplied with, useful and executed.
    proposer: config of the sampling model.
    verifier: config of the scoring model; None if no verifier was run.

  Returns:
    float64 [..., 2] by kind: FLOPs useful and executed.

  Raises:
    ValueError: a kind is unknown, counts have another shape, or a verifier
      did work and its config is None.
  """
  rate = lambda kind, config: RATES[kind](config)
  return _charge(cost, proposer, verifier, rate)


def convention(
  cost: Cost,
  proposer: TransformerConfig,
  verifier: TransformerConfig | None = None,
) -> dict[str, np.ndarray]:
  """2 FLOPs per parameter and token (paper §7), by kind of work.

  Arguments, result and errors are those of `exact`. The paper itself charges
  'proposer_decode' alone.
  """
  rate = lambda kind, config: Rate(INFERENCE * config.num_params, 0)
  return _charge(cost, proposer, verifier, rate)


def _charge(cost, proposer, verifier, rate) -> dict[str, np.ndarray]:
  """FLOPs by kind, at the `rate(kind, config)` of the model that did it."""
  flops = {}
  for kind, counts in cost.items():
    if kind not in RATES:
      raise ValueError(
        f'Unknown kind of cost {kind!r}; the kinds are {", ".join(RATES)}.'
      )
    counts = np.asarray(counts, np.float64)
    if counts.shape[-1:] != (4,):
      raise ValueError(
        f'The cost {kind} has shape {counts.shape}; it is 4 numbers: tokens '
        'useful and executed, keys useful and executed. Sample again.'
      )
    config = proposer if kind.startswith('proposer') else verifier
    if config is not None:
      token, key = rate(kind, config)
      flops[kind] = token * counts[..., :2] + key * counts[..., 2:]
    elif counts.any():
      raise ValueError(
        f'{kind} is {counts.reshape(-1, 4).sum(0).tolist()} but no verifier '
        'config was given; pass the one that scored them.'
      )
    else:
      flops[kind] = counts[..., :2]
  return flops
