// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A contract with one owner, handed over in two steps
/// @notice The owner names a successor, and the successor accepts: a mistyped address cannot lose the contract.
abstract contract TwoStepOwned {
    /// @notice The owner named a successor, who has not accepted yet.
    /// @param from the owner
    /// @param to the successor, or the zero address to withdraw an earlier offer
    event OwnershipTransferRequested(address indexed from, address indexed to);

    /// @notice The successor accepted.
    /// @param from the owner before
    /// @param to the owner from now on
    event OwnershipTransferred(address indexed from, address indexed to);

    /// @notice Only the owner may do this.
    /// @param sender who tried
    /// @param owner who may
    error OnlyOwner(address sender, address owner);

    /// @notice Only the named successor may accept.
    /// @param sender who tried
    /// @param pendingOwner who may; the zero address if nobody was named
    error OnlyPendingOwner(address sender, address pendingOwner);

    /// @notice The owner named itself as successor.
    /// @param owner the owner
    error TransferToSelf(address owner);

    /// @notice Who may configure the contract.
    address public owner;

    /// @dev Who may take ownership next; zero if nobody. Not readable on chain, as deployed: the event tells.
    address private s_pendingOwner;

    /// @dev Lets only the owner through.
    modifier onlyOwner() {
        if (msg.sender != owner) revert OnlyOwner(msg.sender, owner);
        _;
    }

    /// @dev The deployer is the first owner. No event is emitted for it, as deployed.
    constructor() {
        owner = msg.sender;
    }

    /// @notice Names a successor, replacing one named before.
    /// @param to the successor; the zero address withdraws the offer
    function transferOwnership(address to) external onlyOwner {
        if (to == msg.sender) revert TransferToSelf(msg.sender);
        s_pendingOwner = to;
        emit OwnershipTransferRequested(msg.sender, to);
    }

    /// @notice Called by the named successor, makes it the owner.
    function acceptOwnership() external {
        if (msg.sender != s_pendingOwner) revert OnlyPendingOwner(msg.sender, s_pendingOwner);
        address previous = owner;
        owner = msg.sender;
        s_pendingOwner = address(0);
        emit OwnershipTransferred(previous, msg.sender);
    }
}
