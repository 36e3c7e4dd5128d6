"""An endpoint has the room that the questions of its run need, and no more."""

import dataclasses

import pytest

from tests.serving import served
from ttc.serving import room
from ttc.serving.menu import Menu

_FIELDS = dataclasses.fields(served.TASK)
_LONGEST, _CONTEXT, _ATTEMPT = 9, 256, 6  # tokens


class _Elsewhere(type(served.TASK)):
  """Questions whose files are not here."""

  def problems(self, split):
    raise ValueError(split)


@pytest.fixture(scope='module')
def loaded(run):
  return run.load()


def _models(loaded):
  answerer, _ = loaded
  return [team.models for team in answerer.teams]


def _menu(run, **changes):
  """The menu of a run whose solvers are others."""

  def changed(offer):
    solver = dataclasses.replace(offer.stage.solver, **changes)
    stage = dataclasses.replace(offer.stage, solver=solver)
    return dataclasses.replace(offer, stage=stage)

  return Menu({name: changed(offer) for name, offer in run.offers.items()})


def test_its_programs_are_as_long_as_those_of_solve(run, loaded):
  ((scheduler, _),) = loaded[1]
  longest = room.longest(run.menu(), _models(loaded), None)
  assert longest == _LONGEST + 3  # a quarter more
  assert scheduler.capacity.cache_len == 64  # the least that there is


def test_what_is_wanted_is_given_where_the_models_can_read_it(run, loaded):
  models, most = _models(loaded), _CONTEXT - _ATTEMPT
  assert room.longest(run.menu(), models, most) == most
  with pytest.raises(ValueError, match=f'give at most {most}'):
    room.longest(run.menu(), models, most + 1)


def test_a_limit_of_the_run_is_kept(run, loaded):
  menu = _menu(run, prompt_tokens=10, questions=1)
  assert room.longest(menu, _models(loaded), None) == 10


def test_questions_that_are_elsewhere_need_what_there_is(run, loaded):
  own = {f.name: getattr(served.TASK, f.name) for f in _FIELDS}
  menu = _menu(run, task=_Elsewhere(**own))
  assert room.longest(menu, _models(loaded), None) == _CONTEXT - _ATTEMPT
