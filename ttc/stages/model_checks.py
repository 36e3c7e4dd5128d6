"""Checks that models fit a task, made before any parameters are loaded."""

from ttc.checkpoints import finished, orbax
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head
from ttc.pipeline import model_folders
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Stage
from ttc.runtime import storage

_MODELS = ('pretrain', 'train')  # kinds of stages that make models
_SIZES = (
  'num_layers',
  'embed_dim',
  'num_heads',
  'num_kv_heads',
  'head_dim',
  'mlp_dim',
)


def known(
  experiment: Experiment, reader: Stage, name: str
) -> TransformerConfig | None:
  """The shape of a model as far as it is known before the experiment runs.

  Args:
    experiment: the experiment.
    reader: the stage that uses the model.
    name: the stage that trains it, or the absolute path of a model.

  Returns:
    The shape: that of the path, of `Pretrain.model`, or for a finetuned model
    that of the one that training starts from. None for other stages.

  Raises:
    ValueError: there is no such stage before `reader`, or no model at the path,
      or one that has yet to be converted.
  """
  stage = experiment.source(reader, name)
  if stage is None:
    return finished.described(name)[0]
  # By kind and not by class: a class is of a module above this one.
  if stage.kind == 'train':
    return known(experiment, stage, stage.start)
  return stage.model if stage.kind == 'pretrain' else None


def check_head(
  experiment: Experiment, reader: Stage, name: str, wanted: Head | None
) -> None:
  """Checks that a name is of a model, before it is trained.

  Args:
    experiment, reader, name, wanted: as for `known`; None is either head.

  Raises:
    ValueError: it makes rows and no model, or one with the other head.
  """
  stage = experiment.source(reader, name)
  if stage is None:
    finished.check_head(name, finished.described(name)[1], wanted)
  elif stage.kind in _MODELS:
    value = stage.kind == 'train' and stage.source.kind == 'value'
    finished.check_head(name, 'value' if value else 'logits', wanted)
  elif hasattr(stage, 'size'):  # of its parts
    raise ValueError(
      f'{reader.name} reads the model of {name!r}, which is of kind '
      f'{stage.kind} and makes none; name one of {" or ".join(_MODELS)}.'
    )


def check_kind(
  experiment: Experiment, reader: Stage, name: str, kind: str
) -> Stage | None:
  """The stage of a name, or None for a path; ValueError if of another kind."""
  stage = experiment.source(reader, name)
  if stage is not None and stage.kind != kind:
    raise ValueError(
      f'{reader.name} reads {name!r} for a stage of kind {kind}, and it is of '
      f'kind {stage.kind}; name another.'
    )
  return stage


def has_reader(name: str) -> bool:
  """Whether a name is the path of a verifier with a tokenizer of its own."""
  return storage.is_absolute(name) and (
    orbax.load_reader(str(model_folders.folder(storage.path(name)))) is not None
  )


def check_tokens(name: str, cfg: TransformerConfig, tokens: int) -> None:
  """Checks that a model's embedding table covers a vocabulary.

  It may be larger: tables are often padded, and an id of the padding that is
  sampled decodes to no text.

  Args:
    name: name of the model, for the message.
    cfg: its shape.
    tokens: size of the task's vocabulary.

  Raises:
    ValueError: the table is smaller.
  """
  if cfg.vocab_size < tokens:
    raise ValueError(
      f'The model of {name!r} knows {cfg.vocab_size} tokens and the '
      f"task's vocabulary has {tokens}; use the tokenizer of that model."
    )


def check_context(
  name: str, cfg: TransformerConfig, prompt: int, longest: int
) -> None:
  """Checks that the longest row fits a model's context.

  Args:
    name: name of the model, for the message.
    cfg: its shape; a context of None is unlimited.
    prompt: tokens in the longest prompt.
    longest: tokens in the longest row, prompt included.

  Raises:
    ValueError: the context is shorter.
  """
  if cfg.context is not None and longest > cfg.context:
    raise ValueError(
      f'A row has up to {longest} tokens, {prompt} of them a prompt, and the '
      f'context of the model of {name!r} has {cfg.context}; lower '
      'Generation.max_tokens, keep fewer attempts in the context, or set '
      'Solver.prompt_tokens to skip long prompts.'
    )


def check_sizes(
  name: str, cfg: TransformerConfig, wanted: TransformerConfig
) -> None:
  """Checks that a model is the one that was described.

  Only sizes are compared: a checkpoint may come in another dtype.

  Args:
    name: name of the model, for the message.
    cfg: its shape.
    wanted: the expected shape.

  Raises:
    ValueError: a size differs; the message lists all that do.
  """
  wrong = [
    f'{size}={getattr(cfg, size)} and not {getattr(wanted, size)}'
    for size in _SIZES
    if getattr(cfg, size) != getattr(wanted, size)
  ]
  if wrong:
    raise ValueError(
      f'The model of {name!r} has {", ".join(wrong)}; give the folder of the '
      'model that Solver.shape describes.'
    )
