"""How a verifier is asked about steps, as data.

Our own verifiers read the proposer's tokens and tell a value at each step end.
Those of others want a text around the question and something behind each step:

    prompt(question) step before after step before after …
                                ^ value           ^ value
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

_QUESTION = '{question}'


@dataclasses.dataclass(frozen=True)
class Reader:
  """What one verifier reads.

  Attributes:
    prompt: text with `{question}` in it.
    before: what follows a finished step; the value is read at its last token.
    after: what follows then, before the next step.
    trim: whether steps lose the white space (and delimiter) at their ends.
    good: id of the token whose logit speaks for a step, where the model has no
      head of its own; None where it has one.
    bad: id of the one that speaks against it.
  """

  prompt: str
  before: str
  after: str = ''
  trim: bool = True
  good: int | None = None
  bad: int | None = None

  def __post_init__(self):
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

  @classmethod
  def from_json(cls, fields: Mapping[str, Any]) -> 'Reader':
    """The inverse of `dataclasses.asdict`; raises ValueError."""
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(fields.keys() - known)
    if unknown or not {'prompt', 'before'} <= fields.keys():
      raise ValueError(
        f'A reader has the fields {", ".join(sorted(known))}, of which '
        f'prompt and before must be there; these are {sorted(fields)}.'
      )
    return cls(**fields)

  def text(self, question: str, steps: list[str]) -> str:
    """What is read to value the last of some steps."""
    parts = [self.prompt.replace(_QUESTION, question)]
    for index, step in enumerate(steps):
      parts.append(step.strip() if self.trim else step)
      parts.append(self.before)
      if index + 1 < len(steps):
        parts.append(self.after)
    return ''.join(parts)


# Qwen's chat format with the system prompt of its mathematical models.
_QWEN = (
  '<|im_start|>system\nPlease reason step by step, and put your final answer '
  'within \\boxed{}.<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n'
  '<|im_start|>assistant\n'
)
# Each step is a turn of the user, and the model answers + or -. Llama 3.1's
# chat format always begins with these dates.
_LLAMA_SYSTEM = (
  '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n'
  'Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n'
  '<|eot_id|>'
)
_LLAMA_USER = '<|start_header_id|>user<|end_header_id|>\n\n'
_LLAMA_ANSWER = '<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n'

READERS = {
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
