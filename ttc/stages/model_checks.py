"""Whether models can take a task, told before anything is loaded."""

from ttc.checkpoints import orbax
from ttc.models.config import TransformerConfig
from ttc.pipeline import model_folders
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Stage
from ttc.runtime import storage
from ttc.stages.pretrain import Pretrain
from ttc.stages.train import Train

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
  """The model of a stage or of an absolute path.

  A finetuned model has the shape of the one that training starts from. None
  where the shape is not known before the stage has run.

  Raises:
    ValueError: there is no such stage before `reader`, or no model at the path.
  """
  stage = experiment.source(reader, name)
  if stage is None:
    return orbax.load_config(str(model_folders.folder(storage.path(name))))[0]
  if isinstance(stage, Train):
    return known(experiment, stage, stage.start)
  return stage.model if isinstance(stage, Pretrain) else None


def has_reader(name: str) -> bool:
  """Whether an absolute path holds a verifier that reads tokens of its own."""
  return storage.is_absolute(name) and (
    orbax.load_reader(str(model_folders.folder(storage.path(name)))) is not None
  )


def check_tokens(name: str, cfg: TransformerConfig, tokens: int) -> None:
  """Raises ValueError where a model lacks tokens of a vocabulary.

  More rows than tokens are padding: where one is sampled it has no text.
  """
  if cfg.vocab_size < tokens:
    raise ValueError(
      f'The model of {name!r} knows {cfg.vocab_size} tokens and the '
      f"task's vocabulary has {tokens}; use the tokenizer of that model."
    )


def check_context(
  name: str, cfg: TransformerConfig, prompt: int, longest: int
) -> None:
  """Raises ValueError where rows are longer than a model's context.

  Args:
    name: of the model.
    cfg: of it.
    prompt: tokens of the longest prompt.
    longest: tokens of the longest row.
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
  """Raises ValueError where a model is another one than was described."""
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
