"""What makes training fast without changing what is computed."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> None:
    """Tell glibc's malloc to keep what is freed instead of giving it back to the system; elsewhere, nothing.

    Each step frees and takes again the same few activations of some megabytes. By default each of them is mapped anew,
    page by page, which costs a fifth of a small convolutional VAE's step on a CPU.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 64 * 2**20)
        libc.mallopt(M_ARENA_MAX, 1)  # Else each new thread keeps a heap of its own: 2 GB after ten trials.
