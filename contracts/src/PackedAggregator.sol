// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AggregatorBase} from "./AggregatorBase.sol";
import {CommitteeData} from "./CommitteeData.sol";
import {Hot} from "./HotSlot.sol";

/// @title Aggregator B: the same trust and the same reads for the least gas
/// @notice Takes reports in a packed format of its own, described byte by byte in docs/contract-b.md, and publishes the
/// median. No token, no billing, no validator hook; everyone may read. Committees are configured as on aggregator A.
contract PackedAggregator is AggregatorBase {
    /// @notice A report was accepted.
    /// @param aggregatorRoundId aggregator round it was stored under
    /// @param transmitter account that sent it
    /// @param message what its signers signed: configuration digest, epoch and round, report
    event NewPackedTransmission(uint32 indexed aggregatorRoundId, address transmitter, bytes message);

    /// @notice A number in the report is of no width that a number can have.
    /// @param value bytes of the smallest observation, which may be 1 to 24
    /// @param difference bytes of a difference, which may be 0 to 24
    error WidthsOutOfRange(uint256 value, uint256 difference);

    /// @dev A transmission that was looked at, and hashed, once.
    struct Packed {
        /// number of observations
        uint256 count;
        /// bytes of the smallest observation
        uint256 valueWidth;
        /// bytes of each other observation's difference from it
        uint256 differenceWidth;
        /// where the report ends in the calldata and the signatures begin
        uint256 end;
    }

    /// @dev Where the epoch stands in the calldata: behind the selector.
    uint256 private constant HEADER = 4;

    /// @dev Where the observers stand: behind epoch, round, timestamp, number of observations and two widths.
    uint256 private constant OBSERVERS = 16;

    /// @dev Bytes of an int192.
    uint256 private constant VALUE_BYTES = 24;

    /// @dev Bytes of a signature: r, and s with the recovery id in its highest bit (EIP-2098).
    uint256 private constant SIGNATURE_BYTES = 64;

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
        return "PackedAggregator 1.0.0";
    }

    /// @notice Delivers a report signed by f+1 oracles. Its arguments stand packed behind the selector, big-endian:
    /// epoch (4 bytes), round (1), time of the observations in seconds (4), number of observations k (1), bytes of the
    /// smallest observation b (1), bytes of a difference d (1), observers (k), smallest observation (b, two's
    /// complement), differences of the others from it (k-1 times d), then f+1 times r (32) and s (32) with the recovery
    /// id in the highest bit of s.
    /// @dev Checks go from the cheapest and likeliest failure to the dearest: a transmitter who lost the race learns
    /// StaleReport.
    function transmitPacked() external {
        Hot hot = s_hot;
        uint256 header;
        assembly ("memory-safe") {
            // Calldata that is too short reads as zeros, and is refused for its length below.
            header := calldataload(HEADER)
        }
        uint40 epochAndRound = uint40(header >> 216);

        _requireNewer(hot, epochAndRound);
        CommitteeData committee = _requireTransmitter(hot);
        Packed memory packed = _requireExactCalldata(committee, header);
        (uint256 log, bytes32 hash) = _copyMessage(committee, packed.end);
        _requireSignatures(committee, hash, packed.end);
        uint32 observationsTimestamp = uint32(header >> 184);
        int256 answer = _median(packed);
        uint32 roundId = _recordAnswer(hot, epochAndRound, answer, observationsTimestamp);
        _emitTransmission(roundId, log, packed.end);
        _emitLegacyEvents(roundId, answer, observationsTimestamp);
    }

    /// @dev Refuses numbers of observations and widths that no honest report has, and calldata that is not exactly as
    /// long as they and f+1 signatures make it.
    /// @param committee the current one
    /// @param header the calldata behind the selector
    /// @return packed what the header tells
    function _requireExactCalldata(CommitteeData committee, uint256 header) private pure returns (Packed memory packed) {
        uint256 count = (header >> 176) & 0xff;
        uint256 valueWidth = (header >> 168) & 0xff;
        uint256 differenceWidth = (header >> 160) & 0xff;
        _requireObservations(committee, count);
        if (valueWidth == 0 || valueWidth > VALUE_BYTES || differenceWidth > VALUE_BYTES) {
            revert WidthsOutOfRange(valueWidth, differenceWidth);
        }
        unchecked {
            // count is at least f+1, hence positive; everything is small.
            uint256 end = OBSERVERS + count + valueWidth + (count - 1) * differenceWidth;
            uint256 expected = end + SIGNATURE_BYTES * (committee.faults() + 1);
            if (msg.data.length != expected) revert CalldataLengthMismatch(msg.data.length, expected);
            return Packed(count, valueWidth, differenceWidth, end);
        }
    }

    /// @dev Puts what was signed into memory, as the data of the event that will tell it.
    /// @param committee the current one
    /// @param end where the report ends in the calldata, which reaches that far
    /// @return log where the data begins
    /// @return hash what was signed
    function _copyMessage(CommitteeData committee, uint256 end) private view returns (uint256 log, bytes32 hash) {
        bytes32 digest = committee.configDigest();
        assembly ("memory-safe") {
            log := mload(0x40)
            // Words: transmitter, where the message stands, its length, then the message, which begins with the digest.
            mstore(log, caller())
            mstore(add(log, 32), 64)
            let length := add(32, sub(end, HEADER))
            mstore(add(log, 64), length)
            let message := add(log, 96)
            mstore(message, digest)
            calldatacopy(add(message, 32), HEADER, sub(end, HEADER))
            hash := keccak256(message, length)
            // The message is filled up with zeros to whole words.
            mstore(add(message, length), 0)
            mstore(0x40, add(message, and(add(length, 63), not(31))))
        }
    }

    /// @dev Refuses anything but f+1 valid signatures of as many oracles.
    /// @param committee the current one
    /// @param hash what they signed
    /// @param start where the signatures begin in the calldata, which ends with the last of f+1
    function _requireSignatures(CommitteeData committee, bytes32 hash, uint256 start) private view {
        uint256 quorum = committee.faults() + 1;
        uint256 input = _recoveryInput(hash);
        uint256 seen = 0; // bit i: oracle i has signed
        for (uint256 i = 0; i < quorum; i++) {
            uint256 v;
            bytes32 r;
            bytes32 s;
            assembly ("memory-safe") {
                let at := add(start, shl(6, i))
                r := calldataload(at)
                let vs := calldataload(add(at, 32))
                v := add(shr(255, vs), 27)
                s := shr(1, shl(1, vs))
            }
            seen = _countSignature(committee, seen, i, input, v, r, s);
        }
    }

    /// @dev The observation at index count / 2. Both reads lie within the calldata, because of its length; what they
    /// take in beyond the number is shifted away.
    /// @param packed what the header tells
    /// @return answer the median, less than 2^193 away from zero
    function _median(Packed memory packed) private pure returns (int256 answer) {
        uint256 count = packed.count;
        uint256 valueWidth = packed.valueWidth;
        uint256 differenceWidth = packed.differenceWidth;
        assembly ("memory-safe") {
            let at := add(OBSERVERS, count)
            let value := shr(sub(256, shl(3, valueWidth)), calldataload(at))
            answer := signextend(sub(valueWidth, 1), value)
            // count / 2 is at least 1, since count is at least f+1. A width of zero shifts everything away.
            at := add(add(at, valueWidth), mul(sub(shr(1, count), 1), differenceWidth))
            answer := add(answer, shr(sub(256, shl(3, differenceWidth)), calldataload(at)))
        }
    }

    /// @dev Emits NewPackedTransmission as `emit` does, from what _copyMessage prepared.
    /// @param roundId the aggregator round
    /// @param log where the data begins in memory
    /// @param end where the report ends in the calldata
    function _emitTransmission(uint32 roundId, uint256 log, uint256 end) private {
        bytes32 topic = NewPackedTransmission.selector;
        assembly ("memory-safe") {
            // Three words, then digest and message, rounded up to whole words.
            let length := add(128, and(add(sub(end, HEADER), 31), not(31)))
            log2(log, length, topic, roundId)
        }
    }
}
