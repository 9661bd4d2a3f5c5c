"""The paper's tables, as `python -m macrid.reproduce` makes them.

systems   what can be a row: the baselines, the model, and the model with one thing changed
results   from the figures of all fits to a table
"""
