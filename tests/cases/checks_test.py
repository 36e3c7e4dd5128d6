"""Public reports about work that was lost to a number known from the start.

A case is named by where it was reported; O and P are those of this project's
own list.
"""

import dataclasses

import pytest

from tests.cli import little_stages
from tests.data import toys
from ttc.cli import configuration, main
from ttc.comparisons.compare_proposers import CompareProposers, Proposer
from ttc.comparisons.compare_verifiers import CompareVerifiers
from ttc.data.jsonl import Rows
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer
from ttc.data.worksheet import Worksheet
from ttc.distillation.distill import Distill
from ttc.examples.corpus import Corpus
from ttc.examples.relabelling import Relabel
from ttc.examples.trajectories import Trajectories
from ttc.inference.generation import Generation
from ttc.models.config import TransformerConfig
from ttc.models.partitioning import Layout
from ttc.pipeline.experiment import ConfigurationError, Experiment
from ttc.search.allocate import Beam, Dvts, Keep, ParticleFilter, Rebase
from ttc.search.backtrack import Backtrack
from ttc.search.mcts import Mcts
from ttc.search.sparse import Sparse
from ttc.search.strategies import BestOfN, StepSearch
from ttc.stages import fitting
from ttc.stages.arms import Arm
from ttc.stages.difficulty import Difficulty
from ttc.stages.label import Label
from ttc.stages.policy import FitPolicy
from ttc.stages.pretrain import Pretrain
from ttc.stages.report import Report
from ttc.stages.revise import Revise
from ttc.stages.revise_data import ReviseData
from ttc.stages.sample import Sample
from ttc.stages.search import Search
from ttc.stages.solver import Solver
from ttc.stages.sources import Outcomes
from ttc.training.loop import FitConfig
from ttc.training.optimizer import AdamW
from ttc.training.stopping import Stop
from ttc.verifiers.evaluate_prm import EvaluatePrm

_TASK = Worksheet(goals=(2,), num_pretrain=30, num_finetune=20, num_test=8)
_SOLVER = Solver(_TASK, Generation(max_tokens=26, max_step_tokens=14))
_ADAM = AdamW(1e-3)
_LOOP = FitConfig(20, 16, 64, _ADAM, 20, 20)
_MODEL = TransformerConfig(41, 1, 8, 2, 1, 4, 16)
_ARM = Arm(BestOfN(), (4,))
_WHOLE = [
  _SOLVER,
  Sample(_SOLVER),
  Difficulty(_SOLVER),
  Label(_SOLVER),
  Search(_SOLVER, (_ARM,)),
  Revise(_SOLVER, budget=4),
  Revise(_SOLVER, turns=2),
  ReviseData(_TASK),
  Distill(_TASK),
  CompareProposers((Proposer('a'),)),
  CompareVerifiers('a', ('b',)),
  EvaluatePrm(dataclasses.replace(_SOLVER, verifier='prm'), source='a'),
  Relabel(),
  FitPolicy(),
  Report(),
  Pretrain(_TASK, _MODEL, fitting.Fit(_LOOP), 10),
  fitting.Fit(_LOOP),
  Outcomes(),
  _LOOP,
  Stop('best', 5),
  _SOLVER.generation,
  StepSearch(),
  Mcts(),
  Mcts(width=2),
  Backtrack(),
  Sparse(),
  Keep(),
  Beam(),
  Dvts(),
  Worksheet(),
  Corpus(),
  Trajectories(max_targets=3),
  _MODEL,
  Layout(data=1),
]
_ZERO_IS_FINE = {
  'keep', 'lookahead', 'seed', 'max_context', 'value_hidden', 'num_pretrain',
  'num_finetune', 'num_test', 'Mcts.rollouts', 'window',
  'skip', 'Search.traced', 'Report.explored',
}  # fmt: skip


def _numbers():
  """Every whole number of every class that gin builds, and bad values of it."""
  for made in _WHOLE:
    for field in dataclasses.fields(made):
      value = getattr(made, field.name)
      whole = isinstance(value, int) and not isinstance(value, bool)
      optional = value is None and 'int' in str(field.type)
      if whole or optional:
        name = f'{type(made).__name__}.{field.name}'
        bad = [-3, 2.5, '4', float('nan')]
        fine = {name, field.name} & _ZERO_IS_FINE
        bad += [] if fine else [0]
        for wrong in bad:
          yield pytest.param(made, field.name, wrong, id=f'{name}={wrong!r}')


