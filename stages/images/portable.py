"""OpenCV that gives the same pixels on every processor and in every thread."""

import cv2

# Images are spread over processes, one a core: threads inside them would only get in each other's way.
cv2.setNumThreads(1)


def portable_opencv() -> None:
    """Switch off OpenCV's IPP code, which picks other routines on other processors; to be called before pixels count.

    The switch is one of the thread that calls, and a Dask worker runs what it is given in threads of its own.
    """
    cv2.ipp.setUseIPP(False)
