"""What a trained model has learned.

macro        concepts against true categories
micro        dimensions against true attributes; their independence
truth        a trained model against what is known of its data: the tables that train ends with
maps         what is shown of a run: named concepts, items and users in two dimensions
trajectory   section 3.5: one dimension of an item or a user is turned, equation (12)
knobs        which dimensions are worth turning
drawing      the figures
"""