@pytest.mark.parametrize(('made', 'name', 'wrong'), [*_numbers()])
def test_no_size_without_meaning_can_be_configured(made, name, wrong):
  # O04, O05, and every other number of that kind.
  others = {'turns': None} if name == 'budget' else {}
  others |= {'budget': None} if name == 'turns' else {}
  with pytest.raises(ValueError, match=name) as refused:
    dataclasses.replace(made, **{name: wrong}, **others)
  assert repr(wrong) in str(refused.value)


@pytest.mark.parametrize(
  ('make', 'told'),
  [
    (lambda: Arm(BestOfN(), ()), r'Arm\.budgets=\(\) is empty'),
    (lambda: Arm(BestOfN(), 16), r'Arm\.budgets=16 is no tuple; write \(16,\)'),
    (lambda: Arm(BestOfN(), (4.0,)), r'Arm\.budgets=\(4\.0,\) has 4\.0'),
    (lambda: Arm(BestOfN(), (4, 0)), r'Arm\.budgets=\(4, 0\) has 0'),
    (lambda: Arm(BestOfN(), ('4',)), "has '4'"),
    (lambda: Arm(BestOfN(), (True,)), 'has True'),
    (lambda: Search(_SOLVER, ()), r'Search\.arms=\(\) is empty'),
    (lambda: Search(_SOLVER, _ARM), r'Search\.arms=.* is no tuple'),
    (lambda: Search(_SOLVER, (_ARM, _ARM)), 'a budget of 4 twice'),
    (
      lambda: dataclasses.replace(_SOLVER, scorers=('orm', 'orm')),
      r"Solver\.scorers=\('orm', 'orm'\) has 'orm', which is no pair",
    ),
    (lambda: Worksheet(goals=()), r'Worksheet\.goals=\(\) is empty'),
    (lambda: Worksheet(goals=3), r'Worksheet\.goals=3 is no tuple'),
    (lambda: Rebase(0.0), r'Rebase\.temperature=0\.0'),
    (lambda: ParticleFilter(float('inf')), r'ParticleFilter\.temperature=inf'),
    (lambda: Generation(temperature=float('nan')), 'temperature=nan'),
    (lambda: Generation(top_p='0.9'), "top_p='0.9'"),
    (lambda: AdamW('1e-3'), r"AdamW\.learning_rate='1e-3'"),
    (lambda: AdamW(1e-3, warmup=100), r'AdamW\.warmup=100; .* below 1'),
    (lambda: AdamW(1e-3, b1=1.0), r'AdamW\.b1=1\.0'),
    (lambda: AdamW(1e-3, weight_decay=-1), r'AdamW\.weight_decay=-1'),
    (
      lambda: dataclasses.replace(_LOOP, optimizer=AdamW(1e-3, warmup=0.99)),
      r'AdamW\.warmup=0\.99 takes all of the 20 steps',
    ),
    (
      lambda: dataclasses.replace(_LOOP, microbatches=3),
      'does not divide into microbatches=3; choose a divisor',
    ),
    (lambda: fitting.Fit(_LOOP, held_out=1.0), r'Fit\.held_out=1\.0'),
    (lambda: fitting.Fit(_LOOP, dropout=-0.1), r'Fit\.dropout=-0\.1'),
    (
      lambda: fitting.Fit(
        dataclasses.replace(_LOOP, stop=Stop('best')), held_out=0
      ),
      r"Stop\.rule='best' needs held-out questions and Fit\.held_out=0",
    ),
  ],
)
def test_numbers_that_contradict_each_other_are_told(make, told):
  with pytest.raises(ValueError, match=told):
    make()


@pytest.mark.parametrize(
  ('seeds', 'told'),
  [
    ((-1,), 'has -1; give a whole number from 0'),  # deepinterpolation#100
    ((0, -1), 'has -1'),  # rgthree-comfy#90
    ((0.5,), 'has 0.5'),
    (('0',), "has '0'"),
    ((2**31,), f'has {2**31}; give a whole number from 0 to {2**31 - 1}'),
    ((2**64,), f'has {2**64}'),
    ((None,), 'has None'),
    ((True,), 'has True'),
    (0, 'Experiment.seeds=0 is no tuple; write (0,)'),
    ('0', "Experiment.seeds='0' is no tuple"),
    ((), 'is empty'),
    ((1, 1), 'list each seed once'),
  ],
)
def test_seeds_are_told_with_the_configuration(seeds, told):
  with pytest.raises(ValueError, match='seeds') as refused:
    Experiment('x', (Sample(_SOLVER),), seeds=seeds)
  assert told in str(refused.value)
  with pytest.raises(ValueError, match='no tuple'):
    Experiment('x', Sample(_SOLVER))
  with pytest.raises(ValueError, match=r'write @Sample\(\)'):
    Experiment('x', (Sample,))


