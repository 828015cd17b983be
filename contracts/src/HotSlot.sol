// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @dev Everything that every report reads and writes besides the history, in one word and hence one storage slot.
/// From the lowest bit on:
///
///     160   where the data of the current committee is; zero before the first configuration
///      24   how old, in seconds, the observations of a report may be when it comes in; zero for any age
///      40   (epoch, round) of the newest report under the current configuration: epoch · 256 + round
///      32   newest aggregator round; goes on across configurations
///
/// A word rather than a struct, because the compiler writes a struct field by field.
type Hot is uint256;

using {committeePointer, maxAge, latestEpochAndRound, latestRoundId, withCommittee, withMaxAge, withNextRound} for Hot global;

/// @param self the hot slot
/// @return where the data of the current committee is
function committeePointer(Hot self) pure returns (address) {
    return address(uint160(Hot.unwrap(self)));
}

/// @param self the hot slot
/// @return how old the observations of a report may be, seconds
function maxAge(Hot self) pure returns (uint24) {
    return uint24(Hot.unwrap(self) >> 160);
}

/// @param self the hot slot
/// @return epoch and round of the newest report under the current configuration
function latestEpochAndRound(Hot self) pure returns (uint40) {
    return uint40(Hot.unwrap(self) >> 184);
}

/// @param self the hot slot
/// @return newest aggregator round
function latestRoundId(Hot self) pure returns (uint32) {
    return uint32(Hot.unwrap(self) >> 224);
}

/// @param self the hot slot
/// @param pointer where the data of a new committee is
/// @return the slot with that committee, under which no report came in yet
function withCommittee(Hot self, address pointer) pure returns (Hot) {
    uint256 kept = Hot.unwrap(self) & ~((uint256(type(uint40).max) << 184) | type(uint160).max);
    return Hot.wrap(kept | uint160(pointer));
}

/// @param self the hot slot
/// @param age how old the observations of a report may be, seconds
/// @return the slot with that age
function withMaxAge(Hot self, uint24 age) pure returns (Hot) {
    uint256 kept = Hot.unwrap(self) & ~(uint256(type(uint24).max) << 160);
    return Hot.wrap(kept | (uint256(age) << 160));
}

/// @dev Reverts after 2^32 - 1 rounds, rather than begin anew.
/// @param self the hot slot
/// @param epochAndRound of a new report
/// @return the slot after that report
function withNextRound(Hot self, uint40 epochAndRound) pure returns (Hot) {
    uint32 roundId = latestRoundId(self) + 1;
    uint256 kept = Hot.unwrap(self) & ((uint256(1) << 184) - 1);
    return Hot.wrap(kept | (uint256(epochAndRound) << 184) | (uint256(roundId) << 224));
}

/// @title The one storage slot that every report reads and writes
abstract contract HotSlot {
    /// @dev The hot slot.
    Hot internal s_hot;
}
