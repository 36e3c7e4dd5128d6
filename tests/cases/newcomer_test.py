"""Where people with a checkpoint of their own were stuck, and what is said."""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from tests import testing
from tests.data import toys
from ttc.answering import exits
from ttc.checkpoints import finished, orbax
from ttc.cli import arguments, configuration, main, plan
from ttc.models.config import TransformerConfig
from ttc.pipeline import fingerprint
from ttc.pipeline.experiment import ConfigurationError
from ttc.reporting import first_answers

_REPOSITORY = pathlib.Path(__file__).parents[2]
_QUICK = 'gin/experiments/worksheet_quickstart.gin'
_LOOK = 'gin/experiments/first_look.gin'
_FILES = (_LOOK, 'gin/templates/qwen.gin')
_MODEL = TransformerConfig(400, 1, 8, 2, 1, 4, 16)


@pytest.fixture
def given(tmp_path):
  """Bindings of first_look.gin, with a model as far as a check looks."""
  rows = [
    dict(problem=f'How many are {i}?', solution='s', answer=f'{i}', level=1)
    for i in range(20)
  ]
  text = ''.join(f'{json.dumps(row)}\n' for row in rows)
  toys.qwen(tmp_path / 'small')
  described = {'head': 'logits', 'config': dataclasses.asdict(_MODEL)}
  (tmp_path / 'small' / 'model.json').write_text(json.dumps(described))
  (tmp_path / 'rows.jsonl').write_text(text)
  return {
    'SMALL': f"'{tmp_path / 'small'}'",
    'FINETUNE_FILE': f"'{tmp_path / 'rows.jsonl'}'",
    'TEST_FILE': f"'{tmp_path / 'rows.jsonl'}'",
  }


def _bindings(given, **others):
  return [f'{name}={value}' for name, value in (given | others).items()]


def _refusal(bindings, files=_FILES):
  with pytest.raises(ConfigurationError) as refused:
    configuration.load(files, bindings)
  told = str(refused.value)
  assert len(told.splitlines()) == 1
  return told


@pytest.fixture
def unconverted(tmp_path):
  toys.qwen(tmp_path / 'my model')
  (tmp_path / 'my model' / 'config.json').write_text('{}')
  return tmp_path / 'my model'


def test_a_checkpoint_to_be_converted_is_told_with_the_command(
  given, unconverted
):
  told = _refusal(_bindings(given, SMALL=f"'{unconverted}'"))
  command = f"ttc convert '--from={unconverted}' '--to={unconverted}-ttc'"
  assert f'run `{command}` and name {unconverted}-ttc.' in told
  with pytest.raises(ValueError, match='run `ttc convert'):
    finished.described(str(unconverted))  # as ttc plan reads it


@pytest.mark.parametrize(
  'text', ['{}', '[]', 'null', '{"config": {"nul_layers": 2}, "head": "value"}']
)
def test_a_damaged_description_of_a_model_is_told(text, tmp_path):
  (tmp_path / 'model.json').write_text(text)
  with pytest.raises(ValueError, match=r'describes no model: .* again'):
    finished.described(str(tmp_path))


def test_a_damaged_description_is_told_without_a_number(
  given, unconverted, capsys
):
  (unconverted / 'model.json').write_text('{"config"')
  told = _refusal(_bindings(given, SMALL=f"'{unconverted}'"))
  assert f'{unconverted}/model.json cannot be read' in told
  assert 'Errno' not in told

  def reads():
    raise OSError(5, 'model.json cannot be read')

  assert exits.guarded(reads, debug=False) == 1
  assert capsys.readouterr().err == 'ttc: model.json cannot be read\n'


def test_a_trained_model_may_not_start_from_one_either(unconverted):
  told = _refusal(
    [f"prm/Train.start='{unconverted}'"],
    [_QUICK],
  )
  assert "stage 'prm': " in told
  assert 'run `ttc convert' in told


@pytest.mark.parametrize('name', ['small', './small', '../{}/small'])
def test_a_relative_model_folder_is_told_with_its_absolute_path(
  given, tmp_path, monkeypatch, name
):
  monkeypatch.chdir(tmp_path)
  name = name.format(tmp_path.name)
  told = _refusal(_bindings(given, SMALL=f"'{name}'"))
  assert f' reads {name}, a relative path; write {tmp_path}' in told


def test_values_that_are_missing_are_told_with_what_to_type():
  told = _refusal([])
  assert 'the macros SMALL, FINETUNE_FILE and TEST_FILE have no value' in told
  for name in ('SMALL', 'FINETUNE_FILE', 'TEST_FILE'):
    assert f'--gin.{name}="\'…\'"' in told


def test_a_small_max_tokens_needs_no_other_binding(given):
  experiment, _ = configuration.load(
    _FILES, _bindings(given, MAX_TOKENS=16), check=True
  )
  assert experiment.stages[0].solver.generation.max_tokens == 16


