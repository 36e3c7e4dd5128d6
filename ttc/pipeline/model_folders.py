"""Which models made a stage's records, read from the JSON they left.

<experiment>/search/stage.json            names the stages of its models
<experiment>/pretrain/model/model.json    what such a stage trained
/somewhere/model.json                     a model made elsewhere
"""

import json
import pathlib
from typing import NamedTuple

from ttc.models.config import TransformerConfig
from ttc.runtime import storage

_FILE = 'model.json'


class ModelShapes(NamedTuple):
  """Who sampled, and who scored; None where nobody did."""

  proposer: TransformerConfig
  verifier: TransformerConfig | None


def folder(stage: pathlib.Path) -> pathlib.Path:
  """Where the model of a stage is; a folder that is a model is its own."""
  return stage if (stage / _FILE).exists() else stage / 'model'


def read(model: pathlib.Path) -> TransformerConfig:
  """The shape of a model, from its folder.

  Raises:
    FileNotFoundError: there is none, or it is not complete.
  """
  text = (model / _FILE).read_text(encoding='utf-8')
  return TransformerConfig.from_json(json.loads(text)['config'])


def trained(stage: pathlib.Path) -> TransformerConfig:
  """The model in the folder of the stage that trained it."""
  return read(folder(stage))


def used(stage: pathlib.Path) -> ModelShapes | None:
  """The models of a stage that samples; None where they are not there.

  Records may have come without the models: then all but FLOPs is known.
  """
  try:
    text = (stage / 'stage.json').read_text(encoding='utf-8')
    bindings = json.loads(text)['bindings']
    named = lambda who: next(
      (
        name for key, name in bindings.items() if key.endswith(f'.solver.{who}')
      ),
      '',
    )
    proposer, verifier = named('proposer'), named('verifier')
    if not proposer:
      return None
    # An absolute path is of somebody else's model.
    whose = lambda name: trained(storage.join(stage.parent, name))
    return ModelShapes(whose(proposer), whose(verifier) if verifier else None)
  except FileNotFoundError:
    return None
