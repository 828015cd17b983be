// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The newer of the two read interfaces that consumers of price feeds speak
interface AggregatorV3Interface {
    /// @notice How many decimal digits the answers carry.
    /// @return the number of digits
    function decimals() external view returns (uint8);

    /// @notice What the answers measure, for humans.
    /// @return a short text such as "ETH / USD"
    function description() external view returns (string memory);

    /// @notice The generation of the aggregator interface.
    /// @return 6, as every OCR2 aggregator says
    function version() external view returns (uint256);

    /// @notice Everything stored about one round.
    /// @param roundId_ an aggregator round id
    /// @return roundId the id asked for, or zero if it cannot be one (above 2^32 - 1)
    /// @return answer the median
    /// @return startedAt time of the observations, in seconds
    /// @return updatedAt time of the block that accepted the report, in seconds; zero if the round does not exist
    /// @return answeredInRound equal to roundId
    function getRoundData(uint80 roundId_)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    /// @notice Everything stored about the newest round.
    /// @return roundId the newest aggregator round id, zero before the first report
    /// @return answer the median
    /// @return startedAt time of the observations, in seconds
    /// @return updatedAt time of the block that accepted the report, in seconds
    /// @return answeredInRound equal to roundId
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}
