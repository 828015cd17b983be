"""What changes from one configuration to the next, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ocr_peer.durations import format_duration
from ocr_peer.errors import InputError
from ocr_peer.evm.address import checksum_address
from ocr_peer.median.config import MedianOffchainConfig
from ocr_peer.owner.parameters import DURATIONS, ParameterValue
from ocr_peer.protocol.reconfiguration import ContractConfig
from ocr_peer.wire.offchain_config import OffchainConfig, decode_offchain_config

__all__ = [
    "CurrentConfiguration",
    "OracleEntry",
    "changes",
    "kept_values",
    "parameter_texts",
    "threshold_text",
]


@dataclass(frozen=True, slots=True)
class OracleEntry:
    """An oracle as a configuration lists it, for people."""

    signer: str
    transmitter: str
    peer_id: str
    offchain_public_key: str


@dataclass(frozen=True, slots=True)
class CurrentConfiguration:
    """A published configuration, as far as it can be read."""

    published: ContractConfig
    offchain: OffchainConfig | None
    """`None` if `offchainConfig` is not what OCR2 oracles read."""
    refusal: str | None
    """Why, then."""

    @classmethod
    def decode(cls, published: ContractConfig) -> CurrentConfiguration:
        """Never raises: what stands on chain may be anything."""
        try:
            return cls(published, decode_offchain_config(published.offchain_config), None)
        except InputError as error:
            return cls(published, None, str(error))

    @property
    def oracles(self) -> list[OracleEntry]:
        """By oracle id; missing parts are empty."""
        keys = () if self.offchain is None else self.offchain.offchain_public_keys
        peer_ids = () if self.offchain is None else self.offchain.peer_ids
        return [
            OracleEntry(
                signer=checksum_address(signer),
                transmitter=_at(
                    [checksum_address(account) for account in self.published.transmitters], index
                ),
                peer_id=_at(peer_ids, index),
                offchain_public_key=_at(["0x" + key.hex() for key in keys], index),
            )
            for index, signer in enumerate(self.published.signers)
        ]


def changes(before: CurrentConfiguration | None, after: CurrentConfiguration) -> tuple[str, ...]:
    """One line for every oracle that comes, goes, moves or changes a key, and every parameter that changes."""
    if before is None:
        oracles = [f"oracle {index}: in, {_shown(entry)}" for index, entry in enumerate(after.oracles)]
        return (*oracles, *(f"{key}: {text}" for key, text in parameter_texts(after).items()))
    lines: list[str] = []
    old = {entry.signer: (index, entry) for index, entry in enumerate(before.oracles)}
    new = {entry.signer: (index, entry) for index, entry in enumerate(after.oracles)}
    lines += [
        f"oracle {index}: out, {_shown(entry)}" for key, (index, entry) in old.items() if key not in new
    ]
    for signer, (index, entry) in new.items():
        if signer not in old:
            lines.append(f"oracle {index}: in, {_shown(entry)}")
            continue
        old_index, old_entry = old[signer]
        if old_index != index:
            lines.append(f"oracle {index}: was oracle {old_index}, signer {signer}")
        for name in ("transmitter", "peer_id", "offchain_public_key"):
            was, becomes = getattr(old_entry, name), getattr(entry, name)
            if was != becomes:
                lines.append(f"oracle {index}: {name.replace('_', ' ')} {was or '(none)'} → {becomes}")
    old_texts = parameter_texts(before)
    for key, text in parameter_texts(after).items():
        if old_texts.get(key) != text:
            lines.append(f"{key}: {old_texts.get(key, '(unreadable)')} → {text}")
    return tuple(lines)


def parameter_texts(configuration: CurrentConfiguration) -> dict[str, str]:
    """The number f and every off-chain parameter by its key, for people."""
    texts = {"f": str(configuration.published.f)}
    if configuration.offchain is None:
        return texts
    parameters = configuration.offchain.parameters
    for key, (attribute, _, _) in DURATIONS.items():
        texts[key] = _duration(getattr(parameters, attribute))
    texts["rMax"] = str(parameters.r_max)
    texts["s"] = ",".join(map(str, parameters.stage_sizes))
    try:
        plugin = MedianOffchainConfig.decode(parameters.reporting_plugin_config)
    except InputError:
        return texts
    texts["alphaReport"] = threshold_text(plugin.alpha_report_infinite, plugin.alpha_report_ppb)
    texts["alphaAccept"] = threshold_text(plugin.alpha_accept_infinite, plugin.alpha_accept_ppb)
    texts["deltaC"] = _duration(plugin.delta_c)
    return texts


def kept_values(published: ContractConfig, values: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
    """The given choices, and where there is none the timing and thresholds of a configuration, if readable.

    f and the stages are not taken over: they follow the number of oracles.
    """
    texts = parameter_texts(CurrentConfiguration.decode(published))
    kept = {
        key: ParameterValue(int(text) if key == "rMax" else text, f"{key} on chain")
        for key, text in texts.items()
        if key not in {"f", "s"} and not {key, f"{key}Infinite", f"{key}Ppb"} & values.keys()
    }
    return kept | dict(values)


def threshold_text(infinite: bool, ppb: int) -> str:
    """A deviation as the options take it: `0.5%`, or `infinite`."""
    if infinite:
        return "infinite"
    whole, fraction = divmod(ppb, 10**7)
    return f"{whole}.{fraction:07}".rstrip("0").rstrip(".") + "%"


def _duration(nanoseconds: int) -> str:
    return format_duration(nanoseconds) if nanoseconds >= 0 else f"{nanoseconds} ns"


def _shown(entry: OracleEntry) -> str:
    return f"signer {entry.signer}, transmitter {entry.transmitter or '(none)'}, peer {entry.peer_id or '(none)'}"


def _at(texts: Sequence[str], index: int) -> str:
    text = texts[index] if index < len(texts) else ""
    return "".join(letter if letter.isprintable() else "·" for letter in text[:128])
