//! Hands the compiler's version to `build_info`, and declares the cfg that selects
//! curve25519-dalek's backend, which reaches this crate through RUSTFLAGS.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!(
        "cargo::rustc-check-cfg=cfg(curve25519_dalek_backend, \
         values(\"avx512\", \"simd\", \"serial\", \"fiat\"))"
    );
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=OCR_CRYPTO_RUSTC={}", version.trim());
    let target = env::var("TARGET").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo::rustc-env=OCR_CRYPTO_TARGET={target}");
}
