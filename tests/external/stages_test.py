"""Stages whose proposer is a server: what they record, refuse and survive."""

import dataclasses
import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests import testing
from tests.data import toys
from tests.external.stand_in import NAME, serving
from tests.stages.random_models import recorded, stored, TASK
from ttc.answering import offers
from ttc.cli import configuration
from ttc.data.vocabulary import end_table, step_end_table
from ttc.external.caller import NoAnswerError
from ttc.external.endpoint import Endpoint
from ttc.inference.generation import Generation
from ttc.inference.models import Model, Models
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.search.allocate import Beam
from ttc.search.strategies import BestOfN, StepSearch
from ttc.stages.arms import Arm
from ttc.stages.difficulty import Difficulty
from ttc.stages.fit_allocation import FitAllocation, Ladder
from ttc.stages.label import Label
from ttc.stages.online import Allocate
from ttc.stages.probe import Probe
from ttc.stages.report import Report
from ttc.stages.revise import Revise
from ttc.stages.sample import Sample
from ttc.stages.search import Search
from ttc.stages.solver import Solver

GENERATION = Generation(1.0, 1.0, max_tokens=24, max_step_tokens=8)
_REPOSITORY = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def models():
  """The server's: random weights in the vocabulary of the task."""
  vocabulary = TASK.vocabulary
  cfg = testing.small_config(vocab_size=vocabulary.size, context=256)
  return Models(
    Model(testing.random_params(cfg), cfg),
    None,
    step_end_table(vocabulary, TASK.delimiter),
    end_table(vocabulary),
    GENERATION,
    testing.mesh(),
  )


@pytest.fixture
def server(models):
  with serving(models, TASK.vocabulary) as server:
    yield server


def solver(server, **settings):
  endpoint = {'concurrency': 4, 'timeout': 60.0, 'retries': 3}
  endpoint |= settings.pop('endpoint', {})
  return Solver(
    TASK,
    GENERATION,
    proposer=Endpoint(server.url, NAME, **endpoint),
    **({'questions': 3, 'rows': 8} | settings),
  )


def test_samples_are_graded_and_their_steps_labelled(server, tmp_path, capsys):
  ours = solver(server, split='finetune')
  sample = Sample(ours, num=4, size=2)
  label = Label(ours, rollouts=2, samples=2)
  Experiment('e', (sample, label)).check()
  place = Place(tmp_path, stages=('sample', 'label'))
  for stage in (sample, label):
    StageRun(stage, place, 0).work()
  rows = records.read_rows(tmp_path / 'seed-0' / 'sample')
  assert [row['problem'] for row in rows] == [p.id for p in ours.problems]
  for row in rows:
    assert len(row['rows']) == 4
    assert row['cost']['proposer_decode'][1] == sum(
      len(attempt['tokens']) for attempt in row['rows']
    )
    for attempt in row['rows']:
      assert attempt['text'] == TASK.vocabulary.decode(attempt['tokens'])
      assert attempt['logprob'] < 0
      ended = attempt['tokens'][-1] in TASK.vocabulary.end_ids
      assert attempt['truncated'] != ended
  said = capsys.readouterr().err
  assert 'asked again it may answer otherwise' in said
  assert 'costs of the proposer are the tokens of its usage' in said
  assert 'cut into tokens again' not in said


def test_labels_are_rollouts_of_the_server(server, tmp_path):
  """Of solutions with steps and an answer, which random weights do not give."""
  ours = solver(server, split='finetune')
  (line,), (word, *_) = map(TASK.vocabulary.encode, ('\n', '1'))
  tokens = [word, line, word, word, line, word, TASK.vocabulary.eos_id]
  attempt = {'tokens': tokens, 'answer': '1', 'correct': True}
  rows = [
    {'problem': p.id, 'rows': [attempt], 'seed': 0} for p in ours.problems
  ]
  folder = tmp_path / 'seed-0' / 'sample'
  folder.mkdir(parents=True)
  name = records.part_name(0, 1)
  records.write_atomic(folder / name, records.part_bytes(rows))
  records.mark_complete(folder, {'fingerprint': 'x'}, name)
  run = StageRun(Label(ours, rollouts=3), Place(tmp_path, stages=('label',)), 0)
  run.work()
  labelled = records.read_rows(run.folder)
  assert [row['problem'] for row in labelled] == [p.id for p in ours.problems]
  # Three rollouts from each of two places in each solution.
  prompts = [tuple(call['prompt']) for call in server.calls]
  assert sorted(prompts) == sorted(
    (*ours.prompt(p), *tokens[:cut])
    for p in ours.problems
    for cut in (2, 5)
    for _ in range(3)
  )


