// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TwoStepOwned} from "./TwoStepOwned.sol";
import {AggregatorV2Interface} from "./interfaces/AggregatorV2Interface.sol";
import {AggregatorV3Interface} from "./interfaces/AggregatorV3Interface.sol";

/// @title What every aggregator of this project has in common
/// @notice The committee and its configuration, the history of answers and its readers, and the request for a new
/// round. How a report is encoded and signed is the business of the contract that inherits this one.
/// @dev Function, event and digest formats are those of the OCR2 aggregators already on chain; errors are typed
/// instead of strings. See docs/invariants.md for what must hold.
abstract contract AggregatorBase is TwoStepOwned, AggregatorV2Interface, AggregatorV3Interface {
    // ------------------------------------------------------------------------------------------------ events

    /// @notice The committee was configured; off chain, a new instance of the protocol begins.
    /// @param previousConfigBlockNumber block of the configuration before, zero for the first
    /// @param configDigest names this configuration; every report is signed for one digest
    /// @param configCount ordinal of this configuration, from 1
    /// @param signers i-th element: address whose key signs reports for oracle i
    /// @param transmitters i-th element: account oracle i sends reports from
    /// @param f how many oracles may be faulty
    /// @param onchainConfig version byte 1, smallest and largest answer
    /// @param offchainConfigVersion format of offchainConfig
    /// @param offchainConfig for the oracles, meaningless to the contract
    event ConfigSet(
        uint32 previousConfigBlockNumber,
        bytes32 configDigest,
        uint64 configCount,
        address[] signers,
        address[] transmitters,
        uint8 f,
        bytes onchainConfig,
        uint64 offchainConfigVersion,
        bytes offchainConfig
    );

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

    // ------------------------------------------------------------------------------------------------ errors

    /// @notice The smallest answer allowed is above the largest.
    /// @param minAnswer the smallest
    /// @param maxAnswer the largest
    error InvalidAnswerRange(int192 minAnswer, int192 maxAnswer);

    /// @notice More oracles than the protocol is made for.
    /// @param given how many
    /// @param limit how many may be
    error TooManyOracles(uint256 given, uint256 limit);

    /// @notice The lists of signers and transmitters differ in length.
    /// @param signers length of one
    /// @param transmitters length of the other
    error OracleListsDiffer(uint256 signers, uint256 transmitters);

    /// @notice With this many oracles that many faulty ones cannot be tolerated: 3f must be below n.
    /// @param f faulty oracles to tolerate
    /// @param n oracles
    error FaultToleranceTooHigh(uint256 f, uint256 n);

    /// @notice f must be positive.
    error FaultToleranceZero();

    /// @notice onchainConfig must be the version byte 1, minAnswer and maxAnswer of this contract.
    /// @param given what was passed
    /// @param expected the 49 bytes it must be
    error InvalidOnchainConfig(bytes given, bytes expected);

    /// @notice The zero address cannot be a signer.
    /// @param index of the oracle
    error ZeroSigner(uint256 index);

    /// @notice The zero address cannot be a transmitter.
    /// @param index of the oracle
    error ZeroTransmitter(uint256 index);

    /// @notice A signer is listed twice.
    /// @param signer the address
    /// @param firstIndex where it stood first
    /// @param index where it stands again
    error RepeatedSigner(address signer, uint256 firstIndex, uint256 index);

    /// @notice A transmitter is listed twice.
    /// @param transmitter the address
    /// @param firstIndex where it stood first
    /// @param index where it stands again
    error RepeatedTransmitter(address transmitter, uint256 firstIndex, uint256 index);

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

    /// @notice The report was made under another configuration than the current one.
    /// @param given digest in the report's context
    /// @param current digest of the current configuration
    error ConfigDigestMismatch(bytes32 given, bytes32 current);

    /// @notice The median lies outside of what this feed may report.
    /// @param answer the median
    /// @param minAnswer smallest answer allowed
    /// @param maxAnswer largest answer allowed
    error AnswerOutOfRange(int192 answer, int192 minAnswer, int192 maxAnswer);

    // ------------------------------------------------------------------------------------------------- state

    /// @dev The protocol's limit on the size of a committee.
    uint256 internal constant MAX_ORACLES = 31;

    /// @dev Everything transmit reads and writes besides the history, in one storage slot.
    struct Hot {
        /// faulty oracles tolerated
        uint8 f;
        /// epoch in the upper 32 bits, round in the lower 8, of the newest report under the current configuration
        uint40 latestEpochAndRound;
        /// newest aggregator round; goes on across configurations
        uint32 latestRoundId;
        /// ordinal of the current configuration, zero before the first
        uint32 configCount;
        /// block of the current configuration
        uint32 configBlockNumber;
    }

    /// @dev One accepted answer: one storage slot.
    struct Transmission {
        /// the median
        int192 answer;
        /// when the oracles observed, seconds
        uint32 observationsTimestamp;
        /// time of the block that accepted the report, seconds
        uint32 transmissionTimestamp;
    }

    /// @dev An oracle's entry, valid only while configCount is the current one: a new configuration silences
    /// everyone of the old ones without touching their entries.
    struct Oracle {
        /// ordinal of the configuration that wrote this entry
        uint32 configCount;
        /// the oracle's index in that configuration
        uint8 index;
    }

    /// @notice Smallest answer this feed may report.
    int192 public immutable minAnswer;

    /// @notice Largest answer this feed may report.
    int192 public immutable maxAnswer;

    /// @inheritdoc AggregatorV3Interface
    uint8 public immutable override decimals;

    /// @inheritdoc AggregatorV3Interface
    uint256 public constant override version = 6;

    /// @dev The hot slot.
    Hot internal s_hot;

    /// @dev Digest of the current configuration, zero before the first.
    bytes32 internal s_configDigest;

    /// @dev Signing addresses.
    mapping(address signer => Oracle) private s_signers;

    /// @dev Sending accounts.
    mapping(address transmitter => Oracle) private s_transmitters;

    /// @dev History. Only _storeTransmission and _loadTransmission touch it.
    mapping(uint32 roundId => Transmission) private s_transmissions;

    /// @dev Sending accounts in the order of the current configuration.
    address[] private s_transmitterList;

    /// @notice The account that may request rounds besides the owner; zero if there is none.
    address public requester;

    /// @inheritdoc AggregatorV3Interface
    string public override description;

    /// @param minAnswer_ smallest answer the feed may report
    /// @param maxAnswer_ largest answer the feed may report
    /// @param decimals_ decimal digits of the answers
    /// @param description_ what the answers measure, for humans
    constructor(int192 minAnswer_, int192 maxAnswer_, uint8 decimals_, string memory description_) {
        if (minAnswer_ > maxAnswer_) revert InvalidAnswerRange(minAnswer_, maxAnswer_);
        minAnswer = minAnswer_;
        maxAnswer = maxAnswer_;
        decimals = decimals_;
        description = description_;
    }

    // ----------------------------------------------------------------------------------------- configuration

    /// @notice Replaces the committee. Reports of the old configuration are worthless from here on, and (epoch, round)
    /// begin anew; the history of answers stays.
    /// @param signers i-th element: address whose key signs reports for oracle i
    /// @param transmitters i-th element: account oracle i sends reports from
    /// @param f how many oracles may be faulty; 0 < 3f < number of oracles
    /// @param onchainConfig version byte 1, then minAnswer and maxAnswer as 24 bytes each
    /// @param offchainConfigVersion format of offchainConfig
    /// @param offchainConfig for the oracles; only its digest matters here
    function setConfig(
        address[] calldata signers,
        address[] calldata transmitters,
        uint8 f,
        bytes calldata onchainConfig,
        uint64 offchainConfigVersion,
        bytes calldata offchainConfig
    ) external onlyOwner {
        if (signers.length > MAX_ORACLES) revert TooManyOracles(signers.length, MAX_ORACLES);
        if (signers.length != transmitters.length) revert OracleListsDiffer(signers.length, transmitters.length);
        if (3 * uint256(f) >= signers.length) revert FaultToleranceTooHigh(f, signers.length);
        if (f == 0) revert FaultToleranceZero();
        bytes memory expectedConfig = abi.encodePacked(uint8(1), minAnswer, maxAnswer);
        if (keccak256(onchainConfig) != keccak256(expectedConfig)) {
            revert InvalidOnchainConfig(onchainConfig, expectedConfig);
        }

        Hot memory hot = s_hot;
        uint32 previousBlockNumber = hot.configBlockNumber;
        hot.f = f;
        hot.latestEpochAndRound = 0;
        hot.configCount += 1;
        hot.configBlockNumber = uint32(block.number);
        s_hot = hot;

        _enrol(hot.configCount, signers, transmitters);

        bytes32 configDigest = _digest(
            abi.encode(
                block.chainid,
                address(this),
                uint64(hot.configCount),
                signers,
                transmitters,
                f,
                onchainConfig,
                offchainConfigVersion,
                offchainConfig
            )
        );
        s_configDigest = configDigest;

        emit ConfigSet(
            previousBlockNumber,
            configDigest,
            hot.configCount,
            signers,
            transmitters,
            f,
            onchainConfig,
            offchainConfigVersion,
            offchainConfig
        );
    }

    /// @notice Where the current configuration stands.
    /// @return configCount its ordinal, zero if there is none yet
    /// @return blockNumber block whose ConfigSet event carries it
    /// @return configDigest its digest
    function latestConfigDetails()
        external
        view
        returns (uint32 configCount, uint32 blockNumber, bytes32 configDigest)
    {
        Hot memory hot = s_hot;
        return (hot.configCount, hot.configBlockNumber, s_configDigest);
    }

    /// @notice The current configuration's sending accounts.
    /// @return the accounts, i-th for oracle i
    function getTransmitters() external view returns (address[] memory) {
        return s_transmitterList;
    }

    /// @dev Writes the oracles' entries for configuration configCount; refuses zero addresses and duplicates.
    /// @param configCount ordinal of the configuration, new and therefore in no entry yet
    /// @param signers signing addresses
    /// @param transmitters sending accounts, as many
    function _enrol(uint32 configCount, address[] calldata signers, address[] calldata transmitters) private {
        for (uint256 i = 0; i < signers.length; i++) {
            address signer = signers[i];
            if (signer == address(0)) revert ZeroSigner(i);
            if (s_signers[signer].configCount == configCount) {
                revert RepeatedSigner(signer, s_signers[signer].index, i);
            }
            s_signers[signer] = Oracle(configCount, uint8(i));

            address transmitter = transmitters[i];
            if (transmitter == address(0)) revert ZeroTransmitter(i);
            if (s_transmitters[transmitter].configCount == configCount) {
                revert RepeatedTransmitter(transmitter, s_transmitters[transmitter].index, i);
            }
            s_transmitters[transmitter] = Oracle(configCount, uint8(i));
        }
        s_transmitterList = transmitters;
    }

    /// @dev keccak256 with the first two bytes overwritten by 0x0001, which says "EVM, plain ABI encoding".
    /// @param encodedConfig abi.encode of everything the digest binds
    /// @return the digest
    function _digest(bytes memory encodedConfig) private pure returns (bytes32) {
        uint256 prefixMask = uint256(type(uint16).max) << 240;
        return bytes32((uint256(keccak256(encodedConfig)) & ~prefixMask) | (uint256(1) << 240));
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
        Hot memory hot = s_hot;
        emit RoundRequested(
            msg.sender, s_configDigest, uint32(hot.latestEpochAndRound >> 8), uint8(hot.latestEpochAndRound)
        );
        return uint80(hot.latestRoundId) + 1;
    }

    // -------------------------------------------------------------------------- building blocks for transmit

    /// @dev Refuses a report that is not newer than the newest accepted one.
    /// @param hot the hot slot
    /// @param epochAndRound of the report
    function _requireNewer(Hot memory hot, uint40 epochAndRound) internal pure {
        if (epochAndRound <= hot.latestEpochAndRound) revert StaleReport(epochAndRound, hot.latestEpochAndRound);
    }

    /// @dev Refuses everyone but the transmitters of the current configuration, and everyone while there is none.
    /// @param hot the hot slot
    function _requireTransmitter(Hot memory hot) internal view {
        if (hot.configCount == 0 || s_transmitters[msg.sender].configCount != hot.configCount) {
            revert UnauthorizedTransmitter(msg.sender);
        }
    }

    /// @dev Refuses a report made under another configuration.
    /// @param given digest in the report's context
    function _requireCurrentConfig(bytes32 given) internal view {
        bytes32 current = s_configDigest;
        if (given != current) revert ConfigDigestMismatch(given, current);
    }

    /// @dev Looks a signing address up.
    /// @param configCount ordinal of the current configuration, not zero
    /// @param signer the address, zero included
    /// @return found whether it is a signer of the current configuration
    /// @return index the oracle's index, meaningless unless found
    function _findSigner(uint32 configCount, address signer) internal view returns (bool found, uint256 index) {
        Oracle storage oracle = s_signers[signer];
        return (oracle.configCount == configCount, oracle.index);
    }

    /// @dev Checks the answer's range, stores it under a new aggregator round and moves the hot slot forward.
    /// @param hot the hot slot as read at the start of this call; updated in place
    /// @param epochAndRound of the report
    /// @param answer the median
    /// @param observationsTimestamp when the oracles observed
    function _recordAnswer(Hot memory hot, uint40 epochAndRound, int192 answer, uint32 observationsTimestamp)
        internal
    {
        if (answer < minAnswer || answer > maxAnswer) revert AnswerOutOfRange(answer, minAnswer, maxAnswer);
        hot.latestEpochAndRound = epochAndRound;
        hot.latestRoundId += 1;
        s_hot = hot;
        _storeTransmission(hot.latestRoundId, Transmission(answer, observationsTimestamp, uint32(block.timestamp)));
    }

    /// @dev Emits what consumers of the older interface listen for.
    /// @param roundId the aggregator round
    /// @param answer the median
    /// @param observationsTimestamp when the oracles observed
    function _emitLegacyEvents(uint32 roundId, int192 answer, uint32 observationsTimestamp) internal {
        emit NewRound(roundId, address(0), observationsTimestamp);
        emit AnswerUpdated(answer, roundId, block.timestamp);
    }

    // ----------------------------------------------------------------------------------------------- history

    /// @dev Writes one answer. With _loadTransmission the only code that knows how the history is laid out.
    /// @param roundId the newest aggregator round, one above the one before
    /// @param transmission the answer
    function _storeTransmission(uint32 roundId, Transmission memory transmission) internal {
        s_transmissions[roundId] = transmission;
    }

    /// @dev Reads one answer.
    /// @param roundId any aggregator round
    /// @return the answer, all zero if the round does not exist
    function _loadTransmission(uint32 roundId) internal view returns (Transmission memory) {
        return s_transmissions[roundId];
    }

    // ------------------------------------------------------------------------------------------------- reads

    /// @notice The newest configuration digest and the newest epoch a report was accepted for.
    /// @return scanLogs false: the two other values are to be used
    /// @return configDigest digest of the current configuration
    /// @return epoch epoch of the newest report under it, zero if there is none
    function latestConfigDigestAndEpoch() external view returns (bool scanLogs, bytes32 configDigest, uint32 epoch) {
        return (false, s_configDigest, uint32(s_hot.latestEpochAndRound >> 8));
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
        Hot memory hot = s_hot;
        Transmission memory transmission = _loadTransmission(hot.latestRoundId);
        return (
            s_configDigest,
            uint32(hot.latestEpochAndRound >> 8),
            uint8(hot.latestEpochAndRound),
            transmission.answer,
            transmission.transmissionTimestamp
        );
    }

    /// @inheritdoc AggregatorV2Interface
    function latestAnswer() external view override returns (int256) {
        return _loadTransmission(s_hot.latestRoundId).answer;
    }

    /// @inheritdoc AggregatorV2Interface
    function latestTimestamp() external view override returns (uint256) {
        return _loadTransmission(s_hot.latestRoundId).transmissionTimestamp;
    }

    /// @inheritdoc AggregatorV2Interface
    function latestRound() external view override returns (uint256) {
        return s_hot.latestRoundId;
    }

    /// @inheritdoc AggregatorV2Interface
    function getAnswer(uint256 roundId) external view override returns (int256) {
        if (roundId > type(uint32).max) return 0;
        return _loadTransmission(uint32(roundId)).answer;
    }

    /// @inheritdoc AggregatorV2Interface
    function getTimestamp(uint256 roundId) external view override returns (uint256) {
        if (roundId > type(uint32).max) return 0;
        return _loadTransmission(uint32(roundId)).transmissionTimestamp;
    }

    /// @inheritdoc AggregatorV3Interface
    function getRoundData(uint80 roundId_)
        external
        view
        override
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        if (roundId_ > type(uint32).max) return (0, 0, 0, 0, 0);
        return _roundData(uint32(roundId_));
    }

    /// @inheritdoc AggregatorV3Interface
    function latestRoundData()
        external
        view
        override
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        return _roundData(s_hot.latestRoundId);
    }

    /// @dev One round as AggregatorV3Interface wants it.
    /// @param id the aggregator round
    /// @return roundId the aggregator round
    /// @return answer the median
    /// @return startedAt when the oracles observed
    /// @return updatedAt time of the block that accepted the report
    /// @return answeredInRound the aggregator round
    function _roundData(uint32 id)
        private
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        Transmission memory transmission = _loadTransmission(id);
        return
            (id, transmission.answer, transmission.observationsTimestamp, transmission.transmissionTimestamp, id);
    }
}
