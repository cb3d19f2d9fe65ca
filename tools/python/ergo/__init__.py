"""Client for Ergo inference servers, over the native protocol. See `connect` and `Client`."""

from .client import Client, ConnectionLost, Result, connect
from .protocol import (
    Energy,
    ErrorCode,
    Figure,
    Health,
    Metadata,
    ModelEntry,
    Port,
    ProtocolError,
    RawTensor,
    ServerError,
)

__all__ = [
    "Client",
    "ConnectionLost",
    "Energy",
    "ErrorCode",
    "Figure",
    "Health",
    "Metadata",
    "ModelEntry",
    "Port",
    "ProtocolError",
    "RawTensor",
    "Result",
    "ServerError",
    "connect",
]
__version__ = "0.1.0"
