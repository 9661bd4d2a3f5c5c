"""What `python -m macrid.reproduce` and `python -m macrid.tune` run.

systems    what can be a row: the baselines, the model, and the model with one thing changed
planning   which rows a table has on the data at hand, and its units: one fit each
running    the units side by side in processes, each kept as a file
results    from the metrics of all fits to a table: means and paired comparisons
suite      macrid as it comes, and its peers, on many data sets: systems and units
outside    peers that the package implicit fits
suite_table  what the suite says: rows, differences, verdicts
search     the search for options of section 4.1.3
"""
