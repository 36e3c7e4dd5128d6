"""Every experiment that ships can be built and passes its own checks."""

import dataclasses
import json
import pathlib

import pytest

import gin
from tests.data import toys
from ttc.cli import configuration
from ttc.models.config import TransformerConfig
from ttc.models.partitioning import Layout

_GIN = pathlib.Path(__file__).parents[2] / 'gin'
_EXPERIMENTS = sorted((_GIN / 'experiments').glob('worksheet_*.gin'))
# Tokenizer, small and large model, and how many times as large it is.
_OPEN = {
  'math_qwen2_5_1_5b': ('qwen', 'qwen2_5_math_1_5b', 'qwen2_5_14b', 9.6),
  'math_llama3_2_1b': ('llama3', 'llama3_2_1b', 'llama3_1_8b', 6.5),
  'math_gemma2_2b': ('gemma', 'gemma2_2b', 'gemma2_27b', 10.4),
  'gsm8k_llama3_2_1b': ('llama3', 'llama3_2_1b', 'llama3_1_8b', 6.5),
}
_QUESTIONS = {'problem': '1+1', 'question': '1+1', 'answer': '#### 2',
              'solution': '', 'level': 'Level 1'}  # fmt: skip


@pytest.mark.parametrize('path', _EXPERIMENTS, ids=lambda path: path.stem)
def test_experiments_build_with_no_binding_left_over(path):
  experiment, text = configuration.load((str(path),), ())
  assert experiment.output == 'runs'
  assert experiment.report is not None
  assert text.startswith('from __gin__ import dynamic_registration')


def test_the_large_model_is_about_fourteen_times_the_base(tmp_path):
  path = tmp_path / 'two.gin'
  path.write_text(
    """
from __gin__ import dynamic_registration
from ttc.pipeline import experiment
from ttc.stages import pretrain
include 'gin/tasks/worksheet.gin'
include 'gin/models/worksheet.gin'
include 'gin/runs/pretrain.gin'
large/pretrain.Pretrain.name = 'large'
experiment.Experiment.name = 'two'
experiment.Experiment.stages = (
  @base/pretrain.Pretrain(), @large/pretrain.Pretrain())
PRETRAIN_STEPS = 1000
PRETRAIN_DOCUMENTS = 1000
SEQ_LEN = 256
""",
    encoding='ascii',
  )
  experiment, _ = configuration.load((str(path),), ())
  base, large = experiment.stages
  assert base.task is large.task
  assert base.model.vocab_size == base.task.vocabulary.size
  assert 12 < large.model.num_params / base.model.num_params < 16


def shape(file, scope):
  gin.clear_config()
  gin.parse_config(f"include '{_GIN / 'models' / file}.gin'")
  with gin.config_scope(scope):
    return gin.get_configurable(TransformerConfig)()


def described(folder, cfg, tokenizer=None):
  """A model as far as a check looks: no parameters."""
  if tokenizer:
    getattr(toys, tokenizer)(folder)
  folder.mkdir(exist_ok=True)
  about = {'head': 'logits', 'config': dataclasses.asdict(cfg)}
  (folder / 'model.json').write_text(json.dumps(about))
  return f"'{folder}'"


@pytest.fixture
def bindings(tmp_path):
  def bindings(tokenizer, small, large):
    for split, count in (('train', 60), ('test', 6)):
      rows = [
        {**_QUESTIONS, 'problem': name, 'question': name}
        for name in (f'{split} {index}' for index in range(count))
      ]
      text = ''.join(f'{json.dumps(row)}\n' for row in rows)
      (tmp_path / f'{split}.jsonl').write_text(text)
    small = described(tmp_path / 'small', shape(small, 'small'), tokenizer)
    large = described(tmp_path / 'large', shape(large, 'large'))
    return (
      f'SMALL={small}', f'LARGE={large}',
      # The toys' tokens are single characters: with shots no prompt would fit.
      'templates.Template.shots=()',
      f"FINETUNE_FILE='{tmp_path / 'train.jsonl'}'",
      f"TEST_FILE='{tmp_path / 'test.jsonl'}'",
    )  # fmt: skip

  return bindings


@pytest.mark.parametrize('name', _OPEN)
def test_open_weights_build_with_their_files_only(name, bindings):
  *files, ratio = _OPEN[name]
  given = bindings(*files)
  path = str(_GIN / 'experiments' / f'{name}.gin')
  experiment, _ = configuration.load((path,), given)
  assert len(experiment.stages) == 19
  small, large = (
    next(s for s in experiment.stages if s.name == n).solver.shape.num_params
    for n in ('greedy', 'large_greedy')
  )
  assert large / small == pytest.approx(ratio, rel=0.02)
  trained = [s for s in experiment.stages if s.kind == 'train']
  room = experiment.stages[0].solver
  longest = room.prompt_tokens + room.generation.max_tokens
  assert all(s.fit.loop.seq_len >= longest for s in trained)
  chains = longest + 4 * (room.generation.max_tokens + 1)
  for stage in trained:
    if stage.name in ('revision', 'revision_orm'):
      assert stage.fit.loop.seq_len >= chains
  missing = pytest.raises(
    configuration.ConfigurationError, match='the macro TEST_FILE has no value'
  )
  with missing:
    configuration.load((path,), given[:-1])


