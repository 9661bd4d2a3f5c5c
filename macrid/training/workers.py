"""Processes and threads: how many work at a time.

Work side by side is done in processes of one thread each, so that results do not depend on how many
there are.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import wraps
from multiprocessing.connection import wait
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from macrid import backend

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# multiplications in a step's products: below, a second thread spares a quarter of a step at most
SMALL_STEP = 1 << 31

Function = TypeVar("Function", bound=Callable[..., Any])

_parent = None  # in a worker: the queue to the process that started it


def cores(config) -> int:
    """How many processes to run at a time: one a core, or one on a GPU, or in a worker."""
    if config.backend != "numpy" or _parent is not None:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blas_threads(split, config) -> threadpool_limits:
    """A context in which BLAS has `config.threads` threads.

    With 0 it has one where a step is small, else as many as it likes. Threads that wait for each
    other spin: with other work on the machine they take several times the CPU, and the time.
    """
    M = min(len(split.items), config.candidates or len(split.items))
    of_step = 3 * config.batch_size * M * config.d * config.K
    threads = config.threads or (1 if of_step < SMALL_STEP else None)
    return threadpool_limits(threads, user_api="blas")


def limited(train: Function) -> Function:
    """Decorate `train(split, config, ...)`: it runs with `blas_threads`."""

    @wraps(train)
    def with_threads(split, config, *rest, **options):
        with blas_threads(split, config):
            return train(split, config, *rest, **options)

    return with_threads  # type: ignore[return-value]


def tell(message) -> None:
    """From a worker: have the process that started it call its `on_message(message)`."""
    assert _parent is not None
    _parent.put(message)


@contextmanager
def workers(jobs: int, on_message: Callable | None = None) -> Iterator[Callable]:
    """A pool of processes of one thread each. Yields its `submit`.

    Ctrl-C is for this process, which then ends the others; they end too when it is killed. What
    they `tell` is passed to `on_message`, by another thread.
    """
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(queue, on_message), daemon=True)
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(queue,))

    def submit(*call):  # processes are started in here, and inherit what is blocked
        if not hasattr(signal, "pthread_sigmask"):
            return pool.submit(*call)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return pool.submit(*call)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    listener.start()
    try:
        yield submit
        queue.put(None)
        listener.join()  # until all that was told has been heard
    except BaseException:
        for child in multiprocessing.active_children():
            child.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _listen(queue, on_message):
    while (message := queue.get()) is not None:
        on_message(message)


def _begin(queue):
    """Before the first call in a process: it ends when the one that started it does."""
    global _parent
    _parent = queue
    backend.keep_freed_memory()
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()
