//! Hands the compiler's version to `build_info`, and declares the cfg that selects
//! curve25519-dalek's backend, which reaches this crate through RUSTFLAGS.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    refuse_slow_wheel();
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

/// A wheel must not lose the backend that `.cargo/config.toml` selects, because nothing but its
/// speed would tell. RUSTFLAGS in the environment, for one, replace those of the file.
fn refuse_slow_wheel() {
    let wheel = env::var_os("CARGO_FEATURE_PYTHON").is_some();
    let x86_64 = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    if wheel && x86_64 && env::var_os("CARGO_CFG_CURVE25519_DALEK_BACKEND").is_none() {
        println!(
            "cargo::error=curve25519_dalek_backend is not set, so signatures would take 1.7 times \
             as long: add --cfg curve25519_dalek_backend=\"avx512\" to RUSTFLAGS, or unset them"
        );
    }
}
