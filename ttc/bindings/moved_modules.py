"""Where modules that gin files name have gone.

A file made for an earlier revision, or the `config.gin` that a run left, gets
one line that names the new module. Identities of stages do not hold modules
(fingerprint.py), so its run folders are still continued.
"""

import re

_TO_STAGES = (
  'arms',
  'difficulty',
  'fitting',
  'label',
  'policy',
  'pretrain',
  'report',
  'revise',
  'revise_data',
  'sample',
  'search',
  'solver',
  'sources',
  'train',
)
_TO_EXAMPLES = (
  'corpus',
  'features',
  'labelling',
  'packing',
  'tasks',
  'trajectories',
)
MOVED = {
  **{f'ttc.cli.{name}': f'ttc.stages.{name}' for name in _TO_STAGES},
  **{f'ttc.data.{name}': f'ttc.examples.{name}' for name in _TO_EXAMPLES},
  'ttc.cli.experiment': 'ttc.pipeline.experiment',
  'ttc.search.generation': 'ttc.inference.generation',
  'ttc.partitioning': 'ttc.models.partitioning',
}


# gin raises a copy of the error that has the message alone.
_ABSENT = re.compile(
  r"No module named '([\w.]+)'|cannot import name '(\w+)' from '([\w.]+)'"
)


def advice(error: ImportError) -> str | None:
  """What to write instead of the module that an import did not find.

  Args:
    error: of `import a.b`, or of `from a import b`.

  Returns:
    One line, or None where that module has not moved.
  """
  absent = _ABSENT.search(str(error))
  if absent is None:
    return None
  old = absent[1] or f'{absent[3]}.{absent[2]}'
  if old not in MOVED:
    return None
  package, _, module = MOVED[old].rpartition('.')
  return f'{old} has moved; write `from {package} import {module}`.'
