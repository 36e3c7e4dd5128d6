"""Sets of 0 to 4 questions: refused at once, or done whole."""

import dataclasses
import json

import pytest

from tests import testing
from tests.cli.little_stages import Coin, Count, Toss
from tests.data import toys
from ttc.checkpoints import orbax
from ttc.cli import main
from ttc.data.jsonl import Rows
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer
from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.pipeline import contents
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Place, RefusedError, StageRun
from ttc.search.strategies import BestOfN, Greedy
from ttc.stages.arms import Arm
from ttc.stages.difficulty import Difficulty
from ttc.stages.label import Label
from ttc.stages.policy import FitPolicy
from ttc.stages.report import Report
from ttc.stages.sample import Sample
from ttc.stages.search import Search
from ttc.stages.solver import Solver

WORKSHEET = Worksheet(goals=(2,), num_pretrain=5, num_finetune=5, num_test=8)
SHORT = Generation(max_tokens=12, max_step_tokens=6)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  folder = tmp_path_factory.mktemp('model')
  cfg = testing.small_config(vocab_size=WORKSHEET.vocabulary.size)
  orbax.save_model(folder, cfg, 'logits', testing.random_params(cfg))
  return str(folder)


@pytest.mark.parametrize('count', [1, 2, 4])
def test_few_questions_are_done_whole(model, tmp_path, capsys, count):
  """P32, O02, O03: every stage runs, shows itself, and counts right."""
  solver = Solver(WORKSHEET, SHORT, proposer=model, questions=count, rows=8)
  experiment = Experiment(
    'few',
    (
      Sample(solver, num=2),
      Label(solver, rollouts=1),
      Difficulty(solver, num=4),
      Search(solver, (Arm(BestOfN(), (2,)), Arm(Greedy(), (1,)))),
      FitPolicy(revise='', subsets=2),
    ),
    report=Report(large='', subsets=2),
  )
  experiment.check()
  names = tuple(stage.name for stage in experiment.stages)
  place = Place(tmp_path, stages=names)
  shown = {}
  for stage in experiment.everything:
    run = StageRun(stage, place, None if stage is experiment.report else 0)
    run.work()
    if hasattr(stage, 'show'):
      shown[stage.name] = stage.show(run)
  said = capsys.readouterr().err
  for stage, total in (('sample', count), ('search', 2 * count)):
    assert f'seed-0/{stage}: 100% {total}/{total} questions' in said
  assert shown['label'].startswith('seed-0/label: 0 solutions labelled; ')
  assert 'pass@1' in shown['difficulty']
  assert shown['policy']
  summary = json.loads((tmp_path / 'report' / 'summary.json').read_text())
  assert {claim['holds'] for claim in summary['claims']} <= {None}


@pytest.fixture
def questions(tmp_path):
  """Makes a task of (finetune, test) questions, each a text."""
  tokenizer = Tokenizer(str(toys.qwen(tmp_path / 'qwen')), '<|quad_end|>')

  def make(finetune, test):
    rows = []
    for name, texts in (('finetune', finetune), ('test', test)):
      path = tmp_path / f'{name}.jsonl'
      lines = [json.dumps({'question': t, 'answer': '1'}) for t in texts]
      path.write_text(''.join(f'{line}\n' for line in lines))
      rows.append(Rows(str(path)))
    return Questions(
      vocabulary=tokenizer,
      template=Template(),
      delimiter='\n',
      workers=0,
      finetune=rows[0],
      test=rows[1],
    )

  (tmp_path / 'qwen').mkdir(exist_ok=True)
  return make


@pytest.mark.parametrize('asked', [None, 4])
@pytest.mark.parametrize(
  ('split', 'finetune', 'test', 'message'),
  [
    ('test', ['1+1'], [], r"the split 'test' has no questions; give"),
    ('finetune', [], ['1+1'], r"the split 'finetune' has no questions; give"),
    (
      'finetune',
      ['1+1', '1+2'],
      ['1+1', '1+2'],
      r"the split 'finetune' has no questions \(2 left out: asked in the test",
    ),
  ],
)
def test_no_question_is_refused_at_once(
  model, questions, split, finetune, test, message, asked
):
  """P15, adk-python#6951, inspect_ai#1346: 0 questions are no success."""
  solver = Solver(
    questions(finetune, test), SHORT, model, split=split, questions=asked
  )
  with pytest.raises(ValueError, match=message):
    Experiment('e', (Sample(solver),)).check()


def test_questions_that_are_all_skipped_are_refused_at_once(model):
  """P15: with the reason; one that is asked is enough."""
  solver = Solver(WORKSHEET, SHORT, proposer=model)
  lengths = sorted(len(solver.prompt(p)) for p in solver.problems)
  short = dataclasses.replace(solver, prompt_tokens=lengths[0] - 1)
  with pytest.raises(
    ValueError,
    match=f'all 8 questions .* shortest prompt has {lengths[0]} tokens, more '
    f'than Solver.prompt_tokens={lengths[0] - 1}; raise it',
  ):
    Experiment('e', (Sample(short),)).check()
  one = dataclasses.replace(solver, prompt_tokens=lengths[0])
  Experiment('e', (Sample(one),)).check()


