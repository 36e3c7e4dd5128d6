"""Profiles: traces some steps of a stage for TensorBoard, XProf or Perfetto.

    profile/plugins/profile/<time>/    below the stage's folder

In a trace the device programs have names (`train_step`, `extend`, `prefill`,
`copy`), and the host's time carries the name of the stage.
"""

from collections.abc import Callable
import pathlib
import shutil
import tempfile

from ttc.runtime import storage

STEPS = 20  # number of steps to trace, unless another is requested
_FOLDER = 'profile'


class Profile:
  """Traces a number of steps of a stage, from its second `tick` on.

  Compiling the programs, before the first `tick`, would fill the trace.
  """

  def __init__(
    self, folder: pathlib.Path, steps: int, say: Callable[[str], None]
  ):
    """Starts no trace yet.

    Args:
      folder: the stage's folder.
      steps: number of training steps, or of rounds of the scheduler, to trace.
      say: called with a message that names the trace.
    """
    self._folder, self._left, self._say = folder / _FOLDER, steps, say
    self._ready, self._scope = False, None
    self._at: pathlib.Path | None = None  # where a trace is being written

  def tick(self, steps: int = 1) -> None:
    """Counts steps that are done; starts and ends the trace."""
    if self._at is not None:
      self._left -= steps
      if self._left <= 0:
        self.close()
    elif self._left > 0:
      if self._ready:
        self._start()
      self._ready = True

  def close(self) -> None:
    """Ends the trace if one has started; no other follows."""
    if self._at is None:
      return
    import jax

    self._scope.__exit__(None, None, None)
    jax.profiler.stop_trace()
    if storage.is_remote(self._folder):
      for file in self._at.rglob('*'):
        if file.is_file():
          target = self._folder / str(file.relative_to(self._at))
          storage.write_atomic(target, file.read_bytes())
      shutil.rmtree(self._at)
    self._left, self._at = 0, None
    self._say(f'a trace is in {self._folder}')

  def _start(self) -> None:
    import jax

    self._at = self._folder
    if storage.is_remote(self._folder):
      self._at = pathlib.Path(tempfile.mkdtemp())  # copied there at the end
    jax.profiler.start_trace(str(self._at))
    self._scope = jax.profiler.TraceAnnotation(self._folder.parent.name)
    self._scope.__enter__()
