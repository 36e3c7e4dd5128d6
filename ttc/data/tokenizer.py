"""Vocabulary of the tokenizer.json of a checkpoint.

There are two encoders. `encode` is for data: the result has no special id,
whatever the text spells. `encode_template` is for trusted text, in which
`<|im_start|>` is one token; it also adds the tokens with which the family
begins a text (BOS for Llama and Gemma, none for Qwen). Neither appends an end
token, whatever the files ask for.
"""

from collections.abc import Container, Iterable
import dataclasses
import functools
import pathlib
import re

from ttc.data import hub, tokenizer_config
from ttc.runtime import storage

FILE = 'tokenizer.json'
# Classes of transformers that put BOS before a text by `add_bos_token`, with
# its default, whatever the post-processor of tokenizer.json does.
_ADD_BOS = {
  'CodeLlama': True,
  'Cohere': True,
  'Gemma': True,
  'GPTNeoX': False,
  'Llama': True,
}
# Tokens of this shape control a model, also where the file calls them ordinary
# (`<｜User｜>` of DeepSeek). Added tokens of other shapes may be text: Gemma's
# are runs of newlines, and tags of HTML, which questions have: H<sub>2</sub>O.
_SHAPES = (re.compile(r'<[^<>\s]+>'), re.compile(r'\[[^\[\]\s]+\]'))
_HTML = re.compile(
  r'</?(?:html|body|div|span|iframe|footer|img|bbox|a|b|i|u|s|em|strong|code|su[bp]|'
  r'h[1-6]|blockquote|[uo]l|li|p|br|table|caption|thead|tbody|tfoot|t[rhd])>'
)


class ControlTokens:
  """The tokens that a text must not spell to remain text."""

  def __init__(self, tokenizer, more: Container[int] = ()):
    """Finds them.

    Args:
      tokenizer: from `read`. Of its added tokens those count that are special,
        or in brackets and no tags of HTML.
      more: ids of added tokens that count as well.
    """
    tokens = {
      token.content
      for id, token in tokenizer.get_added_tokens_decoder().items()
      if token.special
      or id in more
      or (_in_brackets(token.content) and not _HTML.fullmatch(token.content))
    }
    # There may be thousands in brackets, which are looked up, not searched.
    self._in_brackets = frozenset(filter(_in_brackets, tokens))
    self._others = tokens - self._in_brackets

  def spelt(self, text: str) -> set[str]:
    """Returns those that a text spells."""
    found = {token for token in self._others if token in text}
    for shape in _SHAPES:
      found |= self._in_brackets.intersection(shape.findall(text))
    return found


