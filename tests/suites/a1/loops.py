"""Plain Python loops over elements: slow, and right."""

import itertools
import math

import torch


def indices(shape):
    return itertools.product(*(range(n) for n in shape))


def each(x, function):
    out = torch.empty(x.shape, dtype=x.dtype)
    for index in indices(x.shape):
        out[index] = function(float(x[index]))
    return out


def each_gradient(grad_output, x, slope):
    out = torch.empty(x.shape, dtype=x.dtype)
    for index in indices(x.shape):
        out[index] = float(grad_output[index]) * slope(float(x[index]))
    return out


def matmul(x, w):
    rows, (d, e) = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), w.shape
    out = torch.zeros(rows.shape[0], e, dtype=x.dtype)
    for i in range(rows.shape[0]):
        for j in range(e):
            for k in range(d):
                out[i, j] += rows[i, k] * w[k, j]
    return out.reshape(*x.shape[:-1], e)


def matmul_backward(grad_output, x, w):
    grad_x, grad_w = torch.zeros(x.shape, dtype=x.dtype), torch.zeros(w.shape, dtype=w.dtype)
    for row in indices(x.shape[:-1]):
        for k in range(w.shape[0]):
            for j in range(w.shape[1]):
                grad_x[(*row, k)] += grad_output[(*row, j)] * w[k, j]
                grad_w[k, j] += grad_output[(*row, j)] * x[(*row, k)]
    return grad_x, grad_w


def linear(x, weight, bias):
    out = torch.zeros(*x.shape[:-1], weight.shape[0], dtype=x.dtype)
    for row in indices(x.shape[:-1]):
        for e in range(weight.shape[0]):
            out[(*row, e)] = sum((x[row] * weight[e]).tolist()) + float(bias[e])
    return out


def linear_backward(grad_output, x, weight):
    grad_x = torch.zeros(x.shape, dtype=x.dtype)
    grad_weight = torch.zeros(weight.shape, dtype=x.dtype)
    grad_bias = torch.zeros(weight.shape[0], dtype=x.dtype)
    for row in indices(x.shape[:-1]):
        for e in range(weight.shape[0]):
            upstream = grad_output[(*row, e)]
            grad_x[row] += upstream * weight[e]
            grad_weight[e] += upstream * x[row]
            grad_bias[e] += upstream
    return grad_x, grad_weight, grad_bias


def add_bias(x, b):
    out = x.clone()
    for row in indices(x.shape[:-1]):
        out[row] = x[row] + b
    return out


def add_bias_backward(grad_output):
    grad_b = torch.zeros(grad_output.shape[-1], dtype=grad_output.dtype)
    for row in indices(grad_output.shape[:-1]):
        grad_b += grad_output[row]
    return grad_output, grad_b


def unbroadcast(grad, shape):
    out = torch.zeros(tuple(shape), dtype=grad.dtype)
    missing = grad.dim() - len(shape)
    for index in indices(grad.shape):
        target = tuple(0 if n == 1 else i for i, n in zip(index[missing:], shape, strict=True))
        out[target] += grad[index]
    return out


def relu(x):
    return each(x, lambda v: v if v > 0 else 0.0)


def relu_backward(grad_output, x):
    return each_gradient(grad_output, x, lambda v: 1.0 if v > 0 else 0.0)


def logistic(v):
    if v >= 0:
        return 1 / (1 + math.exp(-v))
    small = math.exp(v)
    return small / (1 + small)


def logistic_slope(v):
    return logistic(v) * logistic(-v)


def sigmoid(x):
    return each(x, logistic)


def sigmoid_backward(grad_output, x):
    return each_gradient(grad_output, x, logistic_slope)


def tanh(x):
    return each(x, math.tanh)


def tanh_backward(grad_output, x):
    return each_gradient(grad_output, x, lambda v: 4 * logistic_slope(2 * v))


def normal_cdf(v):
    return 0.5 * math.erfc(-v / math.sqrt(2))


def gelu(x):
    return each(x, lambda v: v * normal_cdf(v))


def gelu_backward(grad_output, x):
    def slope(v):
        return normal_cdf(v) + v * math.exp(-v * v / 2) / math.sqrt(2 * math.pi)

    return each_gradient(grad_output, x, slope)


def silu(x):
    return each(x, lambda v: v * logistic(v))


def silu_backward(grad_output, x):
    return each_gradient(grad_output, x, lambda v: logistic(v) + v * logistic_slope(v))


def log(x):
    return each(x, math.log)


def log_backward(grad_output, x):
    return each_gradient(grad_output, x, lambda v: 1 / v)


def power(x, k):
    return each(x, lambda v: v**k)


def power_backward(grad_output, x, k):
    return each_gradient(grad_output, x, lambda v: 0.0 if k == 0 else k * v ** (k - 1))


def einsum_backward(grad_output, equation, a, b):
    inputs, output = equation.split("->")
    left, right = inputs.split(",")
    sizes = {**dict(zip(left, a.shape, strict=True)), **dict(zip(right, b.shape, strict=True))}
    grad_a, grad_b = torch.zeros(a.shape, dtype=a.dtype), torch.zeros(b.shape, dtype=b.dtype)
    for values in indices(sizes.values()):
        at = dict(zip(sizes, values, strict=True))
        i, j, o = (tuple(at[name] for name in names) for names in (left, right, output))
        grad_a[i] += grad_output[o] * b[j]
        grad_b[j] += grad_output[o] * a[i]
    return grad_a, grad_b
