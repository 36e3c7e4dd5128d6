"""Where the examples of a finetuning come from: rows of earlier stages."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import ClassVar, Protocol

from ttc.data import labelling
from ttc.data.vocabulary import Vocabulary

Prompts = Mapping[int, Sequence[int]]  # tokens by problem


class Source(Protocol):
  """Rows of one stage as examples of one kind, see data/features."""

  kind: ClassVar[str]  # 'lm' or 'value'
  stage: str  # whose rows are read

  def examples(
    self, rows: Sequence[Mapping], prompts: Prompts, vocabulary: Vocabulary
  ) -> Iterator[Mapping]:
    """Examples of the rows, in order."""


@dataclasses.dataclass(frozen=True)
class StepLabels:
  """A process reward model: Monte-Carlo values at step ends (paper §5.1).

  Attributes:
    stage: that labelled steps.
    rollouts: whether the rollouts themselves are examples too.
  """

  kind: ClassVar[str] = 'value'
  stage: str = 'label'
  rollouts: bool = True

  def examples(self, rows, prompts, vocabulary):
    """One example a labelled sample, and one a rollout if asked for."""
    del vocabulary
    for row in rows:
      for document in labelling.process_examples(
        row, prompts[row['problem']], self.rollouts
      ):
        yield vars(document)


@dataclasses.dataclass(frozen=True)
class Outcomes:
  """An outcome reward model: whether an attempt was right (paper §6.1).

  Attributes:
    stage: that sampled solutions or chains of revisions.
    keep: earlier attempts of a chain that the verifier sees.
  """

  kind: ClassVar[str] = 'value'
  stage: str = 'sample'
  keep: int = 0

  def examples(self, rows, prompts, vocabulary):
    """One example a parsable attempt."""
    for row in rows:
      for document in labelling.outcome_examples(
        row, prompts[row['problem']], vocabulary, self.keep
      ):
        yield vars(document)


@dataclasses.dataclass(frozen=True)
class Written:
  """A language model: what a stage wrote as examples, e.g. trajectories.

  Attributes:
    stage: that wrote them.
  """

  kind: ClassVar[str] = 'lm'
  stage: str = 'revise_data'

  def examples(self, rows, prompts, vocabulary):
    """The examples of each row."""
    del prompts, vocabulary
    for row in rows:
      for example in row['examples']:
        yield {**example, 'problem': row['problem']}
