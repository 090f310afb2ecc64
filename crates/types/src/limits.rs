//! The configured thresholds between encodings.

use super::Fill;
use russet_config::Config;

/// The list of limits: each with the default of Redis 8.0, and its source if that is not the
/// configuration's field of the same name.
macro_rules! limits {
    ($(
        $(#[$doc:meta])*
        $name:ident: $type:ty = $default:expr $(, from $field:ident by $convert:expr)?;
    )*) => {
        /// The configured thresholds between encodings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Limits {
            /// The defaults of Redis 8.0.
            pub const DEFAULT: Limits = Limits {
                $($name: $default,)*
            };

            /// The limits of this configuration.
            pub fn of(config: &Config) -> Limits {
                Limits {
                    $($name: limits!(@ config, $name $(, $field, $convert)?),)*
                }
            }
        }
    };
    (@ $config:ident, $name:ident) => { $config.$name };
    (@ $config:ident, $name:ident, $field:ident, $convert:expr) => { $convert($config.$field) };
}

limits! {
    /// `list-max-listpack-size`.
    list_fill: Fill = Fill(-2), from list_max_listpack_size by |size| Fill::new(i64::from(size));
    /// `list-compress-depth`: nodes at either end that are not compressed; 0: none is compressed.
    list_compress_depth: u16 = 0, from list_compress_depth by saturated;
    /// `set-max-intset-entries`: the most members of an intset.
    set_max_intset_entries: usize = 512;
    /// `set-max-listpack-entries`: the most members of a listpack.
    set_max_listpack_entries: usize = 128;
    /// `set-max-listpack-value`: the longest member of a listpack, bytes.
    set_max_listpack_value: usize = 64;
    /// `hash-max-listpack-entries`: the most fields of a listpack.
    hash_max_listpack_entries: usize = 512;
    /// `hash-max-listpack-value`: the longest name or value in a listpack, bytes.
    hash_max_listpack_value: usize = 64;
    /// `hash-share-names`: hashes with the same fields share their names, as records.
    hash_share_names: bool = true;
    /// `hash-min-template-entries`: hashes of so many fields or more share their names from the
    /// first hash on; 0: none do.
    hash_min_template_entries: usize = 0;
    /// `hash-max-template-entries`: the most fields of such a hash; 0: no limit.
    hash_max_template_entries: usize = 0;
    /// `zset-max-listpack-entries`: the most members of a listpack.
    zset_max_listpack_entries: usize = 128;
    /// `zset-max-listpack-value`: the longest member of a listpack, bytes.
    zset_max_listpack_value: usize = 64;
    /// `stream-node-max-bytes`; 0: no limit.
    stream_node_max_bytes: usize = 4096;
    /// `stream-node-max-entries`; 0: no limit.
    stream_node_max_entries: u64 = 100;
    /// `array-slice-size`: slots of a slice.
    array_slice_size: usize = 4096;
    /// `array-sparse-kmax`: the most values of a sparse slice; 0: none is sparse.
    array_sparse_kmax: usize = 10;
    /// `array-sparse-kmin`: a slice left with so few values is sparse again.
    array_sparse_kmin: usize = 5;
    /// `stream-idmp-duration`: seconds that a producer's idempotent IDs live, in new streams.
    stream_idmp_duration: u32 = 100;
    /// `stream-idmp-maxsize`: maximum number of them for a producer, in new streams.
    stream_idmp_maxsize: u32 = 100;
}

fn saturated(depth: u32) -> u16 {
    u16::try_from(depth).unwrap_or(u16::MAX)
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_configuration() {
        assert_eq!(Limits::of(&Config::default()), Limits::DEFAULT);
    }
}