def test_arms_and_revisions_with_a_verifier_here(server, tmp_path, capsys):
  ours = solver(
    server,
    verifier=stored(tmp_path / 'prm', 'value'),
    scorers=(('orm', stored(tmp_path / 'orm', 'value', seed=1)),),
  )
  arms = (Arm(BestOfN(), (4,)), Arm(StepSearch(Beam(2)), (4,)))
  for stage, count in ((Search(ours, arms), 4), (Revise(ours, budget=4), None)):
    for row in recorded(stage, tmp_path / stage.name):
      assert count in (None, len(row['rows']))
      for attempt in row['rows']:
        assert len(attempt['values']) >= 1
        assert all(0 < value < 1 for value in attempt['values'])
        assert 0 < attempt['scores']['orm'] < 1
      assert row['cost']['verifier_decode'][0] > 0
  assert 'no caches are kept between steps' in capsys.readouterr().err


def test_a_report_of_samples_from_elsewhere(server, tmp_path):
  ours = solver(server, verifier=stored(tmp_path / 'prm', 'value'), questions=5)
  difficulty = Difficulty(ours, num=4)
  search = Search(ours, (Arm(BestOfN(), (4,)),))
  report = Report(large='')
  experiment = Experiment('e', (difficulty, search), report)
  experiment.check()
  place = Place(tmp_path, stages=('difficulty', 'search'))
  for stage in (difficulty, search):
    StageRun(stage, place, 0).work()
  run = StageRun(report, place, None)
  run.work()
  page = (run.folder / 'index.html').read_text()
  assert f'{NAME}, served elsewhere' in page
  offered = offers.chosen(offers.of(experiment), 'best-of-n')
  with pytest.raises(
    ValueError, match=f'{NAME}. at .*answers come of models here'
  ):
    offered.stage_for(ours.problems[:1], 4, offers.finished(tmp_path, 0))


def test_faults_lose_and_double_nothing(models, tmp_path):
  faults = {
    0: 503,
    2: 'hang up',
    3: 'slow',
    5: 'cut',
    7: lambda answer: answer | {'choices': [{'finish_reason': None}]},
    9: 429,
  }
  settings = {'timeout': 1.0, 'retries': 8}
  found = []
  for name, each in (('peace', {}), ('faults', faults)):
    with serving(models, TASK.vocabulary, faults=each) as server:
      ours = solver(server, endpoint=settings if each else {})
      found.append(recorded(Sample(ours, num=4), tmp_path / name))
      calls = len(server.calls)
  assert calls > 12
  # The same seeds were sent again, and this server keeps its word.
  assert found[0] == found[1]


def test_an_endpoint_that_stays_down_keeps_what_is_written(models, tmp_path):
  with serving(models, TASK.vocabulary) as server:
    server.faults = dict.fromkeys(range(4, 100), 503)
    ours = solver(server, endpoint={'retries': 0, 'concurrency': 1})
    run = StageRun(Sample(ours, num=2, size=1), Place(tmp_path), 0)
    with pytest.raises(NoAnswerError, match=r"HTTP 503: 'busy'.*is kept: the"):
      run.work()
    assert len(records.part_paths(run.folder)) == 2
    server.faults.clear()
    # Elsewhere, and more patiently: the same samples are asked for.
    ours = solver(server, endpoint={'retries': 2, 'choices': 2})
    run = StageRun(Sample(ours, num=2, size=1), Place(tmp_path), 0)
    run.work()
    # The first run may have had one more call under way.
    assert [call.get('n') for call in server.calls].count(2) == 1
    assert len(records.read_rows(run.folder)) == 3


def test_what_a_server_cannot_do_is_refused_before_any_call(
  server, tmp_path, monkeypatch
):
  verifier = stored(tmp_path / 'prm', 'value')
  ours = solver(server, verifier=verifier)
  texts = solver(server, verifier=verifier, endpoint={'ids': False})
  arms = (Arm(BestOfN(), (4,)), Arm(StepSearch(), (4,)))
  ladder = Ladder(arms)
  pilot = Search(ours, arms, name='pilot')
  monkeypatch.delenv('A_KEY', raising=False)
  keyless = solver(server, endpoint={'key_variable': 'A_KEY'})
  certain = dataclasses.replace(GENERATION, certainty=True)
  for stages, message in (
    (
      (Sample(dataclasses.replace(ours, generation=certain)),),
      'Generation.certainty needs the proposer on devices here',
    ),
    ((Search(texts, arms),), r'StepSearch\(.* stops at the ends of steps, and'),
    ((Probe(ours),), 'probe needs the proposer on devices here, .*do without'),
    ((Allocate(ours, (ladder,), (2,)),), 'allocate, which spends FLOPs, needs'),
    ((pilot, FitAllocation((ladder,))), 'which counts FLOPs, needs the propos'),
    ((Sample(keyless),), 'environment variable A_KEY, .*is not set; export it'),
    (
      (Sample(dataclasses.replace(ours, proposer=server.url, verifier='')),),
      'is the address of a server; bind @endpoint.Endpoint',
    ),
  ):
    with pytest.raises(ValueError, match=message):
      Experiment('e', stages).check()
  Experiment('e', (Search(texts, arms[:1]),)).check()
  assert not server.calls