_MINI = """
include 'gin/experiments/worksheet_quickstart.gin'
Experiment.name = 'mini'
Experiment.stages = (@base/pretrain.Pretrain(), @sample/sample.Sample(),
  @label.Label(), @orm/train.Train(), @prm/train.Train(),
  @trajectories/revise_data.ReviseData(), @revision/train.Train(),
  @difficulty.Difficulty())
Experiment.report = None
PRETRAIN_STEPS = 500
PRETRAIN_DOCUMENTS = 200
SAMPLED_QUESTIONS = 64
SAMPLES = 4
worksheet.Worksheet.num_test = 12
orm/loop.FitConfig.eval_every = 20
"""


@pytest.fixture
def mini(tmp_path):
  path = tmp_path / 'mini.gin'
  path.write_text(_MINI)

  def load(*bindings):
    return configuration.load((str(path),), bindings)[0]

  return load


def test_what_is_in_order_is_accepted(mini):
  assert len(mini().stages) == 8


@pytest.mark.parametrize(
  ('bindings', 'stage', 'told'),
  [
    # transformers#33721, feral#10: the hash of ids is known.
    (('SAMPLED_QUESTIONS=2',), 'orm', 'Fit.held_out=0.1 holds out none of 2'),
    (('SAMPLED_QUESTIONS=1',), 'orm', 'holds out none of 1 questions'),
    (('orm/Fit.held_out=0.999999',), 'orm', 'holds out all of 64'),
    (('PRETRAIN_DOCUMENTS=1',), 'pretrain', 'holds out none of 1 documents'),
    # OpenRLHF#652, trl#3927, transformers#30998.
    (('orm/FitConfig.seq_len=30',), 'orm', 'seq_len=30, but an example may'),
    (('orm/FitConfig.seq_len=48',), 'orm', 'may have 49 tokens: a prompt of'),
    (('prm/FitConfig.seq_len=48',), 'prm', 'may have 49 tokens'),
    (('Generation.max_tokens=100',), 'prm', 'have 113 tokens'),
    (('revision/FitConfig.seq_len=100',), 'revision', 'seq_len=100, but'),
    (('pretrain/FitConfig.seq_len=192',), 'pretrain', 'may have 193 tokens'),
    (('worksheet.Worksheet.num_test=0',), 'difficulty', 'has no question'),
    (('verified/Solver.prompt_tokens=5',), 'difficulty', 'all 12 questions'),
    (('finetune/Solver.split="test"',), 'sample', 'has 12; lower it'),
    (('orm/Train.split="test"',), 'orm', "not in the split 'test'"),
    (('ReviseData.split="test"',), 'revise_data', "not in the split 'test'"),
  ],
)
def test_what_would_end_a_stage_is_told_before_the_first(
  mini, bindings, stage, told
):
  with pytest.raises(ConfigurationError) as refused:
    mini(*bindings)
  said = str(refused.value)
  assert told in said
  if 'max_tokens' not in bindings[0]:
    assert said.startswith(f"stage '{stage}': ")
  assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
  ('bindings', 'told'),
  [
    (('verified/Solver.verifier="pretrain"',), "a verifier needs 'value'"),
    (('verified/Solver.proposer="prm"',), "a proposer needs 'logits'"),
    (('verified/Solver.proposer="sample"',), 'of kind sample and makes none'),
    (('verified/Solver.scorers=(("a", "revision"),)',), "needs 'value'"),
    (('prm/Train.start="label"',), 'of kind label and makes none; name one of'),
    (('Label.source="pretrain"',), 'kind pretrain and makes a model; name'),
    (('orm/Outcomes.stage="pretrain"',), 'pretrain and makes a model; name'),
  ],
)
def test_a_stage_of_another_kind_is_told(mini, bindings, told):
  # What would be found when its model is loaded, after all that came before.
  with pytest.raises(ConfigurationError, match=told):
    mini(*bindings)


def test_a_fit_of_other_stages_is_told():
  sample, search = Sample(_SOLVER), Search(_SOLVER, (_ARM,))
  fit = FitPolicy(difficulty='sample', revise='')
  with pytest.raises(ValueError, match='of kind difficulty, and it is of kind'):
    fit.check(Experiment('x', (sample, search, fit)))


