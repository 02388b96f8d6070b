"""The soft deadline: work that takes too long is told to stop by itself, so that no child has to be killed for it.

libvips asks an image, before it makes each piece, whether the image was killed. A timer's thread says so when the time is up; nothing
runs for each piece. What does not ask in time (an AVIF or palette encoder, a decoder that makes all of a picture at once) goes on to
the hard deadline of the pool.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from time import monotonic, process_time

from transforms.errors import RenderTimeout, TooMuchWork
from transforms.operation import Image
from transforms.threads import threads_needed

TOO_LONG = "Rendering took too long and was stopped."
HOPELESS = "This plan takes too long on this picture: make the result smaller, or ask for less."
# Of the time until the deadline. Work that would have been done on a quiet machine had less of the processor.
MOST = 0.9


class _Watch:
    def __init__(self) -> None:
        self.rang = False
        self._images: tuple[Image, ...] = ()

    def over(self, images: tuple[Image, ...]) -> None:
        self._images = images
        if self.rang:
            self.ring()

    def ring(self) -> None:
        self.rang = True
        for image in self._images:
            image.set_kill(True)


# A child works on one call at a time.
_current: _Watch | None = None


@contextmanager
def soft_deadline(seconds: float) -> Iterator[None]:
    """Stop the images watched within after so many seconds.

    Whatever fails from then on is TooMuchWork when this process was busy with it for most of the time, so that trying again would end
    alike, and a RenderTimeout when others had the processor.
    """
    global _current  # noqa: PLW0603  # the images are made far below, by functions that should not have to hand this down
    _current = watch = _Watch()
    ends, began = monotonic() + seconds, process_time()
    timer = Timer(seconds, watch.ring)
    timer.daemon = True
    with threads_needed():
        timer.start()
    try:
        yield
    except Exception as error:
        # By the clock: the timer's thread may have to wait for the processor.
        if monotonic() < ends:
            raise
        if process_time() - began >= MOST * seconds:
            raise TooMuchWork(HOPELESS) from error
        raise RenderTimeout(TOO_LONG) from error
    finally:
        timer.cancel()
        _current = None


def watched(*images: Image) -> Image:
    """The first of these images, which are evaluated next, or what is made of them. Those watched until now are let go."""
    for image in images:
        # Only so do images that are made of this one learn that it was killed.
        image.set_progress(True)
    if _current is not None:
        _current.over(images)
    return images[0]
