"""How good rankings are, and what a difference between two systems is worth.

metrics      NDCG and recall of each held-out user; means, standard errors, paired differences
statistics   tests of paired differences, intervals, Holm's correction
"""
