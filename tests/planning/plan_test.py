"""Plans of tiny models, compiled for real chips."""

import dataclasses

import pytest

from tests.planning import tpu
from ttc.models import partitioning
from ttc.models.chips import CHIPS
from ttc.planning import layers, measure, plan, topology
from ttc.planning.costs import Costs
from ttc.planning.programs import nbytes
from ttc.planning.roofline import Bound

pytestmark = tpu.needs_libtpu
V5E = CHIPS['v5e']


def compiled(work, name):
  program = next(p for p, _ in work.programs() if p.name.startswith(name))
  return program, program.compile()


@pytest.fixture(scope='module')
def trained():
  work = tpu.training(fsdp=2, model=2, microbatches=4)
  return work, *compiled(work, 'train step')


def test_arguments_are_those_of_shapes_and_shardings(trained):
  _, program, found = trained
  assert nbytes(program.arguments) == pytest.approx(
    found.memory.arguments, rel=0.05
  )


def test_the_state_takes_its_own_place(trained):
  # Donated: what comes out beside it are sums of a few numbers.
  assert trained[2].memory.outputs < 2**16


def test_products_are_those_of_the_paper(trained):
  # 2 FLOPs a weight and token forward, twice as many back, and once more for
  # what is computed again; in loops over layers, microbatches and steps.
  work, _, found = trained
  cfg, config = work.cfg, work.config
  weights = cfg.num_params - cfg.vocab_size * cfg.embed_dim
  attended = 2 * config.seq_len * cfg.num_heads * cfg.head_dim * cfg.num_layers
  tokens = work.tokens * config.steps_per_call / work.mesh.size
  assert found.costs.flops == pytest.approx(
    8 * (weights + attended) * tokens, rel=0.15
  )


def test_layers_not_compiled_are_like_those_that_are():
  few, more, whole = (
    compiled(tpu.sampling(n), 'prefill')[1] for n in (1, 2, 4)
  )
  found = layers.extend(few, more, (1, 2), 4)
  assert found.memory.peak == pytest.approx(whole.memory.peak, rel=0.05)
  assert found.memory.arguments == whole.memory.arguments
  assert found.costs.flops == pytest.approx(whole.costs.flops, rel=0.001)
  assert found.costs.collectives == pytest.approx(whole.costs.collectives)


def test_a_sampler_multiplies_weights_for_each_token():
  work = tpu.sampling(1)
  program, found = compiled(work, 'extend by 16')
  assert nbytes(program.arguments) == pytest.approx(
    found.memory.arguments, rel=0.05
  )
  cfg, lanes = work.cfgs['proposer'], work.capacity.lanes
  seen = 2 * work.capacity.cache_len * cfg.num_heads * cfg.head_dim
  products = 2 * (cfg.num_params + cfg.num_layers * seen) * lanes * 16
  assert found.costs.flops == pytest.approx(
    products / work.mesh.shape['model'], rel=0.2
  )


def test_forks_exchange_nothing():
  assert not compiled(tpu.sampling(2), 'fork')[1].costs.collectives


@pytest.mark.parametrize('model', [1, 2])
def test_forks_make_all_their_copies_at_once(model):
  """A loop would be hundreds of small transfers, one after the other."""
  fork = next(
    program
    for program, _ in tpu.sampling(model).programs()
    if program.name.startswith('fork')
  )
  with partitioning.use(fork.mesh):
    text = fork.trace().lower().compile().as_text()
  assert ' gather(' in text
  assert ' scatter(' in text
  assert ' while(' not in text


def small(hbm):
  """A slice whose devices have so little memory."""
  whole = topology.describe('v5e:2x2')
  return dataclasses.replace(
    whole, chip=dataclasses.replace(whole.chip, hbm=hbm)
  )


def test_parameters_that_do_not_fit_are_told_without_compiling():
  found = plan.training(tpu.training(fsdp=1), small(8 * 2**20))
  assert not found.programs
  assert found.advice.startswith('Layout.fsdp=4 (now 1): parameters')
  found = plan.sampling(
    tpu.sampling(2), small(2**20), 1000, False, {'proposer': 1000}
  )
  assert found.advice.startswith('Solver.model_parallel=4 (now 2): weights')


def test_rows_take_their_pools_and_lanes():
  work = tpu.sampling(2)
  for rows in (8, 100):
    assert plan.resident_at(work, rows) == pytest.approx(
      sum(work.with_rows(rows).resident.values())
    )


def test_the_largest_is_where_memory_ends():
  # 10 bytes per row, 100 that no row changes, 5 per row as slots in pairs.
  resident = lambda rows: 100 + 5 * 2 * -(-rows // 2)
  most = measure.largest((4, 40), (8, 80), resident, 1000)
  fits = lambda n: resident(n) + 10 * n <= 0.97 * 1000
  assert fits(most)
  assert not fits(most + 1)
  assert measure.largest((4, 40), (8, 80), resident, 100) == 0


def test_the_longest_of_three_sets_the_bound():
  bound = Bound.of(Costs(flops=V5E.flops, bytes=2 * V5E.bandwidth), V5E)
  assert (bound.seconds, bound.limit) == (2.0, 'hbm')
  assert (bound + bound * 2).seconds == pytest.approx(6)
