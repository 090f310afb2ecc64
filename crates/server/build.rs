//! Names the profile of the build, for INFO.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    // Under the target folder: PROFILE/build/NAME/out.
    let profile = out.as_deref().and_then(|out| out.ancestors().nth(3));
    let profile = profile.and_then(Path::file_name);
    let profile = profile.and_then(|name| name.to_str()).unwrap_or("");
    println!("cargo::rustc-env=RUSSET_PROFILE={profile}");
}