def test_a_stage_that_skipped_every_question_shows_so(tmp_path):
  """P32: records of a run from before such a run was refused."""
  stage = Difficulty(Solver(WORKSHEET, SHORT))
  run = StageRun(_Skipping(coin=Coin(), name='difficulty'), Place(tmp_path), 0)
  run.work()
  assert stage.show(run) == 'seed-0/difficulty: every question was skipped'


class _Skipping(Toss):
  """Skips every question."""

  def __call__(self, run):
    """Writes records without rows."""
    for part in run.parts(range(3), 2):
      part.write(
        [
          {
            'problem': item,
            'strategy': 'BestOfN()',
            'budget': 4,
            'seed': 0,
            'rows': [],
            'skipped': 'long',
          }
          for item in part.items
        ]
      )


@dataclasses.dataclass(frozen=True)
class Mute(Toss):
  """A stage that cannot show what it has done."""

  def show(self, run):
    """Raises as for records that it did not expect."""
    raise ValueError(f'fewer questions than bins in {run.label}\x1b[2J')


def test_what_cannot_be_shown_stops_nothing(tmp_path, capsys):
  """P32: every rerun raised at show(), so later stages never ran."""
  gin = tmp_path / 'mute.gin'
  gin.write_text(
    """
from __gin__ import dynamic_registration
from tests.cases import small_sets_test
from tests.cli import little_stages
from ttc.pipeline import experiment
experiment.Experiment:
  name = 'mute'
  stages = (@small_sets_test.Mute(), @little_stages.Count())
small_sets_test.Mute.coin = @little_stages.Coin()
"""
  )
  command = [
    'run',
    f'--gin_file={gin}',
    f'--gin.Experiment.output="{tmp_path}"',
  ]
  for _ in range(2):
    assert main.main(command) == 0
    told = capsys.readouterr().out
    assert 'seed-0/toss: complete, but cannot be shown (ValueError(' in told
    assert '\x1b' not in told
  assert (tmp_path / 'mute' / 'seed-0' / 'count' / 'COMPLETE').exists()


@dataclasses.dataclass(frozen=True)
class Reader(Toss):
  """A stage that reads a file of questions."""

  path: str = ''

  def files(self):
    """The file, whose content is part of what the stage is made from."""
    return [self.path]


@dataclasses.dataclass(frozen=True)
class Later(Count):
  """A stage that reads the same file, and what `Reader` wrote."""

  path: str = ''

  def files(self):
    """The same file."""
    return [self.path]


@pytest.fixture
def changed(tmp_path):
  """Two stages of a question file, as (runs, change the file)."""
  path = tmp_path / 'questions.jsonl'
  path.write_text('old')
  place = Place(tmp_path / 'run', stages=('toss', 'count'))

  def runs():
    return (
      StageRun(Reader(coin=Coin(), path=str(path)), place, 0),
      StageRun(Later(path=str(path)), place, 0),
    )

  return runs, path


def test_a_changed_file_is_refused_by_every_stage_of_it(changed):
  """P14, datasets#2956: another content under the same path."""
  runs, path = changed
  for run in runs():
    run.work()
  assert all(run.is_complete() for run in runs())
  path.write_text('new')
  for run in runs():
    with pytest.raises(RefusedError, match='files with other content'):
      run.is_complete()
  path.write_text('old')
  assert all(run.is_complete() for run in runs())


def test_a_stage_made_anew_is_not_mixed_with_rows_of_the_old_file(changed):
  """P14: `rm -r label`, then `--only=label`: refused, and nothing written."""
  runs, path = changed
  runs()[0].work()
  path.write_text('new')
  _, later = runs()
  for refused in (later.check, later.is_complete, later.work):
    with pytest.raises(RefusedError, match=r'count follows .*toss, which was'):
      refused()
  assert not (later.folder / 'stage.json').exists()
  path.write_text('old')
  runs()[1].work()
  assert runs()[1].is_complete()


def test_a_half_done_stage_goes_on_with_the_same_file_only(changed):
  """P14: never half old and half new."""
  runs, path = changed
  first, _ = runs()
  failing = StageRun(
    Reader(coin=Coin(), path=str(path), fail_at=2), first.place, 0
  )
  with pytest.raises(RuntimeError, match='rolled away'):
    failing.work()
  path.write_text('new')
  again = StageRun(
    Reader(coin=Coin(), path=str(path), fail_at=2), first.place, 0
  )
  with pytest.raises(RefusedError, match='files with other content'):
    again.work()


def test_an_empty_file_that_is_filled_later_is_asked(questions):
  """P14, P15: nothing of the empty file is remembered."""
  empty = questions(['1+1'], [])
  assert empty.problems('test') == []
  before = contents.of(empty)
  filled = questions(['1+1'], ['2+2'])
  assert [p.question for p in filled.problems('test')] == ['2+2']
  (line,) = contents.differences(before, contents.of(filled))
  assert 'test.jsonl: SHA-256' in line
