// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Data kept as the code of a contract of its own
/// @notice One cold read of such data costs 2,600 gas and three more per word; as many storage slots would cost 2,100
/// each. What is written can never be changed, since no instruction changes code and this code cannot destroy itself.
/// @dev The first byte of the code is 0x00, the instruction STOP: a call does nothing, and no data can begin with
/// 0xEF, which chains refuse (EIP-3541).
library CodeStorage {
    /// @notice The chain did not create the contract that holds the data.
    /// @param length bytes that were to be stored
    error DataNotStored(uint256 length);

    /// @dev Bytes before the data.
    uint256 private constant PREFIX = 1;

    /// @dev Stores data.
    /// @param data at most 24,575 bytes
    /// @return pointer where it is
    function write(bytes memory data) internal returns (address pointer) {
        // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: gives back everything behind
        // these ten bytes. RETURNDATASIZE stands for zero, as nothing was called yet.
        bytes memory creation =
            abi.encodePacked(hex"61", uint16(data.length + PREFIX), hex"80600a3d393df3", hex"00", data);
        assembly ("memory-safe") {
            pointer := create(0, add(creation, 32), mload(creation))
        }
        // Also refuses data whose length two bytes cannot tell.
        if (pointer.code.length != data.length + PREFIX) revert DataNotStored(data.length);
    }

    /// @dev Copies stored data into fresh memory.
    /// @param pointer what write returned
    /// @return start address in memory of the first byte
    function read(address pointer) internal view returns (uint256 start) {
        assembly ("memory-safe") {
            start := mload(0x40)
            // What write made has at least its prefix.
            let length := sub(extcodesize(pointer), PREFIX)
            extcodecopy(pointer, start, PREFIX, length)
            // Whole words from here on; no reader of the data relies on bytes behind it.
            mstore(0x40, and(add(add(start, length), 31), not(31)))
        }
    }

    /// @dev The first word of stored data, without the rest.
    /// @param pointer what write returned
    /// @return word the first 32 bytes, zero for the zero address
    function readFirstWord(address pointer) internal view returns (bytes32 word) {
        assembly ("memory-safe") {
            mstore(0, 0)
            extcodecopy(pointer, 0, PREFIX, 32)
            word := mload(0)
        }
    }
}
