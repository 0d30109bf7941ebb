"""Forward passes in batches that the device's memory allows."""

import logging

import torch
from torch import Tensor

from vitrine.errors import BadInput
from vitrine.vision.backbone import Network
from vitrine.vision.device import Device, Pass

logger = logging.getLogger(__name__)


class Passes:
    """A network on a device; where its memory does not suffice, the batch is halved for good.

    `batch_size` is the size now. Not to be called by two threads at once.
    """

    def __init__(self, network: Network, device: Device, batch_size: int) -> None:
        self.batch_size = batch_size
        self._network = network
        self._device = device
        self._pass: Pass | None = None

    def __call__(self, squares: Tensor) -> Tensor:
        """(n, 3, size, size) uint8 squares to (n, dim) float32 vectors, for any n.

        Raises:
            BadInput: the memory does not even suffice for a single picture.
        """
        while (vectors := self._tried(squares)) is None:
            self._halve()
        return vectors

    def _tried(self, squares: Tensor) -> Tensor | None:
        try:
            if self._pass is None:
                self._pass = self._device.prepared(self._network, self.batch_size)
            return torch.cat([self._pass(few) for few in torch.split(squares, self.batch_size)])
        except torch.OutOfMemoryError:
            return None  # what the frames of the error hold is free only after this block

    def _halve(self) -> None:
        spec = self._network.spec
        if self.batch_size == 1:
            raise BadInput(
                f"{self._device.where} has no memory for one picture of {spec.image_size} pixels through "
                f"{spec.backbone}: end what else runs there, or set model.device=cpu"
            )
        self._pass = None
        self.batch_size //= 2
        torch.cuda.empty_cache()
        logger.warning("out of memory on %s: batch_size=%d from now on", self._device.where, self.batch_size)
