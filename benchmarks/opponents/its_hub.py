"""Opponent B: its_hub's beam search and particle filter over transformers.

The algorithms are its own; here are the two adapters that they ask for. Text
is numbers with a space behind each. A round is one batch: the whole prefix is
read again by both models, as its messages say.

It grows N / M rows in the first round of its beam search, where the protocol
has N. So that the new tokens are equal, the steps that it leaves out lengthen
those of the last round, where they cost least: no prefix that is read again
gets longer. `max_steps` counts from zero: D rounds are D - 1.
"""

import logging

from its_hub.api import AbstractLanguageModel, AbstractProcessRewardModel
from its_hub.core.algorithms.beam_search import BeamSearch
from its_hub.core.algorithms.particle_gibbs import ParticleFiltering
from its_hub.core.lms.step_generation import StepGeneration
import torch

from benchmarks import side
from benchmarks.opponents.hugging import Pair
from benchmarks.protocol import MODEL, Protocol


class LanguageModel(AbstractLanguageModel):
  """Samples steps of the protocol's lengths."""

  def __init__(self, pair: Pair):
    self._pair = pair
    self.new = 0

  def begin(self, lengths: list[list[int]]) -> None:
    """Takes the lengths of a question's steps, of every row of every round."""
    self._rounds = iter(lengths)

  async def agenerate(self, messages, stop=None, **kwargs):
    del stop, kwargs
    prefixes = [_tokens(''.join(m.content for m in row)) for row in messages]
    grown = self._pair.grow(prefixes, next(self._rounds))
    self.new += sum(map(len, grown))
    return [{'role': 'assistant', 'content': _text(row)} for row in grown]


class RewardModel(AbstractProcessRewardModel):
  """Scores solutions so far, from their first token on."""

  def __init__(self, pair: Pair):
    self._pair = pair

  def score(self, prompt_or_messages, steps):
    rows = [_tokens(prompt_or_messages + text) for text in steps]
    return self._pair.value(rows).sigmoid().tolist()

  async def ascore(self, prompt_or_messages, steps):
    return self.score(prompt_or_messages, steps)


class Search:
  """One question after the other."""

  compiling = 0.0

  def __init__(self, options, protocol: Protocol):
    self.protocol, self.pair = protocol, Pair(options.weights)
    self.beam = options.task == 'beam'
    if self.beam and protocol.budget < protocol.width**2:
      raise ValueError(
        f'its_hub never has {protocol.budget} rows with a beam width of '
        f'{protocol.width}; use a budget of {protocol.width**2} or more.'
      )
    self.model = LanguageModel(self.pair)
    steps = StepGeneration(
      max_steps=protocol.rounds - 1,
      tokens_per_step=protocol.longest,
      temperature=1.0,
    )
    reward = RewardModel(self.pair)
    self.algorithm = (
      BeamSearch(steps, reward, beam_width=protocol.width)
      if self.beam
      else ParticleFiltering(steps, reward)
    )

  @property
  def executed(self) -> int:
    return self.pair.executed

  def answer(self, questions: int) -> int:
    """Works on the first so many questions; new tokens."""
    protocol, before = self.protocol, self.model.new
    prompts = protocol.prompts(MODEL['vocab_size']).tolist()
    for question in range(questions):
      lengths = protocol.lengths(question)
      self.model.begin(
        protocol.narrow_start(lengths) if self.beam else lengths.tolist()
      )
      self.algorithm.infer(
        self.model, _text(prompts[question]), budget=protocol.budget
      )
    return self.model.new - before

  def logits(self) -> list[float]:
    return self.pair.logits(self.protocol)


def _text(tokens: list[int]) -> str:
  return ''.join(f'{token} ' for token in tokens)


def _tokens(text: str) -> list[int]:
  return [int(word) for word in text.split()]


def main() -> None:
  """Prints one JSON line."""
  options = side.parser().parse_args()
  logging.disable(logging.INFO)
  torch.set_num_threads(options.threads)
  with torch.inference_mode():
    side.measure(options, Search)


if __name__ == '__main__':
  main()
