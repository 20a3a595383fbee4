"""What kernels are timed against: torch's own product, or torch moving the same bytes.

A memory-bound kernel can't be faster than memory. So its measure is not torch's function of the
same name (which may take several kernels), but the simplest torch operation that reads and writes
as much as has to be read and written.
"""

from __future__ import annotations


def bias_gelu(x, b):
    """Reads one tensor, writes one."""
    return x.clone()


def bias_gelu_backward(grad_output, x, b):
    """Reads two tensors, writes one (and a row)."""
    return grad_output + x, b.clone()


def softmax(x):
    """Reads one tensor, writes one."""
    return x.clone()


def softmax_backward(grad_output, probs):
    """Reads two tensors, writes one."""
    return grad_output + probs


def matmul(a, b):
    """torch's product: the vendor's library."""
    return a @ b


def matmul_backward(grad_output, a, b):
    """Both gradients by torch's product."""
    return grad_output @ b.mT, a.mT @ grad_output


def cross_entropy(logits, target):
    """Reads one tensor, writes one (and a column)."""
    return target.float(), logits.clone()


def adamw_update(param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay):
    """Reads four tensors, writes three."""
    return param + grad, exp_avg.clone(), exp_avg_sq.clone()
