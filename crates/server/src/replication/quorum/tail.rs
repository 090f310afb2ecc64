//! The end of a stream that a takeover has fetched from another member: applied as a primary's
//! stream, without a link.
//!
//! Cost: as much as the stream of so many bytes; a takeover fetches at most `repl-backlog-size`.

use crate::clients::batch::{Batch, RequestsEnd};
use crate::clients::client::{Client, ClientFlags};
use crate::execution::applier::Applier;
use crate::replication::stream::is_logged;
use crate::state::world::{Engine, World};
use russet_keyspace::ClientId;
use russet_replication::ReplId;
use russet_replication::quorum::Report;
use russet_replication::upstream::{AppliedBytes, Unit};
use russet_resp::Reply;

impl Engine {
    /// Applies the bytes that a takeover has fetched, if there are any.
    pub(super) fn apply_tail(&mut self) {
        let driver = self.server.replication.quorum.as_mut();
        let Some((history, bytes)) = driver.and_then(|driver| driver.tail.take()) else {
            return;
        };
        let applied = self.apply_stream(history, &bytes);
        let report = match applied {
            Ok(()) => Report::TailApplied,
            Err(why) => Report::TailUnusable(why),
        };
        self.server.report_quorum(&mut self.keyspace, report);
    }

    /// Applies whole units that continue the stream under this history.
    fn apply_stream(&mut self, history: ReplId, bytes: &[u8]) -> Result<(), String> {
        if self.server.stream.follow_as(history) {
            let server = &mut self.server;
            server
                .replication
                .drop_replicas(&mut server.clients, &mut server.turn);
        }
        let mut client = Client::fake(ClientId(0));
        client.flags |= ClientFlags::PRIMARY;
        client.db = self.server.stream.selected().unwrap_or_default();
        let (mut reply, mut batch, mut unit) = (Reply::new(), Batch::default(), Unit::default());
        let mut rest = bytes;
        while !rest.is_empty() {
            let newlines = rest.iter().take_while(|&&byte| byte == b'\n').count();
            if newlines > 0 {
                let applied = AppliedBytes::unlogged(&rest[..newlines]);
                self.append_applied(&client, &mut unit, &applied);
                rest = &rest[newlines..];
                continue;
            }
            let table = &self.server.table;
            let end = batch.parse_requests(&self.keyspace, table, client.db, rest);
            if !matches!(end, RequestsEnd::Commands) {
                return Err("its end is not whole".to_owned());
            }
            let mut taken = 0;
            for (row, args, hashes, end) in batch.commands(rest) {
                let (keyspace, server) = (&mut self.keyspace, &mut self.server);
                let mut world = World::new(keyspace, server, &mut client, &mut reply);
                if let Err(failure) = Applier::Primary.apply(&mut world, row, args, hashes) {
                    self.server.record_stream_failure(&failure, args);
                }
                reply.clear(0);
                let spec = row.map(|id| self.server.table.row(id).spec);
                let applied = AppliedBytes {
                    before: &[],
                    bytes: &rest[taken..end],
                    is_logged: spec.is_none_or(|spec| is_logged(spec.flags, args)),
                };
                self.append_applied(&client, &mut unit, &applied);
                self.note_applied(end - taken);
                taken = end;
            }
            rest = &rest[taken..];
        }
        if client.flags.contains(ClientFlags::MULTI) {
            return Err("it ends within a transaction".to_owned());
        }
        Ok(())
    }

    fn append_applied(&mut self, client: &Client, unit: &mut Unit, applied: &AppliedBytes<'_>) {
        let with_marks = self.server.persist.aof.is_marked();
        let in_transaction = client.flags.contains(ClientFlags::MULTI);
        let part = unit.add(applied, in_transaction, with_marks);
        self.append_part(part, client.db);
    }
}
