//! How this library was built, and what of it the processor can use.

/// Facts about the build, by name.
#[must_use]
pub fn build_info() -> Vec<(&'static str, String)> {
    vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("rustc", env!("OCR_CRYPTO_RUSTC").to_owned()),
        ("target", env!("OCR_CRYPTO_TARGET").to_owned()),
        ("target_features", compiled_features().join(",")),
        ("cpu_features", detected_features().join(",")),
        ("curve25519_backend", backend_cfg().to_owned()),
        ("curve25519_backend_in_use", backend_in_use().to_owned()),
    ]
}

/// The backend selected by `--cfg curve25519_dalek_backend`: "default" means that the build did
/// not see `.cargo/config.toml`, which lets one verification take 1.7 times as long.
fn backend_cfg() -> &'static str {
    if cfg!(curve25519_dalek_backend = "avx512") {
        "avx512"
    } else if cfg!(curve25519_dalek_backend = "simd") {
        "simd"
    } else if cfg!(curve25519_dalek_backend = "fiat") {
        "fiat"
    } else if cfg!(curve25519_dalek_backend = "serial") {
        "serial"
    } else {
        "default"
    }
}

/// What curve25519-dalek chooses at run time (its `backend.rs`, `get_selected_backend`).
fn backend_in_use() -> &'static str {
    let detected = detected_features();
    let has = |name| detected.contains(&name);
    let vectors_allowed = !matches!(backend_cfg(), "serial" | "fiat");
    if backend_cfg() == "avx512" && has("avx512ifma") && has("avx512vl") {
        "avx512"
    } else if vectors_allowed && has("avx2") {
        "avx2"
    } else {
        "serial"
    }
}

/// The features that matter to the dependencies, as far as the compiler could take them for
/// granted.
fn compiled_features() -> Vec<&'static str> {
    let features = [
        ("sse2", cfg!(target_feature = "sse2")),
        ("avx2", cfg!(target_feature = "avx2")),
        ("avx512ifma", cfg!(target_feature = "avx512ifma")),
        ("avx512vl", cfg!(target_feature = "avx512vl")),
        ("sha", cfg!(target_feature = "sha")),
        ("aes", cfg!(target_feature = "aes")),
        ("neon", cfg!(target_feature = "neon")),
    ];
    present(&features)
}

/// The same features, as far as this processor has them.
#[cfg(target_arch = "x86_64")]
fn detected_features() -> Vec<&'static str> {
    let features = [
        ("sse2", is_x86_feature_detected!("sse2")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512ifma", is_x86_feature_detected!("avx512ifma")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
        ("sha", is_x86_feature_detected!("sha")),
        ("aes", is_x86_feature_detected!("aes")),
    ];
    present(&features)
}

#[cfg(not(target_arch = "x86_64"))]
fn detected_features() -> Vec<&'static str> {
    compiled_features()
}

fn present(features: &[(&'static str, bool)]) -> Vec<&'static str> {
    let present = features.iter().filter(|(_, present)| *present);
    present.map(|(name, _)| *name).collect()
}
