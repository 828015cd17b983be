// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AggregatorBase} from "./AggregatorBase.sol";
import {CommitteeData} from "./CommitteeData.sol";
import {Hot} from "./HotSlot.sol";

/// @title Aggregator A: what every OCR2 transmitter already speaks
/// @notice Takes reports of a committee of oracles, encoded and signed as the OCR2 aggregators already on chain want
/// them, and publishes the median. No token, no billing, no validator hook; everyone may read.
contract Aggregator is AggregatorBase {
    /// @notice A report was accepted.
    /// @param aggregatorRoundId aggregator round it was stored under
    /// @param answer the median
    /// @param transmitter account that sent it
    /// @param observationsTimestamp when the oracles observed, seconds
    /// @param observations the observations, ascending if f+1 signers followed the protocol
    /// @param observers i-th byte: index of the oracle that made the i-th observation
    /// @param juelsPerFeeCoin passed through; this contract pays nobody
    /// @param configDigest configuration the report was made under
    /// @param epochAndRound protocol round in the lowest byte, epoch above it
    event NewTransmission(
        uint32 indexed aggregatorRoundId,
        int192 answer,
        address transmitter,
        uint32 observationsTimestamp,
        int192[] observations,
        bytes observers,
        int192 juelsPerFeeCoin,
        bytes32 configDigest,
        uint40 epochAndRound
    );

    /// @notice The report was made under another configuration than the current one.
    /// @param given digest in the report's context
    /// @param current digest of the current configuration
    error ConfigDigestMismatch(bytes32 given, bytes32 current);

    /// @notice Exactly f+1 signatures are wanted, no more and no fewer.
    /// @param given how many came
    /// @param expected f+1
    error WrongNumberOfSignatures(uint256 given, uint256 expected);

    /// @notice The lists of signature halves differ in length.
    /// @param rs length of one
    /// @param ss length of the other
    error SignatureListsDiffer(uint256 rs, uint256 ss);

    /// @notice The report is not exactly as long as its contents.
    /// @param given its length
    /// @param expected what its number of observations comes to
    error ReportLengthMismatch(uint256 given, uint256 expected);

    /// @notice The report does not place its observations where the encoding of a report places them.
    /// @param given offset of the observations
    /// @param expected the offset they must have
    error ObservationsMisplaced(uint256 given, uint256 expected);

    /// @dev Calldata of transmit without the contents of its three dynamic arguments: selector, context, three offsets,
    /// rawVs, three lengths.
    uint256 private constant TRANSMIT_FIXED_LENGTH = 4 + 3 * 32 + 3 * 32 + 32 + 3 * 32;

    /// @dev Where the number of observations stands in a report: after the words timestamp, observers, this offset,
    /// juelsPerFeeCoin.
    uint256 private constant OBSERVATIONS_OFFSET = 128;

    /// @dev Where the first observation stands in a report: after their number.
    uint256 private constant OBSERVATIONS_START = 160;

    /// @dev 2^191: what makes an int192 an unsigned number of 192 bits.
    uint256 private constant INT192_OFFSET = 0x800000000000000000000000000000000000000000000000;

    /// @dev Bytes of NewTransmission's data before its dynamic fields: eight words.
    uint256 private constant NEW_TRANSMISSION_HEAD = 256;

    /// @param minAnswer_ smallest answer the feed may report
    /// @param maxAnswer_ largest answer the feed may report
    /// @param decimals_ decimal digits of the answers
    /// @param description_ what the answers measure, for humans
    /// @param maxAge_ how old observations may be when they come in, seconds; zero for any age
    /// @param heartbeat_ longest time between two answers, seconds; zero for none
    constructor(
        int192 minAnswer_,
        int192 maxAnswer_,
        uint8 decimals_,
        string memory description_,
        uint24 maxAge_,
        uint32 heartbeat_
    ) AggregatorBase(minAnswer_, maxAnswer_, decimals_, description_, maxAge_, heartbeat_) {}

    /// @notice Name and version of this contract.
    /// @return the two, separated by a space
    function typeAndVersion() external pure returns (string memory) {
        return "Aggregator 1.0.0";
    }

    /// @notice Delivers a report signed by f+1 oracles.
    /// @dev The checks come in the order of the deployed aggregator, the cheapest and likeliest failure first: a
    /// transmitter who lost the race learns StaleReport.
    /// @param reportContext configuration digest; 27 zero bytes, epoch (4 bytes), round (1 byte); extra hash
    /// @param report abi.encode(uint32 observationsTimestamp, bytes32 observers, int192[] observations,
    /// int192 juelsPerFeeCoin)
    /// @param rs i-th element: r of the i-th signature
    /// @param ss i-th element: s of the i-th signature
    /// @param rawVs i-th byte: v of the i-th signature, 0 or 1
    function transmit(
        bytes32[3] calldata reportContext,
        bytes calldata report,
        bytes32[] calldata rs,
        bytes32[] calldata ss,
        bytes32 rawVs
    ) external {
        Hot hot = s_hot;
        uint40 epochAndRound = uint40(uint256(reportContext[1]));

        _requireNewer(hot, epochAndRound);
        CommitteeData committee = _requireTransmitter(hot);
        _requireCurrentConfig(committee, reportContext[0]);
        _requireExactCalldata(report.length, rs.length, ss.length);
        _requireSignatures(committee, keccak256(abi.encode(keccak256(report), reportContext)), rs, ss, rawVs);
        _acceptReport(hot, committee, epochAndRound, report);
    }

    /// @dev Refuses a report made under another configuration.
    /// @param committee the current one
    /// @param given digest in the report's context
    function _requireCurrentConfig(CommitteeData committee, bytes32 given) private pure {
        bytes32 current = committee.configDigest();
        if (given != current) revert ConfigDigestMismatch(given, current);
    }

    /// @dev Refuses calldata with anything before, between or after its parts.
    /// @param report length of the report
    /// @param rs number of r
    /// @param ss number of s
    function _requireExactCalldata(uint256 report, uint256 rs, uint256 ss) private pure {
        uint256 expected = TRANSMIT_FIXED_LENGTH + report + 32 * rs + 32 * ss;
        if (msg.data.length != expected) revert CalldataLengthMismatch(msg.data.length, expected);
    }

    /// @dev Refuses anything but f+1 valid signatures of as many oracles.
    /// @param committee the current one
    /// @param hash what they signed
    /// @param rs i-th element: r of the i-th signature
    /// @param ss i-th element: s of the i-th signature
    /// @param rawVs i-th byte: v of the i-th signature
    function _requireSignatures(
        CommitteeData committee,
        bytes32 hash,
        bytes32[] calldata rs,
        bytes32[] calldata ss,
        bytes32 rawVs
    ) private view {
        uint256 quorum = committee.faults() + 1;
        if (rs.length != quorum) revert WrongNumberOfSignatures(rs.length, quorum);
        if (ss.length != quorum) revert SignatureListsDiffer(rs.length, ss.length);

        uint256 input = _recoveryInput(hash);
        uint256 seen = 0; // bit i: oracle i has signed
        for (uint256 i = 0; i < quorum; i++) {
            uint256 v;
            bytes32 r;
            bytes32 s;
            assembly ("memory-safe") {
                // Both lists have quorum elements, and the decoder of the arguments has checked that they end within
                // the calldata. At most 11 of the 32 bytes of rawVs are used.
                v := add(byte(i, rawVs), 27)
                r := calldataload(add(rs.offset, shl(5, i)))
                s := calldataload(add(ss.offset, shl(5, i)))
            }
            seen = _countSignature(committee, seen, i, input, v, r, s);
        }
    }

    /// @dev Decodes a report whose signatures hold, publishes its median.
    /// @param hot the hot slot
    /// @param committee the current one
    /// @param epochAndRound of the report
    /// @param report the report
    function _acceptReport(Hot hot, CommitteeData committee, uint40 epochAndRound, bytes calldata report)
        private
    {
        if (report.length < OBSERVATIONS_START) {
            revert ReportLengthMismatch(report.length, OBSERVATIONS_START);
        }
        (uint32 observationsTimestamp, bytes32 observers, uint256 offset, int192 juelsPerFeeCoin) =
            abi.decode(report[:OBSERVATIONS_OFFSET], (uint32, bytes32, uint256, int192));
        if (offset != OBSERVATIONS_OFFSET) revert ObservationsMisplaced(offset, OBSERVATIONS_OFFSET);

        uint256 count = uint256(bytes32(report[OBSERVATIONS_OFFSET:OBSERVATIONS_START]));
        _requireObservations(committee, count);
        if (report.length != OBSERVATIONS_START + 32 * count) {
            revert ReportLengthMismatch(report.length, OBSERVATIONS_START + 32 * count);
        }
        int192 answer = _checkedMedian(report, count);
        uint32 roundId = _recordAnswer(hot, epochAndRound, answer, observationsTimestamp);
        _emitNewTransmission(
            roundId,
            abi.encode(
                answer,
                msg.sender,
                observationsTimestamp,
                NEW_TRANSMISSION_HEAD,
                NEW_TRANSMISSION_HEAD + 32 + 32 * count,
                juelsPerFeeCoin,
                committee.configDigest(),
                epochAndRound
            ),
            observers,
            report,
            count
        );
        _emitLegacyEvents(roundId, answer, observationsTimestamp);
    }

    /// @dev Checks that every observation is an int192.
    /// @param report one whose length is that of a report with count observations
    /// @param count number of observations, not zero
    /// @return answer the element at index count / 2
    function _checkedMedian(bytes calldata report, uint256 count) private pure returns (int192 answer) {
        bool valid;
        assembly ("memory-safe") {
            // All reads lie within the report, because of its length.
            let first := add(report.offset, OBSERVATIONS_START)
            let beyond := 0
            for {
                let at := first
                let end := add(first, shl(5, count))
            } lt(at, end) { at := add(at, 32) } {
                // From 0 to 2^192 - 1 for an int192, and for nothing else.
                beyond := or(beyond, add(calldataload(at), INT192_OFFSET))
            }
            valid := iszero(shr(192, beyond))
            answer := calldataload(add(first, shl(5, shr(1, count))))
        }
        // As a decoder of arguments refuses a value beyond its type.
        if (!valid) {
            assembly ("memory-safe") {
                revert(0, 0)
            }
        }
    }

    /// @dev Emits NewTransmission as `emit` does, but copies the observations as they stand in the report.
    /// @param roundId the aggregator round
    /// @param head the fields that are not indexed, the two dynamic ones as offsets
    /// @param observers the report's word of observers
    /// @param report one whose length is that of a report with count observations
    /// @param count number of observations, from 1 to 31
    function _emitNewTransmission(
        uint32 roundId,
        bytes memory head,
        bytes32 observers,
        bytes calldata report,
        uint256 count
    ) private {
        bytes32 topic = NewTransmission.selector;
        assembly ("memory-safe") {
            let data := add(head, 32)
            // abi.encode left whole words, and nothing was allocated since: free memory begins behind them. It stays
            // free, as the log is all it is used for.
            let observations := add(data, NEW_TRANSMISSION_HEAD)
            let length := shl(5, add(count, 1))
            // The number of observations and they themselves: in the event as in the report.
            calldatacopy(observations, add(report.offset, OBSERVATIONS_OFFSET), length)
            let tail := add(observations, length)
            mstore(tail, count)
            // The first count bytes; the rest of the word is padding.
            let unused := sub(256, shl(3, count))
            mstore(add(tail, 32), shl(unused, shr(unused, observers)))
            log2(data, sub(add(tail, 64), data), topic, roundId)
        }
    }
}
