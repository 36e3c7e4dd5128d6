"""What a finished model is, told without its weights."""

from ttc.checkpoints import lookalikes, orbax
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head
from ttc.pipeline import model_folders
from ttc.runtime import storage


def described(name: str) -> tuple[TransformerConfig, Head]:
  """The shape and the head of the model at an absolute path.

  Raises:
    ValueError: there is none, it is damaged, or it has yet to be converted.
  """
  lookalikes.check_converted(storage.path(name))
  return orbax.load_config(str(model_folders.folder(storage.path(name))))


def check_head(name: str, head: Head, wanted: Head | None) -> None:
  """Raises ValueError for a model with the other head than is wanted."""
  if wanted not in (None, head):
    role, more = 'proposer', ''
    if wanted == 'value':
      role, more = 'verifier', ' Train one, or see ttc convert --reader.'
    raise ValueError(
      f'The model of {name!r} has a {head!r} head; a {role} needs {wanted!r}.'
      f'{more}'
    )
