"""From a ratings file, or a table in memory, to a `Split`: who adopted what.

adoptions       `Interactions`: users by items, with ids, titles, categories and pictures
loading         a ratings file, a MovieLens folder or lists of ids -> `Interactions`
ratings_file    CSV, TSV and the like: how a file is laid out, and its rows
opening         a text file, plain or gzip, or a pipe
separators      what divides the fields of a file
json_lines      categories in a file of JSON lines
parquet         Parquet files, where pandas or pyarrow is installed
movielens       the titles and genres of a MovieLens folder
column_names    which columns hold users, items and ratings
events          ignored columns that may say which rows are adoptions
catalogue       `Catalogue`: what is known of items; categories as paths, taken at any level
items           a table of items (--items): titles, categories, brands, prices, pictures, numbers
likeness        what is known of items as vectors whose cosine says how alike they are
event_weights   kinds of events, weighed: which pairs are adoptions
times           when a row happened, from numbers and dates
in_memory       a table in memory: ids become numbers, ratings too
ids             which values may be ids, as which text, and what looks like damage to them
swapped         whether the columns of users and items seem exchanged
matrix          a SciPy matrix in canonical form, its numbers checked, and who adopted what
sources         a path, rows, a matrix or a DataFrame -> `Interactions`
lookup          users and items by their ids: which rows and columns are asked for
selection       the items that a list may have: by ids, a file of ids, a category
checks          what may be wrong with data that can be read
splits          `Split`: what training sees, and users with some items known and some hidden
parts           the files of a split that somebody has made, joined
shop            made data with a known truth, which needs no download
shop_pictures   the shop's pictures, drawn
"""

from macrid.data.adoptions import Interactions, Truth, with_categories
from macrid.data.loading import (
    categorised,
    file_and_column,
    from_pairs,
    from_table,
    load,
    read_categories,
    read_movielens,
    read_rows,
    read_table,
)

__all__ = [
    "Interactions",
    "Truth",
    "categorised",
    "file_and_column",
    "from_pairs",
    "from_table",
    "load",
    "read_categories",
    "read_movielens",
    "read_rows",
    "read_table",
    "with_categories",
]
