"""`ocr2_median_plugin`: the whole report step of a follower, from the leader's request to report, skip or refusal."""

from __future__ import annotations

from ocr_peer import crypto
from ocr_peer.conformance.known_keys import KnownKeys
from ocr_peer.conformance.median_observation import attributed_bodies, committee_size
from ocr_peer.conformance.reading import UINT8_MAX, UINT32_MAX
from ocr_peer.conformance.record import Record
from ocr_peer.conformance.stand_in import median_plugin, signed_request
from ocr_peer.errors import InputError
from ocr_peer.median.config import INT192_MAX, INT192_MIN
from ocr_peer.protocol.config import SECOND, ConfigDigest, Instant
from ocr_peer.protocol.events import ChainView
from ocr_peer.protocol.report import RequestRefused, RoundTag

__all__ = ["run_median_plugin"]

_DIGEST_BYTES = 32
_NOW_S = 1_800_000_000
_MOST_AGE_S = _NOW_S


def run_median_plugin(case: Record, keys: KnownKeys) -> None:
    """One case: `error`, or the hash of the inputs, whether to report, and the report."""
    n, f = committee_size(case)
    digest = ConfigDigest(case.octets("config_digest", length=_DIGEST_BYTES))
    tag = RoundTag(case.small("epoch", high=UINT32_MAX), case.small("round", high=UINT8_MAX))
    bodies = attributed_bodies(case, most=n)
    view = _chain_view(case.record("chain"))
    stated = case.flag("should_report")
    plugin_config, onchain_config = case.octets("reporting_plugin_config"), case.octets("onchain_config")
    refusal = case.text("error") if case.has("error") else None
    if refusal is not None and (stated or case.has("report")):
        raise case.malformed("error", "a refused request leads to no report", "state error or report")
    if stated and not case.has("report"):
        raise case.malformed("report", "missing although should_report is true", "add the report")

    case.expect_octets("extra_hash", crypto.inputs_hash(b"", bodies), length=_DIGEST_BYTES)
    try:
        plugin = median_plugin(
            n=n, f=f, digest=digest, reporting_plugin_config=plugin_config, onchain_config=onchain_config
        )
    except InputError as error:
        case.equal("(configuration)", "accepted", str(error))
        return
    built = plugin.build_report(tag, b"", signed_request(digest, tag, bodies))
    if isinstance(built, RequestRefused):
        if refusal is None:
            case.equal("error", "no refusal", f"refused: {built.rule}")
        return
    if refusal is not None:
        case.equal("error", refusal, "no refusal")
        return
    case.expect_octets("extra_hash", built.extra_hash)
    should_report = plugin.should_report(tag, built, view)
    case.equal("should_report", stated, should_report)
    if case.has("report"):
        case.expect_octets("report", built.report)


def _chain_view(chain: Record) -> ChainView:
    age = chain.small("age_s", high=_MOST_AGE_S)
    return ChainView(
        config_digest=ConfigDigest(chain.octets("config_digest", length=_DIGEST_BYTES)),
        epoch=chain.small("epoch", high=UINT32_MAX),
        round=chain.small("round", high=UINT8_MAX),
        answer=chain.wide("latest_answer", low=INT192_MIN, high=INT192_MAX),
        timestamp=_NOW_S - age,
        requested_digest=ConfigDigest(chain.octets("requested_config_digest", length=_DIGEST_BYTES)),
        requested_epoch=chain.small("requested_epoch", high=UINT32_MAX),
        requested_round=chain.small("requested_round", high=UINT8_MAX),
        # The clock of the implementation that made the vectors was past the full second when it compared.
        read_at=Instant(_NOW_S * SECOND + 1_000),
    )
