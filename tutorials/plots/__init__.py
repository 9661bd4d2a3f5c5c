"""The figures of the notebooks, a module for each: how they are drawn is not what they teach."""
