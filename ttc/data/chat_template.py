"""The chat template that comes with a checkpoint, as a template of questions.

It is the text of `chat_template.jinja` in a model's folder, or else that of
`chat_template` in its tokenizer_config.json, and gives what transformers'
`apply_chat_template` gives. Rendering is done by another process under limits,
see `chat_render`.
"""

from collections.abc import Mapping
import dataclasses
import datetime
import functools
import json
import pathlib
from typing import Any, ClassVar

from ttc.data import hub, templates
from ttc.data.chat_process import ChatProcess
from ttc.runtime import storage

_FILE, _CONFIG = 'chat_template.jinja', 'tokenizer_config.json'
_SPECIAL = 'special_tokens_map.json'
_TOKENS = ('bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask')
_LONGEST = 1_000_000  # characters of a template


@dataclasses.dataclass(frozen=True)
class ChatTemplate:
  """Turns around a question, and solved questions (shots), as messages.

  Attributes:
    folder: a folder with the files of a tokenizer; that of the model.
    system: the system message; '' for none. Some templates have one of their
      own then, and some (Gemma's) refuse any.
    turn: text around a question in the user's message. It contains
      `{question}` exactly once; other braces are plain text.
    shots: (question, solution) pairs, as earlier turns.
    options: further variables of the template, such as {'enable_thinking':
      False}.
    date: what the template is told of today, YYYY-MM-DD. It is no clock, so
      that prompts are the same on any day.
    begin: whether the tokenizer adds BOS. It does not: a chat template spells
      what it wants.

  Raises:
    ValueError: a field has an invalid value. What is wrong with the template is
      reported at its first use.
  """

  folder: str
  system: str = ''
  turn: str = templates.QUESTION
  shots: tuple[tuple[str, str], ...] = ()
  options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  date: str = '2024-07-26'
  begin: ClassVar[bool] = False

  def __post_init__(self):
    templates.check_turns(self)
    if not storage.local(self.folder).is_dir():
      raise ValueError(
        f'ChatTemplate.folder={self.folder} is no folder; give that of the '
        f'model, as `ttc convert` writes it.{hub.advice(self.folder)}'
      )
    try:
      datetime.date.fromisoformat(self.date)
    except (TypeError, ValueError) as error:
      raise ValueError(
        f"ChatTemplate.date={self.date!r}; write it as '2024-07-26'."
      ) from error

  def files(self) -> list[pathlib.Path]:
    """The files that it is made of, for its identity."""
    paths = (self._path(name) for name in (_FILE, _CONFIG, _SPECIAL))
    return [path for path in paths if path.is_file()]

  def __call__(self, question: str) -> str:
    """Returns the prompt of a question.

    Raises:
      ValueError: there is no template, or it fails; see `chat_render`.
    """
    messages = []
    if self.system:
      messages.append({'role': 'system', 'content': self.system})
    for solved, solution in self.shots:
      messages.append(self._asked(solved))
      messages.append({'role': 'assistant', 'content': solution})
    try:
      return self._process.render([*messages, self._asked(question)])
    except ValueError as error:
      raise ValueError(
        f'the chat template of {self.folder} cannot be used: '
        f'{str(error).rstrip(".")}. See ChatTemplate.system and turn, or take '
        'one of gin/templates/.'
      ) from error

  def _asked(self, question: str) -> dict[str, str]:
    content = templates.placed(self.turn, question)
    return {'role': 'user', 'content': content}

  @functools.cached_property
  def _process(self) -> ChatProcess:
    return ChatProcess(
      self._text, {**self._special_tokens, **self.options}, self.date
    )

  @functools.cached_property
  def _text(self) -> str:
    """The template itself."""
    path = self._path(_FILE)
    if path.is_file():
      text = path.read_text(encoding='utf-8')
    else:
      path, text = self._path(_CONFIG), self._config.get('chat_template')
    if isinstance(text, list):  # several, by name
      text = {each.get('name'): each.get('template') for each in text}.get(
        'default'
      )
    if not isinstance(text, str):
      raise ValueError(
        f'there is none in {_FILE} or {_CONFIG}, so that it may be a base model'
      )
    if len(text) > _LONGEST:
      raise ValueError(f'{path} has one of {len(text)} characters')
    return text

  @property
  def _special_tokens(self) -> dict[str, str]:
    """The special tokens by the names that templates know them by."""
    held = {**self._json(_SPECIAL), **self._config}
    tokens = {}
    for name in (f'{role}_token' for role in _TOKENS):
      token = held.get(name)
      token = token.get('content') if isinstance(token, dict) else token
      if isinstance(token, str):
        tokens[name] = token
    return tokens

  @functools.cached_property
  def _config(self) -> dict[str, Any]:
    return self._json(_CONFIG)

  def _json(self, name: str) -> dict[str, Any]:
    path = self._path(name)
    if not path.is_file():
      return {}
    try:
      held = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
      raise ValueError(f'{path} is not JSON ({error})') from error
    return held if isinstance(held, dict) else {}

  def _path(self, name: str) -> pathlib.Path:
    return pathlib.Path(self.folder, name)
