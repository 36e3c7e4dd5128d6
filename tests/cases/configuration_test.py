"""Public reports about configurations: what was typed, and what is said.

A case is named by where it was reported: `t5#21` is issue 21 of
google-research/text-to-text-transfer-transformer.
"""

import pathlib
import re
import subprocess
import sys

import pytest

from ttc.cli import configuration, main
from ttc.data.jsonl import Rows
from ttc.data.sentencepiece import SentencePiece
from ttc.data.tokenizer import Tokenizer
from ttc.pipeline.experiment import ConfigurationError
from ttc.runtime import storage

_REPOSITORY = pathlib.Path(__file__).parents[2]
_QUICK = 'gin/experiments/worksheet_quickstart.gin'
_FEW = f"""
include '{_QUICK}'
Experiment.name = 'few'
Experiment.stages = (@base/pretrain.Pretrain(),)
Experiment.report = None
"""


def _refusal(files, *bindings, check=False):
  with pytest.raises(ConfigurationError) as refused:
    configuration.load(files, bindings, check=check)
  told = str(refused.value)
  assert len(told.splitlines()) == 1
  return told


@pytest.fixture
def written(tmp_path):
  def written(text, name='mine.gin'):
    (tmp_path / name).write_text(text, encoding='utf-8')
    return str(tmp_path / name)

  return written


@pytest.mark.parametrize(
  ('more', 'bindings'),
  [
    ((), ()),
    ((), ('Experiment.seeds=(0,)',)),
    (('gin/partitioning/fsdp.gin',), ()),
    (('gin/partitioning/fsdp.gin',), ('Experiment.seeds=(0,)',)),
  ],
  ids=['t5#21', 'pygaggle#154', 'two files', 'two files and a flag'],
)
@pytest.mark.parametrize(
  ('line', 'name'),
  [
    ('BUDGTE = 16', 'BUDGTE'),
    ("lagre/TransformerConfig.embed_dim = 64", 'lagre/TransformerConfig'),
    ('lagre/config.TransformerConfig:\n  embed_dim = 64', 'lagre/config.Tra'),
  ],
)  # fmt: skip
def test_a_typo_in_a_file_is_told_whatever_comes_after_it(
  written, line, name, more, bindings
):
  mine = written(f"include '{_QUICK}'\nExperiment.name = 'mine'\n{line}\n")
  told = _refusal((mine, *more), *bindings)
  assert name in told
  assert f'{mine}, line ' in told
  assert 'nothing in the experiment uses it' in told


def test_a_typo_is_told_in_any_of_the_users_files(written):
  base = written(f"include '{_QUICK}'\nBUDGTE = 16\n", 'base.gin')
  mine = written(f"include '{base}'\nExperiment.name = 'mine'\n")
  assert 'did you mean BUDGET?' in _refusal((mine,))
  typo, fine = written('BUDGTE = 16\n', 'typo.gin'), written('BUDGET = 16\n')
  for files in ((_QUICK, typo, fine), (_QUICK, fine, typo)):
    assert 'BUDGTE is bound but' in _refusal(files)


@pytest.mark.parametrize('bindings', [(), ('Experiment.seeds=(0,)',)])
def test_what_an_included_file_writes_need_not_be_used(written, bindings):
  # O06: worksheet.gin binds sizes of models that few stages do not use.
  few = written(_FEW, 'few.gin')
  assert len(configuration.load((few,), bindings)[0].stages) == 1
  fewer = written(f"include '{few}'\nExperiment.name = 'fewer'\n")
  assert configuration.load((fewer,), bindings)[0].name == 'fewer'


def test_sizes_that_a_file_asks_for_may_be_of_stages_left_out(written):
  sizes = _FEW.replace('_quickstart', '')
  few = written(f'{sizes}PRETRAIN_STEPS = 100\nPRETRAIN_DOCUMENTS = 50\n')
  assert configuration.load((few,), (), check=False)[0].name == 'few'
  few = written(f'{sizes}PRETRAIN_STEPS = 100\nPRETRAIN_DOCUMENTS = 50\n'
                'LARGE_BUDGET = 4\n')  # fmt: skip
  assert configuration.load((few,), (), check=False)[0].name == 'few'