@pytest.mark.parametrize('name', ['dtype', 'param_dtype'])
def test_a_misspelt_dtype_is_told(name):
  with pytest.raises(ValueError, match=f"{name}='flaot32' is unknown; choose"):
    dataclasses.replace(_MODEL, **{name: 'flaot32'})
  with pytest.raises(ValueError, match="param_dtype='int8' is unknown; choose"):
    fitting.Fit(_LOOP, param_dtype='int8')


@pytest.mark.parametrize(
  'binding', ['orm/FitConfig.seq_len=49', 'pretrain/FitConfig.seq_len=193']
)
def test_the_longest_example_fits_exactly(mini, binding):
  assert mini(binding)


@pytest.mark.parametrize(
  ('rows', 'told'),
  [
    ('', 'give the task a file'),  # adk-python#6951, inspect_ai#1346
    ('{"question": "1+1", "answer": ""}\n', '1 left out: no reference answer'),
  ],
)
def test_no_question_at_all_is_told(rows, told, tmp_path):
  path = tmp_path / 'rows.jsonl'
  path.write_text(rows)

  toys.qwen(tmp_path)
  task = Questions(
    Tokenizer(str(tmp_path), '<|quad_end|>'),
    Template(),
    Rows(str(path)),
    Rows(str(path)),
    workers=1,
  )
  sample = Sample(dataclasses.replace(_SOLVER, task=task, proposer='a'))
  first = Pretrain(_TASK, _MODEL, fitting.Fit(_LOOP), 10, name='a')
  with pytest.raises(ValueError, match='has no questions') as refused:
    sample.solver.check(Experiment('x', (first, sample)), sample)
  assert told in str(refused.value)


@pytest.mark.parametrize(
  ('binding', 'told'),
  [
    ("Experiment.output='gs:/b'", 'Experiment.output: gs:/b is misspelt'),
    ('Experiment.seeds=(-1,)', 'has -1'),
    ('SAMPLED_QUESTIONS=2', 'Fit.held_out=0.1 holds out none'),
    ('prm/FitConfig.microbatches=0', 'FitConfig.microbatches=0;'),
    ('best_of_n/Arm.budgets=(16)', 'write (16,)'),
  ],
)
def test_a_refusal_is_one_line_and_promises_nothing(
  binding, told, tmp_path, capsys
):
  arguments = [
    'run',
    '--gin_file=gin/experiments/worksheet_quickstart.gin',
    f"--gin.Experiment.output='{tmp_path}'",
    f'--gin.{binding}',
  ]
  assert main.main(arguments) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert told in line
  assert 'continue' not in line
  assert not list(tmp_path.iterdir())


def test_a_late_refusal_is_no_crash_and_a_crash_is_one(
  tmp_path, capsys, monkeypatch
):
  # P17, P35: what only the rows show is told in one line; mistakes in the code
  # keep their traceback.
  arguments = [
    'run',
    '--gin_file=tests/cli/little.gin',
    f'--gin.OUTPUT={str(tmp_path)!r}',
  ]

  def twice(stage, run):
    for _ in range(2):
      list(run.parts(range(stage.items), stage.size))

  monkeypatch.setattr(little_stages.Toss, '__call__', twice)
  assert main.main(arguments) == 1
  told = capsys.readouterr().err
  (line,) = [x for x in told.splitlines() if x.startswith('ttc:')]
  assert line.startswith('ttc: seed-0/toss: part 0 was left without write()')
  assert 'once it is mended' in line
  assert 'Traceback' not in told

  def breaks(stage, run):
    raise ValueError('shapes (2,3) and (4,5) not aligned')

  monkeypatch.setattr(little_stages.Toss, '__call__', breaks)
  assert main.main(arguments) == 1
  told = capsys.readouterr().err
  assert 'Traceback' in told
  assert 'once it is mended' in told


@pytest.mark.parametrize(
  ('option', 'told'),
  [
    ('--questions=0', '--questions=0; give a number of at least 1.'),
    ('--tokens=-5', '--tokens=-5; give a number of at least 1.'),
    ('--price=-1', '--price=-1; give a number of at least 0.'),
    ('--price=nan', '--price=nan; give a number of at least 0.'),
  ],
)
def test_numbers_of_a_plan_are_told_before_it_is_made(option, told, capsys):
  quick = '--gin_file=gin/experiments/worksheet_quickstart.gin'
  assert main.main(['plan', quick, '--topology=v5e:4x4', option]) == 2
  assert told in capsys.readouterr().err
