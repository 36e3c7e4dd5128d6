"""FLOPs of a record's cost: by the paper's convention, and exact.

The paper's (paper §7) charges 2 FLOPs a parameter and token in
inference and 6 in training, whatever the length of the context. The exact count
is that of the programs in `decoding/engine`: 2 for every weight that a token
is multiplied with, 4 H for every key that a query head is multiplied with
(score and mixture), and the softmax. XLA's own `cost_analysis` of those
programs is at most 1 % higher where they read (norms, biases, rotations) and 1
to 3 % where they sample, because drawing from a vocabulary is work as well.

Programs multiply all cells and mask those that a query must not see. A layer
with a sliding window is charged like any other, in the useful count too.

Results are floats: a pod's counts overflow int64.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ttc.models.config import TransformerConfig

TRAIN = 6.0
INFERENCE = 2.0

# Operations a score beside the products: mask, maximum, difference, sum. The
# exponential is not among XLA's FLOPs.
_SOFTMAX = 5

Cost = Mapping[str, np.ndarray]


class Rate(NamedTuple):
  """FLOPs of a kind of work."""

  token: float
  key: float


def _layer(config: TransformerConfig) -> Rate:
  """One block."""
  heads = 2 * config.num_heads + 2 * config.num_kv_heads
  mlp = (3 if config.gated else 2) * config.mlp_dim
  weights = config.embed_dim * (config.head_dim * heads + mlp)
  return Rate(2 * weights, config.num_heads * (4 * config.head_dim + _SOFTMAX))


def _prefill(config: TransformerConfig) -> Rate:
  """Reading for the cache alone: the last layer stops at keys and values."""
  layer, before = _layer(config), config.num_layers - 1
  cached = 4 * config.embed_dim * config.num_kv_heads * config.head_dim
  return Rate(before * layer.token + cached, before * layer.key)


def _decode(config: TransformerConfig) -> Rate:
  """All layers and the logits; looking an embedding up is no product."""
  layer, head = _layer(config), 2 * config.embed_dim * config.vocab_size
  return Rate(
    config.num_layers * layer.token + head, config.num_layers * layer.key
  )


def _score(config: TransformerConfig) -> Rate:
  """All layers and a scalar head."""
  layer = _layer(config)
  return Rate(
    config.num_layers * layer.token + 2 * config.embed_dim,
    config.num_layers * layer.key,
  )


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
    proposer: the sampling model.
    verifier: the scoring model; None where it read nothing.

  Returns:
    float64 [..., 2] by kind: useful, executed.

  Raises:
    ValueError: an unknown kind, counts of another shape, or work of a verifier
      that is not given.
  """
  rate = lambda kind, config: RATES[kind](config)
  return _charge(cost, proposer, verifier, rate)


def convention(
  cost: Cost,
  proposer: TransformerConfig,
  verifier: TransformerConfig | None = None,
) -> dict[str, np.ndarray]:
  """2 N FLOPs a token, by kind; arguments and result as in `exact`.

  The paper charges 'proposer_decode' alone.
  """
  rate = lambda kind, config: Rate(INFERENCE * config.num_params, 0)
  return _charge(cost, proposer, verifier, rate)


def _charge(cost, proposer, verifier, rate) -> dict[str, np.ndarray]:
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
