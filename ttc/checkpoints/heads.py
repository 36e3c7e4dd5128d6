"""Imported value heads, turned into one logit per token with a sigmoid.

    score [1, D]                     as it is
    score [2, D]                     softmax of two = sigmoid of the difference
    score.0 [D, D], score.2          the same after a hidden ReLU layer (Qwen)
    lm_head and two token ids        difference of the two tokens' logits

Differences are taken in float32, where those of half-precision weights lose
almost nothing.
"""

from collections.abc import Callable, Mapping
import dataclasses
import pathlib
from typing import Any, NamedTuple

import numpy as np

from ttc.checkpoints.safetensors import Tensor
from ttc.models.config import TransformerConfig
from ttc.models.reader import Reader

_BAD, _GOOD = 0, 1  # indices of the two classes
_NAMES_OF_GOOD = frozenset(
  ('+', 'good', 'correct', 'right', 'positive', 'true', 'yes', 'valid')
)
_HIDDEN, _HIDDEN_BIAS = 'score.0.weight', 'score.0.bias'
_LAST, _LAST_BIAS = 'score.2.weight', 'score.2.bias'
_SCORE, _SCORE_BIAS = 'score.weight', 'score.bias'

Rows = Callable[[str, int, int], np.ndarray]  # (tensor, start, stop) -> rows


class ValueHead(NamedTuple):
  """A value head in the format of `Transformer`.

  Attributes:
    cfg: the model's config, with the head's hidden units.
    params: parameters beside the backbone, numpy float32.
    used: names of the tensors that the head consists of.
  """

  cfg: TransformerConfig
  params: dict[str, np.ndarray]
  used: frozenset[str]


def check_labels(named: Any, folder: pathlib.Path) -> None:
  """Refuses two labels in the other order.

  Args:
    named: id2label of a config.json, whatever it is.
    folder: of the checkpoint, for the message.

  Raises:
    ValueError: by its name, the first label is that of right steps.
  """
  named = named if isinstance(named, dict) and len(named) == 2 else {}
  first = named.get('0')
  if isinstance(first, str) and first.strip().lower() in _NAMES_OF_GOOD:
    raise ValueError(
      f'{folder / "config.json"}: id2label calls label 0 {first!r}, and the '
      'value of a step is the probability of label 1; exchange the rows of '
      'score.weight and score.bias, and the labels.'
    )


def score(
  tensors: Mapping[str, Tensor], cfg: TransformerConfig, rows: Rows
) -> ValueHead:
  """Reads a classification head with one label or two.

  Args:
    tensors: the checkpoint's tensors by name.
    cfg: config of the model, without hidden units of the head.
    rows: reads rows of a tensor.

  Raises:
    ValueError: a tensor of the head is missing or of another shape.
  """
  if _HIDDEN in tensors:
    hidden = tensors[_HIDDEN].shape[0]
    cfg = dataclasses.replace(cfg, value_hidden=hidden)
    used = [_HIDDEN, _HIDDEN_BIAS, _LAST, _LAST_BIAS]
    _check(
      tensors,
      used,
      {_HIDDEN: (hidden, cfg.embed_dim), _HIDDEN_BIAS: (hidden,)},
      hidden,
    )
    read = lambda name: rows(name, 0, tensors[name].shape[0]).astype(np.float32)
    params = {
      'value_hidden': read(_HIDDEN).T,
      'value_hidden_bias': read(_HIDDEN_BIAS),
      'value': _difference(read(_LAST)),
      'value_bias': _difference(read(_LAST_BIAS)),
    }
    return ValueHead(cfg, params, frozenset(used))
  used = [
    name for name in (_SCORE, _SCORE_BIAS) if name in tensors or name == _SCORE
  ]
  _check(tensors, used, {}, cfg.embed_dim)
  read = lambda name: rows(name, 0, tensors[name].shape[0]).astype(np.float32)
  bias = (
    _difference(read(_SCORE_BIAS))
    if _SCORE_BIAS in tensors
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
  """Makes a head of the difference between two tokens' logits.

  The softmax over the two tokens is the sigmoid of that difference.

  Args:
    cfg: config of the language model.
    reader: whose tokens `good` and `bad` are used.
    rows: reads rows of a tensor.

  Raises:
    ValueError: a token is outside the vocabulary, or logits are capped.
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
  """Row 0 of [1, ...], or good minus bad of [2, ...], as [...]."""
  return rows[0] if len(rows) == 1 else rows[_GOOD] - rows[_BAD]


def _check(tensors, names, shapes, width) -> None:
  """Raises ValueError for tensors that are missing or of another shape.

  Args:
    tensors: the checkpoint's tensors by name.
    names: tensors of the head.
    shapes: expected shapes by name; the others have one or two rows of `width`.
    width: inputs of the last layer.
  """
  for name in names:
    if name not in tensors:
      raise ValueError(
        f'The checkpoint lacks tensor {name!r} of its value head; fetch it '
        'again.'
      )
    shape = tensors[name].shape
    labels = ((1,), (2,)) if name.endswith('bias') else ((1, width), (2, width))
    wanted = (shapes[name],) if name in shapes else labels
    if shape not in wanted:
      raise ValueError(
        f'Tensor {name!r} has shape {shape}, not '
        f'{" or ".join(map(str, wanted))}; value heads have one label or '
        'two.'
      )
