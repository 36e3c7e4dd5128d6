"""Prompt templates: plain text around a question.

    before | turn with a shot's question, its solution, after | ... | turn

Templates are data: gin/templates/ has those of model families, and the paper's
four-shot prompt. The tokenizer adds BOS. Nothing is appended: the model
continues where the last turn stops.
"""

from collections.abc import Callable
import dataclasses
import re
from typing import ClassVar

QUESTION = '{question}'
# Turns and ends of texts as families spell them. Plain tags such as <answer>
# are none: templates for base models have them.
_MARKER = re.compile(
  r'<[|｜][^<>|｜\s]+[|｜]?>|<[^<>|｜\s]+[|｜]>|\[\|[^\[\]|\s]+\|\]'
  r'|<(?:start|end)_of_turn>|</?s>|<[be]os>'
  r'|<extra_(?:id_)?[0-9]+>|<reserved_[0-9]+>|\[gMASK\]|<sop>'
  r'|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS)\]|<</?SYS>>'
)
# Llama 2 and the first Mistral have no tokens for these, and <s> as BOS; nor
# have Zephyr and TinyLlama, which are made of them.
_PLAIN = {'[INST]', '[/INST]', '<<SYS>>', '<</SYS>>'}
_PLAIN |= {'<|system|>', '<|user|>', '<|assistant|>'}


@dataclasses.dataclass(frozen=True)
class Template:
  """Text around a question, and solved questions (shots) before it.

  Attributes:
    turn: text around a question, up to where its solution begins. It contains
      `{question}` exactly once; other braces are plain text.
    before: text at the start of the prompt, such as a system turn.
    after: text after the solution of a shot.
    shots: (question, solution) pairs.
    begin: whether the tokenizer puts its BOS, if it has one, before the text.

  Raises:
    ValueError: `turn` does not contain `{question}` once, or a shot lacks its
      question or solution.
  """

  turn: str = 'Problem:\n{question}\n\nSolution:\n'
  before: str = ''
  after: str = '\n\n'
  shots: tuple[tuple[str, str], ...] = ()
  begin: ClassVar[bool] = True

  def __post_init__(self):
    check_turns(self)

  def __call__(self, question: str) -> str:
    """Returns the prompt of a question."""
    shots = [
      f'{self._turn(solved)}{solution}{self.after}'
      for solved, solution in self.shots
    ]
    return ''.join([self.before, *shots, self._turn(question)])

  def _turn(self, question: str) -> str:
    return placed(self.turn, question)


def placed(turn: str, question: str) -> str:
  """Returns the text around a question with the question in it."""
  # Not `str.format`: templates and questions have other braces.
  return turn.replace(QUESTION, question)


def check_turns(template) -> None:
  """Checks the fields `turn` and `shots` of a template.

  Raises:
    ValueError: `turn` does not contain `{question}` once, or a shot lacks its
      question or solution.
  """
  name, turn = type(template).__name__, template.turn
  if turn.count(QUESTION) != 1:
    raise ValueError(
      f'{name}.turn={turn!r} holds {QUESTION} {turn.count(QUESTION)} times; '
      'write it once, where the question goes.'
    )
  for number, shot in enumerate(template.shots, start=1):
    if len(shot) != 2 or not all(isinstance(x, str) and x for x in shot):
      raise ValueError(
        f'Shot {number} of {name}.shots is {shot!r}; give a question and its '
        'solution.'
      )


def foreign_marker(
  text: str, is_token: Callable[[str], bool], begin: str
) -> str:
  """Returns a family's marker that a tokenizer would read as text, or ''.

  Args:
    text: text of a template.
    is_token: whether a marker is a token of the tokenizer.
    begin: text of the token with which it begins texts.
  """
  plain = _PLAIN if begin == '<s>' else set()
  for marker in sorted(set(_MARKER.findall(text)) - plain):
    if not is_token(marker):
      return marker
  return ''
