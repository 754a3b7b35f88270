"""One channel as its listener follows it: each publication once and in order, over connections (protocol.md, section 9).

Sends nothing: it says when the channel has to be joined again. Where something is lost, the listener is told.
"""

from collections.abc import Callable
from typing import Any

Message = dict[str, Any]


class Subscription:
    """Hands on `subscribed` (after each reconnect, too), `publication`, `gap`, `presenceChanged` and `unsubscribed`."""

    def __init__(self, channel: str, listener: Callable[[Message], None], options: Message) -> None:
        self.channel, self._listener = channel, listener
        self._options = {name: value for name, value in options.items() if name != "position" and value is not None}
        #: Told of the error that the server answers with in place of `subscribed`.
        self.refused: Callable[[Exception], object] = lambda error: None
        #: The last offset seen, and its epoch.
        self.position: Message | None = options.get("position")
        #: Nothing of the channel counts between the question and its answer.
        self.is_joined = False
        #: Whoever was heard once is asked for again after an error that is one for now only.
        self.was_joined = False
        #: The program waits for its `unsubscribed`.
        self.is_leaving = False
        #: The id of the `unsubscribe` that is the first half of joining again.
        self.mending: int | None = None
        self._unheard: set[int] = set()

    @property
    def entry(self) -> Message:
        """What to ask for, from where the listener stands."""
        at = {} if self.position is None else {"position": self.position}
        return {"channel": self.channel, **at, **self._options}

    def joined(self, answer: Message) -> None:
        """The answer to that. On `recovered: no` the listener has missed what lies before its position."""
        self.is_joined = self.was_joined = True
        self._unheard.clear()
        publications = answer["publications"]
        if not answer.get("more"):
            self.position = answer["position"]
        elif publications:  # the rest comes behind, and is recognized by what it follows
            self.position = _position_of(publications[-1])
        self._listener({name: value for name, value in answer.items() if name != "publications"})
        for publication in publications:
            self._listener(publication)

    def received(self, message: Message) -> bool:
        """Whether the channel has to be joined again: something is missing before this publication."""
        if not self.is_joined:
            return False
        match message["type"]:
            case "publication":
                return self._published(message)
            case "gap":
                self._reach({**self.position, "offset": max(self.position["offset"], message["to"])})
        self._listener(message)
        return False

    def left(self, message: Message) -> None:
        """The last word of the channel."""
        self._listener(message)

    def told_unheard(self, published: Message) -> None:
        """Told of a publication that is not heard here (`echo: false`): it counts as heard."""
        offset = published["offset"]
        if not self.is_joined or published["epoch"] != self.position["epoch"] or offset <= self.position["offset"]:
            return
        self._unheard.add(offset)
        self._reach(self.position)

    def _published(self, publication: Message) -> bool:
        known, last = self.position["epoch"], self.position["offset"]
        epoch, offset, previous = publication["epoch"], publication["offset"], publication["previous"]
        if epoch == known and offset <= last:
            return False
        if epoch != known or (previous > last and previous not in self._unheard):
            self.is_joined = False
            return True
        self._reach(_position_of(publication))
        self._listener(publication)
        return False

    def _reach(self, position: Message) -> None:
        """Moves there, and over what follows at once and is not heard: who publishes alone leaves nothing behind."""
        offset = position["offset"]
        while offset + 1 in self._unheard:
            offset += 1
        self._unheard = {unheard for unheard in self._unheard if unheard > offset}
        self.position = {**position, "offset": offset}


def _position_of(publication: Message) -> Message:
    return {"offset": publication["offset"], "epoch": publication["epoch"]}
