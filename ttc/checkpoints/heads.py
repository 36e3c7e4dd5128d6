"""Value heads of others, as ours: one number a token, and a sigmoid.

    score [1, D]                  already that
    score [2, D]                  softmax of two is the sigmoid of a difference
    score.0 [D, D], score.2       the same behind a layer of ReLUs (Qwen)
    lm_head, a good and a bad id  the difference of two rows of logits

Differences are taken in float32, where those of half-precision numbers lose
next to nothing.
"""

from collections.abc import Callable, Mapping
import dataclasses
from typing import NamedTuple

import numpy as np

from ttc.checkpoints.safetensors import Tensor
from ttc.models.config import TransformerConfig
from ttc.models.reader import Reader

_BAD, _GOOD = 0, 1  # places of the two classes
_HIDDEN, _HIDDEN_BIAS = 'score.0.weight', 'score.0.bias'
_LAST, _LAST_BIAS = 'score.2.weight', 'score.2.bias'
_SCORE, _SCORE_BIAS = 'score.weight', 'score.bias'

Rows = Callable[[str, int, int], np.ndarray]  # of a tensor, by name


class ValueHead(NamedTuple):
  """A head that was read.

  Attributes:
    cfg: the config with its hidden units.
    params: beside the backbone, numpy float32.
    used: names of the tensors that it was made of.
  """

  cfg: TransformerConfig
  params: dict[str, np.ndarray]
  used: frozenset[str]


def score(
  found: Mapping[str, Tensor], cfg: TransformerConfig, rows: Rows
) -> ValueHead:
  """A head of its own, with one label or two.

  Raises:
    ValueError: it is missing, or of another shape.
  """
  if _HIDDEN in found:
    hidden = found[_HIDDEN].shape[0]
    cfg = dataclasses.replace(cfg, value_hidden=hidden)
    used = [_HIDDEN, _HIDDEN_BIAS, _LAST, _LAST_BIAS]
    _check(
      found,
      used,
      {_HIDDEN: (hidden, cfg.embed_dim), _HIDDEN_BIAS: (hidden,)},
      hidden,
    )
    read = lambda name: rows(name, 0, found[name].shape[0]).astype(np.float32)
    params = {
      'value_hidden': read(_HIDDEN).T,
      'value_hidden_bias': read(_HIDDEN_BIAS),
      'value': _difference(read(_LAST)),
      'value_bias': _difference(read(_LAST_BIAS)),
    }
    return ValueHead(cfg, params, frozenset(used))
  used = [
    name for name in (_SCORE, _SCORE_BIAS) if name in found or name == _SCORE
  ]
  _check(found, used, {}, cfg.embed_dim)
  read = lambda name: rows(name, 0, found[name].shape[0]).astype(np.float32)
  bias = (
    _difference(read(_SCORE_BIAS))
    if _SCORE_BIAS in found
    else np.zeros((), np.float32)
  )
  return ValueHead(
    cfg,
    {'value': _difference(read(_SCORE)), 'value_bias': bias},
    frozenset(used),
  )


def from_logits(
  cfg: TransformerConfig, reader: Reader, rows: Rows
) -> ValueHead:
  """The difference of two tokens' logits.

  Raises:
    ValueError: there are no such tokens, or logits are not linear.
  """
  if cfg.final_softcap is not None:
    raise ValueError(
      f'final_logit_softcapping={cfg.final_softcap}: a difference of capped '
      'logits is no linear head; take a verifier without a cap.'
    )
  for name in ('good', 'bad'):
    if not 0 <= getattr(reader, name) < cfg.vocab_size:
      raise ValueError(
        f'Reader.{name}={getattr(reader, name)} is no token of a vocabulary '
        f'of {cfg.vocab_size}; give the id in this checkpoint.'
      )
  name = 'model.embed_tokens.weight' if cfg.tied else 'lm_head.weight'
  good, bad = (
    rows(name, at, at + 1)[0].astype(np.float32)
    for at in (reader.good, reader.bad)
  )
  params = {'value': good - bad, 'value_bias': np.zeros((), np.float32)}
  return ValueHead(cfg, params, frozenset({name}))


def _difference(rows: np.ndarray) -> np.ndarray:
  """[1 or 2, ...] as one row."""
  return rows[0] if len(rows) == 1 else rows[_GOOD] - rows[_BAD]


def _check(found, names, shapes, width) -> None:
  for name in names:
    if name not in found:
      raise ValueError(
        f'The checkpoint lacks tensor {name!r} of its value head; fetch it '
        'again.'
      )
    shape = found[name].shape
    labels = ((1,), (2,)) if name.endswith('bias') else ((1, width), (2, width))
    wanted = (shapes[name],) if name in shapes else labels
    if shape not in wanted:
      raise ValueError(
        f'Tensor {name!r} has shape {shape}, not '
        f'{" or ".join(map(str, wanted))}; value heads have one label or '
        'two.'
      )