@dataclasses.dataclass(frozen=True)
class Tokenizer:
  """The tokenizer of a model folder, as a `Vocabulary`.

  A model's embedding may have padding rows beyond the tokenizer. Their ids have
  no text: if one is sampled, `decode` leaves it out.

  Attributes:
    path: a folder with a tokenizer.json, or such a file.
    revise: token that separates attempts; one that the model reserves.
    eos: token that ends a solution; '' means that of the folder's
      tokenizer_config.json or generation_config.json.
    pad: padding token; '' means that of the folder, or else the EOS token.
    stops: further texts that end an attempt; every token that contains one ends
      it. A base model that continues few-shot prompts has no other end.

  Raises:
    ValueError: there is no tokenizer.json, or a field has an invalid value. A
      token that the tokenizer does not have is reported at its first use.
  """

  path: str
  revise: str
  eos: str = ''
  pad: str = ''
  stops: tuple[str, ...] = ()

  def __post_init__(self):
    if not self._file.is_file():
      raise ValueError(
        f'Tokenizer.path={self.path} holds no {FILE}; give a model folder '
        f'that has one, as `ttc convert` writes it.{hub.advice(self.path)}'
      )
    if not self.revise:
      raise ValueError(
        "Tokenizer.revise=''; name a token that the model reserves, such as "
        "'<|reserved_special_token_0|>' (Llama 3), '<|quad_end|>' (Qwen 2.5) "
        "or '<unused0>' (Gemma)."
      )
    if not isinstance(self.stops, tuple) or '' in self.stops:
      raise ValueError(
        f'Tokenizer.stops={self.stops!r} is no tuple of texts with at least '
        "one character; write ('\\n\\n',) for blank lines, or ()."
      )

  def files(self) -> list[pathlib.Path]:
    """The files that it is made of, for its identity."""
    beside = (tokenizer_config.CONFIG, tokenizer_config.GENERATION)
    more = [self._file.with_name(name) for name in beside]
    return [self._file, *(path for path in more if path.is_file())]

  @functools.cached_property
  def size(self) -> int:
    """Number of ids (V): one more than the largest."""
    return max(self._plain.get_vocab(with_added_tokens=True).values()) + 1

  @functools.cached_property
  def eos_id(self) -> int:
    return self._end_tokens[0]

  @functools.cached_property
  def pad_id(self) -> int:
    named = self.pad or tokenizer_config.token(self._file, 'pad_token')
    return self._id('pad', named) if named else self.eos_id

  @functools.cached_property
  def revise_id(self) -> int:
    id = self._id('revise', self.revise)
    if id in (*self._end_tokens, self.pad_id):
      raise ValueError(
        f'Tokenizer.revise={self.revise!r} is also the end or the padding of '
        f'{self._file}; name another token that the model reserves.'
      )
    return id

  @functools.cached_property
  def end_ids(self) -> tuple[int, ...]:
    """All EOS ids, `revise_id`, and the tokens that contain a stop.

    Raises:
      ValueError: a stop is in no token, so that it would end nothing.
    """
    for stop in self.stops:
      if not any(stop in piece for piece in self._pieces):
        parts = [self._pieces[id] for id in self.encode(stop)]
        raise ValueError(
          f'Tokenizer.stops: no token of {self._file} holds {stop!r}, which is '
          f'split into {parts}, so that it would end nothing; name a text '
          'that one token holds, or leave it out.'
        )
    stopping = [
      id
      for id, piece in enumerate(self._pieces)
      if any(stop in piece for stop in self.stops)
    ]
    return tuple(dict.fromkeys([*self._end_tokens, self.revise_id, *stopping]))

  @functools.cached_property
  def begin_ids(self) -> tuple[int, ...]:
    """Ids with which the family begins a text; often BOS, often none.

    Raises:
      ValueError: see the function.
    """
    return begin_ids(self._plain, self._file)

  @functools.cached_property
  def special_ids(self) -> frozenset[int]:
    """Ids without text: special in the file, `pad_id`, `revise_id` and EOS."""
    added = self._plain.get_added_tokens_decoder()
    return frozenset(
      [id for id, token in added.items() if token.special]
      + [self.pad_id, self.revise_id, *self._end_tokens]
    )

  def encode(self, text: str) -> list[int]:
    """Returns the tokens of a text, with no special id among them."""
    return self._plain.encode(text, add_special_tokens=False).ids

  def encode_template(self, text: str, begin: bool = True) -> list[int]:
    """Returns the tokens of a prompt, special tokens as spelt.

    Data within `text` must not spell a special token; see `spelt_special`.

    Args:
      text: of the prompt.
      begin: whether `begin_ids` come first, for templates that leave them to
        the tokenizer. They are not added to a text that spells them itself.
    """
    ids = self._parsing.encode(text, add_special_tokens=False).ids
    if not begin:
      return ids
    begin = list(self.begin_ids)
    # Templates of some families spell BOS themselves; it is not added twice.
    return ids if begin and ids[: len(begin)] == begin else begin + ids

  def decode(self, ids: Iterable[int]) -> str:
    """Returns the text of tokens, without special and unknown ids."""
    kept = [
      id for id in ids if 0 <= id < self.size and id not in self.special_ids
    ]
    return self._plain.decode(kept, skip_special_tokens=False)

  def piece(self, id: int) -> str:
    """Returns the text of one token, or '' for an unknown id."""
    return self._pieces[id] if 0 <= id < self.size else ''

  def spelt_special(self, text: str) -> str:
    """Returns a special or control token that a text spells, or ''."""
    found = self._control.spelt(text)
    return min(found, key=self._plain.token_to_id, default='')

  @functools.cached_property
  def _file(self) -> pathlib.Path:
    path = storage.local(self.path)
    return path / FILE if path.is_dir() else path

  @functools.cached_property
  def _plain(self):
    """The tokenizer that encodes the text of a special token as plain text."""
    tokenizer = read(self._file)
    tokenizer.encode_special_tokens = True
    return tokenizer

  @functools.cached_property
  def _parsing(self):
    """The tokenizer that parses special tokens in a text."""
    return read(self._file)

  @functools.cached_property
  def _control(self) -> ControlTokens:
    return ControlTokens(self._plain, self.special_ids)

  @functools.cached_property
  def _pieces(self) -> list[str]:
    """Text of every id within a text.

    Decoders treat the first token differently, for example by dropping its
    space, so that each id is decoded after an anchor.
    """
    anchor = self._plain.encode('a', add_special_tokens=False).ids
    before = len(self._plain.decode(anchor, skip_special_tokens=False))
    texts = self._plain.decode_batch(
      [[*anchor, id] for id in range(self.size)], skip_special_tokens=False
    )
    return [text[before:] for text in texts]

  @functools.cached_property
  def _end_tokens(self) -> list[int]:
    """EOS ids; training writes the first, and sampling stops at all of them."""
    named = self.eos or tokenizer_config.token(self._file, 'eos_token')
    ids = [self._id('eos', named)] if named else []
    ids += tokenizer_config.end_ids(self._file, self.size)
    if not ids:
      raise ValueError(
        f'Neither generation_config.json nor tokenizer_config.json beside '
        f'{self._file} names the end of a text; set Tokenizer.eos.'
      )
    return list(dict.fromkeys(ids))

  def _id(self, role: str, token: str) -> int:
    id = self._plain.token_to_id(token)
    if id is None:
      raise ValueError(
        f'Tokenizer.{role}={token!r} is no token of {self._file}; name one '
        f'of its special tokens, such as {self._some_tokens()}.'
      )
    return id

  def _some_tokens(self) -> str:
    added = self._plain.get_added_tokens_decoder()
    contents = [added[id].content for id in sorted(added)]
    return ', '.join(map(repr, contents[-5:])) or '(it has none)'


