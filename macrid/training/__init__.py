"""From a split to trained parameters.

batch         the users of a step, and all of its noise
adam          one step of Adam, in place
fit           the loop: start, epochs, the best parameters, when to stop
seeds         several models side by side, their ln P averaged
workers       processes of one thread each, for that and for tables
log           a line an epoch, by Python's `logging`
warm_start    a start from an earlier model
adaptive      section 4.1.4: concepts that spread over the items alike are dropped
linear_path   a ridge regression added to the trained logits
ridge         that regression, which is a baseline too
neighbours    the same of each item on those nearest to it, for large catalogues
parallel      several processes, the gradients summed by MPI
checkpoint    the state after each epoch: saved, checked, loaded
saved         a baseline in one file
"""
