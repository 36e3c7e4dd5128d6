"""Tokenizers in the formats of the families, small enough to make in a test."""

import json
import pathlib

import tokenizers
from tokenizers import (
  AddedToken,
  decoders,
  models,
  normalizers,
  pre_tokenizers,
  processors,
  trainers,
)

DATA = pathlib.Path(__file__).parents[2] / '..' / 'shared' / 'data'
CORPUS = [
  'The value of $x$ is 12.\n\nSo the sum is 3.\n\nThen we add them.\n\n',
  'Problem: how many are there?\n\nSolution: there are 5.\n\nThe answer is 5.',
  *['\n\n'] * 50,
]
QWEN_SPLIT = (
  r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
  r'| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+'
)
CHATML = ('<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|quad_end|>')
LLAMA = (
  '<|begin_of_text|>', '<|end_of_text|>', '<|reserved_special_token_0|>',
  '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>',
)  # fmt: skip


def qwen(folder: pathlib.Path, merges: int = 60) -> pathlib.Path:
  """Byte-level BPE that merges newlines, ChatML specials, no BOS."""
  tokenizer = _byte_level(merges)
  tokenizer.add_special_tokens([AddedToken(t, special=True) for t in CHATML])
  tokenizer.add_tokens([AddedToken('<tool_call>', special=False)])
  return _write(
    folder, tokenizer,
    tokenizer_config={'bos_token': None, 'eos_token': '<|im_end|>',
                      'pad_token': '<|endoftext|>', 'add_bos_token': False},
    generation_config={'eos_token_id': [
      tokenizer.token_to_id('<|im_end|>'),
      tokenizer.token_to_id('<|endoftext|>')]},
  )  # fmt: skip


def llama3(folder: pathlib.Path) -> pathlib.Path:
  """Byte-level BPE whose post-processor puts a BOS before a text."""
  tokenizer = _byte_level(60)
  tokenizer.add_special_tokens([AddedToken(t, special=True) for t in LLAMA])
  _begin_with(tokenizer, '<|begin_of_text|>')
  return _write(
    folder, tokenizer,
    tokenizer_config={'bos_token': '<|begin_of_text|>',
                      'eos_token': {'content': '<|eot_id|>'}},
    generation_config={'eos_token_id': [
      tokenizer.token_to_id('<|end_of_text|>'),
      tokenizer.token_to_id('<|eot_id|>')]},
  )  # fmt: skip


def gemma(folder: pathlib.Path) -> pathlib.Path:
  """Spaces as ▁, newlines as tokens of their own, bytes for the rest."""
  tokenizer = _byte_fallback(
    ['<pad>', '<eos>', '<bos>', '<unk>', '<start_of_turn>', '<end_of_turn>'],
    ['\n', '\n\n', '\n\n\n', '▁'],
    [('\n', '\n'), ('\n\n', '\n')],
  )
  tokenizer.normalizer = normalizers.Replace(' ', '▁')
  tokenizer.decoder = decoders.Sequence(
    [decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse()]
  )
  tokenizer.add_special_tokens(
    [
      AddedToken(t, special=True)
      for t in ('<pad>', '<eos>', '<bos>', '<start_of_turn>', '<end_of_turn>')
    ]
  )
  tokenizer.add_tokens([AddedToken('<unused0>', special=False)])
  _begin_with(tokenizer, '<bos>')
  return _write(
    folder, tokenizer,
    tokenizer_config={'bos_token': '<bos>', 'eos_token': '<eos>',
                      'pad_token': '<pad>'},
    generation_config={'eos_token_id': 1},
  )  # fmt: skip


def llama2(folder: pathlib.Path) -> pathlib.Path:
  """SentencePiece's way: a leading ▁, and bytes for newlines."""
  tokenizer = _byte_fallback(['<unk>', '<s>', '</s>'], ['▁'], [])
  tokenizer.normalizer = normalizers.Sequence(
    [normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')]
  )
  tokenizer.decoder = decoders.Sequence(
    [
      decoders.Replace('▁', ' '),
      decoders.ByteFallback(),
      decoders.Fuse(),
      decoders.Strip(' ', 1, 0),
    ]
  )
  tokenizer.add_special_tokens(
    [AddedToken(t, special=True) for t in ('<s>', '</s>', '<revise>')]
  )
  _begin_with(tokenizer, '<s>')
  return _write(
    folder, tokenizer,
    tokenizer_config={'bos_token': '<s>', 'eos_token': '</s>'},
  )  # fmt: skip


def bare(folder: pathlib.Path, special, ordinary=(), **config) -> pathlib.Path:
  """Byte-level BPE that merges `.` with newlines, and adds no tokens itself.

  Args:
    folder: where it is written.
    special: added tokens.
    ordinary: added tokens that are not special.
    **config: fields of tokenizer_config.json beside `eos_token`.
  """
  tokenizer = tokenizers.Tokenizer(models.BPE())
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [
      pre_tokenizers.Split(tokenizers.Regex(QWEN_SPLIT), 'isolated'),
      pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
  )
  tokenizer.decoder = decoders.ByteLevel()
  tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
  texts = ['We add.\n\nThen we add.\n\n', 'So it is 9.\n']
  tokenizer.train_from_iterator(
    [*texts, *['.\n', '.\n\n', '\n\n', '\n', ' ки'] * 40],
    trainers.BpeTrainer(
      vocab_size=300,
      show_progress=False,
      initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    ),
  )
  tokenizer.add_special_tokens([AddedToken(t, special=True) for t in special])
  tokenizer.add_tokens([AddedToken(t, special=False) for t in ordinary])
  return _write(
    folder, tokenizer, tokenizer_config={'eos_token': '<eos>', **config}
  )


def _byte_level(merges):
  tokenizer = tokenizers.Tokenizer(models.BPE())
  tokenizer.normalizer = normalizers.NFC()
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [
      pre_tokenizers.Split(tokenizers.Regex(QWEN_SPLIT), 'isolated'),
      pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
  )
  tokenizer.decoder = decoders.ByteLevel()
  tokenizer.train_from_iterator(
    CORPUS,
    trainers.BpeTrainer(
      vocab_size=256 + merges,
      show_progress=False,
      initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    ),
  )
  return tokenizer


def _byte_fallback(specials, words, merges):
  alphabet = [chr(code) for code in range(33, 127)]
  pieces = [
    *specials,
    *(f'<0x{byte:02X}>' for byte in range(256)),
    *words,
    *alphabet,
  ]
  vocabulary = {piece: id for id, piece in enumerate(dict.fromkeys(pieces))}
  return tokenizers.Tokenizer(
    models.BPE(
      vocab=vocabulary,
      merges=merges,
      unk_token='<unk>',
      byte_fallback=True,
      fuse_unk=True,
    )
  )


def _begin_with(tokenizer, bos):
  tokenizer.post_processor = processors.TemplateProcessing(
    single=f'{bos} $A',
    pair=f'{bos} $A {bos} $B',
    special_tokens=[(bos, tokenizer.token_to_id(bos))],
  )


def _write(folder, tokenizer, **files):
  folder.mkdir(parents=True, exist_ok=True)
  tokenizer.save(str(folder / 'tokenizer.json'))
  for name, content in files.items():
    (folder / f'{name}.json').write_text(json.dumps(content))
  return folder
