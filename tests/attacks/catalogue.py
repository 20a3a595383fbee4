"""The attacks, by category of the threat model (docs/security.md)."""

from __future__ import annotations

from autograder.outcome import Outcome

from .attack import Attack, attack

__all__ = ["ATTACKS"]

FAILED, RAISED, CRASHED = Outcome.FAILED, Outcome.RAISED, Outcome.CRASHED
TIMED_OUT, MEMORY = Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY

# `tell` raises whatever was found, which is the loudest channel a submission has.
TELL = """
def tell(*found):
    raise RuntimeError(" ".join(repr(f) for f in found))
"""
READ = (
    TELL
    + """
def read(path, size=4000):
    with open(path, "rb") as file:
        return file.read(size)
"""
)

READING = [
    attack("reads a staff file by its path", "read", "tell(read(STAFF))", RAISED, words="Permission",
           module=READ + "STAFF = '@STAFF@'"),
    attack("walks the whole disk for suites", "read", """
        import os
        found = [os.path.join(d, f) for d, _, fs in os.walk("/") for f in fs if "suites" in d]
        tell([read(f)[:200] for f in found[:3]] or "nothing")
        """, RAISED, words="nothing", module=READ),
    attack("reads the shadow file", "read", "tell(read('/etc/shadow'))", RAISED, words="Permission",
           module=READ),
    attack("reads the environment", "read", """
        import os
        tell({k: v for k, v in os.environ.items() if "STAFF" in k}, os.environ.get("STAFF_TOKEN"))
        """, RAISED, words="{} None", module=TELL),
    attack("reads its parents' environment and command line", "read", """
        import os
        found = []
        for pid in (os.getppid(), 1, *range(max(2, os.getpid() - 40), os.getpid())):
            for name in ("environ", "cmdline", "maps", "mem"):
                try:
                    found.append(read(f"/proc/{pid}/{name}"))
                except OSError:
                    pass
        tell(found)
        """, RAISED, words="[]", module=READ),
    attack("looks for open files", "read", """
        import os
        found = []
        for fd in range(3, 200):
            try:
                found.append(os.read(fd, 10) if os.lseek(fd, 0, 1) >= 0 else b"")
            except OSError:
                pass
        tell(found)
        """, RAISED, words="[]", module=TELL),
    attack("searches its memory for suites and tests", "read", """
        import gc, sys
        modules = [m for m in sys.modules if "suites" in m or "hypothesis" in m or "battery" in m]
        texts = [o for o in gc.get_objects() if isinstance(o, str) and "canary-" in o]
        tell(modules, texts)
        """, RAISED, words="[] []", module=TELL),
    attack("imports the grader", "read", """
        tell(__import__("autograder.suites").__file__)
        """, RAISED, Outcome.FORBIDDEN, words="autograder", module=TELL),
    attack("walks up the stack", "read", """
        import sys
        frame, found = sys._getframe(), []
        while frame:
            found += [k for k in frame.f_locals if "expected" in k or "oracle" in k]
            frame = frame.f_back
        tell(found)
        """, RAISED, words="[]", module=TELL),
    attack("looks at linecache", "read", """
        import linecache
        tell([k for k in linecache.cache if "test_" in k or "suites" in k])
        """, RAISED, words="[]", module=TELL),
    attack("connects to the network", "read", """
        import socket
        socket.create_connection(("127.0.0.1", 9), timeout=1)
        """, RAISED, words="Permission"),
    attack("asks a name server", "read", """
        import socket
        tell(socket.getaddrinfo("example.org", 80))
        """, RAISED, module=TELL),
    attack("opens an abstract socket", "read", """
        import socket
        socket.socket(socket.AF_UNIX).connect("\\0autograder")
        """, RAISED, words="Permission"),
    attack("traces its parent", "read", """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        tell(libc.ptrace(16, os.getppid(), 0, 0), ctypes.get_errno())
        """, RAISED, words="-1 1", module=TELL),
    attack("reads its parent's memory by system call", "read", """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        tell(libc.syscall(310, os.getppid(), 0, 0, 0, 0, 0), ctypes.get_errno())
        """, RAISED, words="-1", module=TELL),
    attack("lists other users' leftovers", "read", """
        import os
        found = []
        for folder in ("/tmp", "/dev/shm", "/var/tmp", "/root", "/home"):
            try:
                found += os.listdir(folder)
            except OSError:
                pass
        tell(found)
        """, RAISED, words="[]", module=TELL),
]  # fmt: skip

