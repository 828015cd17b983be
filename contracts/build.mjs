// Compiles the contracts with the pinned compiler and writes the artifacts the Python package ships.
//
//   node build.mjs           writes the artifacts
//   node build.mjs --check   writes nothing; exits 1 if an artifact is not what the sources compile to
//
// The output depends on the sources, the settings below and the compiler version alone: no path of this machine, no
// date, a fixed order of keys.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(ROOT, "src");
const ARTIFACTS = join(ROOT, "..", "python", "ocr_peer", "evm", "artifacts");

// Contracts that get deployed, and the file each stands in.
const CONTRACTS = {
  Aggregator: "src/Aggregator.sol",
  PackedAggregator: "src/PackedAggregator.sol",
};

const SETTINGS = {
  optimizer: { enabled: true, runs: 1000000 },
  viaIR: true,
  evmVersion: "paris",
  // No hash of the sources in the bytecode: a changed comment leaves it as it was.
  metadata: { bytecodeHash: "none" },
};

const EIP170_LIMIT = 24576;

function fail(message) {
  console.error(message);
  process.exit(1);
}

function loadCompiler() {
  const require = createRequire(import.meta.url);
  const wanted = require("./package.json").devDependencies.solc;
  let solc;
  try {
    solc = require("solc");
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    fail("The Solidity compiler is not installed. Install it with: npm ci --prefix contracts");
  }
  if (!solc.version().startsWith(`${wanted}+`)) {
    fail(`Compiler ${wanted} is pinned, ${solc.version()} is installed. Run: npm ci --prefix contracts`);
  }
  return solc;
}

function readSources() {
  return readdirSync(SOURCES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".sol"))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [relative(ROOT, path).split(sep).join("/"), readFileSync(path, "utf8")])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function hashSources(sources) {
  const hash = createHash("sha256");
  for (const [name, content] of sources) {
    hash.update(`${name}\0${Buffer.byteLength(content)}\0${content}`);
  }
  return `sha256:${hash.digest("hex")}`;
}

function compile(solc, sources) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(sources.map(([name, content]) => [name, { content }])),
    settings: {
      ...SETTINGS,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  // A warning fails the build.
  const problems = (output.errors ?? []).filter((error) => error.severity !== "info");
  if (problems.length > 0) fail(problems.map((error) => error.formattedMessage).join("\n"));
  return output.contracts;
}

function artifactsOf(solc, sources) {
  const sourceHash = hashSources(sources);
  const compiled = compile(solc, sources);
  return Object.entries(CONTRACTS).map(([contractName, file]) => {
    const { abi, evm } = compiled[file][contractName];
    const size = evm.deployedBytecode.object.length / 2;
    if (size > EIP170_LIMIT) fail(`${contractName} has ${size} bytes, more than the ${EIP170_LIMIT} a chain accepts`);
    const artifact = {
      contractName,
      abi,
      bytecode: `0x${evm.bytecode.object}`,
      deployedBytecode: `0x${evm.deployedBytecode.object}`,
      compiler: solc.version(),
      settings: SETTINGS,
      sourceHash,
    };
    return { artifact, path: join(ARTIFACTS, `${contractName}.json`) };
  });
}

// What differs between a stored artifact and a fresh one, one line per key.
function differences(stored, fresh) {
  const lines = [];
  for (const key of new Set([...Object.keys(stored), ...Object.keys(fresh)])) {
    const before = JSON.stringify(stored[key]);
    const after = JSON.stringify(fresh[key]);
    if (before === after) continue;
    if (key === "abi") {
      const entries = (abi) => new Set((abi ?? []).map((entry) => JSON.stringify(entry)));
      const [old, now] = [entries(stored.abi), entries(fresh.abi)];
      for (const entry of old) if (!now.has(entry)) lines.push(`  abi: only stored: ${entry}`);
      for (const entry of now) if (!old.has(entry)) lines.push(`  abi: only compiled: ${entry}`);
    } else if (key.toLowerCase().endsWith("bytecode")) {
      const bytes = (code) => (code === undefined ? "none" : `${code.length / 2 - 1} bytes`);
      lines.push(`  ${key}: stored ${bytes(stored[key])}, compiled ${bytes(fresh[key])}, contents differ`);
    } else {
      lines.push(`  ${key}: stored ${before}, compiled ${after}`);
    }
  }
  return lines.length > 0 ? lines : ["  only the formatting differs"];
}

function check(artifacts) {
  let same = true;
  for (const { artifact, path } of artifacts) {
    const name = relative(join(ROOT, ".."), path);
    let stored;
    try {
      stored = readFileSync(path, "utf8");
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      console.error(`${name} does not exist`);
      same = false;
      continue;
    }
    if (stored === serialise(artifact)) {
      console.log(`${name} is what the sources compile to`);
      continue;
    }
    same = false;
    let parsed;
    try {
      parsed = JSON.parse(stored);
    } catch {
      console.error(`${name} is not JSON`);
      continue;
    }
    console.error(`${name} is not what the sources compile to:\n${differences(parsed, artifact).join("\n")}`);
  }
  if (!same) fail("Rebuild with: node contracts/build.mjs");
}

function serialise(artifact) {
  return `${JSON.stringify(artifact, null, 2)}\n`;
}

const options = process.argv.slice(2);
if (options.some((option) => option !== "--check")) fail("usage: node build.mjs [--check]");

const artifacts = artifactsOf(loadCompiler(), readSources());
if (options.includes("--check")) {
  check(artifacts);
} else {
  mkdirSync(ARTIFACTS, { recursive: true });
  for (const { artifact, path } of artifacts) {
    writeFileSync(path, serialise(artifact));
    console.log(`${relative(join(ROOT, ".."), path)}: ${artifact.deployedBytecode.length / 2 - 1} bytes of code`);
  }
}
