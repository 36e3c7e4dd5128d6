"""Metrics of a run's stages as runs of Weights & Biases, from metrics.jsonl."""

import hashlib
import json
import pathlib

from ttc.runtime import metrics

_NEEDED = "--to=wandb needs wandb; run pip install 'test-time-compute[wandb]'."


def check() -> None:
  """Raises ValueError, with what to install, where the library is missing."""
  try:
    import wandb
  except ImportError as error:
    raise ValueError(_NEEDED) from error
  del wandb


def finish() -> None:
  """Waits until all that was written is on disk, which `write` does not."""
  import wandb

  wandb.teardown()


def write(
  stage: pathlib.Path, experiment: str, project: str, folder: str, online: bool
) -> int:
  """Writes the metrics of a stage as a run, in the group of its experiment.

  Written again it has the same id, and so takes the place of the earlier one.

  Args:
    stage: its folder.
    experiment: name of the experiment.
    project: at Weights & Biases.
    folder: in which `wandb/` is.
    online: whether to send it; else `wandb sync` does later.

  Returns:
    The number of lines of metrics; nothing is written for none.

  Raises:
    OSError: it cannot be written or sent.
  """
  import wandb

  entries = metrics.read(stage)
  if not entries:
    return 0
  name = f'{stage.parent.name}/{stage.name}'
  described = json.loads((stage / 'stage.json').read_text(encoding='utf-8'))
  id = hashlib.sha256(f'{project} {experiment} {name}'.encode()).hexdigest()
  try:
    with wandb.init(
      project=project,
      group=experiment,
      job_type=stage.name,
      name=name,
      id=id[:16],
      dir=folder,
      mode='online' if online else 'offline',
      config=described['bindings'],
      # What the stage recorded, and nothing of this machine as it is now.
      settings=wandb.Settings(
        silent=True,
        console='off',
        disable_code=True,
        disable_git=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
      ),
    ) as run:
      for entry in entries:
        run.log(
          {key: entry[key] for key in entry if key != 'step'},
          step=int(entry['step']),
        )
  except wandb.Error as error:
    raise OSError(f'wandb: {error}') from error
  return len(entries)
