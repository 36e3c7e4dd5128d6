"""Files with other content, and results of other code, are not mixed in."""

import dataclasses
import functools
import importlib
import json
import sys

import pytest

from tests import recording
from tests.cli.dealing import Deal, Deck
from tests.cli.little_stages import Coin, Count, Toss
from ttc.pipeline import completed, contents, inputs, provenance, records
from ttc.pipeline.place import Place
from ttc.pipeline.stage import RefusedError, StageRun
from ttc.runtime import source
from ttc.search.allocate import Beam


@pytest.fixture
def cards(tmp_path):
  path = tmp_path / 'cards.txt'
  path.write_text('a b c d')
  return path


def _deal(tmp_path, cards, **fields):
  stage = Deal(Deck(str(cards)), **fields)
  return StageRun(stage, Place(tmp_path / 'runs'), 0)


def test_a_file_edited_in_between_is_refused(tmp_path, cards):
  with pytest.raises(RuntimeError):
    _deal(tmp_path, cards, fail_at=2).work()
  cards.write_text('a b c X')
  run = _deal(tmp_path, cards, fail_at=2)
  for attempt in (run.check, run.work):
    with pytest.raises(RefusedError, match=r'other content') as why:
      attempt()
    assert str(cards) in str(why.value)
  cards.write_text('a b c d')
  with pytest.raises(RuntimeError):
    _deal(tmp_path, cards, fail_at=2).work()


def test_a_file_edited_after_the_end_is_refused_too(tmp_path, cards):
  _deal(tmp_path, cards).work()
  assert _deal(tmp_path, cards).is_complete()
  cards.write_text('a b c d e')
  with pytest.raises(RefusedError, match='other content'):
    _deal(tmp_path, cards).is_complete()


def test_only_the_content_counts(tmp_path, cards):
  _deal(tmp_path, cards).work()
  cards.unlink()
  cards.write_text('a b c d')
  assert _deal(tmp_path, cards).is_complete()


def test_a_file_edited_since_the_command_began_is_refused(tmp_path, cards):
  first = _deal(tmp_path, cards)
  later = StageRun(Deal(Deck(str(cards)), name='later'), first.place, 0)
  first.work()
  cards.write_text('w x y z')
  with pytest.raises(RefusedError, match='while this command ran'):
    later.work()
  assert not list(later.folder.glob('part-*'))


def test_a_file_edited_during_the_work_is_not_vouched_for(tmp_path, cards):
  run = _deal(tmp_path, cards)
  check = run.origin.check_unchanged

  def edited(label, config):
    check(label, config)  # as the work begins
    cards.write_text('w x y z')
    run.origin.check_unchanged = check

  run.origin.check_unchanged = edited
  with pytest.raises(RefusedError, match='while this command ran'):
    run.work()
  assert not (run.folder / records.MARK).exists()


def test_contents_of_nested_configurations(tmp_path, cards):
  stage = Deal(Deck(str(cards)))
  nested = {'stages': (stage, [stage])}
  assert contents.of(dataclasses.replace(stage)) == contents.of(stage)
  assert list(contents.of(stage)) == [str(cards)]
  table = {}
  contents._collect(nested, table)
  assert table == contents.of(stage)


def _begun_by(monkeypatch, **changes):
  real = provenance.current
  now = {**real(Toss(coin=Coin()), True), **changes}
  monkeypatch.setattr(provenance, 'current', lambda config, devices: now)


@pytest.mark.parametrize(
  'change',
  [{'source': 'abc'}, {'jax': '0.1'}, {'platform': 'tpu'}, {'modules': 'abc'}],
)
def test_other_code_in_the_midst_of_a_stage_is_refused(
  tmp_path, monkeypatch, change
):
  toss = lambda mixed: StageRun(
    Toss(coin=Coin(), fail_at=3), Place(tmp_path, mixed=mixed), 0
  )
  with monkeypatch.context() as patch:
    _begun_by(patch, **change)
    with pytest.raises(RuntimeError):
      toss(False).work()
  ((name, value),) = change.items()
  with pytest.raises(RefusedError, match=f'{name}: {value} before') as why:
    toss(False).work()
  assert '--allow_mixed' in str(why.value)
  with pytest.raises(RuntimeError):
    toss(True).work()
  about = json.loads((tmp_path / 'seed-0/toss/stage.json').read_text())
  assert about['made_by'][0][name] == value
  assert len(about['made_by']) == 2
  # What was allowed once is what the folder now is.
  with pytest.raises(RuntimeError):
    toss(False).work()


_OWN = """
import dataclasses
from tests.cli.little_stages import Toss

@dataclasses.dataclass(frozen=True)
class Coin:
  bias: float = 0.5

def side():
  return 1
"""


