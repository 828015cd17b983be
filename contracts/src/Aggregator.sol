// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AggregatorBase} from "./AggregatorBase.sol";

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

    /// @notice The calldata is not exactly as long as its contents.
    /// @param given its length
    /// @param expected what the lengths of its parts come to
    error CalldataLengthMismatch(uint256 given, uint256 expected);

    /// @notice Exactly f+1 signatures are wanted, no more and no fewer.
    /// @param given how many came
    /// @param expected f+1
    error WrongNumberOfSignatures(uint256 given, uint256 expected);

    /// @notice The lists of signature halves differ in length.
    /// @param rs length of one
    /// @param ss length of the other
    error SignatureListsDiffer(uint256 rs, uint256 ss);

    /// @notice A signature is not of a signer of the current configuration, or not over this report and context.
    /// @param position of the signature
    /// @param recovered address it recovers to, zero if to none
    error InvalidSignature(uint256 position, address recovered);

    /// @notice An oracle signed twice.
    /// @param position of the second signature
    /// @param signer the address
    error DuplicateSigner(uint256 position, address signer);

    /// @notice The report is not exactly as long as its contents.
    /// @param given its length
    /// @param expected what its number of observations comes to
    error ReportLengthMismatch(uint256 given, uint256 expected);

    /// @notice The report does not place its observations where the encoding of a report places them.
    /// @param given offset of the observations
    /// @param expected the offset they must have
    error ObservationsMisplaced(uint256 given, uint256 expected);

    /// @notice More observations than the largest committee could make.
    /// @param given how many came
    /// @param limit how many may come
    error TooManyObservations(uint256 given, uint256 limit);

    /// @notice So few observations that all of them could be of faulty oracles.
    /// @param given how many came
    /// @param minimum f+1
    error TooFewObservations(uint256 given, uint256 minimum);

    /// @dev Calldata of transmit without the contents of its three dynamic arguments: selector, context, three offsets,
    /// rawVs, three lengths.
    uint256 private constant TRANSMIT_FIXED_LENGTH = 4 + 3 * 32 + 3 * 32 + 32 + 3 * 32;

    /// @dev Where the observations stand in a report: after timestamp, observers, this offset, juelsPerFeeCoin.
    uint256 private constant OBSERVATIONS_OFFSET = 4 * 32;

    /// @param minAnswer_ smallest answer the feed may report
    /// @param maxAnswer_ largest answer the feed may report
    /// @param decimals_ decimal digits of the answers
    /// @param description_ what the answers measure, for humans
    constructor(int192 minAnswer_, int192 maxAnswer_, uint8 decimals_, string memory description_)
        AggregatorBase(minAnswer_, maxAnswer_, decimals_, description_)
    {}

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
        Hot memory hot = s_hot;
        uint40 epochAndRound = uint40(uint256(reportContext[1]));

        _requireNewer(hot, epochAndRound);
        _requireTransmitter(hot);
        _requireCurrentConfig(reportContext[0]);
        _requireExactCalldata(report.length, rs.length, ss.length);
        _requireSignatures(hot, keccak256(abi.encode(keccak256(report), reportContext)), rs, ss, rawVs);
        _acceptReport(hot, reportContext[0], epochAndRound, report);
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
    /// @param hot the hot slot
    /// @param hash what they signed
    /// @param rs i-th element: r of the i-th signature
    /// @param ss i-th element: s of the i-th signature
    /// @param rawVs i-th byte: v of the i-th signature
    function _requireSignatures(
        Hot memory hot,
        bytes32 hash,
        bytes32[] calldata rs,
        bytes32[] calldata ss,
        bytes32 rawVs
    ) private view {
        uint256 quorum = uint256(hot.f) + 1;
        uint32 configCount = hot.configCount;
        if (rs.length != quorum) revert WrongNumberOfSignatures(rs.length, quorum);
        if (ss.length != quorum) revert SignatureListsDiffer(rs.length, ss.length);

        uint256 seen = 0; // bit i: oracle i has signed
        for (uint256 i = 0; i < quorum; i++) {
            uint8 v;
            unchecked {
                // Wraps only from 229 on, to values that are no recovery id.
                v = uint8(rawVs[i]) + 27;
            }
            address recovered = ecrecover(hash, v, rs[i], ss[i]);
            // A signature that recovers to nothing gives zero, which is no signer.
            (bool found, uint256 index) = _findSigner(configCount, recovered);
            if (!found) revert InvalidSignature(i, recovered);
            if (seen & (1 << index) != 0) revert DuplicateSigner(i, recovered);
            seen |= 1 << index;
        }
    }

    /// @dev Decodes a report whose signatures hold, publishes its median.
    /// @param hot the hot slot
    /// @param configDigest the current configuration
    /// @param epochAndRound of the report
    /// @param report the report
    function _acceptReport(Hot memory hot, bytes32 configDigest, uint40 epochAndRound, bytes calldata report)
        private
    {
        if (report.length < OBSERVATIONS_OFFSET + 32) {
            revert ReportLengthMismatch(report.length, OBSERVATIONS_OFFSET + 32);
        }
        (uint32 observationsTimestamp, bytes32 observers, uint256 offset, int192 juelsPerFeeCoin) =
            abi.decode(report[:OBSERVATIONS_OFFSET], (uint32, bytes32, uint256, int192));
        if (offset != OBSERVATIONS_OFFSET) revert ObservationsMisplaced(offset, OBSERVATIONS_OFFSET);

        uint256 count = uint256(bytes32(report[OBSERVATIONS_OFFSET:OBSERVATIONS_OFFSET + 32]));
        if (count > MAX_ORACLES) revert TooManyObservations(count, MAX_ORACLES);
        if (count <= hot.f) revert TooFewObservations(count, uint256(hot.f) + 1);
        if (report.length != OBSERVATIONS_OFFSET + 32 + 32 * count) {
            revert ReportLengthMismatch(report.length, OBSERVATIONS_OFFSET + 32 + 32 * count);
        }
        int192[] calldata observations;
        assembly ("memory-safe") {
            // Within the report: its length was just checked. Elements are checked to be int192 where they are read.
            observations.offset := add(report.offset, add(OBSERVATIONS_OFFSET, 32))
            observations.length := count
        }

        int192 answer = observations[count / 2];
        _recordAnswer(hot, epochAndRound, answer, observationsTimestamp);

        emit NewTransmission(
            hot.latestRoundId,
            answer,
            msg.sender,
            observationsTimestamp,
            observations,
            _firstBytes(observers, count),
            juelsPerFeeCoin,
            configDigest,
            epochAndRound
        );
        _emitLegacyEvents(hot.latestRoundId, answer, observationsTimestamp);
    }

    /// @dev The beginning of a word as a byte string.
    /// @param word the word
    /// @param length how many bytes of it, at most 32
    /// @return result the bytes
    function _firstBytes(bytes32 word, uint256 length) private pure returns (bytes memory result) {
        result = abi.encodePacked(word);
        assembly ("memory-safe") {
            mstore(result, length)
        }
    }
}
