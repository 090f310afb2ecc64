//! The commands of piles.

pub(super) mod docs;

use crate::base::number::parse_i64;
use crate::command::{Access, Arity, CommandError, Flags, KeySpec};
use crate::keyspace::Class;
use crate::server::{Call, CommandResult, Spec};
use crate::types::{Container, Pile};

pub(super) static SPECS: &[Spec] = &[PILEADD, PILELEN];

const PILEADD: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::RW.union(Access::INSERT))],
    ..Spec::new("pileadd", pileadd)
};

const PILELEN: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    ..Spec::new("pilelen", pilelen)
};

/// `PILEADD key number ...`. Reply: the number of numbers.
fn pileadd(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let number = |text| {
        let number = parse_i64(text).and_then(|number| u64::try_from(number).ok());
        number.ok_or(CommandError::NotAnInteger)
    };
    let numbers = call.args.from(2).iter().map(number);
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>()?;
    let mut pile = call.db.write_or(key, Pile::default)?;
    numbers.into_iter().for_each(|number| pile.add(number));
    let len = pile.len();
    drop(pile);
    call.db.changed(key, Class::MODULE, "pileadd");
    call.reply.int(len as i64);
    Ok(())
}

/// `PILELEN key`. Reply: the number of numbers; 0 for a missing key.
fn pilelen(call: &mut Call<'_>) -> CommandResult {
    let len = call.db.read::<Pile>(call.args.at(1))?.map_or(0, |its| its.len());
    call.reply.int(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::Allowed;
    use crate::keyspace::{DbIndex, Saver};
    use crate::persistence::aof::CommandWriter;
    use crate::server::Testbed;

    #[test]
    fn a_pile_is_saved_copied_signed_and_freed_as_any_value() {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = Allowed::Yes;
        let numbers: String = (0..200).map(|n| format!(" {n}")).collect();
        assert_eq!(t.run(&format!("PILEADD p{numbers}")), ":200\r\n");
        assert_eq!(t.run("TYPE p"), "+pile\r\n");
        assert_eq!(t.run("OBJECT ENCODING p"), "$4\r\npile\r\n");
        assert_eq!(t.run("COPY p q"), ":1\r\n");
        assert_eq!(t.run("DEBUG DIGEST-VALUE p"), t.run("DEBUG DIGEST-VALUE q"));
        assert_eq!(t.run("LPUSH p 1"), t.run("GET p"));
        let payload = t.run_args(&[b"DUMP", b"p"]);
        let body = payload.windows(2).position(|two| two == b"\r\n").expect("a head") + 2;
        let body = &payload[body..payload.len() - 2];
        assert_eq!(t.run_args(&[b"RESTORE", b"r", b"0", body]), b"+OK\r\n");
        assert_eq!(t.run("DEBUG DIGEST-VALUE p"), t.run("DEBUG DIGEST-VALUE r"));
        let mut commands = CommandWriter::default();
        let view = t.engine.keyspace.db(DbIndex(0)).view(b"p").map(|view| {
            commands.key(DbIndex(0), &view);
        });
        assert!(view.is_some());
        let text = String::from_utf8_lossy(&commands.out).into_owned();
        assert_eq!(text.matches("PILEADD").count(), 4, "{text}");
        t.engine.keyspace.check_invariants();
        assert_eq!(t.run("UNLINK p q r"), ":3\r\n");
    }
}
