"""The DCGAN of a tiny latent, and its encoder from crop to latent.

What is known of the original: a latent of 4 numbers, five transposed convolutions of 4 x 4 and
stride 2 up to 128 x 128, a discriminator that mirrors them, a StepLR on the generator, and an
encoder whose latents go through the trained generator. The rest is read as Radford et al. 2016 have
it: a dense layer lifts the latent to maps of 4 x 4 (of photo side / 32 elsewhere), batch
normalization and ReLU, at the end a tanh; LeakyReLU of 0.2 in the discriminator and the encoder,
weights drawn with a deviation of 0.02, Adam with a beta1 of 0.5 in the recipe.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from nadir.config.groundview_experiments import DcganEncoder
from nadir.groundview.conditions import Condition, Frame
from nadir.groundview.networks import ViewNetwork

STAGES = 5
"""Transposed convolutions of the generator, and convolutions of the discriminator."""

_SCALE = 2**STAGES
_SLOPE, _DEVIATION = 0.2, 0.02
_ENCODED = 4  # side of the maps that the encoder's last layer sees


class DcganGenerator(nn.Module):
    """Latent to picture.

    Args:
        latent: Numbers of a latent.
        width: Channels before the last transposed convolution.
        image_px: Side of the pictures.
    """

    def __init__(self, latent: int, width: int, image_px: int) -> None:
        super().__init__()
        side, channels = image_px // _SCALE, width << (STAGES - 1)
        self.lift = nn.Sequential(
            nn.Linear(latent, channels * side * side),
            nn.Unflatten(1, (channels, side, side)),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        layers: list[nn.Module] = []
        for _ in range(STAGES - 1):
            half = channels // 2
            layers += [
                nn.ConvTranspose2d(channels, half, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(half),
                nn.ReLU(),
            ]
            channels = half
        layers += [nn.ConvTranspose2d(channels, 3, 4, stride=2, padding=1), nn.Tanh()]
        self.grow = nn.Sequential(*layers)
        self.apply(start_small)

    def forward(self, latents: Tensor) -> Tensor:
        """Return pictures (n, 3, image_px, image_px), values -1..1."""
        return self.grow(self.lift(latents))


class DcganDiscriminator(nn.Module):
    """The generator's mirror image: five convolutions of 4 x 4 and stride 2, and one number.

    Args:
        width: Channels of the first convolution.
        image_px: Side of the pictures.
    """

    def __init__(self, width: int, image_px: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(_SLOPE),
        ]
        for stage in range(1, STAGES):
            channels = width << stage
            layers += [
                nn.Conv2d(channels // 2, channels, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.LeakyReLU(_SLOPE),
            ]
        side = image_px // _SCALE
        self.judge = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear((width << (STAGES - 1)) * side * side, 1)
        )
        self.apply(start_small)

    def forward(self, pictures: Tensor, condition: Condition | None = None) -> Tensor:
        """Return how real pictures seem, (n,): logits. It is not told of what place they are."""
        return self.judge(pictures)[:, 0]


class CropEncoder(nn.Module):
    """Crop to latent: convolutions of 4 x 4 and stride 2 down to 4 x 4, and a dense layer.

    Args:
        latent: Numbers of a latent.
        width: Channels of the first convolution.
        crop_px: Side of the crops.
    """

    def __init__(self, latent: int, width: int, crop_px: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for stage in range(round(math.log2(crop_px / _ENCODED))):
            channels = width << min(stage, 3)
            layers += [
                nn.Conv2d(before, channels, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.LeakyReLU(_SLOPE),
            ]
            before = channels
        self.encode = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(_ENCODED), nn.Flatten(),
            nn.Linear(before * _ENCODED**2, latent),
        )  # fmt: skip

    def forward(self, crops: Tensor) -> Tensor:
        """Return latents (n, latent) of crops (n, 3, crop_px, crop_px)."""
        return self.encode(crops)


class DcganNetwork(ViewNetwork):
    """Encoder and generator; what a latent says is added to the encoder's.

    Args:
        cfg: The generator's section.
        frame: Sizes of views and crops; views have a side that 32 divides.
    """

    first_is_plain = True

    def __init__(self, cfg: DcganEncoder, frame: Frame) -> None:
        super().__init__()
        self.latent_size, self.spread = cfg.latent, cfg.spread
        self.generator = DcganGenerator(cfg.latent, cfg.width, frame.image_px)
        self.encoder = CropEncoder(cfg.latent, cfg.width // 2 or 1, cfg.crop_px)

    def views(self, condition: Condition, latents: Tensor) -> Tensor:
        """Return views; see `ViewNetwork`."""
        return self.generator(self.encoder(condition.crops) + latents)


def start_small(module: nn.Module) -> None:
    """Draw the weights of a layer as Radford et al. do."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, _DEVIATION)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, _DEVIATION)
