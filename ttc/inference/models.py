"""Two models and the tables of their vocabulary, shared by all plans."""

from collections.abc import Mapping
import dataclasses
import functools

import jax
import numpy as np

from ttc.inference.generation import Generation
from ttc.inference.verifier_text import Bridge
from ttc.inference.without_history import WithoutHistory
from ttc.models.config import TransformerConfig
from ttc.models.transformer import unstack


@dataclasses.dataclass(frozen=True)
class Model:
  """The weights of a model and its shape.

  Attributes:
    params: layers stacked, as training leaves them, or apart.
    cfg: of the model.
    name: what messages call it.
  """

  params: dict
  cfg: TransformerConfig
  name: str = 'The model'

  @classmethod
  def consuming(
    cls, params: dict, cfg: TransformerConfig, name: str = 'The model'
  ) -> 'Model':
    """From stacked parameters, which are deleted: memory holds them once."""
    return cls(unstack(params, consume=True), cfg, name)

  @functools.cached_property
  def layers(self) -> dict:
    """The parameters with layers apart, as the programs want them."""
    stacked = 'layers' in self.params['backbone']
    return unstack(self.params) if stacked else self.params

  def overflow(self, what: str, question: int, length: int) -> Exception:
    """An error for numbers that are NaN or infinite.

    Args:
      what: the numbers, 'logits' or 'values'.
      question: id of the question.
      length: tokens that were read when there were such numbers.
    """
    return FloatingPointError(
      f'{self.name}: its {what} are not finite within the first {length} '
      f'tokens of question {question}, so they mean nothing. Its weights or '
      f'activations overflow {self.cfg.dtype}; convert it with a wider '
      '--dtype, train it again, or take another model.'
    )


@dataclasses.dataclass(frozen=True)
class Models:
  """Everything a strategy needs besides its questions.

  Attributes:
    proposer: a Transformer with a logits head; None where finished attempts
      are read and nothing is sampled.
    verifier: one with a value head, or None.
    step_end: [V] bool, tokens whose text holds the step delimiter.
    end: [V] bool, tokens that end a solution.
    generation: how attempts are sampled.
    mesh: where the rows live; of devices of this process.
    bridge: to a verifier that reads other tokens, or fewer of them; None where
      it reads the proposer's.
    ends: the token that a verifier reads instead of the one that ended an
      attempt, so that equal texts have equal values; without a bridge.
  """

  proposer: Model | None
  verifier: Model | None
  step_end: np.ndarray
  end: np.ndarray
  generation: Generation
  mesh: jax.sharding.Mesh
  bridge: Bridge | WithoutHistory | None = None
  ends: Mapping[int, int] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    if self.step_end.shape != self.end.shape:
      raise ValueError(
        f'step_end has {self.step_end.shape} entries and end '
        f'{self.end.shape}; both are one flag a token of the same '
        'vocabulary.'
      )

  @functools.cached_property
  def marks(self) -> tuple[list[bool], list[bool]]:
    """`step_end` and `end` as lists, for looking at a few tokens."""
    return self.step_end.tolist(), self.end.tolist()

  @property
  def platform(self) -> str:
    """Of the devices, e.g. 'cpu'."""
    return self.mesh.devices.flat[0].platform

  @property
  def present(self) -> dict[str, Model]:
    """The models that there are, as 'proposer' and 'verifier'."""
    both = {'proposer': self.proposer, 'verifier': self.verifier}
    return {role: model for role, model in both.items() if model is not None}
