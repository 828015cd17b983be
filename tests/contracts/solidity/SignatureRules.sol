// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {OCR2Base} from "chainlink-contracts-0.8.0/src/v0.8/dev/ocr2/OCR2Base.sol";

/// @title The signature rules of OCR2, as published, and nothing else
contract SignatureRules is OCR2Base(false) {
    event Accepted(uint256 signers, address transmitter);

    function typeAndVersion() external pure override returns (string memory) {
        return "SignatureRules 1.0.0";
    }

    function _beforeSetConfig(uint8, bytes memory) internal override {}

    function _afterSetConfig(uint8, bytes memory) internal override {}

    function _validateReport(bytes32, uint40, bytes memory) internal pure override returns (bool) {
        return true;
    }

    function _report(
        uint256,
        address transmitter,
        uint8 signerCount,
        address[maxNumOracles] memory,
        bytes calldata
    ) internal override {
        emit Accepted(signerCount, transmitter);
    }
}
