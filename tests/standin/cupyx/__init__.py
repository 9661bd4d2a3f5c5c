"""The stand-in of cupyx: see cupy."""
