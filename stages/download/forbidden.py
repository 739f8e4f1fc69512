"""403: is it of one photo, or has the host had enough?

The same status says both. iNaturalist's bucket answers 403 for a photo that is no longer there, as S3 does to whoever
may not list a bucket; and a host that bans answers 403 for everything. One of them alone cannot be told, so it is left
undecided until the host says something else:

- The host answers properly (an image, a 404, a redirect to another host) to a request that started after the 403 had
  come: then it was not banning, and a 403 that came alone is the photo's own, and final. Requests that were under way
  before prove nothing. Nor does a redirect within the host, as it may lead to a page that is the 403 of a ban.
- A 403 beside a 429, a timeout or a pause has not come alone: bans begin and end with one or the other.
- So many 403 come in a row that it looks like a ban, or one with a Retry-After: the host pauses, and all photos of the
  row go back to the queue as *suspects*. After the pause one of them is asked again, and if it still says 403, another
  image: only if that says 403 too, the ban goes on.

A row of photos that are really gone looks like a ban, too, and must neither go round in circles nor hold up the others:

- Suspects come after everything else that the host has, few at a time. Each time that a proper answer shows that there
  was no ban counts as one failure, and they are asked again as after any other; after ``download.tries`` of them the
  403 is final. The same goes for a few in a row, which make no pause, and for what did not come alone.
- Where nothing else is left to ask, a photo that the host has sent before is asked once more, between suspects and
  after a pause: what it gets tells a ban from photos that are gone.
- Each pause that such an answer ends doubles the number that makes the next one, up to ``MOST_IN_A_ROW``, so that a
  host with thousands of photos gone pauses some times and not each time. A row of ``ROW`` counts as no failure all the
  same: a short ban in between refuses nothing.
- A host that answers 403 after ``PAUSES_TO_GIVE_UP`` pauses in a row, those of earlier runs included, is asked no more
  in that run; its images are left for a later one. So a host that answers 403 for ever costs a run two requests.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

ROW = 5  # 403 in a row may be a ban, and are taken for one the first time in a run
AFTER_A_PAUSE = 2  # in a row show that the ban goes on
MOST_IN_A_ROW = 160  # half a minute of the bucket's allowance
PAUSES_TO_GIVE_UP = 12  # one and a half hours by download.pauses_s, where the host does not say how long

Asked = TypeVar("Asked")


class _Entry(NamedTuple, Generic[Asked]):
    asked: Asked
    started: int  # requests that had started when its answer came
    run: int  # which run of 403 and other trouble, without any proper answer between them


class Forbidden(Generic[Asked]):
    """The 403 of one host about which nobody knows yet, in the order in which they came."""

    def __init__(self, pauses: int = 0) -> None:
        """Begin without any; so many pauses in a row an earlier run has left behind."""
        self.pauses = pauses  # for 403, in a row
        self._row: list[_Entry[Asked]] = []
        self._run = 0
        self._lengths: Counter[int] = Counter()  # of runs: 403 and other trouble, one more after a pause
        self._makes_a_ban = ROW

    def __len__(self) -> int:
        return len(self._row)

    def __iter__(self) -> Iterator[Asked]:
        return (entry.asked for entry in self._row)

    def add(self, asked: Asked, started: int, *, after_a_pause: bool) -> bool:
        """Take note of a 403; say whether there are so many in a row by now that the host is to pause.

        Args:
            asked: what was asked for.
            started: how many requests have started so far.
            after_a_pause: whether the host has given no proper answer since its last pause.
        """
        self._row.append(_Entry(asked, started, self._run))
        self._lengths[self._run] += 1 + after_a_pause
        return len(self._row) >= (AFTER_A_PAUSE if after_a_pause else self._makes_a_ban)

    def troubled(self) -> None:
        """Take note of another answer without an image that says nothing of its photo, as a 429 or none in time."""
        self._lengths.update({self._run, *(entry.run for entry in self._row)})

    def is_one_alone(self) -> bool:
        """Say whether there is one 403, and neither another one nor any other trouble beside it."""
        return len(self._row) == 1 and self._lengths[self._row[0].run] == 1

    @property
    def may_be_a_ban(self) -> bool:
        """Whether there are so many in a row that a proper answer after them does not tell what they were."""
        return len(self._row) >= ROW

    def answered(self, request: int) -> list[tuple[Asked, bool]]:
        """Take note of a proper answer to the request of that number (1 is the first).

        Returns:
            What got a 403 before that request started, and whether it came alone: without another one, a 429, a
            silence or a pause beside it.
        """
        before = [(entry.asked, self._lengths[entry.run] == 1) for entry in self._row if entry.started < request]
        self._row = [entry for entry in self._row if entry.started >= request]
        self._run += 1
        self._lengths = Counter({entry.run: self._lengths[entry.run] for entry in self._row})
        return before

    def take_back(self, *, begins: bool) -> list[Asked]:
        """Empty the row, as it may be of a ban; ``begins`` says whether the host pauses anew for it."""
        if begins:
            self.pauses += 1
        return self.empty()

    def empty(self) -> list[Asked]:
        """Give the row, and begin another one."""
        row, self._row = list(self), []
        self._run += 1
        self._lengths.clear()
        return row

    def ban_ended(self) -> None:
        """Take note that the host answers properly after a pause."""
        if self.pauses:
            self._makes_a_ban = min(2 * self._makes_a_ban, MOST_IN_A_ROW)
        self.pauses = 0
