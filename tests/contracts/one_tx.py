"""The same feed without off-chain reporting: a FluxAggregator, to which every oracle sends its own observation."""

from __future__ import annotations

from dataclasses import dataclass

from .chain import Chain, Contract
from .feed import DECIMALS, DESCRIPTION, MAX_ANSWER, MIN_ANSWER, OWNER
from .others import published
from .signing import Oracle, committee

NOBODY = "0x" + "00" * 20
TIMEOUT = 600


@dataclass
class FluxFeed:
    contract: Contract
    oracles: list[Oracle]

    @classmethod
    def deploy(cls, chain: Chain, n: int) -> FluxFeed:
        """n oracles. The answer stands from 2f+1 submissions on, as then most of them are honest, and takes in all n.
        Nobody is paid, as on our contracts."""
        oracles = committee(n)
        contract = Contract.deploy(
            chain,
            OWNER,
            published("FluxAggregator"),
            NOBODY,
            0,
            TIMEOUT,
            NOBODY,
            MIN_ANSWER,
            MAX_ANSWER,
            DECIMALS,
            DESCRIPTION,
        )
        accounts = [oracle.transmitter for oracle in oracles]
        enough = 2 * ((n - 1) // 3) + 1
        contract.send(OWNER, "changeOracles", [], accounts, accounts, enough, n, 0)
        return cls(contract, oracles)

    def submissions(self, round_: int, values: tuple[int, ...]) -> list[tuple[bytes, bytes]]:
        """Key and calldata of what each oracle sends."""
        return [
            (oracle.transmitting_key, self.contract.calldata("submit", round_, value))
            for oracle, value in zip(self.oracles, values, strict=True)
        ]
