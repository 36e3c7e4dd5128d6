"""Where another engine samples: an OpenAI-compatible server.

What such a server promises is less than an engine of ours does, and a command
that uses one says so; see `caveats`.
"""

import dataclasses
import os
import re
import urllib.parse

from ttc.runtime import limits

# Answers to one call; servers refuse more than a few hundred.
_MOST_CHOICES = 128
_MOST_CALLS = 1024
_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
# What a header can hold: anything else would end it or begin another one.
_KEY = re.compile(r'[\x21-\x7e]+')
# Where, how fast and with what patience a server is asked changes nothing in
# what it is asked for, and may change between two runs of a stage.
_UNRECORDED = {'recorded': False}


@dataclasses.dataclass(frozen=True)
class Endpoint:
  """A server with `/completions`, to stand in `Solver.proposer`.

  It has to serve the model whose tokenizer the task's vocabulary is.

  Attributes:
    url: what stands before `/completions`, e.g. 'http://127.0.0.1:8000/v1'.
    model: name of the model there.
    ids: whether prompts go and answers come as token ids, as vLLM and SGLang
      do. Other servers take and give texts: each side then cuts them into
      tokens by itself, and no strategy can stop at the ends of steps.
    logprobs: whether to ask for log-probabilities. vLLM counts them at
      temperature 1, SGLang where SGLANG_RETURN_ORIGINAL_LOGPROB is set.
    choices: answers to ask for in one call (`n`) where several continue the
      same tokens. With 1 each has a seed of its own.
    called: name that answers carry where it is not `model`; '' where it is.
    key_variable: name of the environment variable that holds the key; '' for
      a server that wants none.
    concurrency: calls at once, of each process.
    timeout: seconds in which a call has to be answered.
    retries: how often a call is made again that failed for a while, e.g. by a
      time-out or with 429 or 503.

  Raises:
    ValueError: a field has an invalid value.
  """

  url: str = dataclasses.field(metadata=_UNRECORDED)
  model: str
  ids: bool = True
  logprobs: bool = True
  choices: int = dataclasses.field(default=1, metadata=_UNRECORDED)
  called: str = dataclasses.field(default='', metadata=_UNRECORDED)
  key_variable: str = dataclasses.field(default='', metadata=_UNRECORDED)
  concurrency: int = dataclasses.field(default=32, metadata=_UNRECORDED)
  timeout: float = dataclasses.field(default=600.0, metadata=_UNRECORDED)
  retries: int = dataclasses.field(default=6, metadata=_UNRECORDED)

  def __post_init__(self):
    _check_url(self.url)
    if not self.model or not isinstance(self.model, str):
      raise ValueError(
        f'Endpoint.model={self.model!r}; name a model that {self.url} serves.'
      )
    if self.key_variable and not _VARIABLE.fullmatch(self.key_variable):
      # It may be the key itself, which must not be repeated anywhere.
      raise ValueError(
        'Endpoint.key_variable is no name of an environment variable; export '
        "the key, e.g. as OPENAI_API_KEY, and bind 'OPENAI_API_KEY'."
      )
    limits.whole(self, 'choices', most=_MOST_CHOICES)
    limits.whole(self, 'concurrency', most=_MOST_CALLS)
    limits.whole(self, 'retries', least=0, most=100)
    limits.real(self, 'timeout', above=0, most=86400)

  def key(self) -> str:
    """The key, from the environment; '' where none is wanted.

    Raises:
      ValueError: the variable is not set, or holds what no key can be.
    """
    if not self.key_variable:
      return ''
    key = os.environ.get(self.key_variable, '')
    if not _KEY.fullmatch(key):
      what = 'holds no key' if key else 'is not set'
      raise ValueError(
        f'the environment variable {self.key_variable}, which is to hold the '
        f'key of {self.url}, {what}; export it.'
      )
    return key

  def check_steps(self, what: str) -> None:
    """Raises ValueError if `what`, a strategy, needs more than texts."""
    if not self.ids:
      raise ValueError(
        f'{what} stops at the ends of steps, and a text does not tell whether '
        f'{self.model} stopped at one or at its end; bind Endpoint.ids=True '
        'for a server that gives token ids (vLLM, SGLang), or take BestOfN().'
      )

  @property
  def caveats(self) -> list[str]:
    """Lines for people: what is not promised of samples from here."""
    told = [
      f'{self.url} samples: asked again it may answer otherwise, so that only '
      'what is recorded stays as it is',
      'costs of the proposer are the tokens of its usage, without those of '
      'calls that failed; FLOPs are not known',
    ]
    if not self.ids:
      told.append(
        'texts are cut into tokens again, perhaps not as they were sampled, '
        "and the server's own defaults apply, such as a top_k"
      )
    return told


def _check_url(url: str) -> None:
  """Raises ValueError for an address that is none, or has secrets in it."""
  try:
    parts = urllib.parse.urlsplit(url)
    port_is_one = parts.port is None or parts.port > 0
  except (ValueError, AttributeError, TypeError):
    parts, port_is_one = urllib.parse.urlsplit(''), False
  if parts.username is not None or parts.query or parts.fragment:
    raise ValueError(
      'Endpoint.url has a user, a query or a fragment, where secrets may '
      'stand; bind the address alone, and name the variable of a key in '
      'Endpoint.key_variable.'
    )
  bare = parts.scheme in ('http', 'https') and parts.hostname and port_is_one
  if not bare or re.search(r'[\s\x00-\x1f\x7f]', url):
    raise ValueError(
      f'Endpoint.url={url!r} is no address; write what stands before '
      "/completions, such as 'http://127.0.0.1:8000/v1'."
    )
