"""`ttc pretrain`: trains a language model from scratch on generated text."""

import dataclasses
from typing import ClassVar

from ttc.data.worksheet import Worksheet
from ttc.examples.corpus import Corpus
from ttc.examples.documents import Document
from ttc.models.config import TransformerConfig
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.stages import example_checks, fitting

_FEW = 1000  # documents whose held-out share may be empty


@dataclasses.dataclass(frozen=True)
class Pretrain:
  """Trains the base model, or a larger one on the same documents.

  Attributes:
    task: the task; documents are about its pretraining questions.
    model: shape of the model.
    fit: how it is trained.
    documents: number of documents in the corpus; training repeats them in as
      many epochs as it needs.
    corpus: how documents are written. The experiment's seed is added to its
      seed.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'pretrain'
  task: Worksheet
  model: TransformerConfig
  fit: fitting.Fit
  documents: int
  corpus: Corpus = Corpus()
  name: str = 'pretrain'

  def __post_init__(self):
    limits.whole(self, 'documents')

  def check(self, experiment: Experiment) -> None:
    """Checks the configuration before anything runs.

    Raises:
      ValueError: the model's vocabulary is smaller than the task's, documents
        are longer than a row, none is held out, or rows or model cannot be
        divided over the devices.
    """
    if self.model.vocab_size < self.task.vocabulary.size:
      raise ValueError(
        f'TransformerConfig.vocab_size={self.model.vocab_size} is below the '
        f"task's {self.task.vocabulary.size}; raise it."
      )
    longest = self.corpus.longest(self.task)
    example_checks.check_length(
      self.fit.loop, longest, 'a question and its attempts'
    )
    for seed in experiment.seeds if self.documents <= _FEW else ():
      documents = self._documents(seed, self.documents)
      example_checks.check_held_out(
        (document.problem for document in documents),
        self.fit.held_out,
        [seed],
        "documents' questions",
      )
    self.fit.check(self.name, self.model)  # the devices last, as in Solver

  def __call__(self, run: StageRun) -> None:
    """Writes the corpus as a data set and trains the model on it."""
    documents = self._documents(run.seed, self.documents)
    fitting.train(
      run,
      self.fit,
      'lm',
      (vars(document) for document in documents),
      self.task.vocabulary.size,
      cfg=self.model,
    )

  def _documents(self, seed: int, count: int) -> list[Document]:
    corpus = dataclasses.replace(self.corpus, seed=self.corpus.seed + seed)
    return corpus.documents(self.task, 0, count)
