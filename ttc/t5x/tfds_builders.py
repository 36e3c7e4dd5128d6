"""TFDS builders for questions with answers, and for rated steps.

Nothing is downloaded: the files lie in `manual_dir`, as TFDS has it.

    config = tfds.download.DownloadConfig(manual_dir='/data/math')
    builder = TtcQuestions(config='math', data_dir='/data/tfds')
    builder.download_and_prepare(download_config=config)
    builder.as_dataset(split='test')

Any JSONL becomes a data set by a `QuestionsConfig` of its own.
"""

from collections.abc import Mapping
import dataclasses
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from ttc.data.jsonl import Rows
from ttc.t5x import prm800k


@dataclasses.dataclass
class QuestionsConfig(tfds.core.BuilderConfig):
  """Which files hold which questions.

  Attributes:
    files: by split, the file in `manual_dir`; `.gz` may be added to its name.
    question, answer, solution, level: fields, see `jsonl.Rows`.
  """

  files: Mapping[str, str] = dataclasses.field(default_factory=dict)
  question: str = 'question'
  answer: str = 'answer'
  solution: str = ''
  level: str = ''


class TtcQuestions(tfds.core.GeneratorBasedBuilder):
  """Questions, answers, and solutions and levels where there are some.

  Questions without a reference answer are left out.
  """

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  math: train.jsonl and test.jsonl of the folder prm800k/math_splits in the
    repository openai/prm800k (12,000 and 500 questions of MATH).
  gsm8k: train.jsonl and test.jsonl of the folder grade_school_math/data in
    the repository openai/grade-school-math.
  """
  BUILDER_CONFIGS = [
    QuestionsConfig(
      name='math',
      description='MATH, as PRM800K splits it.',
      files={'train': 'train.jsonl', 'test': 'test.jsonl'},
      question='problem',
      solution='solution',
      level='level',
    ),
    QuestionsConfig(
      name='gsm8k',
      description='Grade school math.',
      files={'train': 'train.jsonl', 'test': 'test.jsonl'},
    ),
  ]

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(
        {
          'question': tfds.features.Text(),
          'answer': tfds.features.Text(),
          'solution': tfds.features.Text(),
          'level': tfds.features.Scalar(np.int32),  # -1 where there is none
          'line': tfds.features.Scalar(np.int32),
        }
      ),
      supervised_keys=('question', 'answer'),
    )

  def _split_generators(self, dl_manager):
    return {
      split: self._generate_examples(_found(dl_manager.manual_dir, name))
      for split, name in self.builder_config.files.items()
    }

  def _generate_examples(self, path):
    config = self.builder_config
    rows = Rows(
      str(path), config.question, config.answer, config.solution, config.level
    )
    for row in rows.read():
      if row.answer:
        yield (
          row.line,
          {
            'question': row.question,
            'answer': row.answer,
            'solution': row.solution,
            'line': row.line,
            'level': -1 if row.level is None else row.level,
          },
        )


@dataclasses.dataclass
class StepsConfig(tfds.core.BuilderConfig):
  """Which files hold which rated solutions.

  Attributes:
    files: by split, the file in `manual_dir`; `.gz` may be added to its name.
  """

  files: Mapping[str, str] = dataclasses.field(default_factory=dict)


class TtcRatedSteps(tfds.core.GeneratorBasedBuilder):
  """PRM800K: solutions of MATH questions with a rating for each step."""

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  phase1 and phase2: {phase}_train.jsonl and {phase}_test.jsonl of the folder
    prm800k/data in the repository openai/prm800k.
  """
  BUILDER_CONFIGS = [
    StepsConfig(
      name=phase,
      description=f'PRM800K, {phase}.',
      files={split: f'{phase}_{split}.jsonl' for split in ('train', 'test')},
    )
    for phase in ('phase1', 'phase2')
  ]

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(
        {
          'question': tfds.features.Text(),
          'answer': tfds.features.Text(),
          'steps': tfds.features.Sequence(tfds.features.Text()),
          'ratings': tfds.features.Sequence(np.int32),
          'finished': tfds.features.Scalar(np.bool_),
        }
      )
    )

  def _split_generators(self, dl_manager):
    return {
      split: self._generate_examples(_found(dl_manager.manual_dir, name))
      for split, name in self.builder_config.files.items()
    }

  def _generate_examples(self, path):
    for number, rated in enumerate(prm800k.read(str(path))):
      yield (
        number,
        {
          'question': rated.question,
          'answer': rated.answer,
          'steps': list(rated.steps),
          'ratings': list(rated.ratings),
          'finished': rated.finished,
        },
      )


def _found(folder, name: str) -> pathlib.Path:
  """A file of `manual_dir`, plain or gzipped."""
  path = pathlib.Path(folder) / name
  zipped = path.with_name(f'{name}.gz')
  if not path.exists() and zipped.exists():
    return zipped
  return path
