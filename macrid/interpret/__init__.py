"""What a trained model has learned: concepts against categories, dimensions against attributes,
figures.
"""
