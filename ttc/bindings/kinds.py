"""The kinds of stages: subcommands of `ttc`, and what their help says."""

KINDS = {
  'pretrain': 'train a language model from scratch',
  'sample': 'sample solutions of questions',
  'label': 'label steps by Monte-Carlo rollouts',
  'train': 'finetune a proposer or a verifier on data of earlier stages',
  'revise_data': 'pair wrong attempts with correct ones into trajectories',
  'distill': 'keep right answers, to train the proposer on',
  'difficulty': 'sample the test questions to estimate their difficulty',
  'search': 'search against a verifier, over strategies and budgets',
  'revise': 'sample revision chains, sequential against parallel',
  'evaluate_prm': 'value the steps of solutions, and find their first error',
  'policy': 'choose the best strategy for each difficulty and budget',
  'apply_policy': 'answer questions by a fitted policy',
  'apply_revisions': 'answer questions by a fitted policy over revisions',
  'probe': 'read prompts, to predict difficulty before sampling',
  'fit_allocation': 'learn from fitting questions how to spend a budget',
  'allocate': 'spend a budget over all questions, as results come in',
  'compare': 'compare proposers, or verifiers, on the same questions',
  'report': 'draw the figures and write the summary',
}
