"""What is left of an experiment is told, as far as other seeds let know."""

import io

from tests.cli.little_stages import Coin, Toss
from ttc.cli.forecast import Forecast
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.runtime.progress import Progress


def test_the_time_left_is_what_stages_of_the_same_names_took():
  forecast = Forecast(['train', 'search'] * 3 + ['report'])
  assert forecast.after(60.0) == '; 6 stages left, more than 2 m 00 s'
  assert forecast.after(5.0) == '; 5 stages left, more than 2 m 10 s'
  assert forecast.after(80.0) == '; 4 stages left, more than 1 m 20 s'
  assert forecast.after(7.0) == '; 3 stages left, more than 1 m 16 s'
  assert forecast.after(70.0) == '; 2 stages left, more than 6.0 s'
  assert forecast.after(6.0) == '; 1 stage left'
  assert forecast.after(1.0) == ''


def test_without_another_seed_stages_are_counted():
  forecast = Forecast(['a', 'b', 'c'])
  assert forecast.whole(3.0) == ''
  assert forecast.after(9.0) == '; 2 stages left'


def test_the_stage_at_work_counts_with_what_is_left_of_it():
  forecast = Forecast(['train', 'search', 'train', 'search'])
  forecast.after(60.0)
  assert forecast.whole(5.0) == ' (more than 1 m 05 s of the experiment)'
  forecast.after(10.0)
  assert forecast.whole(50.0) == ' (about 1 m 00 s of the experiment)'
  forecast.after(60.0)
  assert forecast.whole(10.0) == ''


def test_the_progress_line_tells_both(tmp_path, capsys):
  clock = iter([0.0, 10.0, 10.0])
  stream = io.StringIO()
  progress = Progress(
    'toss', 4, stream=stream, clock=lambda: next(clock), whole='{:.0f}!'.format
  )
  progress.advance(1)
  assert ', 30 s left30!' in stream.getvalue()
  place = Place(tmp_path, whole=lambda seconds: ' (and more)')
  line = StageRun(Toss(coin=Coin()), place, 0).progress(4, 'questions')
  line.advance(1)
  line.close()
  assert ' left (and more)' in capsys.readouterr().err
