"""A trace of some steps of a stage, for TensorBoard, XProf or Perfetto.

    profile/plugins/profile/<time>/    below the stage's folder

Device programs are named there by what they do (`train_step`, `extend`,
`prefill`, `copy`), what the host does by its stage.
"""

from collections.abc import Callable
import pathlib
import shutil
import tempfile

from ttc.runtime import storage

STEPS = 20  # traced if no number is given
_FOLDER = 'profile'


class Profile:
  """Traces a stage from its second measurement on, for so many steps.

  The first measurement has compiled the programs, which would fill the trace.
  """

  def __init__(
    self, folder: pathlib.Path, steps: int, say: Callable[[str], None]
  ):
    """Nothing is traced yet.

    Args:
      folder: of the stage.
      steps: of training, or rounds of the scheduler.
      say: is told where the trace is.
    """
    self._folder, self._left, self._say = folder / _FOLDER, steps, say
    self._ready, self._scope = False, None
    self._at: pathlib.Path | None = None

  def tick(self, steps: int = 1) -> None:
    """So many steps are done."""
    if self._at is not None:
      self._left -= steps
      if self._left <= 0:
        self.close()
    elif self._left > 0:
      if self._ready:
        self._start()
      self._ready = True

  def close(self) -> None:
    """Ends a trace that has begun; there will be no other."""
    if self._at is None:
      return
    import jax

    self._scope.__exit__(None, None, None)
    jax.profiler.stop_trace()
    if storage.is_remote(self._folder):
      for found in self._at.rglob('*'):
        if found.is_file():
          target = self._folder / str(found.relative_to(self._at))
          storage.write_atomic(target, found.read_bytes())
      shutil.rmtree(self._at)
    self._left, self._at = 0, None
    self._say(f'a trace is in {self._folder}')

  def _start(self) -> None:
    import jax

    self._at = self._folder
    if storage.is_remote(self._folder):
      self._at = pathlib.Path(tempfile.mkdtemp())
    jax.profiler.start_trace(str(self._at))
    self._scope = jax.profiler.TraceAnnotation(self._folder.parent.name)
    self._scope.__enter__()
