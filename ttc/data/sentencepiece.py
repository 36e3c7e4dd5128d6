"""Vocabulary of a SentencePiece model file, as for PaLM, T5 and Gemma."""

from collections.abc import Iterable
import dataclasses
import functools
import re

from ttc.runtime import storage

_BRACKETS = re.compile(r'<[^<>\s]+>')


@dataclasses.dataclass(frozen=True)
class SentencePiece:
  """A SentencePiece model file as a `Vocabulary`.

  Has the methods of `tokenizer.Tokenizer`, with the same meaning.

  Attributes:
    path: path of the `.model` file.
    revise: piece that separates attempts; one that the model reserves, such as
      '<unused0>' (Gemma) or '<extra_id_0>' (T5).
    eos: piece that ends a solution; '' means the model's own.
    begin: whether prompts of the family begin with the model's BOS (Gemma's do;
      T5 has none).

  Raises:
    ValueError: `path` is not a file. A piece that the model does not have is
      reported at its first use.
  """

  path: str
  revise: str
  eos: str = ''
  begin: bool = True

  def __post_init__(self):
    if not storage.local(self.path).is_file():
      raise ValueError(f'SentencePiece.path={self.path} is not a file.')

  def files(self) -> list[str]:
    """The file that it is made of, for its identity."""
    return [self.path]

  @functools.cached_property
  def size(self) -> int:
    return self._model.get_piece_size()

  @functools.cached_property
  def eos_id(self) -> int:
    id = self._id('eos', self.eos) if self.eos else self._model.eos_id()
    if id < 0:
      raise ValueError(
        f'{self.path} has no end of a text; name one in SentencePiece.eos.'
      )
    return id

  @functools.cached_property
  def pad_id(self) -> int:
    id = self._model.pad_id()
    return id if id >= 0 else self.eos_id

  @functools.cached_property
  def revise_id(self) -> int:
    id = self._id('revise', self.revise)
    if id in (self.eos_id, self.pad_id):
      raise ValueError(
        f'SentencePiece.revise={self.revise!r} is also the end or the '
        f'padding of {self.path}; name another piece.'
      )
    return id

  @property
  def end_ids(self) -> tuple[int, ...]:
    return self.eos_id, self.revise_id

  @property
  def begin_ids(self) -> tuple[int, ...]:
    bos = self._model.bos_id()
    return (bos,) if self.begin and bos >= 0 else ()

  @functools.cached_property
  def special_ids(self) -> frozenset[int]:
    """Pieces without text: control pieces, `pad_id` and `end_ids`."""
    control = [id for id in range(self.size) if self._model.is_control(id)]
    return frozenset([*control, self.pad_id, *self.end_ids])

  def encode(self, text: str) -> list[int]:
    """Returns the tokens of a text, with no special id among them.

    Raises:
      ValueError: the text spells a special token. SentencePiece always parses
        user-defined pieces, so that the text cannot be encoded otherwise.
    """
    ids = self._model.encode(text)
    special = self.special_ids & set(ids)
    if special:
      raise ValueError(
        f'The text spells {self.piece(min(special))}, which {self.path} always '
        'reads as that special token; leave the text out.'
      )
    return ids

  def encode_template(self, text: str, begin: bool = True) -> list[int]:
    """Returns the tokens of a prompt: BOS, and special tokens as spelt.

    Args:
      text: of the prompt.
      begin: whether BOS comes first. No text can spell it.
    """
    return [*(self.begin_ids if begin else ()), *self._model.encode(text)]

  def spelt_special(self, text: str) -> str:
    """Returns a piece such as `<start_of_turn>` in a text, or ''."""
    return next((piece for piece in self._spelt if piece in text), '')

  def decode(self, ids: Iterable[int]) -> str:
    """Returns the text of tokens, without special and unknown ids."""
    return self._model.decode(
      [id for id in ids if 0 <= id < self.size and id not in self.special_ids]
    )

  def piece(self, id: int) -> str:
    """Returns the text of one token, or '' for an unknown id."""
    if not 0 <= id < self.size:
      return ''
    if self._model.is_byte(id):  # a piece such as '<0x0A>'
      return chr(int(self._model.id_to_piece(id)[3:5], 16))
    return self._model.id_to_piece(id).replace('▁', ' ')

  @functools.cached_property
  def _spelt(self) -> list[str]:
    """Pieces in angle brackets, but for those that no text can spell."""
    model = self._model
    pieces = [
      model.id_to_piece(id)
      for id in range(self.size)
      if not (model.is_byte(id) or model.is_control(id) or model.is_unknown(id))
    ]
    return [piece for piece in pieces if _BRACKETS.fullmatch(piece)]

  @functools.cached_property
  def _model(self):
    import sentencepiece  # here, because only tasks with such a model need it

    return sentencepiece.SentencePieceProcessor(model_file=self.path)

  def _id(self, role: str, piece: str) -> int:
    # A piece that the model does not have gets the id of the unknown piece.
    id = self._model.piece_to_id(piece)
    if not piece or id == self._model.unk_id():
      raise ValueError(
        f'SentencePiece.{role}={piece!r} is no piece of {self.path}; name '
        'one that the model reserves.'
      )
    return id