def _imported(name, text, folder):
  (folder / f'{name}.py').write_text(text)
  sys.modules.pop(name, None)
  importlib.invalidate_caches()
  return importlib.import_module(name)


@pytest.mark.parametrize('held', ['class', 'base', 'function', 'partial'])
def test_modules_of_a_user_are_part_of_the_code(tmp_path, monkeypatch, held):
  monkeypatch.syspath_prepend(str(tmp_path))
  monkeypatch.setattr(sys, 'dont_write_bytecode', True)

  def digest(text):
    own = _imported('own_module', text, tmp_path)
    mine = dataclasses.make_dataclass(
      'Mine', [], bases=(own.Coin,), frozen=True
    )
    value = {
      'class': own.Coin(),
      'base': mine(),
      'function': own.side,
      'partial': functools.partial(max, own.side),
    }[held]
    return source.outside(Toss(coin=(value, {'a': Beam()})))

  assert digest(_OWN) == digest(_OWN)
  assert digest(_OWN) != digest(f'{_OWN}# A comment is other code, too.')
  assert source.outside(Beam()) == ''


def test_a_stage_without_results_may_begin_anew(tmp_path, monkeypatch):
  toss = lambda: StageRun(Toss(coin=Coin(), fail_at=0), Place(tmp_path), 0)
  with monkeypatch.context() as patch:
    _begun_by(patch, source='abc')
    with pytest.raises(RuntimeError):
      toss().work()
  with pytest.raises(RuntimeError, match='rolled away'):
    toss().work()


def test_a_report_says_what_is_mixed(tmp_path, monkeypatch):
  toss = lambda **fields: StageRun(
    Toss(coin=Coin(), **fields), Place(tmp_path, mixed=True), 0
  )
  with monkeypatch.context() as patch:
    _begun_by(patch, source='abc')
    with pytest.raises(RuntimeError):
      toss(fail_at=3).work()
  about = json.loads((tmp_path / 'seed-0/toss/stage.json').read_text())
  about['bindings']['Toss.fail_at'] = None
  (tmp_path / 'seed-0/toss/stage.json').write_text(json.dumps(about))
  toss().work()
  lines = completed.made_with(tmp_path)
  assert lines[-1].startswith('seed-0/toss is mixed: ')
  assert 'source abc, then ' in lines[-1]
  assert f'source {source.digest()}' in lines[-1]


def test_an_input_made_again_by_other_code_is_another(tmp_path):
  place = Place(tmp_path)
  toss = StageRun(Toss(coin=Coin()), place, 0)
  toss.work()
  count = StageRun(Count(), place, 0)
  count.work()
  mark = records.read_mark(toss.folder)
  for path in records.part_paths(toss.folder):
    path.unlink()
  (toss.folder / records.MARK).unlink()
  (toss.folder / '.written-0.jsonl').unlink()
  for index in range(5):
    recording.write_part(toss.folder, index, 5, [{'problem': index}])
  facts = {'fingerprint': mark['fingerprint'], 'seconds': 1.0}
  records.mark_complete(toss.folder, facts)
  with pytest.raises(RefusedError, match='made from another'):
    StageRun(Count(), place, 0).is_complete()


def test_a_result_without_parts_made_again_is_another(tmp_path):
  place = Place(tmp_path)
  for stage in (Toss(coin=Coin()), Count()):
    StageRun(stage, place, 0).work()
  before = inputs.identity(tmp_path, 'seed-0/count')
  mark = records.read_mark(tmp_path / 'seed-0' / 'count')
  assert not mark['rows']
  # A revision whose identities were fingerprints alone is still continued.
  assert inputs.same('seed-0/count', mark['fingerprint'], before)
  (tmp_path / 'seed-0' / 'count' / 'heads.txt').write_text('99')
  del mark['rows'], mark['sha256'], mark['digest']
  names = completed.results(tmp_path / 'seed-0' / 'count')
  records.mark_complete(tmp_path / 'seed-0' / 'count', mark, *names)
  now = inputs.identity(tmp_path, 'seed-0/count')
  assert not inputs.same('seed-0/count', before, now)


def test_a_folder_made_elsewhere_is_its_content(tmp_path):
  folder = tmp_path / 'model'
  (folder / 'params').mkdir(parents=True)
  (folder / 'params' / 'a').write_bytes(b'1')
  first = inputs.identity(tmp_path, str(folder))
  assert inputs.same(str(folder), str(folder), first)  # of earlier revisions
  (folder / 'params' / 'a').write_bytes(b'2')
  second = inputs.identity(tmp_path, str(folder))
  assert not inputs.same(str(folder), first, second)
  assert inputs.outside(tmp_path, {'x': str(folder), 'y': 3}) == {
    str(folder): second
  }
