"""Sampling from models that overflow, are padded, or have nothing to vary.

Cases after public bug reports; ids such as P22 and names such as vllm#22881
say where each is from.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from tests.data import toys
from ttc.answering import exits
from ttc.checkpoints import orbax
from ttc.cli import main
from ttc.data.tokenizer import Tokenizer
from ttc.data.vocabulary import end_table
from ttc.data.worksheet import Worksheet
from ttc.inference import sampling
from ttc.inference.generation import Generation
from ttc.pipeline import records, status
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Place, StageRun
from ttc.search.solutions import Attempt
from ttc.search.strategies import BestOfN
from ttc.stages.probe import Probe
from ttc.stages.sample import Sample
from ttc.stages.solver import Solver

TASK = Worksheet(goals=(2,), num_pretrain=50, num_finetune=20, num_test=5)
LARGE = 3e38  # finite in float32, so that no reader of weights refuses it


def stored(folder, head='logits', down=None, **changes):
  """A model of random weights; `down` replaces those of one layer's MLP."""
  cfg = testing.small_config(
    **{'vocab_size': TASK.vocabulary.size, 'context': 256, **changes}
  )
  params = testing.random_params(cfg, head)
  if down is not None:
    mlp = params['backbone']['layers']['mlp']
    mlp['down'] = mlp['down'].at[1].set(down)
  orbax.save_model(str(folder), cfg, head, params)
  records.mark_complete(folder, {'fingerprint': 'x'}, 'model.json', 'params')
  return str(folder)


def solver(**changes):
  settings = dict(questions=3, rows=8)
  generation = Generation(max_tokens=6, max_step_tokens=3)
  return Solver(
    **{'task': TASK, 'generation': generation, **settings, **changes}
  )


def sampled(stage, folder):
  Experiment('e', (stage,)).check()
  run = StageRun(stage, Place(folder / 'runs', stages=(stage.name,)), 0)
  run.work()
  return records.read_rows(run.folder)


# --- logits and values that are not finite ------------------------------------


@pytest.mark.parametrize('temperature', [0.0, 1.0])
@pytest.mark.parametrize('top_p', [None, 0.9])
@pytest.mark.parametrize(
  ('logits', 'finite'),
  [
    ([1.0, 2.0, 3.0, 4.0], True),
    ([1.0, -np.inf, 3.0, 4.0], True),  # a token that has no chance
    ([1.0, np.nan, 3.0, 4.0], False),
    ([1.0, np.inf, 3.0, 4.0], False),
    ([-np.inf] * 4, False),
    ([np.nan] * 4, False),
    ([np.inf, -np.inf, 0.0, np.nan], False),
  ],
)
def test_a_draw_from_what_is_not_finite_shows(
  logits, finite, top_p, temperature
):
  """vllm#22881, Qwen3#269: NaN becomes one token, again and again."""
  keys = jax.random.split(jax.random.key(0), 64)
  rows = jnp.broadcast_to(jnp.array(logits), (64, 4))
  _, logprob = sampling.draw(rows, keys, jnp.full(64, temperature), top_p)
  assert np.isfinite(logprob).all() == finite
  assert np.isfinite(logprob).any() == finite


def overflowing(table):
  """A scripted model whose logits are eight times those of a table."""
  params = testing.scripted_params(table)
  norm = params['backbone']['final_norm']
  return {
    **params,
    'backbone': {
      **params['backbone'],
      'final_norm': {'scale': 8 * norm['scale']},
    },
  }


@pytest.mark.parametrize('sign', [1, -1])
def test_a_question_whose_logits_overflow_is_named(sign):
  """Token 5 leads to infinite logits, and only question 11 meets it."""
  table = np.full((testing.WORDS,) * 2, -9.0)
  table[3, testing.END] = table[4, 5] = 9.0
  table[5, 6 if sign > 0 else slice(None)] = sign * LARGE
  models = testing.scripted_models(table)
  proposer = dataclasses.replace(
    models.proposer, params=overflowing(table), name='sample: the model'
  )
  models = dataclasses.replace(models, proposer=proposer)
  testing.solve(BestOfN(), 2, models, (3,))
  with pytest.raises(
    FloatingPointError,
    match=r'sample: the model: its logits are not finite .* of question 11,',
  ):
    testing.solve(BestOfN(), 2, models, (3,), (4,), (3,))


