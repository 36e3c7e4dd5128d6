"""What is left of an experiment is told when a stage of it is complete."""

from ttc.cli.forecast import Forecast


def test_the_time_left_is_what_stages_of_the_same_names_took():
  forecast = Forecast(['train', 'search'] * 3 + ['report'])
  assert forecast.after('train', 60.0) == '; 6 stages left, more than 2 m 00 s'
  assert forecast.after('search', 5.0) == '; 5 stages left, more than 2 m 10 s'
  assert forecast.after('train', 80.0) == '; 4 stages left, more than 1 m 20 s'
  forecast.after('search', 7.0)
  assert forecast.after('report', 1.0) == '; 2 stages left, about 1 m 16 s'
  assert forecast.after('train', 70.0) == '; 1 stage left, about 6.0 s'
  assert forecast.after('search', 6.0) == ''


def test_without_another_seed_stages_are_counted():
  assert Forecast(['a', 'b', 'c']).after('a', 9.0) == '; 2 stages left'
