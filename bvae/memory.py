"""What the C library does with memory that training frees."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Tell glibc's malloc to keep what is freed instead of giving it back to the system; elsewhere, nothing.

    Each step frees and takes again the same few activations of some megabytes. By default each of them is mapped anew,
    page by page, which costs a fifth of a small convolutional VAE's step on a CPU.
    """
    if (libc := _malloc()) is not None:
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 64 * 2**20)


def give_freed_memory_back() -> None:
    """Once, all that is free.

    What comes between gradient steps, as scoring does, may take several times their memory, in pieces that they have no
    use for; and each trial of a worker is a new thread, whose heap the next one may not find. malloc's own limit of
    heaps comes too late for Ray's workers, which have more from the start.
    """
    if (libc := _malloc()) is not None:
        libc.malloc_trim(0)


def _malloc() -> ctypes.CDLL | None:
    """The C library, where its malloc is glibc's."""
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return libc if hasattr(libc, "mallopt") else None
