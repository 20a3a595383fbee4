"""Attacks on the clock: functions that would like to be faster than they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from textwrap import dedent

__all__ = ["ATTACKS", "BURN", "ClockAttack", "End"]

BURN = 0.004
"""Seconds of processor time that the function needs (a stand-in for a slow kernel)."""

_HONEST = f"""
import gc, hashlib, os, signal, sys, threading
import time as _time
import torch

_thread_time = _time.thread_time
_softmax = torch.softmax

def burn(seconds={BURN}):
    end = _thread_time() + seconds
    while _thread_time() < end:
        pass

def honest(x):
    burn()
    return _softmax(x, -1)

f = honest
"""


class End(Enum):
    """How an attack ends."""

    PAID = auto()  # its results are right, and every second of its work is on the bill
    CAUGHT = auto()  # its results are wrong, or not those that it committed to
    FAULT = auto()  # it never gets as far as results
    EITHER = auto()  # PAID or CAUGHT, as chance has it


@dataclass(frozen=True, slots=True)
class ClockAttack:
    """`code` comes after the honest function, and usually defines another `f`.

    What is said contains a match of the regular expression `says`.
    """

    name: str
    end: End
    code: str
    says: str = ""

    @property
    def source(self) -> bytes:
        """The submission."""
        return (_HONEST + dedent(self.code)).encode()


WRONG = "is wrong in|must be|wrong dtype"
SWAPPED = "showed other results than those"

ATTACKS = [
    ClockAttack("nothing at all", End.PAID, ""),
    ClockAttack("stops every clock of Python", End.PAID, """
        for name in ("time", "perf_counter", "monotonic", "process_time", "thread_time"):
            setattr(_time, name, lambda: 0.0)
            setattr(_time, name + "_ns", lambda: 0)
        """),
    ClockAttack("patches torch's synchronize and events", End.PAID, """
        class Event:
            def __init__(self, **options): pass
            def record(self, *stream): pass
            def synchronize(self): pass
            def elapsed_time(self, other): return 1e-6
        torch.cuda.Event = Event
        torch.cuda.synchronize = torch.cuda.current_stream = lambda *a, **k: None
        """),
    ClockAttack("works in another thread", End.PAID, """
        def f(x):
            results = []
            thread = threading.Thread(target=lambda: results.append(honest(x)))
            thread.start()
            thread.join()
            return results[0]
        """),
    ClockAttack("works in four threads at once", End.PAID, f"""
        def quarter():
            # Hashing lets go of the interpreter's lock.
            end = _thread_time() + {BURN} / 4
            while _thread_time() < end:
                hashlib.sha256(bytes(1 << 16))
        def f(x):
            threads = [threading.Thread(target=quarter) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return _softmax(x, -1)
        """),
    ClockAttack("asks torch for more threads", End.PAID, """
        torch.set_num_threads(8)
        """),
    ClockAttack("sleeps instead of working", End.PAID, f"""
        def f(x):
            _time.sleep({BURN})
            return _softmax(x, -1)
        """),
    ClockAttack("starts when inputs are being drawn", End.PAID, """
        original = torch.Tensor.uniform_
        ready = {}
        def eager(self, *args, **kwargs):
            drawn = original(self, *args, **kwargs)
            ready[drawn.data_ptr()] = _softmax(drawn, -1)
            return drawn
        torch.Tensor.uniform_ = eager
        def f(x):
            return ready.pop(x.data_ptr(), None) if x.data_ptr() in ready else honest(x)
        """),
    ClockAttack("remembers results by content", End.PAID, """
        known = {}
        def f(x):
            key = bytes(x.cpu().numpy())
            if key not in known:
                known[key] = honest(x)
            return known[key]
        """),
    ClockAttack("remembers results by address", End.EITHER, """
        known = {}
        def f(x):
            if x.data_ptr() not in known:
                known[x.data_ptr()] = honest(x)
            return known[x.data_ptr()].clone()
        """, says=WRONG),
    ClockAttack("seeds every generator alike", End.PAID, """
        seed = torch.Generator.manual_seed
        torch.manual_seed = lambda s: seed(torch.default_generator, 0)
        class Generator:
            def __new__(cls, *args):
                return seed(torch.default_generator, 0)
        torch.Generator = Generator
        """),
    ClockAttack("returns one buffer again and again", End.PAID, """
        buffer = None
        def f(x):
            global buffer
            burn()
            if buffer is None:
                buffer = torch.empty_like(x)
            return torch.softmax(x, -1, out=buffer)
        """),
    ClockAttack("computes at import", End.CAUGHT, """
        guess = torch.empty(64, 65).uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
        ready = _softmax(guess, -1)
        def f(x):
            return ready.to(x.device, copy=True)
        """, says=WRONG),
    ClockAttack("remembers results by shape", End.CAUGHT, """
        known = {}
        def f(x):
            if x.shape not in known:
                known[x.shape] = honest(x)
            return known[x.shape].clone()
        """, says=WRONG),
    ClockAttack("replays its last answer", End.CAUGHT, """
        last = None
        def f(x):
            global last
            previous, last = last, honest(x) if last is None else last
            return last.clone()
        """, says=WRONG),
    ClockAttack("collects inputs and computes them in one batch", End.CAUGHT, """
        waiting = []
        def f(x):
            out = torch.empty_like(x)
            waiting.append((x, out))
            if len(waiting) % 8 == 0:
                for given, result in waiting:
                    result.copy_(_softmax(given, -1))
                waiting.clear()
            return out
        """, says=WRONG),
    ClockAttack("skips every other call", End.CAUGHT, """
        count = 0
        def f(x):
            global count
            count += 1
            return honest(x) if count % 2 else torch.empty_like(x)
        """, says=WRONG),
    ClockAttack("is right only while it warms up", End.CAUGHT, """
        count = 0
        def f(x):
            global count
            count += 1
            return honest(x) if count <= 2 else torch.zeros_like(x)
        """, says=WRONG),
    ClockAttack("looks who is calling", End.CAUGHT, """
        def f(x):
            timed = sys._getframe(1).f_code.co_name == "_time"
            return torch.zeros_like(x) if timed else honest(x)
        """, says=WRONG),
    ClockAttack("fills results in after it has returned", End.CAUGHT, """
        def f(x):
            out = torch.zeros_like(x)
            threading.Timer(0.002, lambda: out.copy_(_softmax(x, -1))).start()
            return out
        """, says=WRONG),
    ClockAttack("writes half of the rows", End.CAUGHT, """
        def f(x):
            out = torch.zeros_like(x)
            out[:32] = _softmax(x[:32], -1)
            return out
        """, says=WRONG),
    ClockAttack("writes all but the last element", End.CAUGHT, """
        def f(x):
            out = _softmax(x, -1)
            out[-1, -1] = 0
            return out
        """, says=WRONG),
    ClockAttack("writes nothing", End.CAUGHT, """
        def f(x):
            return torch.full_like(x, float("nan"))
        """, says=WRONG),
    ClockAttack("returns its input", End.CAUGHT, """
        def f(x):
            return x
        """, says=WRONG),
    ClockAttack("answers in half precision", End.CAUGHT, """
        def f(x):
            return _softmax(x.half(), -1)
        """, says="dtype"),
    ClockAttack("returns a lazy tensor", End.FAULT, """
        class Lazy(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                return super().__torch_function__(function, types, args, kwargs or {})
        def f(x):
            return x.as_subclass(Lazy)
        """, says="plain tensors, not an object of type Lazy"),
    ClockAttack("replaces the digest by a cheap one", End.CAUGHT, """
        def f(x):
            sys._getframe(1).f_globals["_digest"] = lambda tensors, key: key
            return honest(x)
        """, says=SWAPPED),
    ClockAttack("commits to zeros and shows the truth", End.CAUGHT, """
        inputs = []
        def f(x):
            frame = sys._getframe(1)
            if frame.f_code.co_name == "_time":
                inputs.append(x)
                stopwatch = frame.f_locals["self"]
                def reveal(indices):
                    stopwatch._copies = [(_softmax(given, -1),) for given in inputs]
                    return type(stopwatch)._reveal(stopwatch, indices)
                stopwatch._reveal = reveal
                return torch.zeros_like(x)
            return honest(x)
        """, says=SWAPPED),
    ClockAttack("balances a linear digest", End.CAUGHT, """
        # Right but for two words, whose change cancels in any sum with equal or known weights.
        def f(x):
            frame = sys._getframe(1)
            out = honest(x)
            if frame.f_code.co_name == "_time":
                stopwatch = frame.f_locals["self"]
                def reveal(indices):
                    for (copy,) in stopwatch._copies:
                        words = copy.view(torch.int32).view(-1)
                        words[0] += 1
                        words[1] -= 1
                    return type(stopwatch)._reveal(stopwatch, indices)
                stopwatch._reveal = reveal
            return out
        """, says=SWAPPED),
    ClockAttack("draws the same inputs every time", End.CAUGHT, """
        def f(x):
            names = sys._getframe(1).f_globals
            names["_draw"] = lambda recipe, seed, device: (x,)
            return honest(x)
        """, says=WRONG),
    ClockAttack("runs only one call of the chain", End.FAULT, """
        def f(x):
            frame = sys._getframe(1)
            if frame.f_code.co_name == "_prepare":
                stopwatch = frame.f_locals["self"]
                original = stopwatch._time
                stopwatch._time = lambda nonce, count, *rest: original(nonce, 1, *rest)
            return honest(x)
        """, says="commits to another number of calls"),
    ClockAttack("makes digests up", End.CAUGHT, """
        def f(x):
            frame = sys._getframe(1)
            if frame.f_code.co_name == "_prepare":
                frame.f_locals["self"]._time = lambda nonce, count, *rest: {
                    "kind": "timed", "digests": [os.urandom(32).hex() for _ in range(count)]}
            return honest(x)
        """, says=SWAPPED),
    ClockAttack("answers with something else than digests", End.FAULT, """
        def f(x):
            frame = sys._getframe(1)
            if frame.f_code.co_name == "_prepare":
                frame.f_locals["self"]._time = lambda nonce, count, *rest: {
                    "kind": "timed", "digests": [1] * count}
            return honest(x)
        """, says="digest of another length"),
    ClockAttack("leaves without a word", End.FAULT, """
        def f(x):
            if sys._getframe(1).f_code.co_name == "_time":
                os._exit(0)
            return honest(x)
        """, says="exit status 0"),
    ClockAttack("writes to the grader's channel itself", End.FAULT, """
        def f(x):
            if sys._getframe(1).f_code.co_name == "_time":
                for descriptor in range(3, 64):
                    try:
                        os.write(descriptor, b'AGf1' + bytes(12) + b'{"id": 1, "kind": "timed"}')
                    except OSError:
                        pass
            return honest(x)
        """, says="broke the protocol"),
    ClockAttack("lets a child process work", End.FAULT, """
        def f(x):
            if os.fork() == 0:
                os._exit(0)
            return honest(x)
        """, says="PermissionError|Operation not permitted"),
    ClockAttack("stops itself to sit out the clock", End.FAULT, """
        def f(x):
            if sys._getframe(1).f_code.co_name == "_time":
                os.kill(os.getpid(), signal.SIGSTOP)
            return honest(x)
        """, says="no answer within|not permitted"),
]  # fmt: skip