@pytest.mark.parametrize('sign', [1, -1])
def test_values_that_overflow_are_no_certainty(sign):
  """A sigmoid makes 1 or 0 of an infinite logit, which no search may use."""
  table = np.full((testing.WORDS,) * 2, -9.0)
  table[3, 5] = table[5, testing.END] = 9.0
  models = testing.scripted_models(table, np.zeros(testing.WORDS))
  values = np.zeros(testing.WORDS)
  values[5] = sign * LARGE
  broken = dataclasses.replace(models.verifier, params=overflowing(values))
  testing.solve(BestOfN(), 2, models, (3,))
  with pytest.raises(FloatingPointError, match='values are not finite'):
    testing.solve(
      BestOfN(), 2, dataclasses.replace(models, verifier=broken), (3,)
    )


def test_a_stage_says_which_model_overflows(tmp_path):
  """P22: it sampled the last id up to max_tokens, then JSON refused nan."""
  good, bad = stored(tmp_path / 'good'), stored(tmp_path / 'bad', down=LARGE)
  with pytest.raises(FloatingPointError) as failed:
    sampled(Sample(solver(proposer=bad), num=2), tmp_path)
  message = str(failed.value)
  assert f"seed-0/sample: the model of '{bad}': its logits" in message
  assert '--dtype' in message
  verifier = stored(tmp_path / 'prm', 'value', down=LARGE)
  with pytest.raises(FloatingPointError) as failed:
    sampled(
      Sample(solver(proposer=good, verifier=verifier), num=2, name='two'),
      tmp_path,
    )
  assert f"the model of '{verifier}': its values" in str(failed.value)
  # What is no logit is looked at, too; JSON would refuse it without a name.
  with pytest.raises(FloatingPointError, match='its states are not finite'):
    sampled(Probe(solver(proposer=bad)), tmp_path)


def test_the_command_says_so_in_one_line(tmp_path, capfd):
  """P22, and nothing is written of what was sampled."""
  bad = stored(tmp_path / 'bad', down=LARGE)
  (tmp_path / 'bad.gin').write_text(f"""
from __gin__ import dynamic_registration
from ttc.data import worksheet
from ttc.inference import generation
from ttc.pipeline import experiment
from ttc.stages import sample
from ttc.stages import solver

experiment.Experiment.name = 'e'
experiment.Experiment.output = '{tmp_path / 'runs'}'
experiment.Experiment.stages = (@sample.Sample(),)
sample.Sample.solver = @solver.Solver()
sample.Sample.num = 2
solver.Solver.task = @worksheet.Worksheet()
solver.Solver.generation = @generation.Generation()
solver.Solver.proposer = '{bad}'
solver.Solver.questions = 3
solver.Solver.rows = 8
worksheet.Worksheet.goals = (2,)
worksheet.Worksheet.num_pretrain = 50
worksheet.Worksheet.num_finetune = 20
worksheet.Worksheet.num_test = 5
generation.Generation.max_tokens = 6
generation.Generation.max_step_tokens = 3
""")
  assert main.main(['run', f'--gin_file={tmp_path / "bad.gin"}']) == 1
  lines = capfd.readouterr().err.splitlines()
  said = [line for line in lines if line.startswith('ttc: ')]
  assert len(said) == 1
  assert 'logits are not finite' in said[0]
  (run,) = status.read(tmp_path / 'runs' / 'e')
  for told in (said[0], run.detail):
    assert told.count('seed-0/sample') == 1
  assert not any('Traceback' in line for line in lines)
  assert not list((tmp_path / 'runs').rglob('part-*'))