FORGING = [
    attack("writes results.json wherever it can", "forge", """
        import os
        written = []
        for path in ("/autograder/results/results.json", "results.json", "/tmp/results.json",
                     "/dev/shm/r", "/var/tmp/r", os.path.expanduser("~/r")):
            try:
                with open(path, "w") as file:
                    file.write('{"score": 100}')
                written.append(path)
            except OSError:
                pass
        tell(written)
        """, RAISED, words="[]", module=TELL),
    attack("prints a report", "forge", "print('{\"score\": 100}', flush=True); return None", FAILED,
           words="torch.Tensor"),
    attack("exits with success", "forge", "raise SystemExit(0)", RAISED, words="SystemExit"),
    attack("vanishes with success", "forge", "import os; os._exit(0)", CRASHED, words="exit status 0"),
    attack("raises pytest's skip", "forge", """
        class Skipped(BaseException):
            pass
        Skipped.__module__ = "_pytest.outcomes"
        raise Skipped("passed")
        """, RAISED, words="Skipped"),
    attack("raises KeyboardInterrupt", "forge", "raise KeyboardInterrupt", RAISED, words="KeyboardInterrupt"),
    attack("raises GeneratorExit", "forge", "raise GeneratorExit", RAISED, words="GeneratorExit"),
    attack("writes a forged answer into every descriptor", "forge", """
        import os
        for fd in range(3, 64):
            try:
                os.write(fd, b"\\x00" * 64)
            except OSError:
                pass
        return None
        """),
    attack("announces a reply of a terabyte", "forge", """
        import os, struct
        for fd in range(3, 64):
            for head in (struct.pack("<4sIQ", b"AGP1", 8, 1 << 40), struct.pack("<II", 1 << 31, 8)):
                try:
                    os.write(fd, head)
                except OSError:
                    pass
        while True:
            pass
        """),
    attack("an exception that can't be shown", "forge", """
        class Evil(Exception):
            def __str__(self):
                raise self
            __repr__ = __str__
        raise Evil
        """, RAISED, words="Evil"),
    attack("an exception that ends the process when shown", "forge", """
        import os
        class Evil(Exception):
            def __str__(self):
                os._exit(0)
        raise Evil
        """),
    attack("an exception with a megabyte of terminal codes", "forge",
           "raise ValueError('\\x1b[2J\\u202e</script>' * 100_000)", RAISED, words="ValueError"),
    attack("an exit handler", "forge", "import atexit, os; atexit.register(os._exit, 0); return None",
           FAILED),
    attack("replaces its own worker's functions", "forge", """
        import sys
        for name, module in list(sys.modules.items()):
            if "worker" in name or "encoder" in name or "protocol" in name or name == "__main__":
                for key in list(vars(module)):
                    if callable(vars(module)[key]):
                        setattr(module, key, lambda *a, **k: None)
        return None
        """),
]  # fmt: skip