def test_a_model_without_room_for_the_longest_row(models, tmp_path):
  prompt = Solver(TASK, GENERATION, questions=2).prompt_width
  longest = prompt + GENERATION.max_tokens
  for context, message in ((longest, None), (longest - 1, 'has room for')):
    with serving(models, TASK.vocabulary, context=context) as server:
      stage = Sample(solver(server, questions=2), num=1)
      if message is None:
        assert len(recorded(stage, tmp_path / 'room')) == 2
        continue
      with pytest.raises(ValueError, match=rf'up to {longest} .*{message}'):
        recorded(stage, tmp_path / 'none')
      assert not server.calls


def command(server, output, *more):
  """`ttc run` of one sampling stage, in a process of its own."""
  return subprocess.Popen(
    [
      *(sys.executable, '-m', 'ttc.cli.main', 'run'),
      '--gin_file=tests/external/sampling.gin',
      f"--gin.Experiment.output='{output}'",
      f"--gin.URL='{server.url}'",
      f"--gin.MODEL='{NAME}'",
      *more,
    ],
    cwd=_REPOSITORY,
    stderr=subprocess.PIPE,
    text=True,
  )


def test_killed_three_times_no_answer_is_lost_or_doubled(models, tmp_path):
  with serving(models, TASK.vocabulary, key='k-1') as server:
    environment = pytest.MonkeyPatch()
    environment.setenv('A_KEY', 'k-1')
    folder = tmp_path / 'external' / 'seed-0' / 'sample'
    for kill in range(3):
      written = len(records.part_paths(folder)) if folder.exists() else 0
      process = command(server, tmp_path)
      while not folder.exists() or (
        len(records.part_paths(folder)) < written + 1 + kill
      ):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
      process.send_signal(signal.SIGKILL)
      process.communicate()
    before = {p.name: p.read_bytes() for p in records.part_paths(folder)}
    process = command(server, tmp_path)
    _, said = process.communicate()
    environment.undo()
  assert process.returncode == 0, said
  rows = records.read_rows(folder)
  assert [row['problem'] for row in rows] == sorted(
    {row['problem'] for row in rows}, key=[r['problem'] for r in rows].index
  )
  assert len(rows) == 20
  assert all(len(row['rows']) == 2 for row in rows)
  for path in records.part_paths(folder):
    assert before.get(path.name, path.read_bytes()) == path.read_bytes()
  # A part that was written is never asked again.
  seeds = [call['seed'] for call in server.calls]
  again = {seed for seed in seeds if seeds.count(seed) > 1}
  assert len(again) <= 3 * 2 < len(set(seeds)) == 40
  # Nowhere in what is left is the key.
  for path in tmp_path.rglob('*'):
    assert not path.is_file() or b'k-1' not in path.read_bytes()
  assert 'k-1' not in said


def test_the_first_look_at_a_model_that_is_served(tmp_path):
  folder = toys.qwen(tmp_path)
  lines = tmp_path / 'questions.jsonl'
  row = lambda n: json.dumps(
    dict(problem=f'{n}+1?', answer=str(n + 1), solution='', level=1)
  )
  lines.write_text('\n'.join(map(row, range(20))))
  bindings = [
    f"SMALL='{folder}'",
    f"FINETUNE_FILE='{lines}'",
    f"TEST_FILE='{lines}'",
    "URL='http://127.0.0.1:8000/v1'",
    "MODEL='qwen'",
    'Solver.prompt_tokens=4096',  # this tokenizer has few merges
  ]
  files = [
    'gin/experiments/first_look.gin',
    'gin/templates/math_four_shot.gin',
    'gin/models/endpoint.gin',
  ]
  experiment = configuration.load(files, bindings)[0]
  served = Endpoint('http://127.0.0.1:8000/v1', 'qwen')
  for stage in experiment.stages:
    assert stage.solver.proposer == served
  # Nothing but the tokenizer is here, and the server is asked for nothing yet.
  experiment.check()


def test_a_wrong_key_is_one_line(models, tmp_path, monkeypatch):
  monkeypatch.setenv('A_KEY', 'k-2')
  with serving(models, TASK.vocabulary, key='k-1') as server:
    process = command(server, tmp_path)
    _, said = process.communicate()
  assert process.returncode == 1
  last = said.splitlines()[-1]
  assert last.startswith('ttc: ')
  assert "HTTP 401: 'wrong key Bearer ***'; see that A_KEY holds a key" in last
  assert 'the same command continues' in last
  assert 'Traceback' not in said
