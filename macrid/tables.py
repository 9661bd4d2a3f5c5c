"""Rows of a CSV or TSV file, with or without a header, and what is wrong with them."""

import csv

from macrid.errors import UserError

USER_NAMES = {"user", "userid", "uid", "reviewerid", "customer", "customerid"}
ITEM_NAMES = {"item", "itemid", "iid", "movieid", "asin", "product", "productid", "sku", "articleid"}
RATING_NAMES = {"rating", "score", "stars", "overall"}


def read_rows(path, required=None):
    """Yield (line number, fields) of a CSV or TSV; fields are [user, item[, rating]] or the `required` columns."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from _checked_rows(path, file, required)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text (byte {error.object[error.start]:#04x}); save it as UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path}: is not a CSV or TSV file ({error})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def _checked_rows(path, file, required):
    first_line = file.readline()
    if not first_line.strip():
        raise UserError(f"{path}: is empty; expected lines of user,item[,rating[,timestamp]]")
    delimiter = "\t" if "\t" in first_line else ","
    file.seek(0)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    first = next(reader)
    columns = _named_columns(path, first, required) or _positions(path, first)
    width = len(first)
    if columns != list(range(len(columns))) or width != len(columns):
        pick = lambda row: [row[column] for column in columns]  # noqa: E731
    else:
        pick = None
    header = _is_header(first, required)
    if not header:
        yield 1, pick(first) if pick else first
    for row in reader:
        if len(row) != width:
            if not row:
                continue  # a blank line
            raise UserError(f"{path}, line {reader.line_num}: found {len(row)} fields, expected {width} as in line 1; mend the line")
        yield reader.line_num, pick(row) if pick else row


def _is_header(row, required):
    names = {plain(name) for name in row}
    return required is not None or bool(names & (USER_NAMES | ITEM_NAMES | RATING_NAMES))


def _named_columns(path, row, required):
    """The wanted columns by the header's names, or None where line 1 is no header."""
    if not _is_header(row, required):
        return None
    names = [plain(name) for name in row]
    if required is None:
        wanted = [USER_NAMES, ITEM_NAMES] + [RATING_NAMES] * bool(RATING_NAMES & set(names))
        expected = "columns such as user,item[,rating[,timestamp]]"
    else:
        wanted = [{plain(name)} if isinstance(name, str) else name for name in required]
        expected = ",".join(name if isinstance(name, str) else "item" for name in required)
    columns = [next((j for j, name in enumerate(names) if name in known), None) for known in wanted]
    if None in columns:
        raise UserError(f"{path}, line 1: the header is '{','.join(row)}', expected {expected}; name the columns so")
    return columns


def _positions(path, row):
    """The columns of a file without a header."""
    if not 2 <= len(row) <= 4:
        raise UserError(f"{path}, line 1: found {len(row)} field{'s' * (len(row) != 1)}, expected user,item[,rating[,timestamp]]")
    if len(row) > 2:
        try:
            float(row[2])
        except ValueError:
            raise UserError(
                f"{path}, line 1: '{','.join(row)}' is neither a header such as user,item,rating nor has '{row[2]}' a number for a rating"
            ) from None
    return list(range(min(len(row), 3)))


def plain(name):
    """A column's name without case, spaces and underscores: 'User_ID' is 'userid'."""
    return "".join(character for character in name.lower() if character.isalnum())