FOOLING = [
    attack("replaces torch's comparisons", "fool", """
        torch.allclose = torch.equal = lambda *a, **k: True
        torch.Tensor.__eq__ = lambda *a: True
        return torch.zeros(x.shape[:-1] + w.shape[1:], dtype=x.dtype)
        """, FAILED, words="wrong"),
    attack("replaces builtins", "fool", """
        import builtins
        builtins.all = builtins.abs = builtins.isinstance = lambda *a: True
        return None
        """),
    attack("a tensor that lies about itself", "fool", """
        class Liar(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                return torch.tensor(True)
        return torch.zeros(3).as_subclass(Liar)
        """, FAILED, words="Liar"),
    attack("an object that equals everything", "fool", """
        class Anything:
            shape = property(lambda self: self)
            dtype = shape
            def __eq__(self, other):
                return True
            def __getattr__(self, name):
                return self
        return Anything()
        """, FAILED, words="Anything"),
    attack("a scalar that would broadcast", "fool", "return (x @ w).mean()", FAILED),
    attack("an empty tensor", "fool", "return torch.empty(0, dtype=x.dtype)", FAILED, words="shape"),
    attack("not a number", "fool", "return x @ w * float('nan')", FAILED),
    attack("infinity", "fool", "return x @ w + float('inf')", FAILED),
    attack("complex numbers", "fool", "return (x @ w).to(torch.complex128)", FAILED, words="dtype"),
    attack("a sparse tensor", "fool", "return (x @ w).to_sparse()", FAILED),
    attack("a meta tensor", "fool", "return (x @ w).to('meta')", FAILED),
    attack("a boolean", "fool", "return (x @ w) > 0", FAILED, words="dtype"),
    attack("zeros", "fool", "return torch.zeros_like(x @ w)", FAILED),
    attack("half precision inside", "fool", "return (x.half() @ w.half()).to(x.dtype)", FAILED),
    attack("single precision inside", "fool", "return (x.float() @ w.float()).to(x.dtype)", FAILED,
           earns=("gradients", "linear_in_upstream", "float32")),
    attack("the answer of the call before", "fool", """
        last, state["answer"] = state.get("answer"), x @ w
        return x @ w if last is None else last
        """, FAILED, module="state = {}"),
    attack("right only every other time", "fool", """
        state["n"] = state.get("n", 0) + 1
        return x @ w if state["n"] % 2 else x @ w + 1
        """, FAILED, module="state = {}"),
    attack("uninitialised memory", "fool", "return torch.empty_like(x @ w) + 1", FAILED),
    attack("ten million elements", "fool", "return [0.0] * 10_000_000", FAILED, MEMORY, TIMED_OUT, CRASHED),
    attack("a list that holds itself", "fool", "a = []; a.append(a); return a", FAILED),
    attack("a generator", "fool", "yield x @ w", FAILED, words="generator"),
]  # fmt: skip

BREAKING = [
    attack("loops for ever", "break", "while True: pass", TIMED_OUT, words="no answer"),
    attack("sleeps", "break", "import time; time.sleep(3600)", TIMED_OUT),
    attack("deadlocks", "break", """
        import threading
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
        """, TIMED_OUT),
    attack("stops itself", "break", "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", TIMED_OUT),
    attack("forks", "break", "import os; os.fork()", RAISED, words="not permitted"),
    attack("starts a program", "break", "import subprocess; subprocess.run(['true'])", RAISED),
    attack("starts threads without end", "break", """
        import threading, time
        while True:
            threading.Thread(target=time.sleep, args=(60,)).start()
        """, RAISED, MEMORY, words="thread"),
    attack("eats memory in Python", "break", """
        hoard = []
        while True:
            hoard.append(bytearray(10_000_000))
        """, MEMORY, TIMED_OUT),  # filling half a gigabyte may take a busy machine too long
    attack("asks torch for a terabyte", "break", "return torch.empty(10**12)", MEMORY, words="memory"),
    attack("maps memory", "break", "import mmap; return mmap.mmap(-1, 10**12)", RAISED, MEMORY),
    attack("recurses", "break", "return matmul(x, w)", RAISED, words="recursion"),
    attack("overflows the C stack", "break", """
        import sys
        sys.setrecursionlimit(10**8)
        def deeper(n):
            return [*map(deeper, [n + 1])]
        return deeper(0)
        """),
    attack("segmentation fault", "break", "import ctypes; ctypes.string_at(0)", CRASHED, words="segmentation"),
    attack("aborts", "break", "import os; os.abort()", CRASHED, words="abort"),
    attack("kills its parent", "break", "import os, signal; os.kill(os.getppid(), signal.SIGKILL)", RAISED,
           words="not permitted"),
    attack("kills everything", "break", "import os, signal; os.kill(-1, signal.SIGKILL)", RAISED,
           words="not permitted"),
    attack("floods its output", "break", """
        import sys
        while True:
            sys.stdout.write("x" * 1_000_000)
            sys.stderr.write("x" * 1_000_000)
        """, TIMED_OUT, MEMORY),
    attack("fills the disk", "break", """
        import tempfile
        with tempfile.TemporaryFile() as file:
            while True:
                file.write(b"0" * 1_000_000)
        """, RAISED),
    attack("leaves a thread that answers later", "break", """
        import threading, time
        threading.Thread(target=lambda: [time.sleep(0.01) for _ in range(10**6)], daemon=True).start()
        return None
        """, FAILED),
]  # fmt: skip

ATTACKS: list[Attack] = [*READING, *FORGING, *FOOLING, *BREAKING]
