"""Batch normalization over the batch of all processes that train together."""

from __future__ import annotations

import torch
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from nadir.learn.distributed import SummedBothWays
from nadir.learn.group import Group


class GroupNormalization(_BatchNorm):
    """Batch normalization whose statistics are of the parts that all processes hold.

    torch's `SyncBatchNorm` is for GPUs only; this one is for any device. Names of parameters and
    buffers are those of the layer that it stands for.

    Args:
        layer: The layer; its parameters and running statistics are taken over.
        group: The processes.
    """

    def __init__(self, layer: _BatchNorm, group: Group) -> None:
        given = (layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        super().__init__(layer.num_features, *given)
        self.group = group
        self.weight, self.bias = layer.weight, layer.bias
        self.running_mean, self.running_var = layer.running_mean, layer.running_var
        self.num_batches_tracked = layer.num_batches_tracked
        # timm's layers drop and activate as well.
        self.after = nn.ModuleList(
            getattr(layer, name) for name in ("drop", "act") if hasattr(layer, name)
        )
        self.train(layer.training)

    def forward(self, values: Tensor) -> Tensor:
        """Return normalized values (B, channels, ...)."""
        normal = self._normalized(values)
        for module in self.after:
            normal = module(normal)
        return normal

    def _normalized(self, values: Tensor) -> Tensor:
        if not self.training and self.running_mean is not None:
            return functional.batch_norm(
                values, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        axes = [axis for axis in range(values.ndim) if axis != 1]
        shape = [1, -1] + [1] * (values.ndim - 2)
        wide = values.float()
        own = wide.new_full((1,), wide.numel() / max(1, wide.shape[1]))
        both = SummedBothWays.apply(torch.cat([wide.sum(axes), own]), self.group)
        count = both[-1].detach().clamp_min(1)
        mean = both[:-1] / count
        apart = wide - mean.view(shape)
        variance = SummedBothWays.apply(apart.square().sum(axes), self.group) / count
        self._follow(mean.detach(), variance.detach(), count)
        normal = apart * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(values.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics, as torch's layers do."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = self.momentum
        if share is None:
            share = 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / (count - 1).clamp_min(1), share)

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of dimensions."""


def synchronize_norms(network: nn.Module, group: Group, device: torch.device) -> None:
    """Let the batch normalization of a network see the whole batch, in place.

    Args:
        network: The network; it is no such layer itself.
        group: The processes.
        device: Where it will compute.
    """
    if group.size == 1:
        return
    if device.type == "cuda":
        convert_sync_batchnorm(network)
        return
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, GroupNormalization(child, group))
