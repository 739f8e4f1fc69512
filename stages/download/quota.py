"""Which images a run asks for that may ask for so many: the most helpful ones of hosts that may be asked now.

A host that pauses, or has sent what it may, would otherwise hold places of the run that others can fill.
"""

from collections.abc import Collection, Mapping

import numpy as np

from stages.download.queue import HostQueue


class Quota:
    """Shares the places of a run among hosts."""

    def __init__(self, places: Mapping[str, np.ndarray], images: int | None) -> None:
        """Begin with no host's images asked for.

        Args:
            places: by host, where its images stand in the order of all images: int64, ascending.
            images: of the run; ``None``: all of them.
        """
        self._places = places
        self._images = images if images is not None and images < sum(map(len, places.values())) else None
        # Whether a host may have the places of another one.
        self.is_shared = self._images is not None and sum(map(bool, map(len, places.values()))) > 1

    def begin(self, queues: Mapping[str, HostQueue], open_hosts: Collection[str]) -> None:
        """Grant each host its part of the run."""
        if self._images is None:
            for name, queue in queues.items():
                queue.granted = len(self._places[name])
            return
        self._share(queues, open_hosts, self._images)

    def hand_over(self, queues: Mapping[str, HostQueue], open_hosts: Collection[str]) -> None:
        """Let the hosts that may be asked now have the places of the others, as far as they have images for them."""
        closed = any(queue.granted for name, queue in queues.items() if name not in open_hosts)
        if closed and self._spare(queues, open_hosts):
            self._share(queues, open_hosts, sum(queue.granted for queue in queues.values()))

    def replaces(self, queues: Mapping[str, HostQueue], open_hosts: Collection[str]) -> bool:
        """Grant one more image to a host that may be asked now, in place of one that waits; say whether one can."""
        if not self._spare(queues, open_hosts):
            return False
        self._share(queues, open_hosts, sum(queue.granted for queue in queues.values()) + 1)
        return True

    def _left(self, name: str, queue: HostQueue) -> np.ndarray:
        return self._places[name][queue.taken :]

    def _spare(self, queues: Mapping[str, HostQueue], open_hosts: Collection[str]) -> bool:
        """Say whether a host that may be asked now has images beyond those that it is to be asked for."""
        return self.is_shared and any(
            len(self._left(name, queue)) > queue.granted for name, queue in queues.items() if name in open_hosts
        )

    def _share(self, queues: Mapping[str, HostQueue], open_hosts: Collection[str], images: int) -> None:
        for group in (True, False):
            hosts = [name for name in queues if (name in open_hosts) == group]
            left = [self._left(name, queues[name]) for name in hosts]
            ranks = np.sort(np.concatenate(left)) if left else np.empty(0, np.int64)
            images_here = min(images, len(ranks))
            last = ranks[images_here - 1] if images_here else -1
            for name, of_host in zip(hosts, left, strict=True):
                queues[name].granted = int(np.searchsorted(of_host, last, side="right"))
            images -= images_here
