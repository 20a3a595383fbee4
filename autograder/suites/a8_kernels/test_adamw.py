"""adamw_update: three results in one launch, over any shape."""

from __future__ import annotations

import math

import torch
from gradescope_utils.autograder_utils.decorators import weight

from autograder.checks import Case, exercise
from autograder.checks.kernels import KernelChecks
from autograder.checks.values import uniform

# One setting per size: no two of lr, betas, eps and decay play the same part.
SETTINGS = (
    {"step": 1, "lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    {"step": 1, "lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1},
    {"step": 7, "lr": 0.01, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.5},
    {"step": 2, "lr": 0.2, "betas": (0.5, 0.7), "eps": 0.3, "weight_decay": 0.2},
    {"step": 3, "lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-2, "weight_decay": 1.0},
    {"step": 1000, "lr": 0.3, "betas": (0.95, 0.9), "eps": 1e-1, "weight_decay": 0.1},
)


@exercise("adamw")
class TestAdamw(KernelChecks):
    function = "adamw_update"
    results = ("param", "exp_avg", "exp_avg_sq")
    sizes = ((), (1,), ((2, 9),), ((3, 5), (7, 11)), (2, 3, (5, 9)), (33, 31))
    long = ((5000,), (70, 90), (2048,))
    strided = (6, 37)
    launches = 1

    def draw(self, sizes, values, given=None):
        shape = tuple(sizes)
        return {
            "param": values(shape),
            "grad": values(shape),
            "exp_avg": values(shape),
            "exp_avg_sq": values(shape, uniform(0.05, 2)),
            **(SETTINGS[sum(shape) % len(SETTINGS)] if given is None else given),
        }

    def oracle(self, param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay):
        beta1, beta2 = betas
        exp_avg = beta1 * exp_avg + (1 - beta1) * grad
        exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * grad**2
        first = exp_avg / (1 - beta1**step)
        root = (exp_avg_sq / (1 - beta2**step)).sqrt()
        shrunk = param * (1 - lr * weight_decay)
        return shrunk - lr * first / (root + eps), exp_avg, exp_avg_sq

    def dtypes(self, arguments):
        return tuple(arguments[name].dtype for name in self.results)

    @weight(2)
    def test_settings(self, student):
        """`{function}` uses step, lr, betas, eps and weight_decay as it should"""
        for given in SETTINGS:
            self.check_all(student, self.cases([(5, 9)], given=given))

    @weight(1)
    def test_trajectory(self, student):
        """`{function}` follows torch.optim.AdamW for ten steps from its own results"""
        (case,) = self.cases([(40,)], given=SETTINGS[1])
        settings = {key: case.arguments[key] for key in ("lr", "betas", "eps", "weight_decay")}
        ours = torch.nn.Parameter(case.arguments["param"].double())
        optimizer = torch.optim.AdamW([ours], foreach=False, **settings)
        param = case.arguments["param"]
        exp_avg, exp_avg_sq = torch.zeros_like(param), torch.zeros_like(param)
        for step in range(1, 11):
            grad = torch.sin(param * step) + 0.1
            arguments = {
                "param": param, "grad": grad, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq,
                "step": step, **settings,
            }  # fmt: skip
            each = Case(arguments)
            answer = self._answer(student, each)
            self.compare(answer, each)
            param, exp_avg, exp_avg_sq = answer
            ours.grad = grad.double()
            optimizer.step()
        assert math.isfinite(float(param.sum())), "the parameter is not finite after ten steps"
        gap = float((param.double() - ours.detach()).abs().max() / ours.detach().abs().max())
        assert gap < 1e-4, f"after ten steps the parameter is {gap:.1e} away from torch's"
