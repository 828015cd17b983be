// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {HotSlot} from "./HotSlot.sol";
import {AggregatorV2Interface} from "./interfaces/AggregatorV2Interface.sol";
import {AggregatorV3Interface} from "./interfaces/AggregatorV3Interface.sol";

/// @title Every answer ever accepted, and its readers
/// @notice Everyone may read.
abstract contract AnswerHistory is HotSlot, AggregatorV2Interface, AggregatorV3Interface {
    /// @dev One accepted answer.
    struct Transmission {
        /// the median
        int192 answer;
        /// when the oracles observed, seconds
        uint32 observationsTimestamp;
        /// time of the block that accepted the report, seconds
        uint32 transmissionTimestamp;
    }

    /// @dev History. Only _storeTransmission and _loadTransmission touch it and know its layout: one slot a round, from
    /// the lowest bit on 192 bits of answer, 32 of observationsTimestamp, 32 of transmissionTimestamp.
    mapping(uint32 roundId => uint256) private s_transmissions;

    /// @dev Writes one answer of this block.
    /// @param roundId the newest aggregator round, one above the one before
    /// @param answer the median
    /// @param observationsTimestamp when the oracles observed
    function _storeTransmission(uint32 roundId, int192 answer, uint32 observationsTimestamp) internal {
        s_transmissions[roundId] = uint256(uint192(answer)) | (uint256(observationsTimestamp) << 192)
            | (uint256(uint32(block.timestamp)) << 224);
    }

    /// @dev Reads one answer.
    /// @param roundId any aggregator round
    /// @return the answer, all zero if the round does not exist
    function _loadTransmission(uint32 roundId) internal view returns (Transmission memory) {
        uint256 packed = s_transmissions[roundId];
        return Transmission(int192(uint192(packed)), uint32(packed >> 192), uint32(packed >> 224));
    }

    /// @inheritdoc AggregatorV2Interface
    function latestAnswer() external view override returns (int256) {
        return _loadTransmission(s_hot.latestRoundId()).answer;
    }

    /// @inheritdoc AggregatorV2Interface
    function latestTimestamp() external view override returns (uint256) {
        return _loadTransmission(s_hot.latestRoundId()).transmissionTimestamp;
    }

    /// @inheritdoc AggregatorV2Interface
    function latestRound() external view override returns (uint256) {
        return s_hot.latestRoundId();
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
        return _roundData(s_hot.latestRoundId());
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
