"""Opponent A: transformers' `generate`, then one batch through the verifier."""

import torch

from benchmarks import side
from benchmarks.opponents.hugging import Pair
from benchmarks.protocol import MODEL, Protocol


class BestOfN:
  """N samples of a prompt at once; the batch lasts as long as its longest."""

  compiling = 0.0

  def __init__(self, options, protocol: Protocol):
    self.protocol = protocol
    self.pair = Pair(options.weights)

  @property
  def executed(self) -> int:
    return self.pair.executed

  def answer(self, questions: int) -> int:
    """Works on the first so many questions; new tokens."""
    prompts = self.protocol.prompts(MODEL['vocab_size']).tolist()
    new = 0
    for question in range(questions):
      prompt = prompts[question]
      lengths = self.protocol.lengths(question).sum(axis=0).tolist()
      grown = self.pair.grow([prompt], lengths, copies=len(lengths))
      self.pair.value([prompt + row for row in grown])
      new += sum(map(len, grown))
    return new

  def logits(self) -> list[float]:
    return self.pair.logits(self.protocol)


def main() -> None:
  """Prints one JSON line."""
  options = side.parser().parse_args()
  torch.set_num_threads(options.threads)
  with torch.inference_mode():
    side.measure(options, BestOfN)


if __name__ == '__main__':
  main()
