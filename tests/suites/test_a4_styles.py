"""Whatever way of computing it is honest gets full marks in a4, and dishonest ways don't.

The files in a4/ are honest ways.
"""

from __future__ import annotations

from pathlib import Path

import pytest

STYLES = sorted((Path(__file__).parent / "a4").glob("*.py"))
EXERCISES = (
    "sgd",
    "momentum",
    "nesterov",
    "rmsprop",
    "adam",
    "adamw",
    "clipping",
    "schedule",
    "accumulation",
)


@pytest.fixture
def a4(bench_for):
    return bench_for("a4_optimizers")


def with_source(a4, source):
    """The solution with some functions defined anew."""
    return a4.module_from(Path(a4.solution.__file__).read_text(encoding="utf-8") + source)


def test_all_exercises_are_tested_here(a4):
    assert a4.exercises == EXERCISES


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("exercise", EXERCISES)
def test_every_honest_style_gets_full_marks(a4, path, exercise):
    module = a4.module(path)
    if exercise not in a4.exercises_of(module):
        pytest.skip(f"{path.stem} has no way of its own for {exercise}")
    assert a4.failures(a4.completed(module), exercise) == {}


@pytest.mark.parametrize("exercise", EXERCISES)
def test_every_function_has_three_styles_at_least(a4, exercise):
    assert sum(exercise in a4.exercises_of(a4.module(path)) for path in STYLES) >= 3


def test_a_memory_outside_of_the_state_is_noticed(a4):
    source = """

_memory = {}

def ema_momentum_step(param, grad, state, *, lr, beta=0.9):
    if not state:
        _memory[param.shape] = torch.zeros_like(param)
    _memory[param.shape] = beta * _memory[param.shape] + (1 - beta) * grad
    return param - lr * _memory[param.shape], {"steps": state.get("steps", 0) + 1}
"""
    failures = a4.failures(with_source(a4, source), "momentum")
    assert "momentum/ema_momentum.old_states" in failures
    assert "depend on the arguments of its call" in (
        failures["momentum/ema_momentum.old_states"].help
    )


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("param -= lr * (grad + weight_decay * param)", "param"),
        ("grad.add_(param, alpha=weight_decay); param = param - lr * grad", "grad"),
        ("param = param - lr * (grad + weight_decay * param); state['steps'] = 1", "state"),
    ],
)
def test_writing_into_an_input_costs_little_more_than_one_check(a4, line, changed):
    source = (
        "\n\ndef sgd_step(param, grad, state, *, lr, weight_decay=0.0):\n"
        f"    {line}\n    return param, state\n"
    )
    failures = a4.failures(with_source(a4, source), "sgd")
    failure = failures.pop("sgd/sgd.leaves_inputs_alone")
    # Nobody can write into an expanded tensor, so that this may raise.
    assert failures.keys() <= {"sgd/sgd.strided"}
    assert failure.rationale == f"`sgd_step` changed its input {changed} in place"


def test_writing_into_an_old_states_tensor_is_noticed(a4):
    source = """

def ema_momentum_step(param, grad, state, *, lr, beta=0.9):
    velocity = state.get("velocity", torch.zeros_like(param))
    velocity.mul_(beta).add_(grad, alpha=1 - beta)
    return param - lr * velocity, {"velocity": velocity}
"""
    failures = a4.failures(with_source(a4, source), "momentum")
    assert list(failures) == ["momentum/ema_momentum.leaves_inputs_alone"]


def test_a_missing_state_is_told_in_words(a4):
    source = "\n\ndef sgd_step(param, grad, state, *, lr, weight_decay=0.0):\n    return param\n"
    failures = a4.failures(with_source(a4, source), "sgd")
    assert failures["sgd/sgd.trajectory"].rationale == (
        "`sgd_step` must return two things: the new param, a tensor, and the new state, a dict"
    )


def test_an_exception_says_in_which_step(a4):
    source = """

def ema_momentum_step(param, grad, state, *, lr, beta=0.9):
    velocity = (1 - beta) * grad
    if state:
        velocity = velocity + beta * state["velocity"]
    return param - lr * velocity, {"v": velocity}
"""
    failure = a4.failures(with_source(a4, source), "momentum")["momentum/ema_momentum.trajectory"]
    assert failure.rationale == "raised KeyError: 'velocity' (in step 2, after right ones)"


def test_the_example_ends_at_the_first_wrong_step(a4):
    source = """

def ema_momentum_step(param, grad, state, *, lr, beta=0.9):
    steps = state.get("steps", 0) + 1
    velocity = beta * state.get("velocity", 0.0) + (1 - beta) * grad
    new = param - lr * velocity if steps != 3 else param + lr * velocity
    return new, {"velocity": velocity, "steps": steps}
"""
    failure = a4.failures(with_source(a4, source), "momentum")["momentum/ema_momentum.trajectory"]
    assert failure.rationale == "the parameter after step 3 of `ema_momentum_step` is wrong"
    assert "grads = float64[3] [" in failure.example
    assert failure.example.endswith("lr = 0.1, beta = 0.9")


def test_float32_answers_to_float64_questions_are_wrong(a4):
    source = """

_exact_step = adam_step

def adam_step(param, grad, state, **settings):
    new, state = _exact_step(param.float(), grad.float(), state, **settings)
    return new.to(param.dtype), state
"""
    failures = a4.failures(with_source(a4, source), "adam")
    assert "adam/adam.trajectory" in failures
    assert "adam/adam.float32" not in failures


def test_a_number_for_the_norm_is_accepted_and_a_tensor_for_a_rate_is_not(a4):
    source = """

_clip, _rate = clip_grad_norm, warmup_cosine_lr

def clip_grad_norm(grads, max_norm, norm_type=2.0):
    clipped, norm = _clip(grads, max_norm, norm_type)
    return tuple(clipped), float(norm)

def warmup_cosine_lr(step, **settings):
    return torch.tensor(_rate(step, **settings), dtype=torch.float64)
"""
    module = with_source(a4, source)
    assert a4.failures(module, "clipping") == {}
    assert {failure.rationale for failure in a4.failures(module, "schedule").values()} == {
        "`warmup_cosine_lr` must return a float"
    }
