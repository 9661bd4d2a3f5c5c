"""What a user can mend: one class, which every command turns into one clear line."""


class UserError(ValueError):
    """Something outside the code is wrong: a file, a flag, a value.

    The message is one line. It names the file and line where there is one, says what was found and
    what was expected, and ends with the remedy. Commands print it and exit with status 2.
    """


class NotTrained(UserError, AttributeError):
    """Something of a model was asked for that training makes."""
