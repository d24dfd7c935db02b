"""Which of the processes that train one network together this one is. Nothing here imports torch.

torchrun starts them and says so in the environment. Samples are pure functions of (seed, epoch,
index), so that each process takes its share of every batch, whatever their number is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from nadir.errors import InputError

_REMEDY = "Let torchrun start the processes, or start one alone without RANK and WORLD_SIZE."


@dataclass(frozen=True)
class Group:
    """The processes of a training; alone where there is one.

    Attributes:
        rank: Number of this process.
        size: Number of processes.
        local_rank: Number of this process among those of its machine.
        local_size: Number of those.
        node: Number of the machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    node: int = 0

    @classmethod
    def of_environment(cls) -> Group:
        """Return what torchrun says of this process; without it, that it is alone.

        Raises:
            InputError: When the environment makes no sense.
        """
        if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ:
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")
        given = {name: os.environ.get(name, "") for name in names}
        try:
            numbers = [int(value) for value in given.values()]
        except ValueError as error:
            if os.environ["WORLD_SIZE"] == "1":
                return cls()
            problem = "these variables are not what torchrun sets: "
            shown = ", ".join(f"{name}={value!r}" for name, value in given.items())
            raise InputError("environment", problem + shown, _REMEDY) from error
        return cls(*numbers)

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return which of `count` samples of a batch are this process's own: neighbors, in order.

        Shares differ by one sample at most. A batch that has fewer samples than there are processes
        leaves some of them none.
        """
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)


ALONE = Group()
"""The group of a process that trains alone."""
