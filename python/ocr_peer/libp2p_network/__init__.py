"""The `Network` port over py-libp2p: TCP, Noise, Yamux, gossipsub 1.1 and direct streams.

`open_libp2p_network` runs an oracle's transport, `open_bootstrap_node` a meeting place. docs/network.md says
what goes over the wire and why the library is used the way it is. Importing this package takes two seconds.
"""

from __future__ import annotations

from ocr_peer.libp2p_network.bootstrap import BootstrapNode, open_bootstrap_node
from ocr_peer.libp2p_network.network import Libp2pNetwork, open_libp2p_network

__all__ = ["BootstrapNode", "Libp2pNetwork", "open_bootstrap_node", "open_libp2p_network"]
