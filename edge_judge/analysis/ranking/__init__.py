"""A ranking of systems from a judge's votes on pairs of their answers.

games.py           the votes
design.py          who meets whom, the pairs to judge, the votes that verdicts are
totals.py          their sums by question and pair
resampling.py      seeded resamples of whole questions, shared by everything that resamples
win_rates.py       win rates with intervals
davidson.py        the Bradley-Terry model with ties, fitted to many resamples at once
ratings.py         ratings, ranks, and which systems can be told apart
logistic.py        logistic regression on shares, with errors that allow for clusters
length_control.py  win rates at equal lengths, and the judge's own preference for long answers
quality.py         how far the votes can be relied on: position bias, consistency, cycles
two_judges.py      whether another judge ranks the systems alike
combined.py        several judges that vote as one: a jury, a cascade
pairs.py           both orders of a pair as one observation
stopping.py        who beats whom, as soon as it is known
suggest.py         which pairs a person should label next
labels.py          win rates corrected by a person's labels
prediction_powered.py  the estimate from few labels and all scores
standings.py       all of it about systems that were ranked
"""
