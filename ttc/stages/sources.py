"""Training examples for finetuning, made from rows of earlier stages."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import ClassVar, Protocol

from ttc.data.vocabulary import Vocabulary
from ttc.examples import labelling
from ttc.examples.relabelling import Relabel
from ttc.pipeline.stage import Stage
from ttc.runtime import limits

Prompts = Mapping[int, Sequence[int]]  # tokens of a prompt by problem id


class Source(Protocol):
  """Turns rows of a stage into examples of one kind (examples/features)."""

  kind: ClassVar[str]  # 'lm' or 'value'
  stage: str  # name of the stage whose rows are read

  def examples(
    self, rows: Sequence[Mapping], prompts: Prompts, vocabulary: Vocabulary
  ) -> Iterator[Mapping]:
    """Yields the examples of the rows, in order.

    Args:
      rows: rows of the stage.
      prompts: the prompts of their problems.
      vocabulary: the task's vocabulary.
    """

  def longest(
    self, stage: Stage, samples: int | None, prompt: int, attempt: int
  ) -> int:
    """Returns the largest number of tokens that an example can have.

    Args:
      stage: the stage whose rows are read.
      samples: attempts per question that its rows are made of; None if unknown.
      prompt: tokens in the longest prompt.
      attempt: tokens in the longest attempt.
    """


@dataclasses.dataclass(frozen=True)
class StepLabels:
  """Trains a process reward model on Monte-Carlo values (paper §5.1).

  Attributes:
    stage: name of the stage that labelled steps.
    rollouts: whether each rollout is an example too, with its own outcome as
      the label of its steps (see `labelling.process_examples`).
    relabel: how labels are made of outcomes, where not as the stage made them.
  """

  kind: ClassVar[str] = 'value'
  stage: str = 'label'
  rollouts: bool = True
  relabel: Relabel | None = dataclasses.field(
    default=None, metadata={'recorded': 'changed'}
  )

  def examples(self, rows, prompts, vocabulary):
    """Yields an example per labelled solution, and per rollout if wanted."""
    for row in map(self.relabel, rows) if self.relabel else rows:
      for document in labelling.process_examples(
        row, prompts[row['problem']], vocabulary, self.rollouts
      ):
        yield vars(document)

  def longest(self, stage, samples, prompt, attempt):
    """A rollout ends where a whole attempt would."""
    del stage, samples
    return prompt + attempt


@dataclasses.dataclass(frozen=True)
class Outcomes:
  """Trains an outcome reward model: is an attempt correct? (paper §6.1).

  Attributes:
    stage: name of the stage that sampled solutions or chains of revisions.
    keep: at most this number of earlier attempts of the chain is in the
      verifier's context.
  """

  kind: ClassVar[str] = 'value'
  stage: str = 'sample'
  keep: int = 0

  def __post_init__(self):
    limits.whole(self, 'keep', least=0)

  def examples(self, rows, prompts, vocabulary):
    """Yields one example per attempt with an answer that can be parsed."""
    for row in rows:
      for document in labelling.outcome_examples(
        row, prompts[row['problem']], vocabulary, self.keep
      ):
        yield vars(document)

  def longest(self, stage, samples, prompt, attempt):
    """The prompt, the earlier attempts of a chain that are kept, the last."""
    del samples
    turns = stage.plan()[0] if hasattr(stage, 'plan') else 1
    return prompt + min(self.keep, turns - 1) * (attempt + 1) + attempt


@dataclasses.dataclass(frozen=True)
class Written:
  """Trains a language model on examples of a stage, e.g. trajectories.

  Attributes:
    stage: name of the stage that wrote the examples, of kind 'revise_data' or
      'distill'.
  """

  kind: ClassVar[str] = 'lm'
  stage: str = 'revise_data'

  def examples(self, rows, prompts, vocabulary):
    """Yields the examples in each row."""
    del prompts, vocabulary
    for row in rows:
      for example in row['examples']:
        yield {**example, 'problem': row['problem']}

  def longest(self, stage, samples, prompt, attempt):
    """What the stage says of the examples that it writes."""
    return stage.longest(samples, prompt, attempt)
