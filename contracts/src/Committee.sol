// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CodeStorage} from "./CodeStorage.sol";
import {CommitteeData, buildTable} from "./CommitteeData.sol";
import {HotSlot} from "./HotSlot.sol";
import {TwoStepOwned} from "./TwoStepOwned.sol";

/// @title The oracles of a feed and their configuration
/// @notice Function, event and digest formats are those of the OCR2 aggregators already on chain.
abstract contract Committee is HotSlot, TwoStepOwned {
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

    /// @dev The protocol's limit on the size of a committee.
    uint256 internal constant MAX_ORACLES = 31;

    /// @notice Smallest answer this feed may report.
    int192 public immutable minAnswer;

    /// @notice Largest answer this feed may report.
    int192 public immutable maxAnswer;

    /// @dev Ordinal of the current configuration, zero before the first.
    uint32 private s_configCount;

    /// @dev Block of the current configuration.
    uint32 private s_configBlockNumber;

    /// @param minAnswer_ smallest answer the feed may report
    /// @param maxAnswer_ largest answer the feed may report
    constructor(int192 minAnswer_, int192 maxAnswer_) {
        if (minAnswer_ > maxAnswer_) revert InvalidAnswerRange(minAnswer_, maxAnswer_);
        minAnswer = minAnswer_;
        maxAnswer = maxAnswer_;
    }

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

        uint32 previousBlockNumber = s_configBlockNumber;
        uint32 configCount = s_configCount + 1;
        bytes32 configDigest = _digest(
            abi.encode(
                block.chainid,
                address(this),
                uint64(configCount),
                signers,
                transmitters,
                f,
                onchainConfig,
                offchainConfigVersion,
                offchainConfig
            )
        );
        s_configCount = configCount;
        s_configBlockNumber = uint32(block.number);
        s_hot = s_hot.withCommittee(_storeCommittee(configDigest, f, signers, transmitters));

        emit ConfigSet(
            previousBlockNumber,
            configDigest,
            configCount,
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
        return (s_configCount, s_configBlockNumber, _configDigest());
    }

    /// @notice The current configuration's sending accounts.
    /// @return transmitters the accounts, i-th for oracle i
    function getTransmitters() external view returns (address[] memory transmitters) {
        address pointer = s_hot.committeePointer();
        if (pointer == address(0)) return transmitters;
        CommitteeData committee = _loadCommittee(pointer);
        transmitters = new address[](committee.size());
        for (uint256 i = 0; i < transmitters.length; i++) {
            transmitters[i] = committee.transmitterAt(i);
        }
    }

    /// @dev Stores who belongs to a configuration; refuses zero addresses and duplicates. The one before stays where
    /// it is, but nothing points to it any more.
    /// @param configDigest the configuration
    /// @param f how many oracles may be faulty
    /// @param signers signing addresses
    /// @param transmitters sending accounts, as many
    /// @return pointer where the committee is
    function _storeCommittee(
        bytes32 configDigest,
        uint8 f,
        address[] calldata signers,
        address[] calldata transmitters
    ) private returns (address pointer) {
        for (uint256 i = 0; i < signers.length; i++) {
            if (signers[i] == address(0)) revert ZeroSigner(i);
            if (transmitters[i] == address(0)) revert ZeroTransmitter(i);
        }
        // The digest depends on every address, so that nobody knows the multipliers before all are chosen.
        (bytes memory ofSigners, uint256 first, uint256 again) = buildTable(signers, keccak256(abi.encode(configDigest)));
        if (again != 0) revert RepeatedSigner(signers[again], first, again);
        bytes memory ofTransmitters;
        (ofTransmitters, first, again) = buildTable(transmitters, keccak256(abi.encode(configDigest)));
        if (again != 0) revert RepeatedTransmitter(transmitters[again], first, again);
        return CodeStorage.write(
            abi.encodePacked(configDigest, f, uint8(signers.length), ofSigners, ofTransmitters)
        );
    }

    /// @dev Brings a committee into memory.
    /// @param pointer what the hot slot holds, not zero
    /// @return the committee
    function _loadCommittee(address pointer) internal view returns (CommitteeData) {
        return CommitteeData.wrap(CodeStorage.read(pointer));
    }

    /// @dev Digest of the current configuration.
    /// @return the digest, zero before the first
    function _configDigest() internal view returns (bytes32) {
        return CodeStorage.readFirstWord(s_hot.committeePointer());
    }

    /// @dev keccak256 with the first two bytes overwritten by 0x0001, which says "EVM, plain ABI encoding".
    /// @param encodedConfig abi.encode of everything the digest binds
    /// @return the digest
    function _digest(bytes memory encodedConfig) private pure returns (bytes32) {
        uint256 prefixMask = uint256(type(uint16).max) << 240;
        return bytes32((uint256(keccak256(encodedConfig)) & ~prefixMask) | (uint256(1) << 240));
    }
}
