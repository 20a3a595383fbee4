"""accumulate_gradients: the mean over samples, not over micro-batches."""

from __future__ import annotations

from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st

from autograder.checks import Case, FunctionChecks, custom, exercise, for_all

# All different, so that no mix-up of sizes is hidden.
SIZES = (2, 1, 5, 3, 8)


@custom
def micro_batches(drawer):
    """One gradient per micro-batch, all of one shape, and the sizes of the micro-batches."""
    sizes = drawer.draw(st.permutations(SIZES))[: drawer.draw(st.integers(1, len(SIZES)))]
    shape = drawer.leading("shape")
    return {"micro_grads": [drawer.tensor_of(shape) for _ in sizes], "micro_sizes": list(sizes)}


@custom
def samples(drawer):
    """The gradient of each sample's own loss, and two ways to cut the batch into pieces."""
    cuts = [drawer.draw(st.permutations(SIZES)) for _ in range(2)]
    return {"grads": drawer.tensor_of((sum(SIZES), *drawer.leading("shape"))), "cuts": cuts}


@exercise("accumulation")
class TestAccumulation(FunctionChecks):
    function = "accumulate_gradients"
    cases = micro_batches

    def oracle(self, micro_grads, micro_sizes):
        whole = sum(n * grad for n, grad in zip(micro_sizes, micro_grads, strict=True))
        return whole / sum(micro_sizes)

    @weight(2)
    def test_any_cut(self, student):
        """`{function}` gives the same, wherever the batch is cut: the gradient of its mean loss"""

        def body(case):
            grads, cuts = case.values
            for sizes in cuts:
                means = [piece.mean(0) for piece in grads.split(list(sizes))]
                self.check_forward(
                    student, Case({"micro_grads": means, "micro_sizes": list(sizes)})
                )

        for_all(samples.cases(), body, examples=4)
