"""Data sets of our stages, and questions, under names that T5X can find.

T5X looks tasks up in seqio's registry. Both functions register at the first
call and return the name at every call, so a gin file may use one in several
places.
"""

from collections.abc import Sequence
from typing import Any

import seqio
import tensorflow as tf

from ttc.data import features, packing, tasks
from ttc.data.problems import Task
from ttc.models.config import TransformerConfig


def stages(
  folders: Sequence[str],
  cfg: TransformerConfig,
  seq_len: int,
  rates: Sequence[float] = (),
) -> str:
  """What stages wrote for training: `data/` of prm, orm, revision, …

  Args:
    folders: data sets, all of one kind.
    cfg: of the model; tokens that it does not know are refused.
    seq_len: documents longer than it are refused.
    rates: how often each is drawn; none means by their sizes.

  Returns:
    The name of a Task for one folder, or else of a Mixture.

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


def questions(task: Task, split: str, seq_len: int, limit: int = 0) -> str:
  """Prompts of a task's questions, for `t5x.infer`.

  Args:
    task: whose.
    split: of the task, and of the Task that is made.
    seq_len: prompt and answer together; a prompt that fills it is refused.
    limit: the first so many questions; 0 means all.

  Returns:
    The name of a Task whose examples carry the `problem` they ask.
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
  """Whether a model can learn from a data set; a `verify_matching_vocabs_fn`.

  Args:
    dataset: T5X's DatasetConfig.
    model: one of `models`.

  Raises:
    ValueError: the data set has other features, or tokens that the model does
      not know.
  """
  provider = seqio.get_mixture_or_task(dataset.mixture_or_task_name)
  wanted = sorted(model.FEATURE_CONVERTER_CLS(pack=False).TASK_FEATURES)
  found = provider.output_features
  missing = [name for name in wanted if name not in found]
  if missing:
    raise ValueError(
      f'{provider.name} has the features {sorted(found)} and no '
      f'{", ".join(missing)}, which {type(model).__name__} needs; is it data '
      'of the other head?'
    )
  size = found['decoder_input_tokens'].vocabulary.vocab_size
  if size > model.cfg.vocab_size:
    raise ValueError(
      f'{provider.name} has {size} tokens and the model '
      f'{model.cfg.vocab_size}; take the model whose vocabulary it is.'
    )


def end_ids(task: Task) -> tuple[int, ...]:
  """Tokens that end an attempt in a task's vocabulary."""
  return tuple(task.vocabulary.end_ids)


def _stage(folder, vocab_size, seq_len) -> tuple[str, int]:
  """A registered Task over one folder and the size of its training split."""
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
  """A document with one target that counts: the first token of the answer."""
  tokens = example['tokens']
  size = tf.size(tokens)
  return {
    'decoder_input_tokens': tokens,
    'decoder_target_tokens': tf.concat([tokens[1:], [0]], axis=0),
    'decoder_loss_weights': tf.one_hot(size - 1, size),
    'problem': example['problem'],
  }
