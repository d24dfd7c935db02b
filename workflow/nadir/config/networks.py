"""Models of segmentation, by name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nadir.config.base import ConfigModel

Dates = Literal["stacked", "attention"]


class UNet(ConfigModel):
    """U-Net with skip connections on an encoder of segmentation-models-pytorch or timm."""

    name: Literal["unet"] = "unet"
    encoder: str = "resnet50"
    """Encoder by name (`resnet18`, `resnet50`, ...; `tu-NAME` for any of timm's)."""
    weights: str | None = None
    """`imagenet` (fetched when reachable), a file (.safetensors) of encoder weights,
    `torchgeo:NAME.MEMBER` (such as `torchgeo:ResNet50_Weights.SENTINEL2_ALL_MOCO`, where the
    extra `torchgeo` is installed), or null for none.
    """
    decoder_channels: tuple[int, ...] = (256, 128, 64, 32, 16)
    """Channels of the decoder's stages, from the coarsest on; their number is the encoder's depth.
    """
    reduce: int = Field(default=1, ge=1, le=8)
    """Show the network the image averaged over squares of so many pixels a side, and bring its
    answer back bilinearly: quicker by the square of it, where things are many pixels large.
    """
    dates: Dates = "stacked"
    """How several dates meet. `stacked`: as channels of one image. `attention`: each date passes
    the same encoder, and at each pixel attention over the dates weighs their features; dates that
    are cloudy or missing there count for nothing (Garnot and Landrieu 2021).
    """


class UNetNoSkip(ConfigModel):
    """Encoder and decoder without skips between them.

    The decoder is of transposed convolutions (2048 to 32 channels), its result is resized
    bilinearly to the tile.
    """

    name: Literal["unet_noskip"] = "unet_noskip"
    encoder: str = "resnet50"
    """Encoder by name, as for `unet`."""
    weights: str | None = None
    """As for `unet`."""


class UNetScratch(ConfigModel):
    """The classic U-Net of double convolutions, without pretraining (Ronneberger et al. 2015)."""

    name: Literal["unet_scratch"] = "unet_scratch"
    width: int = Field(default=64, ge=4)
    """Channels of the first stage; each deeper stage has twice as many."""
    depth: int = Field(default=4, ge=2, le=6)
    """Number of poolings."""
    reduce: int = Field(default=1, ge=1, le=8)
    """As for `unet`."""
    dates: Dates = "stacked"
    """As for `unet`."""


class UNetSmall(ConfigModel):
    """A U-Net of 3,842,241 parameters for RGB and two classes: 22 convolutions, 18 batch norms.

    Small enough to train from random weights on single pictures. For two classes it has one logit.
    """

    name: Literal["unet_small"] = "unet_small"


class LibraryNetwork(ConfigModel):
    """A decoder of segmentation-models-pytorch on an encoder of that library or timm.

    U-Net++ (Zhou et al. 2018), DeepLabV3+ (Chen et al. 2018), FPN (Kirillov et al. 2019), UPerNet
    (Xiao et al. 2018), SegFormer (Xie et al. 2021), DPT (Ranftl et al. 2021, on a vision
    transformer of timm's), DeepLabV3 (Chen et al. 2017), MA-Net (Fan et al. 2020), LinkNet
    (Chaurasia and Culurciello 2017), PSPNet (Zhao et al. 2017), PAN (Li et al. 2018).
    """

    name: Literal[
        "unetplusplus",
        "deeplabv3plus",
        "fpn",
        "upernet",
        "segformer",
        "dpt",
        "deeplabv3",
        "manet",
        "linknet",
        "pspnet",
        "pan",
    ]
    encoder: str = "resnet50"
    """Encoder by name, as for `unet`; for `dpt` a vision transformer of patches of 8, 16 or 32
    pixels, such as `tu-vit_small_patch16_224`.
    """
    weights: str | None = None
    """As for `unet`; for `dpt` `imagenet`, a file (.safetensors) of the transformer as timm keeps
    it, or null.
    """
    width: int | None = Field(default=None, ge=8, multiple_of=8)
    """Channels of the decoder (for `unetplusplus` and `manet` of its coarsest stage, each finer one
    has half as many); by default the library's. `linknet` takes its encoder's.
    """
    reduce: int = Field(default=1, ge=1, le=8)
    """As for `unet`."""
    dates: Dates = "stacked"
    """As for `unet`; `dpt` knows only `stacked`."""


class UNetTwoEncoders(ConfigModel):
    """U-Net whose skips come from two encoders side by side: a transformer and a ResNet, say."""

    name: Literal["unet_two_encoders"] = "unet_two_encoders"
    encoders: tuple[str, str] = ("mit_b0", "resnet50")
    """Encoders by name, as for `unet`; both see the image, and their features are joined."""
    weights: str | tuple[str | None, str | None] | None = None
    """As for `unet`, for both, or one of its own for each (`[mit.safetensors, imagenet]`)."""
    decoder_channels: tuple[int, int, int, int, int] = (256, 128, 64, 32, 16)
    """As for `unet`."""
    reduce: int = Field(default=1, ge=1, le=8)
    """As for `unet`."""
    dates: Dates = "stacked"
    """As for `unet`."""

    @property
    def each(self) -> tuple[str | None, str | None]:
        """What each encoder starts from."""
        both = self.weights
        return both if isinstance(both, tuple) else (both, both)


class RandomForest(ConfigModel):
    """Per-pixel random forest over the bands of all dates: the baseline that sees no context."""

    name: Literal["random_forest"] = "random_forest"
    trees: int = Field(default=100, ge=1)
    """Number of trees."""
    max_depth: int | None = Field(default=20, ge=1)
    """Largest depth of a tree."""
    min_leaf: int = Field(default=5, ge=1)
    """Least number of pixels in a leaf."""
    pixels: int = Field(default=200_000, ge=100)
    """Most training pixels drawn (stratified by tile, seeded); all of them when there are fewer."""


ModelConfig = Annotated[
    UNet | UNetNoSkip | UNetScratch | UNetSmall | LibraryNetwork | UNetTwoEncoders | RandomForest,
    Field(discriminator="name"),
]
