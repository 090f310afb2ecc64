//! The configured thresholds between encodings.

use super::Fill;
use russet_config::Config;

/// The list of limits: each with the default of Redis 8.0, and where it comes from if that is not
/// the configuration's field of the same name.
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
            pub const DEFAULT: Limits = Limits {
                $($name: $default,)*
            };

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
    list_compress_depth: u16 = 0, from list_compress_depth by saturated;
    set_max_intset_entries: usize = 512;
    set_max_listpack_entries: usize = 128;
    set_max_listpack_value: usize = 64;
    hash_max_listpack_entries: usize = 512;
    hash_max_listpack_value: usize = 64;
    hash_share_names: bool = true;
    hash_min_template_entries: usize = 0;
    /// 0: no limit.
    hash_max_template_entries: usize = 0;
    zset_max_listpack_entries: usize = 128;
    zset_max_listpack_value: usize = 64;
    /// `stream-node-max-bytes`; 0: no limit.
    stream_node_max_bytes: usize = 4096;
    /// `stream-node-max-entries`; 0: no limit.
    stream_node_max_entries: u64 = 100;
    array_slice_size: usize = 4096;
    array_sparse_kmax: usize = 10;
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
