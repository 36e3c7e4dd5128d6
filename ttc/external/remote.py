"""A scheduler whose proposer is an endpoint: plans, answered by calls.

    plan      Extend(rows)             what a plan asks, as of any scheduler
    calls     rows that continue the same tokens, up to `choices` in one
    reading   the verifier here values what came, of all questions at once
    plan      goes on

Each question goes on as its calls are answered, whatever others wait for. A
row's answer depends on its seed and the server alone, and never on the order
in which answers come.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
import dataclasses
import itertools

from ttc.data.vocabulary import Vocabulary
from ttc.external import reading
from ttc.external.caller import Caller
from ttc.external.completions import Answer, Call, Completions, Usage
from ttc.external.crew import Crew
from ttc.external.endpoint import Endpoint
from ttc.inference import accounting
from ttc.inference.cost import Work
from ttc.inference.models import Models
from ttc.inference.requests import Extend, Plan, Prefill, Question
from ttc.inference.rows import fold_keys, Row
from ttc.inference.scheduler import Scheduler

_GLANCE_S = 1.0  # from one look at the traffic to the next


@dataclasses.dataclass
class Traffic:
  """What calls did so far, with the fields that `metrics` looks for.

  Attributes:
    useful: tokens sampled that were of use, and tokens of prompts.
    executed: all tokens of the usage.
    rows: calls under way.
    slots: the most that can be.
    answers: that came.
    retried: calls that were made again.
    trouble: why the last of them was.
    lanes, lane_capacity, busy_s: of devices here, which do nothing of this.
  """

  useful: int = 0
  executed: int = 0
  rows: int = 0
  slots: int = 0
  answers: int = 0
  retried: int = 0
  trouble: str = ''
  lanes: int = 0
  lane_capacity: int = 0
  busy_s: float = 0.0

  def __str__(self) -> str:
    told = f'{self.rows} calls under way, {self.answers} answers'
    if self.retried:
      told += f', {self.retried} retries, the last because {self.trouble}'
    return told


@dataclasses.dataclass(eq=False)
class _Job:
  """A plan at work on one question; `waiting` counts its calls under way."""

  question: Question
  plan: Plan
  rows: list[Row] = dataclasses.field(default_factory=list)
  waiting: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class _Errand:
  """Rows that want to grow from the same tokens.

  Attributes:
    job: whose rows they are.
    rows: one for each answer.
    call: the first call.
    steps: step ends after which they pause; 0 never pauses.
    whole: whether they are to end, as they do with an attempt.
  """

  job: _Job
  rows: list[Row]
  call: Call
  steps: int
  whole: bool


class RemoteScheduler:
  """Serves plans as `Scheduler` does, and asks an endpoint for what is sampled.

  Attributes:
    traffic: of the endpoint so far.
  """

  def __init__(
    self,
    endpoint: Endpoint,
    vocabulary: Vocabulary,
    models: Models,
    reader: Scheduler | None = None,
    longest: int | None = None,
    watch: Callable[[Traffic], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
  ):
    """Connects to nothing yet.

    Args:
      endpoint: who samples.
      vocabulary: of its model.
      models: the verifier, if there is one, and how attempts are sampled.
      reader: a scheduler of the same models; None without a verifier.
      longest: tokens in the longest row; None if that is not known.
      watch: called when answers have come, and every second.
      say: called with a line for people, of what costs more than here.
    """
    self._endpoint, self._models, self._reader = endpoint, models, reader
    self._watch, self._say = watch, say
    self._wire = Completions(
      endpoint,
      vocabulary,
      models.step_end,
      models.end,
      models.generation.top_p,
    )
    self._longest, self._steps_told = longest, False
    self.traffic = Traffic(slots=endpoint.concurrency)

  def run(
    self, plans: Iterable[tuple[Question, Plan, int]]
  ) -> Iterator[tuple[Question, list[Row]]]:
    """Works on questions and yields them as they finish.

    Args:
      plans: question, its plan, and a number of slots, of which none is used.

    Raises:
      ValueError: the endpoint's key is missing, its model has no room for the
        longest row, it refuses a call or is not what it should be, or a plan
        stops where texts do not tell.
      NoAnswerError: it cannot be reached.
    """
    pending, size = iter(plans), self._endpoint.concurrency
    ready: deque[_Job] = deque()
    unread: list[_Job] = []
    with (
      Caller(self._endpoint) as caller,
      Crew(lambda errand: self._answer(caller, errand), size) as crew,
    ):
      self._check_room(caller)
      while True:
        # Twice as many, so that calls go on while the verifier reads.
        if not ready and crew.under_way < 2 * size:
          ready.extend(_Job(*new[:2]) for new in itertools.islice(pending, 1))
        if ready:
          job = ready.popleft()
          if not self._resume(job, crew):
            yield job.question, job.rows
          elif not job.waiting:
            unread.append(job)
          continue
        if not (unread or crew.under_way):
          return
        for errand, reply in crew.take(0.0 if unread else _GLANCE_S):
          self._grow(errand, *reply)
          if not errand.job.waiting:
            unread.append(errand.job)
        self._report(caller, crew)
        if self._reader is not None:
          reading.read(self._reader, [(j.question, j.rows) for j in unread])
        ready += unread
        unread.clear()

  def _check_room(self, caller: Caller) -> None:
    """Asks once whether the longest row has room."""
    if self._longest is None:
      return
    answered = []
    with Crew(lambda _: caller.context(), 1) as crew:
      crew.give(None)
      while not answered:
        answered = [context for _, context in crew.take(_GLANCE_S)]
        self._report(caller, crew)
    (context,) = answered
    if context is not None and context < self._longest:
      raise ValueError(
        f'A row has up to {self._longest} tokens, and {self._endpoint.model!r} '
        f'at {self._endpoint.url} has room for {context}; lower '
        'Generation.max_tokens, keep fewer attempts in the context, or set '
        'Solver.prompt_tokens to skip long prompts.'
      )
    self._longest = None

  def _resume(self, job: _Job, crew: Crew) -> bool:
    """Resumes a plan until it waits; False at its end, with what it returned.

    It waits for calls or, where none are under way, for the verifier.
    """
    while True:
      try:
        request = next(job.plan)
      except StopIteration as stop:
        job.rows = stop.value
        return False
      job.rows = list(request.rows)
      errands = self._errands(job, request)
      job.waiting = len(errands)
      for errand in errands:
        crew.give(errand)
      lacks = self._reader is not None and any(map(reading.lacks, job.rows))
      if errands or lacks:
        return True

  def _errands(self, job: _Job, request: Prefill | Extend) -> list[_Errand]:
    """The calls that a request needs; known tokens need none."""
    if isinstance(request, Prefill):
      return []
    generation, steps = self._models.generation, request.steps
    if steps:
      self._endpoint.check_steps(f'the plan of question {job.question.id}')
      self._tell_steps()
    temperature = generation.temperature
    if request.temperature is not None:
      temperature = request.temperature
    if request.greedy:
      temperature = 0.0
    growing = [
      (row, most)
      for row, most in zip(
        request.rows, request.most(generation.max_step_tokens), strict=True
      )
      if most > 0 and not row.done
    ]
    fold_keys(row for row, _ in growing)
    # Rows that pause after several steps go apart at the first of them, and of
    # most likely tokens no server wants to tell several.
    several = temperature > 0 and steps <= 1
    size = self._endpoint.choices if several else 1
    alike = itertools.groupby(growing, lambda pair: (pair[0].tokens, pair[1]))
    errands = []
    for (tokens, most), group in alike:
      rows = [row for row, _ in group]
      for at in range(0, len(rows), size):
        some = rows[at : at + size]
        call = Call(
          tuple(tokens), most, len(some), temperature, some[0].key, steps > 0
        )
        whole = not steps and request.allowance is None
        errands.append(_Errand(job, some, call, steps, whole))
    return errands

  def _answer(
    self, caller: Caller, errand: _Errand
  ) -> tuple[list[Answer], list[tuple[str, Work]]]:
    """Answers for the rows of an errand, and what they cost; in any thread."""
    step_end, end = self._models.marks
    call, left = errand.call, errand.steps
    answers, costs = self._ask(caller, call)
    while left > 1:  # for a row of its own
      so_far = answers[0]
      left -= 1
      most = errand.call.most - len(so_far.tokens)
      last = so_far.tokens[-1]
      if so_far.cut or end[last] or not step_end[last] or most < 1:
        break
      call = dataclasses.replace(
        call, tokens=(*errand.call.tokens, *so_far.tokens), most=most
      )
      (new,), more = self._ask(caller, call)
      answers, costs = [so_far.then(new)], costs + more
    return answers, costs

  def _ask(
    self, caller: Caller, call: Call
  ) -> tuple[list[Answer], list[tuple[str, Work]]]:
    """Makes one call."""

    def read(reply):
      answers = self._wire.answers(call, reply)
      usage = self._wire.usage(call, reply, answers)
      return answers, list(_costs(call, answers, usage))

    return caller.post('completions', self._wire.fields(call), read)

  def _grow(
    self,
    errand: _Errand,
    answers: list[Answer],
    costs: list[tuple[str, Work]],
  ) -> None:
    """Gives rows their answers, and the question their cost."""
    end = self._models.marks[1]
    for row, answer in zip(errand.rows, answers, strict=True):
      row.tokens += answer.tokens
      known = row.logprob is not None and answer.logprob is not None
      row.logprob = row.logprob + answer.logprob if known else None
      row.done = (
        errand.whole
        or answer.cut
        or end[row.tokens[-1]]
        or len(row.tokens) >= row.limit
      )
    for kind, work in costs:
      errand.job.question.cost.add(kind, work)
      self.traffic.useful += work.tokens
      self.traffic.executed += work.executed
    self.traffic.answers += len(answers)
    errand.job.waiting -= 1

  def _tell_steps(self) -> None:
    if not self._steps_told:
      self._say(
        'each step is a call that sends all before it again, and the verifier '
        'reads that again: no caches are kept between steps'
      )
    self._steps_told = True

  def _report(self, caller: Caller, crew: Crew) -> None:
    self.traffic.rows = min(crew.under_way, self._endpoint.concurrency)
    self.traffic.retried = caller.retried
    self.traffic.trouble = caller.trouble
    self._watch(self.traffic)


def _costs(
  call: Call, answers: list[Answer], usage: Usage
) -> Iterator[tuple[str, Work]]:
  """The work of a call: tokens as its usage has them, keys as they follow."""
  keys = accounting.keys(usage.cached, usage.read)
  yield 'proposer_prefill', Work(usage.read, usage.read, keys, keys)
  prompt = len(call.tokens)
  kept = sum(len(answer.tokens) for answer in answers)
  keys = sum(accounting.keys(prompt, len(a.tokens)) for a in answers)
  useful = min(kept, usage.sampled)  # a text may be other tokens here
  yield (
    'proposer_decode',
    Work(
      useful,
      usage.sampled,
      keys * useful / kept,
      keys * usage.sampled / kept,
    ),
  )
