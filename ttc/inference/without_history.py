"""A verifier that reads an attempt without the earlier ones in its context.

    row             | question | attempt <revise> | attempt |
    verifier text   | question | attempt |

One that was trained on single attempts judges a revision no worse than any
other answer, if it does not see what was revised.
"""

from collections.abc import Mapping, Sequence
import copy

from ttc.inference.verifier_text import VerifierText


class WithoutHistory:
  """Turns rows into prompt and attempt, as a `verifier_text.Bridge` would."""

  def __init__(
    self, prompts: Mapping[int, Sequence[int]], ends: Mapping[int, int]
  ):
    """Takes the prompts.

    Args:
      prompts: tokens by the id of the question.
      ends: see `Models`.
    """
    self._prompts = {id: tuple(prompt) for id, prompt in prompts.items()}
    self._ends = ends

  def about(self, prompts: Mapping[int, Sequence[int]]) -> 'WithoutHistory':
    """The same for other questions, whose prompts by id may change."""
    other = copy.copy(self)
    other._prompts = prompts
    return other

  def text(
    self, question: int, tokens: Sequence[int], start: int
  ) -> VerifierText:
    """What is read of a row, with a value at every token of its attempt.

    Args:
      question: its id.
      tokens: of the row.
      start: where its attempt begins.
    """
    prompt, attempt = self._prompts[question], list(tokens[start:])
    if attempt:
      attempt[-1] = self._ends.get(attempt[-1], attempt[-1])
    first = len(prompt)
    return VerifierText(
      tuple(tokens),
      (*prompt, *attempt),
      first,
      tuple((first + i, i + 1) for i in range(len(attempt))),
    )
