"""The networks of ``own_networks.py`` and ``causal_network.py``, adopted.

Each function can be given as ``--network FILE:FUNCTION``, and to the table of networks.
"""

from __future__ import annotations

import causal_network
import own_networks as nets
import torch
from torch import nn

import edgeshift
from edgeshift.checkpoints import Checkpoint
from edgeshift.checkpoints.adoption.proof import moving_clip

SIZE = 64


def resnet18() -> Checkpoint:
    return _adopted(nets.ResNet18(), "resnet18")


def bidirectional_resnet18() -> Checkpoint:
    return _adopted(nets.ResNet18(nets.MitShift), "bidirectional_resnet18")


def mobilenet_v3_like() -> Checkpoint:
    return _adopted(nets.mobilenet_v3_like(), "mobilenet_v3_like")


def efficientnet_like() -> Checkpoint:
    return _adopted(nets.efficientnet_like(), "efficientnet_like")


def causal() -> Checkpoint:
    """A causal (2+1)D network that keeps its states in attributes, with measured batch norms."""
    torch.manual_seed(0)
    net = causal_network.CausalNetwork()
    with torch.no_grad():
        for norm in [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]:
            norm.momentum = None
        net.clip((moving_clip(20, SIZE, seed=9) - 120) / 60)
        net.head.weight.mul_(20)
    net.eval()
    return edgeshift.adopt(net, size=SIZE, state="attributes", clip=net.clip)


def _adopted(net: nn.Module, name: str) -> Checkpoint:
    return edgeshift.adopt(nets.settled(net, SIZE), size=SIZE, name=name)
