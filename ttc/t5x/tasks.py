"""Training data and questions, as registered seqio Tasks for T5X.

T5X looks Tasks up by name in seqio's registry. `stages`, `rated_steps` and
`questions` register a Task at their first call and return its name at every
call, so that a gin file may refer to them in several places.
"""

from collections.abc import Mapping, Sequence
from typing import Any
import zlib

import seqio
import tensorflow as tf

from ttc.data.problems import Task
from ttc.examples import features, packing, tasks
from ttc.models.config import TransformerConfig
from ttc.t5x import ratings


def stages(
  folders: Sequence[str],
  cfg: TransformerConfig,
  seq_len: int,
  rates: Sequence[float] = (),
) -> str:
  """Registers the training data that stages wrote: `data/` of prm, orm, …

  Args:
    folders: data sets, all of the same kind.
    cfg: configuration of the model; its vocabulary must have all tokens.
    seq_len: maximum number of tokens of a document (T).
    rates: sampling rates, one per folder; empty means their sizes.

  Returns:
    The name of a Task if there is one folder, else of a Mixture.

  Raises:
    ValueError: the folders do not fit each other, the model or `seq_len`.
  """
  if isinstance(folders, str) or not folders:
    raise ValueError(f'stages(folders={folders!r}); give a list of folders.')
  if len({features.kind_of(folder) for folder in folders}) > 1:
    raise ValueError(
      f'{list(folders)} are data of language models and of verifiers; one '
      'model trains on one kind.'
    )
  if rates and len(rates) != len(folders):
    raise ValueError(
      f'{len(rates)} rates for {len(folders)} folders; give as many, or none.'
    )
  names, sizes = zip(
    *(_stage(folder, cfg.vocab_size, seq_len) for folder in folders),
    strict=True,
  )
  if len(names) == 1:
    return names[0]
  name = 'ttc_mixture_' + '_'.join(names)
  if name not in seqio.MixtureRegistry.names():
    seqio.MixtureRegistry.add(
      name, list(zip(names, rates or sizes, strict=True))
    )
  return name


def rated_steps(
  files: Mapping[str, str],
  task: Task,
  cfg: TransformerConfig,
  seq_len: int,
  neutral: float = 1.0,
) -> str:
  """Registers step ratings, such as PRM800K's, to train a verifier.

  Args:
    files: a file for each split, 'train' and 'validation', as for
      `prm800k.read`. Questions of the task's split 'test' are left out.
    task: a `problems.Task`, whose prompts precede the steps.
    cfg: configuration of the model; its vocabulary must have all tokens.
    seq_len: maximum number of tokens of a document (T).
    neutral: label of the rating 0, in [0, 1].

  Returns:
    The name of a Task with the features of `models.ValueModel`.

  Raises:
    ValueError: a file has the wrong format, has only questions of the test, or
      does not fit the model or `seq_len`.
  """
  settings = (
    sorted(files.items()),
    type(task).__name__,
    cfg.vocab_size,
    seq_len,
    neutral,
  )
  # T5X names folders after Tasks, for which two paths could be too long. Not
  # hash(), which differs between the processes of a run.
  name = f'ttc_rated_steps_{zlib.crc32(repr(settings).encode()):08x}'
  if name in seqio.TaskRegistry.names():
    return name
  source = ratings.source(files, task, neutral)
  provider = tasks.over(source, 'value', name, cfg.vocab_size)
  for split, path in files.items():
    _check(tasks.documents(provider, split), path, seq_len)
  seqio.TaskRegistry.add_provider(name, provider)
  return name


