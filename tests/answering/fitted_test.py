"""What was fitted goes with the models that it was fitted with."""

import pytest

from tests.stages.random_models import TASK
from ttc.answering import fitted
from ttc.inference.generation import Generation
from ttc.pipeline import inputs, records
from ttc.pipeline.origin import Origin
from ttc.stages.solver import Solver


def _model(folder, mark):
  folder.mkdir(parents=True)
  records.mark_complete(folder, {'fingerprint': mark})
  return folder


def _sampled(root, name, **models):
  """The stage.json of a stage that sampled with models of the same seed."""
  named = {f'X.solver.{role}': model for role, model in models.items()}
  keys = [f'seed-0/{model}' for model in models.values()]
  read = {key: inputs.identity(root, key) for key in keys}
  folder = root / 'seed-0' / name
  folder.mkdir()
  Origin(named, {}, [0], read).write(folder, 0.0)


@pytest.fixture
def root(tmp_path):
  for name in ('pretrain', 'prm', 'revision'):
    _model(tmp_path / 'seed-0' / name, name)
  _sampled(tmp_path, 'search', proposer='pretrain', verifier='prm')
  _sampled(tmp_path, 'revise', proposer='revision', verifier='prm')
  folder = tmp_path / 'seed-0' / 'policy'
  folder.mkdir()
  read = {f'seed-0/{name}': 'any' for name in ('search', 'revise')}
  Origin({}, {}, [0], read).write(folder, 0.0)
  return tmp_path


def _check(root, proposer, verifier, *sources):
  solver = Solver(TASK, Generation(), str(proposer), str(verifier))
  fitted.check(root / 'seed-0' / 'policy', solver, sources)


def test_only_stages_that_sampled_for_it_count(root):
  own, prm = (root / 'seed-0' / name for name in ('pretrain', 'prm'))
  _check(root, own, prm, 'search')
  _check(root, own, '', 'search')
  with pytest.raises(ValueError, match='with the proposer seed-0/revision as'):
    _check(root, own, prm)


def test_the_same_model_may_be_somewhere_else(root, tmp_path):
  moved = _model(tmp_path / 'elsewhere' / 'small', 'pretrain')
  _check(root, moved, root / 'seed-0' / 'prm', 'search')
  other = _model(tmp_path / 'elsewhere' / 'other', 'other')
  with pytest.raises(
    ValueError, match=f'verifier .* {other} is another; leave'
  ):
    _check(root, moved, other, 'search')


def test_what_is_gone_is_not_compared(root, tmp_path):
  other = _model(tmp_path / 'other', 'other')
  (root / 'seed-0' / 'search' / 'stage.json').unlink()
  _check(root, other, other, 'search')
