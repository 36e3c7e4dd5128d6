"""The models behind a stage's records, found through JSON files alone.

<seed folder>/search/stage.json            names the stages of its models
<seed folder>/pretrain/model/model.json    the model that a stage trained
/somewhere/model.json                      a model from outside the experiment

Neither parameters nor array libraries are loaded: analysis reads shapes to
count FLOPs, and runs where there may be no accelerator.
"""

from collections.abc import Callable, Mapping
import json
import pathlib
from typing import Any, NamedTuple

from ttc.models.config import TransformerConfig
from ttc.runtime import storage

FILE = 'model.json'  # written last, so that what has it is complete


class ModelShapes(NamedTuple):
  """Shapes of the models of a sampling stage.

  Attributes:
    proposer: the model that sampled.
    verifier: the model that scored; None for a stage without a verifier.
  """

  proposer: TransformerConfig
  verifier: TransformerConfig | None


def folder(stage: pathlib.Path) -> pathlib.Path:
  """The folder of a stage's model; a folder that is a model is returned."""
  return stage if (stage / FILE).exists() else stage / 'model'


def read(model: pathlib.Path) -> TransformerConfig:
  """Reads the shape of a model from its folder.

  Raises:
    FileNotFoundError: the folder has no model, or one that was not written to
      the end: model.json is written last.
  """
  text = (model / FILE).read_text(encoding='utf-8')
  return TransformerConfig.from_json(json.loads(text)['config'])


def trained(stage: pathlib.Path) -> TransformerConfig:
  """Reads the shape of the model that a stage trained; raises as `read`."""
  return read(folder(stage))


def shapes(
  folder: Callable[[str], pathlib.Path], proposer: str, verifier: str
) -> ModelShapes:
  """Reads the shapes of models by the folders of their names; '' is none.

  Raises as `read`.
  """
  shape = lambda name: trained(folder(name))
  return ModelShapes(shape(proposer), shape(verifier) if verifier else None)


def named(bindings: Mapping[str, Any], role: str) -> Any:
  """Who has a role, as a stage's solver names it; '' for nobody."""
  # The stage's class is the first word of a binding, e.g. 'Search' in
  # 'Search.solver.proposer', and any class may have a solver.
  ending = f'.solver.{role}'
  return next(
    (name for key, name in bindings.items() if key.endswith(ending)), ''
  )


def used(stage: pathlib.Path) -> ModelShapes | None:
  """Reads the shapes of the models that a stage sampled and scored with.

  Args:
    stage: folder of the stage.

  Returns:
    The shapes; None where the stage does not sample or one of the files is
    missing. Records may be copied without their models, and then everything
    but FLOPs can still be computed from them.
  """
  try:
    text = (stage / 'stage.json').read_text(encoding='utf-8')
    bindings = json.loads(text)['bindings']
    proposer, verifier = (named(bindings, r) for r in ModelShapes._fields)
    if not proposer:
      return None
    # A name is of a stage with the same seed, i.e. a sibling folder; an
    # absolute path stays as it is.
    return shapes(lambda x: storage.join(stage.parent, x), proposer, verifier)
  except FileNotFoundError:
    return None