def questions(task: Task, split: str, seq_len: int, limit: int = 0) -> str:
  """Registers prompts of a task's questions, for `t5x.infer`.

  Args:
    task: a `problems.Task`.
    split: split of the task; the seqio Task has this split alone.
    seq_len: tokens of prompt and sample together (T).
    limit: number of questions, from the first; 0 means all.

  Returns:
    The name of a Task, whose examples carry the question's id as `problem`.

  Raises:
    ValueError: a prompt leaves no room for a sample.
  """
  name = f'ttc_{type(task).__name__}_{split}_{limit}_{seq_len}'
  if name in seqio.TaskRegistry.names():
    return name
  problems = task.problems(split)[: limit or None]
  prompts = [task.prompt_tokens(p) for p in problems]
  long = [
    p.id
    for p, prompt in zip(problems, prompts, strict=True)
    if len(prompt) >= seq_len
  ]
  if long:
    raise ValueError(
      f'{len(long)} of {len(problems)} prompts leave no room in seq_len='
      f'{seq_len} (first: problem {long[0]}); raise it.'
    )

  def dataset(split, shuffle_files, seed=None):
    del split, shuffle_files, seed
    tokens = tf.ragged.constant(prompts, dtype=tf.int32)
    ids = tf.constant([p.id for p in problems], tf.int64)
    return tf.data.Dataset.from_tensor_slices(
      {'tokens': tokens, 'problem': ids}
    )

  vocabulary = seqio.Feature(
    seqio.PassThroughVocabulary(task.vocabulary.size), add_eos=False
  )
  seqio.TaskRegistry.add(
    name,
    source=seqio.FunctionDataSource(dataset, splits=(split,)),
    preprocessors=[_prompt],
    output_features={
      'decoder_input_tokens': vocabulary,
      'decoder_target_tokens': vocabulary,
      'decoder_loss_weights': seqio.ContinuousFeature(dtype=tf.float32),
    },
  )
  return name


def verify(dataset: Any, model: Any) -> None:
  """Checks a data set against a model; a `verify_matching_vocabs_fn` of T5X.

  Args:
    dataset: a `DatasetConfig` of T5X.
    model: a model of `ttc.t5x.models`.

  Raises:
    ValueError: the data set lacks a feature of the model, or has a larger
      vocabulary.
  """
  provider = seqio.get_mixture_or_task(dataset.mixture_or_task_name)
  required = sorted(model.FEATURE_CONVERTER_CLS(pack=False).TASK_FEATURES)
  available = provider.output_features
  missing = [name for name in required if name not in available]
  if missing:
    raise ValueError(
      f'{provider.name} has the features {sorted(available)} and no '
      f'{", ".join(missing)}, which {type(model).__name__} needs; is it data '
      'of the other head?'
    )
  size = available['decoder_input_tokens'].vocabulary.vocab_size
  if size > model.cfg.vocab_size:
    raise ValueError(
      f'{provider.name} has {size} tokens and the model '
      f'{model.cfg.vocab_size}; take the model whose vocabulary it is.'
    )


def end_ids(task: Task) -> tuple[int, ...]:
  """Returns the tokens that end an attempt in a task's vocabulary."""
  return tuple(task.vocabulary.end_ids)


def _stage(folder, vocab_size, seq_len) -> tuple[str, int]:
  """Registers a Task over one folder.

  Returns:
    Its name, and the number of its training documents.
  """
  task = tasks.make_task(folder, vocab_size)
  train = tasks.documents(task, 'train')
  _check(train, folder, seq_len)
  if task.name not in seqio.TaskRegistry.names():
    seqio.TaskRegistry.add_provider(task.name, task)
  return task.name, len(train)


def _check(documents: packing.Documents, folder, seq_len):
  longest = documents.lengths.max()
  if longest > seq_len:
    count = int((documents.lengths > seq_len).sum())
    raise ValueError(
      f'{count} of {len(documents)} documents of {folder} are longer than '
      f'seq_len={seq_len} (the longest has {longest} tokens); raise it.'
    )


@seqio.map_over_dataset
def _prompt(example):
  """Converts a prompt to a document with loss on the first sampled token only.

  `models.LanguageModel` finds the end of the prompt by this loss weight.
  """
  tokens = example['tokens']
  size = tf.size(tokens)
  return {
    'decoder_input_tokens': tokens,
    'decoder_target_tokens': tf.concat([tokens[1:], [0]], axis=0),
    # Position size - 1 predicts the first token after the prompt.
    'decoder_loss_weights': tf.one_hot(size - 1, size),
    'problem': example['problem'],
  }
