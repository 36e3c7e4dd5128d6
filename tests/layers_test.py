"""The architecture, enforced: who may import what, and the house rules."""

import ast
import collections
import re
import subprocess
import sys

import pytest

from tests import house

# From the ground up: a room may import those that stand before it.
_ROOMS = (
  'expressions',
  'grading',
  'models',
  'runtime',
  'distribution',
  'data',
  'examples',
  'sweeps',
  'pipeline',
  'checkpoints',
  'training',
  'inference',
  'external',
  'search',
  'analysis',
  'allocation',
  'claims',
  'pages',
  'reporting',
  'exporting',
  'planning',
  'stages',
  'distillation',
  'answering',
  'serving',
  'verifiers',
  'comparisons',
  'bindings',
  'estimates',
  'cli',
  't5x',
)
# What a module may need to be imported, by the first prefix that fits.
_KINDS = (
  ('ttc.expressions', 'plain'),
  ('ttc.grading', 'plain'),
  ('ttc.models.config', 'plain'),
  ('ttc.runtime.throughput', 'arrays'),
  ('ttc.runtime', 'plain'),
  ('ttc.distribution', 'plain'),
  ('ttc.examples.features', 'data sets'),
  ('ttc.examples.tasks', 'data sets'),
  ('ttc.data', 'plain'),
  ('ttc.examples', 'plain'),
  ('ttc.sweeps', 'plain'),
  ('ttc.pipeline', 'plain'),
  ('ttc.analysis', 'plain'),
  ('ttc.allocation', 'plain'),
  ('ttc.claims', 'plain'),
  ('ttc.pages', 'plain'),
  ('ttc.reporting', 'plain'),
  ('ttc.exporting', 'plain'),
  ('ttc.inference.keys', 'plain'),
  ('ttc.search.allocate', 'plain'),
  ('ttc.search.tree', 'plain'),
  ('ttc.models', 'arrays'),
  ('ttc.checkpoints', 'arrays'),
  ('ttc.training', 'arrays'),
  ('ttc.inference', 'arrays'),
  ('ttc.external.reading', 'arrays'),
  ('ttc.external.remote', 'arrays'),
  ('ttc.external', 'plain'),
  ('ttc.search', 'arrays'),
  ('ttc.planning', 'arrays'),
  ('ttc.stages', 'edge'),
  ('ttc.distillation.keeping', 'plain'),
  ('ttc.distillation', 'edge'),
  ('ttc.answering', 'edge'),
  ('ttc.serving', 'edge'),
  ('ttc.verifiers.evaluate_prm', 'edge'),
  ('ttc.verifiers', 'plain'),
  ('ttc.comparisons.choices', 'plain'),
  ('ttc.comparisons.proposers', 'plain'),
  ('ttc.comparisons.searches', 'plain'),
  ('ttc.comparisons.turns', 'plain'),
  ('ttc.comparisons', 'edge'),
  ('ttc.bindings', 'edge'),
  ('ttc.estimates', 'edge'),
  ('ttc.cli', 'edge'),
  ('ttc.t5x', 'edge'),
)
_ARRAYS = {'jax', 'jaxlib', 'flax', 'optax', 'chex', 'orbax', 'tensorstore'}
_DATA = {'tensorflow', 'seqio', 'tensorflow_datasets', 'array_record'}
_EDGE = {'gin', 'absl', 't5x'}
_EXTERNAL = {
  'plain': {'numpy'},
  'data sets': {'numpy'} | _DATA,
  'arrays': {'numpy'} | _ARRAYS,
  'edge': {'numpy'} | _ARRAYS | _DATA | _EDGE,
}
_MAY_IMPORT = {
  'plain': {'plain'},
  'data sets': {'plain', 'data sets'},
  'arrays': {'plain', 'arrays'},
  'edge': {'plain', 'data sets', 'arrays', 'edge'},
}
# One library each, where the module is about it.
_ALSO = {
  'ttc.examples.trajectories': {'rapidfuzz'},
  'ttc.data.arrow': {'pyarrow'},
  'ttc.data.chat_render': {'jinja2'},
  'ttc.data.hub': {'huggingface_hub'},
  'ttc.data.hub_split': {'datasets'},
  'ttc.data.tokenizer': {'tokenizers'},
  'ttc.data.sentencepiece': {'sentencepiece'},
  'ttc.external.caller': {'urllib3'},
  'ttc.reporting.pictures': {'matplotlib'},
  'ttc.reporting.plots': {'matplotlib'},
  'ttc.exporting.inspect_events': {'inspect_ai'},
  'ttc.exporting.inspect_logs': {'inspect_ai'},
  'ttc.exporting.wandb_runs': {'wandb'},
  'ttc.runtime.storage': {'etils', 'fsspec'},
  'ttc.runtime.tensorboard': {'tensorboardX'},
  # Inside functions, when there are other processes or there is a trace.
  'ttc.runtime.join': {'jax'},
  'ttc.runtime.profiling': {'jax'},
  'ttc.pipeline.provenance': {'jax'},
  'ttc.expressions.precise': {'mpmath'},
  'ttc.grading.checker': {'math_verify', 'sympy'},
  'ttc.serving.app': {'starlette'},
  'ttc.serving.command': {'uvicorn'},
}
_LONGEST_FILE, _LARGEST_ROOM, _COMMANDS = 400, 3200, 2300  # lines
_DEEPEST = 10  # imports from the command to the programs

