// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AnswerHistory} from "./AnswerHistory.sol";
import {Committee} from "./Committee.sol";
import {CommitteeData} from "./CommitteeData.sol";
import {Hot} from "./HotSlot.sol";
import {AggregatorV3Interface} from "./interfaces/AggregatorV3Interface.sol";

/// @title What every aggregator of this project has in common
/// @notice Committee, history of answers, freshness, and the request for a new round. How a report is encoded and
/// signed is the business of the contract that inherits this one.
/// @dev Function, event and digest formats are those of the OCR2 aggregators already on chain; errors are typed
/// instead of strings. See docs/invariants.md for what must hold.
abstract contract AggregatorBase is Committee, AnswerHistory {
    // ------------------------------------------------------------------------------------------------ events

    /// @notice Somebody entitled asks the oracles for a report without waiting for a deviation or heartbeat.
    /// @param requester who asks
    /// @param configDigest the current configuration
    /// @param epoch epoch of the newest accepted report
    /// @param round protocol round of the newest accepted report
    event RoundRequested(address indexed requester, bytes32 configDigest, uint32 epoch, uint8 round);

    /// @notice The account that may request rounds besides the owner was changed.
    /// @param old the account before
    /// @param current the account from now on
    event RequesterSet(address old, address current);

    /// @notice The age up to which observations are accepted was changed.
    /// @param old the age before, seconds
    /// @param current the age from now on, seconds; zero for any age
    event MaxAgeSet(uint24 old, uint24 current);

    /// @notice The heartbeat was changed.
    /// @param old the heartbeat before, seconds
    /// @param current the heartbeat from now on, seconds; zero for none
    event HeartbeatSet(uint32 old, uint32 current);

    // ------------------------------------------------------------------------------------------------ errors

    /// @notice Only the owner and the requester may request a round.
    /// @param sender who tried
    /// @param owner one who may
    /// @param requester the other
    error OnlyOwnerOrRequester(address sender, address owner, address requester);

    /// @notice Only a call straight from an externally owned account may read this.
    /// @param sender who called the contract
    /// @param origin who signed the transaction
    error OnlyExternallyOwnedAccount(address sender, address origin);

    /// @notice A report at least as new was accepted already. For a transmitter this means: another oracle was first.
    /// @param given epoch · 256 + round of this report
    /// @param latest epoch · 256 + round of the newest accepted one
    error StaleReport(uint40 given, uint40 latest);

    /// @notice The sender is no transmitter of the current configuration.
    /// @param sender who tried
    error UnauthorizedTransmitter(address sender);

    /// @notice A signature is not of a signer of the current configuration, or not over this report.
    /// @param position of the signature
    /// @param recovered address it recovers to, zero if to none
    error InvalidSignature(uint256 position, address recovered);

    /// @notice An oracle signed twice.
    /// @param position of the second signature
    /// @param signer the address
    error DuplicateSigner(uint256 position, address signer);

    /// @notice The calldata is not exactly as long as its contents.
    /// @param given its length
    /// @param expected what the lengths of its parts come to
    error CalldataLengthMismatch(uint256 given, uint256 expected);

    /// @notice More observations than the largest committee could make.
    /// @param given how many came
    /// @param limit how many may come
    error TooManyObservations(uint256 given, uint256 limit);

    /// @notice So few observations that all of them could be of faulty oracles.
    /// @param given how many came
    /// @param minimum f+1
    error TooFewObservations(uint256 given, uint256 minimum);

    /// @notice The median lies outside of what this feed may report.
    /// @param answer the median
    /// @param minAnswer smallest answer allowed
    /// @param maxAnswer largest answer allowed
    error AnswerOutOfRange(int256 answer, int192 minAnswer, int192 maxAnswer);

    /// @notice The observations are older than maxAge allows: somebody withheld the report, or sent it too late.
    /// @param observationsTimestamp when the oracles observed, seconds
    /// @param earliest when they should have observed at the earliest, seconds
    error ReportTooOld(uint256 observationsTimestamp, uint256 earliest);

    // ------------------------------------------------------------------------------------------------- state

    /// @inheritdoc AggregatorV3Interface
    uint8 public immutable override decimals;

    /// @inheritdoc AggregatorV3Interface
    uint256 public constant override version = 6;

    /// @notice The account that may request rounds besides the owner; zero if there is none.
    address public requester;

    /// @notice The longest time between two answers that consumers should expect, in seconds; zero if the owner
    /// promises none. An answer whose updatedAt lies further back is late. It describes the feed and changes nothing:
    /// what the oracles do is in their off-chain configuration.
    uint32 public heartbeat;

    /// @inheritdoc AggregatorV3Interface
    string public override description;

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
    ) Committee(minAnswer_, maxAnswer_) {
        decimals = decimals_;
        description = description_;
        _setMaxAge(maxAge_);
        _setHeartbeat(heartbeat_);
    }

    // --------------------------------------------------------------------------------------------- freshness

    /// @notice Changes how old the observations of a report may be when it comes in. Without a limit, f+1 signed
    /// reports that nobody sent can be released whenever it suits whoever has them, as long as no newer one came in.
    /// @param maxAge_ seconds, about 194 days at most; zero for any age
    function setMaxAge(uint24 maxAge_) external onlyOwner {
        _setMaxAge(maxAge_);
    }

    /// @notice Changes the heartbeat that consumers read.
    /// @param heartbeat_ seconds; zero for none
    function setHeartbeat(uint32 heartbeat_) external onlyOwner {
        _setHeartbeat(heartbeat_);
    }

    /// @notice How old the observations of a report may be when it comes in, measured from their signed median time
    /// to the time of the block.
    /// @return seconds, zero for any age
    function maxAge() external view returns (uint24) {
        return s_hot.maxAge();
    }

    /// @param maxAge_ seconds
    function _setMaxAge(uint24 maxAge_) private {
        uint24 old = s_hot.maxAge();
        if (old == maxAge_) return;
        s_hot = s_hot.withMaxAge(maxAge_);
        emit MaxAgeSet(old, maxAge_);
    }

    /// @param heartbeat_ seconds
    function _setHeartbeat(uint32 heartbeat_) private {
        uint32 old = heartbeat;
        if (old == heartbeat_) return;
        heartbeat = heartbeat_;
        emit HeartbeatSet(old, heartbeat_);
    }

    // ----------------------------------------------------------------------------------- request for a round

    /// @notice Changes who may request rounds besides the owner.
    /// @param requester_ the account, a contract for any finer rule; the zero address for nobody
    function setRequester(address requester_) external onlyOwner {
        address old = requester;
        if (old == requester_) return;
        requester = requester_;
        emit RequesterSet(old, requester_);
    }

    /// @notice Asks the oracles for a report now.
    /// @return the aggregator round id the next report will get. That report may have been under way before the
    /// request: nothing ties the two together.
    function requestNewRound() external returns (uint80) {
        if (msg.sender != owner && msg.sender != requester) {
            revert OnlyOwnerOrRequester(msg.sender, owner, requester);
        }
        Hot hot = s_hot;
        emit RoundRequested(
            msg.sender, _configDigest(), uint32(hot.latestEpochAndRound() >> 8), uint8(hot.latestEpochAndRound())
        );
        return uint80(hot.latestRoundId()) + 1;
    }

    // -------------------------------------------------------------------------- building blocks for transmit

    /// @dev Refuses a report that is not newer than the newest accepted one.
    /// @param hot the hot slot
    /// @param epochAndRound of the report
    function _requireNewer(Hot hot, uint40 epochAndRound) internal pure {
        if (epochAndRound <= hot.latestEpochAndRound()) revert StaleReport(epochAndRound, hot.latestEpochAndRound());
    }

    /// @dev Refuses everyone but the transmitters of the current configuration, and everyone while there is none.
    /// @param hot the hot slot
    /// @return committee the current one
    function _requireTransmitter(Hot hot) internal view returns (CommitteeData committee) {
        if (hot.committeePointer() == address(0)) revert UnauthorizedTransmitter(msg.sender);
        committee = _loadCommittee(hot.committeePointer());
        (bool found,) = committee.findTransmitter(msg.sender);
        if (!found) revert UnauthorizedTransmitter(msg.sender);
    }

    /// @dev Prepares for _countSignature.
    /// @param hash what was to be signed
    /// @return input address in memory of the four words ecrecover takes, the first of them filled in
    function _recoveryInput(bytes32 hash) internal pure returns (uint256 input) {
        assembly ("memory-safe") {
            input := mload(0x40)
            mstore(0x40, add(input, 128))
            mstore(input, hash)
        }
    }

    /// @dev Refuses a signature that is of no signer, or of one who signed before.
    /// @param committee the current one
    /// @param seen bit i: oracle i has signed
    /// @param position of the signature, for the error
    /// @param input what _recoveryInput returned
    /// @param v recovery id, 27 or 28; anything else recovers to nothing
    /// @param r one half of the signature
    /// @param s the other half
    /// @return seen with the signer added
    function _countSignature(
        CommitteeData committee,
        uint256 seen,
        uint256 position,
        uint256 input,
        uint256 v,
        bytes32 r,
        bytes32 s
    ) internal view returns (uint256) {
        address recovered;
        // The built-in ecrecover, without copying the hash for every signature.
        assembly ("memory-safe") {
            mstore(add(input, 32), v)
            mstore(add(input, 64), r)
            mstore(add(input, 96), s)
            // A signature that recovers to nothing, or too little gas, leaves the output alone: zero, not the signer
            // before.
            mstore(0, 0)
            pop(staticcall(gas(), 1, input, 128, 0, 32))
            recovered := mload(0)
        }
        // Zero is no signer.
        (bool found, uint256 index) = committee.findSigner(recovered);
        if (!found) revert InvalidSignature(position, recovered);
        uint256 bit = 1 << index;
        if (seen & bit != 0) revert DuplicateSigner(position, recovered);
        return seen | bit;
    }

    /// @dev Refuses a number of observations that no committee makes, or that only faulty oracles could have made.
    /// @param committee the current one
    /// @param count the number
    function _requireObservations(CommitteeData committee, uint256 count) internal pure {
        if (count > MAX_ORACLES) revert TooManyObservations(count, MAX_ORACLES);
        uint256 f = committee.faults();
        if (count <= f) revert TooFewObservations(count, f + 1);
    }

    /// @dev Checks the answer's range and age, stores it under a new aggregator round and moves the hot slot forward.
    /// @param hot the hot slot as read at the start of this call
    /// @param epochAndRound of the report
    /// @param answer the median
    /// @param observationsTimestamp when the oracles observed
    /// @return the new aggregator round
    function _recordAnswer(Hot hot, uint40 epochAndRound, int256 answer, uint32 observationsTimestamp)
        internal
        returns (uint32)
    {
        if (answer < minAnswer || answer > maxAnswer) revert AnswerOutOfRange(answer, minAnswer, maxAnswer);
        if (hot.maxAge() != 0 && uint256(observationsTimestamp) + hot.maxAge() < block.timestamp) {
            revert ReportTooOld(observationsTimestamp, block.timestamp - hot.maxAge());
        }
        Hot next = hot.withNextRound(epochAndRound);
        s_hot = next;
        uint32 roundId = next.latestRoundId();
        // In the range, hence an int192.
        _storeTransmission(roundId, int192(answer), observationsTimestamp);
        return roundId;
    }

    /// @dev Emits what consumers of the older interface listen for.
    /// @param roundId the aggregator round
    /// @param answer the median
    /// @param observationsTimestamp when the oracles observed
    function _emitLegacyEvents(uint32 roundId, int256 answer, uint32 observationsTimestamp) internal {
        emit NewRound(roundId, address(0), observationsTimestamp);
        emit AnswerUpdated(answer, roundId, block.timestamp);
    }

    // ------------------------------------------------------------------------------------------------- reads

    /// @notice The newest configuration digest and the newest epoch a report was accepted for.
    /// @return scanLogs false: the two other values are to be used
    /// @return configDigest digest of the current configuration
    /// @return epoch epoch of the newest report under it, zero if there is none
    function latestConfigDigestAndEpoch() external view returns (bool scanLogs, bytes32 configDigest, uint32 epoch) {
        return (false, _configDigest(), uint32(s_hot.latestEpochAndRound() >> 8));
    }

    /// @notice What an oracle needs to know about the newest report. For oracles, not for contracts: a call from a
    /// contract is refused, as deployed.
    /// @return configDigest digest of the current configuration
    /// @return epoch epoch of the newest report under it, zero if there is none
    /// @return round protocol round of the newest report under it, zero if there is none
    /// @return answer_ newest answer, of whatever configuration
    /// @return timestamp_ time of the block that accepted it
    function latestTransmissionDetails()
        external
        view
        returns (bytes32 configDigest, uint32 epoch, uint8 round, int192 answer_, uint64 timestamp_)
    {
        if (msg.sender != tx.origin) revert OnlyExternallyOwnedAccount(msg.sender, tx.origin);
        Hot hot = s_hot;
        Transmission memory transmission = _loadTransmission(hot.latestRoundId());
        return (
            _configDigest(),
            uint32(hot.latestEpochAndRound() >> 8),
            uint8(hot.latestEpochAndRound()),
            transmission.answer,
            transmission.transmissionTimestamp
        );
    }
}
