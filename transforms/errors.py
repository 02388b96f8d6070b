"""Every error that ProgImage raises on purpose, and the ones that pictures and plans cause.

ProgImageError                a sentence for people, and facts for the problem body
├── PlanError                 the text is not a plan: token, expected, nearest
├── ImageError                the picture cannot be used
│   ├── UnsupportedFormat     its type is not accepted: detected, accepted, setting
│   ├── LimitExceeded         it is over a limit: limit, value, maximum
│   │   └── TooManyBytes      it is over the limit on bytes, which has a status of its own
│   ├── BrokenImage           its bytes are damaged
│   └── DecoderCrashed        the decoder died on it
├── ImpossibleOutput          the plan and this picture do not go together (an empty crop, too large a result)
│   └── TooMuchWork           it would take too long on the quietest machine
└── RenderUnavailable         nothing wrong with the request: try again later
    ├── PoolBusy              too many renders wait already
    ├── NoThreads             the system lets us start no more threads
    ├── OutOfTime             its turn did not come before the request's deadline
    └── RenderTimeout         the render passed its deadline and was killed

storage/base.py and catalog/errors.py hang their own branches on the root. The HTTP status of each is decided in proxy/errors.py.
"""

from typing import Any, ClassVar


class ProgImageError(Exception):
    """`str(error)` is the public sentence, `facts` are public members of the problem body; private detail is the `__cause__`."""

    slug: ClassVar[str] = "error"

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), str(self), self.facts)


def _rebuild(kind: type[ProgImageError], message: str, facts: dict[str, object]) -> ProgImageError:
    """Errors cross the border of a child process: pickle alone would lose the facts."""
    return kind(message, **facts)


class PlanError(ProgImageError):
    slug = "bad-plan"


class ImageError(ProgImageError):
    slug = "bad-image"


class UnsupportedFormat(ImageError):
    slug = "unsupported-format"


class LimitExceeded(ImageError):
    slug = "limit-exceeded"


class TooManyBytes(LimitExceeded):
    slug = "too-many-bytes"


class BrokenImage(ImageError):
    slug = "broken-image"


class DecoderCrashed(ImageError):
    slug = "decoder-failed"


class ImpossibleOutput(ProgImageError):
    slug = "impossible-output"


class TooMuchWork(ImpossibleOutput):
    slug = "too-much-work"


class RenderUnavailable(ProgImageError):
    slug = "render-unavailable"


class PoolBusy(RenderUnavailable):
    slug = "busy"


class NoThreads(RenderUnavailable):
    slug = "no-threads"


class OutOfTime(RenderUnavailable):
    slug = "out-of-time"


class RenderTimeout(RenderUnavailable):
    slug = "render-timeout"
