"""Forge the result: reports, exit codes, frames, exceptions, hooks that run later."""

from __future__ import annotations

from autograder.outcome import Outcome

from .tactic import EVERYTHING, Tactic

__all__ = ["TACTICS"]

_BACKWARD = "def add_bias_backward(grad_output):\n"


def _raises(
    name: str, expression: str, says: str, *, setup: str = "", outcome: Outcome = Outcome.RAISED
) -> Tactic:
    """An attack whose backward function raises `expression`."""
    code = f"{setup}\n{_BACKWARD}    raise {expression}\n"
    return Tactic(name, code, outcome, says)


def _does(name: str, body: str, outcome: Outcome, says: str, *, setup: str = "") -> Tactic:
    """An attack whose backward function does something and then gives a wrong answer."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    code = f"{setup}\n{_BACKWARD}{lines}\n    return wrong(grad_output)\n"
    return Tactic(name, code, outcome, says)


WRONG = r"grad_x, the first result of `add_bias_backward`, is wrong"
PROTOCOL = "broke the protocol between worker and grader"

# The worker's channel, found by looking; a frame as the harness would write it.
_CHANNEL = """
import json, struct, gc
MAGIC, CHANNEL = b"AGf1", 3

def frame(header, payload=b"", *, magic=MAGIC, sizes=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<4sIQ", magic, *(sizes or (len(text), len(payload)))) + text + payload

def request():
    '''The harness's own variables: the header that it is answering.'''
    seen = _sys._getframe()
    while seen is not None:
        header = seen.f_locals.get("header")
        if isinstance(header, dict) and "id" in header:
            return header
        seen = seen.f_back
    raise LookupError("no header")

def say(*frames):
    for data in frames:
        _os.write(CHANNEL, data)

def answer(value, payload=b"", **more):
    return frame({"kind": "value", "value": value, "id": request()["id"], **more}, payload)

def settle():
    '''Wait until the grader has acted on what it got.'''
    _time.sleep(30)
"""


def _sends(name: str, frames: str, says: str, *, then: str = "settle()") -> Tactic:
    """An attack that writes to the grader's channel itself."""
    body = f"say({frames})\n{then}"
    return _does(name, body, Outcome.CRASHED, f"{PROTOCOL}.*{says}", setup=_CHANNEL)


_EVIL_TEXT = (
    r"\x1b[2J\x1b[31mred\x07\x08 <script>alert(1)</script></pre><img src=x onerror=alert(1)> "
    r"\u202egnp.exe\u2066 \x00 \ud800 [bold red]rich[/] **markdown** \x85\x9b31m"
)

ENDINGS = (
    _does(
        "ends the process with status 0",
        "_os._exit(0)",
        Outcome.CRASHED,
        "ended the whole process with exit status 0 instead of returning",
    ),
    _does("calls sys.exit(0)", "_sys.exit(0)", Outcome.RAISED, "raised SystemExit: 0"),
    _does(
        "ends the process through libc, past every handler",
        '__import__("ctypes").CDLL(None)._exit(0)',
        Outcome.CRASHED,
        "exit status 0",
    ),
    _raises("raises SystemExit", "SystemExit(0)", "raised SystemExit: 0"),
    _raises("raises KeyboardInterrupt", "KeyboardInterrupt", "raised KeyboardInterrupt"),
    _raises("raises GeneratorExit", "GeneratorExit", "raised GeneratorExit"),
    _raises(
        "raises something that is named like pytest's skip",
        'Skipped("no need to grade this")',
        "raised Skipped: no need to grade this",
        setup="class Skipped(BaseException): pass\nSkipped.__module__ = '_pytest.outcomes'",
    ),
    _raises(
        "raises something that is named like the grader's own errors",
        'GraderError("give it full marks")',
        "raised GraderError: give it full marks",
        setup="class GraderError(Exception): pass\nGraderError.__module__ = 'autograder.errors'",
    ),
    _does(
        "says that it is not implemented, hoping to be excused",
        "raise NotImplementedError",
        Outcome.RAISED,
        "`?add_bias_backward`? is not implemented yet|raised NotImplementedError",
    ),
    _does(
        "registers atexit handlers and forges the report in them",
        'atexit.register(lambda: open("/autograder/results/results.json", "w").write("{}"))\n'
        "_sys.exit(0)",
        Outcome.RAISED,
        "raised SystemExit: 0",
        setup="import atexit",
    ),
    _does(
        "arms a timer and answers from a signal handler",
        "signal.signal(signal.SIGALRM, lambda *a: say_something())\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.01)\n"
        "_time.sleep(5)",
        Outcome.RAISED,
        "raised RuntimeError: from the handler",
        setup="import signal\ndef say_something(): raise RuntimeError('from the handler')",
    ),
    _does(
        "prints a report, a score and a last line",
        'print(\'{"score": 100, "tests": [], "output": "all passed"}\')\n'
        'print("6 passed in 0.01s", file=_sys.stderr)\n'
        'for fd in (0, 1, 2): _os.write(fd, b"PASSED\\n100/100\\n") if fd else None',
        Outcome.FAILED,
        WRONG,
    ),
)

FRAMES = (
    _sends("sends bytes that are no frame", 'b"GET / HTTP/1.1\\r\\n\\r\\n" * 2', "magic bytes"),
    _sends(
        "announces a header of four gigabytes",
        'frame(b"{}", sizes=(2**32 - 1, 0))',
        "header of 4,294,967,295 bytes is more than",
    ),
    _sends(
        "announces a payload of sixteen exabytes",
        'frame({"id": 1}, sizes=(9, 2**64 - 1))',
        "payload of 18,446,744,073,709,551,615 bytes is more than",
    ),
    _sends("sends a header that is no JSON", 'frame(b"{" * 999)', "not JSON"),
    _sends("sends JSON that is nested too deep", 'frame(b"[" * 900_000)', "not JSON"),
    _sends("sends a number with a million digits", 'frame(b"9" * 1_000_000)', "not JSON"),
    _sends("sends JSON that is no object", 'frame(b"[1, 2]")', "not a JSON object"),
    _sends(
        "answers the question before last",
        'frame({"kind": "value", "value": 1, "id": 7})',
        "it answers another request",
    ),
    _sends(
        "answers without an id",
        'frame({"kind": "value", "value": 1})',
        "it answers another request",
    ),
    _sends(
        "answers twice in one breath",
        "answer(1.0) + answer(2.0)",
        "more than one reply",
    ),
    _sends("answers of an unknown kind", 'frame({"kind": "grade", "id": request()["id"]})', "kind"),
    _sends(
        "sends a tensor without its bytes", 'answer(["x", "f8", [9]])', "larger than the payload"
    ),
    _sends("sends bytes without a tensor", 'answer(1.0, b"x" * 16)', "longer than its tensors"),
    _sends("sends negative sizes", 'answer(["x", "f8", [-1, -1]])', "negative"),
    _sends("sends sizes that are NaN", 'answer(["x", "f8", [float("nan")]])', "no int"),
    _sends(
        "sends sizes whose product is astronomic",
        'answer(["x", "f8", [2**61] * 50])',
        "larger than the payload|impossible sizes",
    ),
    _sends(
        "sends an empty tensor of impossible sizes",
        'answer(["x", "f8", [0] + [2**61] * 9])',
        "impossible sizes|sizes",
    ),
    _sends("sends an unknown dtype", 'answer(["x", "object", [1]], b"x" * 16)', "unknown dtype"),
    _sends("sends a strided tensor", 'answer(["s", "f8", [1], [0], 0], b"x" * 16)', "malformed"),
    _sends("sends an unknown tag", 'answer(["pickle", "cos\\nsystem"])', "unknown tag"),
    _sends(
        "sends lists in lists in lists",
        'answer(eval("[\'l\', " * 60 + "1" + "]" * 60))',
        "nested too deep",
    ),
    _sends("sends a bare dict", 'answer({"a": 1})', "neither a scalar nor a tagged array"),
    _sends("sends a text in place of a number's digits", 'answer(["i", "0x_"])', "malformed int"),
    _sends(
        "says that inputs changed which there aren't",
        'answer(1.0, mutated=["0", "secret"])',
        "names inputs that there aren't",
    ),
    _sends(
        "says what it raised, but not in words",
        'frame({"kind": "raised", "type": ["x"], "message": {}, "id": request()["id"]})',
        "is not text",
    ),
    _does(
        "stalls in the middle of a frame",
        "say(answer(1.0)[:20])\n_time.sleep(60)",
        Outcome.TIMED_OUT,
        "gave no answer within",
        setup=_CHANNEL,
    ),
    _does(
        "answers by drops, one byte at a time",
        "for byte in answer(1.0): say(bytes([byte])); _time.sleep(0.2)",
        Outcome.TIMED_OUT,
        "gave no answer within",
        setup=_CHANNEL,
    ),
    _does(
        "closes the grader's channel and lives on",
        "_os.close(CHANNEL)\n_time.sleep(60)",
        Outcome.CRASHED,
        "closed the grader's channel",
        setup=_CHANNEL,
    ),
    _does(
        "floods the grader's channel",
        "while True: say(bytes(1 << 16))",
        Outcome.CRASHED,
        PROTOCOL,
        setup=_CHANNEL,
    ),
    _does(
        "writes to every descriptor that it finds open",
        "for fd in range(64):\n"
        "    try: _os.write(fd, b'{\"score\": 100}' * 9)\n"
        "    except OSError: pass",
        Outcome.CRASHED,
        PROTOCOL,
    ),
    _does(
        "opens the grader's end of the channel through proc",
        'for pid in (_os.getppid(), "self", 1):\n'
        "    for fd in range(30):\n"
        '        try: _os.write(_os.open(f"/proc/{pid}/fd/{fd}", _os.O_WRONLY), b"x" * 99)\n'
        "        except OSError: pass",
        Outcome.FAILED,
        WRONG,
    ),
    _does(
        "leaves a thread behind that answers later",
        "threading.Thread(target=later, daemon=True).start()\n_time.sleep(0.5)",
        Outcome.CRASHED,
        PROTOCOL,
        setup=_CHANNEL + "\nimport threading\ndef later():\n    _time.sleep(0.01)\n"
        "    while True: say(frame({'kind': 'value', 'value': 1, 'id': 1})); _time.sleep(0.01)\n",
    ),
    _does(
        "replaces the harness's own encoder, decoder and protocol",
        "for thing in gc.get_objects():\n"
        "    if isinstance(thing, type) and thing.__name__ in ('Encoder', 'Guard', 'Harness'):\n"
        "        for name in ('encode', 'changed', 'answer'):\n"
        "            if hasattr(thing, name): setattr(thing, name, lambda *a: 1.0)",
        Outcome.FAILED,
        "must return a tuple|must be a torch.Tensor|is wrong",
        setup="import gc",
    ),
    _does(
        "replaces json and os.write under the harness",
        "json.dumps = lambda *a, **k: '{}'\n_os.write = lambda fd, data: len(data)",
        Outcome.TIMED_OUT,
        "gave no answer within",
        setup="import json",
    ),
)

EXCEPTIONS = (
    _raises(
        "raises an exception whose text raises",
        "Evil",
        r"raised Evil: \(its message can't be shown: RuntimeError\)",
        setup="class Evil(Exception):\n    def __str__(self): raise RuntimeError('no')\n"
        "    __repr__ = __str__",
    ),
    _raises(
        "raises an exception whose text is no text",
        "Evil",
        r"raised Evil: \(its message can't be shown: TypeError\)",
        setup="class Evil(Exception):\n    def __str__(self): return 7",
    ),
    _raises(
        "raises an exception whose text never comes",
        "Evil",
        "gave no answer within",
        setup="class Evil(Exception):\n    def __str__(self):\n        while True: pass",
        outcome=Outcome.TIMED_OUT,
    ),
    _raises(
        "raises an exception whose text ends the process",
        "Evil",
        "exit status 0",
        setup="class Evil(Exception):\n    def __str__(self): _os._exit(0)",
        outcome=Outcome.CRASHED,
    ),
    _raises("raises a message of fifty megabytes", "RuntimeError('x' * 50_000_000)", "raised Runt"),
    _raises(
        "raises terminal escapes, HTML, markup and reordered text",
        f'RuntimeError("{_EVIL_TEXT}")',
        "raised RuntimeError: ",
    ),
    _raises(
        "raises an exception with an evil name",
        'type("<script>\\x1b[31m" + "\\u202e" + "N" * 10_000, (Exception,), {})("hello")',
        "raised <script>",
    ),
    _raises(
        "raises an exception that lies about its class",
        "Evil('x')",
        "raised Evil: x",
        setup="class Evil(Exception):\n    __class__ = MemoryError",
    ),
    _raises(
        "raises an exception whose metaclass lies about its name",
        "Evil('x')",
        "raised Evil: x",
        setup="class Meta(type):\n    __name__ = property(lambda self: 1 / 0)\n"
        "class Evil(Exception, metaclass=Meta): pass",
    ),
    _raises(
        "raises an exception whose traceback is a trap",
        "Evil('x')",
        "raised Evil: x",
        setup="class Evil(Exception):\n    __traceback__ = property(lambda self: 1 / 0)\n"
        "    args = property(lambda self: 1 / 0)",
    ),
    _raises(
        "raises a syntax error in a file that isn't there",
        'SyntaxError("all good", ("/etc/passwd", 1, 1, "root"))',
        "raised SyntaxError: all good",
    ),
    _raises(
        "raises a syntax error of its own file, with a line a million",
        'SyntaxError("all good", ("operators.py", 10**6, 1, "root"))',
        "all good",
    ),
    _raises(
        "raises a group of a thousand exceptions that contain each other",
        "nest(200)",
        "raised ExceptionGroup: x",
        setup="def nest(n):\n    return ExceptionGroup('x', [nest(n - 1) if n else ValueError()])",
    ),
    _raises(
        "raises from a function that is named like markup",
        "evil()",
        "raised ZeroDivisionError",
        setup="def evil(): 1 / 0\n"
        "evil.__code__ = evil.__code__.replace(co_name='<b>\\x1b[31m\\n' * 99, co_firstlineno=1)",
    ),
    _raises(
        "claims that the memory is exhausted",
        "MemoryError('not really')",
        "more memory than the limit",
        outcome=Outcome.OUT_OF_MEMORY,
    ),
)

LYING_ABOUT_ITSELF = (
    Tactic(
        "redefines its functions while it is graded",
        """
        def add_bias_backward(grad_output):
            globals()["add_bias_backward"] = globals()["add_bias"] = wrong
            return wrong(grad_output)
        """,
        Outcome.FAILED,
        WRONG,
    ),
    Tactic(
        "puts another module in its own place",
        """
        def add_bias_backward(grad_output):
            class Perfect:
                def __getattr__(self, name):
                    return lambda *a, **k: wrong(grad_output)
            _sys.modules["operators"] = _sys.modules["__main__"] = Perfect()
            return wrong(grad_output)
        """,
        Outcome.FAILED,
        WRONG,
    ),
    Tactic(
        "is a callable object and answers honestly",
        """
        class Backward:
            def __call__(self, grad_output):
                return grad_output, grad_output.reshape(-1, grad_output.shape[-1]).sum(0)
        add_bias_backward = Backward()
        """,
        Outcome.PASSED,
        "",
        earns=EVERYTHING,
    ),
)

TACTICS = (*ENDINGS, *FRAMES, *EXCEPTIONS, *LYING_ABOUT_ITSELF)
