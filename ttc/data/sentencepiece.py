"""A vocabulary read from a SentencePiece model, as PaLM, T5 and Gemma use."""

from collections.abc import Iterable
import dataclasses
import functools
import pathlib
import re

_BRACKETS = re.compile(r'<[^<>\s]+>')


@dataclasses.dataclass(frozen=True)
class SentencePiece:
  """A SentencePiece model file.

  Like `tokenizer.Tokenizer` in all that the two share.

  Attributes:
    path: of the `.model` file.
    revise: the piece that stands between attempts; one that the model
      reserves, such as '<unused0>' (Gemma) or '<extra_id_0>' (T5).
    eos: the piece that ends a solution; '' takes the model's.
    begin: whether the family puts the model's BOS before a text (Gemma does,
      T5 has none).
  """

  path: str
  revise: str
  eos: str = ''
  begin: bool = True

  def __post_init__(self):
    if not pathlib.Path(self.path).is_file():
      raise ValueError(f'SentencePiece.path={self.path} is not a file.')

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
    """Pieces without text: control pieces and our three."""
    control = [id for id in range(self.size) if self._model.is_control(id)]
    return frozenset([*control, self.pad_id, *self.end_ids])

  def encode(self, text: str) -> list[int]:
    """Tokens of a text, with no special id among them.

    Raises:
      ValueError: the text spells one; see `spelt_special`.
    """
    ids = self._model.encode(text)
    found = self.special_ids & set(ids)
    if found:
      raise ValueError(
        f'The text spells {self.piece(min(found))}, which {self.path} always '
        'reads as that special token; leave the text out.'
      )
    return ids

  def encode_template(self, text: str) -> list[int]:
    """Tokens of a prompt: specials it spells are tokens, BOS comes first."""
    return [*self.begin_ids, *self._model.encode(text)]

  def spelt_special(self, text: str) -> str:
    """A piece like `<start_of_turn>` that a text spells, or ''."""
    return next((piece for piece in self._spelt if piece in text), '')

  def decode(self, ids: Iterable[int]) -> str:
    """Text of tokens; special ids, and ids beyond the model, have none."""
    return self._model.decode(
      [id for id in ids if 0 <= id < self.size and id not in self.special_ids]
    )

  def piece(self, id: int) -> str:
    """What one token stands for; '' beyond the model."""
    if not 0 <= id < self.size:
      return ''
    if self._model.is_byte(id):
      return chr(int(self._model.id_to_piece(id)[3:5], 16))
    return self._model.id_to_piece(id).replace('▁', ' ')

  @functools.cached_property
  def _spelt(self) -> list[str]:
    """Pieces in angle brackets but for bytes and those no text can spell."""
    model = self._model
    pieces = [
      model.id_to_piece(id)
      for id in range(self.size)
      if not (model.is_byte(id) or model.is_control(id) or model.is_unknown(id))
    ]
    return [piece for piece in pieces if _BRACKETS.fullmatch(piece)]

  @functools.cached_property
  def _model(self):
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_file=self.path)

  def _id(self, role: str, piece: str) -> int:
    id = self._model.piece_to_id(piece)
    if not piece or id == self._model.unk_id():
      raise ValueError(
        f'SentencePiece.{role}={piece!r} is no piece of {self.path}; name '
        'one that the model reserves.'
      )
    return id
