"""The scheduler: what it spends, what it refuses, what it compiles."""

import jax
import numpy as np
import pytest

from tests import testing
from ttc.inference import engine, keys, kv_pools
from ttc.inference.capacity import Capacity
from ttc.inference.requests import Extend, fork, Prefill
from ttc.inference.scheduler import Scheduler
from ttc.models import moves, partitioning
from ttc.search.allocate import Beam, Dvts, Rebase
from ttc.search.mcts import Mcts
from ttc.search.rescoring import final_values
from ttc.search.rollouts import Branch, continuations
from ttc.search.strategies import BestOfN, StepSearch

RNG = np.random.default_rng(1)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS))
VALUES = RNG.normal(size=testing.WORDS)


def models(values=VALUES, devices=1, **generation):
  return testing.scripted_models(TABLE, values, devices, **generation)


def test_rollouts_follow_their_branch_and_read_the_solution_once():
  """Each rollout is what its prefix, given as a prompt, would become."""
  given = models(None)
  (question,) = testing.questions(given, [3, 4])
  solution = [5, testing.STEP, 6, 7, testing.STEP, 3, testing.END]
  branches = [Branch(n, keys.fold(question.key, [n])[0]) for n in (2, 5)]
  (found,) = testing.run(
    testing.scheduler(given, lanes=3, slots=3),
    given,
    [(question, continuations(question, solution, branches, 4), 2)],
  )
  assert len(found.attempts) == 8
  assert found.cost['proposer_prefill'][0] == 2 + 5 - 1
  for index, attempt in enumerate(found.attempts):
    branch = branches[index // 4]
    row = question.root()
    row.tokens += solution[: branch.tokens]
    row.start = len(row.tokens)
    row.key = keys.fold(branch.key, [index % 4])[0]

    def alone(row=row):
      yield Prefill([row])
      yield Extend([row])
      return [row]

    (expected,) = testing.run(
      testing.scheduler(given), given, [(question, alone(), 1)]
    )
    assert attempt.tokens == expected.attempts[0].tokens
    assert len(attempt.tokens) + branch.tokens <= 12


def test_rescoring_equals_scoring():
  given = models()
  solutions = testing.solve(BestOfN(), 5, given, [3], [4, 5])
  other = testing.scripted_models(TABLE, VALUES)
  reader = testing.scheduler(
    type(other)(
      None,
      other.verifier,
      other.step_end,
      other.end,
      other.generation,
      other.mesh,
    )
  )
  with partitioning.use(other.mesh):
    values = final_values(reader, solutions)
  for solution, found in zip(solutions, values, strict=True):
    np.testing.assert_allclose(
      found, [a.values[-1] for a in solution.attempts], atol=1e-6
    )


@pytest.fixture(params=['cpu', 'gpu'])
def copies_of(request, monkeypatch):
  """Copies as a platform makes them; none is in the way of another."""
  monkeypatch.setattr(moves, 'platform', lambda: request.param)
  monkeypatch.setattr(kv_pools, 'tables', lambda _: (3, 8))
  make = engine.copy

  def checked(source, target, pieces, **how):
    made = [tuple(piece) for piece in pieces.tolist() if piece[0] >= 0]
    written = {(write, position) for _, write, position in made}
    assert len(written) == len(made)
    if source is None:
      assert not written & {(read, position) for read, _, position in made}
    seen.append(len(made))
    return make(source, target, pieces, **how)

  seen = []
  monkeypatch.setattr(engine, 'copy', checked)
  make.clear_cache()
  yield
  make.clear_cache()
  assert seen


@pytest.mark.parametrize('seed', range(3))
def test_many_questions_few_slots(copies_of, seed):
  """Copy on write under pressure: no row writes into another's cache.

  A random model sees its whole past, so a wrong cell changes the text.
  """
  cfg = testing.small_config(vocab_size=testing.WORDS)
  proposer = testing.Model(testing.random_params(cfg, seed=seed), cfg)
  verifier = testing.Model(testing.random_params(cfg, 'value', seed=seed), cfg)
  base = models()
  given = type(base)(
    proposer, verifier, base.step_end, base.end, base.generation, base.mesh
  )
  prompts = [RNG.integers(3, 8, n).tolist() for n in (4, 1, 9, 3, 6, 2)]
  strategy = StepSearch(Beam(2), lookahead=1)
  crowded = testing.solve(strategy, 8, given, *prompts, lanes=2, slots=4)
  for place, prompt in enumerate(prompts):
    (question,) = testing.questions(given, prompt, first=10 + place)
    (alone,) = testing.run(
      testing.scheduler(given, lanes=4, slots=16),
      given,
      [(question, strategy.plan(question, 8), 16)],
    )
    assert testing.tokens(alone) == testing.tokens(crowded[place])
    for one, two in zip(alone.attempts, crowded[place].attempts, strict=True):
      np.testing.assert_allclose(one.values, two.values, atol=1e-5)


def test_executed_work_is_shared_out_whole():
  given = models()
  scheduler = testing.scheduler(given)
  questions = testing.questions(given, [3], [4, 5], [6])
  strategy = StepSearch(Rebase())
  solutions = testing.run(
    scheduler, given, [(q, strategy.plan(q, 8), 8) for q in questions]
  )
  for column, total in enumerate(
    (scheduler.utilization.useful, scheduler.utilization.executed)
  ):
    spent = sum(kind[column] for s in solutions for kind in s.cost.values())
    np.testing.assert_allclose(spent, total)


def test_busy_lanes():
  """With more questions than lanes, hardly a lane is ever idle."""
  given = models()
  scheduler = testing.scheduler(given, lanes=8, slots=40, chunk=2)
  strategy = StepSearch(Beam(4))
  testing.run(
    scheduler,
    given,
    [
      (q, strategy.plan(q, 8), 8)
      for q in testing.questions(given, *[[3 + i % 5] for i in range(40)])
    ],
  )
  assert scheduler.utilization.lanes > 0.9 * scheduler.utilization.lane_capacity


def test_a_sweep_compiles_a_fixed_number_of_programs():
  """Widths, lengths and line sizes; never a strategy, budget or prompt."""
  for program in engine.PROGRAMS:
    program.clear_cache()
  given = models()
  scheduler = testing.scheduler(
    given, lanes=8, slots=40, cache_len=64, line=128, chunk=4
  )
  capacity = scheduler.capacity
  sizes = len(capacity.widths) * len(capacity.chunks)  # of extend
  sizes += 2 * len(capacity.prefill_sizes)  # of read, by two models
  sizes += 2 * len(capacity.widths)  # of copy, to lanes and back
  counts = []
  for _ in range(2):
    for strategy, budget in (
      (BestOfN(), 16),
      (StepSearch(Beam(4)), 16),
      (BestOfN(), 3),
      (StepSearch(Dvts(4)), 8),
      (StepSearch(Beam('sqrt'), lookahead=1), 18),
      (StepSearch(Rebase()), 7),
      (Mcts(), 9),
      (Mcts(rollouts=2), 9),
    ):
      prompts = [[3] * n for n in (1, 9, 18, 30, 41, 50)]
      testing.run(
        scheduler,
        given,
        [
          (q, strategy.plan(q, budget), strategy.slots(budget))
          for q in testing.questions(given, *prompts)
        ],
      )
      counts.append(engine.num_programs())
  assert counts[-1] <= sizes * len(capacity.lengths) + 1  # one copy in pools
  assert counts[-1] == counts[len(counts) // 2 - 1]


def test_a_question_that_never_fits_is_refused():
  given = models()
  with pytest.raises(ValueError, match=r'raise Solver\.rows'):
    testing.solve(StepSearch(Beam(4)), 64, given, [3], slots=32)


def test_caches_that_cannot_fit_are_refused_before_they_are_made():
  given = models()
  capacity = Capacity.create(rows=2**24, longest=2**20, width=1)
  with pytest.raises(ValueError, match=r'GiB.*Solver\.rows'):
    Scheduler(given, capacity)


@pytest.mark.parametrize(
  'field', ['lanes', 'slots', 'cache_len', 'line', 'chunk']
)
def test_bad_capacities(field):
  sizes = dict(lanes=1, slots=1, cache_len=64, line=16, chunk=1)
  with pytest.raises(ValueError, match=field):
    Capacity(**{**sizes, field: 0})


def test_a_fork_counts_ordinals_among_siblings():
  given = models()
  (question,) = testing.questions(given, [3])
  parents = fork([question.root()], [0, 0])
  children = fork(parents, [1, 0, 1])
  for child in children:
    child.key, child.ordinal = keys.fold(child.key, [child.ordinal])[0], None
  law = lambda *path: jax.random.key_data(folded(question.key, path))
  for child, path in zip(children, [(1, 0), (0, 0), (1, 1)], strict=True):
    np.testing.assert_array_equal(child.key, law(*path))


def folded(key, path):
  key = jax.random.wrap_key_data(key)
  for number in path:
    key = jax.random.fold_in(key, number)
  return key
