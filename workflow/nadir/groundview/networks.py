"""What all generators of views have in common: condition and latent in, views out."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from nadir.groundview.conditions import Condition


class ViewNetwork(nn.Module):
    """A generator of views.

    Attributes:
        latent_size: Numbers of a latent: drawn from the standard normal distribution.
        first_is_plain: Whether the first sample of a place has the latent 0.
        spread: What latents are multiplied by.
    """

    latent_size: int
    first_is_plain = False
    spread = 1.0

    @abstractmethod
    def views(self, condition: Condition, latents: Tensor) -> Tensor:
        """Return views (n, 3, image_px, image_px), values about -1..1, of latents (n, size)."""
