"""How a question is put to a model: plain text around it.

    before | turn with a shot's question, its solution, after | ... | turn

A template is data: gin/templates/ has those of the families, and the paper's
four-shot prompt. What begins a text (BOS) is the tokenizer's business, and
nothing ends one: the model goes on where the last turn stops.
"""

import dataclasses

QUESTION = '{question}'


@dataclasses.dataclass(frozen=True)
class Template:
  """Text around a question, and solved questions before it.

  Attributes:
    turn: the question's place and what leads to a solution; holds
      `{question}` once, other braces are text.
    before: what opens the prompt, such as a system turn.
    after: what follows the solution of a shot.
    shots: solved questions as (question, solution).
  """

  turn: str = 'Problem:\n{question}\n\nSolution:\n'
  before: str = ''
  after: str = '\n\n'
  shots: tuple[tuple[str, str], ...] = ()

  def __post_init__(self):
    if self.turn.count(QUESTION) != 1:
      raise ValueError(
        f'Template.turn={self.turn!r} holds {QUESTION} '
        f'{self.turn.count(QUESTION)} times; write it once, where the '
        'question goes.'
      )
    for number, shot in enumerate(self.shots, start=1):
      if len(shot) != 2 or not all(isinstance(x, str) and x for x in shot):
        raise ValueError(
          f'Shot {number} of Template.shots is {shot!r}; give a question '
          'and its solution.'
        )

  def __call__(self, question: str) -> str:
    """The prompt of a question."""
    shots = [
      f'{self._turn(asked)}{solution}{self.after}'
      for asked, solution in self.shots
    ]
    return ''.join([self.before, *shots, self._turn(question)])

  def _turn(self, question: str) -> str:
    return self.turn.replace(QUESTION, question)
