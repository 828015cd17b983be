// Compiles a contract of this folder against the installed packages of contracts/; ABI and bytecode go to stdout.
//
//   node compile.mjs NAME
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const CONTRACTS = join(HERE, "..", "..", "..", "contracts");
const name = process.argv[2];
const file = `${name}.sol`;
const solc = createRequire(join(CONTRACTS, "package.json"))("solc");

const input = {
  language: "Solidity",
  sources: { [file]: { content: readFileSync(join(HERE, file), "utf8") } },
  settings: {
    // As the sources were made for: they need no more.
    optimizer: { enabled: true, runs: 200 },
    viaIR: true,
    evmVersion: "paris",
    outputSelection: { [file]: { [name]: ["abi", "evm.bytecode.object"] } },
  },
};
const findImport = (path) => ({ contents: readFileSync(join(CONTRACTS, "node_modules", path), "utf8") });
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
const errors = (output.errors ?? []).filter((error) => error.severity === "error");
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const { abi, evm } = output.contracts[file][name];
console.log(JSON.stringify({ abi, bytecode: `0x${evm.bytecode.object}` }));
