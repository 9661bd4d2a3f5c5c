"""Ctrl-C while a command is still being imported: one line, as `terminal.run` has it later."""

import os
import signal
import sys

ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def status(number: int) -> int:
    """The exit status of a command that a signal has ended: 2 after Ctrl-C, as after a mistake."""
    return 2 if number == signal.SIGINT else 128 + number


def is_command() -> bool:
    """Is this process `python -m macrid...` amid its imports, `macrid`, or one of our scripts?"""
    called = sys.argv[0] if sys.argv else ""
    is_module = called == "-m" and any(
        f"{word}.".startswith("macrid.") for word in sys.orig_argv[2:]
    )
    folder, name = os.path.split(os.path.abspath(called))
    return is_module or name in ("macrid", "macrid.exe") or folder.endswith("data_scripts")


def watch() -> None:
    """End this process with a line at the first signal."""

    def end(number, _):
        try:
            os.write(2, b"error: interrupted\n")
        finally:
            os._exit(status(number))

    for number in ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, end)


if is_command():
    watch()