def _documented(file):
  """The arguments of the command in the first comment of a gin file."""
  lines = (_REPOSITORY / file).read_text(encoding='utf-8').splitlines()
  shown = [line[1:] for line in lines[1:] if line.startswith('#   ')]
  end = next(i for i, line in enumerate(shown) if not line.endswith('\\'))
  return shlex.split(' '.join(line.rstrip('\\') for line in shown[: end + 1]))


def test_the_documented_sweep_needs_only_what_the_quickstart_makes(capsys):
  command = _documented('gin/sweeps/worksheet_strategies.gin')
  assert command[:2] == ['ttc', 'sweep']
  assert command[-1] == '--run'
  assert main.main(command[1:-1]) == 0
  cells = [shlex.split(x)[1:] for x in capsys.readouterr().out.splitlines()]
  assert len(cells) == 6
  quick, _ = configuration.load([_QUICK], [], check=False)
  made = {stage.name: fingerprint.bindings(stage) for stage in quick.stages}
  searches = []
  for cell in cells:
    request = arguments.request(cell)
    experiment, _ = configuration.load(
      request.files, request.bindings, check=False
    )
    assert set(experiment.seeds) <= set(quick.seeds)
    own = {s.name: fingerprint.bindings(s) for s in experiment.stages}
    searches.append(own['search'])
    read, left = set(), ['search']
    while left:
      # A stage names in its bindings what it reads, and itself.
      named = {x for x in own[left.pop()].values() if x in own}
      left += named - read - {'search'}
      read |= named
    assert {'pretrain', 'prm', 'label'} <= read
    assert all(own[name] == made[name] for name in read - {'search'})
  assert all(searches.count(search) == 1 for search in searches)