def test_commands_that_answer_say_so_in_one_line(capsys):
  """P22 in ttc solve and ttc evaluate."""

  def overflows():
    raise FloatingPointError('its logits are\nnot finite')

  assert exits.guarded(overflows, debug=False) == 1
  assert capsys.readouterr().err == 'ttc: its logits are not finite\n'


# --- padded vocabularies ------------------------------------------------------


def test_ids_of_the_padding_have_no_text():
  """P21 vllm#340: IndexError in decode."""
  vocabulary = TASK.vocabulary
  ids = vocabulary.encode('12+3')
  beyond = [vocabulary.size, vocabulary.size + 23, 10**6]
  assert vocabulary.decode([beyond[0], *ids, *beyond]) == '12+3'
  assert vocabulary.decode([*ids[:1], beyond[0], *ids[1:]]) == '12+3'
  assert [vocabulary.piece(id) for id in beyond] == [''] * 3
  last = vocabulary.size - 1
  assert vocabulary.decode([last]) == vocabulary.piece(last) != ''


def test_a_padded_model_is_sampled_and_graded(tmp_path):
  """P21: 100 ids of a random model are padding, and it samples them."""
  padded = stored(tmp_path / 'padded', vocab_size=TASK.vocabulary.size + 100)
  rows = [
    row
    for record in sampled(Sample(solver(proposer=padded), num=4), tmp_path)
    for row in record['rows']
  ]
  assert max(id for row in rows for id in row['tokens']) >= TASK.vocabulary.size
  for row in rows:
    known = [id for id in row['tokens'] if id < TASK.vocabulary.size]
    assert row['text'] == TASK.vocabulary.decode(known)


def test_an_attempt_of_padding_alone_is_wrong_and_no_error():
  chooser = solver()
  attempt = Attempt([TASK.vocabulary.size] * 3, True, None, -1.0)
  problem = chooser.problems[0].id
  assert chooser.judge(problem, [attempt])[0]['correct'] is False


# --- settings that do nothing -------------------------------------------------


def test_a_temperature_too_low_to_divide_by():
  """1e-38 made infinity of every positive logit, and took the first of them."""
  with pytest.raises(ValueError, match='temperature=1e-38'):
    Generation(temperature=1e-38)
  logits = jnp.array([[5.0, 30.0, 31.0, 2.0]])
  coldest = jnp.full(1, 1e-6)
  token, _ = sampling.draw(
    logits, jax.random.split(jax.random.key(0), 1), coldest
  )
  assert token.tolist() == [2]


def test_equal_samples_are_announced(tmp_path, capsys):
  """One line before the work, where a temperature of 0 meets many samples."""
  proposer = stored(tmp_path / 'model')
  cold = Generation(temperature=0.0, max_tokens=6, max_step_tokens=3)
  many = Sample(solver(proposer=proposer, generation=cold), num=4)
  rows = sampled(many, tmp_path)
  err = capsys.readouterr().err
  said = 'temperature=0: all 4 samples of a question will be equal'
  assert err.count(said) == 1
  for record in rows:
    assert len({tuple(row['tokens']) for row in record['rows']}) == 1
  for quiet in (
    dataclasses.replace(many, num=1, name='one'),
    dataclasses.replace(many, solver=solver(proposer=proposer), name='warm'),
  ):
    sampled(quiet, tmp_path)
    assert 'equal' not in capsys.readouterr().err


def test_a_stop_that_no_token_holds(tmp_path):
  """It ended nothing, and attempts went on to max_tokens."""
  folder = str(toys.qwen(tmp_path))
  assert end_table(Tokenizer(folder, '<|quad_end|>', stops=('\n\n',))).any()
  idle = Tokenizer(folder, '<|quad_end|>', stops=('\n\n', '\n\nProblem: how'))
  with pytest.raises(ValueError, match='would end nothing') as refused:
    end_table(idle)
  assert repr('\n\nProblem: how') in str(refused.value)
