import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from tests import testing
from ttc.checkpoints import orbax, t5x
from ttc.models import partitioning

CFG = testing.small_config()


def _equal(one, other):
  return jax.tree.all(
    jax.tree.map(
      lambda a, b: bool((np.asarray(a) == np.asarray(b)).all()), one, other
    )
  )


@pytest.mark.parametrize('head', ['logits', 'value'])
def test_a_model_goes_there_and_comes_back_on_any_mesh(tmp_path, head):
  params = testing.random_params(CFG, head)
  orbax.save_model(tmp_path / 'ours', CFG, head, params)
  checkpoint = t5x.export_model(tmp_path / 'ours', tmp_path / 'theirs', 7)
  assert checkpoint == tmp_path / 'theirs' / 'checkpoint_7'
  assert (checkpoint / 'state').is_dir()
  torn = tmp_path / 'theirs' / 'checkpoint_9.orbax-checkpoint-tmp-3'
  (torn / 'state').mkdir(parents=True)
  assert t5x.newest(tmp_path / 'theirs') == checkpoint
  mesh = partitioning.make_mesh(data=2, model=2)
  assert _equal(params, t5x.load(checkpoint, CFG, head, mesh))
  assert t5x.import_model(checkpoint, CFG, tmp_path / 'back') == head
  cfg, back_head, back = orbax.load_model(tmp_path / 'back')
  assert (cfg, back_head) == (CFG, head)
  assert _equal(params, back)


def test_a_step_is_replaced_and_another_one_stays(tmp_path):
  one, other = testing.random_params(CFG), testing.random_params(CFG, seed=1)
  t5x.save(tmp_path, one, 0)
  t5x.save(tmp_path, one, 5)
  t5x.save(tmp_path, other, 0)
  assert _equal(other, t5x.load(tmp_path / 'checkpoint_0', CFG, 'logits'))
  assert _equal(one, t5x.load(tmp_path / 'checkpoint_5', CFG, 'logits'))


def test_another_model_is_refused_by_the_name_that_differs(tmp_path):
  checkpoint = t5x.save(tmp_path, testing.random_params(CFG))
  wide = dataclasses.replace(CFG, mlp_dim=48)
  with pytest.raises(ValueError, match=r"'mlp'.*32.* there and .*48"):
    t5x.load(checkpoint, wide, 'logits')
  with pytest.raises(ValueError, match=r"\['value'\] is None there"):
    t5x.load(checkpoint, CFG, 'value')


def test_what_is_not_there_is_said(tmp_path):
  with pytest.raises(ValueError, match='is not there'):
    t5x.newest(tmp_path / 'nowhere')
  with pytest.raises(ValueError, match='no checkpoint_<step>'):
    t5x.newest(tmp_path)
  with pytest.raises(ValueError, match='use_orbax=True'):
    t5x.load(str(pathlib.Path(tmp_path) / 'checkpoint_3'), CFG, 'logits')
