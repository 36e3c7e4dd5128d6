"""Every experiment that ships can be built and passes its own checks."""

import pathlib

import pytest

from ttc.cli import configuration

_GIN = pathlib.Path(__file__).parents[2] / 'gin'
_EXPERIMENTS = sorted((_GIN / 'experiments').glob('*_*.gin'))


@pytest.mark.parametrize('path', _EXPERIMENTS, ids=lambda path: path.stem)
def test_experiments_build_with_no_binding_left_over(path):
  experiment, text = configuration.load((str(path),), ())
  assert experiment.output == 'runs'
  assert experiment.report is not None
  assert text.startswith('from __gin__ import dynamic_registration')


def test_the_large_model_is_about_fourteen_times_the_base(tmp_path):
  path = tmp_path / 'two.gin'
  path.write_text(
    """
from __gin__ import dynamic_registration
from ttc.cli import experiment
from ttc.cli import pretrain
include 'gin/tasks/worksheet.gin'
include 'gin/models/worksheet.gin'
include 'gin/runs/pretrain.gin'
large/pretrain.Pretrain.name = 'large'
experiment.Experiment.name = 'two'
experiment.Experiment.stages = (
  @base/pretrain.Pretrain(), @large/pretrain.Pretrain())
PRETRAIN_STEPS = 1000
PRETRAIN_DOCUMENTS = 1000
SEQ_LEN = 256
""",
    encoding='ascii',
  )
  experiment, _ = configuration.load((str(path),), ())
  base, large = experiment.stages
  assert base.task is large.task
  assert base.model.vocab_size == base.task.vocabulary.size
  assert 12 < large.model.num_params / base.model.num_params < 16
