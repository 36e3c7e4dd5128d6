"""`ttc pretrain`: a language model from scratch, on a generated corpus."""

import dataclasses
from typing import ClassVar

from ttc.data.corpus import Corpus
from ttc.data.worksheet import Worksheet
from ttc.models.config import TransformerConfig
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.stages import fitting


@dataclasses.dataclass(frozen=True)
class Pretrain:
  """Trains the base model, or a larger one on the same documents.

  Attributes:
    task: whose pretraining questions the corpus asks.
    model: what is trained.
    fit: how.
    documents: how many the corpus has; they are repeated where training asks
      for more.
    corpus: how they are written; its seed counts from the experiment's.
    name: of the stage.
  """

  kind: ClassVar[str] = 'pretrain'
  task: Worksheet
  model: TransformerConfig
  fit: fitting.Fit
  documents: int
  corpus: Corpus = Corpus()
  name: str = 'pretrain'

  def check(self, experiment: Experiment) -> None:
    """Needs a vocabulary that fits the task's, documents, and devices."""
    del experiment
    if self.model.vocab_size < self.task.vocabulary.size:
      raise ValueError(
        f'TransformerConfig.vocab_size={self.model.vocab_size} is below the '
        f"task's {self.task.vocabulary.size}; raise it."
      )
    if self.documents < 1:
      raise ValueError(
        f'Pretrain.documents={self.documents}; give at least one.'
      )
    self.fit.check(self.name, self.model)

  def __call__(self, run: StageRun) -> None:
    """Writes the corpus as a data set and trains on it."""
    corpus = dataclasses.replace(self.corpus, seed=self.corpus.seed + run.seed)
    documents = corpus.documents(self.task, 0, self.documents)
    fitting.train(
      run,
      self.fit,
      'lm',
      (vars(document) for document in documents),
      self.task.vocabulary.size,
      cfg=self.model,
    )
