"""What looks like a checkpoint and is none, each refused with what to do.

An adapter has weights that are added to those of another model. A pointer of
Git LFS stands where a file has not been fetched. A head beside a language model
makes a verifier of it, which its config.json does not say. A folder may have to
be converted yet.
"""

from collections.abc import Collection
import json
import pathlib
import re
import shlex

from ttc.data.text_lines import LFS_POINTER
from ttc.pipeline import model_folders
from ttc.runtime.safe_text import quoted

_ADAPTER = 'adapter_config.json'
_ADAPTERS = (
  _ADAPTER,
  'adapter_model.safetensors',
  'adapter_model.bin',
  'adapter_model.pt',
)
_IN_ADAPTER = re.compile(r'(^|\.)(lora_|base_model\.model\.|modules_to_save\.)')
_HEAD_FILES = ('v_head.*', 'value_head.*')
_TABLE = 'model.embed_tokens.weight'
_LANGUAGE = re.compile(r'(model\.|lm_head\.)')


def check_converted(folder: pathlib.Path) -> None:
  """Refuses a folder in Hugging Face's format where one of ours is read.

  Raises:
    ValueError: it is; the message is the command that converts it.
  """
  if (folder / 'config.json').is_file() and not (
    folder / model_folders.FILE
  ).is_file():
    target = folder.with_name(f'{folder.name}-ttc')
    raise ValueError(
      f'{folder} is a checkpoint in the format of Hugging Face, which stages '
      'do not read; run `'
      f'{shlex.join(["ttc", "convert", f"--from={folder}", f"--to={target}"])}`'
      f' and name {target}.'
    )


def check_no_adapter(folder: pathlib.Path) -> None:
  """Refuses a folder with an adapter, alone or beside a model.

  transformers would add such an adapter to the model that it names.

  Raises:
    ValueError: there is one; the message says how to merge it.
  """
  found = [name for name in _ADAPTERS if (folder / name).is_file()]
  if not found:
    return
  beside = ''
  if any(folder.glob('model*.safetensors')):
    beside = (
      ' If the model beside it is what came of that, delete '
      f'{" and ".join(found)}.'
    )
  raise ValueError(
    f'{folder} has {found[0]}: an adapter (LoRA)'
    f'{_base(folder / _ADAPTER)}, not a whole model; merge it first: load it '
    'with peft, call merge_and_unload() and save_pretrained() into another '
    f'folder.{beside}'
  )


def check_no_adapter_tensors(
  names: Collection[str], folder: pathlib.Path
) -> None:
  """Raises ValueError where tensors are an adapter's, whatever their file."""
  found = sorted(name for name in names if _IN_ADAPTER.search(name))
  if found:
    raise ValueError(
      f'{folder}: tensor {quoted(found[0])} ({len(found)} such) is of an '
      'adapter (LoRA); merge it first: load it with peft, call '
      'merge_and_unload() and save_pretrained() into another folder.'
    )


def check_no_pointer(path: pathlib.Path) -> None:
  """Raises ValueError if a file is a pointer of Git LFS."""
  with open(path, 'rb') as file:
    if file.read(len(LFS_POINTER)) != LFS_POINTER:
      return
  raise ValueError(
    f'{path} is a pointer of Git LFS, whose file was not fetched; run '
    f'`git lfs pull` in {path.parent}.'
  )


def check_no_head(
  names: Collection[str], stem: str, folder: pathlib.Path
) -> None:
  """Refuses a head beside a language model.

  Args:
    names: of all tensors of a model for CausalLM.
    stem: first part of the family's class names, as in LlamaForCausalLM.
    folder: of the checkpoint.

  Raises:
    ValueError: there is one; the message says how to convert the verifier.
  """
  files = sorted(
    path.name for kind in _HEAD_FILES for path in folder.glob(kind)
  )
  if files:  # LLaMA-Factory's
    raise ValueError(
      f'{folder} has {files[0]}: a head beside the language model, in a file '
      'that would not be read. If it values steps, write its tensors into '
      'model.safetensors as score.weight and score.bias, and "architectures": '
      f'["{stem}ForTokenClassification"] into config.json; if the language '
      'model is wanted alone, move that file away.'
    )
  # Names with other prefixes, and those of further layers, are no heads.
  foreign = sorted(name for name in names if not _LANGUAGE.match(name))
  if _TABLE not in names or not foreign or any('layers.' in n for n in foreign):
    return
  renamed = ''
  if not all(name.startswith('score.') for name in foreign):
    renamed = (
      ', and name the tensors score.weight and score.bias, or score.0 and '
      'score.2 where a ReLU is between two layers'
    )
  raise ValueError(
    f'{folder}: tensor {quoted(foreign[0])} ({len(foreign)} such) is a head '
    'beside the language model, which is all that its config.json says. If the '
    'head values steps, convert both as a verifier: write "architectures": '
    f'["{stem}ForTokenClassification"] there{renamed}.'
  )


def _base(path: pathlib.Path) -> str:
  """' of <model>' as an adapter_config.json names it; '' if it does not."""
  try:
    name = json.loads(path.read_text(encoding='utf-8'))[
      'base_model_name_or_path'
    ]
  except (OSError, ValueError, LookupError, TypeError, RecursionError):
    return ''
  return f' of {quoted(name)}' if isinstance(name, str) else ''