@pytest.mark.parametrize(
  'binding',
  [
    'large/TransformerConfig.embed_dim=64',
    'LARGE_BUDGET=4',
    'prm/FitConfig.batch=8',
    'revise.Revise.keep=2',
  ],
)
def test_what_the_user_binds_for_stages_left_out_is_told(written, binding):
  told = _refusal((written(_FEW),), binding)
  assert f'{binding.partition("=")[0]} is bound but nothing' in told


def test_a_binding_may_be_replaced_with_what_used_it(written):
  # Of two sources of the user's own, the later one wins.
  mine = written(f"include '{_QUICK}'\nprm/FitConfig.batch = 32\n")
  few = 'Experiment.stages=(@base/Pretrain(),)', 'Experiment.report=None'
  assert configuration.load((mine,), few)[0].name == 'quickstart'


def test_a_binding_that_others_hide_is_told(written, capsys):
  told = _refusal((_QUICK,), 'AdamW.learning_rate=1e-3')
  assert 'AdamW.learning_rate is bound but nothing' in told
  assert '/AdamW.learning_rate is bound; bind that' in told
  # A file may be for experiments of several kinds.
  mine = written(f"include '{_QUICK}'\nAdamW.learning_rate = 1e-3\n")
  configuration.load((mine,), (), check=False)
  (line,) = capsys.readouterr().err.splitlines()
  assert f'{mine}, line 2: AdamW.learning_rate has no effect' in line


def test_what_an_include_overwrites_is_told(written):
  # O07, the order of gin: the include wins.
  mine = written(f"BUDGET = 8\ninclude '{_QUICK}'\n")
  told = _refusal((mine,))
  assert f'{mine}, line 1: BUDGET = 8 is overwritten' in told
  assert 'below the include' in told
  for text in (f"BUDGET = 64\ninclude '{_QUICK}'\n",
               f"BUDGET = 8\ninclude '{_QUICK}'\nBUDGET = 16\n"):  # fmt: skip
    assert configuration.load((written(text),), (), check=False)


def test_a_folder_that_shadows_shipped_files_is_told(
  written, tmp_path, monkeypatch, capsys
):
  shipped = _REPOSITORY / 'gin' / 'tasks' / 'worksheet.gin'
  (tmp_path / 'gin' / 'tasks').mkdir(parents=True)
  own = tmp_path / 'gin' / 'tasks' / 'worksheet.gin'
  own.write_text(shipped.read_text())
  monkeypatch.chdir(tmp_path)
  configuration.load((_QUICK,), (), check=False)
  assert capsys.readouterr().err == ''
  own.write_text(f'{shipped.read_text()}worksheet.Worksheet.num_test = 7\n')
  experiment, _ = configuration.load((_QUICK,), (), check=False)
  (line,) = capsys.readouterr().err.splitlines()
  assert f'gin/tasks/worksheet.gin is read from {tmp_path}' in line
  del experiment


@pytest.mark.parametrize(
  ('binding', 'fixed'),
  [
    ('Experiment.output=runs', '''--gin.Experiment.output="'runs'"'''),
    ('Experiment.output=gin/x', '''--gin.Experiment.output="'gin/x'"'''),
    ('Experiment.output=/data/x', '''--gin.Experiment.output="'/data/x'"'''),
    ('Experiment.output=gs://b/r', '''--gin.Experiment.output="'gs://b/r'"'''),
    ('Experiment.output=my runs', '''--gin.Experiment.output="'my runs'"'''),
    ("Experiment.output='runs", '''--gin.Experiment.output="'runs'"'''),
    ('Experiment.name=quick2', '''--gin.Experiment.name="'quick2'"'''),
    ('Experiment.name=', 'the value of Experiment.name is missing'),
    ('Experiment.seeds=0,1', "--gin.Experiment.seeds='(0,1)'"),
    ('Experiment.report=none', "--gin.Experiment.report='None'"),
    ('Experiment.seeds=(0, 1', "'(' is never closed by ')'"),
    ('Experiment.seeds=[0, 1', "'[' is never closed by ']'"),
  ],
)
def test_a_text_without_quotes_is_told_with_its_binding(binding, fixed):
  # t5#649: the shell takes the quotes away.
  told = _refusal((_QUICK,), binding)
  assert fixed in told
  assert f'--gin.{binding}' in told


