"""Generators and discriminators by name."""

from __future__ import annotations

from torch import nn

from nadir.config.groundview_experiments import ConditionalGan, DcganEncoder, Flow, GeneratorConfig
from nadir.groundview.conditional_gan import ConditionalGenerator, ProjectionDiscriminator
from nadir.groundview.conditions import Frame
from nadir.groundview.dcgan import DcganDiscriminator, DcganNetwork
from nadir.groundview.flow import FlowNetwork
from nadir.groundview.networks import ViewNetwork


def build_generator(cfg: GeneratorConfig, frame: Frame) -> ViewNetwork:
    """Build a generator; random weights come from torch's global generator: seed it first."""
    if isinstance(cfg, DcganEncoder):
        return DcganNetwork(cfg, frame)
    if isinstance(cfg, Flow):
        return FlowNetwork(cfg, frame)
    return ConditionalGenerator(cfg, frame)


def build_discriminator(cfg: DcganEncoder | ConditionalGan, image_px: int) -> nn.Module:
    """Build the discriminator of a GAN: pictures and condition in, logits out."""
    if isinstance(cfg, DcganEncoder):
        return DcganDiscriminator(cfg.width, image_px)
    return ProjectionDiscriminator(cfg, image_px)
