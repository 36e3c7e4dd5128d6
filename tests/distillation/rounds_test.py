"""The published rounds: each samples from the model of the round before."""

from ttc.cli import configuration


def _stages(name):
  experiment, *_ = configuration.load((f'gin/experiments/{name}.gin',), ())
  return {stage.name: stage for stage in experiment.stages}, experiment.report


def test_a_round_samples_from_the_last_and_trains_from_the_base():
  stages, compare = _stages('worksheet_distill')
  for kind, verifier in (('rest', ''), ('beam', 'prm')):
    for number, proposer in ((1, 'pretrain'), (2, f'{kind}_1')):
      name = f'{kind}_{number}'
      answers = stages[f'{name}_answers'].solver
      assert (answers.proposer, answers.verifier) == (proposer, verifier)
      assert answers.split == 'finetune'
      assert stages[f'{name}_data'].source == f'{name}_answers'
      train = stages[name]
      assert (train.source.stage, train.start) == (f'{name}_data', 'pretrain')
      assert train.fit == stages['rest_1'].fit
      test = stages[f'{name}_test']
      assert (test.solver.proposer, test.num) == (name, compare.n)
  for name, temperature in (('base_test', 0.7), ('cool_test', 0.4)):
    solver = stages[name].solver
    assert solver.proposer == 'pretrain'
    assert solver.generation.temperature == temperature
  made = {p.samples: p.made for p in compare.proposers}
  assert made['rest_2_test'] == ('rest_1_answers', 'rest_2_answers')
  assert made['beam_2_test'] == ('beam_1_answers', 'beam_2_answers')


def test_what_is_fitted_anew_is_of_the_last_proposer():
  stages, _ = _stages('worksheet_distill_refit')
  assert stages['refit_label'].source == 'refit_samples'
  assert stages['refit_prm'].source.stage == 'refit_label'
  for name in ('refit_samples', 'refit_label', 'difficulty', 'search'):
    assert stages[name].solver.proposer == 'rest_2'
  for name in ('difficulty', 'search'):
    assert stages[name].solver.verifier == 'refit_prm'


def test_studies_of_verifiers_differ_from_the_first_in_one_thing():
  stages, compare = _stages('verifier_studies')
  first = stages['prm']
  assert compare.verifiers[0] == 'prm_read'
  for read in compare.verifiers[2:]:
    name = stages[read].solver.verifier
    train = stages[name]
    assert read == f'{name}_read'
    differ = [
      getattr(train.source, field) != getattr(first.source, field)
      for field in ('relabel', 'rollouts')
    ] + [train.fit.window != first.fit.window]
    assert sum(differ) == 1, name
    assert train.fit.loop == first.fit.loop == stages['orm'].fit.loop