@pytest.mark.parametrize(
  ('line', 'told'),
  [
    # A scope of which nothing is bound is a name that nothing has, too.
    (
      'search/Search.solver = @verifed/solver.Solver()',
      'scope verifed of @verifed/Solver; did you mean verified?',
    ),
    (
      'ARMS = (@best_of_n/arms.Arm(), @beem/arms.Arm())\n'
      'search/Search.arms = %ARMS',
      'scope beem of @beem/Arm; did you mean beam?',
    ),
    (
      'search/Search.arms = (@best_of_n/arms.Arm(), @beam/arms.Arm)',
      '@beam/Arm is the class and not made of it; write @beam/Arm() with',
    ),
    ('budget = 16', 'did you mean BUDGET?'),
  ],
)
def test_what_gin_takes_in_silence_is_told(written, line, told):
  mine = written(f"include '{_QUICK}'\nExperiment.name = 'mine'\n{line}\n")
  assert told in _refusal((mine,))


def test_a_binding_that_a_later_line_replaces_is_said(written, capsys):
  mine = written(f"include '{_QUICK}'\nBUDGET = 8\nBUDGET = 16\n")
  configuration.load((mine,), (), check=False)
  (line,) = capsys.readouterr().err.splitlines()
  assert f'line 3: BUDGET = 16 replaces 8 of {mine}, line 2.' in line


def test_a_scope_of_no_other_name_is_said(capsys):
  own = 'greedy/Search.solver=@mine/Solver()'
  configuration.load((_QUICK,), (own,), check=False)
  (line,) = capsys.readouterr().err.splitlines()
  assert 'bound in the scope mine of @mine/Solver, so it is made as' in line


def test_files_without_an_experiment_are_told():
  told = _refusal(('gin/partitioning/fsdp.gin',))
  assert 'no gin file makes an Experiment' in told
  assert 'supplied' not in told


@pytest.mark.parametrize(
  ('option', 'told'),
  [
    ('--gin.BUDGET', 'it lacks a value, as in NAME=VALUE'),
    ('--profile=x', "'x' is no number of at least 1"),
    ('--profile=0', "'0' is no number of at least 1"),
  ],
)
def test_an_option_without_a_value_is_told(option, told, capsys):
  with pytest.raises(SystemExit, match='2'):
    main.main(['run', f'--gin_file={_QUICK}', option])
  assert told in capsys.readouterr().err


@pytest.mark.parametrize(
  ('line', 'told'),
  [
    ('Experiment.seeds = (0, 1', "line 2: '(' is never closed by ')'"),
    ('Experiment.output = gin/x', "write Experiment.output = 'gin/x'"),
    ("Experiment.output = 'x", 'line 2: '),
    ('Experiment.seeds == 3', 'line 2: '),
    ('Experiment.seeds', 'line 2: '),
  ],
)
@pytest.mark.parametrize('after', ['', '\nBUDGET = 4\n', '\n\n# end\n'])
def test_what_cannot_be_read_in_a_file_is_told_with_its_place(
  written, line, told, after
):
  # O14.
  mine = written(f"include '{_QUICK}'\n{line}{after}")
  said = _refusal((mine,))
  assert mine in said
  assert told in said
  whole = written(f"include '{mine}'\n", 'whole.gin')
  assert mine in _refusal((whole,))


@pytest.mark.parametrize(
  ('text', 'number', 'told'),
  [
    ('A.b:\n  c = 8\n   d = 64', 3, 'indentation is not that of the line bef'),
    ('A.b:\nc = 8', 2, 'it follows A.b: and has to be indented'),
    ('include gin/x.gin', 1, "no quotes; write include 'gin/x.gin'"),
    ('\ufeffA = 8', 1, 'begins with a byte order mark; save it as UTF-8'),
    ('A = \u201cfew\u201d', 1, 'the quotes are curly; write A = "few"'),
    ('A = \u2018few\u2019', 1, "the quotes are curly; write A = 'few'"),
    ('B = 1\nA: 8', 2, 'write A = 8'),
    ('A == 8', 1, 'write A = 8'),
    ('A := 8', 1, 'write A = 8'),
    ('a/B.c 8', 1, 'write a/B.c = 8'),
    ('A = 8;', 1, 'write A = 8'),
    ('A = 08', 1, 'a number begins with 0; write A = 8'),
    ('A = (2**32,)', 1, 'gin does not calculate; write the number'),
    ('A = 4 * 4', 1, 'gin does not calculate; write the number'),
    ('A = [16,,]', 1, 'there are two commas; write A = [16,]'),
  ],
)
def test_words_that_gin_does_not_know_are_told_with_the_line(
  written, text, number, told
):
  path = written(f'{text}\n')
  said = _refusal((path,))
  assert said.startswith(f'{path}, line {number}: ')
  assert told in said


