"""What a GPU kernel must do itself: everything that computes. torch may allocate, view and copy."""

from __future__ import annotations

from autograder.policy.bans import Ban, RuleGroup

__all__ = ["KERNELS_ONLY"]

# Host code of a kernel deals in integers and shapes, so operators (`m * n`) say nothing. Methods
# that Python's own types have as well (`add`, `sort`, `sub`, `log`) are left to the tripwires.
_COMPUTING_METHODS = """
    abs absolute acos acosh addbmm addcdiv addcmul addmm addmv addr all allclose amax amin aminmax
    any argmax argmin argsort asin asinh atan atan2 atanh baddbmm bernoulli bincount bmm ceil
    cholesky clamp clamp_max clamp_min clip copysign corrcoef cos cosh count_nonzero cov cross
    cummax cummin cumprod cumsum deg2rad det diff digamma dist div divide dot erf erfc erfinv exp
    exp2 expm1 float_power floor floor_divide fmax fmin fmod frac frexp ger greater greater_equal
    heaviside histc hypot igamma index_add index_reduce inner inverse isclose kron kthvalue ldexp
    lerp less less_equal lgamma log10 log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp
    logdet logical_and logical_not logical_or logical_xor logit logsumexp masked_scatter matmul
    matrix_exp matrix_power max maximum mean median min minimum mm msort mul multiply mv mvlgamma
    nan_to_num nanmean nanmedian nanquantile nansum neg negative norm not_equal outer pinverse
    polygamma pow prod quantile rad2deg reciprocal relu remainder renorm rsqrt scatter_add
    scatter_reduce sgn sigmoid sign sin sinc sinh slogdet smm softmax sqrt square std subtract sum
    sum_to_size svd tan tanh topk true_divide trunc unique var vdot xlogy
""".split()

_ALLOCATING_VIEWING_COPYING = """
    __version__ version.* Tensor Tensor.* device dtype Size layout memory_format finfo iinfo
    float float[0-9]* bfloat16 half double int int[0-9]* uint[0-9]* long short bool
    strided contiguous_format preserve_format channels_last* inf nan pi e
    empty empty_like empty_strided empty_permuted zeros zeros_like ones ones_like full full_like
    tensor as_tensor asarray scalar_tensor from_numpy from_dlpack arange clone
    reshape view_as_real view_as_complex permute transpose t swapaxes swapdims movedim moveaxis
    squeeze unsqueeze flatten unflatten ravel narrow select chunk split tensor_split unbind
    as_strided broadcast_to broadcast_tensors broadcast_shapes diagonal atleast_1d atleast_2d
    cat concat concatenate stack hstack vstack flip roll repeat_interleave tile
    gather index_select take
    is_tensor is_floating_point is_complex numel get_device promote_types result_type can_cast
    typename no_grad enable_grad inference_mode set_grad_enabled manual_seed set_printoptions
    get_default_dtype backends backends.* cuda cuda.* accelerator accelerator.* testing testing.*
    types types.* utils utils.data utils.data.* OutOfMemoryError
""".split()

# All that torch may do, as ATen operators: the list above, as the worker sees it.
_PLAIN_OPERATORS = """
    empty* new_empty* zeros* new_zeros ones* new_ones full* new_full scalar_tensor arange* clone
    copy_ _to_copy lift_fresh* lift detach* alias fill_ zero_ set_ resize_ _local_scalar_dense item
    view _unsafe_view view_as_* _reshape_alias reshape permute transpose t swapaxes squeeze
    unsqueeze expand unfold diagonal as_strided select slice narrow split* unsafe_split* chunk
    unbind flatten _conj _neg_view
    cat stack hstack vstack repeat repeat_interleave tile flip roll gather index index_select take
    is_same_size is_pinned _pin_memory _has_compatible_shallow_copy_type record_stream
""".split()

_OF_TRITON = """
    __version__ jit autotune heuristics Config cdiv next_power_of_2 set_allocator
    language language.* testing testing.* tools.tensor_descriptor tools.tensor_descriptor.*
    runtime.driver.active runtime.driver.active.*
""".split()

KERNELS_ONLY = RuleGroup(
    name="kernels-only",
    bans=(
        Ban(
            why="isn't a plain torch function that allocates, views or copies; in this assignment "
            "the kernel does the computing",
            only_in="torch",
            only=tuple(f"torch.{name}" for name in _ALLOCATING_VIEWING_COPYING),
        ),
        Ban(
            why="computes with torch; in this assignment the kernel does the computing",
            methods=tuple(m for name in _COMPUTING_METHODS for m in (name, f"{name}_")),
            operators=("*", *(f"!aten::{name}" for name in _PLAIN_OPERATORS)),
            # Nobody needs it, and to watch it the worker has to import Triton: once, beforehand.
            tripwires=("triton.compile",),
        ),
        Ban(
            why="takes values out of a tensor; in this assignment the kernel does the computing",
            methods=("numpy", "tolist"),
            attributes=("__array__", "__array_interface__", "__dlpack__"),
        ),
        Ban(
            why="isn't a part of Triton that kernels are written and launched with",
            only_in="triton",
            only=tuple(f"triton.{name}" for name in _OF_TRITON),
        ),
        Ban(
            why="is the inside of Triton's interpreter, which a GPU doesn't have",
            attributes=("handle",),
        ),
    ),
)