# Spelt in halves: a search for them should find unfinished work, not this.
_UNFINISHED = re.compile('|'.join(('TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X')))


def _starts(module, prefix):
  return f'{module}.'.startswith(f'{prefix}.')


def _kind(module):
  return next(kind for prefix, kind in _KINDS if _starts(module, prefix))


def _room(module):
  return module.split('.')[1]


def _id(path):
  return str(path.relative_to(house.REPOSITORY))


@pytest.mark.parametrize('path', house.CODE, ids=_id)
def test_imports_lead_down(path):
  module = house.module(path)
  kind, floor = _kind(module), _ROOMS.index(_room(module))
  also = set().union(
    *(names for prefix, names in _ALSO.items() if _starts(module, prefix))
  )
  for imported in house.imports(path):
    if _starts(imported, 'ttc'):
      assert imported in house.MODULES, f'{imported} does not exist'
      assert _ROOMS.index(_room(imported)) <= floor, (
        f'{module} imports {imported}, and {_room(imported)} stands above '
        f'{_room(module)}'
      )
      lazily = imported == 'ttc.runtime.throughput'  # when there is a load
      assert lazily or _kind(imported) in _MAY_IMPORT[kind], (
        f'{module} ({kind}) imports {imported} ({_kind(imported)})'
      )
    else:
      top = imported.split('.')[0]
      allowed = sys.stdlib_module_names | _EXTERNAL[kind] | also
      assert top in allowed, f'{module} ({kind}) imports {imported}'


def test_no_imports_go_round_in_circles():
  assert house.circles() == []


@pytest.mark.parametrize('heart', house.HEARTS)
def test_few_imports_lead_from_the_command_to_the_programs(heart):
  chain = house.longest(house.COMMAND, heart)
  assert 1 < len(chain) <= _DEEPEST + 1, ' > '.join(chain)


def test_plain_modules_load_without_arrays_or_tensorflow():
  plain = [m for m in map(house.module, house.CODE) if _kind(m) == 'plain']
  assert 'ttc.pipeline.records' in plain
  heavy = (
    _ARRAYS
    | _DATA
    | _EDGE
    | {'matplotlib', 'sentencepiece', 'tokenizers', 'torch', 'transformers'}
  )
  code = f"""
import importlib, sys
for name in {plain}:
  importlib.import_module(name)
print(sorted({heavy} & set(sys.modules)))
"""
  done = subprocess.run(
    [sys.executable, '-c', code],
    cwd=house.REPOSITORY,
    check=True,
    capture_output=True,
    text=True,
  )
  assert done.stdout == '[]\n'


@pytest.mark.parametrize('path', house.FILES, ids=_id)
def test_files_are_small_described_and_finished(path):
  text = path.read_text(encoding='utf-8')
  if path.name == '__init__.py':
    assert not text
    return
  lines = text.splitlines()
  assert len(lines) <= _LONGEST_FILE
  assert ast.get_docstring(ast.parse(text)), 'no module docstring'
  for number, line in enumerate(lines, start=1):
    assert not _UNFINISHED.search(line), f'line {number}: {line}'


def test_rooms_are_of_a_size():
  lines = collections.Counter()
  for path in house.CODE:
    text = path.read_text(encoding='utf-8')
    lines[_room(house.module(path))] += text.count('\n')
  assert lines.keys() == set(_ROOMS)
  assert max(lines.values()) <= _LARGEST_ROOM, lines
  assert lines['cli'] <= _COMMANDS


def test_every_package_has_its_empty_init():
  folders = {path.parent for path in house.FILES}
  assert all((folder / '__init__.py').exists() for folder in folders)


def test_one_class_name_has_one_meaning():
  where = collections.defaultdict(list)
  for path in house.CODE:
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
      if isinstance(node, ast.ClassDef) and not node.name.startswith('_'):
        where[node.name].append(_id(path))
  assert {name: at for name, at in where.items() if len(at) > 1} == {}


def test_nothing_private_is_called_from_another_module():
  for path in house.CODE:
    tree = ast.parse(path.read_text(encoding='utf-8'))
    ours = {
      alias.asname or alias.name
      for node in ast.walk(tree)
      if isinstance(node, ast.ImportFrom) and _starts(node.module, 'ttc')
      for alias in node.names
    }
    for node in ast.walk(tree):
      if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        private = node.attr.startswith('_') and not node.attr.startswith('__')
        assert not (private and node.value.id in ours), (
          f'{_id(path)}, line {node.lineno}: {node.value.id}.{node.attr}'
        )


def test_only_protocols_are_inherited_from():
  allowed = re.compile(
    r'(\w+\.)*(Protocol|Module|PyTreeNode|Exception|BaseException|\w+Error'
    r'|NamedTuple|Enum|StrEnum|IntEnum)(\[.*\])?'
    # What T5X takes is a class of its own.
    r'|t5x_models\.BaseTransformerModel|t5x_partitioning\.PjitPartitioner'
    r'|seqio\.FeatureConverter|_Model'
  )
  for path in house.CODE:
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
      if isinstance(node, ast.ClassDef):
        for base in node.bases:
          name = ast.unparse(base)
          assert allowed.fullmatch(name), f'{_id(path)}: {node.name}({name})'