@pytest.mark.parametrize(
  ('line', 'meant'),
  [
    ('best_of_n/Arm.budgetz = [16]', 'budgets'),
    ('best_of_n/Arms.budgets = [16]', 'Arm'),
    ('arms.Amr.budgets = [16]', 'arms.Arm'),
    ('Experiment.stages = (@a/serach.Search(),)', 'search.Search'),
    ('from ttc.serach import allocate', 'ttc.search'),
    ('from ttc.search import alocate', 'ttc.search.allocate'),
    (
      "include 'gin/experiments/worksheet.gim'",
      'gin/experiments/worksheet.gin',
    ),
  ],
)
def test_names_that_nothing_has_are_told_with_one_that_something_has(
  written, line, meant
):
  told = _refusal((written(f'{_FEW}{line}\n'),))
  assert f'(did you mean {meant}?)' in told
  assert 'mine.gin' in told


def test_a_place_is_named_once(monkeypatch):
  monkeypatch.chdir(_REPOSITORY)
  assert _refusal(('no.gin',)).count(str(_REPOSITORY)) == 1


def test_all_missing_macros_are_told_at_once():
  told = _refusal(('gin/experiments/math_qwen2_5_1_5b.gin',))
  assert 'the macros SMALL, LARGE, FINETUNE_FILE and TEST_FILE have' in told
  given = ("SMALL='/a'", "LARGE='/b'", "TEST_FILE='/c'")
  told = _refusal(('gin/experiments/math_qwen2_5_1_5b.gin',), *given)
  assert 'the macro FINETUNE_FILE has no value; give --gin.F' in told  # P07


@pytest.mark.parametrize(
  ('name', 'fix'),
  [
    ('gs:/bucket/runs', 'write gs://bucket/runs'),  # tensorpack#1317
    ('gs:bucket/runs', 'write gs://bucket/runs'),  # t5#649
    ('GS://bucket/runs', 'write gs://bucket/runs'),
    ('gs//bucket/runs', 'write gs://bucket/runs'),
    ('S3//bucket', 'write s3://bucket'),
    ('gs:///bucket/runs', 'write gs://bucket/runs'),
    ('gs://', 'names no bucket'),
    ('gs://Bucket/runs', "'Bucket' can be no bucket"),
    ('gs://{bucket}/runs', 'can be no bucket'),
    ('gs://my bucket/runs', 'can be no bucket'),
    ('gs://$BUCKET/runs', 'BUCKET is a variable of a shell'),
    ('${HOME}/runs', 'is a variable of a shell'),
    ('gs://b/../runs', "has '..' in it"),
    ('gs://b/./runs', "has '.' in it"),
    ('gs://b/runs*', 'in it, which stores'),
    ('gs://b/run?s', 'in it, which stores'),
    ('gs://b/runs#1', "has '#' in it"),  # gcsfs takes it for a version
    ('S3:/bucket', 'write s3://bucket'),
    ('hdfs://host/runs', 'use a local path or one of gs://'),
    ('hdfs:/host/runs', 'use a local path or one of gs://'),
    ('file:///tmp/runs', 'as /tmp/runs'),
    ('file:/tmp/runs', 'as /tmp/runs'),
  ],
)
def test_paths_that_look_like_a_bucket_are_told_with_the_fix(name, fix):
  for read in (storage.path, storage.absolute, storage.normal, storage.local):
    with pytest.raises(ValueError, match=fix):
      read(name)
  for field in ('output', 'reuse'):
    told = _refusal((_QUICK,), f'Experiment.{field}={name!r}')
    assert f'Experiment.{field}: {name}' in told
    assert re.search(fix, told)
  told = _refusal((_QUICK,), f'prm/Train.start={name!r}', check=True)
  assert re.search(fix, told)


