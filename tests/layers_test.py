"""The architecture, enforced: who may import what, and the house rules."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

_REPOSITORY = pathlib.Path(__file__).parents[1]
_FILES = sorted((_REPOSITORY / 'ttc').rglob('*.py'))

# The first prefix that fits gives the layer; modules of a layer may import
# modules of the layers beside it in _MAY_IMPORT.
_LAYERS = (
  ('ttc.models.config', '0'),
  ('ttc.grading', '0'),
  ('ttc.analysis', '0'),
  ('ttc.verifiers.aggregate', '0'),
  ('ttc.records', '0'),
  ('ttc.storage', '0'),
  ('ttc.attempts', '0'),
  ('ttc.sweeps', '0'),
  ('ttc.status', '0'),
  ('ttc.data.features', "1'"),
  ('ttc.data.tasks', "1'"),
  ('ttc.data.answers', "1'"),
  ('ttc.data.builders', "1'"),
  ('ttc.data.seqio_vocabulary', "1'"),
  ('ttc.data', '0'),
  ('ttc.models', '1'),
  ('ttc.checkpoints', '1'),
  ('ttc.partitioning', '1'),
  ('ttc.decoding.engine', '2'),
  ('ttc.decoding', '1'),
  ('ttc.search.allocate', '0'),
  ('ttc.search.keys', '0'),
  ('ttc.search.tree', '0'),
  ('ttc.verifiers', '2'),
  ('ttc.training', '2'),
  ('ttc.search', '3'),
  ('ttc.planning', '3'),
  ('ttc.cli', '4'),
  ('ttc.t5x', '4'),
)
_MAY_IMPORT = {
  '0': {'0'},
  '1': {'0', '1'},
  "1'": {'0', "1'"},
  '2': {'0', '1', '2'},
  '3': {'0', '1', '2', '3'},
  '4': {'0', '1', "1'", '2', '3', '4'},
}

_ARRAYS = {'jax', 'jaxlib', 'flax', 'optax', 'chex', 'orbax', 'tensorstore'}
_DATA = {'tensorflow', 'seqio', 'tensorflow_datasets', 'array_record'}
_EDGE = {'gin', 'absl', 't5x'}
_EXTERNAL = {
  '0': {'numpy'},
  '1': {'numpy'} | _ARRAYS,
  "1'": {'numpy'} | _DATA,
  '2': {'numpy'} | _ARRAYS,
  '3': {'numpy'} | _ARRAYS,
  '4': {'numpy'} | _ARRAYS | _DATA | _EDGE,
}
# One library each, where the module is about it.
_ALSO = {
  'ttc.data.trajectories': {'rapidfuzz'},
  'ttc.data.tokenizer': {'tokenizers'},
  'ttc.verifiers.scoring': {'tokenizers'},
  'ttc.data.sentencepiece': {'sentencepiece'},
  'ttc.analysis.plots': {'matplotlib'},
  'ttc.storage': {'etils', 'fsspec'},
  'ttc.cli.events': {'tensorboardX'},
  'ttc.grading': {'math_verify', 'mpmath'},
}

# Spelt in halves: a search for them should find unfinished work, not this.
_UNFINISHED = re.compile('|'.join(('TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X')))


def _module(path):
  parts = path.relative_to(_REPOSITORY).with_suffix('').parts
  return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


_MODULES = {_module(path) for path in _FILES}
_CODE = [path for path in _FILES if path.name != '__init__.py']


def _starts(module, prefix):
  return f'{module}.'.startswith(f'{prefix}.')


def _layer(module):
  return next(layer for prefix, layer in _LAYERS if _starts(module, prefix))


def _imports(path):
  """Every module that a file imports, wherever in it."""
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: relative import'
      for alias in node.names:
        full = f'{node.module}.{alias.name}'
        yield full if full in _MODULES else node.module


def _id(path):
  return str(path.relative_to(_REPOSITORY))


@pytest.mark.parametrize('path', _CODE, ids=_id)
def test_imports_stay_within_the_layer(path):
  module = _module(path)
  layer = _layer(module)
  also = set().union(
    *(names for prefix, names in _ALSO.items() if _starts(module, prefix))
  )
  for imported in _imports(path):
    if _starts(imported, 'ttc'):
      assert imported in _MODULES, f'{imported} does not exist'
      assert _layer(imported) in _MAY_IMPORT[layer], (
        f'{module} (layer {layer}) imports {imported} '
        f'(layer {_layer(imported)})'
      )
    else:
      top = imported.split('.')[0]
      allowed = sys.stdlib_module_names | _EXTERNAL[layer] | also
      assert top in allowed, f'{module} (layer {layer}) imports {imported}'


def test_plain_modules_load_without_arrays_or_tensorflow():
  plain = [_module(p) for p in _CODE if _layer(_module(p)) == '0']
  assert 'ttc.records' in plain
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
    cwd=_REPOSITORY,
    check=True,
    capture_output=True,
    text=True,
  )
  assert done.stdout == '[]\n'


@pytest.mark.parametrize('path', _FILES, ids=_id)
def test_files_are_small_described_and_finished(path):
  text = path.read_text(encoding='utf-8')
  if path.name == '__init__.py':
    assert not text
    return
  lines = text.splitlines()
  assert len(lines) <= 400
  assert ast.get_docstring(ast.parse(text)), 'no module docstring'
  for number, line in enumerate(lines, start=1):
    assert not _UNFINISHED.search(line), f'line {number}: {line}'


def test_every_package_has_its_empty_init():
  folders = {path.parent for path in _FILES}
  assert all((folder / '__init__.py').exists() for folder in folders)


def test_only_protocols_are_inherited_from():
  allowed = re.compile(
    r'(\w+\.)*(Protocol|Module|PyTreeNode|Exception|BaseException|\w+Error'
    r'|NamedTuple|Enum|StrEnum|IntEnum)(\[.*\])?'
    # What seqio and TFDS take is a class of theirs.
    r'|seqio\.Vocabulary|tfds\.core\.(BuilderConfig|GeneratorBasedBuilder)'
    # What T5X takes, likewise.
    r'|t5x_models\.BaseTransformerModel|t5x_partitioning\.PjitPartitioner'
    r'|seqio\.FeatureConverter|_Model'
  )
  for path in _CODE:
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
      if isinstance(node, ast.ClassDef):
        for base in node.bases:
          name = ast.unparse(base)
          assert allowed.fullmatch(name), f'{_id(path)}: {node.name}({name})'
