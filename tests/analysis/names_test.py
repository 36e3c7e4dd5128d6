"""What people read instead of a repr, checked against the real reprs."""

from ttc.analysis import names


def repr_of(allocator, lookahead=0, distinct=True):
  return (
    f'StepSearch(allocator={allocator}, lookahead={lookahead}, '
    f'rounds=40, distinct={distinct})'
  )


def test_short_names():
  assert names.short(repr_of('Beam(width=4)')) == names.BEAM
  assert names.short(repr_of("Beam(width='sqrt')")) == 'beam M=√N'
  assert names.short(repr_of("Beam(width='sqrt')", 1)) == 'lookahead k=1, M=√N'
  assert names.short(repr_of('Beam(width=4)', 3)) == 'lookahead k=3, M=4'
  assert names.short(repr_of('Dvts(width=4)')) == 'DVTS M=4'
  assert names.short(repr_of('Dvts(width=4)', 1)) == 'lookahead k=1, DVTS, M=4'
  assert names.short(repr_of('Rebase(temperature=0.2)')) == 'REBASE'
  assert names.short('Other(width=3)') == 'Other(width=3)'
  assert names.short(repr_of('Novel(x=1)')) == repr_of('Novel(x=1)')


def test_names_that_would_coincide_stay_apart():
  kept, copied = repr_of('Beam(width=4)'), repr_of('Beam(width=4)', 0, False)
  dvts = repr_of('Dvts(width=4)')
  assert names.unique([kept, copied, dvts]) == {
    kept: 'beam M=4, distinct=True',
    copied: 'beam M=4, distinct=False',
    dvts: 'DVTS M=4',
  }


def test_fields_that_are_not_known_tell_names_apart():
  plain = 'StepSearch(allocator=Beam(width=4), lookahead=0, rounds=40)'
  sparse = plain.replace('rounds=40', 'rounds=40, every=2')
  shown = names.unique(
    [plain, sparse, 'New(x=1)', 'New(x=2)', 'GreedySeeded()']
  )
  assert shown[plain] == 'beam M=4'
  assert shown[sparse] == 'beam M=4, every=2'
  assert shown['New(x=2)'] == 'New(x=2)'
  assert names.short('GreedySeeded()') == 'greedy-seeded'
  guided = "Guided(strategy={}, first=1, marks=Marks(good=''), accept=None)"
  assert names.short(guided.format('BestOfN()')) == 'guided'
  beam = guided.format(repr_of('Beam(width=4)'))
  assert names.short(beam) == 'guided × beam M=4'
  assert len(set(shown.values())) == len(shown)


def test_what_no_field_tells_apart_keeps_its_repr():
  one, other = 'Mcts(width=4)', 'Mcts(4, width=4)'
  assert names.unique([one, other]) == {one: one, other: other}


def test_real_strategies_are_known():
  from ttc.search.allocate import Beam, Dvts, Rebase
  from ttc.search.backtrack import Backtrack
  from ttc.search.mcts import Mcts
  from ttc.search.strategies import StepSearch

  found = [
    names.short(repr(StepSearch(a)))
    for a in (Beam(), Beam('sqrt'), Dvts(), Rebase())
  ]
  assert found == ['beam M=4', 'beam M=√N', 'DVTS M=4', 'REBASE']
  found = [names.short(repr(s)) for s in (Mcts(), Mcts(4), Mcts(4, rollouts=2))]
  assert names.short(repr(Backtrack(width=3))) == 'backtrack M=3'
  assert found == ['MCTS M=√N', 'MCTS M=4', 'MCTS M=4, K=2']


def test_temperatures_are_named():
  from ttc.search.strategies import BestOfN, Greedy, StepSearch
  from ttc.search.tempered import Tempered

  found = [
    names.short(repr(Tempered(strategy, 0.3)))
    for strategy in (BestOfN(), StepSearch(), Tempered(BestOfN(), 1.0))
  ]
  assert found == ['best-of-N T=0.3', 'beam M=4 T=0.3', 'best-of-N T=1.0 T=0.3']
  assert names.short(repr(Tempered(Greedy()))) == 'Greedy() T=1.0'


def test_sparse_searches_and_kept_rows_are_named():
  from ttc.search.allocate import Keep
  from ttc.search.sparse import Sparse
  from ttc.search.strategies import StepSearch
  from ttc.search.tempered import Tempered

  kept = StepSearch(Keep(2))
  assert names.short(repr(kept)) == 'beam K=2'
  assert names.short(repr(Sparse(kept, 3))) == 'beam K=2 g=3'
  assert names.short(repr(Tempered(Sparse(), 0.5))) == 'beam M=4 g=2 T=0.5'


def test_ratios():
  assert names.ratio(8, 2) == '4:1'
  assert names.ratio(1, 16) == '1:16'
  assert names.ratio(4, 4) == '1:1'


def test_what_an_arm_spends_is_in_its_name():
  for arm in ('beam M=4', 'lookahead k=1, M=√N', names.WEIGHTED):
    assert names.spent(names.at(arm, 4), 16) == (arm, 4)
    assert names.spent(arm, 16) == (arm, 16)