@pytest.mark.parametrize(
  'name', ['gs://b.c-d_e/My runs/a..b/.x/50%', 's3://1b', 'runs/a$', '/a/$-/b']
)
def test_addresses_that_stores_have_are_left_alone(name):
  assert storage.normal(name) == name


@pytest.mark.parametrize('name', [' gs://b/x', 'gs://b/x\n', '\ts3://b'])
def test_blanks_around_an_address_are_told(name):
  for read in (storage.path, storage.absolute, storage.normal, storage.local):
    with pytest.raises(ValueError, match='ends with a blank; write') as told:
      read(name)
    assert str(told.value).endswith(f'write {name.strip()}.')


@pytest.mark.parametrize('name', ['', ' '])
def test_an_output_without_a_name_is_told(name, capsys):
  assert 'names no folder' in _refusal((_QUICK,), f'Experiment.output={name!r}')
  sweep = ['sweep', f'--gin_file={_QUICK}', f'--output={name}']
  assert main.main([*sweep, '--sweep.BUDGET=[16]']) == 2
  assert 'names no folder' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['gs', 'gs/x', 'a/gs//x', './gs//x', 'gsx//y'])
def test_a_folder_may_be_called_like_a_scheme(name):
  assert storage.path(name) == pathlib.Path(name)


@pytest.mark.parametrize(
  ('name', 'fix'),
  [
    ('~/x.jsonl', f'write {pathlib.Path.home()}/x.jsonl'),
    ('gs://b/x.jsonl', 'only local files are read here; copy it'),
  ],
)
def test_files_that_only_local_libraries_read_are_local(name, fix, capsys):
  # O12.
  for made in (
    lambda: Tokenizer(name, '<revise>'),
    lambda: SentencePiece(name, '<revise>'),
  ):
    with pytest.raises(ValueError, match=fix):
      made()
  assert main.main(['grade', '--input', name, '--output', '/nowhere/x']) == 2
  assert fix in capsys.readouterr().err


def test_questions_of_a_home_are_told():
  with pytest.raises(ValueError, match=f'write {pathlib.Path.home()}/x.jsonl'):
    Rows('~/x.jsonl')


def test_a_checkpoint_in_a_bucket_is_told(capsys):
  # O12: once 'there is no folder gs:/b/qwen'.
  arguments = ['convert', '--from=gs://b/qwen', '--to=/nowhere/x']
  assert main.main(arguments) == 2
  assert 'gs://b/qwen is in a bucket' in capsys.readouterr().err


def test_a_relative_model_is_told_with_its_absolute_path():
  told = _refusal((_QUICK,), "prm/Train.start='models/a'", check=True)
  assert f'write {pathlib.Path.cwd()}/models/a' in told


def test_one_bucket_folder_has_one_name():
  names = ['gs://b/runs', 'gs://b/runs/', 'gs://b//runs', 'gs://b/runs//']
  assert {storage.normal(name) for name in names} == {'gs://b/runs'}
  assert storage.normal('runs/x/') == 'runs/x'
  assert not storage.is_remote('/data/a://b')


@pytest.mark.parametrize('field', ['output', 'reuse'])
def test_a_missing_library_is_told_of_each_path(field, capsys, monkeypatch):
  monkeypatch.setitem(sys.modules, 's3fs', None)
  own = f"--gin.Experiment.{field}='s3://b/x'"
  assert main.main(['run', f'--gin_file={_QUICK}', '--check', own]) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert f'Experiment.{field}: s3://b/x: s3:// needs s3fs' in line
  assert 'continues' not in line


def test_a_missing_library_is_one_line_and_no_crash(tmp_path):
  # ai-on-gke#959, cloudtik#928: a process in which gcsfs cannot be imported.
  code = f"""
import sys
sys.modules['gcsfs'] = None
from ttc.cli import main
sys.exit(main.main(['run', '--gin_file={_QUICK}', '--only=pretrain',
  "--gin.Experiment.output='gs://b/r'"]))
"""
  done = subprocess.run(
    [sys.executable, '-c', code],
    cwd=_REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 2
  (line,) = [x for x in done.stderr.splitlines() if x.startswith('ttc:')]
  assert 'pip install gcsfs' in line
  assert 'Traceback' not in done.stderr
  assert 'continues' not in done.stderr
