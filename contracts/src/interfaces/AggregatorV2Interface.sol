// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The older of the two read interfaces that consumers of price feeds speak
/// @notice Every read takes or returns an aggregator round id: 1 for the first accepted report, then one more for
/// each. It is not the (epoch, round) of the off-chain protocol.
interface AggregatorV2Interface {
    /// @notice A new answer was accepted.
    /// @param current the answer
    /// @param roundId the aggregator round it was stored under
    /// @param updatedAt time of the block that accepted it, in seconds
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    /// @notice A new aggregator round began. Emitted together with AnswerUpdated, for indexers that expect it.
    /// @param roundId the aggregator round
    /// @param startedBy always the zero address: nobody starts a round on chain
    /// @param startedAt time of the observations, in seconds
    event NewRound(uint256 indexed roundId, address indexed startedBy, uint256 startedAt);

    /// @notice The newest answer.
    /// @return the answer, zero before the first report
    function latestAnswer() external view returns (int256);

    /// @notice When the newest answer was accepted.
    /// @return block time in seconds, zero before the first report
    function latestTimestamp() external view returns (uint256);

    /// @notice The newest aggregator round id.
    /// @return the id, zero before the first report
    function latestRound() external view returns (uint256);

    /// @notice The answer of one round.
    /// @param roundId an aggregator round id
    /// @return the answer, zero for a round that does not exist
    function getAnswer(uint256 roundId) external view returns (int256);

    /// @notice When the answer of one round was accepted.
    /// @param roundId an aggregator round id
    /// @return block time in seconds, zero for a round that does not exist
    function getTimestamp(uint256 roundId) external view returns (uint256);
}