def read(path: pathlib.Path):
  """Returns the tokenizer of a tokenizer.json, which encodes texts whole.

  Raises:
    ValueError: the file is not one.
  """
  import tokenizers

  tokenizer_config.check_fetched(path)
  try:
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
  except Exception as error:  # the library raises nothing more specific
    raise ValueError(
      f'{path} is not a tokenizer.json that the tokenizers library reads: '
      f'{error}.'
    ) from error
  # Some files enable both; here every text is encoded whole and alone.
  tokenizer.no_truncation()
  tokenizer.no_padding()
  return tokenizer


def begin_ids(tokenizer, path: pathlib.Path) -> tuple[int, ...]:
  """Returns the ids that transformers puts before a text.

  Args:
    tokenizer: from `read`.
    path: its file. The tokenizer_config.json beside it may ask for BOS by
      `add_bos_token`, where the class that it names listens to that.

  Raises:
    ValueError: BOS is no token, or the post-processor changes a text in another
      way.
  """
  config = tokenizer_config.beside(path, tokenizer_config.CONFIG)
  named = str(config.get('tokenizer_class') or '').removesuffix('Fast')
  default = _ADD_BOS.get(named.removesuffix('Tokenizer'))
  asked = config.get('add_bos_token')
  # Without a class, the field says what the model's class would.
  listens = default is not None or not named
  add = (default if asked is None else asked) if listens else None
  bos = tokenizer_config.token(path, 'bos_token')
  if add and bos:
    id = tokenizer.token_to_id(bos)
    if id is None:
      raise ValueError(
        f'tokenizer_config.json beside {path} has bos_token={bos!r}, which is '
        'no token; the files are not of one model.'
      )
    return (id,)
  if add is False:
    return ()
  # Post-processors have many formats: compare their output to the bare text.
  bare = tokenizer.encode('a', add_special_tokens=False).ids
  whole = tokenizer.encode('a', add_special_tokens=True).ids
  for start in range(len(whole)):
    if whole[start : start + len(bare)] == bare:
      return tuple(whole[:start])
  raise ValueError(
    f'{path} changes a text when it adds special tokens around it; its '
    'post-processor is none of those known.'
  )


def _in_brackets(token: str) -> bool:
  return any(shape.fullmatch(token) for shape in _SHAPES)
