"""FLOPs by the paper's convention (PAPER sections 7, 8).

A token costs 6 FLOPs a parameter in training and 2 in inference, whatever the
length of its context. Results are floats: a pod's counts overflow int64.
"""

from collections.abc import Mapping

import numpy as np

from ttc.models.config import TransformerConfig

TRAIN = 6.0
INFERENCE = 2.0

COST_KINDS = ('proposer_prefill', 'proposer_decode',
              'verifier_prefill', 'verifier_decode')


def train_flops(config: TransformerConfig, tokens: float) -> float:
  """X = 6 N D of training on that many tokens."""
  return TRAIN * config.num_params * tokens


def inference_flops(config: TransformerConfig, tokens: float) -> float:
  """Y = 2 N D of reading or writing that many tokens."""
  return INFERENCE * config.num_params * tokens


def cost_flops(
    cost: Mapping[str, np.ndarray],
    proposer: TransformerConfig,
    verifier: TransformerConfig | None = None,
) -> dict[str, np.ndarray]:
  """FLOPs of a record's cost, by kind of work.

  Args:
    cost: tokens by kind, each (useful, executed) or [..., 2]: executed counts
      padding and frozen rows as well.
    proposer: the sampling model.
    verifier: the scoring model; None where it read nothing.

  Returns:
    float64 [..., 2] by kind. The paper charges 'proposer_decode' alone.
  """
  flops = {}
  for kind, tokens in cost.items():
    if kind not in COST_KINDS:
      raise ValueError(
          f'Unknown kind of cost {kind!r}; the kinds are '
          f'{", ".join(COST_KINDS)}.')
    tokens = np.asarray(tokens, np.float64)
    config = proposer if kind.startswith('proposer') else verifier
    if config is not None:
      flops[kind] = INFERENCE * config.num_params * tokens
    elif tokens.any():
      raise ValueError(
          f'{kind} is {tokens.sum(axis=tuple(range(tokens.ndim - 1)))} tokens '
          'but no verifier config was given; pass the one that scored them.')
    else:
      flops[kind] = tokens
  return flops


def size_ratio(large: TransformerConfig, small: TransformerConfig) -> float:
  """M: how many times the parameters."""
  return large.num_params / small.num_params
