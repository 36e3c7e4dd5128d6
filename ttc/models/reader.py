"""The text format of an imported verifier.

A verifier trained by this package reads the proposer's tokens and gives a value
at each step end. An imported one expects a prompt around the question and a
marker after each step:

    prompt(question) step before after step before after …
                                ^ value           ^ value
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

_QUESTION = '{question}'
_TYPES = {  # of fields, as JSON may have others; None where there is a default
  'prompt': (str, 'a text'),
  'before': (str, 'a text'),
  'after': (str, 'a text'),
  'trim': (bool, 'true or false'),
  'apart': (bool, 'true or false'),
  'good': (int, 'the id of a token'),
  'bad': (int, 'the id of a token'),
}
_MAY_LACK = ('apart', 'good', 'bad')


@dataclasses.dataclass(frozen=True)
class Reader:
  """The text format of one verifier.

  Attributes:
    prompt: text that contains `{question}` once.
    before: text after a step; the value is read at its last token.
    after: text between `before` and the next step.
    trim: whether white space is stripped from both ends of a step, and with it
      a delimiter of white space.
    good: id of the token that means a correct step, for a model whose value is
      a difference of two logits; None for a model with a value head.
    bad: id of the token that means a wrong step; None likewise.
    apart: whether prompt, steps and what follows them are encoded one by one
      and then joined, as TRL and Skywork do. None means that they are if
      `before` is white space alone: encoded with a step it could become a part
      of the step's last token, where the verifier never learned a value.

  Raises:
    ValueError: a field is of another type, `{question}` is not there once,
      `before` is empty, or only one of `good` and `bad` is set, or both to one
      token.
  """

  prompt: str
  before: str
  after: str = ''
  trim: bool = True
  good: int | None = None
  bad: int | None = None
  apart: bool | None = None

  def __post_init__(self):
    for name, (kind, wanted) in _TYPES.items():
      value = getattr(self, name)
      missing = value is None and name in _MAY_LACK
      if type(value) is not kind and not missing:
        raise ValueError(f'Reader.{name}={value!r}; give {wanted}.')
    if self.prompt.count(_QUESTION) != 1:
      raise ValueError(
        f'Reader.prompt={self.prompt!r} must hold {_QUESTION} once.'
      )
    if not self.before:
      raise ValueError(
        "Reader.before is ''; give the text behind a step at whose last "
        'token the value is read.'
      )
    if (self.good is None) != (self.bad is None):
      raise ValueError(
        f'Reader.good={self.good} and Reader.bad={self.bad}; give both '
        'tokens, or neither.'
      )
    if self.good is not None and self.good == self.bad:
      raise ValueError(
        f'Reader.good and Reader.bad are both {self.good}, so that every step '
        'has one value; give two tokens.'
      )

  @classmethod
  def from_json(cls, fields: Mapping[str, Any]) -> 'Reader':
    """Restores a reader from `dataclasses.asdict`.

    Raises:
      ValueError: that is no object, a field is unknown, missing, or see the
        class.
    """
    if not isinstance(fields, Mapping):
      raise ValueError(
        f'{fields!r:.40} is no object with the fields of a reader.'
      )
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(fields.keys() - known)
    if unknown or not {'prompt', 'before'} <= fields.keys():
      raise ValueError(
        f'A reader has the fields {", ".join(sorted(known))}, of which '
        f'prompt and before must be there; these are {sorted(fields)}.'
      )
    return cls(**fields)

  def to_json(self) -> dict[str, Any]:
    """The fields, without those that came later and are not set."""
    fields = dataclasses.asdict(self)
    if self.apart is None:
      del fields['apart']
    return fields

  @property
  def pieces_apart(self) -> bool:
    """`apart`, decided."""
    return not self.before.strip() if self.apart is None else self.apart

  def opening(self, question: str) -> str:
    """The text before the first step."""
    return self.prompt.replace(_QUESTION, question)

  def pieces(self, step: str, first: bool) -> tuple[str, str, str]:
    """What a step adds to the text: `after`, the step, `before`.

    Args:
      step: its text.
      first: whether no step is before it; then `after` is not there.
    """
    step = step.strip() if self.trim else step
    return '' if first else self.after, step, self.before

  def text(self, question: str, steps: Sequence[str]) -> str:
    """The verifier's text for a question and some steps.

    Args:
      question: text of the question.
      steps: texts of the steps so far.

    Returns:
      The text up to `before` of the last step, where its value is read; the
      prompt alone if there are no steps.
    """
    parts = [self.opening(question)]
    for index, step in enumerate(steps):
      parts += self.pieces(step, index == 0)
    return ''.join(parts)


# Qwen's chat format with the system prompt of Qwen2.5-Math.
_QWEN = (
  '<|im_start|>system\nPlease reason step by step, and put your final answer '
  'within \\boxed{}.<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n'
  '<|im_start|>assistant\n'
)
# Each step is a turn of the user, which the model answers with + or -. The
# chat format of Llama 3.1 always begins with these dates.
_LLAMA_SYSTEM = (
  '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n'
  'Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n'
  '<|eot_id|>'
)
_LLAMA_USER = '<|start_header_id|>user<|end_header_id|>\n\n'
_LLAMA_ANSWER = '<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n'

# In all of these that have them, the token of a correct step spells + and that
# of a wrong one -; their ids are those of one tokenizer.
SIGNS = {'good': '+', 'bad': '-'}
READERS = {
  # A token classifier of trl.PRMTrainer with its separator.
  'trl': Reader('{question}\n', '\n', apart=True),
  'qwen2.5-math-prm': Reader(_QWEN, '<extra_0>'),
  'math-shepherd': Reader('{question} ', ' ки', '\n', good=648, bad=387),
  'rlhflow': Reader(
    f'{_LLAMA_SYSTEM}{_LLAMA_USER}{{question}} ',
    _LLAMA_ANSWER,
    f'+<|eot_id|>{_LLAMA_USER}',
    good=10,
    bad=12,
  ),
}
