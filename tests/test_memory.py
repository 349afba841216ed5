"""Memory that training frees is kept, and what scoring frees is given back."""

import subprocess
import sys

import pytest

MEMORY = """
import threading
import torch
from bvae.memory import give_freed_memory_back, keep_freed_memory

def own():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) // 1024

def trial():
    keep_freed_memory()
    held, between = [], []
    for _ in range(300):  # 300 MB in pieces of 1 MB, with something that stays between them
        held.append(torch.ones(2**18))
        between.append(torch.ones(64))
    kept.extend(between)
    seen.append(own())

kept, seen, over = [], [], threading.Event()
for _ in range(20):  # As in Ray's workers, each with a heap of its own, before the first trial begins.
    threading.Thread(target=lambda: (torch.ones(64), over.wait())).start()
before = own()
for _ in range(3):
    thread = threading.Thread(target=trial)
    thread.start()
    thread.join()
after = own()
give_freed_memory_back()
print(seen[0] - before, after - before, own() - before)
over.set()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is kept, and nothing given back")
def test_freed_memory_is_kept_until_it_is_given_back():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    most, kept, rest = map(int, done.stdout.split())
    assert most >= 300
    assert kept > 250
    assert rest < 50
