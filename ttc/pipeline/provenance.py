"""By which code, on which devices: what a stage's results also depend on."""

import importlib.metadata
from typing import Any

from ttc.runtime import source

Provenance = dict[str, str]


def current(config: Any, devices: bool) -> Provenance:
  """What produces results here and now.

  Args:
    config: the stage.
    devices: whether to name the devices too, which starts jax.

  Returns:
    'source', the first digits of the SHA-256 of this package's source;
    'modules', those of the stage's modules outside of it, if there are any;
    'jax', its version; and with devices 'platform' and 'device', their kind.
  """
  found = {'source': source.digest(), 'jax': importlib.metadata.version('jax')}
  if own := source.outside(config):
    found['modules'] = own
  if devices:
    import jax

    found['platform'] = jax.default_backend()
    found['device'] = jax.local_devices()[0].device_kind
  return found


def text(made: Provenance) -> str:
  """In words; a revision that did not record it is unknown."""
  return ', '.join(f'{k} {v}' for k, v in made.items()) or 'unknown source'


def differences(before: Provenance, now: Provenance) -> list[str]:
  """One line for each thing that both name and that is not the same."""
  return [
    f'{name}: {before[name]} before, {now[name]} now'
    for name in sorted(before.keys() & now.keys())
    if before[name] != now[name]
  ]
