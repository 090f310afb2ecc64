//! The sink for an RDB file, from the configuration: version, aux fields, functions.

use crate::keyspace::Keyspace;
use crate::persistence::background::BackgroundFile;
use crate::persistence::rdb::{Writer, version_for};
use crate::server::parts::snapshot::rdb::{RdbSink, Uses};
use crate::server::state::Server;

impl Server {
    /// A sink that writes to `file`; writes everything before the keys: facts, `facts` after the
    /// standard ones, and the function libraries. `version`: the file's, 0 for the lowest that can
    /// hold the keys.
    pub(in crate::server) fn rdb_sink(
        &self,
        keyspace: &Keyspace,
        file: BackgroundFile,
        version: u32,
        facts: &[(&str, Vec<u8>)],
    ) -> RdbSink {
        let version = match version {
            0 => version_for(keyspace),
            asked => asked,
        };
        let mut writer = Writer::new(version, self.config.rdbcompression);
        writer.magic();
        let number = |n: i64| n.to_string().into_bytes();
        writer.aux("redis-ver", crate::config::REDIS_VERSION.as_bytes());
        writer.aux("redis-bits", b"64");
        writer.aux("ctime", &number(self.now.unix_s()));
        let used = crate::base::alloc::used_memory();
        writer.aux("used-mem", &number(used as i64));
        for (name, value) in facts {
            writer.aux(name, value);
        }
        for library in self.scripting.libraries.iter() {
            writer.function(&library.code);
        }
        RdbSink {
            writer,
            compress: self.config.rdbcompression,
            file,
            uses: Uses {
                clock: keyspace.use_clock(),
                lru: self.config.maxmemory_policy.is_lru(),
                lfu: self.config.maxmemory_policy.is_lfu(),
            },
            selected: None,
            told: Vec::new(),
            sizes: (0, 0),
            refused: None,
        }
    }
}
