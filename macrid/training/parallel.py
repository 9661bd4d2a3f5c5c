r"""Training over several processes, each with a share of every batch; MPI sums the gradients.

The loss of a batch is a mean over its users, so with B_r of its B users in process r

    dloss/dtheta = sum_r (B_r / B) dloss_r/dtheta

and n processes do with a batch of n * batch_size what one would do, up to rounding. All of them
draw the same noise and take the rows of their users, and all make the same update, so the
parameters stay equal without being sent.
"""

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from macrid import backend
from macrid.data.splits import HeldOut
from macrid.errors import UserError, one_line
from macrid.training.batch import Noise

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS")  # what mpiexec tells its processes


@dataclass(frozen=True)
class Team:
    """The processes that train together.

    `comm` is mpi4py's communicator, or None for one process alone.
    """

    comm: Any = None

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return 0 if self.comm is None else self.comm.rank

    @property
    def size(self) -> int:
        """How many processes there are."""
        return 1 if self.comm is None else self.comm.size

    def share(self, X, noise: Noise, K: int) -> tuple:
        """This process's rows of a batch X (B, M) and its `Noise`, and its loss's weight B_r / B.

        Consecutive users, as many as the others' or one more. A batch of fewer users than processes
        is done by all.
        """
        B = X.shape[0]
        if B < self.size or self.size == 1:
            return X, noise, 1 / self.size
        rows = self._rows(B)
        dropout, items = noise.dropout, noise.items
        if dropout is not None:  # a mask has K rows a user
            dropout = [mask[rows.start * K : rows.stop * K] for mask in dropout]
        if items is not None:
            items = items[X.indptr[rows.start] : X.indptr[rows.stop]]
        noise = replace(noise, epsilon=noise.epsilon[rows], dropout=dropout, items=items)
        return X[rows], noise, (rows.stop - rows.start) / B

    def evaluate(self, metrics_of: Callable, part: HeldOut) -> dict[str, np.ndarray]:
        """`metrics_of(part)`, {"ndcg@100": (n,), ...}, each process scoring its share of users."""
        if len(part.users) < self.size or self.size == 1:
            return metrics_of(part)
        rows = self._rows(len(part.users))
        share = metrics_of(HeldOut(part.users[rows], part.fold_in[rows], part.held_out[rows]))
        return {name: np.concatenate(self.comm.allgather(values)) for name, values in share.items()}

    def sum(self, gradients: dict, weight: float) -> dict:
        """The dict sum_r weight_r gradients_r, in every process.

        Arrays of a device go through the host, unless MACRID_MPI_CUDA=1 says that this MPI takes
        them as they are.
        """
        if self.size == 1:
            return gradients
        direct = os.environ.get("MACRID_MPI_CUDA") == "1"
        total = {}
        for name, gradient in gradients.items():
            xp = backend.array_module(gradient)
            if direct:
                buffer = gradient * weight
            else:
                host = np.ascontiguousarray(backend.to_host(gradient))
                buffer = host * gradient.dtype.type(weight)
            backend.synchronise(xp)
            self.comm.Allreduce(self._in_place, buffer)
            total[name] = buffer if direct else backend.to_device(xp, buffer)
        return total

    def totals(self, numbers: dict) -> dict:
        """The sums of a dict of numbers over the processes."""
        if self.size == 1:
            return numbers
        values = np.array([float(value) for value in numbers.values()])
        self.comm.Allreduce(self._in_place, values)
        return dict(zip(numbers, values.tolist()))

    def agree(self, parameters: dict) -> None:
        """Overwrite a dict of host arrays with those of process 0."""
        if self.size > 1:
            for name in sorted(parameters):
                self.comm.Bcast(parameters[name])

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.size > 1:
            self.comm.Barrier()

    def _rows(self, B):
        return slice(B * self.rank // self.size, B * (self.rank + 1) // self.size)

    @property
    def _in_place(self):
        from mpi4py import MPI

        return MPI.IN_PLACE


ALONE = Team()


def team() -> Team:
    """The processes that mpiexec started with this one.

    `ALONE` without it, and then mpi4py is not imported.
    """
    if max((int(os.environ.get(name, "1")) for name in SIZES), default=1) < 2:
        return ALONE
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise UserError(
            f"mpiexec started several processes, but mpi4py cannot be loaded ({error}); pip install"
            ' "macrid[mpi]"'
        ) from None
    if MPI.COMM_WORLD.size < 2:
        raise UserError(
            "mpiexec started several processes, but mpi4py sees one: it was built for another MPI;"
            " use that MPI's own mpiexec"
        )
    return Team(MPI.COMM_WORLD)


def run(team: Team, work: Callable):
    """Call `work()`; a mistake or a fault in one process ends them all, with one message."""
    if team.size == 1:
        return work()
    try:
        return work()
    except UserError as error:
        _say(str(error))
        team.comm.Abort(2)
    except KeyboardInterrupt as error:
        _say(str(error) or "interrupted")
        team.comm.Abort(2)
    except BaseException:
        traceback.print_exc()
        _say(
            f"process {team.rank} of {team.size} failed; the others were ended; continue with"
            " --resume"
        )
        team.comm.Abort(1)


def _say(message):
    print(f"error: {one_line(message)}", file=sys.stderr, flush=True)
