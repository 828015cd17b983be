// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @dev A committee in memory: the address of its first byte. Layout:
///
///     0            32   configuration digest
///     32            1   f
///     33            1   n, number of oracles
///     34     288+20·n   table of the signers
///     …      288+20·n   table of the transmitters
///
/// A table finds an address with one multiplication:
///
///     0            32   multiplier m
///     32          256   at place h: index of the address whose h is this, where h is the highest byte of
///                       address · m mod 2^256; zero where there is none
///     288        20·n   the addresses
///
/// The address found must still be compared with the one looked for.
type CommitteeData is uint256;

using {configDigest, faults, size, findSigner, findTransmitter, transmitterAt} for CommitteeData global;

/// @dev Where the table of the signers begins.
uint256 constant SIGNERS = 34;

/// @dev Bytes of a table before its addresses: 32 + 256.
uint256 constant TABLE_HEAD = 288;

/// @param self a committee
/// @return digest of its configuration
function configDigest(CommitteeData self) pure returns (bytes32 digest) {
    assembly ("memory-safe") {
        digest := mload(self)
    }
}

/// @param self a committee
/// @return f how many of its oracles may be faulty
function faults(CommitteeData self) pure returns (uint256 f) {
    assembly ("memory-safe") {
        f := byte(0, mload(add(self, 32)))
    }
}

/// @param self a committee
/// @return n how many oracles it has
function size(CommitteeData self) pure returns (uint256 n) {
    assembly ("memory-safe") {
        n := byte(1, mload(add(self, 32)))
    }
}

/// @param self a committee
/// @param who any address, zero included
/// @return found whether it is a signer
/// @return index the oracle's index, meaningless unless found
function findSigner(CommitteeData self, address who) pure returns (bool found, uint256 index) {
    unchecked {
        return _find(CommitteeData.unwrap(self) + SIGNERS, who);
    }
}

/// @param self a committee
/// @param who any address, zero included
/// @return found whether it is a transmitter
/// @return index the oracle's index, meaningless unless found
function findTransmitter(CommitteeData self, address who) pure returns (bool found, uint256 index) {
    return _find(_transmitters(self), who);
}

/// @param self a committee
/// @param index of an oracle, below n
/// @return its sending account
function transmitterAt(CommitteeData self, uint256 index) pure returns (address) {
    return _addressAt(_transmitters(self), index);
}

/// @dev As in findSigner, sums stay far below 2^256: a committee begins at an address of memory that was paid for.
/// @param self a committee
/// @return where the table of its transmitters begins
function _transmitters(CommitteeData self) pure returns (uint256) {
    unchecked {
        return CommitteeData.unwrap(self) + SIGNERS + TABLE_HEAD + 20 * size(self);
    }
}

/// @param table where a table begins
/// @param index of an address, below their number
/// @return result the address
function _addressAt(uint256 table, uint256 index) pure returns (address result) {
    assembly ("memory-safe") {
        // 32 bytes are read; the shift leaves the 20 that count, whatever stands behind the table.
        result := shr(96, mload(add(add(table, TABLE_HEAD), mul(index, 20))))
    }
}

/// @param table where a table begins
/// @param who any address
/// @return found whether the table holds it
/// @return index which of the addresses it is, meaningless unless found
function _find(uint256 table, address who) pure returns (bool found, uint256 index) {
    assembly ("memory-safe") {
        who := shr(96, shl(96, who))
        index := byte(0, mload(add(add(table, 32), byte(0, mul(who, mload(table))))))
        // Indices of a table are below the number of its addresses, so this compares with one of them, as _addressAt
        // reads it. None is zero.
        found := eq(who, shr(96, mload(add(add(table, TABLE_HEAD), mul(index, 20)))))
    }
}

/// @dev Makes a table. Multipliers are tried one after the other until no two addresses share a place; of 31 addresses
/// about one multiplier in six does, of 4 almost every one. An address listed twice is met by every multiplier that
/// comes so far, so the search ends. Each multiplier is a hash: nobody can choose addresses that fit none of them.
/// @param addresses at most 255
/// @param seed first multiplier
/// @return table its bytes
/// @return first where an address stands that is listed twice
/// @return again where it stands again; zero if no address is
function buildTable(address[] calldata addresses, bytes32 seed)
    pure
    returns (bytes memory table, uint256 first, uint256 again)
{
    uint256 count = addresses.length;
    while (true) {
        // Odd multipliers lose no bit of an address.
        bytes32 multiplier = seed | bytes32(uint256(1));
        bytes memory places = new bytes(256);
        uint256 taken = 0; // bit h: place h is taken
        uint256 i = 0;
        for (; i < count; i++) {
            uint256 place;
            unchecked {
                place = (uint256(uint160(addresses[i])) * uint256(multiplier)) >> 248;
            }
            if (taken & (1 << place) != 0) {
                first = uint8(places[place]);
                if (addresses[first] == addresses[i]) return (table, first, i);
                break;
            }
            taken |= 1 << place;
            places[place] = bytes1(uint8(i));
        }
        if (i == count) {
            table = abi.encodePacked(multiplier, places);
            for (i = 0; i < count; i++) {
                table = bytes.concat(table, bytes20(addresses[i]));
            }
            return (table, 0, 0);
        }
        seed = keccak256(abi.encode(seed));
    }
}