def test_a_sweep_file_is_found_from_any_folder(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  common = ['sweep', f'--gin_file={_QUICK}', '--output=runs', '--only=search']
  file = 'gin/sweeps/worksheet_strategies.gin'
  assert main.main([*common, f'--sweep_file={file}']) == 0
  assert len(capsys.readouterr().out.splitlines()) == 6
  assert main.main([*common, f'--sweep_file={file[:-5]}']) == 2
  assert f'(did you mean {file}?)' in capsys.readouterr().err


@pytest.mark.parametrize('kind', ['search', 'sample'])
def test_a_stage_of_another_kind_is_told_with_its_subcommand(kind, capsys):
  command = [kind, f'--gin_file={_QUICK}', '--only=prm', '--check=elsewhere']
  assert main.main(command) == 2
  told = capsys.readouterr().err
  assert '--only=prm is a stage of kind train, which' in told
  assert 'write ttc train --only=prm, or ttc run for' in told


def test_status_looks_at_the_usual_folder(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  assert main.main(['status']) == 2
  assert "'runs' holds no experiment or sweep" in capsys.readouterr().err
  (tmp_path / 'runs/mine/seed-0/toss').mkdir(parents=True)
  (tmp_path / 'runs/mine/seed-0/toss/stage.json').write_text('{"seconds": 1}')
  assert main.main(['status']) == 0
  assert 'seed-0/toss  stopped' in capsys.readouterr().out


def test_a_closed_pipe_ends_status_quietly(tmp_path):
  (tmp_path / 'runs/mine/seed-0/toss').mkdir(parents=True)
  (tmp_path / 'runs/mine/seed-0/toss/stage.json').write_text('{"seconds": 1}')
  read, write = os.pipe()
  os.close(read)
  done = subprocess.run(
    [sys.executable, '-m', 'ttc.cli.main', 'status'],
    cwd=tmp_path,
    env=os.environ | {'PYTHONPATH': str(_REPOSITORY)},
    stdout=write,
    stderr=subprocess.PIPE,
    check=False,
  )
  os.close(write)
  assert (done.returncode, done.stderr) == (0, b'')


def _help(command, capsys):
  with pytest.raises(SystemExit, match='0'):
    main.main([command, '--help'])
  return capsys.readouterr().out


def _example(text, command):
  """The words of the example in a help."""
  shown = text[text.index(f'  ttc {command} ') :]
  return shlex.split(shown.split('\n\n', 1)[0].replace('\\\n', ' '))[1:]


@pytest.mark.parametrize(
  ('command', 'others'),
  [
    ('plan', ('--distributed', '--coordinator', '--profile', '--allow_mixed')),
    ('sweep', ('--coordinator', '--processes', '--process ')),
    ('grade', ('--gin', '--only', '--distributed')),
  ],
)
def test_help_lists_what_applies_with_an_example(command, others, capsys):
  told = _help(command, capsys)
  assert not [option for option in others if option in told]
  options = re.findall(r'\n  (--\w+(?: [^ \n]+)*)(\n {10,}|  +)(\S.*)', told)
  assert len(options) > 8  # each with a text beside or below it
  example = _example(told, command)
  assert example[0] == command
  assert any(word.startswith('--') for word in example)
  assert max(map(len, told.splitlines())) <= 80


def test_the_example_of_plan_is_one_that_it_understands(capsys):
  example = _example(_help('plan', capsys), 'plan')
  parser, stages = arguments.program()
  plan.add_parser(stages)
  options, rest = parser.parse_known_args(example)
  assert options.names == ['prm']
  assert all(word.startswith('--gin.') for word in rest)
  for file in options.gin_file:
    assert (_REPOSITORY / file).is_file()


def test_the_example_of_sweep_makes_the_cells_it_says(capsys):
  told = _help('sweep', capsys)
  example = [x for x in _example(told, 'sweep') if x != '--run']
  assert main.main(example) == 0
  cells = capsys.readouterr().out.splitlines()
  assert len(cells) == 4
  assert 'makes four cells' in told
  assert "Experiment.name='\"'\"'arms-best_temperature-0.7'" in cells[0]


def test_the_example_of_grade_grades(tmp_path, monkeypatch, capsys):
  told = _help('grade', capsys)
  rows = [x.strip() for x in told.splitlines() if x.startswith('  {"gold"')]
  (tmp_path / 'answers.jsonl').write_text('\n'.join(rows) + '\n')
  monkeypatch.chdir(tmp_path)
  assert main.main(_example(told, 'grade')) == 0
  graded = (tmp_path / 'graded.jsonl').read_text().splitlines()
  assert [json.loads(line)['correct'] for line in graded] == [True, False]


def test_cells_of_a_sweep_continue_what_other_code_began_if_told_to(capsys):
  command = ['sweep', f'--gin_file={_QUICK}', '--output=runs', '--only=search']
  command += ['--sweep.BUDGET=[16]', '--allow_mixed']
  assert main.main(command) == 0
  assert '--allow_mixed' in capsys.readouterr().out


def _record(*rows, problem=7):
  fields = ('answer', 'correct', 'truncated', 'text')
  return {
    'problem': problem,
    'rows': [dict(zip(fields, row, strict=True)) for row in rows],
  }


_RIGHT = ('4', True, False, 'It is 4.')
_LOST = (None, False, False, 'Hello')
_CUT = (None, False, True, 'Let me think')


def test_answers_that_make_sense_take_one_line():
  told = first_answers.text('sample', [_record(_RIGHT, _LOST)], str)
  assert told == (
    'sample: of the first 2 answers 50.0% right, 0.0% cut short, 50.0% that '
    'cannot be parsed'
  )


def test_without_a_template_the_first_prompt_and_answer_are_shown():
  asked = [_record(problem=3), _record(_RIGHT), _record(_LOST, problem=8)]
  told = first_answers.text('sample', asked, 'ask {}\n?'.format, chosen=False)
  assert '\nThe first prompt ends:\n  | ask 7\n  | ?\n' in told
  assert '\nIts first answer begins:\n  | It is 4.\n' in told
  assert 'No template was chosen' in told
  assert 'warning' not in told


@pytest.mark.parametrize(
  ('rows', 'cause'),
  [
    ((_RIGHT, _LOST, _LOST), 'cannot be parsed; choose a template'),
    ((_RIGHT, _CUT, _CUT), '66.7% were cut short; raise Generation.max_tokens'),
  ],
)
def test_where_most_answers_cannot_be_parsed_there_is_a_warning(rows, cause):
  told = first_answers.text('sample', [_record(*rows)], str)
  assert 'warning: 66.7% of the answers cannot be parsed' in told
  assert cause in told
  assert '  | 7' in told


def test_a_part_of_which_no_question_was_asked_is_said():
  told = first_answers.text('sample', [_record()], str)
  assert told == 'sample: none of the first 1 questions was asked'


@pytest.mark.slow
def test_a_first_look_shows_an_answer_and_ends_with_a_page(
  given, tmp_path, capsys
):
  cfg = dataclasses.replace(_MODEL, embed_dim=16, context=256)
  orbax.save_model(
    str(tmp_path / 'small'), cfg, 'logits', testing.random_params(cfg)
  )
  toys.qwen(tmp_path / 'small')
  files = ('QUESTIONS=5', 'MAX_TOKENS=16', f"Experiment.output='{tmp_path}'")
  flags = [f'--gin.{x}' for x in (*_bindings(given), *files)]
  assert main.main(['run', f'--gin_file={_LOOK}', *flags]) == 0
  told = capsys.readouterr().out
  assert 'seed-0/search: of the first 20 answers' in told
  assert '  | Problem:\n  | How many are' in told
  assert 'No template was chosen' in told
  assert 'warning: ' in told
  assert told.endswith('first_look/report/index.html\n')
  page = (tmp_path / 'first_look/report/index.html').read_text(encoding='utf-8')
  assert 'An answer that cannot be parsed: question' in page