@pytest.mark.parametrize(
  ('file', 'given', 'layout'),
  [
    ('fsdp', (), Layout(data=1, fsdp=-1)),
    ('fsdp', ('DATA=2', "REMAT='dots'"), Layout(data=2, fsdp=-1)),
    (
      'tensor_parallel',
      ('MODEL_PARALLEL=2',),
      Layout(data=1, fsdp=-1, model=2),
    ),
  ],
)
def test_layouts_reach_every_stage(file, given, layout, bindings):
  paths = (
    _GIN / 'experiments' / 'math_qwen2_5_1_5b.gin',
    _GIN / 'partitioning' / f'{file}.gin',
  )
  models = bindings(*_OPEN['math_qwen2_5_1_5b'][:3])
  experiment, _ = configuration.load(tuple(map(str, paths)), (*models, *given))
  remat = 'dots' if given[1:] else 'full'
  for stage in experiment.stages:
    if stage.kind == 'train':
      assert stage.fit.layout == layout
      assert stage.fit.loop.remat == remat
    elif hasattr(stage, 'solver') and not stage.name.startswith('large'):
      assert stage.solver.model_parallel == layout.model


def test_a_model_that_devices_cannot_share_is_told_at_once(bindings):
  paths = (
    _GIN / 'experiments' / 'math_qwen2_5_1_5b.gin',
    _GIN / 'partitioning' / 'tensor_parallel.gin',
  )
  models = bindings(*_OPEN['math_qwen2_5_1_5b'][:3])
  for given, match in (
    (('MODEL_PARALLEL=3',), 'cannot be cut over model=3 devices'),
    (('MODEL_PARALLEL=2', 'MICROBATCHES=128'),
     r'1 rows of a microbatch .* 2 devices'),
  ):  # fmt: skip
    with pytest.raises(configuration.ConfigurationError, match=match):
      configuration.load(tuple(map(str, paths)), (*models, *given))


def test_the_wrong_checkpoint_is_told_before_anything_runs(bindings, tmp_path):
  path = str(_GIN / 'experiments' / 'math_qwen2_5_1_5b.gin')
  given = bindings(*_OPEN['math_qwen2_5_1_5b'][:3])
  cfg = shape('qwen2_5_math_1_5b', 'small')
  error = configuration.ConfigurationError
  described(tmp_path / 'small', dataclasses.replace(cfg, num_layers=24))
  with pytest.raises(error, match='num_layers=24 and not 28'):
    configuration.load((path,), given)
  described(tmp_path / 'small', dataclasses.replace(cfg, vocab_size=100))
  with pytest.raises(error, match='knows 100 tokens and the task'):
    configuration.load((path,), given)
  described(tmp_path / 'small', dataclasses.replace(cfg, context=512))
  with pytest.raises(error, match=r'context of the model of .* has 512'):
    configuration.load((path,), given)
  described(tmp_path / 'small', dataclasses.replace(cfg, context=2048))
  with pytest.raises(error, match=r"stage 'revision_samples': .* has 2048"):
    configuration.load((path,), given)
  (tmp_path / 'small' / 'model.json').unlink()
  with pytest.raises(error, match=r'holds no model\.json'):
    configuration.load((path,), given)


@pytest.mark.parametrize('family', ['qwen', 'llama3', 'gemma'])
def test_chat_templates_fit_their_families(family, bindings):
  files = next(f for f in _OPEN.values() if f[0] == family)[:3]
  paths = (
    _GIN / 'experiments' / 'first_look.gin',
    _GIN / 'templates' / f'{family}.gin',
  )
  revise = {
    'qwen': '<|quad_end|>',
    'gemma': '<unused0>',
    'llama3': '<|reserved_special_token_0|>',
  }[family]
  small, _, *rows = bindings(*files)
  experiment, _ = configuration.load(
    tuple(map(str, paths)),
    (small, *rows, 'QUESTIONS=1', f"REVISE='{revise}'"),
  )
  task = experiment.stages[0].solver.task
  vocabulary = task.vocabulary
  for problem in task.problems('test'):
    tokens = task.prompt_tokens(problem)
    assert tokens[: len(vocabulary.begin_ids)] == list(vocabulary.begin_ids)
    assert sum(t in vocabulary.begin_ids for t in tokens) == len(
      vocabulary.begin_ids
    )
    assert tokens[-1] not in vocabulary.end_ids
    turn_end = {
      'qwen': '<|im_end|>',
      'llama3': '<|eot_id|>',
      'gemma': '<end_of_turn>',
    }[family]
    ends = [vocabulary.piece(t) for t in tokens if t in vocabulary.end_ids]
    assert set(ends) <= {turn_end}
    text = vocabulary.decode(tokens)
    assert problem.question in text
    assert 'boxed{}' in text


@pytest.mark.parametrize(
  ('binding', 'name'),
  [
    ('report.Report.selections = (@selections.Likely,)', 'Likely'),
    ('report.Report.selections = (@selections.Likely(), '
     '@selections.Pessimistic)', 'Pessimistic'),
    ('beam/arms.Arm.strategy = @strategies.BestOfN', 'BestOfN'),
  ],
)  # fmt: skip
def test_a_reference_without_brackets_is_told_at_once(tmp_path, binding, name):
  path = tmp_path / 'unmade.gin'
  path.write_text(
    f"""
from __gin__ import dynamic_registration
from ttc.reporting import selections
from ttc.search import strategies
from ttc.stages import arms
from ttc.stages import report
include 'gin/experiments/worksheet_quickstart.gin'
{binding}
""",
    encoding='ascii',
  )
  with pytest.raises(configuration.ConfigurationError, match=f'@{name}\\(\\)'):
    configuration.load((str(path),), (), check=False)
