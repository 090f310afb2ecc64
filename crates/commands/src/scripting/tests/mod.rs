//! Scripts run in process: their replies, the cache of scripts, their effects.
//!
//!     atomic   scripts that fail and are undone
//!     edges    library functions at the limits of their numbers
//!     kept     caches and their memory

mod atomic;
mod edges;
mod kept;

use crate::testbed::Testbed;

/// EVAL of a script with these keys and arguments.
fn eval(t: &mut Testbed, script: &str, keys: &[&str], args: &[&str]) -> String {
    let count = keys.len().to_string();
    let mut words = vec!["EVAL", script, &count];
    words.extend(keys.iter().chain(args));
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    String::from_utf8_lossy(&t.run_args(&words)).into_owned()
}
